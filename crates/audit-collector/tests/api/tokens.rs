//! Tokens: got once, refreshed in time, replaced when refused.

use audit_collector::{
    ApiErrorKind, Certificate, Credential, CredentialError, Secret, TokenErrorKind,
};
use audit_schema::ContentType;
use audit_testkit::api::{ApiFault, ApiFaultKind, ApiOperation, AppRegistration};

use crate::{CLIENT, Fixture, HOUR, MINUTE};

const EXCHANGE: ContentType = ContentType::Exchange;
const CERTIFICATE: &[u8] = include_bytes!("../data/certificate.pem");
const PUBLIC_KEY: &str = include_str!("../data/public-key.pem");
const KEY: &str = include_str!("../data/private-key.pem");

#[tokio::test]
async fn one_token_serves_everybody_and_is_refreshed_before_its_end() {
    let fixture = Fixture::new().await;
    let calls = (0..20).map(|_| fixture.client.subscriptions());
    futures::future::try_join_all(calls).await.unwrap();
    assert_eq!(fixture.requests(ApiOperation::Token), 1);
    for (minutes, tokens) in [(50, 1), (6, 2), (50, 2), (6, 3)] {
        fixture.server.clock().advance(minutes * MINUTE);
        fixture.client.subscriptions().await.unwrap();
        assert_eq!(fixture.requests(ApiOperation::Token), tokens);
    }
    let requests = fixture.server.requests();
    assert!(requests.log().all(|request| request.status == 200));
}

#[tokio::test]
async fn a_token_of_a_minute_is_not_asked_for_at_each_call() {
    let fixture = Fixture::new().await;
    fixture
        .tenant
        .configure(|settings| settings.token_lifetime_seconds = 60);
    for _ in 0..5 {
        fixture.client.subscriptions().await.unwrap();
    }
    assert_eq!(fixture.requests(ApiOperation::Token), 1);
}

#[tokio::test]
async fn t22_a_token_that_is_refused_in_mid_run_is_replaced_once_for_all() {
    let fixture = Fixture::new().await;
    fixture.client.subscriptions().await.unwrap();
    fixture.server.clock().advance(2_000_000);
    fixture.tenant.revoke_tokens();
    fixture.server.clock().advance(2_000_000);
    let calls = (0..20).map(|_| fixture.client.subscriptions());
    futures::future::try_join_all(calls).await.unwrap();
    assert_eq!(fixture.requests(ApiOperation::Token), 2);
}

#[tokio::test]
async fn t23_a_second_401_with_an_empty_body_is_the_end_of_the_call() {
    let fixture = Fixture::new().await;
    fixture.fault(
        ApiOperation::ListSubscriptions,
        ApiFaultKind::Unauthorized,
        u64::MAX,
    );
    let error = fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ApiErrorKind::TokenRejected, Some(401))
    );
    // A fresh token, and as the root is none of Microsoft's, one that is Microsoft's own.
    assert_eq!(fixture.requests(ApiOperation::ListSubscriptions), 3);
    assert_eq!(fixture.requests(ApiOperation::Token), 3);
    // That is tried once.
    fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(fixture.requests(ApiOperation::ListSubscriptions), 5);
}

#[tokio::test]
async fn t21_a_permission_that_is_missing_for_one_type_leaves_the_others() {
    let fixture = Fixture::new().await;
    fixture.tenant.change_app(CLIENT, |app| {
        app.roles = vec!["ActivityFeed.Read".to_owned()]
    });
    let error = fixture.client.start(ContentType::DlpAll).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::PermissionMissing);
    assert_eq!(error.content_type(), Some(ContentType::DlpAll));
    fixture.client.start(EXCHANGE).await.unwrap();

    // Without a word, the token tells.
    fixture
        .server
        .fault(ApiFault::new(ApiFaultKind::Unauthorized).of("DLP.All"));
    let error = fixture.list(ContentType::DlpAll).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::PermissionMissing);
    assert_eq!(error.message(), "the token lacks ActivityFeed.ReadDlp");
    let claims = fixture.client.token_claims().await.unwrap();
    assert_eq!(claims.allows("ActivityFeed.Read"), Some(true));
    assert_eq!(claims.allows("ActivityFeed.ReadDlp"), Some(false));
}

#[tokio::test]
async fn a_certificate_gets_a_token_also_with_a_wrong_clock() {
    for skew in [0, 3 * HOUR, -3 * HOUR] {
        let fixture = Fixture::with(skew, |_| ()).await;
        fixture
            .tenant
            .register(AppRegistration::with_certificate(CLIENT, PUBLIC_KEY));
        let certificate = Certificate::from_pem(CERTIFICATE, Secret::new(KEY)).unwrap();
        fixture
            .provider
            .give(Ok(Credential::Certificate(certificate)));
        fixture
            .client
            .subscriptions()
            .await
            .unwrap_or_else(|error| panic!("{skew}: {error}"));
    }
}

#[tokio::test]
async fn a_token_of_the_hosts_own_is_used_and_asked_for_again_when_it_is_refused() {
    let fixture = Fixture::new().await;
    fixture
        .provider
        .give(Ok(Credential::AccessToken(Secret::new("opaque"))));
    let error = fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::TokenRejected);
    assert_eq!(fixture.provider.asked(), 3);
    assert_eq!(fixture.requests(ApiOperation::Token), 0);
}

#[tokio::test]
async fn what_the_token_endpoint_refuses_is_said_for_an_administrator() {
    let fixture = Fixture::new().await;
    let now = fixture.now();
    let cases: [(&dyn Fn(), TokenErrorKind, &str); 5] = [
        (
            &|| {
                fixture
                    .provider
                    .give(Ok(Credential::ClientSecret(Secret::new("wrong"))))
            },
            TokenErrorKind::SecretWrong,
            "value, not its id",
        ),
        (
            &|| {
                fixture
                    .tenant
                    .change_app(CLIENT, |app| app.secret_expires_micros = Some(now));
                let secret = Secret::new(crate::SECRET);
                fixture.provider.give(Ok(Credential::ClientSecret(secret)));
            },
            TokenErrorKind::SecretExpired,
            "make a new one",
        ),
        (
            &|| {
                fixture.tenant.change_app(CLIENT, |app| {
                    app.secret_expires_micros = None;
                    app.enabled = false;
                });
            },
            TokenErrorKind::ApplicationDisabled,
            "Enabled for users to sign in",
        ),
        (
            &|| {
                fixture.tenant.change_app(CLIENT, |app| app.enabled = true);
                fixture
                    .tenant
                    .configure(|settings| settings.resource_enabled = false);
            },
            TokenErrorKind::ResourceDisabled,
            "Office 365 Management APIs",
        ),
        (
            &|| {
                fixture
                    .tenant
                    .change_app(CLIENT, |app| app.consented = false);
            },
            TokenErrorKind::NotConsented,
            "grant consent",
        ),
    ];
    for (change, kind, words) in cases {
        change();
        let error = fixture.client.token_claims().await.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Credential(kind));
        assert!(error.code().is_some_and(|code| code.starts_with("AADSTS")));
        let shown = error.to_string();
        assert!(shown.contains(words), "{shown}");
    }
}

#[tokio::test]
async fn a_host_without_a_credential_and_one_that_cannot_get_at_it() {
    let fixture = Fixture::new().await;
    fixture.provider.give(Err(CredentialError::Missing(
        "none in the vault".to_owned(),
    )));
    let error = fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(
        error.kind(),
        ApiErrorKind::Credential(TokenErrorKind::NoCredential)
    );
    fixture.provider.give(Err(CredentialError::Unavailable(
        "the vault is shut".to_owned(),
    )));
    let error = fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Transient);
    assert!(error.to_string().contains("the vault is shut"));
}

#[tokio::test]
async fn an_endpoint_in_trouble_stops_nobody_while_the_token_holds() {
    let fixture = Fixture::new().await;
    fixture.client.subscriptions().await.unwrap();
    fixture.fault(ApiOperation::Token, ApiFaultKind::UnavailableHtml, u64::MAX);
    fixture.server.clock().advance(57 * MINUTE);
    for _ in 0..10 {
        fixture.client.subscriptions().await.unwrap();
    }
    assert_eq!(fixture.requests(ApiOperation::Token), 2);
    fixture.server.clock().advance(5 * MINUTE);
    let calls = (0..5).map(|_| fixture.client.subscriptions());
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(outcome.unwrap_err().kind(), ApiErrorKind::Transient);
    }
    assert_eq!(
        fixture.requests(ApiOperation::Token),
        5,
        "one asks for all who wait"
    );
    fixture.server.heal();
    fixture.client.subscriptions().await.unwrap();
}
