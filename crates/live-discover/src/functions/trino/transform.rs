//! `transform`: <https://trino.io/docs/current/functions/array.html#transform>.
//!
//! DataFusion's own multiplies a constant by the number of elements, whatever that makes; this one counts before.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, ListArray, UInt64Array, new_empty_array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
    HigherOrderUDF, HigherOrderUDFImpl, LambdaParametersProgress, ValueOrLambda, Volatility,
};

use super::array::BATCH_BYTES_MAX;

pub(super) fn transform() -> Arc<HigherOrderUDF> {
    Arc::new(HigherOrderUDF::new_from_impl(Transform {
        signature: HigherOrderSignature::exact(
            vec![ValueOrLambda::Value(()), ValueOrLambda::Lambda(())],
            Volatility::Immutable,
        ),
        // Those of DataFusion's own, which is not there beside it.
        aliases: ["array_transform", "list_transform"]
            .map(str::to_owned)
            .into(),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Transform {
    signature: HigherOrderSignature,
    aliases: Vec<String>,
}

impl HigherOrderUDFImpl for Transform {
    fn name(&self) -> &str {
        "transform"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [
                DataType::List(field)
                | DataType::LargeList(field)
                | DataType::FixedSizeList(field, _),
            ] => Ok(vec![DataType::List(Arc::clone(field))]),
            [DataType::Null] => Ok(vec![DataType::new_list(DataType::Null, true)]),
            _ => plan_err!("transform takes an array and a function such as x -> x + 1"),
        }
    }

    fn lambda_parameters(
        &self,
        _step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        match fields.first() {
            Some(ValueOrLambda::Value(list)) => match list.data_type() {
                DataType::List(field) => {
                    Ok(LambdaParametersProgress::Complete(vec![vec![Arc::clone(
                        field,
                    )]]))
                }
                _ => plan_err!("transform takes an array"),
            },
            _ => plan_err!("transform takes an array and a function"),
        }
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields {
            [_, ValueOrLambda::Lambda(body)] => {
                let list = DataType::new_list(body.data_type().clone(), true);
                Ok(Arc::new(Field::new(self.name(), list, true)))
            }
            _ => plan_err!("transform takes an array and a function"),
        }
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let DataType::List(field) = args.return_type() else {
            return plan_err!("transform gives an array");
        };
        let field = Arc::clone(field);
        let [ValueOrLambda::Value(lists), ValueOrLambda::Lambda(body)] = args.args.as_slice()
        else {
            return plan_err!("transform takes an array and a function");
        };
        let lists = lists.to_array(args.number_rows)?;
        let lists = lists.as_list::<i32>();
        let offsets = lists.value_offsets();
        let bounds = offsets.first().zip(offsets.last());
        let (start, end) = bounds.map_or((0, 0), |(start, end)| (*start as usize, *end as usize));
        let elements = lists.values().slice(start, end - start);
        let lengths: Vec<usize> = offsets
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as usize)
            .collect();
        let values = if elements.is_empty() {
            new_empty_array(field.data_type())
        } else {
            let rows = lengths.iter().enumerate();
            let rows: UInt64Array = rows
                .flat_map(|(row, length)| std::iter::repeat_n(row as u64, *length))
                .collect::<Vec<_>>()
                .into();
            let value = body.evaluate(&[&|| Ok(Arc::clone(&elements))], |columns| {
                (columns.iter())
                    .map(|column| Ok(take(column, &rows, None)?))
                    .collect()
            })?;
            if let ColumnarValue::Scalar(constant) = &value
                && constant.size().saturating_mul(elements.len()) > BATCH_BYTES_MAX
            {
                return Err(DataFusionError::ResourcesExhausted(
                    "transform makes arrays that are too large".to_owned(),
                ));
            }
            value.into_array(elements.len())?
        };
        Ok(ColumnarValue::Array(Arc::new(ListArray::try_new(
            field,
            OffsetBuffer::from_lengths(lengths),
            values,
            lists.nulls().cloned(),
        )?)))
    }
}
