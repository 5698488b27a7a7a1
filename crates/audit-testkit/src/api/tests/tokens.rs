use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::*;
use crate::api::clock::SECOND;

const ASSERTION_TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
const KEY: &str = include_str!("key.pem");
const PUBLIC_KEY: &str = include_str!("public.pem");

fn secret_form(fixture: &Fixture) -> String {
    format!(
        "grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}&resource={}",
        fixture.server.management_root()
    )
}

#[tokio::test]
async fn version_1_has_numbers_as_strings_and_version_2_as_numbers() {
    let fixture = Fixture::new().await;
    let first = fixture
        .ask_token(
            TENANT,
            "oauth2/token?api-version=1.0",
            &secret_form(&fixture),
        )
        .await;
    let first = first.json();
    assert_eq!(first["expires_in"], "3599");
    assert_eq!(first["resource"], fixture.server.management_root());
    let number = |name: &str| first[name].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(number("expires_on") - number("not_before"), 3_900);
    let form = secret_form(&fixture).replace("&resource=", "&scope=") + "/.default";
    let second = fixture
        .ask_token(TENANT, "oauth2/v2.0/token", &form)
        .await
        .json();
    assert_eq!(second["expires_in"], 3_599);
    assert!(second["expires_on"].is_null() && second["resource"].is_null());
}

#[tokio::test]
async fn access_tokens_are_jwts_with_the_documented_claims() {
    let fixture = Fixture::new().await;
    let claims = fixture.token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["aud"], fixture.server.management_root());
    assert_eq!(claims["iss"], format!("https://sts.windows.net/{TENANT}/"));
    assert_eq!(claims["tid"], TENANT);
    assert_eq!(claims["appid"], CLIENT);
    assert_eq!(claims["ver"], "1.0");
    assert_eq!(
        claims["roles"],
        json!(["ActivityFeed.Read", "ActivityFeed.ReadDlp"])
    );
    assert_eq!(claims["iat"], fixture.now() / SECOND);
}

#[tokio::test]
async fn token_errors_have_their_codes() {
    let fixture = Fixture::new().await;
    let good = secret_form(&fixture);
    let tenant = &fixture.tenant;
    let register = |change: fn(&mut AppRegistration)| {
        tenant.register(AppRegistration::with_secret(CLIENT, SECRET));
        tenant.change_app(CLIENT, change);
    };
    type Case<'a> = (&'a str, String, fn(&mut AppRegistration), u16, &'a str, u32);
    let same: fn(&mut AppRegistration) = |_| ();
    let other = "11111111-2222-3333-4444-555555555555";
    let cases: [Case<'_>; 14] = [
        (
            TENANT,
            good.replace(CLIENT, other),
            same,
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            TENANT,
            good.clone(),
            |app| app.consented = false,
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            TENANT,
            good.clone(),
            |app| app.enabled = false,
            401,
            "unauthorized_client",
            7_000_112,
        ),
        (
            TENANT,
            good.replace(SECRET, "wrong"),
            same,
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            TENANT,
            good.clone(),
            |app| app.secret_expires_micros = Some(1),
            401,
            "invalid_client",
            7_000_222,
        ),
        (
            TENANT,
            good.replace("client_secret", "x"),
            same,
            401,
            "invalid_client",
            7_000_218,
        ),
        (other, good.clone(), same, 400, "invalid_request", 90_002),
        (
            "contoso.example",
            good.clone(),
            same,
            400,
            "invalid_request",
            90_002,
        ),
        (
            "nonsense",
            good.clone(),
            same,
            400,
            "invalid_request",
            900_023,
        ),
        (
            TENANT,
            good.replace("/management", "/elsewhere"),
            same,
            400,
            "invalid_resource",
            500_011,
        ),
        (
            TENANT,
            good.replace("grant_type", "x"),
            same,
            400,
            "invalid_request",
            900_144,
        ),
        (
            TENANT,
            good.replace("client_id", "x"),
            same,
            400,
            "invalid_request",
            900_144,
        ),
        (
            TENANT,
            good.replace("client_credentials", "password"),
            same,
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (TENANT, String::new(), same, 400, "invalid_request", 900_144),
    ];
    for (tenant, form, change, status, error, code) in cases {
        register(change);
        let answer = fixture.ask_token(tenant, "oauth2/token", &form).await;
        let json = answer.json();
        assert_eq!(
            (answer.status, &json["error"], &json["error_codes"]),
            (status, &json!(error), &json!([code]))
        );
        let text = json["error_description"].as_str().unwrap();
        assert!(
            text.starts_with(&format!("AADSTS{code}: ")) && text.contains("\r\nTrace ID: "),
            "{text}"
        );
        assert!(!answer.text().contains(SECRET));
    }
    register(same);
    fixture
        .tenant
        .configure(|settings| settings.resource_enabled = false);
    let answer = fixture.ask_token(TENANT, "oauth2/token", &good).await;
    assert_eq!(answer.json()["error_codes"], json!([500_014]));
    let form = good.replace("&resource=", "&scope=");
    let answer = fixture.ask_token(TENANT, "oauth2/v2.0/token", &form).await;
    assert_eq!(answer.json()["error"], "invalid_scope");
}

#[tokio::test]
async fn an_assertion_is_checked_by_key_thumbprint_audience_and_time() {
    let fixture = Fixture::new().await;
    let mut app = AppRegistration::with_certificate(CLIENT, PUBLIC_KEY);
    app.thumbprint = Some("x".into());
    fixture.tenant.register(app);
    let now = fixture.now() / SECOND;
    let endpoint = format!("{}/{TENANT}/oauth2/token", fixture.server.login_root());
    let sign = |algorithm, key: EncodingKey, thumbprint: Option<&str>, claims: Value| {
        let mut header = Header::new(algorithm);
        header.x5t = thumbprint.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    let key = || EncodingKey::from_rsa_pem(KEY.as_bytes()).unwrap();
    let claims = |aud: &str, iss: &str, nbf: i64, exp: i64| json!({"aud": aud, "iss": iss, "sub": iss, "jti": "1", "nbf": nbf, "exp": exp});
    let good = claims(&endpoint, CLIENT, now, now + 600);
    let signed = sign(Algorithm::RS256, key(), Some("x"), good.clone());
    let mut forged = signed.clone();
    forged.truncate(signed.len() - 8);
    forged.push_str("AAAAAAAA");
    for (assertion, code) in [
        (signed.clone(), None),
        (
            sign(Algorithm::RS256, key(), None, good.clone()),
            Some(50_027),
        ),
        (
            sign(
                Algorithm::HS256,
                EncodingKey::from_secret(b"k"),
                Some("x"),
                good.clone(),
            ),
            Some(50_027),
        ),
        ("nonsense".to_owned(), Some(50_027)),
        (
            sign(Algorithm::RS256, key(), Some("y"), good),
            Some(700_027),
        ),
        (forged, Some(700_027)),
        (
            sign(
                Algorithm::RS256,
                key(),
                Some("x"),
                claims("https://x", CLIENT, now, now + 600),
            ),
            Some(50_012),
        ),
        (
            sign(
                Algorithm::RS256,
                key(),
                Some("x"),
                claims(&endpoint, PUBLISHER, now, now + 600),
            ),
            Some(700_021),
        ),
        (
            sign(
                Algorithm::RS256,
                key(),
                Some("x"),
                claims(&endpoint, CLIENT, now - 900, now - 600),
            ),
            Some(700_024),
        ),
        (
            sign(
                Algorithm::RS256,
                key(),
                Some("x"),
                claims(&endpoint, CLIENT, now + 600, now + 900),
            ),
            Some(700_024),
        ),
    ] {
        let form = format!(
            "grant_type=client_credentials&client_id={CLIENT}&resource={}&client_assertion_type={ASSERTION_TYPE}\
             &client_assertion={assertion}",
            fixture.server.management_root()
        );
        let json = fixture
            .ask_token(TENANT, "oauth2/token", &form)
            .await
            .json();
        let found = json["error_codes"][0].as_u64();
        assert_eq!(found, code, "{json}");
        assert_eq!(json["access_token"].is_string(), code.is_none());
    }
}

#[tokio::test]
async fn t23_a_token_that_is_not_accepted_gets_401_with_an_empty_body() {
    let mut fixture = Fixture::new().await;
    let good = fixture.token.clone();
    let (body, signature) = good.rsplit_once('.').unwrap();
    let backwards: String = signature.chars().rev().collect();
    for token in ["", "x.y.z", &format!("{body}.{backwards}")] {
        fixture.token = token.to_owned();
        let answer = fixture.get("subscriptions/list").await;
        assert_eq!((answer.status, answer.body.len()), (401, 0));
        assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
    }
    let form = secret_form(&fixture).replace(
        &fixture.server.management_root(),
        "https://graph.microsoft.com",
    );
    let foreign = fixture
        .ask_token(TENANT, "oauth2/token", &form)
        .await
        .json();
    fixture.token = foreign["access_token"].as_str().unwrap().to_owned();
    assert_eq!(fixture.get("subscriptions/list").await.status, 401);
}

#[tokio::test]
async fn t22_a_token_ends_by_the_servers_clock_or_when_it_is_revoked() {
    let mut fixture = Fixture::new().await;
    fixture.server.clock().advance(3_599 * SECOND);
    assert_eq!(fixture.get("subscriptions/list").await.status, 200);
    fixture.server.clock().advance(SECOND);
    assert_eq!(fixture.get("subscriptions/list").await.status, 401);
    fixture.sign_in().await;
    assert_eq!(fixture.get("subscriptions/list").await.status, 200);
    fixture.tenant.revoke_tokens();
    assert_eq!(fixture.get("subscriptions/list").await.status, 401);
    fixture.sign_in().await;
    assert_eq!(fixture.get("subscriptions/list").await.status, 200);
}

#[tokio::test]
async fn the_tenant_of_the_url_is_checked_against_the_token() {
    let fixture = Fixture::new().await;
    let other = "11111111-2222-3333-4444-555555555555";
    let unknown = "99999999-2222-3333-4444-555555555555";
    fixture.server.tenant(other);
    for (tenant, code) in [
        (other, "AF20010"),
        (unknown, "AF20011"),
        ("contoso.example", "AF20013"),
    ] {
        let url = fixture
            .url("subscriptions/list")
            .replacen(TENANT, tenant, 1);
        let answer = fixture.get_url(&url).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code));
    }
    fixture
        .tenant
        .configure(|settings| settings.licensed = false);
    assert_eq!(fixture.get("subscriptions/list").await.code(), "AF20012");
}

#[tokio::test]
async fn t21_without_the_permission_for_dlp_that_content_type_alone_is_401() {
    let mut fixture = Fixture::new().await;
    fixture
        .tenant
        .change_app(CLIENT, |app| app.roles.truncate(1));
    fixture.sign_in().await;
    assert_eq!(fixture.start(EXCHANGE).await.status, 200);
    let answer = fixture.start("DLP.All").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "AF10001"));
    let id = fixture
        .tenant
        .publish("DLP.All", fixture.now(), "[]".into());
    assert_eq!(fixture.blob(&id).await.code(), "AF10001");
    fixture.tenant.change_app(CLIENT, |app| app.roles.clear());
    fixture.sign_in().await;
    let answer = fixture.get("subscriptions/list").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "AF10001"));
}

#[tokio::test]
async fn consent_makes_an_application_known_and_sends_the_browser_back() {
    let fixture = Fixture::new().await;
    fixture
        .tenant
        .change_app(CLIENT, |app| app.consented = false);
    let page = |client: &str| {
        let login = fixture.server.login_root();
        format!(
            "{login}/organizations/v2.0/adminconsent?client_id={client}&state=a%20b\
             &redirect_uri=https%3A%2F%2Fexample.com%2Fdone%3Fx%3D1"
        )
    };
    let answer = fixture.get_url(&page(CLIENT)).await;
    let expected =
        format!("https://example.com/done?x=1&admin_consent=True&tenant={TENANT}&state=a+b");
    assert_eq!(
        (answer.status, answer.header("Location")),
        (302, Some(expected.as_str()))
    );
    let answer = fixture
        .ask_token(TENANT, "oauth2/token", &secret_form(&fixture))
        .await;
    assert_eq!(answer.status, 200);
    let answer = fixture.get_url(&page(PUBLISHER)).await;
    assert!(
        answer
            .header("Location")
            .unwrap()
            .contains("error=unauthorized_client")
    );
}

#[tokio::test]
async fn no_debug_text_shows_a_secret_or_a_key() {
    let fixture = Fixture::new().await;
    let app = AppRegistration::with_secret(CLIENT, SECRET);
    let texts = format!("{:?} {:?} {app:?}", fixture.server, fixture.tenant);
    assert!(
        !texts.contains(SECRET) && !texts.contains("signing_key"),
        "{texts}"
    );
}
