//! Each quirk that a collector meets, by its number in the reference.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use audit_lake::{LakeOptions, TableName};
use audit_schema::ContentType;
use audit_testkit::FaultyStore;
use audit_testkit::api::{ApiFault, ApiFaultKind, ApiOperation, Truncation};

use object_store::memory::InMemory;
use tokio_util::sync::CancellationToken;

use super::super::fetch::DRIP;
use super::world::{World, blob, poll, record};
use super::{HOUR_MICROS, held};
use crate::health::StopCause;
use crate::ledger::{BlobState, Entry, WindowState};
use crate::timeline::{Settled, Windows};
use audit_lake::DAY_MICROS;

/// A world with content of all types.
async fn world() -> World {
    let world = World::new().await;
    let now = world.now();
    for content_type in ContentType::ALL {
        for back in 1..4 {
            world.publish(content_type, now - back * DAY_MICROS, 2);
        }
    }
    world
}

fn throttled(status: u16) -> ApiFaultKind {
    ApiFaultKind::Throttled {
        status,
        retry_after_seconds: None,
    }
}

#[tokio::test]
async fn t6_t7_t22_t23_t24_t25_trouble_that_passes_loses_nothing() {
    for kind in [
        ApiFaultKind::Unauthorized,
        throttled(403),
        throttled(429),
        ApiFaultKind::ThrottledInOk,
        ApiFaultKind::InternalError,
        ApiFaultKind::InternalErrorForAnHour,
        ApiFaultKind::Timeout,
        ApiFaultKind::UnavailableHtml,
        ApiFaultKind::LoginPage,
        ApiFaultKind::Reset,
        ApiFaultKind::ResetAfter,
        ApiFaultKind::EmptyBody,
        ApiFaultKind::ObjectBody,
        ApiFaultKind::ErrorInOk,
        ApiFaultKind::NullBody,
        ApiFaultKind::HtmlBody,
        ApiFaultKind::Truncated(Truncation::Silent),
        ApiFaultKind::Truncated(Truncation::ShorterThanDeclared),
        ApiFaultKind::Truncated(Truncation::WithoutLength),
        ApiFaultKind::ByteOrderMark,
        ApiFaultKind::ContentType(None),
        ApiFaultKind::ContentType(Some("text/html".to_owned())),
    ] {
        for operation in [
            ApiOperation::ListSubscriptions,
            ApiOperation::ListContent,
            ApiOperation::GetBlob,
        ] {
            let world = world().await;
            world
                .server
                .fault(ApiFault::new(kind.clone()).on(operation).times(2));
            let mut collector = world.collector().await;
            let mut polls = 0;
            while held(&world).await != world.truth() {
                polls += 1;
                assert!(
                    polls < 5,
                    "{kind:?} at {operation:?}: {:#?}",
                    collector.health()
                );
                poll(&mut collector).await;
                world.server.clock().advance(HOUR_MICROS / 12);
            }
            assert!(world.server.injected() > 0, "{kind:?} at {operation:?}");
            let lost = world.blobs(BlobState::Lost).await;
            assert!(lost.is_empty(), "{kind:?} at {operation:?}: {lost:?}");
        }
    }
}

#[tokio::test]
async fn b1_b2_b7_what_never_comes_whole_is_named_and_all_else_is_there() {
    for (kind, state, reason) in [
        (ApiFaultKind::NotFound, BlobState::Lost, "not there"),
        (ApiFaultKind::ContentUnknown, BlobState::Lost, "AF20050"),
        (ApiFaultKind::ContentExpired, BlobState::Expired, "AF20051"),
        (ApiFaultKind::EmptyBody, BlobState::Lost, "no array"),
        (ApiFaultKind::NullBody, BlobState::Lost, "no array"),
        (ApiFaultKind::ObjectBody, BlobState::Lost, "no array"),
        (
            ApiFaultKind::Truncated(Truncation::Silent),
            BlobState::Lost,
            "cut off",
        ),
    ] {
        let world = world().await;
        let (broken, records) = world.publish(
            ContentType::Exchange,
            world.now() - DAY_MICROS - HOUR_MICROS,
            2,
        );
        let fault = ApiFault {
            url_contains: broken.clone(),
            ..ApiFault::new(kind.clone()).on(ApiOperation::GetBlob)
        };
        world.server.fault(fault);
        world.collect().await;
        let named = world.blobs(state).await;
        assert_eq!(named.len(), 1, "{kind:?}: {named:?}");
        let told = named[&broken].as_deref().unwrap();
        assert!(told.contains(reason), "{kind:?}: {told}");
        let held = held(&world).await;
        let truth = world.truth();
        let missing: BTreeSet<_> = truth.difference(&held).cloned().collect();
        assert!(missing.is_subset(&records), "{kind:?}");
        // Nothing waits for it: in three days its window is complete, and it is asked for now and then, not all the time.
        world.server.reset_requests();
        world.collect().await;
        assert_eq!(
            world.server.requests().of(ApiOperation::GetBlob),
            0,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn b1_a_lost_blob_that_comes_back_is_stored() {
    let world = world().await;
    let (broken, records) = world.publish(
        ContentType::Exchange,
        world.now() - DAY_MICROS - HOUR_MICROS,
        2,
    );
    world.server.fault(ApiFault {
        url_contains: broken.clone(),
        ..ApiFault::new(ApiFaultKind::NotFound).on(ApiOperation::GetBlob)
    });
    world.collect().await;
    assert!(world.blobs(BlobState::Lost).await.contains_key(&broken));
    world.server.heal();
    world.server.clock().advance(7 * HOUR_MICROS);
    world.collect().await;
    assert!(world.blobs(BlobState::Stored).await.contains_key(&broken));
    assert!(records.is_subset(&held(&world).await));
}

#[tokio::test]
async fn t14_t15_late_blobs_in_listed_windows_are_found() {
    let world = world().await;
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    for (hours, back) in [
        (1, HOUR_MICROS),
        (20, 30 * HOUR_MICROS),
        (1, 40 * HOUR_MICROS),
    ] {
        world.server.clock().advance(hours * HOUR_MICROS);
        let created = world.now() - back;
        let text = blob(&[record(&format!("late {back}"), created - 5 * DAY_MICROS)]);
        world
            .tenant
            .publish_late(ContentType::General.as_str(), created, text);
        let cancel = tokio_util::sync::CancellationToken::new();
        collector.poll(Windows::Due, &cancel).await.unwrap();
        assert_eq!(held(&world).await, world.truth(), "{back}");
    }
}

#[tokio::test]
async fn t16_t18_listings_in_pages_of_any_kind_are_followed_to_their_end() {
    for kind in [
        ApiFaultKind::NextPageUrl,
        ApiFaultKind::Unordered,
        ApiFaultKind::ListedTwice,
        ApiFaultKind::StalePageToken,
        ApiFaultKind::StatusMissing,
    ] {
        let world = World::new().await;
        world.tenant.configure(|settings| settings.page_size = 3);
        let now = world.now();
        for minute in 0..20 {
            world.publish(
                ContentType::SharePoint,
                now - HOUR_MICROS - minute * 60_000_000,
                1,
            );
        }
        let times = match kind {
            ApiFaultKind::StalePageToken => 2,
            _ => u64::MAX,
        };
        world.server.fault(ApiFault::new(kind.clone()).times(times));
        world.collect().await;
        assert_eq!(held(&world).await, world.truth(), "{kind:?}");
    }
}

#[tokio::test]
async fn t19_a_next_page_elsewhere_is_not_asked_and_the_others_go_on() {
    let world = world().await;
    world.tenant.configure(|settings| settings.page_size = 1);
    let now = world.now();
    world.publish(ContentType::Exchange, now - HOUR_MICROS, 1);
    world.publish(ContentType::Exchange, now - 2 * HOUR_MICROS, 1);
    let root = world.server.foreign_root();
    world.server.fault(
        ApiFault::new(ApiFaultKind::ForeignNextPage { root })
            .on(ApiOperation::ListContent)
            .of(ContentType::Exchange.as_str()),
    );
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    let health = collector.health();
    let stops: Vec<_> = health.stops().collect();
    assert_eq!(stops.len(), 1);
    assert_eq!(stops[0].0, Some("Audit.Exchange"));
    assert_eq!(stops[0].1.cause, StopCause::Configuration);
    assert!(held(&world).await.len() >= 24);
}

#[tokio::test]
async fn t4_t5_auditing_that_is_off_is_told_and_collected_once_it_is_on() {
    let world = world().await;
    world.tenant.configure(|settings| settings.auditing = false);
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    let health = collector.health();
    let causes: BTreeSet<_> = health
        .stops()
        .map(|(_, stop)| format!("{:?}", stop.cause))
        .collect();
    assert_eq!(
        causes,
        BTreeSet::from(["AuditingOff".to_owned()]),
        "{health:#?}"
    );
    let (_, stop) = health.stops().next().unwrap();
    assert!(
        stop.message.contains("turn auditing on"),
        "{}",
        stop.message
    );
    // No start before an hour has passed.
    world.server.reset_requests();
    world.server.clock().advance(HOUR_MICROS / 2);
    poll(&mut collector).await;
    assert_eq!(
        world.server.requests().of(ApiOperation::StartSubscription),
        0
    );
    world.tenant.configure(|settings| settings.auditing = true);
    world.server.clock().advance(HOUR_MICROS);
    poll(&mut collector).await;
    assert_eq!(held(&world).await, world.truth());
    let health = collector.health();
    // What there is, is old.
    assert!(
        health
            .stops()
            .all(|(_, stop)| stop.cause == StopCause::NoActivity)
    );
}

#[tokio::test]
async fn t2_t5_a_subscription_disabled_by_somebody_is_started_again() {
    let world = world().await;
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    world
        .tenant
        .disable_subscription(ContentType::Exchange.as_str());
    world.server.clock().advance(HOUR_MICROS);
    world.publish(ContentType::Exchange, world.now() - HOUR_MICROS / 2, 1);
    poll(&mut collector).await;
    poll(&mut collector).await;
    assert_eq!(held(&world).await, world.truth());
    assert_eq!(
        world.server.requests().of(ApiOperation::StopSubscription),
        0
    );
}

#[tokio::test]
async fn t21_one_content_type_without_permission_does_not_stop_the_others() {
    let world = world().await;
    world
        .server
        .fault(ApiFault::new(ApiFaultKind::PermissionMissing).of(ContentType::DlpAll.as_str()));
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    let health = collector.health();
    let stops: Vec<_> = health.stops().collect();
    assert_eq!(stops.len(), 1, "{health:#?}");
    assert_eq!(
        (stops[0].0, stops[0].1.cause),
        (Some("DLP.All"), StopCause::Consent)
    );
    assert_eq!(held(&world).await.len(), world.truth().len() - 6);
}

#[tokio::test]
async fn t27_silence_is_told() {
    let world = world().await;
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    world.server.clock().advance(DAY_MICROS);
    world.publish(ContentType::Exchange, world.now() - HOUR_MICROS, 1);
    poll(&mut collector).await;
    let health = collector.health();
    let silent: Vec<_> = health
        .stops()
        .map(|(name, stop)| (name.unwrap(), stop.cause))
        .collect();
    assert_eq!(silent.len(), 4);
    assert!(
        silent
            .iter()
            .all(|(name, cause)| *name != "Audit.Exchange" && *cause == StopCause::NoActivity)
    );
}

/// A full disk was told as "nothing for 71 hours", with blobs that wait beside it and no reason.
#[tokio::test]
async fn t27_content_that_waits_for_this_machine_is_no_silence_and_says_why() {
    let mut world = world().await;
    let folder = tempfile::tempdir().unwrap().path().join("gone");
    world.options.spool_folder = Some(folder.clone());
    let (_, records) = world.publish(ContentType::Exchange, world.now() - 2 * DAY_MICROS, 3_000);
    world.server.clock().advance(2 * HOUR_MICROS);
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    assert_eq!(
        held(&world).await.len(),
        world.truth().len() - records.len()
    );
    let health = collector.health();
    let exchange = &health.content_types["Audit.Exchange"];
    assert_eq!((exchange.backlog, &exchange.stopped), (1, &None));
    let error = exchange.last_error.as_deref().unwrap();
    let expected = format!("could not be kept in `{}`", folder.display());
    assert!(error.contains(&expected), "{error}");
    let general = health.content_types["Audit.General"].stopped.as_ref();
    assert_eq!(general.unwrap().cause, StopCause::NoActivity);
}

#[tokio::test]
async fn b8_b9_b10_b11_blobs_of_any_kind_are_stored() {
    let world = World::new().await;
    let now = world.now();
    world
        .tenant
        .publish("Audit.General", now - HOUR_MICROS, blob(&[]));
    let a = record("a", now - DAY_MICROS);
    let other_order = r#"{"Id":"a","Operation":"FileAccessed","OrganizationId":"0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7","RecordType":6,"UserId":"ada@contoso.com","Workload":"SharePoint","CreationTime":"TIME"}"#;
    let time = &a[17..36];
    world.tenant.publish(
        "Audit.General",
        now - 2 * HOUR_MICROS,
        blob(&[a.clone(), record("b", now - DAY_MICROS)]),
    );
    world.tenant.publish(
        "DLP.All",
        now - 3 * HOUR_MICROS,
        blob(&[a.clone(), other_order.replace("TIME", time)]),
    );
    let (paged, _) = world.publish(ContentType::Exchange, now - HOUR_MICROS, 7);
    world.server.fault(ApiFault {
        url_contains: paged,
        ..ApiFault::new(ApiFaultKind::PagedBlob { records: 3 }).on(ApiOperation::GetBlob)
    });
    world.collect().await;
    assert_eq!(held(&world).await, world.truth());
    assert_eq!(world.blobs(BlobState::Stored).await.len(), 4);
}

#[tokio::test]
async fn b2_what_expires_while_it_cannot_be_asked_for_is_named() {
    let world = world().await;
    world.server.fault(
        ApiFault::new(ApiFaultKind::InternalError)
            .on(ApiOperation::GetBlob)
            .of(ContentType::Exchange.as_str()),
    );
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    assert_eq!(collector.backlog(), 3);
    world.server.heal();
    world
        .server
        .fault(ApiFault::new(ApiFaultKind::PermissionMissing).of(ContentType::Exchange.as_str()));
    world.server.clock().advance(8 * DAY_MICROS);
    poll(&mut collector).await;
    assert_eq!(collector.backlog(), 0);
    let expired = world.blobs(BlobState::Expired).await;
    assert_eq!(expired.len(), 3);
    let told: Vec<_> = expired.values().flatten().collect();
    assert!(
        told[0].starts_with("it expired before it was retrieved: "),
        "{told:?}"
    );
}

#[tokio::test]
async fn t29_a_content_type_that_never_worked_is_missed_too() {
    let world = world().await;
    world
        .server
        .fault(ApiFault::new(ApiFaultKind::PermissionMissing).of(ContentType::DlpAll.as_str()));
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    // It is missed hour by hour, not poll by poll.
    for _ in 0..90 {
        world.server.clock().advance(HOUR_MICROS / 30);
        poll(&mut collector).await;
    }
    let lost = async || {
        let rows = world.ledger().await.into_iter();
        let lost = rows.filter_map(|(_, entry)| match entry {
            Entry::Window {
                content_type: ContentType::DlpAll,
                window,
                state: WindowState::Settled(Settled::Lost),
                reason,
            } => Some((window, reason.unwrap())),
            _ => None,
        });
        lost.collect::<Vec<_>>()
    };
    let windows = lost().await;
    assert!((2..=3).contains(&windows.len()), "{windows:?}");
    assert!(
        windows[0].1.ends_with("consent or a permission is missing"),
        "{windows:?}"
    );
    world.server.heal();
    world.server.clock().advance(HOUR_MICROS);
    poll(&mut collector).await;
    let windows = lost().await;
    assert!(
        windows
            .windows(2)
            .all(|pair| pair[0].0.end == pair[1].0.start),
        "{windows:?}"
    );
}

#[tokio::test]
async fn t3_subscriptions_that_are_never_listed_cost_a_start_in_15_minutes_and_content_comes() {
    let world = world().await;
    world
        .server
        .fault(ApiFault::new(ApiFaultKind::NothingListed).on(ApiOperation::ListSubscriptions));
    let mut collector = world.collector().await;
    for _ in 0..10 {
        poll(&mut collector).await;
        world.server.clock().advance(HOUR_MICROS / 60);
    }
    assert_eq!(held(&world).await, world.truth());
    let requests = world.server.requests();
    assert_eq!(requests.of(ApiOperation::StartSubscription), 5);
    assert_eq!(requests.of(ApiOperation::StopSubscription), 0);
}

#[tokio::test]
async fn t13_content_that_appears_behind_the_last_listing_is_found() {
    let world = world().await;
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    let listed_to = world.now();
    world.server.clock().advance(HOUR_MICROS / 60);
    let text = blob(&[record("behind", listed_to - HOUR_MICROS)]);
    world
        .tenant
        .publish_late("Audit.Exchange", listed_to - 30_000_000, text);
    let cancel = tokio_util::sync::CancellationToken::new();
    collector.poll(Windows::Due, &cancel).await.unwrap();
    assert_eq!(held(&world).await, world.truth());
}

#[tokio::test]
async fn t28_a_tenant_with_content_of_one_type_alone_is_healthy() {
    let world = World::new().await;
    world.publish(ContentType::General, world.now() - HOUR_MICROS, 3);
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    assert_eq!(held(&world).await.len(), 3);
    assert_eq!(collector.health().stops().count(), 0);
}

#[tokio::test]
async fn b4_one_blob_in_trouble_waits_and_all_others_are_stored() {
    let world = world().await;
    let (broken, records) = world.publish(ContentType::Exchange, world.now() - 6 * DAY_MICROS, 2);
    world.server.fault(ApiFault {
        url_contains: broken.clone(),
        ..ApiFault::new(ApiFaultKind::InternalError).on(ApiOperation::GetBlob)
    });
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    assert_eq!(collector.backlog(), 1);
    assert_eq!(
        held(&world).await.len(),
        world.truth().len() - records.len()
    );
    // Its window is not complete before it is there.
    let is_complete = async || {
        let rows = world.ledger().await;
        rows.iter().any(|(_, entry)| match entry {
            Entry::Window {
                content_type: ContentType::Exchange,
                window,
                state: WindowState::Settled(_),
                ..
            } => window.contains(&(world.now() - 6 * DAY_MICROS)),
            _ => false,
        })
    };
    assert!(!is_complete().await);
    world.server.heal();
    world.server.clock().advance(HOUR_MICROS / 60);
    poll(&mut collector).await;
    assert_eq!(held(&world).await, world.truth());
    assert!(is_complete().await);
}

/// A blob of which a byte comes now and then has no stall, and kept its place until it ended; what came with it waited.
#[tokio::test]
async fn b4_t25_a_blob_that_drips_is_put_off_and_one_that_hangs_keeps_nothing_from_the_lake() {
    let mut world = world().await;
    let (slow, records) = world.publish(ContentType::Exchange, world.now() - 2 * HOUR_MICROS, 2);
    let strikes = |kind| ApiFault {
        url_contains: slow.clone(),
        ..ApiFault::new(kind).on(ApiOperation::GetBlob)
    };
    world.server.fault(strikes(ApiFaultKind::SlowBody {
        piece_bytes: 1,
        pause: Duration::from_millis(200),
    }));
    let all_others = world.truth().len() - records.len();

    // Hours of it are over in a moment.
    world.reached = Some(DRIP);
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    assert_eq!(collector.backlog(), 1);
    assert_eq!(held(&world).await.len(), all_others);
    let health = collector.health();
    let error = health.content_types["Audit.Exchange"].last_error.clone();
    let error = error.unwrap();
    assert!(
        error.contains("next to nothing of the answer within 120 s"),
        "{error}"
    );

    world.server.heal();
    world.server.fault(strikes(ApiFaultKind::StallInBody));
    let (_, new) = world.publish(ContentType::General, world.now() - HOUR_MICROS, 2);
    world.server.clock().advance(HOUR_MICROS);
    world.options.flush_after = Duration::from_secs(7);
    world.reached = Some(Duration::from_secs(7));
    let mut collector = world.collector().await;
    let cancel = CancellationToken::new();
    let mut hanging = std::pin::pin!(collector.poll(Windows::All, &cancel));
    loop {
        tokio::select! {
            biased;
            _ = &mut hanging => panic!("the blob does not hang"),
            () = tokio::task::yield_now() => {}
        }
        if held(&world).await.is_superset(&new) {
            break;
        }
    }
    cancel.cancel();
    hanging.await.unwrap();

    world.server.heal();
    world.collect().await;
    assert_eq!(held(&world).await, world.truth());
}

/// The link back was followed 10,000 times, and what came by then was called whole.
#[tokio::test]
async fn b9_a_blob_whose_pages_link_to_each_other_is_kept_and_named() {
    let world = world().await;
    let (endless, _) = world.publish(ContentType::Exchange, world.now() - 2 * HOUR_MICROS, 2);
    world.server.fault(ApiFault {
        url_contains: endless.clone(),
        ..ApiFault::new(ApiFaultKind::BlobInCircle)
    });
    world.collect().await;
    assert_eq!(held(&world).await, world.truth());
    let lost = world.blobs(BlobState::Lost).await;
    assert_eq!(
        lost,
        [(
            endless,
            Some("its pages do not end, 5 times in a row".to_owned())
        )]
        .into()
    );
}

/// Three weeks that had not come yet were lost, and never asked for: a page of a proxy had another `Date`, and the
/// machine's clock may be set while nothing answers.
#[tokio::test]
async fn t12_what_is_lost_is_told_by_the_clock_of_an_answer() {
    let world = world().await;
    let mut collector = world.collector().await;
    poll(&mut collector).await;
    let settled = async |wanted| {
        let rows = world.ledger().await.into_iter();
        let settled = rows.filter(|(_, entry)| match entry {
            Entry::Window { state, .. } => *state == WindowState::Settled(wanted),
            Entry::Blob { .. } => false,
        });
        settled.count()
    };
    world
        .server
        .fault(ApiFault::new(ApiFaultKind::UnavailableHtml));
    world.server.clock().advance(10 * DAY_MICROS);
    poll(&mut collector).await;
    assert_eq!(settled(Settled::Lost).await, 0);
    world.server.heal();
    world.server.clock().advance(HOUR_MICROS);
    poll(&mut collector).await;
    assert_eq!(settled(Settled::Lost).await, ContentType::ALL.len());
}

#[tokio::test]
async fn b6_what_the_ledger_calls_stored_is_in_the_lake_whenever_the_process_dies() {
    for writes in 0..14 {
        let store = Arc::new(FaultyStore::new(Arc::new(InMemory::new()), 1));
        let world = World::with(LakeOptions::default(), Some(Arc::clone(&store) as _)).await;
        let now = world.now();
        let blobs: Vec<_> = (1..4)
            .map(|back| world.publish(ContentType::Exchange, now - back * HOUR_MICROS, 2))
            .collect();
        store.freeze_after_writes(writes);
        if let Ok(mut collector) = world.try_collector().await {
            let cancel = tokio_util::sync::CancellationToken::new();
            let _ = collector.poll(Windows::All, &cancel).await;
        }
        store.heal();
        let stored = world.blobs(BlobState::Stored).await;
        let held_now = held(&world).await;
        for (content_id, records) in &blobs {
            let is_there = records.is_subset(&held_now);
            assert!(
                !stored.contains_key(content_id) || is_there,
                "{writes} writes"
            );
        }
        world.collect().await;
        assert_eq!(held(&world).await, world.truth(), "{writes} writes");
        assert_eq!(
            world.blobs(BlobState::Stored).await.len(),
            3,
            "{writes} writes"
        );
    }
}

#[tokio::test]
async fn b12_b13_one_id_with_two_contents_and_records_without_id_are_kept() {
    let world = World::new().await;
    let now = world.now();
    let a = record("a", now - DAY_MICROS);
    let changed = a.replace("ada@contoso.com", "eve@contoso.com");
    let nameless = record("", now - DAY_MICROS);
    let without = a.replace(r#""Id":"a","#, "");
    world.tenant.publish(
        "Audit.General",
        now - HOUR_MICROS,
        blob(&[a.clone(), nameless, without]),
    );
    world.collect().await;
    world.server.clock().advance(HOUR_MICROS);
    world.tenant.publish(
        "Audit.General",
        world.now() - HOUR_MICROS / 2,
        blob(&[changed, a]),
    );
    world.collect().await;
    let tenant = super::world::TENANT.parse().unwrap();
    let snapshot = world
        .lake
        .snapshot(&tenant, TableName::Audit)
        .await
        .unwrap();
    assert_eq!(snapshot.unwrap().rows(), 4);
    assert_eq!(world.ids().await["a"], 2);
}

#[tokio::test]
async fn b14_b15_b16_events_long_before_their_blob_keep_both_times() {
    let world = World::new().await;
    let now = world.now();
    let event = now - 20 * DAY_MICROS;
    world.tenant.publish(
        "Audit.General",
        now - HOUR_MICROS,
        blob(&[record("old", event)]),
    );
    world.collect().await;
    // The same event in another blob, five days later.
    world.server.clock().advance(5 * DAY_MICROS);
    world.tenant.publish(
        "Audit.General",
        world.now() - HOUR_MICROS,
        blob(&[record("old", event)]),
    );
    let polled = world.collect().await;
    assert_eq!((polled.settled, polled.records), (1, 0));
    let tenant = super::world::TENANT.parse().unwrap();
    let snapshot = world
        .lake
        .snapshot(&tenant, TableName::Audit)
        .await
        .unwrap();
    let snapshot = snapshot.unwrap();
    let [file] = snapshot.files() else {
        panic!("one file");
    };
    let day = i64::from(file.event_date.unwrap());
    assert_eq!(day, event.div_euclid(DAY_MICROS));
}

#[tokio::test]
async fn t19_blobs_that_were_listed_below_another_root_are_asked_for_at_the_configured_one() {
    let world = World::new().await;
    world.publish(ContentType::Exchange, world.now() - HOUR_MICROS, 2);
    let root = world.server.foreign_root();
    world.server.fault(
        ApiFault::new(ApiFaultKind::ForeignContentUri { root }).on(ApiOperation::ListContent),
    );
    world.collect().await;
    assert_eq!(held(&world).await, world.truth());
    let requests = world.server.requests();
    assert!(
        requests
            .log()
            .all(|request| !request.host.starts_with("localhost"))
    );
}
