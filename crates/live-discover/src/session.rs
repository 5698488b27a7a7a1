//! A session: a scope of tenants and limits, and from a query's text to its stream.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use audit_lake::InternalNetworks;
use audit_schema::{Category, MICROSOFT_365_AUDIT};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement;

use crate::catalog::{self, Lookups, Needed, TenantScope};
use crate::columns;
use crate::dialect::Dialect;
use crate::engine::{Engine, Shared};
use crate::error::{Error, Result};
use crate::functions;
use crate::guard;
use crate::index;
use crate::information;
use crate::inside;
use crate::library::Library;
use crate::limits::Limits;
use crate::lookup::{self, Lookup};
use crate::memory::{Needs, QueryMemory};
use crate::patterns;
use crate::place::{self, Asked, Places};
use crate::request::Request;
use crate::rules::grouping_sets;
use crate::rules::membership;
use crate::star;
use crate::stop::{Bounds, Stop, StopOnDrop};
use crate::stream::{Planned, QueryStream};
use crate::turns::Turns;
use crate::watched;

/// Asks queries on behalf of somebody: sees their tenants, has their limits. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    scope: TenantScope,
    limits: Limits,
    lookups: Arc<Lookups>,
    internal_networks: Option<Arc<InternalNetworks>>,
    dialect: Dialect,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, scope: TenantScope, limits: Limits) -> Self {
        Self {
            shared,
            scope,
            limits,
            lookups: Arc::default(),
            internal_networks: None,
            dialect: Dialect::default(),
        }
    }

    /// Adds a table of the session's own, or replaces one of that name. Queries join it like any other; it is read
    /// only, and no other session sees it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if the lake has a table of that name, or it is none for SQL.
    pub fn with_lookup(mut self, name: &str, lookup: Lookup) -> Result<Self> {
        Arc::make_mut(&mut self.lookups).insert(lookup::checked_name(name)?, lookup);
        Ok(self)
    }

    /// Sets what is inside for this session, in place of what the engine or the lake says; for a lake with several
    /// customers in it. See [`EngineBuilder::with_internal_networks`](crate::EngineBuilder::with_internal_networks).
    pub fn with_internal_networks(mut self, networks: InternalNetworks) -> Self {
        self.internal_networks = Some(Arc::new(networks));
        self
    }

    /// Sets the SQL that its queries are written in, where they do not say it themselves. Queries of categories do.
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
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
        let stop = StopOnDrop(Arc::new(Stop::after(self.limits.duration)));
        let planned = Arc::new(Planned::default());
        let plan = self.plan(request.into(), &stop.0, &planned).await?;
        let timers = self.shared.runtime.timers()?;
        let turn = {
            let _guard = timers.enter();
            let needs = Needs::of(plan.physical.as_ref());
            tokio::time::timeout_at(stop.0.deadline(), plan.memory.begin(needs))
        };
        let turn = turn.await.map_err(|_| stop.0.timed_out())?;
        QueryStream::start(
            &self.shared.runtime,
            plan.physical,
            &self.limits,
            stop,
            &planned,
            plan.places,
            turn,
        )
    }

    /// The columns that a query's result would have. Plans it and reads no data.
    ///
    /// # Errors
    ///
    /// As [`Session::query`].
    pub async fn schema(&self, request: impl Into<Request>) -> Result<SchemaRef> {
        let stop = StopOnDrop(Arc::new(Stop::after(self.limits.duration)));
        let plan = (self.plan(request.into(), &stop.0, &Arc::default())).await?;
        Ok(plan.physical.schema())
    }

    /// Plans a query, looks at what it asks before it is optimised, and reads no data.
    pub(crate) async fn inspect<T>(
        &self,
        request: Request,
        look: fn(&LogicalPlan) -> T,
    ) -> Result<T> {
        let stop = StopOnDrop(Arc::new(Stop::after(self.limits.duration)));
        let plan = self.plan(request, &stop.0, &Arc::default()).await?;
        Ok(look(&plan.logical))
    }

    async fn plan(
        &self,
        mut request: Request,
        stop: &Arc<Stop>,
        planned: &Arc<Planned>,
    ) -> Result<Plan> {
        request.dialect.get_or_insert(self.dialect);
        let runtime = self.shared.runtime.handle()?;
        let plan = plan(self.clone(), request, Arc::clone(stop), Arc::clone(planned));
        // On a thread of its own: a panic in the planner is an error here, and time runs out even if it never waits.
        let planning = self.shared.planners.run(runtime, plan);
        let timeout = {
            let timers = self.shared.runtime.timers()?;
            let _guard = timers.enter();
            tokio::time::timeout_at(stop.deadline(), planning)
        };
        let outcome = timeout.await.map_err(|_| stop.timed_out())?;
        outcome.map_err(Error::without_places)
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

    /// The categories of a library that the session's tenants have: ours once one of them has an integration or data,
    /// those of the host always.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn categories<'a>(&self, library: &'a Library) -> Result<Vec<&'a Category>> {
        let is_connected = catalog::is_connected(&self.shared.lake, &self.scope)
            .await
            .map_err(Error::without_places)?;
        let categories = library.categories().iter();
        Ok(categories
            .filter(|category| is_connected || category.id != MICROSOFT_365_AUDIT.id)
            .collect())
    }

    /// The session with queries that have no more memory than this.
    pub(crate) fn with_memory_at_most(mut self, bytes: usize) -> Self {
        self.limits.memory_bytes = self.limits.memory_bytes.min(bytes);
        self
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn is_of(&self, engine: &Engine) -> bool {
        Arc::ptr_eq(&self.shared, &engine.shared)
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

/// A query that can run.
struct Plan {
    /// Before it is optimised.
    logical: LogicalPlan,
    physical: Arc<dyn ExecutionPlan>,
    places: Places,
    memory: Arc<QueryMemory>,
}

async fn plan(
    session: Session,
    request: Request,
    stop: Arc<Stop>,
    planned: Arc<Planned>,
) -> Result<Plan> {
    let Session {
        shared,
        scope,
        limits,
        mut lookups,
        internal_networks,
        ..
    } = session;
    // One reading of the clock for the whole query.
    let now_micros = match &request.pinned {
        Some(pinned) => pinned.now_micros,
        None => shared.clock.now_micros(),
    };
    let is_lookup = |name: &str| lookups.contains_key(name);
    let statement = guard::parse(&request, &limits, is_lookup, now_micros)
        .map_err(|error| place::of_syntax(&request.sql, error))?;
    let window = request.window(now_micros)?;
    let base = shared.state(request.dialect.unwrap_or_default());
    let references = base.resolve_table_references(&statement)?;
    let mut tables = Vec::new();
    for table in catalog::tables_behind(&references) {
        let snapshots = match &request.pinned {
            Some(pinned) if table == pinned.snapshot.table() => vec![Arc::clone(&pinned.snapshot)],
            _ => catalog::snapshots(&shared.lake, &shared.snapshots, &scope, table).await?,
        };
        tables.push((table, snapshots));
    }
    if request.is_of_category
        && tables.iter().any(|(_, snapshots)| snapshots.is_empty())
        && !catalog::is_connected(&shared.lake, &scope).await?
    {
        return Err(Error::NotFound {
            message: format!(
                "there is no {} here yet: connect the tenant's integration “Office 365 Management Activity API”, \
                 or ingest an export",
                MICROSOFT_365_AUDIT.name
            ),
        });
    }
    let inside = match internal_networks {
        _ if !inside::is_asked(&request.sql, &references)
            && !information::is_asked(&references) =>
        {
            None
        }
        Some(networks) => Some(networks),
        None => Some(shared.inside.networks(&shared.lake, now_micros).await?),
    };
    if let Some(inside) = &inside {
        Arc::make_mut(&mut lookups).insert(inside::TABLE.to_owned(), inside::table(inside)?);
    }
    let memory = Arc::new(QueryMemory::new(
        limits.memory_bytes,
        (limits.parallelism.map_or(usize::MAX, NonZeroUsize::get))
            .min(base.config().target_partitions()),
        Arc::clone(&shared.budget),
    ));
    let runtime_env = Arc::new(RuntimeEnv {
        memory_pool: Arc::clone(&memory) as _,
        ..shared.runtime_env.as_ref().clone()
    });
    let bounds = Bounds {
        stop: Arc::clone(&stop),
        memory: Arc::clone(&memory) as _,
    };
    let state_with = |catalogs| {
        let mut state = base.clone();
        state.register_catalog_list(catalogs);
        let now = chrono::DateTime::from_timestamp_micros(now_micros);
        state.execution_props_mut().query_execution_start_time = now;
        let options = state.config_mut().options_mut();
        options.extensions.insert(bounds.clone());
        if let Some(threads) = limits.parallelism {
            let partitions = &mut options.execution.target_partitions;
            *partitions = threads.get().min(*partitions);
        }
        state
    };
    let searches_records = functions::may_search_records(&request.sql);
    let mut columns = match searches_records || catalog::has_view(&references) {
        true => None,
        false => columns::named(&statement),
    };
    let (state, planned) = loop {
        let needed = Needed {
            columns: columns.as_ref(),
            window: &window,
            references: &references,
            lookups: &lookups,
            with_raw: searches_records,
        };
        let mut state = catalog::catalogue(&tables, needed, &planned, state_with).await?;
        if let Some(inside) = &inside {
            functions::register_for_session(&mut state, inside)?;
        }
        let planned = plans(&mut state, statement.clone(), &request, &limits, &stop).await;
        // What is wrong with a query is told by all columns that there are.
        if planned.is_ok() || columns.take().is_none() {
            break (state, planned);
        }
    };
    let asked = Asked {
        request,
        now_micros,
        statement,
        state,
        runtime_env,
        limits,
        stop,
    };
    match planned {
        Ok((logical, physical)) => Ok(Plan {
            logical,
            physical,
            places: Places::new(asked, shared.runtime.handle()?, shared.planners.clone()),
            memory,
        }),
        Err(error) => Err(Box::pin(asked.of_plan(error)).await),
    }
}

/// Plans a query, within bounds.
pub(crate) async fn plans(
    state: &mut SessionState,
    statement: Statement,
    request: &Request,
    limits: &Limits,
    stop: &Arc<Stop>,
) -> Result<(LogicalPlan, Arc<dyn ExecutionPlan>)> {
    let logical = star::plan(state, statement).await?;
    guard::verify(&logical)?;
    let logical = membership::with_nulls(logical)?;
    let logical = grouping_sets::by_columns(logical)?;
    guard::plan::check(&logical, &limits.shape)?;
    let logical = match patterns::verified(logical)? {
        LogicalPlan::Limit(limit) if request.is_unlimited => Arc::unwrap_or_clone(limit.input),
        logical => logical,
    };
    let logical = without_unions(state, logical)?;
    let optimised = state.optimize(&logical)?;
    index::mark_first_rows(state.config_mut(), &optimised);
    let batch_rows = guard::plan::batch_rows(&optimised, state.config().batch_size())?;
    state.config_mut().options_mut().execution.batch_size =
        ConfigNonZeroUsize::try_new(batch_rows)?;
    // Functions are given these while they run, and find the query's bounds there: the planner gives them none of its own.
    let options = Arc::clone(state.config().options());
    state.execution_props_mut().config_options = Some(options);
    let planner = Arc::clone(state.query_planner());
    let physical = planner.create_physical_plan(&optimised, state).await?;
    let turns = limits.parallelism.map(Turns::new);
    let physical = watched::watch(physical, stop, turns.as_ref(), batch_rows)?;
    Ok((logical, physical))
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
