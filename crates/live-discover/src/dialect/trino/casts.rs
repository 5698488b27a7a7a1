//! CAST as Trino means it: replaced by a function where Arrow's own means something else.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::functions_nested::expr_fn::array_concat;
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::functions::trino::{TRY, cast_function, cast_to};

/// Only casts that the query has: those that types need for each other come later.
#[derive(Debug)]
pub(super) struct TrinoCasts;

impl FunctionRewrite for TrinoCasts {
    fn name(&self) -> &str {
        "trino_casts"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let (value, to, is_lenient) = match &expr {
            Expr::Cast(Cast { expr, field }) => (expr, field.data_type(), false),
            Expr::TryCast(TryCast { expr, field }) => (expr, field.data_type(), true),
            Expr::ScalarFunction(function) if function.name() == "concat" => {
                return concat(expr, schema);
            }
            Expr::HigherOrderFunction(function) if function.name() == TRY => {
                return expr.map_children(deferred);
            }
            _ => return Ok(Transformed::no(expr)),
        };
        match cast_function(&value.get_type(schema)?, to, is_lenient) {
            None => Ok(Transformed::no(expr)),
            Some(function) => Ok(Transformed::yes(Expr::ScalarFunction(
                ScalarFunction::new_udf(function, vec![value.as_ref().clone()]),
            ))),
        }
    }
}

/// A cast of a constant that fails is an error of the planner, which `try` does not see; as a function it fails later.
fn deferred(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        let (value, to) = match &expr {
            Expr::Cast(Cast { expr, field }) => (expr, field.data_type()),
            _ => return Ok(Transformed::no(expr)),
        };
        let function = ScalarFunction::new_udf(cast_to(to, false), vec![value.as_ref().clone()]);
        Ok(Transformed::yes(Expr::ScalarFunction(function)))
    })
}

/// `concat` of arrays.
fn concat(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !expr.get_type(schema)?.is_list() {
        return Ok(Transformed::no(expr));
    }
    match expr {
        Expr::ScalarFunction(function) => Ok(Transformed::yes(array_concat(function.args))),
        other => Ok(Transformed::no(other)),
    }
}
