//! Functions of one text: the plumbing that they share.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// A function of one text. NULL gives NULL; a dictionary is asked once a distinct value.
#[derive(Debug)]
pub(super) struct OfText<S> {
    name: &'static str,
    returns: DataType,
    signature: Signature,
    state: S,
    /// The value of each text.
    map: Map<S>,
}

type Map<S> = fn(&S, &StringViewArray) -> ArrayRef;

/// By the name, which stands for the rest, and what differs between sessions.
impl<S: PartialEq> PartialEq for OfText<S> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.state == other.state
    }
}

impl<S: Eq> Eq for OfText<S> {}

impl<S: Hash> Hash for OfText<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.name, &self.state).hash(hasher);
    }
}

impl<S> OfText<S>
where
    S: Debug + Eq + Hash + Send + Sync + 'static,
{
    pub(super) fn udf(name: &'static str, returns: DataType, state: S, map: Map<S>) -> ScalarUDF {
        ScalarUDF::from(Self {
            name,
            returns,
            signature: Signature::user_defined(Volatility::Immutable),
            state,
            map,
        })
    }
}

impl<S> ScalarUDFImpl for OfText<S>
where
    S: Debug + Eq + Hash + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return plan_err!("`{}` takes one argument", self.name);
        };
        Ok(vec![text_type(self.name, argument)?])
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = arguments.args.as_slice() else {
            return plan_err!("`{}` takes one argument", self.name);
        };
        of_each(argument, |texts| (self.map)(&self.state, texts))
    }
}

/// The values of texts: of a constant one, of a dictionary one for each distinct text.
pub(super) fn of_each(
    texts: &ColumnarValue,
    map: impl Fn(&StringViewArray) -> ArrayRef,
) -> Result<ColumnarValue> {
    let of_plain = |texts: &ArrayRef| Ok::<_, DataFusionError>(map(views(texts)?.as_string_view()));
    let of_array = |texts: &ArrayRef| match texts.as_any_dictionary_opt() {
        Some(dictionary) => {
            let values = of_plain(dictionary.values())?;
            Ok(take(&values, dictionary.keys(), None)?)
        }
        None => of_plain(texts),
    };
    Ok(match texts {
        ColumnarValue::Array(texts) => ColumnarValue::Array(of_array(texts)?),
        ColumnarValue::Scalar(text) => {
            let value = of_array(&text.to_array()?)?;
            ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?)
        }
    })
}

/// What type a text argument is given as: a dictionary as it is.
pub(super) fn text_type(function: &str, given: &DataType) -> Result<DataType> {
    match given {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            Ok(DataType::Utf8View)
        }
        DataType::Dictionary(_, values) if values.is_string() => Ok(given.clone()),
        DataType::Union(..) => plan_err!(
            "`{function}` takes text: `->>` gives the text of a JSON value, `->` its JSON"
        ),
        _ => plan_err!("`{function}` takes text; `CAST(… AS VARCHAR)` gives it"),
    }
}

/// Texts as views. Those of a text array share its bytes.
pub(super) fn views(texts: &ArrayRef) -> Result<ArrayRef> {
    Ok(match texts.data_type() {
        DataType::Utf8View => Arc::clone(texts),
        _ => cast(texts, &DataType::Utf8View)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        Array, DictionaryArray, Int64Array, LargeStringArray, StringArray,
    };
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    fn lengths(texts: &StringViewArray) -> ArrayRef {
        let lengths = texts.iter().map(|text| text.map(|text| text.len() as i64));
        Arc::new(lengths.collect::<Int64Array>())
    }

    #[test]
    fn every_kind_of_text_is_asked() {
        let texts = [Some("a"), None, Some("bcd"), Some("a")];
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        let arrays: [ArrayRef; 4] = [
            Arc::new(StringArray::from_iter(texts)),
            Arc::new(LargeStringArray::from_iter(texts)),
            Arc::new(StringViewArray::from_iter(texts)),
            Arc::new(dictionary),
        ];
        let expected = Int64Array::from_iter([Some(1), None, Some(3), Some(1)]);
        for array in arrays {
            let kind = array.data_type().clone();
            let values = of_each(&ColumnarValue::Array(array), lengths).unwrap();
            let values = values.into_array(4).unwrap();
            assert_eq!(values.as_primitive(), &expected, "{kind}");
        }
    }

    #[test]
    fn constants_stay_constant() {
        for (text, expected) in [(Some("abc"), Some(3)), (None, None)] {
            let text = ColumnarValue::Scalar(ScalarValue::Utf8View(text.map(str::to_owned)));
            let value = of_each(&text, lengths).unwrap();
            assert!(matches!(
                value,
                ColumnarValue::Scalar(ScalarValue::Int64(value)) if value == expected
            ));
        }
    }
}
