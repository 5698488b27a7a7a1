//! Indexes into JSON of any integer type: `actor -> (json_length(actor) - 1)`.
//!
//! The functions behind `->` and `->>` take BIGINT alone. A length is unsigned, and an unsigned number less another one is
//! a decimal without places, as no integer holds all that may come of it.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{ExprSchemable, try_cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Casts the index; one that no BIGINT holds is that of no element. It goes before the planner of the operators.
#[derive(Debug)]
pub(crate) struct JsonIndexes;

impl ExprPlanner for JsonIndexes {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if matches!(expr.op, BinaryOperator::Arrow | BinaryOperator::LongArrow)
            && is_other_integer(&expr.right.get_type(schema)?)
        {
            expr.right = try_cast(expr.right, DataType::Int64);
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn is_other_integer(given: &DataType) -> bool {
    match given {
        DataType::Int64 => false,
        DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0) => true,
        given => given.is_integer(),
    }
}
