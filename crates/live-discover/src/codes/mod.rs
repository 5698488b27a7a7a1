//! Finding and counting rows by the places of texts in dictionaries.
//!
//! Most questions about an audit log group or filter by texts of few values: operations, workloads, users, addresses.
//! Data files hold such a column as a dictionary of its texts and, for each row, the place of its text in that.
//! DataFusion makes texts of them and looks at each row's. The steps here look at each text of a dictionary once and go
//! on with numbers, for filters, groups and other expressions over one such column.
//!
//! ```text
//!  read, pages, hot   files ─► row groups, their columns kept decoded, or fetched: whole, or the pages of some rows
//!  unread             what is fetched of a row group's columns, and how that is decoded
//!  shape              what is kept of a footer for columns that are kept
//!  page_rows          rows of a column ─► its pages, and blocks of these
//!  paged, kept_pages  their values, by blocks of pages that are kept
//!  exact              the same, where nothing is kept
//!  unpack             pages as they lie in the file ─► as their writer had them
//!  column             a column of a row group ─► codes and texts, or values
//!  coded, packed      codes and texts, and numbers, in little memory
//!  expression, rows   which rows the filters let pass; the value of an expression for these
//!  search             a text that is looked for in a large column ─► the rows that have it
//!  texts              the different texts of a column, once for all row groups
//!  keys, numbers      values of a key ─► numbers, for the rows of a row group
//!  groups             numbers of several keys ─► groups
//!  aggregate          a step: DataFusion's own accumulators, by group
//!  first, select      a step: the rows that pass, the first of them by a key, and their values
//! ```
//!
//! They take the place of a partial aggregate, or of filters, with the scan and projections below; what puts the parts
//! together stays DataFusion's. [`input`] reads these steps; with one that it doesn't know, all stays as it was.

mod aggregate;
mod coded;
mod column;
mod exact;
mod expression;
mod first;
mod groups;
mod hot;
mod input;
mod kept_pages;
mod keys;
mod matching;
mod numbers;
mod packed;
mod page_rows;
mod paged;
mod pages;
mod read;
mod rows;
mod search;
mod select;
mod shape;
mod texts;
mod unpack;
mod unread;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use self::aggregate::AggregateByCodesExec;
pub(crate) use self::hot::HotColumns;
use self::select::SelectByCodesExec;
use crate::rules::first_of_each::FirstOfEachExec;
use crate::rules::first_pass::FirstPassExec;
use crate::rules::range_join::RangeJoinExec;

/// Puts the steps in the place of those that they do the work of.
#[derive(Debug)]
pub(crate) struct ByCodes;

impl PhysicalOptimizerRule for ByCodes {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let in_place = |node: Arc<dyn ExecutionPlan>| {
            let by_codes = match node.downcast_ref::<AggregateExec>() {
                Some(aggregate) => by_codes(aggregate)?,
                None => None,
            };
            Ok(match by_codes {
                Some(by_codes) => Transformed::yes(by_codes),
                None => Transformed::no(node),
            })
        };
        let plan = plan.transform_down(in_place).data()?;
        let is_join =
            |node: &Arc<dyn ExecutionPlan>| node.is::<HashJoinExec>() || node.is::<RangeJoinExec>();
        let learns = plan.exists(|node| Ok(is_join(node) || node.is::<FirstOfEachExec>()))?;
        plan.transform_down(|node| selected(node, learns)).data()
    }

    fn name(&self) -> &str {
        "by_codes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Puts [`SelectByCodesExec`] in its place before all other rules, in plans that filter, order and project one scan and do nothing else: most of their
/// planning is what these rules work out of the scan's columns, each anew, and nothing is left of it in the end.
/// [`ByCodes`], behind them, sees the other plans.
#[derive(Debug)]
pub(crate) struct SelectsByCodes;

impl PhysicalOptimizerRule for SelectsByCodes {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match selects(&plan, false) {
            true => plan.transform_down(early_selected).data(),
            false => Ok(plan),
        }
    }

    fn name(&self) -> &str {
        "selects_by_codes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether a plan has steps alone that other rules leave as they are above such a scan. Below a limit without an order
/// these stop the scan.
fn selects(plan: &Arc<dyn ExecutionPlan>, is_limited: bool) -> bool {
    let is_limited = match plan.downcast_ref::<SortExec>() {
        Some(_) => false,
        None => is_limited || plan.is::<GlobalLimitExec>(),
    };
    let is_step = plan.is::<AnalyzeExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<SortExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>();
    match plan.children().as_slice() {
        [] => plan.is::<DataSourceExec>() && !is_limited,
        [input] => is_step && selects(input, is_limited),
        _ => false,
    }
}

fn early_selected(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if let Some(sort) = node.downcast_ref::<SortExec>()
        && sort.fetch().is_some()
    {
        // What can't be one step may be two passes later.
        let node = first_rows(node)?;
        return Ok(Transformed::new(
            node.data,
            node.transformed,
            TreeNodeRecursion::Jump,
        ));
    }
    if let Some(select) = SelectByCodesExec::in_place_of(&node, false)? {
        return Ok(Transformed::new(
            Arc::new(select),
            true,
            TreeNodeRecursion::Jump,
        ));
    }
    Ok(Transformed::no(node))
}

/// Filters and their scan as one step, and the first pass of a sort with it.
fn selected(
    node: Arc<dyn ExecutionPlan>,
    learns: bool,
) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let done = |node| Ok(Transformed::new(node, true, TreeNodeRecursion::Jump));
    if let Some(first_pass) = node.downcast_ref::<FirstPassExec>() {
        let rows = Arc::clone(first_pass.rows()).transform_down(first_rows)?;
        return match rows.transformed {
            true => done(rows.data),
            // Two passes read less than one step here without the order.
            false => Ok(Transformed::new(node, false, TreeNodeRecursion::Jump)),
        };
    }
    let node = first_rows(node)?;
    if node.transformed {
        return Ok(node);
    }
    let node = node.data;
    if (node.is::<FilterExec>() || node.is::<DataSourceExec>())
        && let Some(select) = SelectByCodesExec::in_place_of(&node, learns)?
    {
        return done(Arc::new(select));
    }
    Ok(Transformed::no(node))
}

/// What a sort with a limit reads as one step.
fn first_rows(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let select = match node.downcast_ref::<SortExec>() {
        Some(sort) => SelectByCodesExec::in_place_below(sort)?,
        None => None,
    };
    Ok(match select {
        Some(select) => {
            let sort = replace_children_if_necessary(node, vec![Arc::new(select)])?;
            Transformed::new(sort, true, TreeNodeRecursion::Jump)
        }
        None => Transformed::no(node),
    })
}

/// Whether values of a type stand for whole numbers, in the same order.
pub(crate) fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(..)
    )
}

/// Whether values of a type are equal where they are the same and only there, which doubles and bags are not.
pub(crate) fn is_exact(data_type: &DataType) -> bool {
    (data_type.is_primitive() && !data_type.is_floating())
        || data_type.is_string()
        || *data_type == DataType::Boolean
}

fn by_codes(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    match aggregate.mode() {
        AggregateMode::Partial => {
            let partial = AggregateByCodesExec::in_place_of(aggregate)?;
            Ok(partial.map(|partial| Arc::new(partial) as _))
        }
        // All of it in one step, where there is one partition: in two then.
        AggregateMode::Single if aggregate.limit_options().is_none() => {
            let of_mode = |mode, group_by, input| {
                AggregateExec::try_new(
                    mode,
                    group_by,
                    aggregate.aggr_expr().to_vec(),
                    aggregate.filter_expr().to_vec(),
                    input,
                    aggregate.input_schema(),
                )
            };
            let group_by = aggregate.group_expr().clone();
            let partial = of_mode(
                AggregateMode::Partial,
                group_by,
                Arc::clone(aggregate.input()),
            )?;
            match AggregateByCodesExec::in_place_of(&partial)? {
                Some(partial) => {
                    let group_by = aggregate.group_expr().as_final();
                    let whole = of_mode(AggregateMode::Final, group_by, Arc::new(partial))?;
                    Ok(Some(Arc::new(whole)))
                }
                None => Ok(None),
            }
        }
        _ => Ok(None),
    }
}
