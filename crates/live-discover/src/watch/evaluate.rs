//! What is new in a window.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use audit_lake::{Snapshot, TableName};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use super::definition::Watch;
use super::identity::{Identify, ResultId};
use super::window::CommitWindow;
use crate::catalog::table_behind;
use crate::error::{Error, Result};
use crate::limits::LimitKind;
use crate::range::Window;
use crate::request::Pinned;
use crate::session::Session;

/// New results of one advance.
const RESULTS_MAX: usize = 10_000;
/// Their size in memory.
const RESULTS_BYTES_MAX: usize = 8 << 20;
/// Results that the records before the window give again.
const KNOWN_MAX: usize = 1_000_000;

/// New results and their identities.
pub(super) struct Found {
    pub(super) results: RecordBatch,
    pub(super) ids: Vec<ResultId>,
}

/// The results of a window that are new: the records of the window make them, and they were not reported before.
///
/// With a look-back the query is asked twice over the same times, without the window's records and with them: what
/// the first gives is not new. `None` if there are more than an advance takes.
pub(super) async fn evaluate(
    session: &Session,
    watch: &Watch,
    snapshot: &Arc<Snapshot>,
    window: CommitWindow,
    reported: &[ResultId],
    now_micros: i64,
) -> Result<Option<Found>> {
    let tenant = snapshot.tenant();
    let ask = |window: Window| {
        session.query(watch.request().pinned(Pinned {
            snapshot: Arc::clone(snapshot),
            window,
            now_micros,
        }))
    };
    let mut known: HashSet<ResultId> = reported.iter().copied().collect();
    let window = if watch.look_back.is_zero() {
        window.alone()
    } else {
        let (with, without) = window.with_look_back(snapshot, watch.look_back);
        let mut stream = ask(without).await?;
        let identify = Identify::new(tenant, watch, &stream.schema())?;
        while let Some(batch) = stream.next().await {
            known.extend(identify.ids(&batch?)?);
            if known.len() > KNOWN_MAX {
                return Ok(None);
            }
        }
        with
    };

    let mut stream = ask(window).await?;
    let identify = Identify::new(tenant, watch, &stream.schema())?;
    let schema = plain_schema(&stream.schema());
    let mut batches = Vec::new();
    let mut ids = Vec::new();
    let mut bytes = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let batch_ids = identify.ids(&batch)?;
        let is_new: Vec<bool> = batch_ids.iter().map(|id| known.insert(*id)).collect();
        if !is_new.contains(&true) {
            continue;
        }
        ids.extend(
            (batch_ids.iter().zip(&is_new)).filter_map(|(id, is_new)| is_new.then_some(*id)),
        );
        let batch = filter_record_batch(&batch, &BooleanArray::from(is_new))
            .and_then(|batch| plain(&batch, &schema))
            .map_err(Error::internal)?;
        bytes += batch.get_array_memory_size();
        batches.push(batch);
        if ids.len() > RESULTS_MAX || bytes > RESULTS_BYTES_MAX {
            return Ok(None);
        }
    }
    let results = concat_batches(&schema, &batches).map_err(Error::internal)?;
    Ok(Some(Found { results, ids }))
}

/// One commit has more results than an advance takes: no smaller window helps.
#[cold]
pub(super) fn too_many(name: &str) -> Error {
    Error::exhausted(
        LimitKind::Rows,
        format!(
            "the watch `{name}` takes {RESULTS_MAX} new results of at most {} MiB from one commit, and {KNOWN_MAX} that \
             its look-back gives again: let its query find less",
            RESULTS_BYTES_MAX >> 20
        ),
    )
}

/// Texts as `Utf8`: views would keep the memory of whole batches.
fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            _ => return Arc::clone(field),
        };
        Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
    });
    Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()))
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = (batch.columns().iter().zip(schema.fields()))
        .map(|(column, field)| cast(column, field.data_type()))
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// What a query's plan says about being watched.
pub(super) struct Traits {
    pub(super) schema: SchemaRef,
    pub(super) is_explain: bool,
    /// Whether it reads the records that arrive.
    pub(super) reads_records: bool,
    /// Whether each result comes of one record.
    pub(super) is_row_wise: bool,
}

pub(super) fn traits(plan: &LogicalPlan) -> Traits {
    let mut traits = Traits {
        schema: Arc::new(plan.schema().as_arrow().clone()),
        is_explain: matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)),
        reads_records: false,
        is_row_wise: true,
    };
    let walked = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                let is_records = table_behind(scan.table_name.table()) == Some(TableName::Audit);
                traits.reads_records |= is_records;
                traits.is_row_wise &= is_records && scan.fetch.is_none();
            }
            LogicalPlan::Sort(sort) => traits.is_row_wise &= sort.fetch.is_none(),
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Unnest(_) => {}
            _ => traits.is_row_wise = false,
        }
        Ok(TreeNodeRecursion::Continue)
    });
    traits.is_row_wise &= walked.is_ok();
    traits
}
