//! Asking the service what an administrator has to know before records can come.

use audit_lake::{Lake, TableName};

use crate::api::ApiClient;
use crate::credential::{Credential, CredentialProvider};
use crate::error::ApiErrorKind;
use crate::health::Health;
use crate::integration::IntegrationConfig;
use crate::prerequisites::Observations;

/// A listing this short tells whether a content type can be listed.
const LISTED_MICROS: i64 = 60_000_000;

/// Asks for a token, the subscriptions, and one short listing of each content type that is subscribed. Starts nothing
/// unless a subscription is off: only its start tells that auditing is.
pub(crate) async fn observe(
    client: &ApiClient,
    config: &IntegrationConfig,
    provider: &dyn CredentialProvider,
    lake: &Lake,
    health: Option<&Health>,
) -> audit_lake::Result<Observations> {
    let mut seen = Observations {
        content_types: config.content_types.iter().copied().collect(),
        last_record_micros: last_record(config, lake, health).await?,
        ..Observations::default()
    };
    if let Ok(Credential::Certificate(certificate)) =
        provider.credential(config.tenant, config.client_id).await
    {
        seen.credential_expires_micros = certificate.expires_micros();
    }
    let token = client.token_claims().await;
    let has_token = token.is_ok();
    seen.token = Some(token);
    if has_token {
        let subscriptions = client.subscriptions().await;
        if let Ok(subscriptions) = &subscriptions {
            for &content_type in &seen.content_types {
                let is_enabled = subscriptions.iter().any(|subscription| {
                    subscription.content_type == content_type && subscription.status.is_enabled()
                });
                let called = if is_enabled {
                    let now = client.server_now_micros();
                    let mut listing = client.listing(content_type, now - LISTED_MICROS, now);
                    listing.next_page().await.map(|_| ())
                } else {
                    client.start(content_type).await
                };
                // A start a short while ago says nothing of what is asked here.
                let is_news = !matches!(
                    &called,
                    Err(error) if error.kind() == ApiErrorKind::StartTooSoon
                );
                if is_news {
                    seen.calls.push((content_type, called));
                }
            }
        }
        seen.subscriptions = Some(subscriptions);
    }
    seen.now_micros = client.server_now_micros();
    Ok(seen)
}

/// When the newest record that the lake has happened.
async fn last_record(
    config: &IntegrationConfig,
    lake: &Lake,
    health: Option<&Health>,
) -> audit_lake::Result<Option<i64>> {
    let snapshot = lake.snapshot(&config.tenant, TableName::Audit).await?;
    let files = snapshot.iter().flat_map(|snapshot| snapshot.files());
    let in_lake = files.filter_map(|file| file.creation_time.map(|(_, last)| last));
    let collected = health
        .into_iter()
        .flat_map(|health| health.content_types.values());
    let collected = collected.filter_map(|feed| feed.last_record_micros);
    Ok(in_lake.chain(collected).max())
}
