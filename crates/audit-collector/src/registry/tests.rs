use audit_lake::{LakeOptions, TableName};
use audit_schema::ContentType;
use uuid::Uuid;

use super::*;
use crate::integration::{IntegrationState, StateSince};
use crate::lease::{HolderInfo, Lease};

const CONTOSO: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";
const FABRIKAM: &str = "11111111-2222-3333-4444-555555555555";

fn config(tenant: &str) -> IntegrationConfig {
    IntegrationConfig::new(tenant.parse().unwrap(), Uuid::from_u128(7)).unwrap()
}

fn contoso() -> TenantId {
    CONTOSO.parse().unwrap()
}

/// In memory and on a folder, which cannot compare and swap.
async fn places() -> Vec<(Integrations, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lake");
    let open = async |url: &str| {
        let lake = Lake::create_or_open(url, LakeOptions::default()).await;
        Integrations::new(lake.unwrap())
    };
    vec![
        (open("memory://integrations").await, None),
        (open(path.to_str().unwrap()).await, Some(folder)),
    ]
}

async fn added() -> Vec<(Integrations, Option<tempfile::TempDir>)> {
    let places = places().await;
    for (integrations, _) in &places {
        integrations
            .add(config(CONTOSO), Networks::Declined)
            .await
            .unwrap();
    }
    places
}

async fn listed(integrations: &Integrations) -> Vec<String> {
    let listed = integrations.list().await.unwrap();
    listed.iter().map(|one| one.tenant().to_string()).collect()
}

async fn state(integrations: &Integrations) -> IntegrationState {
    integrations.get(contoso()).await.unwrap().state.state
}

#[tokio::test]
async fn integrations_of_several_tenants_are_added_listed_and_inspected() {
    for (integrations, _folder) in places().await {
        assert!(listed(&integrations).await.is_empty());
        let contoso = integrations
            .add(config(CONTOSO), Networks::Declined)
            .await
            .unwrap();
        let fabrikam = integrations
            .add(config(FABRIKAM), Networks::Keep)
            .await
            .unwrap();
        assert_eq!(contoso.state.state, IntegrationState::AwaitingConsent);
        assert_ne!(contoso.id, fabrikam.id);
        assert_eq!(listed(&integrations).await, [CONTOSO, FABRIKAM]);
        assert_eq!(integrations.get(contoso.tenant()).await.unwrap(), contoso);
        let again = integrations.add(config(CONTOSO), Networks::Keep).await;
        assert_eq!(
            again.unwrap_err().to_string(),
            format!("tenant {CONTOSO} has an integration already: remove it first, or change it")
        );
        let missing = integrations.get(TenantId::from(Uuid::from_u128(1))).await;
        assert!(matches!(missing, Err(IntegrationError::NotFound { .. })));
    }
}

#[tokio::test]
async fn the_first_integration_needs_networks_given_or_declined() {
    for (networks, decided) in [
        (Networks::Keep, None),
        (Networks::Declined, Some(NetworksDecision::Declined)),
        (
            Networks::Given("203.0.113.0/24 contoso.com".parse().unwrap()),
            Some(NetworksDecision::Given),
        ),
    ] {
        for (integrations, _folder) in places().await {
            let added = integrations.add(config(CONTOSO), networks.clone()).await;
            let decision = integrations.lake.networks_decision().await.unwrap();
            assert_eq!(decision, decided);
            match decided {
                None => {
                    let error = added.unwrap_err();
                    assert!(matches!(error, IntegrationError::NetworksUndecided));
                    assert!(error.to_string().contains("--no-internal-networks"));
                    assert!(listed(&integrations).await.is_empty());
                }
                Some(_) => {
                    added.unwrap();
                    let later = integrations.add(config(FABRIKAM), Networks::Keep);
                    later.await.unwrap();
                }
            }
        }
    }
}

#[tokio::test]
async fn networks_of_a_later_integration_join_those_that_are_there() {
    for (integrations, _folder) in places().await {
        for (tenant, networks) in [(CONTOSO, "contoso.com"), (FABRIKAM, "fabrikam.com")] {
            let networks = Networks::Given(networks.parse().unwrap());
            integrations.add(config(tenant), networks).await.unwrap();
        }
        let networks = integrations.lake.internal_networks().await.unwrap();
        assert_eq!(networks, "contoso.com fabrikam.com".parse().unwrap());
    }
}

#[tokio::test]
async fn pausing_holds_against_what_a_collector_sees() {
    for (integrations, _folder) in added().await {
        let connected = StateEvent::Connected { has_data: true };
        for _ in 0..2 {
            let paused = integrations.pause(contoso(), Some("audit")).await.unwrap();
            assert_eq!(paused.state.reason.as_deref(), Some("audit"));
            assert!(!paused.is_collected());
        }
        integrations.set_state(contoso(), &connected).await.unwrap();
        assert_eq!(state(&integrations).await, IntegrationState::Paused);
        integrations.resume(contoso()).await.unwrap();
        assert_eq!(state(&integrations).await, IntegrationState::Connecting);
        integrations.set_state(contoso(), &connected).await.unwrap();
        assert_eq!(state(&integrations).await, IntegrationState::Active);
    }
}

#[tokio::test]
async fn a_configuration_is_changed_but_for_its_tenant() {
    for (integrations, _folder) in added().await {
        let changed = integrations.reconfigure(contoso(), |config| {
            config.content_types = [ContentType::Exchange].into();
        });
        assert_eq!(changed.await.unwrap().config.content_types.len(), 1);
        let other = |config: &mut IntegrationConfig| config.tenant = FABRIKAM.parse().unwrap();
        for refused in [
            integrations.reconfigure(contoso(), other).await,
            (integrations.reconfigure(contoso(), |config| config.late_hours = 0)).await,
        ] {
            assert!(matches!(
                refused,
                Err(IntegrationError::InvalidInput { .. })
            ));
        }
    }
}

#[tokio::test]
async fn removing_keeps_the_data_and_adding_again_goes_on_with_it() {
    for (integrations, _folder) in added().await {
        let lake = &integrations.lake;
        lake.open_or_create_table(contoso(), TableName::Audit)
            .await
            .unwrap();
        for _ in 0..2 {
            integrations
                .remove(contoso(), Removal::KeepData)
                .await
                .unwrap();
            assert!(listed(&integrations).await.is_empty());
            assert_eq!(state(&integrations).await, IntegrationState::Removed);
        }
        assert!(integrations.resume(contoso()).await.is_err());
        integrations
            .add(config(CONTOSO), Networks::Keep)
            .await
            .unwrap();
        assert_eq!(listed(&integrations).await, [CONTOSO]);
        let audit = lake.snapshot(&contoso(), TableName::Audit).await.unwrap();
        assert!(audit.is_some());
    }
}

#[tokio::test]
async fn deleting_waits_for_the_collector_that_leads_and_can_be_repeated() {
    for (integrations, _folder) in added().await {
        let lake = &integrations.lake;
        lake.open_or_create_table(contoso(), TableName::Audit)
            .await
            .unwrap();
        integrations.save_health(contoso(), &1).await.unwrap();
        let holder = HolderInfo {
            id: Uuid::from_u128(1),
            host: "here".to_owned(),
            pid: 42,
        };
        let clock = std::sync::Arc::new(audit_lake::SystemClock);
        let minute = std::time::Duration::from_secs(60);
        let mut lease = Lease::new(lake, contoso(), holder, clock, minute);
        lease.acquire().await.unwrap();

        let refused = integrations.remove(contoso(), Removal::DeleteData).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, IntegrationError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("process 42 on here"), "{error}");
        assert_eq!(state(&integrations).await, IntegrationState::Removed);

        lease.release().await.unwrap();
        integrations
            .remove(contoso(), Removal::DeleteData)
            .await
            .unwrap();
        let gone = integrations.get(contoso()).await;
        assert!(matches!(gone, Err(IntegrationError::NotFound { .. })));
        let audit = lake.snapshot(&contoso(), TableName::Audit).await.unwrap();
        assert!(audit.is_none());
        assert_eq!(
            lake.networks_decision().await.unwrap(),
            Some(NetworksDecision::Declined)
        );
    }
}

#[tokio::test]
async fn adding_after_an_interrupted_deletion_begins_with_nothing() {
    for (integrations, _folder) in added().await {
        let lake = &integrations.lake;
        lake.open_or_create_table(contoso(), TableName::Audit)
            .await
            .unwrap();
        let interrupted = |there: Option<&Integration>| {
            Ok(there.map(|there| Integration {
                is_being_deleted: true,
                state: StateSince {
                    state: IntegrationState::Removed,
                    ..there.state.clone()
                },
                ..there.clone()
            }))
        };
        integrations.change(contoso(), interrupted).await.unwrap();
        let added = integrations.add(config(CONTOSO), Networks::Keep).await;
        assert!(!added.unwrap().is_being_deleted);
        let audit = lake.snapshot(&contoso(), TableName::Audit).await.unwrap();
        assert!(audit.is_none());
    }
}

#[tokio::test]
async fn health_is_what_was_said_last() {
    for (integrations, _folder) in added().await {
        let none: Option<Vec<String>> = integrations.health(contoso()).await.unwrap();
        assert_eq!(none, None);
        for health in [vec!["late".to_owned()], vec![]] {
            integrations.save_health(contoso(), &health).await.unwrap();
            let read: Option<Vec<String>> = integrations.health(contoso()).await.unwrap();
            assert_eq!(read, Some(health));
        }
        let other = integrations.health::<u32>(contoso()).await;
        assert!(matches!(
            other,
            Err(IntegrationError::Lake(audit_lake::Error::Corrupt { .. }))
        ));
    }
}

#[tokio::test]
async fn of_changes_at_the_same_time_none_is_lost() {
    for (integrations, _folder) in added().await {
        let integrations = &integrations;
        let adding = ContentType::ALL.map(|content_type| async move {
            integrations
                .reconfigure(contoso(), move |config| {
                    if content_type == ContentType::DlpAll {
                        config.name = Some("Contoso".to_owned());
                    } else {
                        config.content_types.remove(&content_type);
                    }
                })
                .await
        });
        for changed in futures::future::join_all(adding).await {
            changed.unwrap();
        }
        let config = integrations.get(contoso()).await.unwrap().config;
        assert_eq!(config.name.as_deref(), Some("Contoso"));
        assert_eq!(config.content_types, [ContentType::DlpAll].into());
    }
}

#[tokio::test]
async fn what_a_newer_program_wrote_is_left_alone() {
    for (integrations, _folder) in added().await {
        let content = bytes::Bytes::from_static(br#"{"format_version":2,"state":"dreaming"}"#);
        let documents = integrations.documents(contoso());
        let change = documents.change(CONFIGURATION, Some(0), content).await;
        assert_eq!(change.unwrap(), Change::Done);
        let error = integrations.pause(contoso(), None).await.unwrap_err();
        assert!(error.to_string().contains("newer program"), "{error}");
    }
}

#[tokio::test]
async fn one_that_cannot_be_read_does_not_hide_the_others() {
    for (integrations, _folder) in added().await {
        integrations
            .add(config(FABRIKAM), Networks::Keep)
            .await
            .unwrap();
        let path = format!("tenants/{CONTOSO}/integration/configuration/{:020}.json", 1);
        let place = object_store::path::Path::from(path.as_str());
        let store = integrations.lake.store();
        object_store::ObjectStoreExt::put(&store, &place, "{]".into())
            .await
            .unwrap();
        let each = integrations.list_each().await.unwrap();
        let [(contoso_, Err(error)), (fabrikam, Ok(other))] = &each[..] else {
            panic!("{each:?}");
        };
        assert_eq!(*contoso_, contoso());
        let message = error.to_string();
        assert!(
            message.contains(&path) && message.contains("restore it"),
            "{message}"
        );
        assert_eq!(
            (*fabrikam, FABRIKAM),
            (other.tenant(), &*fabrikam.to_string())
        );
        let all = integrations.list().await.unwrap_err();
        assert_eq!(all.to_string(), message);
    }
}
