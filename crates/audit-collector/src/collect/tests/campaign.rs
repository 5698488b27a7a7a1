//! Faults, restarts and late blobs by a seed, and the lake against the server's truth.

use std::collections::BTreeSet;
use std::sync::Arc;

use audit_lake::LakeOptions;
use audit_schema::ContentType;
use audit_testkit::api::{ApiFault, ApiFaultKind, ApiOperation, BlobBody, Truncation};
use audit_testkit::{Fault, FaultKind, FaultTrigger, FaultyStore, Operation};
use object_store::memory::InMemory;
use tokio_util::sync::CancellationToken;

use super::world::World;
use super::{HOUR_MICROS, held};
use crate::ledger::BlobState;
use crate::timeline::Windows;
use audit_lake::DAY_MICROS;

/// Numbers by a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn trouble(rate: u64) -> impl Iterator<Item = ApiFault> {
    let everywhere = [
        ApiFaultKind::Unauthorized,
        ApiFaultKind::Throttled {
            status: 403,
            retry_after_seconds: None,
        },
        ApiFaultKind::ThrottledInOk,
        ApiFaultKind::InternalError,
        ApiFaultKind::UnavailableHtml,
        ApiFaultKind::Reset,
        ApiFaultKind::ResetAfter,
    ];
    let of_blobs = [
        ApiFaultKind::NotFound,
        ApiFaultKind::EmptyBody,
        ApiFaultKind::HtmlBody,
        ApiFaultKind::Truncated(Truncation::Silent),
        ApiFaultKind::Truncated(Truncation::WithoutLength),
    ];
    let of_blobs = of_blobs
        .into_iter()
        .map(|kind| ApiFault::new(kind).on(ApiOperation::GetBlob));
    let faults = everywhere.into_iter().map(ApiFault::new).chain(of_blobs);
    faults.map(move |fault| fault.when(FaultTrigger::PerMille(rate)))
}

/// Three days of a tenant in which everything goes wrong now and then.
async fn campaign(seed: u64) {
    let mut dice = Dice(seed);
    let store = Arc::new(FaultyStore::new(Arc::new(InMemory::new()), seed));
    let world = World::with(LakeOptions::default(), Some(Arc::clone(&store) as _)).await;
    world.tenant.configure(|settings| settings.page_size = 4);
    for fault in trouble(15) {
        world.server.fault(fault);
    }
    let publish = |dice: &mut Dice| {
        let content_type = ContentType::ALL[dice.below(5) as usize];
        let created = world.now() - dice.below(20) as i64 * HOUR_MICROS / 10;
        let records = dice.below(4) as usize;
        world.publish(content_type, created, records)
    };
    let mut broken = BTreeSet::new();
    for _ in 0..20 {
        publish(&mut dice);
    }
    for _ in 0..30 {
        let mut collector = world.collector().await;
        for _ in 0..1 + dice.below(3) {
            for _ in 0..dice.below(4) {
                let (content_id, _) = publish(&mut dice);
                if dice.below(8) == 0 {
                    // Never to be had.
                    world.server.fault(ApiFault {
                        url_contains: content_id.clone(),
                        ..ApiFault::new(ApiFaultKind::ContentUnknown).on(ApiOperation::GetBlob)
                    });
                    broken.insert(content_id);
                }
            }
            let operation =
                [Operation::Put, Operation::Get, Operation::List][dice.below(3) as usize];
            store.add(Fault {
                trigger: FaultTrigger::Nth(1 + dice.below(30)),
                kind: [FaultKind::Before, FaultKind::After][dice.below(2) as usize],
                ..Fault::new(operation)
            });
            if dice.below(3) == 0 {
                store.freeze_after_writes(dice.below(20));
            }
            // The lake may fail, and the process may die at any write: the next one goes on.
            let windows = match dice.below(2) {
                0 => Windows::All,
                _ => Windows::Due,
            };
            let polled = collector.poll(windows, &CancellationToken::new()).await;
            store.heal();
            world
                .server
                .clock()
                .advance(HOUR_MICROS / 6 * (1 + dice.below(12) as i64));
            if polled.is_err() {
                break;
            }
        }
    }
    world.server.heal();
    for content_id in &broken {
        world.server.fault(ApiFault {
            url_contains: content_id.clone(),
            ..ApiFault::new(ApiFaultKind::ContentUnknown).on(ApiOperation::GetBlob)
        });
    }
    for _ in 0..6 {
        world.server.clock().advance(7 * HOUR_MICROS);
        world.collect().await;
    }
    let gone: BTreeSet<String> = world.blobs(BlobState::Lost).await.into_keys().collect();
    let stored: BTreeSet<String> = world.blobs(BlobState::Stored).await.into_keys().collect();
    let mut expected = BTreeSet::new();
    for blob in world.server.truth() {
        let BlobBody::Bytes(bytes) = &blob.body else {
            continue;
        };
        let id = &blob.content_id;
        assert_ne!(
            stored.contains(id),
            broken.contains(id),
            "seed {seed}: {id}"
        );
        assert!(
            !broken.contains(id) || gone.contains(id),
            "seed {seed}: {id} is not named"
        );
        if !broken.contains(id) {
            let records: Vec<serde_json::Value> = serde_json::from_slice(bytes).unwrap();
            expected.extend(
                records
                    .iter()
                    .map(|record| record["Id"].as_str().unwrap().to_owned()),
            );
        }
    }
    assert_eq!(held(&world).await, expected, "seed {seed}");
    // In the end every window is complete.
    world.server.clock().advance(3 * DAY_MICROS);
    let mut collector = world.collector().await;
    super::poll(&mut collector).await;
    assert_eq!(collector.backlog(), 0, "seed {seed}");
}

#[tokio::test]
async fn no_record_is_missing_none_is_twice_and_every_loss_is_named() {
    for seed in 0..2 {
        campaign(seed).await;
    }
}
