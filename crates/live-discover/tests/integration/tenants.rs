//! Whose records a session sees, and when.

use std::collections::BTreeSet;

use live_discover::{Engine, EngineOptions, Limits, Session, TenantScope};

use crate::fixture::{CONTOSO, FABRIKAM, Record, ask, commit, empty_lake, lake, sign_in, tenant};

fn session_of(engine: &Engine, tenants: &[&str]) -> Session {
    let tenants: BTreeSet<_> = tenants.iter().map(|id| tenant(id)).collect();
    engine.session(TenantScope::Only(tenants), Limits::default())
}

#[tokio::test]
async fn a_session_sees_its_tenants_and_no_others() {
    let engine = Engine::new(lake().await).unwrap();
    let unknown = "11111111-1111-1111-1111-111111111111";
    for (scope, records) in [
        (&[CONTOSO][..], 74),
        (&[FABRIKAM], 1),
        (&[CONTOSO, FABRIKAM], 75),
        (&[unknown], 0),
        (&[], 0),
    ] {
        let session = session_of(&engine, scope);
        let count = ask(&session, "SELECT count(*) FROM m365_audit").await;
        assert_eq!(count, records.to_string(), "{scope:?}");
        // However a query asks, other tenants' records are not there.
        for sql in [
            "SELECT DISTINCT tenant_id FROM m365_audit",
            "SELECT DISTINCT tenant_id FROM m365_audit WHERE tenant_id IS NOT NULL OR 1 = 1",
            "SELECT DISTINCT TenantId FROM m365_signins",
            "SELECT DISTINCT a.tenant_id FROM m365_audit a LEFT JOIN m365_audit b ON true",
        ] {
            let seen = ask(&session, sql).await;
            assert!(
                seen.lines().all(|id| scope.contains(&id)),
                "{scope:?} {sql}: {seen}"
            );
        }
        // The plan names files and not where they lie.
        let plan = ask(&session, "EXPLAIN SELECT * FROM m365_audit").await;
        assert_eq!(plan.contains("part-"), records > 0, "{scope:?}: {plan}");
        for part in [CONTOSO, FABRIKAM, "tenants/", "event_date="] {
            assert!(!plan.contains(part), "{scope:?}: {plan}");
        }
    }
}

#[tokio::test]
async fn the_tenant_is_where_the_file_lies() {
    // The files of the fixture claim to be somebody else's.
    let engine = Engine::new(lake().await).unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    let counts = ask(
        &session,
        "SELECT tenant_id, count(*) FROM m365_audit GROUP BY 1 ORDER BY 1",
    )
    .await;
    assert_eq!(counts, format!("{CONTOSO}\t74\n{FABRIKAM}\t1"));
    assert_eq!(
        ask(
            &session,
            "SELECT count(*) FROM m365_audit WHERE tenant_id = 'somebody else'"
        )
        .await,
        "0"
    );
}

#[tokio::test]
async fn a_query_sees_what_was_committed_before_it_and_nothing_after() {
    let lake = empty_lake().await;
    let engine = Engine::new(lake.clone()).unwrap();
    let session = engine.session(TenantScope::All, Limits::default());
    let count = "SELECT count(*) FROM m365_audit";
    assert_eq!(ask(&session, count).await, "0");
    for commits in 1..=3 {
        commit(&lake, CONTOSO, &[sign_in(0, commits)]).await;
        assert_eq!(ask(&session, count).await, commits.to_string());
    }
    // A tenant that is new.
    commit(&lake, FABRIKAM, &[sign_in(0, 0)]).await;
    assert_eq!(ask(&session, count).await, "4");

    let mut stream = session.query("SELECT id FROM m365_audit").await.unwrap();
    commit(&lake, CONTOSO, &[sign_in(1, 1)]).await;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 4);
}

#[tokio::test]
async fn snapshots_within_the_freshness_bound_are_used_again() {
    let lake = empty_lake().await;
    let clock = std::sync::Arc::new(TestClock::default());
    let options = EngineOptions {
        freshness: std::time::Duration::from_secs(60),
        ..EngineOptions::default()
    };
    let engine = Engine::builder()
        .with_options(options)
        .with_clock(std::sync::Arc::clone(&clock) as std::sync::Arc<dyn live_discover::Clock>)
        .build(lake.clone())
        .unwrap();
    let session = session_of(&engine, &[CONTOSO]);
    let count = "SELECT count(*) FROM m365_audit";
    commit(&lake, CONTOSO, &[sign_in(0, 0)]).await;
    assert_eq!(ask(&session, count).await, "1");
    commit(
        &lake,
        CONTOSO,
        &[Record {
            id: "late".to_owned(),
            ..sign_in(0, 1)
        }],
    )
    .await;
    assert_eq!(ask(&session, count).await, "1");
    clock.0.advance(61_000_000);
    assert_eq!(ask(&session, count).await, "2");
    // `now()` is the engine's clock, one reading a query.
    assert_eq!(
        ask(&session, "SELECT now() = now(), to_unixtime(now())").await,
        "true\t61"
    );
}

#[derive(Debug)]
struct TestClock(audit_testkit::ManualClock);

impl Default for TestClock {
    fn default() -> Self {
        Self(audit_testkit::ManualClock::new(0))
    }
}

impl live_discover::Clock for TestClock {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}
