use audit_lake::RandomIds;

use super::*;

const TENANT: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";

fn request() -> ConsentRequest {
    ConsentRequest {
        cloud: Cloud::Enterprise,
        tenant: Some(TENANT.parse().unwrap()),
        client_id: Uuid::from_u128(7),
        redirect: Url::parse("https://host.example/connected?a=b&c=d").unwrap(),
        state: ConsentState::kept("s&t=1").unwrap(),
    }
}

fn answer(query: &str) -> Result<Consent, ConsentError> {
    let url = Url::parse(&format!("https://host.example/connected?{query}")).unwrap();
    request().answer(&url)
}

#[test]
fn urls_of_the_consent_page() {
    let root = |text| Url::parse(text).unwrap();
    let custom = Cloud::custom(root("http://127.0.0.1:9/m/"), root("http://127.0.0.1:9/l/"));
    for (cloud, tenant, expected) in [
        (
            Cloud::Enterprise,
            Some(TENANT),
            "https://login.microsoftonline.com/0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7/v2.0/adminconsent?client_id=00000000-0000-0000-0000-000000000007&redirect_uri=https%3A%2F%2Fhost.example%2Fconnected%3Fa%3Db%26c%3Dd&state=s%26t%3D1&scope=https%3A%2F%2Fmanage.office.com%2F.default",
        ),
        (
            Cloud::GccHigh,
            None,
            "https://login.microsoftonline.us/organizations/v2.0/adminconsent?client_id=00000000-0000-0000-0000-000000000007&redirect_uri=https%3A%2F%2Fhost.example%2Fconnected%3Fa%3Db%26c%3Dd&state=s%26t%3D1&scope=https%3A%2F%2Fmanage.office365.us%2F.default",
        ),
        (
            custom.unwrap(),
            None,
            "http://127.0.0.1:9/l/organizations/v2.0/adminconsent?client_id=00000000-0000-0000-0000-000000000007&redirect_uri=https%3A%2F%2Fhost.example%2Fconnected%3Fa%3Db%26c%3Dd&state=s%26t%3D1&scope=http%3A%2F%2F127.0.0.1%3A9%2Fm%2F.default",
        ),
    ] {
        let request = ConsentRequest {
            cloud,
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
            ..request()
        };
        assert_eq!(request.url().as_str(), expected);
        let classic = request.classic_url();
        assert!(classic.path().ends_with("/adminconsent"), "{classic}");
        assert!(!classic.as_str().contains("v2.0"), "{classic}");
        assert!(!classic.as_str().contains("scope"), "{classic}");
    }
}

#[test]
fn granted() {
    for query in [
        format!("admin_consent=True&tenant={TENANT}&state=s%26t%3D1"),
        format!(
            "state=s%26t%3D1&tenant={}&admin_consent=true&scope=x",
            TENANT.to_uppercase()
        ),
    ] {
        let consent = answer(&query).unwrap();
        assert_eq!(consent.tenant.to_string(), TENANT);
    }
}

#[test]
fn refused_with_microsofts_reason_and_what_to_do() {
    for (error, description, explained) in [
        (
            "access_denied",
            "AADSTS65004: User declined to consent to access the app.\r\nTrace ID: x",
            "declined",
        ),
        (
            "invalid_client",
            "AADSTS650051: Using application 'x' is currently not supported",
            "ActivityReports.Read",
        ),
        (
            "access_denied",
            "AADSTS90094: admin needed",
            "Global Administrator",
        ),
        ("consent_required", "", "administrator"),
        ("access_denied", "AADSTS650049: other", "may not consent"),
        ("something_new", "AADSTS1: new", "what Microsoft says"),
    ] {
        let mut url = Url::parse("https://host.example/connected").unwrap();
        url.query_pairs_mut()
            .append_pair("error", error)
            .append_pair("error_description", description)
            .append_pair("admin_consent", "True")
            .append_pair("tenant", TENANT)
            .append_pair("state", "s&t=1");
        let refused = request().answer(&url).unwrap_err();
        let ConsentError::Refused {
            error: said,
            description,
            explanation,
        } = &refused
        else {
            panic!("{refused}");
        };
        assert_eq!(said, error);
        assert!(explanation.contains(explained), "{explanation}");
        assert!(!description.contains(char::is_control), "{description}");
        assert!(refused.to_string().contains(description), "{refused}");
    }
}

#[test]
fn a_wrong_or_missing_state_is_nobodys_answer() {
    for query in [
        format!("admin_consent=True&tenant={TENANT}"),
        format!("admin_consent=True&tenant={TENANT}&state="),
        format!("admin_consent=True&tenant={TENANT}&state=other"),
        format!("admin_consent=True&tenant={TENANT}&state=s%26t%3D"),
        format!("admin_consent=True&tenant={TENANT}&state=s%26t%3D1&state=s%26t%3D1"),
        "error=access_denied&error_description=x&state=other".to_owned(),
        String::new(),
    ] {
        assert_eq!(answer(&query), Err(ConsentError::WrongState), "{query}");
    }
    assert!(ConsentState::kept("").is_err());
}

#[test]
fn the_consent_of_another_tenant_is_told() {
    let other = "11111111-2222-3333-4444-555555555555";
    let query = format!("admin_consent=True&tenant={other}&state=s%26t%3D1");
    let error = answer(&query).unwrap_err();
    assert!(matches!(error, ConsentError::OtherTenant { .. }), "{error}");
    let anybody = ConsentRequest {
        tenant: None,
        ..request()
    };
    let url = Url::parse(&format!("https://host.example/?{query}")).unwrap();
    assert_eq!(anybody.answer(&url).unwrap().tenant.to_string(), other);
}

#[test]
fn what_is_no_answer_is_told() {
    for query in [
        "state=s%26t%3D1".to_owned(),
        format!("state=s%26t%3D1&tenant={TENANT}"),
        format!("state=s%26t%3D1&tenant={TENANT}&admin_consent=False"),
        "state=s%26t%3D1&admin_consent=True".to_owned(),
        "state=s%26t%3D1&admin_consent=True&tenant=unknown".to_owned(),
        "state=s%26t%3D1&admin_consent=True&tenant=contoso.com".to_owned(),
    ] {
        let error = answer(&query).unwrap_err();
        assert!(
            matches!(error, ConsentError::Malformed(_)),
            "{query}: {error}"
        );
    }
}

#[test]
fn states_differ_and_are_not_shown() {
    let (one, other) = (ConsentState::new(&RandomIds), ConsentState::new(&RandomIds));
    assert_ne!(one, other);
    assert_eq!(one.as_str().len(), 64);
    assert!(!format!("{one:?}").contains(one.as_str()));
    assert!(!format!("{:?}", request()).contains("s&t=1"));
}
