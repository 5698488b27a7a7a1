//! A scalar function as one value: its names, what it takes and gives, and how it works on columns.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayAccessor, ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array, ListArray,
    StringViewArray, StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

/// What text is where it stands alone: as the lake's columns are read.
pub(crate) const TEXT: DataType = DataType::Utf8View;
/// What a value of type JSON is: its text, in a type that no column of the lake has. So the type alone tells JSON
/// from text wherever the value goes, and casts know what to do.
pub(crate) const JSON: DataType = DataType::LargeUtf8;
/// What an IP address is: 16 bytes in network order, so that addresses compare as numbers.
pub(crate) const IP_ADDRESS: DataType = DataType::FixedSizeBinary(16);

/// A list of elements that may be null.
pub(crate) fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

/// A map from text.
pub(crate) fn map_of(value: DataType) -> DataType {
    map_from(DataType::Utf8, value)
}

/// A map.
pub(crate) fn map_from(key: DataType, value: DataType) -> DataType {
    let entries = vec![
        Field::new("key", key, false),
        Field::new("value", value, true),
    ];
    let entries = Field::new("entries", DataType::Struct(entries.into()), false);
    DataType::Map(Arc::new(entries), false)
}

/// As long as a record can be.
const VALUE_BYTES_MAX: usize = 64 << 20;
/// Of the texts that one call makes for a batch of rows.
const BATCH_BYTES_MAX: usize = 512 << 20;

/// What a parameter is converted to before the function sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Takes {
    /// [`TEXT`]; a JSON value gives its text.
    Text,
    /// 64 bits.
    Integer,
    /// 64 bits, from any number.
    Double,
    /// A date, or a time in microseconds with the zone it has.
    Time,
    /// Bytes, from text its UTF-8.
    Binary,
    /// A list of anything.
    List,
    /// As it is.
    Any,
}

/// What is known of a call when it is planned.
pub(super) struct Planned<'a> {
    pub(super) types: &'a [DataType],
    constants: &'a [Option<&'a ScalarValue>],
}

impl<'a> Planned<'a> {
    /// Where no argument is known to be constant.
    pub(super) fn of(types: &'a [DataType]) -> Self {
        Self {
            types,
            constants: &[],
        }
    }

    /// The text of a constant argument.
    pub(super) fn constant_text(&self, index: usize) -> Option<&str> {
        self.constants.get(index)?.as_ref()?.try_as_str().flatten()
    }
}

/// The arguments of a call, all of the same length.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) args: Vec<ArrayRef>,
    pub(super) rows: usize,
    pub(super) gives: DataType,
}

impl Call {
    pub(super) fn has(&self, index: usize) -> bool {
        index < self.args.len()
    }

    pub(super) fn any(&self, index: usize) -> Result<&ArrayRef> {
        match self.args.get(index) {
            Some(array) => Ok(array),
            None => exec_err!("{} has no argument {}", self.name, index + 1),
        }
    }

    pub(super) fn text(&self, index: usize) -> Result<&StringViewArray> {
        let array = self.any(index)?.as_string_view_opt();
        array.ok_or_else(|| self.unexpected(index))
    }

    pub(super) fn integers(&self, index: usize) -> Result<&Int64Array> {
        let array = self.any(index)?.as_primitive_opt::<Int64Type>();
        array.ok_or_else(|| self.unexpected(index))
    }

    pub(super) fn doubles(&self, index: usize) -> Result<&Float64Array> {
        let array = self.any(index)?.as_primitive_opt::<Float64Type>();
        array.ok_or_else(|| self.unexpected(index))
    }

    pub(super) fn bytes(&self, index: usize) -> Result<&BinaryArray> {
        let array = self.any(index)?.as_binary_opt::<i32>();
        array.ok_or_else(|| self.unexpected(index))
    }

    pub(super) fn lists(&self, index: usize) -> Result<&ListArray> {
        let array = self.any(index)?.as_list_opt::<i32>();
        array.ok_or_else(|| self.unexpected(index))
    }

    /// A value for each row; an error ends the query.
    pub(super) fn rows<T, C: FromIterator<Option<T>>>(
        &self,
        value: impl FnMut(usize) -> Result<Option<T>>,
    ) -> Result<C> {
        (0..self.rows).map(value).collect()
    }

    /// Text for each row; an error where it becomes more than any text of the records.
    pub(super) fn text_rows<T: AsRef<str>>(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<T>>,
    ) -> Result<ArrayRef> {
        let mut texts = StringViewBuilder::with_capacity(self.rows);
        let mut bytes = 0;
        for row in 0..self.rows {
            let value = value(row)?;
            bytes += value.as_ref().map_or(0, |text| text.as_ref().len());
            if bytes > BATCH_BYTES_MAX {
                return Err(self.exhausted());
            }
            texts.append_option(value);
        }
        Ok(Arc::new(texts.finish()))
    }

    /// An error if a value of so many bytes would be more than any text of the records.
    pub(super) fn bounded(&self, bytes: usize) -> Result<()> {
        if bytes > VALUE_BYTES_MAX {
            return Err(self.exhausted());
        }
        Ok(())
    }

    #[cold]
    fn exhausted(&self) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!("{} makes a text that is too long", self.name))
    }

    #[cold]
    fn unexpected(&self, index: usize) -> DataFusionError {
        DataFusionError::Internal(format!(
            "{} got another type as argument {} than it asked for",
            self.name,
            index + 1
        ))
    }
}

/// What a row has in a column.
pub(super) fn at<A: ArrayAccessor>(array: A, row: usize) -> Option<A::Item> {
    array.is_valid(row).then(|| array.value(row))
}

/// What was read from the text of the row before, which is nearly always that of the next: a path, a pattern.
#[derive(Debug)]
pub(super) struct Memo<T>(Option<(String, T)>);

impl<T> Memo<T> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    pub(super) fn get(&mut self, text: &str, read: impl FnOnce(&str) -> Result<T>) -> Result<&T> {
        let known = match self.0.take() {
            Some(known) if known.0 == text => known,
            _ => (text.to_owned(), read(text)?),
        };
        Ok(&self.0.insert(known).1)
    }
}

pub(super) type Gives = fn(&Planned<'_>) -> Result<DataType>;
pub(super) type Run = fn(&Call) -> Result<ArrayRef>;

/// A scalar function.
#[derive(Debug)]
pub(super) struct Scalar {
    name: &'static str,
    aliases: Vec<String>,
    takes: &'static [Takes],
    required: usize,
    repeats_last: bool,
    makes: bool,
    gives: Gives,
    run: Run,
    signature: Signature,
}

impl Scalar {
    /// One that takes exactly these.
    pub(super) fn new(name: &'static str, takes: &'static [Takes], gives: Gives, run: Run) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            takes,
            required: takes.len(),
            repeats_last: false,
            makes: false,
            gives,
            run,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// Of what it takes, the last ones may be left out.
    pub(super) fn with_optional(mut self, optional: usize) -> Self {
        self.required = self.takes.len().saturating_sub(optional);
        self
    }

    /// The last may be repeated.
    pub(super) fn repeating(mut self) -> Self {
        self.repeats_last = true;
        self
    }

    /// It makes much from nothing: it is called for all rows of a batch, so that it can count what it makes, and never
    /// once for all, to be multiplied after.
    pub(super) fn making(mut self) -> Self {
        self.makes = true;
        self.signature.volatility = Volatility::Volatile;
        self
    }

    pub(super) fn with_aliases(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        self
    }

    pub(super) fn build(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    fn taken(&self, index: usize) -> Option<Takes> {
        let last = self.takes.last().filter(|_| self.repeats_last);
        self.takes.get(index).or(last).copied()
    }
}

// A function is known by its name: there is one of each in a dialect.
impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.gives)(&Planned::of(types))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = (args.arg_fields.iter())
            .map(|field| field.data_type().clone())
            .collect();
        let gives = (self.gives)(&Planned {
            types: &types,
            constants: args.scalar_arguments,
        })?;
        Ok(Arc::new(Field::new(self.name, gives, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() < self.required || (types.len() > self.takes.len() && !self.repeats_last) {
            let most = self.takes.len();
            return if self.required == most {
                plan_err!("{} takes {most} arguments, not {}", self.name, types.len())
            } else {
                plan_err!(
                    "{} takes {} to {most} arguments, not {}",
                    self.name,
                    self.required,
                    types.len()
                )
            };
        }
        (types.iter().enumerate())
            .map(|(index, given)| {
                let takes = self.taken(index).unwrap_or(Takes::Any);
                coerced(takes, given).map_or_else(
                    || {
                        plan_err!(
                            "{} takes {} as argument {}, not {}",
                            self.name,
                            in_words(takes),
                            index + 1,
                            super::type_name(given)
                        )
                    },
                    Ok,
                )
            })
            .collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = !self.makes
            && (args.args.iter()).all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let call = Call {
            name: self.name,
            args: (args.args.into_iter())
                .map(|value| value.into_array(rows))
                .collect::<Result<_>>()?,
            rows,
            gives: args.return_field.data_type().clone(),
        };
        let array = (self.run)(&call)?;
        if is_constant {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &array, 0,
            )?))
        } else {
            Ok(ColumnarValue::Array(array))
        }
    }
}

/// The type that a parameter gets; `None` if it cannot be had from what was given.
fn coerced(takes: Takes, given: &DataType) -> Option<DataType> {
    let is_text = given.is_string() || matches!(given, DataType::Null);
    match takes {
        Takes::Any => Some(given.clone()),
        Takes::Text => match given {
            DataType::Dictionary(_, value) => value.is_string().then_some(TEXT),
            _ => is_text.then_some(TEXT),
        },
        Takes::Integer => {
            (given.is_integer() || matches!(given, DataType::Null)).then_some(DataType::Int64)
        }
        Takes::Double => {
            (given.is_numeric() || matches!(given, DataType::Null)).then_some(DataType::Float64)
        }
        Takes::Time => match given {
            DataType::Date32 | DataType::Date64 => Some(DataType::Date32),
            DataType::Timestamp(_, zone) => {
                Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
            }
            _ => is_text.then_some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        },
        Takes::Binary => {
            (given.is_binary() || is_text || *given == IP_ADDRESS).then_some(DataType::Binary)
        }
        Takes::List => match given {
            DataType::List(_) => Some(given.clone()),
            DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                Some(DataType::List(Arc::clone(field)))
            }
            DataType::Null => Some(list_of(DataType::Null)),
            _ => None,
        },
    }
}

fn in_words(takes: Takes) -> &'static str {
    match takes {
        Takes::Text => "text",
        Takes::Integer => "an integer",
        Takes::Double => "a number",
        Takes::Time => "a date or timestamp",
        Takes::Binary => "varbinary",
        Takes::List => "an array",
        Takes::Any => "a value",
    }
}

pub(super) fn gives_text(_: &Planned<'_>) -> Result<DataType> {
    Ok(TEXT)
}

pub(super) fn gives_json(_: &Planned<'_>) -> Result<DataType> {
    Ok(JSON)
}

pub(super) fn gives_texts(_: &Planned<'_>) -> Result<DataType> {
    Ok(list_of(DataType::Utf8))
}

pub(super) fn gives_integer(_: &Planned<'_>) -> Result<DataType> {
    Ok(DataType::Int64)
}

pub(super) fn gives_double(_: &Planned<'_>) -> Result<DataType> {
    Ok(DataType::Float64)
}

pub(super) fn gives_boolean(_: &Planned<'_>) -> Result<DataType> {
    Ok(DataType::Boolean)
}

pub(super) fn gives_binary(_: &Planned<'_>) -> Result<DataType> {
    Ok(DataType::Binary)
}

/// As the first argument.
pub(super) fn gives_first(planned: &Planned<'_>) -> Result<DataType> {
    match planned.types.first() {
        Some(first) => Ok(first.clone()),
        None => plan_err!("an argument is missing"),
    }
}
