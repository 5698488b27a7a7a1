//! `try`: <https://trino.io/docs/current/functions/conditional.html#try>.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
    HigherOrderUDF, HigherOrderUDFImpl, LambdaArgument, LambdaParametersProgress, ValueOrLambda,
    Volatility,
};

use super::Function;

const PAGE: &str = "conditional";

pub(crate) const TRY: &str = "try";

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::higher_order(
            PAGE,
            "try(expression)",
            "NULL where the expression fails: a division by zero, a cast, a text that cannot be read.",
            Arc::new(HigherOrderUDF::new_from_impl(Try {
                signature: HigherOrderSignature::any(1, Volatility::Immutable),
            })),
        ),
        Function::rewritten(
            PAGE,
            "if(condition, a[, b])",
            "`CASE WHEN condition THEN a ELSE b END`",
        ),
        Function::same(
            PAGE,
            "coalesce(a, b, …)",
            "Also `nullif` and `CASE`, as in the default dialect.",
        ),
        Function::scalar(
            "comparison",
            "greatest(a, b, …)",
            "The largest; NULL if one of them is.",
            super::null_aware::greatest(),
        ),
        Function::scalar(
            "comparison",
            "least(a, b, …)",
            "The smallest; NULL if one of them is.",
            super::null_aware::least(),
        ),
    ]
}

/// Takes its argument as a lambda without parameters, so that it is evaluated here, where its errors can be caught.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Try {
    signature: HigherOrderSignature,
}

impl HigherOrderUDFImpl for Try {
    fn name(&self) -> &str {
        TRY
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn lambda_parameters(
        &self,
        _step: usize,
        _fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        Ok(LambdaParametersProgress::Complete(vec![Vec::new()]))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields {
            [ValueOrLambda::Lambda(body)] => {
                Ok(Arc::new(Field::new(TRY, body.data_type().clone(), true)))
            }
            _ => plan_err!("try takes one expression"),
        }
    }

    // No part of the expression is evaluated before and elsewhere.
    fn short_circuits(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let Some(ValueOrLambda::Lambda(body)) = args.args.first() else {
            return plan_err!("try takes one expression");
        };
        let gives = args.return_type();
        match evaluate(body, 0, args.number_rows) {
            Ok(value) => Ok(value),
            Err(error) if is_of_data(&error) => {
                let mut pieces = Vec::new();
                row_by_row(body, gives, 0, args.number_rows, &mut pieces)?;
                let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
                if pieces.is_empty() {
                    return Ok(ColumnarValue::Scalar(ScalarValue::try_from(gives)?));
                }
                Ok(ColumnarValue::Array(concat(&pieces)?))
            }
            Err(error) => Err(error),
        }
    }
}

fn evaluate(body: &LambdaArgument, start: usize, rows: usize) -> Result<ColumnarValue> {
    // Where the expression has no column, the rows are counted by it.
    let rows_alone = || -> Result<ArrayRef> { Ok(Arc::new(BooleanArray::new_null(rows))) };
    body.evaluate(&[&rows_alone], |columns| {
        Ok(columns
            .iter()
            .map(|column| column.slice(start, rows))
            .collect())
    })
}

/// Halves the rows until those that fail are alone.
fn row_by_row(
    body: &LambdaArgument,
    gives: &DataType,
    start: usize,
    rows: usize,
    pieces: &mut Vec<ArrayRef>,
) -> Result<()> {
    if rows == 0 {
        return Ok(());
    }
    match evaluate(body, start, rows).and_then(|value| value.into_array(rows)) {
        Ok(array) => pieces.push(array),
        Err(error) if !is_of_data(&error) => return Err(error),
        Err(_) if rows == 1 => pieces.push(new_null_array(gives, 1)),
        Err(_) => {
            let half = rows / 2;
            row_by_row(body, gives, start, half, pieces)?;
            row_by_row(body, gives, start + half, rows - half, pieces)?;
        }
    }
    Ok(())
}

/// Whether it is what a value caused, not a limit or a defect.
fn is_of_data(error: &DataFusionError) -> bool {
    matches!(
        error.find_root(),
        DataFusionError::Execution(_) | DataFusionError::ArrowError(..)
    )
}
