//! `IS TRUE` and the like, as plans have them.
//!
//! The planner says of `x IS TRUE` that it is never NULL, and runs `x IS NOT DISTINCT FROM true`, of which it says that
//! it may be, as `x` may: a group by it, or a count of it that is computed once for two, was an internal error. So it is
//! that from the beginning. None of the optimiser's rules that we gain from is about the one and not the other.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, binary_expr, lit};

/// Puts comparisons in the place of `IS TRUE`, `IS NOT FALSE`, `IS UNKNOWN` …
#[derive(Debug)]
pub(crate) struct AsCompared;

impl FunctionRewrite for AsCompared {
    fn name(&self) -> &str {
        "as_compared"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        use Operator::{IsDistinctFrom, IsNotDistinctFrom};
        let (of, op, value) = match &expr {
            Expr::IsTrue(of) => (of, IsNotDistinctFrom, Some(true)),
            Expr::IsFalse(of) => (of, IsNotDistinctFrom, Some(false)),
            Expr::IsUnknown(of) => (of, IsNotDistinctFrom, None),
            Expr::IsNotTrue(of) => (of, IsDistinctFrom, Some(true)),
            Expr::IsNotFalse(of) => (of, IsDistinctFrom, Some(false)),
            Expr::IsNotUnknown(of) => (of, IsDistinctFrom, None),
            _ => return Ok(Transformed::no(expr)),
        };
        // What is of another type, the planner tells.
        if !matches!(of.get_type(schema), Ok(DataType::Boolean)) {
            return Ok(Transformed::no(expr));
        }
        let value = lit(ScalarValue::Boolean(value));
        Ok(Transformed::yes(binary_expr(
            of.as_ref().clone(),
            op,
            value,
        )))
    }
}
