use std::time::Duration;

use super::*;
use crate::api::{ApiFault, ApiFaultKind, ApiOperation, Truncation};
use crate::faulty::FaultTrigger;

const BODY: &str = r#"[{"Id":"0"},{"Id":"0b"}]"#;

#[tokio::test]
async fn each_fault_of_a_blob_shows_as_it_was_seen() {
    let fixture = Fixture::new().await;
    let id = fixture.publish(1).remove(0);
    let text = |answer: &Answer| answer.text().to_owned();
    type Check = fn(&Answer, &str) -> bool;
    let cases: Vec<(ApiFaultKind, u16, Check)> = vec![
        (ApiFaultKind::Unauthorized, 401, |answer, text| {
            text.is_empty() && answer.header("WWW-Authenticate") == Some("Bearer")
        }),
        (ApiFaultKind::PermissionMissing, 401, |answer, _| {
            answer.code() == "AF10001"
        }),
        (
            ApiFaultKind::Throttled {
                status: 403,
                retry_after_seconds: None,
            },
            403,
            |answer, text| {
                text.starts_with("{'error':{'code':'AF429'")
                    && answer.header("Retry-After").is_none()
            },
        ),
        (
            ApiFaultKind::Throttled {
                status: 429,
                retry_after_seconds: Some(30),
            },
            429,
            |answer, text| text.contains("'AF429'") && answer.header("Retry-After") == Some("30"),
        ),
        (ApiFaultKind::ThrottledInOk, 200, |_, text| {
            text.contains("'AF429'")
        }),
        (ApiFaultKind::InternalError, 500, |_, text| {
            text == "{'error':{'code':'AF50000','message':'An internal error occurred. Retry the request.'}}"
        }),
        (ApiFaultKind::InternalErrorForAnHour, 500, |answer, _| {
            answer.code() == "AF50000"
        }),
        (ApiFaultKind::Timeout, 408, |_, text| text.is_empty()),
        (ApiFaultKind::UnavailableHtml, 503, |_, text| {
            text.starts_with("<!DOCTYPE HTML")
        }),
        (ApiFaultKind::LoginPage, 200, |answer, text| {
            text.contains("<HTML>")
                && answer
                    .header("Content-Type")
                    .unwrap()
                    .starts_with("text/html")
        }),
        (ApiFaultKind::NotFound, 404, |_, text| text.is_empty()),
        (ApiFaultKind::ContentUnknown, 404, |answer, _| {
            answer.code() == "AF20050"
        }),
        (ApiFaultKind::ContentExpired, 400, |answer, _| {
            answer.code() == "AF20051"
        }),
        (ApiFaultKind::EmptyArray, 200, |_, text| text == "[]"),
        (ApiFaultKind::EmptyBody, 200, |_, text| text.is_empty()),
        (ApiFaultKind::NullBody, 200, |_, text| text == "null"),
        (ApiFaultKind::ObjectBody, 200, |answer, _| {
            answer.json().is_object()
        }),
        (ApiFaultKind::ErrorInOk, 200, |answer, _| {
            answer.code() == "AF50000"
        }),
        (ApiFaultKind::ByteOrderMark, 200, |_, text| {
            text == format!("\u{feff}{BODY}")
        }),
        (ApiFaultKind::HtmlBody, 200, |answer, text| {
            text.contains("<HTML>")
                && answer
                    .header("Content-Type")
                    .unwrap()
                    .starts_with("application/json")
        }),
        (ApiFaultKind::ContentType(None), 200, |answer, text| {
            answer.header("Content-Type").is_none() && text == BODY
        }),
        (
            ApiFaultKind::ContentType(Some("image/png".into())),
            200,
            |answer, text| answer.header("Content-Type") == Some("image/png") && text == BODY,
        ),
        (
            ApiFaultKind::SlowBody {
                piece_bytes: 5,
                pause: Duration::ZERO,
            },
            200,
            |answer, text| answer.whole && text == BODY,
        ),
        (
            ApiFaultKind::Truncated(Truncation::Silent),
            200,
            |answer, text| answer.whole && text == &BODY[..12],
        ),
        (
            ApiFaultKind::Truncated(Truncation::ShorterThanDeclared),
            200,
            |answer, text| {
                !answer.whole && answer.header("Content-Length") == Some("24") && text.len() < 24
            },
        ),
        (
            ApiFaultKind::Truncated(Truncation::WithoutLength),
            200,
            |answer, text| {
                !answer.whole && answer.header("Content-Length").is_none() && text.len() < 24
            },
        ),
        (ApiFaultKind::Reset, 0, |answer, _| {
            answer.headers.is_empty()
        }),
        (ApiFaultKind::ResetAfter, 0, |answer, _| {
            answer.headers.is_empty()
        }),
    ];
    for (kind, status, check) in cases {
        fixture.server.fault(
            ApiFault::new(kind.clone())
                .on(ApiOperation::GetBlob)
                .times(1),
        );
        let answer = fixture.blob(&id).await;
        assert!(
            answer.status == status && check(&answer, &text(&answer)),
            "{kind:?}: {answer:?}"
        );
        let answer = fixture.blob(&id).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, BODY),
            "after {kind:?}"
        );
    }
}

#[tokio::test]
async fn each_fault_of_a_listing_shows_as_it_was_seen() {
    let fixture = Fixture::subscribed().await;
    fixture.tenant.configure(|settings| settings.page_size = 2);
    let ids = fixture.publish(3);
    let (first, second) = (ids[0].clone(), ids[1].clone());
    let foreign = fixture.server.foreign_root();
    let list = async |kind: ApiFaultKind| {
        fixture.server.fault(
            ApiFault::new(kind)
                .on(ApiOperation::ListContent)
                .of(EXCHANGE)
                .times(1),
        );
        fixture.list(EXCHANGE, 1).await
    };
    assert_eq!(
        list(ApiFaultKind::Unordered).await.ids(),
        [second.clone(), first.clone()]
    );
    assert_eq!(
        list(ApiFaultKind::ListedTwice).await.ids(),
        [first.clone(), second, first]
    );
    assert!(list(ApiFaultKind::ObjectBody).await.json().is_object());
    let answer = list(ApiFaultKind::NextPageUrl).await;
    assert!(answer.header("NextPageUri").is_none() && answer.header("NextPageUrl").is_some());
    let answer = list(ApiFaultKind::ForeignNextPage {
        root: foreign.clone(),
    })
    .await;
    let uri = answer.header("NextPageUri").unwrap();
    assert!(uri.starts_with(&foreign));
    fixture.get_url(uri).await;
    let requests = fixture.server.requests();
    let last = requests.log().last().unwrap();
    assert!(last.host.starts_with("localhost:") && last.has_token);
    let answer = list(ApiFaultKind::ForeignContentUri {
        root: foreign.clone(),
    })
    .await;
    assert!(
        answer.json()[0]["contentUri"]
            .as_str()
            .unwrap()
            .starts_with(&foreign)
    );
    // A stale token concerns the second page only.
    let answer = list(ApiFaultKind::StalePageToken).await;
    assert_eq!(answer.status, 200);
    let answer = fixture.get_url(answer.header("NextPageUri").unwrap()).await;
    assert_eq!(answer.code(), "AF20031");
}

#[tokio::test]
async fn t20_the_entries_of_list_may_lack_status_and_webhook() {
    let fixture = Fixture::subscribed().await;
    fixture
        .server
        .fault(ApiFault::new(ApiFaultKind::StatusMissing).times(1));
    let answer = fixture.get("subscriptions/list").await;
    assert_eq!(answer.text(), r#"[{"contentType":"Audit.Exchange"}]"#);
    fixture
        .server
        .fault(ApiFault::new(ApiFaultKind::NothingListed));
    assert_eq!(fixture.get("subscriptions/list").await.text(), "[]");
    fixture.server.heal();
    assert_ne!(fixture.get("subscriptions/list").await.text(), "[]");
    assert_eq!(fixture.server.injected(), 2);
}

#[tokio::test]
async fn a_reset_after_the_work_leaves_it_done() {
    let fixture = Fixture::new().await;
    let start = |kind| {
        ApiFault::new(kind)
            .on(ApiOperation::StartSubscription)
            .times(1)
    };
    fixture.server.fault(start(ApiFaultKind::Reset));
    assert_eq!(fixture.start(EXCHANGE).await.status, 0);
    assert!(fixture.tenant.enabled_subscriptions(CLIENT).is_empty());
    fixture.server.fault(start(ApiFaultKind::ResetAfter));
    assert_eq!(fixture.start(EXCHANGE).await.status, 0);
    assert_eq!(fixture.tenant.enabled_subscriptions(CLIENT), [EXCHANGE]);
}

#[tokio::test]
async fn a_stall_lasts_until_somebody_gives_up() {
    for (kind, status) in [
        (ApiFaultKind::StallBeforeHeaders, 0),
        (ApiFaultKind::StallInBody, 200),
    ] {
        let fixture = Fixture::new().await;
        let id = fixture.publish(1).remove(0);
        fixture
            .server
            .fault(ApiFault::new(kind).on(ApiOperation::GetBlob));
        let url = fixture.url(&format!("audit/{id}"));
        let headers = fixture.authorization();
        let asked = tokio::spawn(async move { send("GET", &url, &headers, None).await });
        while fixture.server.requests().of(ApiOperation::GetBlob) == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(!asked.is_finished());
        drop(fixture);
        let answer = asked.await.unwrap();
        assert_eq!(answer.status, status);
        assert!(!answer.whole && answer.body.len() < BODY.len());
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let fixture = Fixture::new().await;
        let fault = ApiFault::new(ApiFaultKind::Timeout).when(FaultTrigger::PerMille(400));
        fixture.server.fault(fault);
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(fixture.get("subscriptions/list").await.status);
        }
        assert!(statuses.contains(&408) && statuses.contains(&200));
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn faults_of_the_token_endpoint_are_told_apart() {
    let mut fixture = Fixture::new().await;
    let fault = ApiFault::new(ApiFaultKind::UnavailableHtml)
        .on(ApiOperation::Token)
        .times(1);
    fixture.server.fault(fault);
    assert_eq!(fixture.get("subscriptions/list").await.status, 200);
    assert_eq!(
        fixture.ask_token(TENANT, "oauth2/token", "").await.status,
        503
    );
    fixture.sign_in().await;
}
