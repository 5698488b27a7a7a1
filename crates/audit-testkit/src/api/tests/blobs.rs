use super::*;
use crate::api::clock::DAY;
use crate::api::{ApiFault, ApiFaultKind, GeneratedBody};
use crate::generator::GeneratorOptions;

#[tokio::test]
async fn a_blob_is_sent_as_it_was_published() {
    let fixture = Fixture::new().await;
    let body = r#" [ {"CreationTime":"2026-10-08T10:00:00","Id":"é","Id":"2"} ] "#;
    let id = fixture.tenant.publish(EXCHANGE, fixture.now(), body.into());
    let answer = fixture.blob(&id).await;
    assert_eq!(
        (answer.status, answer.text(), answer.whole),
        (200, body, true)
    );
    assert_eq!(fixture.server.truth()[0].body.size(), body.len() as u64);
}

#[tokio::test]
async fn b1_an_unknown_blob_is_af20050_and_a_damaged_id_af20052() {
    let fixture = Fixture::new().await;
    let id = fixture.publish(1).remove(0);
    for (asked, status, code) in [
        (id.replace("2026", "2027"), 404, "AF20050"),
        (id.replace('$', "%24"), 400, "AF20052"),
        (id[..20].to_owned(), 400, "AF20052"),
    ] {
        let answer = fixture.blob(&asked).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{asked}"
        );
    }
    fixture.tenant.withdraw(&id);
    assert_eq!(fixture.blob(&id).await.code(), "AF20050");
    assert!(fixture.server.truth().is_empty());
}

#[tokio::test]
async fn b2_a_blob_expires_by_its_own_time_after_7_days_or_20() {
    for days in [7, 20] {
        let mut fixture = Fixture::new().await;
        fixture
            .tenant
            .configure(|settings| settings.retention_micros = days * DAY);
        let id = fixture.tenant.publish(EXCHANGE, fixture.now(), "[]".into());
        fixture.server.clock().advance(days * DAY - 1);
        fixture.sign_in().await;
        assert_eq!(fixture.blob(&id).await.status, 200);
        fixture.server.clock().advance(1);
        let answer = fixture.blob(&id).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "AF20051"));
        assert!(answer.text().contains("has already expired"));
    }
}

#[tokio::test]
async fn b9_a_paged_blob_is_whole_when_followed() {
    let fixture = Fixture::new().await;
    let id = fixture
        .tenant
        .publish(EXCHANGE, fixture.now(), "[1,2,3,4,5]".into());
    fixture
        .server
        .fault(ApiFault::new(ApiFaultKind::PagedBlob { records: 2 }));
    let mut answer = fixture.blob(&id).await;
    let mut pages = vec![answer.text().to_owned()];
    while let Some(uri) = answer.header("NextPageUri").map(str::to_owned) {
        answer = fixture.get_url(&uri).await;
        pages.push(answer.text().to_owned());
    }
    assert_eq!(pages, ["[1,2]", "[3,4]", "[5]"]);
    assert_eq!(
        fixture
            .get(&format!("audit/{id}?nextPage=9P2"))
            .await
            .code(),
        "AF20031"
    );
}

#[tokio::test]
async fn b3_a_big_blob_is_made_while_it_is_sent() {
    let fixture = Fixture::new().await;
    let body = GeneratedBody::new(20_000, 400);
    let id = fixture
        .tenant
        .publish_generated(EXCHANGE, fixture.now(), body);
    let answer = fixture.blob(&id).await;
    assert!(answer.whole);
    let records: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(records.len(), 20_000);
    assert_eq!(records[0]["OrganizationId"], TENANT);
    let truth = fixture.server.truth();
    assert_eq!(
        truth[0].body.pieces().flatten().collect::<Vec<u8>>(),
        answer.body
    );
}

#[tokio::test]
async fn generated_records_are_those_of_the_tenant_and_lie_in_its_past() {
    let fixture = Fixture::new().await;
    let options = GeneratorOptions {
        records: 3_000,
        records_per_blob: 100,
        days: 6,
        ..GeneratorOptions::default()
    };
    let count = fixture.tenant.publish_records(options);
    let truth = fixture.server.truth();
    assert_eq!(truth.len(), count);
    for blob in truth {
        assert!(
            blob.created_micros < fixture.now() && blob.created_micros > fixture.now() - 6 * DAY
        );
        let bytes: Vec<u8> = blob.body.pieces().flatten().collect();
        let records: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
        assert!(
            records
                .iter()
                .all(|record| record["OrganizationId"] == TENANT)
        );
    }
}

#[tokio::test]
async fn a_folder_of_blobs_is_published_by_content_type() {
    let fixture = Fixture::new().await;
    let folder = std::env::temp_dir().join(format!("audit-testkit-blobs-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("DLP.All")).unwrap();
    std::fs::create_dir_all(folder.join("other")).unwrap();
    for name in [
        "DLP.All/b.json",
        "DLP.All/a.json",
        "DLP.All/a.txt",
        "other/c.json",
    ] {
        std::fs::write(folder.join(name), format!("[\"{name}\"]")).unwrap();
    }
    assert_eq!(fixture.tenant.publish_folder(&folder, 7).unwrap(), 2);
    std::fs::remove_dir_all(&folder).unwrap();
    let truth = fixture.server.truth();
    let bodies = truth
        .iter()
        .flat_map(|blob| blob.body.pieces())
        .collect::<Vec<_>>();
    assert_eq!(bodies, [r#"["DLP.All/a.json"]"#, r#"["DLP.All/b.json"]"#]);
    assert!(
        truth[0].created_micros > fixture.now() - 7 * DAY
            && truth[1].created_micros < fixture.now()
    );
}

#[tokio::test]
async fn sensitive_types_have_names_in_one_language() {
    let fixture = Fixture::new().await;
    let url = fixture.url("resources/dlpSensitiveTypes");
    for (language, status, code) in [
        ("", 200, ""),
        ("Accept-Language: de-DE\r\n", 200, ""),
        ("Accept-Language: de-DE, en\r\n", 400, "AF20053"),
        ("Accept-Language: de_DE!\r\n", 400, "AF20054"),
    ] {
        let answer = send(
            "GET",
            &url,
            &format!("{}{language}", fixture.authorization()),
            None,
        )
        .await;
        assert_eq!(answer.status, status);
        let json = answer.json();
        assert!(status != 200 || json[0]["name"] == "CreditCardNumber");
        assert_eq!(json["error"]["code"].as_str().unwrap_or_default(), code);
    }
}

#[tokio::test]
async fn b11_odd_records_come_in_two_blobs_one_with_copies() {
    let fixture = Fixture::new().await;
    let [records, copies] = fixture.tenant.publish_odd_records(EXCHANGE, fixture.now());
    let copies = fixture.blob(&copies).await.json();
    assert_eq!(copies.as_array().map(Vec::len), Some(1));
    let answer = fixture.blob(&records).await;
    assert!(answer.text().contains(r#""Id":"""#) && answer.text().contains(r"a\ud83d.txt"));
}
