//! Times in microseconds, as the lake has them, where DataFusion makes nanoseconds of them.
//!
//! These reach from 1677 to 2262 only. Of a record of the year 1, which is what .NET writes for no time at all, or of 9999,
//! the cast fails, and with it a query about all others.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::functions::datetime;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Documentation, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TryCast, TypeSignature,
};
use datafusion::sql::sqlparser::ast::DataType as SqlType;

use super::as_inner::as_inner;

/// What stands in place of DataFusion's `to_char`, which takes microseconds but asks for nanoseconds first.
pub(super) fn to_char() -> ScalarUDF {
    let inner = datetime::to_char();
    let signature = micros_first(inner.signature().clone());
    ScalarUDF::new_from_impl(ToChar { inner, signature })
}

/// The same signature, of which times become microseconds before they would become something else.
pub(super) fn micros_first(mut signature: Signature) -> Signature {
    if let TypeSignature::OneOf(ways) = &mut signature.type_signature {
        let is_of_micros = |data_type: &DataType| {
            matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, _))
        };
        ways.sort_by_key(|way| match way {
            TypeSignature::Exact(types) => !types.iter().any(is_of_micros),
            _ => true,
        });
    }
    signature
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for ToChar {
    as_inner!();

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.inner().invoke_with_args(arguments)
    }

    fn output_ordering(&self, arguments: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(arguments)
    }
}

/// What `timestamp` means where nothing is said of how exact it is. The rows of VALUES have their type from the beginning.
#[derive(Debug)]
pub(crate) struct TypesInMicros;

impl TypePlanner for TypesInMicros {
    fn plan_type(&self, sql_type: &SqlType) -> Result<Option<DataType>> {
        Ok(match sql_type {
            // With a time zone they are times in UTC, too.
            SqlType::Timestamp(None, _) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            _ => None,
        })
    }
}

/// Makes `AT TIME ZONE`, casts to types that functions name, and `to_timestamp` of texts times in microseconds.
#[derive(Debug)]
pub(super) struct CastsInMicros;

impl FunctionRewrite for CastsInMicros {
    fn name(&self) -> &str {
        "casts_in_micros"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let is_text = |expr: &Expr| expr.get_type(schema).is_ok_and(|of| of.is_string());
        Ok(match expr {
            Expr::ScalarFunction(mut call)
                if call.func.name() == "to_timestamp"
                    && call.args.len() == 1
                    && call.args.iter().all(is_text) =>
            {
                let zone = match call.func.return_type(&[DataType::Utf8])? {
                    DataType::Timestamp(_, zone) => zone,
                    _ => None,
                };
                let of_micros = DataType::Timestamp(TimeUnit::Microsecond, zone);
                let text = call.args.pop().unwrap_or_default();
                Transformed::yes(Expr::Cast(Cast::new(Box::new(text), of_micros)))
            }
            Expr::Cast(Cast { expr, field }) => match in_micros(field.data_type()) {
                Some(data_type) => Transformed::yes(Expr::Cast(Cast::new(expr, data_type))),
                None => Transformed::no(Expr::Cast(Cast { expr, field })),
            },
            Expr::TryCast(TryCast { expr, field }) => match in_micros(field.data_type()) {
                Some(data_type) => Transformed::yes(Expr::TryCast(TryCast::new(expr, data_type))),
                None => Transformed::no(Expr::TryCast(TryCast { expr, field })),
            },
            expr => Transformed::no(expr),
        })
    }
}

/// The type of a time in microseconds in place of one in nanoseconds.
fn in_micros(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        _ => None,
    }
}
