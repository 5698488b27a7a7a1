use super::*;
use ApiErrorKind::*;
use Operation::{Blob, Listing, Start, Subscriptions};

/// The leaked exception as it came: one text, cut into code and message, and one character lost between them.
const AUDITING_OFF: &str = r#"{"error":{"code":"StartSubscription [CorrId=6d9d8a2b-AF12-4f3c-8f6e-1d2c3b4a5968][TenantId=0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7,ContentType=Audit.General,ApplicationId=1fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7,PublisherId=0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7][AppId","message":"1fad12b5] failed. Exception: Microsoft.Office.Compliance.Audit.DataServiceException: Tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 does not exist.\r\n   at Microsoft.Office.Compliance.Audit.API.AzureManager.GetSubscriptionTable(String s)\r\n   at Microsoft.Office"}}"#;

fn json(code: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message}}).to_string()
}

#[test]
fn codes_of_the_reference() {
    for (code, status, message, operation, kind) in [
        (
            "AF10001",
            401,
            "The permission set () sent in the request does not include the expected permission.",
            Listing,
            PermissionMissing,
        ),
        (
            "AF20001",
            400,
            "Missing parameter: contentType.",
            Listing,
            Configuration,
        ),
        (
            "AF20002",
            400,
            "Invalid parameter type: x. Expected type: Guid",
            Listing,
            Configuration,
        ),
        (
            "AF20003",
            400,
            "Expiration 2015 provided is set to past date and time.",
            Start,
            Configuration,
        ),
        (
            "AF20010",
            400,
            "The tenant ID passed in the URL (a) does not match the tenant ID passed in the access token (b).",
            Listing,
            Configuration,
        ),
        (
            "AF20011",
            400,
            "Specified tenant ID (a) does not exist in the system or has been deleted.",
            Start,
            Configuration,
        ),
        (
            "AF20012",
            400,
            "Specified tenant ID (a) is incorrectly configured in the system.",
            Start,
            Configuration,
        ),
        (
            "AF20013",
            400,
            "The tenant ID passed in the URL (a) is not a valid GUID.",
            Listing,
            Configuration,
        ),
        (
            "AF20020",
            400,
            "The specified content type is not valid.",
            Listing,
            Configuration,
        ),
        (
            "AF20021",
            400,
            "The webhook endpoint {{0}) could not be validated. {1}",
            Start,
            WebhookInvalid,
        ),
        (
            "AF20022",
            400,
            "No subscription found for the specified content type.",
            Listing,
            NoSubscription,
        ),
        (
            "AF20023",
            400,
            "The subscription was disabled.",
            Listing,
            SubscriptionDisabled,
        ),
        (
            "AF20030",
            400,
            "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours apart, with the start time no more than 7 days in the past.",
            Listing,
            WindowInvalid,
        ),
        (
            "AF20031",
            400,
            "Invalid nextPage Input: 2015.",
            Listing,
            PageTokenStale,
        ),
        (
            "AF20050",
            404,
            "The specified content (1$2) does not exist.",
            Blob,
            BlobGone,
        ),
        (
            "AF20051",
            400,
            "Content requested with the key 1$2 has already expired. Content older than 7 days cannot be retrieved.",
            Blob,
            BlobExpired,
        ),
        (
            "AF20052",
            400,
            "Content ID 1 in the URL is invalid.",
            Blob,
            BlobInvalid,
        ),
        (
            "AF20053",
            400,
            "Only one language may be present in the Accept-Language header.",
            Listing,
            Configuration,
        ),
        (
            "AF20054",
            400,
            "Invalid syntax in Accept-Language header.",
            Listing,
            Configuration,
        ),
        (
            "AF20055",
            400,
            "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours apart, with the start time prior to end time and start time no more than 7 days in the past.",
            Listing,
            WindowInvalid,
        ),
        (
            "AF429",
            403,
            "Too many requests. Method=GetBlob, PublisherId=0",
            Blob,
            Throttled,
        ),
        ("AF429", 429, "", Listing, Throttled),
        (
            "AF50000",
            500,
            "An internal error occurred. Retry the request.",
            Blob,
            Transient,
        ),
        (
            "AF50000",
            500,
            "Please retry the request again in an hour. We have been notified and would be resolved soon.",
            Listing,
            Transient,
        ),
        ("AF50005", 500, "", Listing, Transient),
        ("AF50006", 500, "", Listing, Transient),
        (
            "AF50000",
            200,
            "An internal error occurred. Retry the request.",
            Blob,
            Transient,
        ),
    ] {
        let text = json(code, message);
        let single_quoted = text.replace('"', "'");
        let from_json = classify(operation, status, &text);
        assert_eq!(
            (from_json.kind, from_json.code.as_deref()),
            (kind, Some(code)),
            "{text}"
        );
        assert_eq!(from_json.message, message);
        let from_text = classify(operation, status, &single_quoted);
        assert_eq!(
            (from_text.kind, from_text.code.as_deref()),
            (kind, Some(code)),
            "{single_quoted}"
        );
    }
}

#[test]
fn t1_an_enabled_subscription_is_told_by_its_code() {
    let text = json(
        "AF20024",
        "The subscription is already enabled. No property change.",
    );
    assert_eq!(text.len(), 97);
    assert_eq!(
        classify(Start, 400, &text).code.as_deref(),
        Some(ALREADY_ENABLED)
    );
}

#[test]
fn t2_a_start_too_soon_says_how_long_to_wait() {
    let text = "Too many frequent subscription start requests. Please retry again after 14m 56s";
    for (text, seconds) in [
        (text.to_owned(), 896),
        (json("AF429", text), 896),
        (
            format!("{{'error':{{'code':'AF429','message':'{text}'}}}}"),
            896,
        ),
        (text.replace("14m 56s", "1h 2m 3s."), 3723),
        (text.replace("14m 56s", "7s"), 7),
        (text.replace("14m 56s", "a while"), 900),
        (text.replace("14m 56s", "99999999999h"), 900),
        (String::new(), 900),
    ] {
        let refusal = classify(Start, 429, &text);
        assert_eq!(refusal.kind, StartTooSoon, "{text}");
        assert_eq!(
            refusal.retry_after,
            Some(Duration::from_secs(seconds)),
            "{text}"
        );
    }
}

#[test]
fn t4_auditing_off_is_a_stack_trace_that_is_not_shown() {
    for text in [
        AUDITING_OFF.to_owned(),
        AUDITING_OFF.replace("DataService", "Dat"),
    ] {
        let refusal = classify(Start, 400, &text);
        assert_eq!(refusal.kind, AuditingOff);
        assert_eq!(refusal.code, None);
        assert!(
            refusal
                .message
                .ends_with("Tenant 0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7 does not exist.")
        );
        assert!(
            !refusal.message.contains("AzureManager"),
            "{}",
            refusal.message
        );
    }
    let lost = AUDITING_OFF.replace("does not exist", "does not exis");
    assert_eq!(classify(Start, 400, &lost).kind, AuditingOff);
    assert_eq!(classify(Start, 500, &lost).kind, Transient);
}

#[test]
fn t6_throttling_has_status_403_and_no_json() {
    let text = "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=00000000-0000-0000-0000-000000000000'}}";
    let refusal = classify(Blob, 403, text);
    assert_eq!(
        (refusal.kind, refusal.code.as_deref()),
        (Throttled, Some("AF429"))
    );
    assert_eq!(classify(Blob, 403, "Forbidden").kind, PermissionMissing);
    assert_eq!(classify(Blob, 403, "<html>Blocked</html>").kind, Transient);
}

#[test]
fn t7_an_answer_of_success_may_be_an_error() {
    for (text, of_blob, of_listing) in [
        (
            "{'error':{'code':'AF429','message':'Too many requests.'}}",
            Throttled,
            Throttled,
        ),
        (
            "{\"error\":{\"code\":\"AF20022\",\"message\":\"\"}}",
            NoSubscription,
            NoSubscription,
        ),
        (
            "{\"error\":{\"code\":\"AF50000\",\"message\":\"cut of",
            Transient,
            Transient,
        ),
        ("Too many requests", Throttled, Throttled),
        ("\u{feff}{'error':{'code':'AF429'}}", Throttled, Throttled),
        ("", NotBlob, Transient),
        (" \r\n", NotBlob, Transient),
        ("null", NotBlob, Transient),
        ("\"AF429\"", NotBlob, Transient),
        (
            "{\"Id\":\"1\",\"Text\":\"AF429 Too many requests\"}",
            NotBlob,
            Transient,
        ),
        ("{\"Id\":\"1\",\"Text\":\"cut AF429", NotBlob, Transient),
        ("<!DOCTYPE html><html>Sign in</html>", Transient, Transient),
        ("gateway in trouble", Transient, Transient),
    ] {
        assert_eq!(classify_success(Blob, text).kind, of_blob, "{text}");
        assert_eq!(classify_success(Listing, text).kind, of_listing, "{text}");
    }
}

#[test]
fn t23_t26_any_status_with_any_text() {
    for (operation, status, text, kind) in [
        (Subscriptions, 401, "", TokenRejected),
        (Blob, 401, "<html>", TokenRejected),
        (Blob, 404, "", BlobGone),
        (Blob, 404, "<html>The page does not exist</html>", BlobGone),
        (Listing, 404, "", Transient),
        (Listing, 429, "", Throttled),
        (
            Start,
            429,
            json("AF429", "Too many requests.").as_str(),
            Throttled,
        ),
        (Listing, 408, "", Transient),
        (Blob, 503, "<html>Service unavailable</html>", Transient),
        (Blob, 302, "", Transient),
        (Blob, 400, "nobody has seen this", Transient),
        (Blob, 400, json("AF29999", "nor this").as_str(), Transient),
    ] {
        let refusal = classify(operation, status, text);
        assert_eq!(refusal.kind, kind, "{operation:?} {status} {text}");
        assert!(refusal.message.len() <= 256);
    }
    assert_eq!(classify(Blob, 503, &"<p>x".repeat(1000)).message.len(), 256);
}
