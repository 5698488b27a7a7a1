//! The tables that one query sees: those that it names, at their latest version, of the session's tenants.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use audit_lake::{DocumentKind, Lake, Snapshot, TableName, TenantId};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::TableReference;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlanBuilder;
use futures::{StreamExt, TryStreamExt};

use crate::engine::SnapshotCache;
use crate::error::{Error, Result};
use crate::information;
use crate::lookup::Lookup;
use crate::range::Window;
use crate::stream::Planned;
use crate::table::{LakeTable, filter_of, schema_of, schema_with};

pub(crate) const CATALOG: &str = "live_discover";
pub(crate) const SCHEMA: &str = "public";

/// The tables that a session brings, by name.
pub(crate) type Lookups = BTreeMap<String, Lookup>;

/// Tables of tenants that are opened or refreshed at once.
const REFRESHES_MAX: usize = 32;

/// Whose data a session sees.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TenantScope {
    /// All tenants of the lake, also those that come.
    All,
    /// These and no others; one that the lake has no data of is empty.
    Only(BTreeSet<TenantId>),
}

/// The tables behind the names in a query. Unknown names are left to the planner, which says where they stand.
pub(crate) fn tables_behind(references: &[TableReference]) -> BTreeSet<TableName> {
    references
        .iter()
        .filter_map(|reference| table_behind(reference.table()))
        .collect()
}

pub(crate) fn table_behind(name: &str) -> Option<TableName> {
    let table = TableName::ALL
        .into_iter()
        .find(|table| table.as_str() == name);
    table.or_else(|| view_named(name).map(|_| TableName::Audit))
}

/// Whether a query names a view.
pub(crate) fn has_view(references: &[TableReference]) -> bool {
    let mut names = references.iter().map(TableReference::table);
    names.any(|name| view_named(name).is_some())
}

fn view_named(name: &str) -> Option<&'static audit_schema::View> {
    audit_schema::views().iter().find(|view| view.name == name)
}

/// The latest snapshot of a table for each tenant in scope that has it.
pub(crate) async fn snapshots(
    lake: &Lake,
    cache: &SnapshotCache,
    scope: &TenantScope,
    table: TableName,
) -> Result<Vec<Arc<Snapshot>>> {
    let tenants = tenants_of(lake, scope).await?;
    futures::stream::iter(tenants)
        .map(|tenant| cache.snapshot(lake, tenant, table))
        .buffered(REFRESHES_MAX)
        .try_filter_map(|snapshot| std::future::ready(Ok(snapshot)))
        .try_collect()
        .await
}

/// Whether one of the tenants has records, or an integration that will bring them.
pub(crate) async fn is_connected(lake: &Lake, scope: &TenantScope) -> Result<bool> {
    let tenants = tenants_of(lake, scope).await?;
    let connected = futures::stream::iter(tenants)
        .map(|tenant| async move {
            let has_records = lake.snapshot(&tenant, TableName::Audit).await?.is_some();
            Ok::<_, Error>(has_records || integration_of(lake, tenant).await?.is_some())
        })
        .buffered(REFRESHES_MAX);
    connected.try_any(std::future::ready).await
}

/// The state of a tenant's integration; `None` where there is none, or none any more.
async fn integration_of(lake: &Lake, tenant: TenantId) -> Result<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Configuration {
        state: String,
    }
    let documents = lake.documents(tenant, DocumentKind::Integration);
    let Some(document) = documents.latest("configuration").await? else {
        return Ok(None);
    };
    let Configuration { state } =
        serde_json::from_slice(&document.content).map_err(|error| Error::Corrupt {
            message: format!("the integration of {tenant}: {error}"),
        })?;
    Ok(Some(state).filter(|state| state != "removed"))
}

async fn tenants_of(lake: &Lake, scope: &TenantScope) -> Result<Vec<TenantId>> {
    match scope {
        TenantScope::All => Ok(lake.tenants().await?),
        TenantScope::Only(tenants) => Ok(tenants.iter().copied().collect()),
    }
}

/// What a query needs a catalogue of.
#[derive(Clone, Copy)]
pub(crate) struct Needed<'a> {
    /// The columns that tables have alone, beside those that a window goes by; there are no views then.
    pub(crate) columns: Option<&'a HashSet<String>>,
    pub(crate) window: &'a Window,
    pub(crate) references: &'a [TableReference],
    pub(crate) lookups: &'a Lookups,
    /// Whether views have the record's text, for a query that searches it.
    pub(crate) with_raw: bool,
}

/// A catalogue of the tables, each with the rows in the window, and of the views that the query names.
///
/// `state_with` gives a session state that sees the catalogue; it plans the views.
pub(crate) async fn catalogue(
    tables: &[(TableName, Vec<Arc<Snapshot>>)],
    needed: Needed<'_>,
    planned: &Arc<Planned>,
    state_with: impl FnOnce(Arc<dyn CatalogProviderList>) -> SessionState,
) -> Result<SessionState> {
    let Needed {
        columns,
        window,
        references,
        lookups,
        with_raw,
    } = needed;
    let schema = Arc::new(MemorySchemaProvider::new());
    let is_named = |name: &str| references.iter().any(|reference| reference.table() == name);
    let is_beside_lookup = lookups.keys().any(|name| is_named(name));
    for (table, snapshots) in tables {
        let (table, snapshots) = (*table, snapshots.clone());
        let columns = match columns {
            Some(names) => schema_with(table, names),
            None => schema_of(table),
        };
        let planned = Arc::clone(planned);
        let whole = LakeTable::new(table, columns, snapshots, is_beside_lookup, planned);
        let whole = Arc::new(whole);
        let provider: Arc<dyn TableProvider> = match filter_of(table, window) {
            None => whole,
            // A view that the planner looks through: no query can reach around its filter.
            Some(filter) => {
                let source = provider_as_source(whole);
                let plan = LogicalPlanBuilder::scan(table.as_str(), source, None)?;
                Arc::new(ViewTable::new(plan.filter(filter)?.build()?, None))
            }
        };
        schema.register_table(table.as_str().to_owned(), provider)?;
    }
    for (name, lookup) in lookups {
        if is_named(name) {
            schema.register_table(name.clone(), lookup.provider()?)?;
        }
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::clone(&schema) as Arc<dyn SchemaProvider>)?;
    if information::is_asked(references) {
        catalog.register_schema(information::NAME, information::schema(lookups)?)?;
    }
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    let state = state_with(Arc::new(list));

    let views: BTreeSet<&str> = references.iter().map(TableReference::table).collect();
    for view in views.into_iter().filter_map(view_named) {
        let sql = view_sql(view, with_raw);
        let plan = state.create_logical_plan(&sql).await.map_err(|error| {
            Error::internal(format!(
                "the view `{}` cannot be planned: {}",
                view.name,
                Error::from(error)
            ))
        })?;
        schema.register_table(
            view.name.to_owned(),
            Arc::new(ViewTable::new(plan, Some(sql))),
        )?;
    }
    Ok(state)
}

fn view_sql(view: &audit_schema::View, with_raw: bool) -> String {
    format!(
        "SELECT {}{} FROM {} WHERE {}",
        view.columns.join(", "),
        if with_raw { ", raw" } else { "" },
        TableName::Audit,
        view.predicate
    )
}
