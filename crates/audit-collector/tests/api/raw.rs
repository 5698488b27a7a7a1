//! Answers that no faithful server gives, written byte by byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_collector::{ApiErrorKind, Credential, Secret};
use audit_lake::Clock;
use audit_schema::ContentType;
use audit_testkit::api::{ApiServer, ApiServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{Provider, SECRET, Skewed, TestPace, client, settings};

/// Answers each connection with the next of the texts, where `{request}` is what came; keeps what came.
async fn responder(answers: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&requests);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let text = loop {
                stream.read_buf(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(':')?;
                        name.eq_ignore_ascii_case("content-length")
                            .then(|| value.trim().parse::<usize>().unwrap())
                    });
                    if body.len() >= length.unwrap_or(0) {
                        break text;
                    }
                }
            };
            let answer = answer.replace("{request}", &text);
            kept.lock().unwrap().push(text);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (root, requests)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n{body}")
}

fn token_v1() -> String {
    answer(
        "200 OK",
        "",
        r#"{"token_type":"Bearer","expires_in":"3599","expires_on":"1508285860","access_token":"marker.of.a-token"}"#,
    )
}

async fn client_of(
    answers: Vec<String>,
) -> (
    audit_collector::ApiClient,
    Arc<Mutex<Vec<String>>>,
    ApiServer,
) {
    let (root, requests) = responder(answers).await;
    // Its clock alone is used.
    let server = ApiServer::start(ApiServerOptions::default()).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Skewed {
        clock: server.clock().clone(),
        skew_micros: 0,
    });
    let pace = TestPace::new(server.clock());
    let provider = Provider::new(Credential::ClientSecret(Secret::new(SECRET)));
    let settings = settings(&format!("{root}/management"), &format!("{root}/login"));
    (client(settings, &provider, clock, &pace), requests, server)
}

#[tokio::test]
async fn requests_are_as_documented() {
    let (client, requests, _server) = client_of(vec![
        token_v1(),
        answer(
            "200 OK",
            "",
            r#"{"contentType":"Audit.Exchange","status":"enabled","webhook":null}"#,
        ),
    ])
    .await;
    client.start(ContentType::Exchange).await.unwrap();
    let requests = requests.lock().unwrap();
    let token = requests[0].to_ascii_lowercase();
    assert!(token.starts_with(
        "post /login/0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867/oauth2/v2.0/token http/1.1\r\n"
    ));
    assert!(token.contains("content-type: application/x-www-form-urlencoded\r\n"));
    assert!(token.contains(
        "grant_type=client_credentials&client_id=5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15&scope=http"
    ));
    assert!(token.contains("%2fmanagement%2f.default&client_secret=marker%7eof%2ba%2fsecret"));
    let start = requests[1].to_ascii_lowercase();
    assert!(start.starts_with(
        "post /management/api/v1.0/0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867/activity/feed/subscriptions/start\
         ?contenttype=audit.exchange&publisheridentifier=0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867 http/1.1\r\n"
    ));
    assert!(start.contains("\r\ncontent-length: 0\r\n"));
    assert_eq!(start.matches("content-length").count(), 1);
    assert!(start.contains("\r\ncontent-type: application/json; utf-8\r\n"));
    assert!(start.contains("\r\nauthorization: bearer marker.of.a-token\r\n"));
    assert!(start.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = answer(
        "302 Found",
        "Location: http://localhost:1/\r\nContent-Length: 0\r\n",
        "",
    );
    let (client, requests, _server) =
        client_of([vec![token_v1()], vec![redirect; 4]].concat()).await;
    let error = client.subscriptions().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ApiErrorKind::Transient, Some(302))
    );
    assert_eq!(requests.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_listing_that_goes_in_a_circle_ends() {
    let next = "/management/api/v1/t/activity/feed/subscriptions/content?nextPage=1";
    let page = answer("200 OK", &format!("nextpageURI: {next}\r\n"), "[]");
    let (client, requests, _server) = client_of(vec![token_v1(), page.clone(), page]).await;
    let mut listing = client.listing(ContentType::Exchange, 0, 1_000_000);
    assert_eq!(listing.next_page().await.unwrap(), Some(Vec::new()));
    let error = listing.next_page().await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::PageTokenStale);
    assert!(
        requests.lock().unwrap()[2].starts_with("GET /management/api/v1/t/"),
        "a relative link is joined"
    );
}

/// A wait of centuries stopped the tenant for as long; as a number it ran over.
#[tokio::test]
async fn t8_a_wait_is_an_hour_at_the_most() {
    for (status, kind) in [
        ("403 Forbidden", ApiErrorKind::Throttled),
        ("503 Service Unavailable", ApiErrorKind::Transient),
    ] {
        for wait in ["18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            let headers = format!("Retry-After: {wait}\r\n");
            let body = match kind {
                ApiErrorKind::Throttled => "{'error':{'code':'AF429','message':''}}",
                _ => "",
            };
            let refusal = answer(status, &headers, body);
            let (client, _, _server) = client_of(vec![token_v1(), refusal]).await;
            let error = client.subscriptions().await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(
                error.retry_after(),
                Some(Duration::from_secs(3600)),
                "{wait}"
            );
        }
    }
}

#[tokio::test]
async fn t12_the_clock_is_that_of_the_api_and_not_of_a_page_on_the_way_to_it() {
    const DATE: &str = "Date: Fri, 31 Dec 2100 23:59:59 GMT\r\n";
    const MICROS: i64 = 4_133_980_799_000_000;
    let page = |status| answer(status, DATE, "<html>proxy</html>");
    let missing = r#"{"error":{"code":"AF20022","message":"No subscription found."}}"#;
    for (answers, is_believed) in [
        (vec![page("200 OK"); 4], false),
        (vec![page("503 Service Unavailable"); 4], false),
        (vec![answer("400 Bad Request", DATE, missing)], true),
        (vec![answer("200 OK", DATE, "[]")], true),
    ] {
        let answers = std::iter::once(token_v1()).chain(answers);
        let (client, _, server) = client_of(answers.collect()).await;
        let _ = client.subscriptions().await;
        let expected = match is_believed {
            true => MICROS,
            false => server.clock().now_micros(),
        };
        let off = client.server_now_micros() - expected;
        assert!(off.abs() <= 2_000_000, "{is_believed}: {off}");
    }
}

#[tokio::test]
async fn a_listing_whose_pages_link_to_each_other_ends() {
    let page = |next: u32| {
        let next =
            format!("/management/api/v1/t/activity/feed/subscriptions/content?nextPage={next}");
        answer("200 OK", &format!("NextPageUri: {next}\r\n"), "[]")
    };
    let pages = (1..20).map(|number| page(number % 2));
    let (client, requests, _server) =
        client_of(std::iter::once(token_v1()).chain(pages).collect()).await;
    let mut listing = client.listing(ContentType::Exchange, 0, 1_000_000);
    let error = loop {
        match listing.next_page().await {
            Ok(page) => assert!(page.is_some(), "it has no last page"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ApiErrorKind::PageTokenStale);
    assert!(requests.lock().unwrap().len() <= 8);
}

#[tokio::test]
async fn no_secret_is_shown_that_a_server_sends_back() {
    let echo = answer("400 Bad Request", "", "{request}");
    let (client, requests, _server) = client_of(vec![
        echo.clone(),
        echo.clone(),
        echo.clone(),
        token_v1(),
        echo,
    ])
    .await;
    let of_token = client.token_claims().await.unwrap_err();
    let of_api = client.start(ContentType::Exchange).await.unwrap_err();
    assert_eq!(requests.lock().unwrap().len(), 5);
    for error in [of_token, of_api] {
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("POST"), "{shown}");
        for secret in [SECRET, "marker%7Eof", "marker.of"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
