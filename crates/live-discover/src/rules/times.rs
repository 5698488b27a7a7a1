//! Times that are compared with texts and dates, in microseconds.
//!
//! DataFusion makes nanoseconds of both, which reach from 1677 to 2262 only: `creation_time < '9999-12-31'` failed, and so did
//! a query that met a record of the year 1, which is what .NET writes for no time at all.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, cast};

use super::intervals::compared;

/// Makes a time in microseconds of what one is compared with.
#[derive(Debug)]
pub(crate) struct ComparedInMicros;

impl FunctionRewrite for ComparedInMicros {
    fn name(&self) -> &str {
        "compared_in_micros"
    }

    fn rewrite(
        &self,
        mut expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let compared = compared(&mut expr, schema);
        let is_time = |of: &DataType| matches!(of, DataType::Timestamp(TimeUnit::Microsecond, _));
        let becomes_one = |of: &DataType| of.is_string() || *of == DataType::Date32;
        let is_any = |of: &DataType| is_time(of) || becomes_one(of) || of.is_null();
        let mut types = compared.iter().map(|(_, of)| of);
        let of_time = types.clone().find(|of| is_time(of)).cloned();
        let Some(of_time) = of_time.filter(|_| types.all(is_any)) else {
            return Ok(Transformed::no(expr));
        };
        let mut is_changed = false;
        for (expr, _) in compared.into_iter().filter(|(_, of)| becomes_one(of)) {
            *expr = cast(expr.clone(), of_time.clone());
            is_changed = true;
        }
        Ok(Transformed::new_transformed(expr, is_changed))
    }
}
