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
use datafusion::logical_expr::Expr;

use self::narrow::{Access, Indexes};
use crate::scan::{self, ScanFile};
use crate::table::TenantFile;

/// The files that may have a row that matches all filters, and which rows that may be.
pub(crate) async fn narrow<'a>(
    state: &dyn Session,
    table: TableName,
    filters: &[Expr],
    files: Vec<TenantFile<'a>>,
) -> Result<Vec<ScanFile<'a>>> {
    let indexes = Indexes::of(state.config(), state.runtime_env())?;
    // Steps by codes ask such a list of the files that they come to, which for the latest rows are few.
    let by_codes = (filters.iter().flat_map(Expr::column_refs))
        .all(|column| !scan::is_big(table, column.name()));
    let asked = (filters.iter()).filter(|filter| !(by_codes && condition::is_long_list(filter)));
    let (Some(condition), Some(indexes)) = (condition::of(table, asked), indexes) else {
        return Ok(files.into_iter().map(ScanFile::whole).collect());
    };
    let objects: Vec<_> = files.iter().map(|file| scan::object(file.file)).collect();
    let accesses = indexes.ask(&Arc::new(condition), &objects).await;
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
