use url::Url;

use super::*;

fn config() -> IntegrationConfig {
    let tenant = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse().unwrap();
    IntegrationConfig::new(tenant, Uuid::from_u128(7)).unwrap()
}

#[test]
fn a_configuration_is_kept_as_json_and_comes_back() {
    let root = |text| Url::parse(text).unwrap();
    let custom = Cloud::custom(root("http://127.0.0.1:9/m"), root("http://127.0.0.1:9/l"));
    for config in [
        config(),
        IntegrationConfig {
            name: Some("Contoso".to_owned()),
            cloud: custom.unwrap(),
            content_types: [ContentType::DlpAll, ContentType::Exchange].into(),
            late_hours: 24,
            ..config()
        },
    ] {
        let json = serde_json::to_string(&config).unwrap();
        let read: IntegrationConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(read, config);
        read.check().unwrap();
    }
    assert_eq!(
        serde_json::to_string(&config()).unwrap(),
        r#"{"tenant":"0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7","client_id":"00000000-0000-0000-0000-000000000007","publisher_id":"0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7","cloud":"enterprise","content_types":["Audit.AzureActiveDirectory","Audit.Exchange","Audit.SharePoint","Audit.General","DLP.All"],"late_hours":48}"#
    );
}

#[test]
fn what_cannot_be_used_is_told_with_what_would_be_right() {
    type Edit = fn(&mut IntegrationConfig);
    let cases: [(Edit, &str); 9] = [
        (|config| config.tenant = TenantId::UNKNOWN, "give its id"),
        (|config| config.client_id = Uuid::nil(), "client id"),
        (|config| config.publisher_id = Uuid::nil(), "own tenant"),
        (|config| config.content_types.clear(), "name one at least"),
        (|config| config.late_hours = 0, "from 1 to 167, not 0"),
        (|config| config.late_hours = 168, "from 1 to 167, not 168"),
        (|config| config.name = Some(" ".to_owned()), "the name"),
        (|config| config.name = Some("a\nb".to_owned()), "the name"),
        (
            |config| {
                // As JSON may bring it, unchecked.
                config.cloud = Cloud::Custom {
                    management_root: Url::parse("https://user:word@host").unwrap(),
                    login_root: Url::parse("https://host").unwrap(),
                };
            },
            "a user or a password",
        ),
    ];
    for (edit, expected) in cases {
        let mut config = config();
        edit(&mut config);
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("word@"), "{error}");
    }
}
