//! Functions of DataFusion that skip NULL, as ones that are NULL with it: `concat`, `greatest`, `least`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, StringViewArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::nullif;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::scalar::{Call, Scalar, TEXT, Takes, at};

pub(super) fn greatest() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(NullIfAny {
        inner: datafusion::functions::core::greatest(),
    }))
}

pub(super) fn least() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(NullIfAny {
        inner: datafusion::functions::core::least(),
    }))
}

/// A function that is NULL where one of its arguments is.
#[derive(Debug)]
struct NullIfAny {
    inner: Arc<ScalarUDF>,
}

impl PartialEq for NullIfAny {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for NullIfAny {}

impl Hash for NullIfAny {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.name().hash(state);
    }
}

impl ScalarUDFImpl for NullIfAny {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let given = args.args.clone();
        let nothing = ScalarValue::try_from(args.return_type())?;
        if (given.iter())
            .any(|value| matches!(value, ColumnarValue::Scalar(value) if value.is_null()))
        {
            return Ok(ColumnarValue::Scalar(nothing));
        }
        let result = self.inner.invoke_with_args(args)?;
        let nulls = given
            .iter()
            .fold(None, |nulls: Option<NullBuffer>, value| match value {
                ColumnarValue::Array(array) => {
                    NullBuffer::union(nulls.as_ref(), array.logical_nulls().as_ref())
                }
                ColumnarValue::Scalar(_) => nulls,
            });
        let Some(nulls) = nulls else {
            return Ok(result);
        };
        let is_null = BooleanArray::new(!nulls.inner(), None);
        Ok(ColumnarValue::Array(nullif(
            &result.into_array(rows)?,
            &is_null,
        )?))
    }
}

/// Of texts; with an array among its arguments it is one of arrays, which becomes `array_concat` when planned.
pub(super) fn concat() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Concat {
        texts: Scalar::new("concat", &[Takes::Text], |_| Ok(TEXT), texts).repeating(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Concat {
    texts: Scalar,
    signature: Signature,
}

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &str {
        "concat"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.iter().find(|given| given.is_list()) {
            Some(list) => Ok(list.clone()),
            None => Ok(TEXT),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.iter().any(DataType::is_list) {
            return Ok(types.to_vec());
        }
        if types.is_empty() {
            return plan_err!("concat takes at least one argument");
        }
        self.texts.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.texts.invoke_with_args(args)
    }
}

fn texts(call: &Call) -> Result<ArrayRef> {
    let texts: Vec<&StringViewArray> = (0..call.args.len())
        .map(|index| call.text(index))
        .collect::<Result<_>>()?;
    call.text_rows(|row| {
        let parts: Option<Vec<&str>> = texts.iter().map(|text| at(*text, row)).collect();
        if let Some(parts) = &parts {
            call.bounded(parts.iter().map(|part| part.len()).sum())?;
        }
        Ok(parts.map(|parts| parts.concat()))
    })
}
