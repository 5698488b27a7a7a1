//! What `->` and `->>` take JSON apart by.
//!
//! *Indexes of any integer type*: `actor -> (json_length(actor) - 1)`. The functions behind the operators take BIGINT
//! alone. A length is unsigned, and an unsigned number less another one is a decimal without places, as no integer holds
//! all that may come of it.
//!
//! *Paths*: `folders ->> '$[0].Path'`, as in DuckDB, SQLite and MySQL. It would be a member of that name, which nothing
//! has.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit, try_cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion_functions_json::udfs::json_get_udf;
use sonic_rs::PointerNode;

use crate::functions::trino::JsonPath;

/// Casts the index; one that no BIGINT holds is that of no element. Takes the steps of a path. It goes before the
/// planner of the operators.
#[derive(Debug)]
pub(crate) struct JsonIndexes;

impl ExprPlanner for JsonIndexes {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::Arrow | BinaryOperator::LongArrow) {
            return Ok(PlannerResult::Original(expr));
        }
        if let Some(path) = path(&expr.right) {
            let mut steps = JsonPath::parse(path)?.0.into_iter().map(step);
            if let Some(mut last) = steps.next() {
                for next in steps {
                    expr.left = json_get_udf().call(vec![expr.left, last]);
                    last = next;
                }
                expr.right = last;
            }
        } else if is_other_integer(&expr.right.get_type(schema)?) {
            expr.right = try_cast(expr.right, DataType::Int64);
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// A constant that is a path and no name of a member.
fn path(expr: &Expr) -> Option<&str> {
    let Expr::Literal(value, _) = expr else {
        return None;
    };
    let text = value.try_as_str().flatten()?;
    (text.starts_with("$.") || text.starts_with("$[")).then_some(text)
}

fn step(step: PointerNode) -> Expr {
    match step {
        PointerNode::Key(name) => lit(name.as_str()),
        PointerNode::Index(index) => lit(i64::try_from(index).unwrap_or(i64::MAX)),
    }
}

fn is_other_integer(given: &DataType) -> bool {
    match given {
        DataType::Int64 => false,
        DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0) => true,
        given => given.is_integer(),
    }
}
