//! What sessions refuse, and what errors say.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use live_discover::{Engine, Error, Limits, Lookup, ShapeLimits, TenantScope};

use crate::fixture::{ask, lake, refusal, session};

#[tokio::test]
async fn nothing_but_a_query_is_run() {
    let session = session(&lake().await);
    for sql in [
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1 INTO x",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SHOW ALL",
        "EXPLAIN INSERT INTO m365_audit SELECT * FROM m365_audit",
        "SELECT 1; DROP TABLE m365_audit",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT * FROM n",
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'file:///etc/hosts.csv'",
        "SELECT * FROM read_parquet('/etc/x')",
        "SELECT * FROM other.public.m365_audit",
    ] {
        let error = session.collect(sql).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidQuery { .. }),
            "{sql}: {error:?}"
        );
    }
}

#[tokio::test]
async fn errors_say_what_where_and_what_instead() {
    let session = session(&lake().await);
    for (sql, expected) in [
        (
            "SELECT userid2 FROM m365_audit",
            "no column `userid2`; did you mean `user_id`? (line 1, column 8)",
        ),
        (
            "SELECT id\nFROM m365_audit\nWHERE operatoin = 'x'",
            "no column `operatoin`; did you mean `operation`? (line 3, column 7)",
        ),
        (
            "SELECT a.clientipp FROM m365_audit a",
            "no column `a.clientipp`; did you mean `client_ip`? (line 1, column 8)",
        ),
        (
            "SELECT zzzzz FROM m365_audit",
            "no column `zzzzz` (line 1, column 8)",
        ),
        (
            "SELECT * FROM m365_audits",
            "no table `m365_audits`; did you mean `m365_audit`? (line 1, column 15)",
        ),
        (
            "SELECT * FROM customers",
            "no table `customers` (line 1, column 15)",
        ),
        (
            "SELECT lowwer(user_id) FROM m365_audit",
            "no function `lowwer`; did you mean `lower`? (line 1, column 8)",
        ),
        (
            "SELEC 1",
            "syntax error: a query begins with SELECT, not with `SELEC` (line 1, column 1)",
        ),
        (
            "SELECT id FROM m365_audit a JOIN m365_audit b ON a.id = b.id",
            "column `id` is in more than one table: say `table.id` (line 1, column 8)",
        ),
    ] {
        assert_eq!(refusal(&session, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn values_that_do_not_fit_are_the_querys_fault() {
    let session = session(&lake().await);
    for sql in [
        "SELECT CAST(user_id AS BIGINT) FROM m365_audit",
        "SELECT 1 / (record_type - record_type) FROM m365_audit",
        "SELECT * FROM m365_audit WHERE user_id ~ '('",
        "SELECT * FROM m365_audit WHERE creation_time > 'yesterday'",
    ] {
        let error = session.collect(sql).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidQuery { .. }),
            "{sql}: {error:?}"
        );
    }
}

#[tokio::test]
async fn long_chains_neither_crash_nor_hang() {
    let session = session(&lake().await);
    let conditions: Vec<String> = (0..450).map(|n| format!("user_id = 'user{n}'")).collect();
    let sql = format!(
        "SELECT count(*) FROM m365_audit WHERE {}",
        conditions.join(" OR ")
    );
    assert_eq!(ask(&session, &sql).await, "0");
    let sum = vec!["1"; 900].join(" + ");
    assert_eq!(ask(&session, &format!("SELECT {sum}")).await, "900");
    let list: Vec<String> = (0..20_000).map(|n| format!("'{n}@contoso.com'")).collect();
    let sql = format!(
        "SELECT count(*) FROM m365_audit WHERE user_id IN ({})",
        list.join(",")
    );
    assert_eq!(ask(&session, &sql).await, "0");
    let many = format!("SELECT 1 WHERE {}", vec!["1 = 1"; 5_000].join(" OR "));
    assert!(
        refusal(&session, &many)
            .await
            .starts_with("the limit of operators")
    );
}

#[tokio::test]
async fn a_session_is_told_of_its_own_world() {
    let batch = RecordBatch::try_from_iter([(
        "IP address",
        Arc::new(StringArray::from(vec!["203.0.113.1"])) as ArrayRef,
    )])
    .unwrap();
    let lookup = Lookup::from_batches(&batch.schema(), vec![batch]).unwrap();
    let session = session(&lake().await).with_lookup("iocs", lookup).unwrap();
    let tables = ask(&session, "SHOW TABLES").await;
    for line in [
        "iocs\tLOCAL TEMPORARY",
        "m365_audit\tBASE TABLE",
        "m365_signins\tVIEW",
    ] {
        assert!(tables.lines().any(|table| table == line), "{tables}");
    }
    assert_eq!(
        ask(&session, "DESCRIBE IOCs").await,
        "ip_address\tvarchar\tYES"
    );
    assert_eq!(
        ask(&session, "SHOW COLUMNS FROM iocs").await,
        "ip_address\tvarchar\tYES"
    );
    // Every column that is told of can be asked for, in that order.
    for table in ["m365_audit", "m365_signins", "m365_content", "m365_rejects"] {
        let told = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
             ORDER BY ordinal_position"
        );
        let told = ask(&session, &told).await;
        let schema = (session
            .schema(format!("SELECT * FROM {table}").as_str())
            .await)
            .unwrap();
        let columns: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(told.lines().collect::<Vec<_>>(), columns, "{table}");
    }
    assert_eq!(
        refusal(&session, "DESCRIBE m365_audits").await,
        "no table `m365_audits`; did you mean `m365_audit`?"
    );
}

#[tokio::test]
async fn limits_of_the_text_can_be_set() {
    let engine = Engine::new(lake().await).unwrap();
    let shape = ShapeLimits {
        relations: 2,
        plan_steps: 20,
        ..ShapeLimits::default()
    };
    let limits = Limits {
        shape,
        ..Limits::default()
    };
    let session = engine.session(TenantScope::All, limits);
    assert_eq!(
        refusal(
            &session,
            "SELECT 1 FROM m365_audit, m365_audit b, m365_audit c"
        )
        .await,
        "the limit of what one query may hold was reached: 2 tables and subqueries in FROM; ask in several queries"
    );
    assert_eq!(
        ask(
            &session,
            "SELECT count(*) FROM m365_audit a JOIN m365_audit b USING (id)"
        )
        .await,
        "75"
    );
}
