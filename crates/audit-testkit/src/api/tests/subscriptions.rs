use serde_json::json;

use super::*;
use crate::api::ApiOperation;
use crate::api::clock::SECOND;

#[tokio::test]
async fn start_echoes_the_content_type_and_list_names_it() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.get("subscriptions/list").await.text(), "[]");
    let answer = fixture.start(EXCHANGE).await;
    assert_eq!(
        answer.text(),
        r#"{"contentType":"Audit.Exchange","status":"enabled","webhook":null}"#
    );
    let expected = json!([{"contentType": EXCHANGE, "status": "enabled", "webhook": null}]);
    let answer = fixture.get("subscriptions/list").await;
    assert_eq!(answer.json(), expected);
    for (name, value) in [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Expires", "-1"),
        ("Date", "Thu, 08 Oct 2026 12:00:00 GMT"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
}

#[tokio::test]
async fn t1_start_of_an_enabled_subscription_is_af20024_of_97_bytes() {
    let fixture = Fixture::subscribed().await;
    fixture.server.clock().advance(15 * MINUTE);
    let answer = fixture.start(EXCHANGE).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "AF20024"));
    assert_eq!(answer.header("Content-Length"), Some("97"));
}

#[tokio::test]
async fn t2_start_within_15_minutes_is_429_with_the_time_that_remains() {
    let fixture = Fixture::subscribed().await;
    fixture.server.clock().advance(4 * SECOND);
    let answer = fixture.start(EXCHANGE).await;
    assert_eq!(answer.status, 429);
    assert!(answer.text().contains(
        "Too many frequent subscription start requests. Please retry again after 14m 56s"
    ));
    assert_eq!(fixture.start("Audit.General").await.status, 200);
}

#[tokio::test]
async fn t3_stop_directly_followed_by_start_leaves_a_dead_subscription() {
    let fixture = Fixture::subscribed().await;
    let clock = fixture.server.clock();
    clock.advance(HOUR / 2);
    let answer = fixture.stop(EXCHANGE).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(fixture.list(EXCHANGE, 1).await.code(), "AF20023");
    let answer = fixture.start(EXCHANGE).await;
    assert_eq!(answer.json()["status"], "enabled");
    assert_eq!(fixture.get("subscriptions/list").await.text(), "[]");
    assert_eq!(fixture.list(EXCHANGE, 1).await.code(), "AF20023");
    assert_eq!(fixture.start(EXCHANGE).await.status, 429);
    clock.advance(15 * MINUTE);
    assert_eq!(fixture.start(EXCHANGE).await.status, 200);
    assert_eq!(fixture.list(EXCHANGE, 1).await.status, 200);
}

#[tokio::test]
async fn t3_a_misspelt_content_type_makes_a_subscription_nobody_finds() {
    let strict = ApiServerOptions {
        strict_content_types: true,
        ..ApiServerOptions::default()
    };
    for (options, listed, own, other) in [
        (ApiServerOptions::default(), 1, 200, 200),
        (strict, 0, 400, 400),
    ] {
        let fixture = Fixture::with(options).await;
        let answer = fixture.start("Audit.exchange").await;
        assert_eq!(answer.json()["contentType"], "Audit.exchange");
        let list = fixture.get("subscriptions/list").await.json();
        assert_eq!(list.as_array().unwrap().len(), listed);
        let answer = fixture.list("Audit.exchange", 1).await;
        assert_eq!(answer.status, own);
        assert!(own == 200 || answer.code() == "AF20023");
        assert_eq!(fixture.list(EXCHANGE, 1).await.status, other);
    }
}

#[tokio::test]
async fn t4_with_auditing_off_start_fails_with_an_exception_cut_in_two() {
    let fixture = Fixture::new().await;
    fixture
        .tenant
        .configure(|settings| settings.auditing = false);
    let answer = fixture.start(EXCHANGE).await;
    assert_eq!(answer.status, 400);
    let error = &answer.json()["error"];
    let (code, message) = (
        error["code"].as_str().unwrap(),
        error["message"].as_str().unwrap(),
    );
    assert!(
        code.starts_with("StartSubscription [CorrId=") && code.ends_with("[AppId"),
        "{code}"
    );
    assert!(
        message.contains("DataServiceException: Tenant ") && message.contains("does not exist.")
    );
    fixture
        .tenant
        .configure(|settings| settings.auditing = true);
    assert_eq!(fixture.start(EXCHANGE).await.status, 200);
}

#[tokio::test]
async fn t5_with_auditing_off_a_subscription_that_there_was_is_disabled() {
    let fixture = Fixture::subscribed().await;
    fixture
        .tenant
        .configure(|settings| settings.auditing = false);
    let answer = fixture.list(EXCHANGE, 1).await;
    assert_eq!(answer.code(), "AF20023");
    assert!(answer.text().contains("The subscription was disabled."));
}

#[tokio::test]
async fn a_subscription_disabled_behind_the_clients_back_is_started_again() {
    let fixture = Fixture::subscribed().await;
    fixture.tenant.disable_subscription(EXCHANGE);
    assert_eq!(fixture.list(EXCHANGE, 1).await.code(), "AF20023");
    assert_eq!(
        fixture.get("subscriptions/list").await.json()[0]["status"],
        "disabled"
    );
    fixture.server.clock().advance(15 * MINUTE);
    assert_eq!(fixture.start(EXCHANGE).await.status, 200);
    assert_eq!(fixture.list(EXCHANGE, 1).await.status, 200);
}

#[tokio::test]
async fn subscriptions_belong_to_the_calling_application() {
    let mut fixture = Fixture::subscribed().await;
    fixture
        .tenant
        .change_app(CLIENT, |app| app.client_id = PUBLISHER.into());
    fixture
        .tenant
        .register(AppRegistration::with_secret(CLIENT, "other"));
    let form = format!(
        "grant_type=client_credentials&client_id={PUBLISHER}&client_secret={SECRET}&resource={}",
        fixture.server.management_root()
    );
    let answer = fixture.ask_token(TENANT, "oauth2/token", &form).await;
    fixture.token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(fixture.get("subscriptions/list").await.text(), "[]");
    assert_eq!(fixture.list(EXCHANGE, 1).await.code(), "AF20022");
    assert_eq!(fixture.tenant.enabled_subscriptions(CLIENT), [EXCHANGE]);
}

#[tokio::test]
async fn arguments_are_checked() {
    let fixture = Fixture::new().await;
    for (answer, code) in [
        (fixture.post("subscriptions/start", "").await, "AF20001"),
        (fixture.start("Audit.Nothing").await, "AF20020"),
        (fixture.list("Audit.Nothing", 1).await, "AF20020"),
        (fixture.list(EXCHANGE, 1).await, "AF20022"),
        (fixture.stop(EXCHANGE).await, "AF20022"),
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (400, code));
    }
    let url = fixture
        .url("subscriptions/list")
        .replace(&format!("r={PUBLISHER}"), "r=me");
    assert_eq!(fixture.get_url(&url).await.code(), "AF20002");
}

#[tokio::test]
async fn the_web_server_answers_what_is_no_call() {
    let fixture = Fixture::new().await;
    let start = fixture.url("subscriptions/start?contentType=Audit.General");
    for (method, url, status) in [
        ("GET", start.clone(), 405),
        ("POST", start, 411),
        ("GET", fixture.url("subscriptions/nothing"), 404),
        (
            "GET",
            fixture.url("subscriptions/list").replace("/v1.0/", "/v1/"),
            200,
        ),
        (
            "GET",
            fixture
                .url("Subscriptions/List")
                .replace("PublisherIdentifier", "publisheridentifier"),
            200,
        ),
    ] {
        let answer = send(method, &url, &fixture.authorization(), None).await;
        assert_eq!(answer.status, status, "{method} {url}");
    }
    assert_eq!(
        fixture
            .server
            .requests()
            .of(ApiOperation::ListSubscriptions),
        2
    );
    assert!(
        fixture
            .server
            .requests()
            .log()
            .skip(1)
            .all(|request| request.has_publisher)
    );
}

#[tokio::test]
async fn t6_throttling_has_status_403_and_no_json() {
    let fixture = Fixture::new().await;
    fixture
        .tenant
        .configure(|settings| settings.quota_per_minute = 2);
    let statuses = [
        fixture.get("subscriptions/list").await.status,
        fixture.get("subscriptions/list").await.status,
    ];
    assert_eq!(statuses, [200, 200]);
    let answer = fixture.get("subscriptions/list").await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.text(),
        format!(
            "{{'error':{{'code':'AF429','message':'Too many requests. Method=ListSubscriptions, \
             PublisherId={PUBLISHER}'}}}}"
        )
    );
    assert_eq!(answer.header("Retry-After"), None);
    // Another publisher has a quota of its own.
    let other = fixture
        .url("subscriptions/list")
        .replace(&format!("r={PUBLISHER}"), &format!("r={CLIENT}"));
    assert_eq!(fixture.get_url(&other).await.status, 200);
    fixture.server.clock().advance(MINUTE);
    assert_eq!(fixture.get("subscriptions/list").await.status, 200);
}

#[tokio::test]
async fn t9_without_a_publisher_all_callers_share_one_quota() {
    let options = ApiServerOptions {
        shared_quota_per_minute: 1,
        ..ApiServerOptions::default()
    };
    let fixture = Fixture::with(options).await;
    let id = fixture.publish(1).remove(0);
    let url = fixture.url(&format!("audit/{id}"));
    let url = url.split('?').next().unwrap();
    assert_eq!(fixture.get_url(url).await.status, 200);
    let answer = fixture.get_url(url).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .text()
            .contains("Method=GetBlob, PublisherId=00000000-0000-0000-0000-000000000000")
    );
}

#[tokio::test]
async fn of_two_starts_at_the_same_time_one_is_too_soon() {
    let fixture = Fixture::new().await;
    let (first, second) = futures::join!(fixture.start(EXCHANGE), fixture.start(EXCHANGE));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn one_tenant_knows_nothing_of_another() {
    let fixture = Fixture::subscribed().await;
    let other = fixture
        .server
        .tenant("11111111-2222-3333-4444-555555555555");
    let id = other.publish(EXCHANGE, fixture.now() - MINUTE, "[]".into());
    assert_eq!(fixture.list(EXCHANGE, 1).await.text(), "[]");
    assert_eq!(fixture.blob(&id).await.code(), "AF20050");
    assert_eq!(fixture.server.truth()[0].tenant_id, other.id());
}
