//! What is inside, as each session sees it.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use audit_lake::Lake;
use audit_testkit::ManualClock;
use live_discover::{
    Clock, Engine, EngineBuilder, EngineOptions, InternalNetworks, Limits, Session,
};
use live_discover::{Error, TenantScope};

use crate::fixture::{ask, empty_lake};

const ASKED: &str = "SELECT is_internal_ip('203.0.113.7'), is_internal_ip('198.51.100.7'), is_internal_ip('10.0.0.1'), \
     is_internal_domain('ada@mail.contoso.com'), is_internal_domain('mallory_evil.example#EXT#@contoso.com')";
const LISTED: &str =
    "SELECT kind || ' ' || value FROM internal_networks WHERE source = 'configured' ORDER BY value";

#[derive(Debug)]
struct TestClock(ManualClock);

impl Clock for TestClock {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

fn inside(text: &str) -> InternalNetworks {
    text.parse().unwrap()
}

fn session(builder: EngineBuilder, lake: &Lake) -> Session {
    let engine = builder.build(lake.clone()).unwrap();
    engine.session(TenantScope::All, Limits::default())
}

#[tokio::test]
async fn the_session_s_counts_before_the_engine_s_and_the_lake_s() {
    let lake = empty_lake().await;
    let check = async |session: &Session, asked: &str, listed: &str| {
        assert_eq!(ask(session, ASKED).await, asked);
        assert_eq!(ask(session, LISTED).await, listed);
    };
    let of_lake = session(Engine::builder(), &lake);
    check(&of_lake, "false\tfalse\ttrue\tfalse\tfalse", "").await;

    lake.update_internal_networks(|networks| {
        networks
            .with_network("203.0.113.0/24")?
            .with_domain("contoso.com")
    })
    .await
    .unwrap();
    let expected = "network 203.0.113.0/24\ndomain contoso.com";
    check(&of_lake, "true\tfalse\ttrue\ttrue\tfalse", expected).await;

    let builder = Engine::builder().with_internal_networks(inside("198.51.100.0/24"));
    let of_engine = session(builder, &lake);
    let expected = "network 198.51.100.0/24";
    check(&of_engine, "false\ttrue\ttrue\tfalse\tfalse", expected).await;

    let of_session = (of_engine.clone()).with_internal_networks(inside("evil.example"));
    let expected = "domain evil.example";
    check(&of_session, "false\tfalse\ttrue\tfalse\ttrue", expected).await;
    let expected = "network 198.51.100.0/24";
    check(&of_engine, "false\ttrue\ttrue\tfalse\tfalse", expected).await;
}

#[tokio::test]
async fn what_the_lake_says_is_kept_as_long_as_snapshots_are() {
    let lake = empty_lake().await;
    let clock = Arc::new(TestClock(ManualClock::new(0)));
    let options = EngineOptions {
        freshness: Duration::from_secs(60),
        ..EngineOptions::default()
    };
    let builder = Engine::builder()
        .with_options(options)
        .with_clock(Arc::clone(&clock) as _);
    let session = session(builder, &lake);
    assert_eq!(ask(&session, LISTED).await, "");
    lake.update_internal_networks(|networks| networks.with_domain("contoso.com"))
        .await
        .unwrap();
    assert_eq!(ask(&session, LISTED).await, "");
    clock.0.advance(60_000_001);
    assert_eq!(ask(&session, LISTED).await, "domain contoso.com");
}

#[tokio::test]
async fn a_damaged_file_is_told_to_those_who_ask() {
    let lake = empty_lake().await;
    let path = object_store::path::Path::from("internal_networks.json");
    let store = lake.store();
    object_store::ObjectStoreExt::put(store.as_ref(), &path, "{".into())
        .await
        .unwrap();
    let session = session(Engine::builder(), &lake);
    let error = session.collect(ASKED).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert_eq!(ask(&session, "SELECT 1").await, "1");
}

#[tokio::test]
async fn the_table_cannot_be_replaced_by_a_lookup() {
    let session = session(Engine::builder(), &empty_lake().await);
    let column = Field::new("network", DataType::Utf8, true);
    let schema = Arc::new(Schema::new(vec![column]));
    let lookup = live_discover::Lookup::from_batches(&schema, Vec::new()).unwrap();
    let error = session.with_lookup("InternalNetworks", lookup).unwrap_err();
    assert!(
        error.to_string().contains("there is such a table"),
        "{error}"
    );
}
