//! What PostgreSQL means by a call or a cast where DataFusion means something else.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::math::expr_fn::round;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, TryCast, WindowFunctionDefinition, lit};

/// Puts in their place what means the same.
///
/// *A cast of a number to a whole one rounds*, where Arrow's cuts off. Only those that the query has: what functions need
/// of each other is cast later.
///
/// *`encode(…, 'base64')` is padded*, as everything else writes it; DataFusion calls that `base64pad`.
///
/// *`bool_or` and `bool_and` over a window* are the greatest and the least, which know of rows that leave a frame.
#[derive(Debug)]
pub(super) struct AsInPostgres;

impl FunctionRewrite for AsInPostgres {
    fn name(&self) -> &str {
        "as_in_postgres"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::Cast(Cast { expr, field })
                if field.data_type().is_integer() && has_fraction(&expr, schema) =>
            {
                let rounded = Box::new(round(vec![*expr]));
                Transformed::yes(Expr::Cast(Cast {
                    expr: rounded,
                    field,
                }))
            }
            Expr::TryCast(TryCast { expr, field })
                if field.data_type().is_integer() && has_fraction(&expr, schema) =>
            {
                let rounded = Box::new(round(vec![*expr]));
                Transformed::yes(Expr::TryCast(TryCast {
                    expr: rounded,
                    field,
                }))
            }
            Expr::ScalarFunction(mut call) if call.func.name() == "encode" => {
                let padded = call.args.get_mut(1).filter(|encoding| is_base64(encoding));
                let is_padded = padded.is_some();
                if let Some(encoding) = padded {
                    *encoding = lit("base64pad");
                }
                Transformed::new_transformed(Expr::ScalarFunction(call), is_padded)
            }
            Expr::WindowFunction(mut window) => {
                let same = match window.fun.name() {
                    "bool_or" => Some(max_udaf()),
                    "bool_and" => Some(min_udaf()),
                    _ => None,
                };
                let is_other = same.is_some();
                if let Some(same) = same {
                    window.fun = WindowFunctionDefinition::AggregateUDF(same);
                }
                Transformed::new_transformed(Expr::WindowFunction(window), is_other)
            }
            expr => Transformed::no(expr),
        })
    }
}

/// Whether an expression gives numbers that need not be whole. What has no type is told by the planner.
fn has_fraction(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|of| match of {
        DataType::Decimal128(_, places) | DataType::Decimal256(_, places) => places > 0,
        of => of.is_floating(),
    })
}

fn is_base64(encoding: &Expr) -> bool {
    match encoding {
        Expr::Literal(ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)), _) => {
            name.eq_ignore_ascii_case("base64")
        }
        _ => false,
    }
}
