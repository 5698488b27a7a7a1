use super::*;

const AUTH_ID: &str = "o365activityapinotification";
const TENANT: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";

fn receiver() -> WebhookReceiver {
    WebhookReceiver::new(AUTH_ID).unwrap()
}

fn notified(body: &str) -> WebhookAnswer {
    receiver().answer([("webhook-authid", AUTH_ID)], body.as_bytes())
}

fn entry(tenant: &str, content_type: &str) -> String {
    format!(
        r#"{{"tenantId":"{tenant}","clientId":"x","contentType":"{content_type}","contentId":"a$b","contentUri":"https://evil.example/","contentCreated":"2026-05-23T17:35:00.000Z","contentExpiration":"2026-05-30T17:35:00.000Z"}}"#
    )
}

#[test]
fn a_validation_is_answered_when_the_codes_agree() {
    for (header, body, expected) in [
        (Some("7"), r#"{"validationCode":"7"}"#, 200),
        (
            Some("7"),
            "\u{feff}{\"validationCode\":\"7\",\"more\":1}",
            200,
        ),
        (Some("7"), r#"{"validationCode":"8"}"#, 400),
        (Some("7"), r#"{"validationCode":7}"#, 400),
        (Some("7"), "", 400),
        (Some(""), r#"{"validationCode":""}"#, 400),
        // Without the header it is a notification of nothing.
        (None, r#"{"validationCode":"7"}"#, 200),
    ] {
        let mut headers = vec![("WEBHOOK-AUTHID", AUTH_ID), ("Content-Type", "text/html")];
        headers.extend(header.map(|code| ("Webhook-ValidationCode", code)));
        let answer = receiver().answer(headers, body.as_bytes());
        assert_eq!(answer.status, expected, "{header:?} {body}");
        assert!(answer.hints.is_empty());
    }
}

#[test]
fn who_does_not_know_the_auth_id_is_refused() {
    let body = format!("[{}]", entry(TENANT, "Audit.General"));
    let wrong: [&[(&str, &str)]; 5] = [
        &[],
        &[("Webhook-AuthID", "")],
        &[("Webhook-AuthID", "o365activityapinotificatioN")],
        &[("Webhook-AuthID", AUTH_ID), ("webhook-authid", AUTH_ID)],
        &[("Webhook-ValidationCode", "7")],
    ];
    for headers in wrong {
        let answer = receiver().answer(headers.iter().copied(), body.as_bytes());
        assert_eq!(answer, WebhookAnswer::refused(403), "{headers:?}");
    }
    assert!(WebhookReceiver::new(" ").is_err());
}

#[test]
fn a_notification_is_a_hint_of_tenant_and_content_type_and_no_url() {
    let body = format!(
        "[{},{},{}]",
        entry(TENANT, "Audit.SharePoint"),
        entry(&TENANT.to_uppercase(), "audit.sharepoint"),
        entry(TENANT, "DLP.All"),
    );
    let answer = notified(&body);
    assert_eq!(answer.status, 200);
    let hints: Vec<String> = (answer.hints.iter())
        .map(|hint| format!("{} {}", hint.tenant, hint.content_type))
        .collect();
    let expected = ["Audit.SharePoint", "DLP.All"].map(|name| format!("{TENANT} {name}"));
    assert_eq!(hints, expected);
    assert!(!format!("{answer:?}").contains("evil"));
}

#[test]
fn what_is_not_understood_is_passed_over() {
    let good = entry(TENANT, "Audit.General");
    for (body, status, hints) in [
        (format!("[1,null,{{}},{good}]"), 200, 1),
        (good.clone(), 200, 1),
        (
            format!("[{}]", entry("contoso.com", "Audit.General")),
            200,
            0,
        ),
        (format!("[{}]", entry("unknown", "Audit.General")), 200, 0),
        (format!("[{}]", entry(TENANT, "Audit.Tomorrow")), 200, 0),
        ("[]".to_owned(), 200, 0),
        ("null".to_owned(), 400, 0),
        ("<html>".to_owned(), 400, 0),
        (format!("[{good}"), 400, 0),
        (String::new(), 400, 0),
        ("[".repeat(100_000), 400, 0),
    ] {
        let answer = notified(&body);
        let shown = body.get(..60).unwrap_or(&body);
        assert_eq!(
            (answer.status, answer.hints.len()),
            (status, hints),
            "{shown}"
        );
    }
}

#[test]
fn size_and_count_are_bounded() {
    let large = format!("[{}]{}", entry(TENANT, "DLP.All"), " ".repeat(BODY_MAX));
    assert_eq!(notified(&large), WebhookAnswer::refused(413));
    let many: Vec<String> = (0..HINTS_MAX + 10)
        .map(|nth| {
            let tenant = uuid::Uuid::from_u128(nth as u128 + 1);
            format!(r#"{{"tenantId":"{tenant}","contentType":"DLP.All"}}"#)
        })
        .collect();
    let answer = notified(&format!("[{}]", many.join(",")));
    assert_eq!((answer.status, answer.hints.len()), (200, HINTS_MAX));
}

#[test]
fn the_auth_id_is_not_shown() {
    assert!(!format!("{:?}", receiver()).contains(AUTH_ID));
}
