//! What the planner calls never NULL and what it runs does not: a group by it, or a count of it that is computed once for two,
//! was an internal error.
//!
//! *`IS TRUE` and the like.* The planner says of `x IS TRUE` that it is never NULL, and runs `x IS NOT DISTINCT FROM true`, of which it says
//! that it may be, as `x` may. So it is that from the beginning. None of the optimiser's rules that we gain from is about the
//! one and not the other.
//!
//! *CASE.* Of `CASE WHEN a = 1 AND x IS NOT NULL THEN x ELSE 0 END` the planner sees that it is never NULL, and the step, which
//! looks at a condition of `x` alone, does not. Such a CASE may be NULL for both.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    Case, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, binary_expr, lit,
};

/// Puts comparisons in the place of `IS TRUE`, `IS NOT FALSE`, `IS UNKNOWN` …, and says of a CASE that it may be NULL.
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
            Expr::Case(case) if is_differently_null(case, &expr, schema) => {
                return Ok(Transformed::yes(MAY_BE_NULL.call(vec![expr])));
            }
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

/// Whether a CASE is called never NULL because of a condition that is of other columns, too, than what it gives then.
fn is_differently_null(case: &Case, expr: &Expr, schema: &DFSchema) -> bool {
    let may_be_null = |expr: &Expr| expr.nullable(schema).unwrap_or(true);
    let mut branches = case.when_then_expr.iter();
    let is_guarded = branches.any(|(when, then)| {
        may_be_null(then) && !when.column_refs().is_subset(&then.column_refs())
    });
    is_guarded && !may_be_null(expr)
}

/// No name that SQL has: queries don't call it.
static MAY_BE_NULL: LazyLock<ScalarUDF> = LazyLock::new(|| {
    ScalarUDF::from(MayBeNull {
        signature: Signature::any(1, Volatility::Immutable),
    })
});

/// Its argument, which may be NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MayBeNull {
    signature: Signature,
}

impl ScalarUDFImpl for MayBeNull {
    fn name(&self) -> &str {
        "may_be_null"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type] => Ok(data_type.clone()),
            _ => exec_err!("one value may be NULL"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        match arguments.arg_fields {
            [field] => Ok(Arc::new(field.as_ref().clone().with_nullable(true))),
            _ => exec_err!("one value may be NULL"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match <[_; 1]>::try_from(arguments.args) {
            Ok([value]) => Ok(value),
            Err(_) => exec_err!("one value may be NULL"),
        }
    }
}
