//! Aggregates: <https://trino.io/docs/current/functions/aggregate.html>.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use super::Function;
use super::scalar::gives_first;

const PAGE: &str = "aggregate";

/// What a scalar subquery with DISTINCT becomes; no query has to name it.
pub(crate) const ONLY_VALUE: &str = "only_value";

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::rewritten(
            PAGE,
            "count_if(condition)",
            "How many rows fulfil a condition.",
        ),
        Function::rewritten(
            PAGE,
            "min_by(x, y)",
            "The x of the row with the smallest y that is not NULL.",
        ),
        Function::rewritten(
            PAGE,
            "max_by(x, y)",
            "The x of the row with the largest y that is not NULL.",
        ),
        Function::rewritten(
            PAGE,
            "arbitrary(x)",
            "Some value that is not NULL: `any_value`.",
        ),
        Function::rewritten(
            PAGE,
            "every(condition)",
            "Whether it holds for all rows: `bool_and`.",
        ),
        Function::rewritten(
            PAGE,
            "approx_percentile(x, p)",
            "About the value below which a share p of the rows is.",
        ),
        Function::rewritten(PAGE, "variance(x)", "The sample variance: `var_samp`."),
        Function::rewritten(
            PAGE,
            "listagg(x, separator) WITHIN GROUP (ORDER BY y)",
            "Texts joined in an order.",
        ),
        Function::rewritten(PAGE, "set_agg(x)", "An array of the different values."),
        Function::rewritten(
            PAGE,
            "map_agg(key, value)",
            "A map; keys that are NULL are left out, a key twice is an error.",
        ),
        Function::same(
            PAGE,
            "approx_distinct(x)",
            "Also `count`, `sum`, `avg`, `min`, `max`, `array_agg`, `bool_and`, `bool_or`, `stddev`, with `DISTINCT` and `FILTER (WHERE …)`, as in the default dialect.",
        ),
        Function::aggregate(
            PAGE,
            "only_value(x)",
            "The one value that all rows have; an error if there are two. A scalar subquery with `SELECT DISTINCT` means it.",
            Arc::new(AggregateUDF::new_from_impl(OnlyValue {
                signature: Signature::any(1, Volatility::Immutable),
            })),
        ),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OnlyValue {
    signature: Signature,
}

impl AggregateUDFImpl for OnlyValue {
    fn name(&self) -> &str {
        ONLY_VALUE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        gives_first(&super::scalar::Planned::of(types))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let nothing = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(Only { value: nothing }))
    }
}

#[derive(Debug)]
struct Only {
    value: ScalarValue,
}

impl Accumulator for Only {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else {
            return Ok(());
        };
        for row in 0..values.len() {
            if values.is_null(row) {
                continue;
            }
            let value = ScalarValue::try_from_array(values, row)?;
            if self.value.is_null() {
                self.value = value.compacted();
            } else if self.value != value {
                return exec_err!(
                    "a scalar subquery has more than one row: {} and {value}",
                    self.value
                );
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone()])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}
