//! The category, its queries, and those of a host.

use audit_lake::{Lake, LakeOptions};
use live_discover::{Engine, Library, Limits, Query, Request, Session, TenantScope, TimeRange};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::fixture::{CONTOSO, FABRIKAM, empty_lake, lake, session, tenant, text};

fn of(lake: &Lake, tenants: &[&str]) -> Session {
    let tenants = tenants.iter().map(|id| tenant(id)).collect();
    Engine::new(lake.clone())
        .unwrap()
        .session(TenantScope::Only(tenants), Limits::default())
}

async fn listed(session: &Session) -> Vec<String> {
    let library = Library::new();
    let categories = session.categories(&library).await.unwrap();
    categories
        .iter()
        .map(|category| category.name.to_string())
        .collect()
}

const OTHER: &str = "11111111-2222-3333-4444-555555555555";

#[tokio::test]
async fn the_category_appears_with_an_integration_or_data() {
    let lake = lake().await;
    assert_eq!(
        listed(&of(&lake, &[CONTOSO])).await,
        ["Microsoft 365 audit data"]
    );
    assert_eq!(listed(&session(&lake)).await, ["Microsoft 365 audit data"]);
    let other = of(&lake, &[OTHER]);
    assert!(listed(&other).await.is_empty());

    let library = Library::new();
    let request = || Request::of(library.query("top_users").unwrap());
    assert_eq!(
        other.collect(request()).await.unwrap_err().to_string(),
        "there is no Microsoft 365 audit data here yet: connect the tenant's integration “Office 365 Management \
         Activity API”, or ingest an export"
    );
    // SQL of one's own over nothing is no error.
    assert!(other.collect("SELECT * FROM m365_audit").await.is_ok());

    for (version, state, expected) in [
        (0, "awaiting_consent", vec!["Microsoft 365 audit data"]),
        (1, "removed", vec![]),
        (2, "active", vec!["Microsoft 365 audit data"]),
    ] {
        let configurations = format!("tenants/{OTHER}/integration/configuration");
        let place = Path::from(format!("{configurations}/{version:020}.json"));
        let json = format!(r#"{{"state":"{state}"}}"#);
        lake.store().put(&place, json.into()).await.unwrap();
        assert_eq!(listed(&other).await, expected, "{state}");
    }
    assert!(other.collect(request()).await.unwrap().is_empty());
    // It is not Fabrikam's that Contoso has one.
    assert_eq!(
        listed(&of(&empty_lake().await, &[FABRIKAM])).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn every_bundled_query_is_what_its_header_says() {
    let session = session(&lake().await);
    let library = Library::new();
    for query in library.queries() {
        session
            .check(query)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", query.id));
    }
}

#[tokio::test]
async fn a_host_imports_runs_and_exports_its_queries() {
    let lake = lake().await;
    let session = session(&lake);
    let text_of_file = "-- id: rules_of\n-- category: ours\n-- name: Rules of a user\n-- description: Rules.\n\
                        -- variable $$user$$ user: who\n-- column operation: what\n\
                        SELECT operation FROM m365_audit WHERE user_id = $$user$$ AND record_type = 1\n";
    let query = session
        .check_file("rules_of.sql", text_of_file)
        .await
        .unwrap();
    let mut library = Library::load(&lake).await.unwrap();
    library.insert(query.clone()).unwrap();
    Library::save(&lake, &query).await.unwrap();

    let again = Library::load(&lake).await.unwrap();
    let loaded = again.require("rules_of").unwrap();
    assert_eq!(loaded.to_text(), text_of_file);
    assert_eq!(again.categories().len(), 2);
    let request = Request::of(loaded)
        .with_variable("user", "bob@contoso.com")
        .with_range(TimeRange::all());
    assert_eq!(
        text(&session.collect(request).await.unwrap()),
        "New-InboxRule"
    );

    Library::delete(&lake, "rules_of").await.unwrap();
    assert!(
        Library::load(&lake)
            .await
            .unwrap()
            .query("rules_of")
            .is_none()
    );
    assert_eq!(
        Library::delete(&lake, "rules_of")
            .await
            .unwrap_err()
            .to_string(),
        "the lake has no query `rules_of` of its own"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_with_its_line() {
    let session = session(&lake().await);
    let header =
        "-- id: q\n-- name: q\n-- description: q\n-- variable $$n$$ integer: n\n-- column a: a\n";
    for (sql, expected) in [
        (
            "\nSELECT useridd AS a\nFROM m365_audit WHERE record_type = $$n$$",
            "`q.sql`: no column `useridd`; did you mean `user_id`? (line 7, column 8)",
        ),
        (
            "SELECT user_id\nFROM m365_audit WHERE record_type = $$n$$",
            "`q.sql`: the header has the columns a, the result user_id",
        ),
        (
            "SELECT user_id AS a FROM m365_audit",
            "`q.sql`, line 4: the SQL does not use the variable `n`",
        ),
        (
            "SELECT user_id AS a\nFROM m365_audit WHER record_type = $$n$$",
            "`q.sql`: syntax error: `record_type` cannot stand here (line 7, column 22)",
        ),
    ] {
        let error = session.check_file("q.sql", &format!("{header}{sql}")).await;
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_file_in_the_lake_that_is_no_query_is_named() {
    let lake = Lake::create_or_open("memory://broken", LakeOptions::default())
        .await
        .unwrap();
    for (bytes, expected) in [
        (
            &b"SELECT 1"[..],
            "`queries/x.sql`, line 1: there is no header: a query file starts with `-- id: …`",
        ),
        (&b"\xff"[..], "`queries/x.sql` is no UTF-8 text"),
    ] {
        let place = Path::from("queries/x.sql");
        lake.store()
            .put(&place, bytes.to_vec().into())
            .await
            .unwrap();
        assert_eq!(
            Library::load(&lake).await.unwrap_err().to_string(),
            expected
        );
    }
}

#[test]
fn a_query_of_the_form_is_read() {
    // The form is `audit_schema`'s; hosts see it here.
    let query: Query = Library::new().query("top_users").unwrap().clone();
    assert_eq!(Query::parse(&query.to_text()), Ok(query));
}
