//! Content blobs.

use std::time::Duration;

use audit_collector::{ApiErrorKind, ContentBlobRef};
use audit_schema::ContentType;
use audit_testkit::api::{ApiFaultKind, ApiOperation, Truncation};

use crate::{Fixture, HOUR};

const SHAREPOINT: ContentType = ContentType::SharePoint;
const BODY: &str = r#"[{"Id":"1","Text":"AF429 Too many requests"},{"Id":"2"}]"#;

async fn with_blob(body: &str) -> (Fixture, ContentBlobRef) {
    let fixture = Fixture::subscribed(SHAREPOINT).await;
    fixture.publish(SHAREPOINT, body);
    let blob = fixture.list(SHAREPOINT).await.unwrap().pop().unwrap();
    (fixture, blob)
}

#[tokio::test]
async fn a_blob_comes_byte_for_byte() {
    for body in [BODY, "[]", " \r\n\t[ ]\n", "\u{feff}[]"] {
        let (fixture, blob) = with_blob(body).await;
        assert_eq!(fixture.retrieve(&blob.content_uri).await.unwrap(), body);
        assert!(blob.content_id.contains('$'));
        assert!(blob.expires_micros > Some(blob.created_micros));
    }
}

#[tokio::test]
async fn b1_b2_a_blob_that_is_gone_and_one_that_has_expired() {
    for (kind, expected, requests) in [
        (ApiFaultKind::NotFound, ApiErrorKind::BlobGone, 1),
        (ApiFaultKind::ContentUnknown, ApiErrorKind::BlobGone, 1),
        (ApiFaultKind::ContentExpired, ApiErrorKind::BlobExpired, 1),
        (ApiFaultKind::NullBody, ApiErrorKind::NotBlob, 1),
        (ApiFaultKind::EmptyBody, ApiErrorKind::NotBlob, 1),
        (ApiFaultKind::ObjectBody, ApiErrorKind::NotBlob, 1),
        (ApiFaultKind::ErrorInOk, ApiErrorKind::Transient, 4),
        (ApiFaultKind::HtmlBody, ApiErrorKind::Transient, 4),
    ] {
        let (fixture, blob) = with_blob(BODY).await;
        fixture.fault(ApiOperation::GetBlob, kind.clone(), u64::MAX);
        let error = fixture.client.blob(&blob.content_uri).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{kind:?}");
        assert_eq!(error.content_id(), Some(blob.content_id.as_str()));
        assert_eq!(error.content_type(), Some(SHAREPOINT));
        assert_eq!(
            fixture.requests(ApiOperation::GetBlob),
            requests,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn b3_a_blob_over_the_limit_is_an_error_and_one_at_the_limit_is_not() {
    for (limit, fits) in [(BODY.len(), true), (BODY.len() - 1, false)] {
        let fixture = Fixture::with(0, |settings| settings.blob_bytes_max = limit as u64).await;
        fixture.client.start(SHAREPOINT).await.unwrap();
        fixture.server.clock().advance(HOUR);
        fixture.publish(SHAREPOINT, BODY);
        let blob = fixture.list(SHAREPOINT).await.unwrap().pop().unwrap();
        let retrieved = fixture.retrieve(&blob.content_uri).await;
        assert_eq!(retrieved.as_deref().ok(), fits.then_some(BODY));
        if let Err(error) = retrieved {
            assert_eq!(error.kind(), ApiErrorKind::BlobTooLarge);
        }
    }
}

#[tokio::test]
async fn b5_the_content_type_of_a_blob_does_not_matter() {
    for content_type in [None, Some("text/html".to_owned())] {
        let (fixture, blob) = with_blob(BODY).await;
        fixture.fault(
            ApiOperation::GetBlob,
            ApiFaultKind::ContentType(content_type),
            1,
        );
        assert_eq!(fixture.retrieve(&blob.content_uri).await.unwrap(), BODY);
    }
}

#[tokio::test]
async fn b7_a_blob_that_breaks_off_is_trouble() {
    for kind in [Truncation::ShorterThanDeclared, Truncation::WithoutLength] {
        let (fixture, blob) = with_blob(BODY).await;
        fixture.fault(
            ApiOperation::GetBlob,
            ApiFaultKind::Truncated(kind),
            u64::MAX,
        );
        let error = fixture.retrieve(&blob.content_uri).await.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Transient, "{kind:?}");
    }
}

#[tokio::test]
async fn t25_a_blob_that_stalls_is_trouble() {
    let (fixture, blob) = with_blob(BODY).await;
    fixture.fault(ApiOperation::GetBlob, ApiFaultKind::StallInBody, 1);
    let mut blob = fixture.client.blob(&blob.content_uri).await.unwrap();
    assert!(blob.chunk().await.unwrap().is_some());
    fixture.pace.reach(Duration::from_secs(30));
    let error = loop {
        match blob.chunk().await {
            Ok(chunk) => assert!(chunk.is_some(), "half a blob is no blob"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ApiErrorKind::Transient);
    assert_eq!(error.message(), "the answer stopped within 30 s");
}

#[tokio::test]
async fn b9_a_blob_goes_on_at_its_next_page() {
    let (fixture, blob) = with_blob(BODY).await;
    fixture.fault(
        ApiOperation::GetBlob,
        ApiFaultKind::PagedBlob { records: 1 },
        u64::MAX,
    );
    let mut pages = 0;
    let mut next = Some(blob.content_uri);
    while let Some(uri) = next {
        let page = fixture.client.blob(&uri).await.unwrap();
        next = page.next_page().cloned();
        pages += 1;
    }
    assert_eq!(pages, 2);
}
