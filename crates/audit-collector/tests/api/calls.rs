//! Subscriptions, listings, and what happens to every call.

use std::time::Duration;

use audit_collector::{ApiErrorKind, SubscriptionStatus};
use audit_schema::ContentType;
use audit_testkit::api::{ApiFault, ApiFaultKind, ApiOperation};

use crate::{Fixture, HOUR, MINUTE};

const EXCHANGE: ContentType = ContentType::Exchange;

#[tokio::test]
async fn t1_a_start_of_an_enabled_subscription_is_success() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    fixture.client.start(EXCHANGE).await.unwrap();
    let subscriptions = fixture.client.subscriptions().await.unwrap();
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(subscriptions[0].content_type, EXCHANGE);
    assert_eq!(subscriptions[0].status, SubscriptionStatus::Enabled);
}

#[tokio::test]
async fn t2_a_start_too_soon_is_said_with_its_wait_and_not_repeated() {
    let fixture = Fixture::new().await;
    fixture.client.start(EXCHANGE).await.unwrap();
    fixture.server.clock().advance(MINUTE);
    fixture.tenant.disable_subscription(EXCHANGE.as_str());
    let error = fixture.client.start(EXCHANGE).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::StartTooSoon);
    let wait = error.retry_after().unwrap();
    assert!(
        wait <= Duration::from_secs(840) && wait >= Duration::from_secs(830),
        "{wait:?}"
    );
    assert_eq!(fixture.requests(ApiOperation::StartSubscription), 2);
}

#[tokio::test]
async fn t2_a_start_is_not_repeated_after_trouble() {
    let fixture = Fixture::new().await;
    fixture.fault(ApiOperation::StartSubscription, ApiFaultKind::ResetAfter, 1);
    let error = fixture.client.start(EXCHANGE).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Transient);
    assert_eq!(fixture.requests(ApiOperation::StartSubscription), 1);
    assert_eq!(fixture.client.subscriptions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn t4_auditing_off_is_recognised() {
    let fixture = Fixture::new().await;
    fixture
        .tenant
        .configure(|settings| settings.auditing = false);
    let error = fixture.client.start(EXCHANGE).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::AuditingOff);
    let shown = error.to_string();
    assert!(shown.contains("turn auditing on"), "{shown}");
    assert!(!shown.contains("   at "), "{shown}");
}

#[tokio::test]
async fn t5_a_disabled_subscription_and_a_missing_one_are_told_apart() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    let error = fixture.list(ContentType::General).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::NoSubscription);
    fixture.tenant.disable_subscription(EXCHANGE.as_str());
    let error = fixture.list(EXCHANGE).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::SubscriptionDisabled);
    assert_eq!(error.content_type(), Some(EXCHANGE));
}

#[tokio::test]
async fn t6_t7_t8_a_storm_of_throttling_passes_with_growing_pauses() {
    for kind in [
        ApiFaultKind::Throttled {
            status: 403,
            retry_after_seconds: None,
        },
        ApiFaultKind::Throttled {
            status: 429,
            retry_after_seconds: None,
        },
        ApiFaultKind::ThrottledInOk,
    ] {
        let fixture = Fixture::subscribed(EXCHANGE).await;
        fixture.publish(EXCHANGE, "[]");
        fixture.pace.slept_seconds();
        fixture.fault(ApiOperation::ListContent, kind, 3);
        assert_eq!(fixture.list(EXCHANGE).await.unwrap().len(), 1);
        assert_eq!(fixture.pace.slept_seconds(), [10, 20, 40]);
        assert_eq!(fixture.client.usage().throttled, 3);
    }
}

#[tokio::test]
async fn t8_throttling_that_stays_goes_to_the_caller_and_others_pause_too() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    let kind = ApiFaultKind::Throttled {
        status: 403,
        retry_after_seconds: Some(600),
    };
    fixture.fault(ApiOperation::ListContent, kind, 1);
    let error = fixture.list(EXCHANGE).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
    let asked = fixture.server.requests().total();
    let error = fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Throttled);
    assert_eq!(
        fixture.server.requests().total(),
        asked,
        "nobody asks in a pause"
    );
    fixture.server.clock().advance(10 * MINUTE);
    fixture.client.subscriptions().await.unwrap();
}

#[tokio::test]
async fn t9_every_call_has_a_publisher_and_a_token() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    fixture.tenant.configure(|settings| settings.page_size = 2);
    for _ in 0..5 {
        fixture.publish(EXCHANGE, "[]");
    }
    for blob in fixture.list(EXCHANGE).await.unwrap() {
        fixture.retrieve(&blob.content_uri).await.unwrap();
    }
    fixture.client.subscriptions().await.unwrap();
    let requests = fixture.server.requests();
    assert_eq!(requests.of(ApiOperation::ListContent), 3);
    for request in requests
        .log()
        .filter(|request| request.operation != ApiOperation::Token)
    {
        assert!(request.has_publisher && request.has_token, "{request:?}");
        assert_eq!(request.status, 200);
    }
}

#[tokio::test]
async fn t10_t11_a_window_that_is_not_allowed_is_said() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    let now = fixture.now();
    for (from, to) in [
        (now - 25 * HOUR, now),
        (now - 169 * HOUR, now - 168 * HOUR),
        (now, now - HOUR),
    ] {
        let error = fixture
            .client
            .listing(EXCHANGE, from, to)
            .next_page()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::WindowInvalid);
    }
}

#[tokio::test]
async fn t12_now_is_the_servers() {
    for skew in [-3 * HOUR, 0, 3 * HOUR] {
        let fixture = Fixture::with(skew, |_| ()).await;
        fixture.client.start(EXCHANGE).await.unwrap();
        let off = fixture.client.server_now_micros() - fixture.now();
        assert!((-1_000_000..=0).contains(&off), "{skew}: {off}");
    }
}

#[tokio::test]
async fn t16_t17_t18_all_pages_come_whatever_the_header_is_called() {
    for spelling in [None, Some(ApiFaultKind::NextPageUrl)] {
        let fixture = Fixture::subscribed(EXCHANGE).await;
        fixture.tenant.configure(|settings| settings.page_size = 3);
        let mut published: Vec<String> = (0..10).map(|_| fixture.publish(EXCHANGE, "[]")).collect();
        if let Some(kind) = spelling {
            fixture.server.fault(ApiFault::new(kind));
        }
        let blobs = fixture.list(EXCHANGE).await.unwrap();
        let mut listed: Vec<String> = blobs.into_iter().map(|blob| blob.content_id).collect();
        listed.sort();
        published.sort();
        assert_eq!(listed, published);
        assert_eq!(fixture.requests(ApiOperation::ListContent), 4);
    }
}

#[tokio::test]
async fn t19_a_foreign_host_gets_neither_request_nor_token() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    fixture.tenant.configure(|settings| settings.page_size = 1);
    fixture.publish(EXCHANGE, "[]");
    fixture.publish(EXCHANGE, "[]");
    let root = fixture.server.foreign_root();
    fixture.fault(
        ApiOperation::ListContent,
        ApiFaultKind::ForeignNextPage { root: root.clone() },
        1,
    );
    let error = fixture.list(EXCHANGE).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::ForeignUrl);

    fixture.server.heal();
    fixture.fault(
        ApiOperation::ListContent,
        ApiFaultKind::ForeignContentUri { root },
        2,
    );
    let blobs = fixture.list(EXCHANGE).await.unwrap();
    let error = fixture
        .client
        .blob(&blobs[0].content_uri)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::ForeignUrl);
    let requests = fixture.server.requests();
    assert!(
        requests
            .log()
            .all(|request| request.host.starts_with("127.0.0.1"))
    );
}

#[tokio::test]
async fn t20_subscriptions_without_status_count_as_enabled() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    fixture.fault(
        ApiOperation::ListSubscriptions,
        ApiFaultKind::StatusMissing,
        1,
    );
    let subscriptions = fixture.client.subscriptions().await.unwrap();
    assert_eq!(subscriptions[0].status, SubscriptionStatus::Unstated);
    assert!(subscriptions[0].status.is_enabled());
}

#[tokio::test]
async fn t24_trouble_is_tried_again_a_few_times_and_then_said() {
    for kind in [
        ApiFaultKind::InternalError,
        ApiFaultKind::InternalErrorForAnHour,
        ApiFaultKind::Timeout,
        ApiFaultKind::UnavailableHtml,
        ApiFaultKind::LoginPage,
        ApiFaultKind::Reset,
        ApiFaultKind::ResetAfter,
        ApiFaultKind::ErrorInOk,
        ApiFaultKind::NullBody,
        ApiFaultKind::EmptyBody,
        ApiFaultKind::ObjectBody,
        ApiFaultKind::Truncated(audit_testkit::api::Truncation::Silent),
        ApiFaultKind::Truncated(audit_testkit::api::Truncation::ShorterThanDeclared),
        ApiFaultKind::Truncated(audit_testkit::api::Truncation::WithoutLength),
    ] {
        let fixture = Fixture::subscribed(EXCHANGE).await;
        fixture.publish(EXCHANGE, "[]");
        fixture.pace.slept_seconds();
        fixture.fault(ApiOperation::ListContent, kind.clone(), 3);
        assert_eq!(fixture.list(EXCHANGE).await.unwrap().len(), 1, "{kind:?}");
        assert_eq!(fixture.pace.slept_seconds(), [1, 2, 4], "{kind:?}");
        fixture.server.heal();
        fixture.fault(ApiOperation::ListContent, kind.clone(), u64::MAX);
        let error = fixture.list(EXCHANGE).await.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Transient, "{kind:?}");
        assert_eq!(fixture.requests(ApiOperation::ListContent), 8, "{kind:?}");
    }
}

#[tokio::test]
async fn t25_a_server_that_does_not_answer_is_waited_for_so_long_and_no_longer() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    fixture.fault(
        ApiOperation::ListSubscriptions,
        ApiFaultKind::StallBeforeHeaders,
        u64::MAX,
    );
    fixture.pace.reach(Duration::from_secs(60));
    let error = fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Transient);
    assert_eq!(error.message(), "no answer within 60 s");
}

#[tokio::test]
async fn a_stale_page_is_said_and_a_byte_order_mark_is_read_over() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    fixture.tenant.configure(|settings| settings.page_size = 1);
    fixture.publish(EXCHANGE, "[]");
    fixture.publish(EXCHANGE, "[]");
    fixture.fault(ApiOperation::ListContent, ApiFaultKind::StalePageToken, 1);
    let error = fixture.list(EXCHANGE).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::PageTokenStale);
    fixture.server.heal();
    fixture.fault(
        ApiOperation::ListContent,
        ApiFaultKind::ByteOrderMark,
        u64::MAX,
    );
    assert_eq!(fixture.list(EXCHANGE).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_tenant_without_licence_is_a_matter_of_configuration() {
    let fixture = Fixture::subscribed(EXCHANGE).await;
    fixture
        .tenant
        .configure(|settings| settings.licensed = false);
    let error = fixture.client.subscriptions().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ApiErrorKind::Configuration, Some("AF20012"))
    );
}
