//! A session: a scope of tenants and limits, and from a query's text to its stream.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use tokio::time::Instant;

use crate::catalog::{self, TenantScope};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::guard;
use crate::limits::Limits;
use crate::memory::QueryMemory;
use crate::request::Request;
use crate::stream::{OwnedTask, Planned, QueryStream};

/// Asks queries on behalf of somebody: sees their tenants, has their limits. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    scope: TenantScope,
    limits: Limits,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, scope: TenantScope, limits: Limits) -> Self {
        Self {
            shared,
            scope,
            limits,
        }
    }

    /// Starts a query: one SELECT, or EXPLAIN of one.
    ///
    /// It sees every commit that was made before the call (or [`freshness`](crate::EngineOptions::freshness) before),
    /// and the same state to its last row. Dropping the stream cancels it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] with the place and, where there is one, a suggestion; [`Error::ResourcesExhausted`]
    /// for a text beyond the limits; [`Error::TimedOut`]; what the store says. The stream brings later errors.
    pub async fn query(&self, request: impl Into<Request>) -> Result<QueryStream> {
        let runtime = self.shared.runtime.handle()?;
        let deadline = Instant::now() + self.limits.duration;
        let planned = Arc::new(Planned::default());
        let plan = plan(
            Arc::clone(&self.shared),
            self.scope.clone(),
            self.limits.clone(),
            request.into(),
            Arc::clone(&planned),
        );
        // On a task of its own: a panic in the planner is an error here, and time runs out even if it never yields.
        let planning = OwnedTask::spawn(&runtime, plan);
        let timeout = {
            let _guard = runtime.enter();
            tokio::time::timeout_at(deadline, planning)
        };
        let limit = self.limits.duration;
        let (state, physical) = timeout.await.map_err(|_| Error::TimedOut { limit })???;
        QueryStream::start(
            &runtime,
            physical,
            state.task_ctx(),
            &self.limits,
            deadline,
            planned,
        )
    }

    /// The whole result of a query at once.
    ///
    /// # Errors
    ///
    /// As [`Session::query`], and those of the stream.
    pub async fn collect(&self, request: impl Into<Request>) -> Result<Vec<RecordBatch>> {
        let mut stream = self.query(request).await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// Whose data the session sees.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    /// The limits of its queries.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("scope", &self.scope)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

async fn plan(
    shared: Arc<Shared>,
    scope: TenantScope,
    limits: Limits,
    request: Request,
    planned: Arc<Planned>,
) -> Result<(SessionState, Arc<dyn ExecutionPlan>)> {
    // One reading of the clock for the whole query.
    let now_micros = shared.clock.now_micros();
    let statement = guard::parse(&request, limits.text_bytes, now_micros)?;
    let window = request.range.resolve(request.range_mode, now_micros)?;
    let references = shared.state.resolve_table_references(&statement)?;
    let mut tables = Vec::new();
    for table in catalog::tables_behind(&references) {
        tables.push((
            table,
            catalog::snapshots(&shared.lake, &shared.snapshots, &scope, table).await?,
        ));
    }
    let runtime_env = RuntimeEnv {
        memory_pool: Arc::new(QueryMemory::new(
            limits.memory_bytes,
            Arc::clone(&shared.memory),
        )),
        ..shared.runtime_env.as_ref().clone()
    };
    let state = catalog::catalogue(tables, window, &references, &planned, |catalogs| {
        let mut state = SessionStateBuilder::new_from_existing(shared.state.clone())
            .with_runtime_env(Arc::new(runtime_env))
            .with_catalog_list(catalogs)
            .build();
        let now = chrono::DateTime::from_timestamp_micros(now_micros);
        state.execution_props_mut().query_execution_start_time = now;
        state
    })
    .await?;
    let logical = state.statement_to_plan(statement).await?;
    guard::verify(&logical)?;
    let logical = without_unions(&state, logical)?;
    let physical = state.create_physical_plan(&logical).await?;
    Ok((state, physical))
}

/// JSON values from `->` leave as JSON text: outside of DataFusion few can read Arrow's unions.
fn without_unions(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_union = |field: &FieldRef| matches!(field.data_type(), DataType::Union(..));
    if !plan.schema().fields().iter().any(is_union) {
        return Ok(plan);
    }
    let to_text = state.udf("json_union_to_text")?;
    let columns: Vec<Expr> = (plan
        .schema()
        .columns()
        .into_iter()
        .zip(plan.schema().fields()))
    .map(|(column, field)| {
        if is_union(field) {
            to_text.call(vec![Expr::Column(column)]).alias(field.name())
        } else {
            Expr::Column(column)
        }
    })
    .collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}
