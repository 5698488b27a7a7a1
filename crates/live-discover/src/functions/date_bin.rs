//! DataFusion's `date_bin` of times in microseconds, as [`date_trunc`](super::date_trunc) is.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, IntervalMonthDayNano};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime::date_bin;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::as_inner::as_inner;
use super::in_micros::micros_first;
use super::time_bucket::Buckets;

/// What stands in place of DataFusion's.
pub(super) fn udf() -> ScalarUDF {
    let inner = date_bin();
    let signature = micros_first(inner.signature().clone());
    ScalarUDF::new_from_impl(DateBin { inner, signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateBin {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for DateBin {
    as_inner!();

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match in_micros(&arguments.args) {
            Some(begins) => Ok(begins),
            None => self.inner.inner().invoke_with_args(arguments),
        }
    }

    fn output_ordering(&self, arguments: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(arguments)
    }
}

/// The beginnings of constant intervals of whole microseconds from a constant origin; `None` of others.
fn in_micros(arguments: &[ColumnarValue]) -> Option<ColumnarValue> {
    let ([interval, times] | [interval, times, _]) = arguments else {
        return None;
    };
    let ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval))) = interval else {
        return None;
    };
    let origin_nanos = match arguments.get(2) {
        None => 0,
        Some(ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(Some(origin), _))) => *origin,
        Some(_) => return None,
    };
    let IntervalMonthDayNano { nanoseconds, .. } = *interval;
    let is_of_micros = nanoseconds % 1_000 == 0 && origin_nanos % 1_000 == 0;
    let buckets = is_of_micros.then(|| Buckets::new(*interval, Some(origin_nanos / 1_000)));
    buckets?.ok()?.begins(times)
}
