//! A server of Amazon S3's protocol over any object store, for tests of what only a client over HTTP does: credentials,
//! conditions on writes, listings in pages, uploads in parts, objects read a range at a time.
//!
//! Of the protocol it has what `object_store` speaks; a signature has to be there and to name the right key, and is not
//! computed. Errors have the status and code that Amazon documents:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use bytes::Bytes;
use chrono::SecondsFormat;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    UpdateVersion,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::form_urlencoded;

/// The key that requests are to be signed with.
pub const ACCESS_KEY_ID: &str = "AKIATESTKIT";
/// The bucket there is.
pub const BUCKET: &str = "bucket";
const REQUEST_BYTES_MAX: usize = 1 << 30;

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// Keys of a page of a listing at most; Amazon gives 1,000.
    pub page_keys: usize,
    /// Whether `If-None-Match` and `If-Match` are heeded. Some that speak the protocol don't, without a word.
    pub has_conditions: bool,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            page_keys: 1_000,
            has_conditions: true,
        }
    }
}

/// A server with one bucket, on a local port. It runs on the Tokio runtime that started it, until it is dropped.
#[derive(Debug)]
pub struct S3Server {
    endpoint: String,
    requests: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    serving: JoinHandle<()>,
}

struct Served {
    store: Arc<dyn ObjectStore>,
    options: S3Options,
    uploads: Mutex<Uploads>,
    requests: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

/// Objects that come in parts.
#[derive(Default)]
struct Uploads {
    begun: usize,
    parts: HashMap<String, BTreeMap<usize, Bytes>>,
}

impl S3Server {
    /// Starts a server of what `store` holds.
    ///
    /// # Errors
    ///
    /// There is no port for it.
    pub async fn start(store: Arc<dyn ObjectStore>, options: S3Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let requests = Arc::<Mutex<_>>::default();
        let served = Arc::new(Served {
            store,
            options,
            uploads: Mutex::default(),
            requests: Arc::clone(&requests),
        });
        let router = Router::new().fallback(answer).with_state(served);
        let serving = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            endpoint,
            requests,
            serving,
        })
    }

    /// The variables of a process that make `s3://bucket/…` its bucket.
    pub fn variables(&self) -> [(String, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", "not a secret"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    /// How many requests there were of each kind, by the names of S3's operations.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An error as S3 tells it.
struct Refusal(StatusCode, &'static str, String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (status, code) = match &error {
            Error::NotFound { .. } => (StatusCode::NOT_FOUND, "NoSuchKey"),
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                (StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
            }
            Error::NotModified { .. } => (StatusCode::NOT_MODIFIED, "NotModified"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        };
        Self(status, code, error.to_string())
    }
}

type Answer = Result<Response<Body>, Refusal>;

async fn answer(State(served): State<Arc<Served>>, request: Request) -> Response<Body> {
    served
        .answer(request)
        .await
        .unwrap_or_else(|Refusal(status, code, message)| {
            let message = escaped(&message);
            xml(
                status,
                &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
            )
        })
}

impl Served {
    async fn answer(&self, request: Request) -> Answer {
        let (head, body) = request.into_parts();
        signed(&head.headers)?;
        let (bucket, key) = {
            let path = head.uri.path().trim_start_matches('/');
            path.split_once('/').unwrap_or((path, ""))
        };
        if bucket != BUCKET {
            return Err(Refusal(
                StatusCode::NOT_FOUND,
                "NoSuchBucket",
                bucket.to_owned(),
            ));
        }
        let path = Path::from_url_path(key).map_err(Error::from)?;
        let query = head.uri.query().unwrap_or_default();
        let query: HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let body = to_bytes(body, REQUEST_BYTES_MAX).await;
        let body = body.map_err(|error| {
            Refusal(StatusCode::BAD_REQUEST, "IncompleteBody", error.to_string())
        })?;
        let headers = &head.headers;
        let upload = query.get("uploadId");
        match (&head.method, upload) {
            (&Method::GET, None) if key.is_empty() => self.list(&query).await,
            (&Method::GET, None) => self.get(&path, headers, false).await,
            (&Method::HEAD, None) => self.get(&path, headers, true).await,
            (&Method::PUT, None) => self.put(&path, headers, body).await,
            (&Method::DELETE, None) => self.delete(&path).await,
            (&Method::POST, None) if query.contains_key("delete") => self.delete_all(&body).await,
            (&Method::POST, None) if query.contains_key("uploads") => Ok(self.begin_upload()),
            (&Method::PUT, Some(upload)) => self.put_part(upload, &query, body),
            (&Method::POST, Some(upload)) => self.complete_upload(&path, upload, headers).await,
            (&Method::DELETE, Some(upload)) => self.abort_upload(upload),
            (method, _) => Err(Refusal(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                method.to_string(),
            )),
        }
    }

    fn count(&self, operation: &'static str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(operation).or_default() += 1;
    }

    async fn get(&self, path: &Path, headers: &HeaderMap, is_head: bool) -> Answer {
        self.count(if is_head { "HeadObject" } else { "GetObject" });
        let range = text(headers, header::RANGE.as_str())
            .map(range)
            .transpose()?;
        let options = GetOptions {
            if_match: condition(headers, "if-match"),
            if_none_match: condition(headers, "if-none-match"),
            head: is_head,
            range: range.clone(),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(path, options).await?;
        let (meta, given) = (got.meta.clone(), got.range.clone());
        let mut response = Response::builder()
            .header(header::ETAG, quoted(&meta))
            .header(
                header::LAST_MODIFIED,
                meta.last_modified
                    .format("%a, %d %b %Y %H:%M:%S GMT")
                    .to_string(),
            )
            .header(header::CONTENT_LENGTH, given.end - given.start);
        if range.is_some() {
            let (start, last) = (given.start, given.end.saturating_sub(1));
            response = response.status(StatusCode::PARTIAL_CONTENT).header(
                header::CONTENT_RANGE,
                format!("bytes {start}-{last}/{}", meta.size),
            );
        }
        let body = match is_head {
            true => Body::empty(),
            false => Body::from_stream(got.into_stream()),
        };
        built(response.body(body))
    }

    async fn put(&self, path: &Path, headers: &HeaderMap, body: Bytes) -> Answer {
        self.count("PutObject");
        let put = self
            .store
            .put_opts(path, body.into(), self.mode(headers))
            .await?;
        built(
            Response::builder()
                .header(header::ETAG, tag(put.e_tag))
                .body(Body::empty()),
        )
    }

    /// The conditions of a write.
    fn mode(&self, headers: &HeaderMap) -> PutOptions {
        let is_new = text(headers, "if-none-match") == Some("*");
        let mode = match condition(headers, "if-match") {
            _ if !self.options.has_conditions => PutMode::Overwrite,
            Some(e_tag) => PutMode::Update(UpdateVersion {
                e_tag: Some(e_tag),
                version: None,
            }),
            None if is_new => PutMode::Create,
            None => PutMode::Overwrite,
        };
        mode.into()
    }

    async fn delete(&self, path: &Path) -> Answer {
        self.count("DeleteObject");
        match self.store.delete(path).await {
            // Who deletes what is not there is told that it is gone.
            Ok(()) | Err(Error::NotFound { .. }) => built(
                Response::builder()
                    .status(StatusCode::NO_CONTENT)
                    .body(Body::empty()),
            ),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete_all(&self, body: &[u8]) -> Answer {
        self.count("DeleteObjects");
        let text = String::from_utf8_lossy(body);
        let keys = text
            .split("<Key>")
            .skip(1)
            .filter_map(|rest| rest.split("</Key>").next());
        let mut gone = String::new();
        for key in keys {
            self.delete(&Path::parse(unescaped(key)).map_err(Error::from)?)
                .await?;
            // Writing to a text does not fail.
            let _ = write!(gone, "<Deleted><Key>{key}</Key></Deleted>");
        }
        Ok(xml(
            StatusCode::OK,
            &format!("<DeleteResult>{gone}</DeleteResult>"),
        ))
    }

    async fn list(&self, query: &HashMap<String, String>) -> Answer {
        self.count("ListObjectsV2");
        let value = |name: &str| query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (value("prefix"), value("delimiter"));
        let after = value("start-after").max(value("continuation-token"));
        let objects: Vec<ObjectMeta> = self.store.list(None).try_collect().await?;
        let mut keys = BTreeMap::new();
        let mut folders = BTreeSet::new();
        for object in &objects {
            let key = object.location.as_ref();
            let Some(rest) = key.strip_prefix(prefix).filter(|_| key > after) else {
                continue;
            };
            match rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                Some((folder, _)) => drop(folders.insert(format!("{prefix}{folder}{delimiter}"))),
                None => drop(keys.insert(key, object)),
            }
        }
        let is_cut = keys.len() > self.options.page_keys;
        let mut page = String::new();
        let mut last = "";
        for (key, object) in keys.into_iter().take(self.options.page_keys) {
            last = key;
            let modified = object
                .last_modified
                .to_rfc3339_opts(SecondsFormat::Millis, true);
            let _ = write!(
                page,
                "<Contents><Key>{}</Key><LastModified>{modified}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                escaped(key),
                escaped(&quoted(object)),
                object.size,
            );
        }
        for folder in folders {
            let _ = write!(
                page,
                "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                escaped(&folder)
            );
        }
        if is_cut {
            let _ = write!(
                page,
                "<NextContinuationToken>{}</NextContinuationToken>",
                escaped(last)
            );
        }
        Ok(xml(
            StatusCode::OK,
            &format!(
                "<ListBucketResult><IsTruncated>{is_cut}</IsTruncated>{page}</ListBucketResult>"
            ),
        ))
    }

    fn begin_upload(&self) -> Response<Body> {
        self.count("CreateMultipartUpload");
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.begun += 1;
        let id = format!("upload-{}", uploads.begun);
        uploads.parts.insert(id.clone(), BTreeMap::new());
        xml(
            StatusCode::OK,
            &format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ),
        )
    }

    fn put_part(&self, upload: &str, query: &HashMap<String, String>, body: Bytes) -> Answer {
        self.count("UploadPart");
        let number = query
            .get("partNumber")
            .and_then(|number| number.parse().ok());
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(parts), Some(number)) = (uploads.parts.get_mut(upload), number) else {
            return Err(no_upload(upload));
        };
        parts.insert(number, body);
        built(
            Response::builder()
                .header(header::ETAG, tag(Some(number.to_string())))
                .body(Body::empty()),
        )
    }

    async fn complete_upload(&self, path: &Path, upload: &str, headers: &HeaderMap) -> Answer {
        self.count("CompleteMultipartUpload");
        let parts = {
            let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            uploads
                .parts
                .remove(upload)
                .ok_or_else(|| no_upload(upload))?
        };
        let put = self
            .store
            .put_opts(path, parts.into_values().collect(), self.mode(headers))
            .await?;
        let e_tag = escaped(&tag(put.e_tag));
        Ok(xml(
            StatusCode::OK,
            &format!(
                "<CompleteMultipartUploadResult><ETag>{e_tag}</ETag></CompleteMultipartUploadResult>"
            ),
        ))
    }

    fn abort_upload(&self, upload: &str) -> Answer {
        self.count("AbortMultipartUpload");
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads
            .parts
            .remove(upload)
            .ok_or_else(|| no_upload(upload))?;
        built(
            Response::builder()
                .status(StatusCode::NO_CONTENT)
                .body(Body::empty()),
        )
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>
fn signed(headers: &HeaderMap) -> Result<(), Refusal> {
    let credential = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/");
    match text(headers, header::AUTHORIZATION.as_str()) {
        Some(signature) if signature.starts_with(&credential) => Ok(()),
        Some(_) => Err(Refusal(
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "another key".to_owned(),
        )),
        None => Err(Refusal(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "not signed".to_owned(),
        )),
    }
}

fn no_upload(upload: &str) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "NoSuchUpload", upload.to_owned())
}

/// `bytes=0-99`, `bytes=100-` and `bytes=-100`.
fn range(text: &str) -> Result<GetRange, Refusal> {
    let invalid = || {
        Refusal(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            text.to_owned(),
        )
    };
    let bounds = text
        .strip_prefix("bytes=")
        .and_then(|bounds| bounds.split_once('-'));
    let (first, last) = bounds.ok_or_else(invalid)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| invalid());
    Ok(match (first, last) {
        ("", last) => GetRange::Suffix(number(last)?),
        (first, "") => GetRange::Offset(number(first)?),
        (first, last) => GetRange::Bounded(number(first)?..number(last)? + 1),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The tag that a condition names, without its quotes.
fn condition(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(text(headers, name)?.trim_matches('"').to_owned())
}

fn quoted(object: &ObjectMeta) -> String {
    tag(object.e_tag.clone())
}

fn tag(e_tag: Option<String>) -> String {
    format!("\"{}\"", e_tag.unwrap_or_default().trim_matches('"'))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

fn xml(status: StatusCode, body: &str) -> Response<Body> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

fn built(response: Result<Response<Body>, axum::http::Error>) -> Answer {
    response.map_err(|error| {
        Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            error.to_string(),
        )
    })
}
