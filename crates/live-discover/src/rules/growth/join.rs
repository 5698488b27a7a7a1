//! `||` of texts, as a function.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::{self, Column};
use datafusion::physical_plan::PhysicalExpr;

/// `||` of texts, as DataFusion has it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Join {
    signature: Signature,
}

impl Join {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Join {
    fn name(&self) -> &str {
        "||"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        Ok(args.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else {
            return Err(DataFusionError::Plan("|| takes two values".to_owned()));
        };
        let (left, right) =
            BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_input_types()?;
        Ok(vec![left, right])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else {
            return Err(DataFusionError::Plan("|| takes two values".to_owned()));
        };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let fields: Vec<Field> = arrays
            .iter()
            .map(|array| Field::new("", array.data_type().clone(), true))
            .collect();
        let columns = arrays
            .iter()
            .map(|array| {
                if array.len() == args.number_rows || is_constant {
                    Ok(Arc::clone(array))
                } else {
                    ScalarValue::try_from_array(array, 0)?.to_array_of_size(args.number_rows)
                }
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        let side = |index| Arc::new(Column::new("", index)) as Arc<dyn PhysicalExpr>;
        let joined = expressions::BinaryExpr::new(side(0), Operator::StringConcat, side(1))
            .evaluate(&batch)?;
        if is_constant {
            let value = ScalarValue::try_from_array(&joined.into_array(1)?, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(joined)
    }
}
