//! The engine: what all sessions of a host share.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit_lake::{
    Clock, InternalNetworks, Lake, LakeOptions, Snapshot, SystemClock, TableName, TenantId, micros,
};
use datafusion::common::config::{ConfigNonZeroUsize, SpillCompression};
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_optimizer::pushdown_sort::PushdownSort;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use tokio::runtime::Handle;
use url::Url;

use crate::catalog::{self, TenantScope};
use crate::codes::{ByCodes, HotColumns, SelectsByCodes};
use crate::dialect::{self, Dialect};
use crate::error::{Error, Result};
use crate::functions;
use crate::index::narrow::IndexCache;
use crate::inside::Inside;
use crate::limits::Limits;
use crate::memory::{Budget, Footers};
use crate::metrics::EngineMetrics;
use crate::rules::existence::ASK_ONCE;
use crate::rules::extremes::EXTREMES_BY_ORDER;
use crate::rules::first_of_each::FirstsOfEach;
use crate::rules::first_pass::FirstPass;
use crate::rules::group_parts::GROUP_PARTS;
use crate::rules::growth::BoundGrowth;
use crate::rules::intervals::{AddedByLength, ByLength, TimesOfDates};
use crate::rules::lists::Lists;
use crate::rules::pushdown::WithSieves;
use crate::rules::range_count::RANGE_COUNTS;
use crate::rules::range_join::RANGE_JOINS;
use crate::rules::regroup::REGROUP;
use crate::rules::sorted_arrays::SORTED_ARRAYS;
use crate::rules::times::ComparedInMicros;
use crate::rules::truth::AsCompared;
use crate::runtime::{Planners, QueryRuntime};
use crate::scan::STORE_URL;
use crate::scrub;
use crate::session::Session;
use crate::spill::{self, SpillFolder};
use crate::stop;

/// What all queries of an engine share.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory of all that the engine holds. Half is counted: what queries take, as [`Limits::memory_bytes`] says,
    /// and caches of what they read, which have what queries leave and give it up when one needs it. The rest is for
    /// what is not counted: batches and pages on their way, and what the host's allocator keeps of what was freed.
    ///
    /// A query that sorts, groups or joins has half of what is counted and no other has to itself, at most its limit,
    /// before it goes to disk; one alone has a fifth of all. It waits where that would be less than 64 MiB for each of
    /// its threads. Others wait for 32 MiB, and an eighth of what is counted is kept for them. So more queries run at
    /// once where this is large, or their limits are small.
    pub memory_bytes: usize,
    /// Disk space of all queries together for what does not fit into memory.
    pub spill_bytes: u64,
    /// Where that space is; a folder of its own is made there and removed with the engine, and those of processes that
    /// were killed are removed, too. `None` is the system's folder for temporary files.
    pub spill_folder: Option<PathBuf>,
    /// Whether queries ask the data files' indexes of texts. Answers are the same without; it is for those who compare.
    pub uses_text_index: bool,
    /// Whether rows are found and grouped by the codes of their texts. Answers are the same without; it is for those who
    /// compare.
    pub by_codes: bool,
    /// Threads that one query uses at most, and that the engine's own runtime has: its share of the machine. As many
    /// queries are planned at once. `None` is as many as the machine has. A session can have fewer:
    /// [`Limits::parallelism`].
    pub parallelism: Option<usize>,
    /// How old a tenant's snapshot may be. Zero: a query sees every commit made before it began, for one small
    /// request a tenant. More saves these requests where a host asks many tenants often.
    pub freshness: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            spill_bytes: 20 << 30,
            spill_folder: None,
            uses_text_index: true,
            by_codes: true,
            parallelism: None,
            freshness: Duration::ZERO,
        }
    }
}

/// Makes an [`Engine`]: a lake and what it runs on.
#[derive(Debug, Default)]
pub struct EngineBuilder {
    options: EngineOptions,
    clock: Option<Arc<dyn Clock>>,
    runtime: Option<Handle>,
    internal_networks: Option<InternalNetworks>,
}

impl EngineBuilder {
    /// Sets what all queries share.
    pub fn with_options(mut self, options: EngineOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets what `now()` is in queries, and by what the age of snapshots is told.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the Tokio runtime that plans and runs queries, in place of one of the engine's own.
    ///
    /// Queries keep its threads busy, so nothing else that has to answer fast should run there; they need its time
    /// driver, and threads with a large stack (32 MiB) if their text comes from outside.
    pub fn with_runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Sets what is inside for all sessions, in place of what the lake says.
    ///
    /// Queries ask for it with `is_internal_ip`, `is_internal_domain` and the table `internal_networks`. A lake of
    /// several customers has one for each: [`Session::with_internal_networks`].
    pub fn with_internal_networks(mut self, networks: InternalNetworks) -> Self {
        self.internal_networks = Some(networks);
        self
    }

    /// An engine over an open lake. Opens nothing in it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the folder for intermediate results or the threads cannot be made.
    pub fn build(self, lake: Lake) -> Result<Engine> {
        scrub::hide(lake.url());
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let spill = spill_folder(&self.options)?;
        let budget = Arc::new(Budget::of(self.options.memory_bytes));
        let runtime_env = runtime_env(&lake, spill, &budget)?;
        let state = base_state(&self.options, &budget, &runtime_env)?;
        let trino = dialect::trino::state(&state)?;
        let runtime = match self.runtime {
            Some(handle) => QueryRuntime::of_host(handle)?,
            None => QueryRuntime::own(state.config().target_partitions())?,
        };
        let freshness_micros = micros(self.options.freshness);
        Ok(Engine {
            shared: Arc::new(Shared {
                inside: Inside::new(self.internal_networks, freshness_micros),
                snapshots: SnapshotCache {
                    freshness_micros,
                    clock: Arc::clone(&clock),
                    known: Mutex::default(),
                },
                budget,
                planners: Planners::new(state.config().target_partitions())?,
                lake,
                clock,
                runtime,
                runtime_env,
                state,
                trino,
            }),
        })
    }

    /// An engine over the lake at a path or URL.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is no lake; else as [`EngineBuilder::build`].
    pub async fn open(self, url: &str, options: LakeOptions) -> Result<Engine> {
        let lake = Lake::open(url, options).await?;
        self.build(lake)
    }
}

/// Answers SQL over a lake. Cheap to clone; make one a lake and keep it.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) lake: Lake,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: QueryRuntime,
    pub(crate) planners: Planners,
    pub(crate) runtime_env: Arc<RuntimeEnv>,
    /// Functions and settings; without tables.
    state: SessionState,
    /// The same for the Trino dialect.
    trino: SessionState,
    pub(crate) budget: Arc<Budget>,
    pub(crate) snapshots: SnapshotCache,
    pub(crate) inside: Inside,
}

impl Shared {
    /// What queries of a dialect are planned in.
    pub(crate) fn state(&self, dialect: Dialect) -> &SessionState {
        match dialect {
            Dialect::Trino => &self.trino,
            _ => &self.state,
        }
    }
}

impl Engine {
    /// An engine with the default options over an open lake.
    ///
    /// # Errors
    ///
    /// As [`EngineBuilder::build`].
    pub fn new(lake: Lake) -> Result<Self> {
        Self::builder().build(lake)
    }

    /// Everything that can be set.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.shared.lake
    }

    /// What the engine does with its memory now.
    pub fn metrics(&self) -> EngineMetrics {
        EngineMetrics::of(&self.shared.budget)
    }

    /// A session that sees these tenants' data and whose queries have these limits. Opens nothing.
    pub fn session(&self, scope: TenantScope, limits: Limits) -> Session {
        Session::new(Arc::clone(&self.shared), scope, limits)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("lake", &self.shared.lake)
            .finish_non_exhaustive()
    }
}

/// Snapshots young enough to be used again.
pub(crate) struct SnapshotCache {
    freshness_micros: i64,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<(TenantId, TableName), Known>>,
}

struct Known {
    at_micros: i64,
    snapshot: Option<Arc<Snapshot>>,
}

impl SnapshotCache {
    pub(crate) async fn snapshot(
        &self,
        lake: &Lake,
        tenant: TenantId,
        table: TableName,
    ) -> Result<Option<Arc<Snapshot>>> {
        // Kept only if it is of use: whoever holds a snapshot makes the lake copy it on the next commit.
        if self.freshness_micros == 0 {
            return Ok(lake.snapshot(&tenant, table).await?);
        }
        let now_micros = self.clock.now_micros();
        let young =
            |known: &&Known| now_micros.saturating_sub(known.at_micros) <= self.freshness_micros;
        if let Some(known) = self.known().get(&(tenant, table)).filter(young) {
            return Ok(known.snapshot.clone());
        }
        let snapshot = lake.snapshot(&tenant, table).await?;
        self.known().insert(
            (tenant, table),
            Known {
                at_micros: now_micros,
                snapshot: snapshot.clone(),
            },
        );
        Ok(snapshot)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, TableName), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spill_folder(options: &EngineOptions) -> Result<SpillFolder> {
    let parent = (options.spill_folder.clone()).unwrap_or_else(std::env::temp_dir);
    let made = SpillFolder::new_in(&parent, options.spill_bytes);
    // Others' may have gigabytes. Without a thread they stay until the next engine.
    let thread = std::thread::Builder::new().name("live-discover-sweep".to_owned());
    let _ = thread.spawn(move || spill::sweep(&parent));
    made.map_err(|error| Error::Unavailable {
        message: format!("could not make a folder for intermediate results: {error}"),
    })
}

fn runtime_env(lake: &Lake, spill: SpillFolder, budget: &Arc<Budget>) -> Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Custom(Arc::new(spill)));
    let env = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(OnlyTheLake {
            store: lake.store(),
        }))
        .with_disk_manager_builder(disk)
        .with_cache_manager(CacheManagerConfig {
            file_metadata_cache: Some(Arc::new(Footers(Arc::clone(budget)))),
            // No table of ours lists folders or infers a schema.
            file_statistics_cache_limit: 0,
            list_files_cache_limit: 0,
            ..CacheManagerConfig::default()
        })
        .build_arc()?;
    Ok(env)
}

fn base_state(
    options: &EngineOptions,
    budget: &Arc<Budget>,
    runtime_env: &Arc<RuntimeEnv>,
) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(catalog::CATALOG, catalog::SCHEMA);
    if options.uses_text_index {
        let indexes = IndexCache(Arc::clone(budget));
        config = config.with_extension(Arc::new(indexes));
    }
    config = config.with_extension(Arc::new(HotColumns::new(Arc::clone(budget))));
    if let Some(parallelism) = options.parallelism {
        config = config.with_target_partitions(parallelism.max(1));
    }
    let settings = config.options_mut();
    settings.execution.enable_recursive_ctes = false;
    // A bag is a map: no part of it can be read alone, and below a filter its keys would be looked up for every row.
    settings.optimizer.enable_leaf_expression_pushdown = false;
    // What a join looks for goes to the index as a list: as long as a list of indicators is.
    settings
        .optimizer
        .hash_join_inlist_pushdown_max_distinct_values = 1_000;
    // It goes by bounds of one of several aggregates, and not by their FILTER: answers were wrong. What it is good for, the
    // first and the last of a table, is found without (`rules/extremes.rs`).
    settings.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // Records go to disk at a quarter of their size, and a sort of many is as quick as the disk.
    settings.execution.spill_compression = SpillCompression::Lz4Frame;
    settings.execution.max_spill_file_size_bytes = ConfigNonZeroUsize::try_new(spill::FILE_BYTES)?;
    settings.sql_parser.collect_spans = true;
    // Each further pass of all rules takes its time again and changes plans hardly ever.
    settings.optimizer.max_passes = 1;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::clone(runtime_env))
        .with_type_planner(Arc::new(functions::TypesInMicros))
        .with_default_features()
        .with_optimizer_rules(stop::in_time(&logical_rules()?))
        .with_physical_optimizer_rules(physical_rules(options)?)
        .build();
    functions::register(&mut state)?;
    state.register_function_rewrite(Arc::new(AsCompared))?;
    state.register_function_rewrite(Arc::new(TimesOfDates))?;
    state.register_function_rewrite(Arc::new(ByLength))?;
    state.register_function_rewrite(Arc::new(AddedByLength))?;
    state.register_function_rewrite(Arc::new(ComparedInMicros))?;
    // Last: it sees the functions that others put in place of operators.
    state.register_function_rewrite(Arc::new(BoundGrowth))?;
    Ok(state)
}

/// DataFusion's rules, and ours for aggregates, before one of theirs that does less.
fn logical_rules() -> Result<Vec<Arc<dyn OptimizerRule + Send + Sync>>> {
    let mut rules = Optimizer::new().rules;
    let at = place_of(
        rules.iter().map(|rule| rule.name()),
        SingleDistinctToGroupBy::new().name(),
    )?;
    rules.insert(at, Arc::new(REGROUP));
    rules.insert(at, Arc::new(SORTED_ARRAYS));
    rules.insert(at, Arc::new(EXTREMES_BY_ORDER));
    Ok(rules)
}

/// DataFusion's rules, and ours: one before all, for plain queries; those for joins once their sides are chosen, before
/// filters are handed on; two before those that order files and hand on what is known later, which they need; and those
/// behind all of them that put steps in the place of others.
fn physical_rules(
    options: &EngineOptions,
) -> Result<Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let at = place_of(
        rules.iter().map(|rule| rule.name()),
        PushdownSort::new().name(),
    )?;
    rules.insert(at, Arc::new(FirstsOfEach));
    rules.insert(at, Arc::new(FirstPass));
    let at = place_of(
        rules.iter().map(|rule| rule.name()),
        FilterPushdown::new().name(),
    )?;
    rules.insert(at, Arc::new(Lists));
    rules.insert(at, Arc::new(ASK_ONCE));
    rules.insert(at, Arc::new(RANGE_JOINS));
    for rule in &mut rules {
        if rule.name().starts_with(FilterPushdown::new().name()) {
            *rule = Arc::new(WithSieves(Arc::clone(rule)));
        }
    }
    rules.push(Arc::new(RANGE_COUNTS));
    if options.by_codes {
        rules.insert(0, Arc::new(SelectsByCodes));
        rules.push(Arc::new(ByCodes));
    }
    rules.push(Arc::new(GROUP_PARTS));
    Ok(rules)
}

/// Where the rule is before which ours has to be: behind it, it would do nothing without a word.
fn place_of<'a>(mut rules: impl Iterator<Item = &'a str>, name: &str) -> Result<usize> {
    let place = rules.position(|rule| rule == name);
    place.ok_or_else(|| Error::internal(format!("no rule `{name}` among DataFusion's")))
}

/// The one store that queries can read.
#[derive(Debug)]
struct OnlyTheLake {
    store: Arc<dyn ObjectStore>,
}

impl ObjectStoreRegistry for OnlyTheLake {
    fn register_store(
        &self,
        _url: &Url,
        _store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        if url.as_str().starts_with(STORE_URL) {
            Ok(Arc::clone(&self.store))
        } else {
            Err(DataFusionError::Plan(
                "queries read the lake and nothing else".to_owned(),
            ))
        }
    }
}
