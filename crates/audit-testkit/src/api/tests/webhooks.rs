use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::api::WebhookRequest;
use crate::api::clock::HOUR;

const ADDRESS: &str = "https://hooks.example.com/audit";

fn body(address: &str, expiration: &str) -> String {
    json!({"webhook": {"address": address, "authId": "mine", "expiration": expiration}}).to_string()
}

async fn start_with(fixture: &Fixture, body: &str) -> Answer {
    fixture
        .post(&format!("subscriptions/start?contentType={EXCHANGE}"), body)
        .await
}

#[tokio::test]
async fn a_webhook_is_validated_before_anything_is_created() {
    let fixture = Fixture::new().await;
    let good = body(ADDRESS, "");
    for (body, code) in [
        (good.clone(), "AF20021"),
        (body("http://hooks.example.com", ""), "AF20021"),
        (body(ADDRESS, "2026-10-01T00:00:00Z"), "AF20003"),
        (body(ADDRESS, "soon"), "AF20002"),
        ("{".to_owned(), "AF20002"),
    ] {
        let answer = start_with(&fixture, &body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{body}"
        );
    }
    fixture.server.on_webhook(|_| 500);
    assert_eq!(start_with(&fixture, &good).await.code(), "AF20021");
    assert_eq!(fixture.get("subscriptions/list").await.text(), "[]");
    fixture.server.on_webhook(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let is_validation = body["validationCode"].as_str() == request.validation_code.as_deref();
        if is_validation && request.auth_id.as_deref() == Some("mine") {
            200
        } else {
            400
        }
    });
    let expected =
        json!({"status": "enabled", "address": ADDRESS, "authId": "mine", "expiration": null});
    assert_eq!(
        start_with(&fixture, &good).await.json()["webhook"],
        expected
    );
    let listed = fixture.get("subscriptions/list").await.json();
    assert_eq!(listed[0]["webhook"]["expiration"], "");
    fixture.server.clock().advance(HOUR / 2);
    assert_eq!(start_with(&fixture, &good).await.code(), "AF20024");
    // Without a body the webhook is removed.
    assert_eq!(fixture.start(EXCHANGE).await.json()["webhook"], Value::Null);
}

#[tokio::test]
async fn notifications_are_sent_listed_and_given_up_after_failures() {
    let fixture = Fixture::new().await;
    let sent = Arc::new(Mutex::new(Vec::<WebhookRequest>::new()));
    let received = Arc::clone(&sent);
    fixture.server.on_webhook(move |request| {
        received.lock().unwrap().push(request.clone());
        200
    });
    assert_eq!(start_with(&fixture, &body(ADDRESS, "")).await.status, 200);
    let id = fixture.publish(1).remove(0);
    let notification = sent.lock().unwrap().last().cloned().unwrap();
    assert_eq!(notification.validation_code, None);
    let entries: Value = serde_json::from_str(&notification.body).unwrap();
    assert_eq!(
        (
            &entries[0]["tenantId"],
            &entries[0]["clientId"],
            &entries[0]["contentId"]
        ),
        (&json!(TENANT), &json!(CLIENT), &json!(id))
    );
    fixture.server.on_webhook(|_| 503);
    fixture.publish(6);
    assert_eq!(
        fixture.get("subscriptions/list").await.json()[0]["webhook"]["status"],
        "disabled"
    );
    fixture.server.clock().advance(MINUTE);
    fixture.tenant.configure(|settings| settings.page_size = 4);
    let answer = fixture
        .get(&format!(
            "subscriptions/notifications?contentType={EXCHANGE}"
        ))
        .await;
    let mut statuses: Vec<Value> = Vec::new();
    let mut page = answer;
    loop {
        let entries = page.json();
        statuses.extend(
            entries
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["notificationStatus"].clone()),
        );
        let Some(uri) = page.header("NextPageUri").map(str::to_owned) else {
            break;
        };
        assert!(uri.contains("/subscriptions/notifications?"));
        page = fixture.get_url(&uri).await;
    }
    assert_eq!(
        statuses,
        ["success", "failed", "failed", "failed", "failed", "failed"]
    );
}
