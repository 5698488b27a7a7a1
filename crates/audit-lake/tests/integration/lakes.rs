//! Making and opening lakes.

use audit_lake::{Error, Lake, LakeOptions, TableName, TenantId};
use object_store::ObjectStoreExt;

use crate::places::{places, tenant};

async fn open(url: &str) -> Result<Lake, Error> {
    Lake::open(url, LakeOptions::default()).await
}

#[tokio::test]
async fn a_lake_is_made_once_and_opened_by_path_and_url() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/lake");
    let text = path.to_str().unwrap();
    assert!(matches!(open(text).await, Err(Error::NotFound { .. })));

    Lake::create_or_open(text, LakeOptions::default())
        .await
        .unwrap();
    let made = std::fs::read(path.join("lake.json")).unwrap();
    Lake::create_or_open(text, LakeOptions::default())
        .await
        .unwrap();
    assert_eq!(std::fs::read(path.join("lake.json")).unwrap(), made);

    let by_url = open(&format!("file://{text}")).await.unwrap();
    assert_eq!(by_url.url(), open(text).await.unwrap().url());
}

#[tokio::test]
async fn what_is_no_lake_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    for (content, expected) in [
        (
            r#"{"format_version":2,"created_by":"audit-lake 9.0.0"}"#,
            "made by audit-lake 9.0.0; this program reads up to 1",
        ),
        ("{", "`lake.json` is corrupt"),
        (r#"{"created_by":"x"}"#, "missing field `format_version`"),
    ] {
        std::fs::write(folder.path().join("lake.json"), content).unwrap();
        let error = open(&path).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            Lake::create_or_open(&path, LakeOptions::default())
                .await
                .is_err()
        );
    }
    for url in ["", "nonsense://x", "file://host/lake"] {
        assert!(
            matches!(open(url).await, Err(Error::InvalidInput { .. })),
            "{url:?}"
        );
    }
}

#[tokio::test]
async fn secrets_of_a_url_are_in_no_message() {
    for url in [
        "nonsense://user:pw@c/p?sig=SECRET",
        "az://user:pw@c/p?sig=SECRET",
        "file://user:pw@host/lake?sig=SECRET",
        "nonsense://user:pw@c:port/p?sig=SECRET",
    ] {
        let error = open(url).await.unwrap_err().to_string();
        assert!(
            !error.contains("SECRET") && !error.contains("pw"),
            "{error}"
        );
    }
    let lake = Lake::create_or_open("memory://user:pw@x/y?sig=SECRET", LakeOptions::default());
    let lake = lake.await.unwrap();
    assert_eq!(lake.url().as_str(), "memory://x/y");
    assert!(!format!("{lake:?}").contains("SECRET"));
}

#[tokio::test]
async fn tenants_are_those_with_data() {
    for place in places().await {
        assert_eq!(place.lake.tenants().await.unwrap(), []);
        place
            .lake
            .open_or_create_table(TenantId::UNKNOWN, TableName::Content)
            .await
            .unwrap();
        place
            .lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        // What others leave behind is none.
        let stranger = object_store::path::Path::from("tenants/notes/readme.txt");
        place.lake.store().put(&stranger, "x".into()).await.unwrap();
        assert_eq!(
            place.lake.tenants().await.unwrap(),
            [tenant(), TenantId::UNKNOWN]
        );
        assert!(
            place
                .lake
                .snapshot(&tenant(), TableName::Rejects)
                .await
                .unwrap()
                .is_none()
        );
    }
}
