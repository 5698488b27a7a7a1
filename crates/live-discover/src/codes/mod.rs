//! Counting by the places of texts in dictionaries.
//!
//! Most questions about an audit log group by texts of few values: operations, workloads, users, addresses. Data files
//! hold such a column as a dictionary of its texts and, for each row, the place of its text in that. DataFusion makes
//! texts of them and looks up each row's text in a table of groups. This step looks up each text of a dictionary once
//! and goes on with numbers; filters and other expressions over one such column are asked once a text, too.
//!
//! ```text
//!  read, hot          files ─► row groups, their columns fetched, or kept decoded
//!  column             a column of a row group ─► codes and texts, or values
//!  expression, rows   which rows the filters let pass; the value of an expression for these
//!  keys, groups       values ─► numbers; numbers of several keys ─► groups
//!  aggregate          the step: DataFusion's own accumulators, by group
//! ```
//!
//! It takes the place of a partial aggregate with its scan, filters and projections; what puts the parts together stays
//! DataFusion's. [`input`] reads these steps; with one that it doesn't know, all stays as it was.

mod aggregate;
mod column;
mod expression;
mod groups;
mod hot;
mod input;
mod keys;
mod read;
mod rows;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};

use self::aggregate::AggregateByCodesExec;
pub(crate) use self::hot::HotColumns;

/// Puts the step in the place of those that it does the work of.
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
        plan.transform_up(in_place).data()
    }

    fn name(&self) -> &str {
        "by_codes"
    }

    fn schema_check(&self) -> bool {
        true
    }
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
