//! `any_text_matches('needle')` is about the column `raw` of the query's table.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, SetExpr,
    Spanned, Statement, Value, VisitMut, VisitorMut, visit_expressions_mut,
};

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

/// Names the record in the calls of an ORDER BY.
///
/// What is sorted may have it no more, and the planner gives back only what is named.
pub(in crate::functions) fn name_records(statement: &mut Statement) {
    struct Orders;
    impl VisitorMut for Orders {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            if let SetExpr::Select(_) = query.body.as_ref()
                && let Some(order_by) = &mut query.order_by
            {
                visit_expressions_mut(order_by, |expr| {
                    name_record(expr);
                    ControlFlow::Continue(())
                })
            } else {
                ControlFlow::Continue(())
            }
        }
    }
    let _: ControlFlow<()> = statement.visit(&mut Orders);
}

fn name_record(expr: &mut SqlExpr) {
    let span = expr.span();
    let SqlExpr::Function(call) = expr else {
        return;
    };
    let FunctionArguments::List(arguments) = &mut call.args else {
        return;
    };
    let is_bare = match arguments.args.as_slice() {
        [_] => true,
        [
            _,
            FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Value(second))),
        ] => {
            matches!(second.value, Value::Boolean(_))
        }
        _ => false,
    };
    if is_bare && call.name.to_string().eq_ignore_ascii_case(NAME) {
        let record = SqlExpr::Identifier(Ident::with_span(span, RECORD));
        let record = FunctionArg::Unnamed(FunctionArgExpr::Expr(record));
        arguments.args.insert(0, record);
    }
}

/// There is no record where the function is called.
pub(super) fn without_record<T>() -> Result<T> {
    plan_err!(
        "`{NAME}` looks into the column `{RECORD}`, which is not there: ask `m365_audit` or a view of it, or pass \
         the text: {NAME}({RECORD}, 'needle')"
    )
}
