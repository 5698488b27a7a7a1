//! The running server: from a request to its answer.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Response, header};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::access::{self, authenticate, authorize, content_type_of};
use super::blob::PublishedBlob;
use super::call::{Call, is_guid};
use super::clock::{ApiClock, MINUTE};
use super::disguise::{instead, no_call, throttled};
use super::fault::{ApiFault, FaultSubject, Faults, Stage};
use super::notification::{WebhookEndpoint, WebhookRequest};
use super::options::ApiServerOptions;
use super::reply::{Delivery, Reply};
use super::requests::{ApiOperation, ApiRequest, ApiRequests};
use super::retrieval::list_sensitive_types;
use super::tenant::{Tenant, TenantHandle};
use super::wire::{Wire, WireListener};
use crate::random::Random;

/// Nobody sends more than this to the API.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A server of the Office 365 Management Activity API and of the token endpoints, on one local port.
///
/// It runs on the Tokio runtime that started it, until it is dropped. All of its rules go by [`ApiServer::clock`].
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    closed: watch::Sender<bool>,
    address: SocketAddr,
}

/// What the requests share with the handles.
pub(crate) struct Shared {
    pub(crate) clock: ApiClock,
    pub(crate) options: ApiServerOptions,
    pub(crate) signing_key: Vec<u8>,
    management_root: String,
    login_root: String,
    serial: AtomicU64,
    state: Mutex<ServerState>,
}

pub(crate) struct ServerState {
    pub(crate) tenants: BTreeMap<String, Tenant>,
    pub(crate) webhooks: Option<WebhookEndpoint>,
    faults: Faults,
    requests: ApiRequests,
    /// Requests of the minute, by tenant and publisher; the shared pool has neither.
    quota: HashMap<(String, String), (i64, u64)>,
}

impl fmt::Debug for Shared {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("management_root", &self.management_root)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Starts a server with no tenant.
    ///
    /// # Errors
    ///
    /// The port can't be had.
    pub async fn start(options: ApiServerOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let mut random = Random::new(options.seed);
        let shared = Arc::new(Shared {
            clock: ApiClock::new(options.now_micros, options.clock_runs),
            signing_key: (0..4).flat_map(|_| random.next().to_be_bytes()).collect(),
            management_root: format!("http://{address}/management"),
            login_root: format!("http://{address}/login"),
            serial: AtomicU64::new(1),
            state: Mutex::new(ServerState {
                tenants: BTreeMap::new(),
                webhooks: None,
                faults: Faults::new(options.seed),
                requests: ApiRequests::default(),
                quota: HashMap::new(),
            }),
            options,
        });
        let (closed, closing) = watch::channel(false);
        let app = Router::new()
            .fallback(answer)
            .with_state((Arc::clone(&shared), closing.clone()));
        let service = app.into_make_service_with_connect_info::<Wire>();
        let mut until = closing;
        let serve =
            axum::serve(WireListener(listener), service).with_graceful_shutdown(async move {
                let _ = until.wait_for(|closed| *closed).await;
            });
        tokio::spawn(serve.into_future());
        Ok(Self {
            shared,
            closed,
            address,
        })
    }

    /// The root of the API, which is also the resource of its tokens.
    pub fn management_root(&self) -> String {
        self.shared.management_root.clone()
    }

    /// The root of the token endpoints.
    pub fn login_root(&self) -> String {
        self.shared.login_root.clone()
    }

    /// The same API under another host: who sends a token there has followed a foreign URL, and
    /// [`ApiRequest::host`] shows it.
    pub fn foreign_root(&self) -> String {
        format!("http://localhost:{}/management", self.address.port())
    }

    /// The server's clock.
    pub fn clock(&self) -> &ApiClock {
        &self.shared.clock
    }

    /// The tenant with an id (a GUID), which is known from now on.
    pub fn tenant(&self, id: &str) -> TenantHandle {
        let id = id.to_ascii_lowercase();
        self.shared.state().tenants.entry(id.clone()).or_default();
        TenantHandle {
            shared: Arc::clone(&self.shared),
            id,
        }
    }

    /// Every blob that was ever published, by tenant, in order of publication.
    pub fn truth(&self) -> Vec<PublishedBlob> {
        let state = self.shared.state();
        let blobs = state.tenants.values().flat_map(|tenant| &tenant.blobs);
        blobs.cloned().collect()
    }

    /// What was asked since the start or the last [`reset_requests`](Self::reset_requests).
    pub fn requests(&self) -> ApiRequests {
        self.shared.state().requests.clone()
    }

    /// Forgets the requests.
    pub fn reset_requests(&self) {
        self.shared.state().requests = ApiRequests::default();
    }

    /// Adds a fault; its requests are counted from now on.
    pub fn fault(&self, fault: ApiFault) {
        self.shared.state().faults.add(fault);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    /// How many requests met a fault.
    pub fn injected(&self) -> u64 {
        self.shared.state().faults.injected()
    }

    /// Puts somebody behind the addresses of webhooks. Until then nobody answers there.
    pub fn on_webhook(&self, endpoint: impl Fn(&WebhookRequest) -> u16 + Send + Sync + 'static) {
        self.shared.state().webhooks = Some(Arc::new(endpoint));
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.closed.send_replace(true);
    }
}

async fn answer(
    State((shared, closed)): State<(Arc<Shared>, watch::Receiver<bool>)>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await;
    let call = Call::new(parts, body.unwrap_or_default());
    let latency = shared.latency(&call);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let reply = shared.reply(&call);
    shared.record(&call, &reply);
    let now = shared.clock.now_micros();
    reply.into_response(now, &wire, &closed).await
}

impl Shared {
    pub(crate) fn management_root(&self) -> &str {
        &self.management_root
    }

    pub(crate) fn login_root(&self) -> &str {
        &self.login_root
    }

    /// A number that was never given before.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, ServerState> {
        // A test that panicked elsewhere shall see its own panic, not this lock's.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a tenant, which was found before.
    pub(crate) fn read_tenant<T>(&self, id: &str, read: impl FnOnce(&Tenant) -> T) -> T {
        self.with_tenant(id, |tenant| read(tenant))
    }

    /// Changes a tenant, which was found before.
    pub(crate) fn with_tenant<T>(&self, id: &str, change: impl FnOnce(&mut Tenant) -> T) -> T {
        change(
            self.state()
                .tenants
                .entry(id.to_ascii_lowercase())
                .or_default(),
        )
    }

    fn latency(&self, call: &Call) -> Duration {
        let state = self.state();
        let tenant = state.tenants.get(&call.tenant.to_ascii_lowercase());
        tenant.map_or(Duration::ZERO, |tenant| tenant.settings.latency)
    }

    /// The answer, as the faults leave it.
    fn reply(&self, call: &Call) -> Reply {
        if let Err(why) = call.check() {
            return no_call(why);
        }
        if let Some(kind) = self.strike(Stage::BeforeAnswer, call) {
            return instead(&kind, call);
        }
        let reply = match call.operation {
            ApiOperation::Token => self.issue_token(call),
            ApiOperation::Consent => self.consent(call),
            _ => self.api_reply(call).unwrap_or_else(|error| error),
        };
        if reply.status != 200 {
            return reply;
        }
        match self.strike(Stage::AfterSuccess, call) {
            Some(kind) => self.disguise(&kind, call, reply),
            None => reply,
        }
    }

    fn api_reply(&self, call: &Call) -> Result<Reply, Reply> {
        let now = self.clock.now_micros();
        let claims = authenticate(call, &self.signing_key, now, &self.management_root)?;
        {
            let state = self.state();
            let tenant = state.tenants.get(&call.tenant.to_ascii_lowercase());
            authorize(call, &claims, tenant)?;
        }
        if call
            .parameter("PublisherIdentifier")
            .is_some_and(|given| !is_guid(given))
        {
            let message = "Invalid parameter type: PublisherIdentifier. Expected type: Guid";
            return Err(Reply::error(400, "AF20002", message));
        }
        self.take_from_quota(call, now)?;
        match call.operation {
            ApiOperation::StartSubscription => self.start_subscription(call, &claims),
            ApiOperation::StopSubscription => self.stop_subscription(call, &claims),
            ApiOperation::ListSubscriptions => Ok(self.list_subscriptions(&claims)),
            ApiOperation::ListContent => self.list_content(call, &claims),
            ApiOperation::ListNotifications => self.list_notifications(call, &claims),
            ApiOperation::GetBlob => self.get_blob(call, &claims),
            _ => list_sensitive_types(call),
        }
    }

    /// Counts the request for its publisher, or for the pool of those that name none.
    fn take_from_quota(&self, call: &Call, now: i64) -> Result<(), Reply> {
        let mut state = self.state();
        let tenant = call.tenant.to_ascii_lowercase();
        let (key, limit) = match call.parameter("PublisherIdentifier") {
            Some(publisher) => {
                let settings = state.tenants.get(&tenant).map(|tenant| &tenant.settings);
                let limit = settings.map_or(u64::MAX, |settings| settings.quota_per_minute);
                ((tenant, publisher.to_ascii_lowercase()), limit)
            }
            None => Default::default(),
        };
        let limit = if key.1.is_empty() {
            self.options.shared_quota_per_minute
        } else {
            limit
        };
        let minute = now.div_euclid(MINUTE);
        let (counted, used) = state.quota.entry(key).or_insert((minute, 0));
        if *counted != minute {
            (*counted, *used) = (minute, 0);
        }
        if *used >= limit {
            return Err(throttled(403, call));
        }
        *used += 1;
        Ok(())
    }

    fn strike(&self, stage: Stage, call: &Call) -> Option<super::fault::ApiFaultKind> {
        let mut state = self.state();
        let ServerState {
            tenants, faults, ..
        } = &mut *state;
        let tenant = tenants.get(&call.tenant.to_ascii_lowercase());
        faults.strike(
            stage,
            FaultSubject {
                operation: call.operation,
                tenant: &call.tenant,
                content_type: content_type_of(call, tenant),
                url: &call.url,
            },
        )
    }

    fn record(&self, call: &Call, reply: &Reply) {
        let is_answered = !matches!(
            reply.delivery,
            Delivery::Reset | Delivery::StallBeforeHeaders
        );
        let mut state = self.state();
        let tenant = state.tenants.get(&call.tenant.to_ascii_lowercase());
        let request = ApiRequest {
            operation: call.operation,
            tenant: call.tenant.clone(),
            content_type: access::content_type_of(call, tenant).map(str::to_owned),
            content_id: call.content_id.clone(),
            status: if is_answered { reply.status } else { 0 },
            has_publisher: call.parameter("PublisherIdentifier").is_some(),
            has_token: call.bearer().is_some(),
            host: call.header(header::HOST).unwrap_or_default().to_owned(),
            at_micros: self.clock.now_micros(),
        };
        state.requests.add(request);
    }
}
