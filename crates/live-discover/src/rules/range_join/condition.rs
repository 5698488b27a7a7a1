//! What a join's condition asks: keys that are equal, and ranges.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::joins::utils::JoinFilter;

use crate::codes::is_number;

/// A value that is equal on both sides.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) held: Arc<dyn PhysicalExpr>,
    pub(super) other: Arc<dyn PhysicalExpr>,
}

/// `held <= other` and the like.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) held: Arc<dyn PhysicalExpr>,
    pub(super) op: Operator,
    pub(super) other: Arc<dyn PhysicalExpr>,
}

impl Range {
    /// `None` for a condition that is none.
    pub(super) fn of(
        condition: &Arc<dyn PhysicalExpr>,
        filter: &JoinFilter,
    ) -> Result<Option<Self>> {
        let Some(binary) = condition.downcast_ref::<BinaryExpr>() else {
            return Ok(None);
        };
        let op = *binary.op();
        let is_range = matches!(
            op,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
        );
        let schema = filter.schema();
        let data_type = binary.left().data_type(schema)?;
        let is_understood = is_range
            && is_number(&data_type)
            && binary.right().data_type(schema)? == data_type
            && is_plain(condition, schema)?;
        if !is_understood {
            return Ok(None);
        }
        let (left, right) = (
            side_of(binary.left(), filter),
            side_of(binary.right(), filter),
        );
        let (Some((left_side, left)), Some((right_side, right))) = (left?, right?) else {
            return Ok(None);
        };
        Ok(match (left_side, right_side) {
            (JoinSide::Left, JoinSide::Right) => Some(Self {
                held: left,
                op,
                other: right,
            }),
            (JoinSide::Right, JoinSide::Left) => op.swap().map(|op| Self {
                held: right,
                op,
                other: left,
            }),
            _ => None,
        })
    }
}

/// Whether an expression can be asked of each row of a side, also of those with which no other has a key in common: it
/// can't fail, and is the same each time.
fn is_plain(expr: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<bool> {
    use Operator::{Gt, GtEq, Lt, LtEq, Minus, Multiply, Plus};
    let is_other = |node: &Arc<dyn PhysicalExpr>| {
        let is_plain = if let Some(binary) = node.downcast_ref::<BinaryExpr>() {
            matches!(binary.op(), Plus | Minus | Multiply | Lt | LtEq | Gt | GtEq)
        } else if let Some(cast) = node.downcast_ref::<CastExpr>() {
            is_number(&cast.expr().data_type(schema)?)
        } else {
            node.is::<Column>() || node.is::<Literal>()
        };
        Ok(!is_plain)
    };
    Ok(!expr.exists(is_other)?)
}

/// The one side that an expression of a condition is over, and the expression over it.
fn side_of(
    expr: &Arc<dyn PhysicalExpr>,
    filter: &JoinFilter,
) -> Result<Option<(JoinSide, Arc<dyn PhysicalExpr>)>> {
    let columns = collect_columns(expr);
    let mut sides = columns
        .iter()
        .map(|column| filter.column_indices().get(column.index()));
    let Some(Some(first)) = sides.next() else {
        return Ok(None);
    };
    if !sides.all(|other| other.is_some_and(|other| other.side == first.side)) {
        return Ok(None);
    }
    let of_side = Arc::clone(expr).transform_up(|node| {
        let column = node.downcast_ref::<Column>();
        let at = column.and_then(|column| filter.column_indices().get(column.index()));
        Ok(match (column, at) {
            (Some(column), Some(at)) => {
                Transformed::yes(Arc::new(Column::new(column.name(), at.index)) as _)
            }
            _ => Transformed::no(node),
        })
    });
    Ok(Some((first.side, of_side.data()?)))
}

/// The values of an expression as numbers.
pub(super) fn numbers(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef> {
    let values = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    Ok(cast(&values, &DataType::Int64)?)
}
