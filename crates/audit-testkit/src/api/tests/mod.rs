//! Each rule and fault, answered over a real socket.

mod blobs;
mod faults;
mod listings;
mod subscriptions;
mod tokens;
mod webhooks;

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use serde_json::Value;

use super::clock::{HOUR, MINUTE, millis_text};
use super::{ApiServer, ApiServerOptions, AppRegistration, TenantHandle};

const TENANT: &str = "0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867";
const CLIENT: &str = "5d1f0c2b-7a3e-4c88-b1d6-90e4a2f37c15";
const SECRET: &str = "not~a.real-secret";
const PUBLISHER: &str = "0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867";
const EXCHANGE: &str = "Audit.Exchange";

/// What came back.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The body ended as its length or its last chunk said.
    whole: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn ids(&self) -> Vec<String> {
        let entries = self.json();
        let entries = entries.as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["contentId"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A server with one tenant and one application, and the way to ask it.
struct Fixture {
    server: ApiServer,
    tenant: TenantHandle,
    token: String,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(ApiServerOptions::default()).await
    }

    async fn with(options: ApiServerOptions) -> Self {
        let server = ApiServer::start(options).await.unwrap();
        let tenant = server.tenant(TENANT);
        tenant.register(AppRegistration::with_secret(CLIENT, SECRET));
        let mut fixture = Self {
            server,
            tenant,
            token: String::new(),
        };
        fixture.sign_in().await;
        fixture
    }

    async fn subscribed() -> Self {
        let fixture = Self::new().await;
        assert_eq!(fixture.start(EXCHANGE).await.status, 200);
        fixture
    }

    async fn sign_in(&mut self) {
        let form = format!(
            "grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}&resource={}",
            self.server.management_root()
        );
        let answer = self.ask_token(TENANT, "oauth2/token", &form).await;
        self.token = answer.json()["access_token"].as_str().unwrap().to_owned();
    }

    async fn ask_token(&self, tenant: &str, endpoint: &str, form: &str) -> Answer {
        let url = format!("{}/{tenant}/{endpoint}", self.server.login_root());
        let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
        send("POST", &url, headers, Some(form)).await
    }

    fn url(&self, operation: &str) -> String {
        let join = if operation.contains('?') { '&' } else { '?' };
        let root = self.server.management_root();
        format!(
            "{root}/api/v1.0/{TENANT}/activity/feed/{operation}{join}PublisherIdentifier={PUBLISHER}"
        )
    }

    async fn get(&self, operation: &str) -> Answer {
        self.get_url(&self.url(operation)).await
    }

    async fn get_url(&self, url: &str) -> Answer {
        send("GET", url, &self.authorization(), None).await
    }

    async fn post(&self, operation: &str, body: &str) -> Answer {
        send(
            "POST",
            &self.url(operation),
            &self.authorization(),
            Some(body),
        )
        .await
    }

    fn authorization(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }

    async fn start(&self, content_type: &str) -> Answer {
        self.post(
            &format!("subscriptions/start?contentType={content_type}"),
            "",
        )
        .await
    }

    async fn stop(&self, content_type: &str) -> Answer {
        self.post(
            &format!("subscriptions/stop?contentType={content_type}"),
            "",
        )
        .await
    }

    /// The listing of a content type from so many hours ago until now.
    async fn list(&self, content_type: &str, hours: i64) -> Answer {
        let now = self.now();
        self.list_between(content_type, now - hours * HOUR, now)
            .await
    }

    async fn list_between(&self, content_type: &str, start: i64, end: i64) -> Answer {
        let (start, end) = (millis_text(start), millis_text(end));
        self.get(&format!(
            "subscriptions/content?contentType={content_type}&startTime={start}&endTime={end}"
        ))
        .await
    }

    async fn blob(&self, content_id: &str) -> Answer {
        self.get(&format!("audit/{content_id}")).await
    }

    fn now(&self) -> i64 {
        self.server.clock().now_micros()
    }

    /// Publishes so many blobs of one record, a minute apart, the last one a minute ago.
    fn publish(&self, count: i64) -> Vec<String> {
        (0..count)
            .map(|index| {
                let body = Bytes::from(format!(r#"[{{"Id":"{index}"}},{{"Id":"{index}b"}}]"#));
                self.tenant
                    .publish(EXCHANGE, self.now() - (count - index) * MINUTE, body)
            })
            .collect()
    }
}

/// One request on a connection of its own; what can't be sent or read any more ends the answer.
async fn send(method: &str, url: &str, headers: &str, body: Option<&str>) -> Answer {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let length = body.map_or(String::new(), |body| {
        format!("Content-Length: {}\r\n", body.len())
    });
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}{length}\r\n{}",
        body.unwrap_or_default()
    );
    let host = host.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
        }
        answer_of(&bytes)
    })
    .await
    .unwrap()
}

fn answer_of(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Answer::default();
    };
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap()[9..12].parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        ..Answer::default()
    };
    let rest = &bytes[end + 4..];
    (answer.body, answer.whole) = match answer.header("content-length") {
        Some(length) => (rest.to_vec(), length.parse() == Ok(rest.len())),
        None => unchunked(rest),
    };
    answer
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else {
            break;
        };
        body.extend_from_slice(chunk);
        rest = &rest[(end + 4 + size).min(rest.len())..];
    }
    (body, false)
}
