//! When a query has to stop, and what asks.
//!
//! A task is stopped where it waits, and some work does not wait: the planner, and joins that find nothing. So the
//! query's time and its cancellation are also asked for between the planner's rules and for each batch.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// Hands the thread on, within work that does not wait: a query that was cancelled, or whose time is over, is stopped
/// here.
pub(crate) async fn hand_on() {
    tokio::task::yield_now().await;
}

/// Whether a query goes on.
#[derive(Debug)]
pub(crate) struct Stop {
    deadline: Instant,
    limit: Duration,
    is_cancelled: AtomicBool,
}

impl Stop {
    /// A query that starts now and may take `limit`.
    pub(crate) fn after(limit: Duration) -> Self {
        let now = Instant::now();
        Self {
            // A limit beyond what the clock holds is none: 30 years.
            deadline: now
                .checked_add(limit)
                .unwrap_or_else(|| now + Duration::from_secs(1_000_000_000)),
            limit,
            is_cancelled: AtomicBool::new(false),
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn timed_out(&self) -> Error {
        Error::TimedOut { limit: self.limit }
    }

    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// An error when the query has to end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(Error::internal("the query was cancelled"));
        }
        if Instant::now() >= self.deadline {
            return Err(self.timed_out());
        }
        Ok(())
    }
}

/// Cancels the query when nobody holds it any more.
#[derive(Debug)]
pub(crate) struct StopOnDrop(pub(crate) Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What planner and functions know of the query that they work for.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) stop: Arc<Stop>,
    pub(crate) memory: Arc<dyn MemoryPool>,
}

impl Bounds {
    /// Those of the query that a configuration is of.
    pub(crate) fn of(options: &ConfigOptions) -> Option<&Self> {
        options.extensions.get::<Self>()
    }
}

impl ConfigExtension for Bounds {
    const PREFIX: &'static str = "live_discover";
}

impl ExtensionOptions for Bounds {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> DataFusionResult<()> {
        Err(DataFusionError::Configuration(format!(
            "`{key}` is no setting"
        )))
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// A rule of the optimiser that changes nothing and ends it in time.
#[derive(Debug)]
struct InTime;

impl OptimizerRule for InTime {
    fn name(&self) -> &str {
        "in_time"
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> DataFusionResult<Transformed<LogicalPlan>> {
        if let Some(bounds) = Bounds::of(&config.options()) {
            bounds.stop.check()?;
        }
        Ok(Transformed::no(plan))
    }
}

/// The optimiser's rules, each after a look at the time.
pub(crate) fn in_time(
    rules: &[Arc<dyn OptimizerRule + Send + Sync>],
) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let look: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(InTime);
    rules
        .iter()
        .flat_map(|rule| [Arc::clone(&look), Arc::clone(rule)])
        .collect()
}
