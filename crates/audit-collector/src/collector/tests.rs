//! Integrations from the lake's documents to their data, and collectors beside each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit_lake::{Lake, LakeOptions, TableName, TenantId};
use audit_schema::ContentType;
use audit_testkit::api::{
    ApiFault, ApiFaultKind, ApiOperation, ApiServer, ApiServerOptions, AppRegistration,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::virtual_time::{CLIENT, OneSecret, SECRET, ServerTime, VirtualPace};
use crate::{Cloud, IntegrationConfig, IntegrationState, Networks, PrerequisiteState, StopCause};

struct World {
    server: ApiServer,
    lake: Lake,
}

impl World {
    async fn new() -> Self {
        let server = ApiServer::start(ApiServerOptions::default()).await.unwrap();
        let options = LakeOptions {
            clock: Arc::new(ServerTime(server.clock().clone())),
            ..LakeOptions::default()
        };
        let lake = Lake::create_or_open("memory://lake", options)
            .await
            .unwrap();
        Self { server, lake }
    }

    fn collector(&self) -> Collector {
        self.collector_with(SECRET)
    }

    fn collector_with(&self, secret: &'static str) -> Collector {
        let pace = VirtualPace::new(self.server.clock());
        self.collector_at(secret, Arc::new(pace))
    }

    fn collector_at(&self, secret: &'static str, pace: Arc<dyn Pace>) -> Collector {
        Collector::with_pace(
            self.lake.clone(),
            Arc::new(OneSecret(secret)),
            pace,
            CollectorOptions::default(),
        )
        .unwrap()
    }

    /// A tenant with an integration and some content.
    async fn add(&self, number: u32, blobs: usize) -> TenantId {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let tenant = self.server.tenant(&id);
        tenant.register(AppRegistration::with_secret(CLIENT, SECRET));
        let now = self.server.clock().now_micros();
        for blob in 0..blobs {
            let content_type = ContentType::ALL[blob % 5].as_str();
            let created = now - 3_600_000_000 - blob as i64 * 1_000_000;
            tenant.publish(content_type, created, self.blob(&id, 3));
        }
        let config = IntegrationConfig {
            cloud: Cloud::Custom {
                management_root: self.server.management_root().parse().unwrap(),
                login_root: self.server.login_root().parse().unwrap(),
            },
            ..IntegrationConfig::new(id.parse().unwrap(), CLIENT.parse().unwrap()).unwrap()
        };
        let integrations = Integrations::new(self.lake.clone());
        integrations.add(config, Networks::Declined).await.unwrap();
        id.parse().unwrap()
    }

    fn blob(&self, tenant: &str, records: usize) -> Bytes {
        let record = || {
            format!(
                r#"{{"CreationTime":"2026-10-08T01:02:03","Id":"{}","Operation":"x","OrganizationId":"{tenant}","RecordType":6}}"#,
                Uuid::new_v4()
            )
        };
        let records: Vec<String> = (0..records).map(|_| record()).collect();
        format!("[{}]", records.join(",")).into()
    }

    async fn rows(&self, tenant: TenantId) -> u64 {
        let snapshot = self.lake.snapshot(&tenant, TableName::Audit).await.unwrap();
        snapshot.map_or(0, |snapshot| snapshot.rows())
    }

    async fn state(&self, tenant: TenantId) -> IntegrationState {
        let integrations = Integrations::new(self.lake.clone());
        integrations.get(tenant).await.unwrap().state.state
    }
}

fn go_on() -> CancellationToken {
    CancellationToken::new()
}

#[tokio::test]
async fn an_integration_goes_from_consent_to_active() {
    let world = World::new().await;
    let tenant = world.add(1, 0).await;
    assert_eq!(world.state(tenant).await, IntegrationState::AwaitingConsent);
    let collector = world.collector();
    let summary = collector.catch_up(None, &go_on()).await.unwrap();
    assert_eq!((summary.records(), summary.backlog()), (0, 0));
    assert_eq!(
        world.state(tenant).await,
        IntegrationState::WaitingForFirstData
    );
    let now = world.server.clock().advance(60_000_000);
    let text = world.blob(&tenant.to_string(), 4);
    let handle = world.server.tenant(&tenant.to_string());
    handle.publish("Audit.Exchange", now - 1_000_000, text);
    let summary = collector.poll_once(None, &go_on()).await.unwrap();
    assert_eq!(summary.records(), 4);
    assert_eq!(world.state(tenant).await, IntegrationState::Active);
    assert_eq!(collector.metrics().records, 4);
}

#[tokio::test]
async fn what_stops_a_tenant_is_told_and_passes() {
    let world = World::new().await;
    let tenant = world.add(1, 5).await;
    let handle = world.server.tenant(&tenant.to_string());
    for (change, cause, state) in [
        (
            (|app| app.consented = false) as fn(&mut AppRegistration),
            StopCause::Consent,
            IntegrationState::AwaitingConsent,
        ),
        (
            |app| app.enabled = false,
            StopCause::ApplicationDisabled,
            IntegrationState::Failing,
        ),
        (
            |app| app.secret_expires_micros = Some(0),
            StopCause::Credential,
            IntegrationState::Failing,
        ),
    ] {
        handle.change_app(CLIENT, change);
        let summary = world.collector().poll_once(None, &go_on()).await.unwrap();
        let health = summary.tenants[0].health.clone().unwrap();
        assert_eq!(health.stopped.as_ref().map(|stop| stop.cause), Some(cause));
        assert_eq!(world.state(tenant).await, state, "{cause}");
        // As the lake keeps it for others.
        let integrations = Integrations::new(world.lake.clone());
        let kept: Health = integrations.health(tenant).await.unwrap().unwrap();
        assert_eq!(kept, health);
        handle.change_app(CLIENT, |app| {
            *app = AppRegistration::with_secret(CLIENT, SECRET)
        });
    }
    let wrong = world.collector_with("wrong");
    let summary = wrong.poll_once(None, &go_on()).await.unwrap();
    let told = format!("{summary:?}");
    assert!(
        told.contains("AADSTS7000215") && !told.contains("wrong\""),
        "{told}"
    );
    world.collector().poll_once(None, &go_on()).await.unwrap();
    assert_eq!(world.state(tenant).await, IntegrationState::Active);
    assert_eq!(world.rows(tenant).await, 15);
}

#[tokio::test]
async fn prerequisites_are_asked_of_the_service() {
    let world = World::new().await;
    let tenant = world.add(1, 1).await;
    let handle = world.server.tenant(&tenant.to_string());
    let states = async || {
        let checked = world.collector().check(tenant).await.unwrap();
        let states = checked
            .into_iter()
            .map(|one| (format!("{:?}", one.id), one.state));
        states.collect::<BTreeMap<_, _>>()
    };
    let met = states().await;
    assert!(
        met.values().all(|state| *state == PrerequisiteState::Met),
        "{met:?}"
    );
    handle.configure(|settings| settings.auditing = false);
    world.server.clock().advance(3_600_000_000);
    assert_eq!(states().await["Auditing"], PrerequisiteState::NotMet);
    handle.change_app(CLIENT, |app| app.roles.clear());
    handle.revoke_tokens();
    assert_eq!(states().await["ReadPermission"], PrerequisiteState::NotMet);
}

#[tokio::test]
async fn paused_and_removed_integrations_are_left_alone() {
    let world = World::new().await;
    let (paused, removed) = (world.add(1, 5).await, world.add(2, 5).await);
    let collector = world.collector();
    let integrations = collector.integrations().clone();
    integrations.pause(paused, Some("holiday")).await.unwrap();
    integrations
        .remove(removed, crate::Removal::KeepData)
        .await
        .unwrap();
    let summary = collector.catch_up(None, &go_on()).await.unwrap();
    assert!(summary.tenants.is_empty());
    assert_eq!(world.server.requests().total(), 0);
    integrations.resume(paused).await.unwrap();
    collector.catch_up(None, &go_on()).await.unwrap();
    assert_eq!(
        (world.rows(paused).await, world.rows(removed).await),
        (15, 0)
    );
}

#[tokio::test]
async fn of_two_collectors_one_leads_and_each_record_comes_once() {
    let world = World::new().await;
    let tenant = world.add(1, 40).await;
    let (a, b) = (world.collector(), world.collector());
    let (cancel, other) = (go_on(), go_on());
    let (a, b) = tokio::join!(a.poll_once(None, &cancel), b.poll_once(None, &other));
    let outcomes = [a.unwrap(), b.unwrap()].map(|summary| summary.tenants[0].outcome.clone());
    assert!(outcomes.contains(&TenantOutcome::Polled), "{outcomes:?}");
    world.collector().catch_up(None, &go_on()).await.unwrap();
    assert_eq!(world.rows(tenant).await, 120);
    assert!(world.server.requests().of(ApiOperation::GetBlob) <= 80);
}

#[tokio::test]
async fn it_collects_until_it_is_cancelled_and_loses_nothing() {
    let world = World::new().await;
    let tenant = world.add(1, 30).await;
    let cancel = go_on();
    let collector = world.collector();
    let running = {
        let (collector, cancel) = (collector.clone(), cancel.clone());
        tokio::spawn(async move { collector.run(None, &cancel).await })
    };
    // Until it is in the middle of its work.
    while world.server.requests().of(ApiOperation::GetBlob) < 5 {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    running.await.unwrap().unwrap();
    // Its lease is free: another one goes on at once.
    let summary = world.collector().catch_up(None, &go_on()).await.unwrap();
    assert_eq!(summary.tenants[0].outcome, TenantOutcome::Polled);
    assert_eq!(world.rows(tenant).await, 90);
}

/// Time does not go on by itself.
#[derive(Debug)]
struct Standstill(VirtualPace);

impl Pace for Standstill {
    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn jitter(&self) -> f64 {
        self.0.jitter()
    }
}

#[tokio::test]
async fn a_hint_ends_the_rest_of_a_tenant_that_is_collected_and_leaves_nothing_of_others() {
    let world = World::new().await;
    let tenant = world.add(1, 1).await;
    let pace = Standstill(VirtualPace::new(world.server.clock()));
    let collector = world.collector_at(SECRET, Arc::new(pace));
    let cancel = go_on();
    let running = {
        let (collector, cancel) = (collector.clone(), cancel.clone());
        tokio::spawn(async move { collector.run(None, &cancel).await })
    };
    let until = async |rows| {
        while world.rows(tenant).await < rows {
            tokio::task::yield_now().await;
        }
    };
    until(3).await;
    let now = world.server.clock().advance(60_000_000);
    let handle = world.server.tenant(&tenant.to_string());
    let text = world.blob(&tenant.to_string(), 4);
    handle.publish("Audit.Exchange", now - 1_000_000, text);
    let stranger = "00000000-0000-4000-8000-000000000099".parse().unwrap();
    collector.hint(stranger);
    collector.hint(tenant);
    until(7).await;
    assert_eq!(collector.inner.hints().len(), 1);
    cancel.cancel();
    running.await.unwrap().unwrap();
    assert!(collector.inner.hints().is_empty());
}

#[tokio::test]
async fn one_tenant_in_trouble_does_not_stop_the_others() {
    let world = World::new().await;
    let mut tenants = Vec::new();
    for number in 0..20 {
        tenants.push(world.add(number + 1, 5).await);
    }
    let throttled = ApiFaultKind::Throttled {
        status: 403,
        retry_after_seconds: None,
    };
    world.server.fault(ApiFault {
        tenant: Some(tenants[0].to_string()),
        ..ApiFault::new(throttled).on(ApiOperation::ListSubscriptions)
    });
    let summary = world.collector().poll_once(None, &go_on()).await.unwrap();
    assert_eq!(summary.records(), 19 * 15);
    let health = summary.tenants[0].health.as_ref().unwrap();
    assert_eq!(health.stopped.as_ref().unwrap().cause, StopCause::Throttled);
    world.server.heal();
    world.collector().catch_up(None, &go_on()).await.unwrap();
    for tenant in tenants {
        assert_eq!(world.rows(tenant).await, 15);
    }
}
