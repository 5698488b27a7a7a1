//! `any_text_matches('needle')` is about the column `raw` of the query's table.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::NAME;

/// Gives calls without a record the one that is in scope.
#[derive(Debug)]
pub(in crate::functions) struct OverRaw;

const RECORD: &str = "raw";

impl FunctionRewrite for OverRaw {
    fn name(&self) -> &str {
        NAME
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(mut call) = expr else {
            return Ok(Transformed::no(expr));
        };
        if call.func.name() != NAME || has_record(&call, schema)? {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        }
        match schema.columns_with_unqualified_name(RECORD).as_slice() {
            [record] => call.args.insert(0, Expr::Column(record.clone())),
            [] => return without_record(),
            _ => {
                return plan_err!(
                    "two tables of the query have records: say which, as in {NAME}(a.{RECORD}, 'needle')"
                );
            }
        }
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }
}

fn has_record(call: &ScalarFunction, schema: &DFSchema) -> Result<bool> {
    Ok(match call.args.as_slice() {
        [_, second] => second.get_type(schema)? != DataType::Boolean,
        arguments => arguments.len() > 2,
    })
}

/// There is no record where the function is called.
pub(super) fn without_record<T>() -> Result<T> {
    plan_err!(
        "`{NAME}` looks into the column `{RECORD}`, which is not there: ask `m365_audit` or a view of it, or pass \
         the text: {NAME}({RECORD}, 'needle')"
    )
}
