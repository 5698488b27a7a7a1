//! What the index of texts ([`audit_lake::TextIndex`]) saves a scan: from filters to the rows that may match.
//!
//! [`condition`] reads filters, [`regex`] the patterns in them, [`running`] what joins and long lists look for;
//! [`narrow`](mod@narrow) asks the files. A filter that is not understood, a file without an index, a store that fails: each leaves the scan as it was.

mod condition;
pub(crate) mod narrow;
mod regex;
pub(crate) mod running;

use std::sync::Arc;

use audit_lake::TableName;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::SessionConfig;

use self::narrow::{Access, Asked, Indexes};
use crate::scan::{self, ScanFile};
use crate::table::TenantFile;

/// Marks the configuration of a query that wants the first rows of one scan in an order.
struct FirstRows;

/// Marks a query by its plan: the files that its scan names are not all read, then.
pub(crate) fn mark_first_rows(config: &mut SessionConfig, plan: &LogicalPlan) {
    let (mut node, mut is_first) = (plan, false);
    while let Some(input) = match node {
        LogicalPlan::Sort(sort) => {
            is_first |= sort.fetch.is_some();
            Some(&sort.input)
        }
        LogicalPlan::Limit(limit) => Some(&limit.input),
        LogicalPlan::Projection(projection) => Some(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => Some(&alias.input),
        LogicalPlan::Filter(filter) => Some(&filter.input),
        LogicalPlan::Explain(explain) => Some(&explain.plan),
        LogicalPlan::Analyze(analyze) => Some(&analyze.input),
        _ => None,
    } {
        node = input.as_ref();
    }
    if is_first && matches!(node, LogicalPlan::TableScan(_)) {
        config.set_extension(Arc::new(FirstRows));
    }
}

fn wants_first_rows(config: &SessionConfig) -> bool {
    config.get_extension::<FirstRows>().is_some()
}

/// Whether files are asked for the rows of which a filter may hold.
pub(crate) fn is_asked(table: TableName, filter: &Expr) -> bool {
    condition::of(table, [filter]).is_some()
}

/// The files that may have a row that matches all filters, and which rows that may be.
pub(crate) async fn narrow<'a>(
    state: &dyn Session,
    table: TableName,
    filters: &[Expr],
    files: Vec<TenantFile<'a>>,
) -> Result<Vec<ScanFile<'a>>> {
    let indexes = Indexes::of(state.config(), state.runtime_env())?;
    // The step that finds the first rows by codes asks such a list of the files that it comes to, which are few.
    let is_late = wants_first_rows(state.config())
        && (filters.iter().flat_map(Expr::column_refs))
            .all(|column| !scan::is_big(table, column.name()));
    let asked = (filters.iter()).filter(|filter| !(is_late && condition::is_long_list(filter)));
    let (Some(condition), Some(indexes)) = (condition::of(table, asked), indexes) else {
        return Ok(files.into_iter().map(ScanFile::whole).collect());
    };
    let asked: Vec<_> = files.iter().map(|file| Asked::of(file.file)).collect();
    let accesses = indexes.ask(&Arc::new(condition), &asked).await;
    let files = files.into_iter().zip(accesses);
    Ok(files
        .filter_map(|(of, access)| match access {
            Access::Whole => Some(ScanFile::whole(of)),
            Access::Nothing => None,
            Access::Rows { plan, rows } => Some(ScanFile {
                of,
                rows: Some((plan, rows)),
            }),
        })
        .collect())
}
