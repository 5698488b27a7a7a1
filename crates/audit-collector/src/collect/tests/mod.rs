//! Collection against a server that is as the reference says. Tests of quirks are named by their numbers there.

mod campaign;
mod quirks;
mod world;

use std::collections::BTreeSet;
use std::path::Path;

use audit_schema::ContentType;
use audit_testkit::api::ApiOperation;

use crate::ledger::{BlobState, Entry, WindowState};
use crate::timeline::{Settled, Windows};
use audit_lake::DAY_MICROS;
use world::{World, poll};

const HOUR_MICROS: i64 = DAY_MICROS / 24;

async fn held(world: &World) -> BTreeSet<String> {
    let ids = world.ids().await;
    assert!(ids.values().all(|count| *count == 1), "a record twice");
    ids.into_keys().collect()
}

#[tokio::test]
async fn everything_that_is_listed_comes_into_the_lake_once() {
    let world = World::new().await;
    let now = world.now();
    for (at, content_type) in ContentType::ALL.into_iter().enumerate() {
        for back in 0..6 {
            world.publish(content_type, now - back * DAY_MICROS - HOUR_MICROS, 3 + at);
        }
    }
    let polled = world.collect().await;
    assert_eq!(polled.settled, 30);
    assert_eq!(held(&world).await, world.truth());
    let stored = world.blobs(BlobState::Stored).await;
    assert_eq!(stored.len(), 30);
    assert_eq!(world.blobs(BlobState::Listed).await.len(), 30);

    // Once more, by one that knows the ledger alone: nothing is retrieved, nothing added.
    world.server.reset_requests();
    let polled = world.collect().await;
    assert_eq!((polled.settled, polled.records), (0, 0));
    assert_eq!(world.server.requests().of(ApiOperation::GetBlob), 0);
    assert_eq!(
        world.server.requests().of(ApiOperation::StartSubscription),
        0
    );
    assert_eq!(held(&world).await, world.truth());
}

/// Content blobs that were really published, where they are at hand.
#[tokio::test]
async fn real_content_blobs_come_through_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/content_blobs");
    if !folder.is_dir() {
        return;
    }
    let world = World::new().await;
    let blobs = world.tenant.publish_folder(&folder, 6).unwrap();
    world.collect().await;
    let published: usize = (world.server.truth().iter())
        .map(|blob| {
            let text: Vec<u8> = blob.body.pieces().flatten().collect();
            let records: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
            records.len()
        })
        .sum();
    let rows = world.ledger().await.into_iter();
    let stored: Vec<_> = rows
        .filter_map(|(_, entry)| match entry {
            Entry::Blob { stored, .. } => stored,
            Entry::Window { .. } => None,
        })
        .collect();
    assert_eq!(stored.len(), blobs);
    let sum = |of: fn(&crate::ledger::Stored) -> u64| stored.iter().map(of).sum::<u64>();
    assert_eq!(sum(|stored| stored.held), published as u64);
    assert_eq!(sum(|stored| stored.rejects), 0);
    let tenant = world::TENANT.parse().unwrap();
    let snapshot = world.lake.snapshot(&tenant, audit_lake::TableName::Audit);
    let rows = snapshot.await.unwrap().unwrap().rows();
    assert_eq!(sum(|stored| stored.records), rows);
    assert_eq!(rows + sum(|stored| stored.duplicates), published as u64);
}

#[tokio::test]
async fn one_commit_a_flush() {
    let world = World::new().await;
    let now = world.now();
    for minute in 0..50 {
        world.publish(
            ContentType::Exchange,
            now - HOUR_MICROS - minute * 60_000_000,
            2,
        );
    }
    world.collect().await;
    let tenant = world::TENANT.parse().unwrap();
    let version = async |table| {
        let snapshot = world.lake.snapshot(&tenant, table).await.unwrap();
        snapshot.unwrap().version()
    };
    // Created, and one commit.
    assert_eq!(version(audit_lake::TableName::Audit).await, 1);
    // Created, listed, stored, complete.
    assert_eq!(version(audit_lake::TableName::Content).await, 3);
}

#[tokio::test]
async fn windows_are_complete_once_late_content_can_no_longer_come() {
    let world = World::new().await;
    let now = world.now();
    world.publish(ContentType::Exchange, now - 5 * DAY_MICROS, 2);
    world.collect().await;
    let complete = async || {
        let rows = world.ledger().await.into_iter();
        let windows = rows.filter_map(|(_, entry)| match entry {
            Entry::Window {
                content_type: ContentType::Exchange,
                window,
                state: WindowState::Settled(Settled::Complete),
                ..
            } => Some(window),
            _ => None,
        });
        windows.collect::<Vec<_>>()
    };
    assert_eq!(complete().await.len(), 5);
    world.server.clock().advance(DAY_MICROS);
    world.collect().await;
    let windows = complete().await;
    assert_eq!(windows.len(), 6);
    assert!(windows.windows(2).all(|pair| pair[0].end == pair[1].start));
}

#[tokio::test]
async fn a_collector_that_stays_asks_little() {
    let world = World::new().await;
    let now = world.now();
    world.publish(ContentType::Exchange, now - HOUR_MICROS, 2);
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    world.server.reset_requests();
    world.server.clock().advance(60_000_000);
    world.publish(ContentType::Exchange, world.now() - 1_000_000, 1);
    let cancel = tokio_util::sync::CancellationToken::new();
    let polled = collector.poll(Windows::Due, &cancel).await.unwrap();
    assert_eq!(polled.records, 1);
    let requests = world.server.requests();
    assert_eq!(requests.of(ApiOperation::ListContent), 5);
    assert_eq!(requests.of(ApiOperation::GetBlob), 1);
    assert_eq!(requests.total(), 6);
}

#[tokio::test]
async fn an_outage_of_nine_days_is_named() {
    let world = World::new().await;
    let start = world.now();
    world.publish(ContentType::Exchange, start - HOUR_MICROS, 2);
    world.collect().await;
    world.publish(ContentType::Exchange, start + HOUR_MICROS, 2);
    world.server.clock().advance(9 * DAY_MICROS);
    let now = world.now();
    let (_, late) = world.publish(ContentType::Exchange, now - DAY_MICROS, 2);
    let mut collector = world.collector().await;
    for _ in 0..5 {
        // Time goes on while it works.
        world.server.clock().advance(HOUR_MICROS / 60);
        poll(&mut collector).await;
    }
    assert!(late.is_subset(&held(&world).await));
    let rows = world.ledger().await.into_iter();
    let lost: Vec<_> = rows
        .filter_map(|(_, entry)| match entry {
            Entry::Window {
                content_type: ContentType::Exchange,
                window,
                state: WindowState::Settled(Settled::Lost),
                reason,
            } => Some((window, reason.unwrap())),
            _ => None,
        })
        .collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    let (window, reason) = &lost[0];
    assert_eq!(window.start, start);
    assert!((now - 7 * DAY_MICROS..now - 7 * DAY_MICROS + HOUR_MICROS).contains(&window.end));
    let coverage = crate::Coverage::read(&world.lake, world::TENANT.parse().unwrap()).await;
    let exchange = coverage.unwrap().days.into_iter();
    let states: String = exchange
        .filter(|day| day.content_type == ContentType::Exchange)
        .map(|day| &day.state.as_str()[..1])
        .collect();
    // Complete, partial, lost, partial where the outage ends, complete again, and what is still waited for.
    assert_eq!(states, "cccccppplpccccwww");
    assert!(reason.contains("seven days"), "{reason}");
}
