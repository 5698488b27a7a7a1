//! For tests: the server's clock is everybody's, and who sleeps moves it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use audit_lake::{Clock, TenantId};
use audit_testkit::api::ApiClock;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::credential::{Credential, CredentialError, CredentialProvider, Secret};
use crate::pace::Pace;

/// An application and its secret.
pub(crate) const CLIENT: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
pub(crate) const SECRET: &str = "tOpSeCrEt~value";

#[derive(Debug)]
pub(crate) struct ServerTime(pub(crate) ApiClock);

impl Clock for ServerTime {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

#[derive(Debug)]
pub(crate) struct VirtualPace {
    clock: ApiClock,
    state: AtomicU64,
    reached: Option<Duration>,
}

impl VirtualPace {
    pub(crate) fn new(clock: &ApiClock) -> Self {
        Self::reaching(clock, None)
    }

    /// Time limits of this length are reached at once.
    pub(crate) fn reaching(clock: &ApiClock, reached: Option<Duration>) -> Self {
        Self {
            clock: clock.clone(),
            state: AtomicU64::new(7),
            reached,
        }
    }
}

impl Pace for VirtualPace {
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        self.clock.advance(audit_lake::micros(duration));
        Box::pin(tokio::task::yield_now())
    }

    fn time_limit(&self, duration: Duration) -> BoxFuture<'_, ()> {
        match self.reached == Some(duration) {
            true => Box::pin(std::future::ready(())),
            false => Box::pin(tokio::time::sleep(duration)),
        }
    }

    fn jitter(&self) -> f64 {
        let next = self
            .state
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        (next >> 40) as f64 / (1_u64 << 24) as f64
    }
}

pub(crate) struct OneSecret(pub(crate) &'static str);

#[async_trait]
impl CredentialProvider for OneSecret {
    async fn credential(&self, _: TenantId, _: Uuid) -> Result<Credential, CredentialError> {
        Ok(Credential::ClientSecret(Secret::new(self.0.to_owned())))
    }
}
