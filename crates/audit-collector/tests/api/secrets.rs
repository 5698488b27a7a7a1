//! No secret is shown anywhere.

use audit_collector::{Credential, Secret};
use audit_schema::ContentType;
use audit_testkit::api::{ApiFaultKind, ApiOperation};

use crate::{Fixture, SECRET};

#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let fixture = Fixture::subscribed(ContentType::Exchange).await;
    fixture.publish(ContentType::Exchange, "[]");
    let blob = fixture
        .list(ContentType::Exchange)
        .await
        .unwrap()
        .pop()
        .unwrap();
    let token = "marker.of.a-token";
    let mut shown = vec![
        format!("{:?}", fixture.client),
        format!("{:?}", fixture.client.listing(ContentType::Exchange, 0, 1)),
        format!(
            "{:#?}",
            fixture.client.blob(&blob.content_uri).await.unwrap()
        ),
        format!("{:?}", fixture.client.token_claims().await.unwrap()),
        format!("{:?}", fixture.client.settings()),
    ];
    fixture.fault(
        ApiOperation::ListSubscriptions,
        ApiFaultKind::Unauthorized,
        u64::MAX,
    );
    let mut errors = vec![fixture.client.subscriptions().await.unwrap_err()];
    fixture
        .provider
        .give(Ok(Credential::AccessToken(Secret::new(token))));
    errors.push(fixture.client.subscriptions().await.unwrap_err());
    fixture
        .provider
        .give(Ok(Credential::AccessToken(Secret::new(format!(
            "{token}\n"
        )))));
    errors.push(fixture.client.subscriptions().await.unwrap_err());
    fixture
        .provider
        .give(Ok(Credential::ClientSecret(Secret::new(format!(
            "{SECRET}x"
        )))));
    errors.push(fixture.client.subscriptions().await.unwrap_err());
    for error in errors {
        shown.push(format!("{error} {error:?} {error:#?}"));
    }
    for text in shown {
        assert!(
            !text.contains(SECRET) && !text.contains(token) && !text.contains("eyJ"),
            "{text}"
        );
    }
}
