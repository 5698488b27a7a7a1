use super::*;
use crate::api::clock::{DAY, SECOND};
use crate::api::{ApiOperation, ImplicitWindow};

#[tokio::test]
async fn the_time_rules_go_by_the_servers_clock() {
    let fixture = Fixture::subscribed().await;
    let now = fixture.now();
    for (start, end, status) in [
        (now - DAY, now, 200),
        (now - DAY, now + SECOND, 400),
        (now - HOUR, now - HOUR, 400),
        (now, now - HOUR, 400),
        // T10: 7 days to the second is the edge, and it moves on.
        (now - 7 * DAY, now - 6 * DAY, 200),
        (now - 7 * DAY - SECOND, now - 7 * DAY + HOUR, 400),
        // T13: an end in the future is accepted.
        (now - HOUR, now + 12 * HOUR, 200),
    ] {
        let answer = fixture.list_between(EXCHANGE, start, end).await;
        assert_eq!(answer.status, status, "{start} {end}");
        assert!(status == 200 || answer.code() == "AF20055");
    }
    for (times, code) in [
        ("startTime=2026-10-08", "AF20055"),
        ("endTime=2026-10-08", "AF20055"),
        ("startTime=soon&endTime=2026-10-08", "AF20002"),
    ] {
        let answer = fixture
            .get(&format!(
                "subscriptions/content?contentType={EXCHANGE}&{times}"
            ))
            .await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code));
    }
    for times in [
        "startTime=2026-10-08&endTime=2026-10-08T11:00",
        "starttime=2026-10-08T10:00:00Z&ENDTIME=2026-10-08T11:00:00.000Z",
    ] {
        let answer = fixture
            .get(&format!(
                "subscriptions/content?contentType={EXCHANGE}&{times}"
            ))
            .await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn the_start_belongs_to_a_window_and_its_end_does_not() {
    let fixture = Fixture::subscribed().await;
    let now = fixture.now();
    let [first, _, third] = [3, 2, 1].map(|hours| {
        fixture
            .tenant
            .publish(EXCHANGE, now - hours * HOUR, "[]".into())
    });
    let answer = fixture
        .list_between(EXCHANGE, now - 3 * HOUR, now - 2 * HOUR)
        .await;
    assert_eq!(answer.ids(), [first]);
    let answer = fixture.list_between(EXCHANGE, now - HOUR, now).await;
    assert_eq!(answer.ids(), std::slice::from_ref(&third));
    let entry = &answer.json()[0];
    assert_eq!(entry["contentCreated"], "2026-10-08T11:00:00.000Z");
    assert_eq!(entry["contentExpiration"], "2026-10-15T11:00:00.000Z");
    let root = fixture.server.management_root();
    assert_eq!(
        entry["contentUri"].as_str().unwrap(),
        format!("{root}/api/v1.0/{TENANT}/activity/feed/audit/{third}")
    );
    assert!(
        third.starts_with("20261008110000000") && third.contains("$audit_exchange$Audit_Exchange")
    );
}

#[tokio::test]
async fn without_times_a_listing_is_about_the_last_day_or_today() {
    for (implicit_window, expected) in [
        (ImplicitWindow::LastDay, 2),
        (ImplicitWindow::SinceMidnight, 1),
    ] {
        let options = ApiServerOptions {
            implicit_window,
            ..ApiServerOptions::default()
        };
        let fixture = Fixture::with(options).await;
        fixture.start(EXCHANGE).await;
        for hours in [1, 20, 30] {
            fixture
                .tenant
                .publish(EXCHANGE, fixture.now() - hours * HOUR, "[]".into());
        }
        let answer = fixture
            .get(&format!("subscriptions/content?contentType={EXCHANGE}"))
            .await;
        assert_eq!(answer.ids().len(), expected);
    }
}

#[tokio::test]
async fn t16_pages_follow_an_absolute_url_of_version_1_without_publisher() {
    let fixture = Fixture::subscribed().await;
    fixture.tenant.configure(|settings| settings.page_size = 2);
    let published = fixture.publish(5);
    let mut answer = fixture.list(EXCHANGE, 1).await;
    let mut listed = answer.ids();
    let mut late = None;
    while let Some(uri) = answer.header("NextPageUri").map(str::to_owned) {
        assert!(uri.starts_with(&format!(
            "{}/api/v1/{TENANT}/",
            fixture.server.management_root()
        )));
        assert!(
            uri.contains("startTime=") && uri.contains("endTime=") && !uri.contains("ublisher")
        );
        // What comes to be listed between two pages is on a later one.
        late.get_or_insert_with(|| {
            fixture
                .tenant
                .publish_late(EXCHANGE, fixture.now() - HOUR, "[]".into())
        });
        answer = fixture
            .get_url(&format!("{uri}&PublisherIdentifier={PUBLISHER}"))
            .await;
        listed.extend(answer.ids());
    }
    assert_eq!(listed[..5], published[..]);
    assert_eq!(listed[5..], [late.unwrap()]);
    assert_eq!(fixture.server.requests().of(ApiOperation::ListContent), 3);
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_listing_only() {
    let fixture = Fixture::subscribed().await;
    fixture.tenant.configure(|settings| settings.page_size = 1);
    fixture.publish(3);
    let uri = fixture
        .list(EXCHANGE, 1)
        .await
        .header("NextPageUri")
        .unwrap()
        .to_owned();
    let (start, token) = uri.split_once("nextPage=").unwrap();
    for uri in [
        format!("{start}nextPage=2015101900R022885001761"),
        format!("{start}nextPage={}", &token[..token.len() - 1]),
        format!("{start}nextPage=1{token}"),
        uri.replace("startTime=2026-10-08T11", "startTime=2026-10-08T10"),
    ] {
        let answer = fixture.get_url(&uri).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "AF20031"),
            "{uri}"
        );
    }
    assert_eq!(fixture.get_url(&uri).await.status, 200);
}

#[tokio::test]
async fn t15_a_late_blob_appears_in_a_window_listed_before() {
    let fixture = Fixture::subscribed().await;
    assert_eq!(fixture.list(EXCHANGE, 24).await.text(), "[]");
    let id = fixture
        .tenant
        .publish_late(EXCHANGE, fixture.now() - 20 * HOUR, "[]".into());
    assert_eq!(fixture.list(EXCHANGE, 24).await.ids(), [id]);
    let truth = fixture.server.truth();
    assert_eq!(
        (truth.len(), truth[0].listed_from_micros),
        (1, fixture.now())
    );
}

#[tokio::test]
async fn a_blob_of_the_future_is_listed_when_its_time_has_come() {
    let fixture = Fixture::subscribed().await;
    let id = fixture
        .tenant
        .publish(EXCHANGE, fixture.now() + HOUR, "[]".into());
    assert_eq!(fixture.blob(&id).await.code(), "AF20050");
    fixture.server.clock().advance(HOUR);
    let now = fixture.now();
    assert_eq!(
        fixture
            .list_between(EXCHANGE, now - HOUR, now + 1_000)
            .await
            .status,
        401
    );
    let mut fixture = fixture;
    fixture.sign_in().await;
    assert_eq!(
        fixture
            .list_between(EXCHANGE, now - HOUR, now + 1_000)
            .await
            .ids(),
        [id]
    );
}

#[tokio::test]
async fn t11_a_window_of_more_than_a_day_may_be_answered_in_part() {
    let fixture = Fixture::subscribed().await;
    let now = fixture.now();
    let ids = [47, 30, 1].map(|hours| {
        fixture
            .tenant
            .publish(EXCHANGE, now - hours * HOUR, "[]".into())
    });
    assert_eq!(fixture.list(EXCHANGE, 48).await.code(), "AF20055");
    fixture
        .tenant
        .configure(|settings| settings.partial_wide_windows = true);
    assert_eq!(fixture.list(EXCHANGE, 48).await.ids(), ids[..2]);
}

#[tokio::test]
async fn content_of_the_time_between_stop_and_start_is_lost() {
    let fixture = Fixture::with(ApiServerOptions {
        stop_start_trap: false,
        ..ApiServerOptions::default()
    })
    .await;
    fixture.start(EXCHANGE).await;
    let start = fixture.now();
    for minutes in [5, 25, 35] {
        fixture
            .tenant
            .publish(EXCHANGE, start + minutes * MINUTE, "[]".into());
    }
    fixture.server.clock().advance(20 * MINUTE);
    fixture.stop(EXCHANGE).await;
    fixture.server.clock().advance(10 * MINUTE);
    fixture.start(EXCHANGE).await;
    fixture.server.clock().advance(10 * MINUTE);
    assert_eq!(fixture.list(EXCHANGE, 1).await.ids().len(), 2);
}

#[tokio::test]
async fn first_content_may_come_late_and_reach_back_only_so_far() {
    let fixture = Fixture::new().await;
    fixture.tenant.configure(|settings| {
        settings.first_content_delay_micros = 2 * MINUTE;
        settings.backfill_micros = Some(22 * HOUR);
    });
    let now = fixture.now();
    let [_, within] = [23, 21].map(|hours| {
        fixture
            .tenant
            .publish(EXCHANGE, now - hours * HOUR, "[]".into())
    });
    fixture.start(EXCHANGE).await;
    assert_eq!(fixture.list(EXCHANGE, 24).await.text(), "[]");
    fixture.server.clock().advance(2 * MINUTE);
    assert_eq!(fixture.list(EXCHANGE, 24).await.ids(), [within]);
}
