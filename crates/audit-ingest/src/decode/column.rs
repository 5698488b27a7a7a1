//! Column builders for sparse rows.
//!
//! A record has a few dozen of some two hundred fields, so a builder costs nothing for a row that
//! lacks its field: rows in between are filled when the next value comes, or at the end. A row can
//! be taken back, which is how a record that turns out to be none leaves no trace.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, MapArray, StringArray, StringViewArray, StructArray,
    TimestampMicrosecondArray, make_view,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use audit_schema::ColumnType;

/// A builder of one column.
#[derive(Debug)]
pub(super) enum Column {
    Text(Texts),
    Integer(Numbers),
    Time(Numbers),
    Boolean(Numbers),
    Bag(Bags),
    Changes(Bags),
}

impl Column {
    pub(super) fn new(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Integer => Self::Integer(Numbers::default()),
            ColumnType::Time => Self::Time(Numbers::default()),
            ColumnType::Boolean => Self::Boolean(Numbers::default()),
            ColumnType::Bag => Self::Bag(Bags::new(1)),
            ColumnType::Changes => Self::Changes(Bags::new(2)),
            _ => Self::Text(Texts::default()),
        }
    }

    /// Rows up to and with the last value.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Integer(numbers) | Self::Time(numbers) | Self::Boolean(numbers) => {
                numbers.values.len()
            }
            Self::Bag(bags) | Self::Changes(bags) => bags.offsets.len() - 1,
        }
    }

    /// Takes back every row from `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        if self.len() <= rows {
            return;
        }
        match self {
            Self::Text(texts) => texts.truncate(rows),
            Self::Integer(numbers) | Self::Time(numbers) | Self::Boolean(numbers) => {
                numbers.truncate(rows)
            }
            Self::Bag(bags) | Self::Changes(bags) => bags.truncate(rows),
        }
    }

    /// Gives back the memory that was taken for rows which did not come.
    pub(super) fn shrink(&mut self) {
        if let Self::Text(texts) = self
            && texts.views.len() < ROWS_EXPECTED
        {
            texts.views.shrink_to_fit();
        }
    }

    /// The array of `rows` rows; `None` when no row has a value.
    ///
    /// Texts are views into `slab` where they stand in it.
    pub(super) fn finish(
        self,
        rows: usize,
        data_type: &DataType,
        slab: &Buffer,
    ) -> Result<Option<ArrayRef>, ArrowError> {
        if self.len() == 0 {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Text(texts) => Arc::new(texts.finish(rows, slab)?),
            Self::Integer(mut numbers) => {
                numbers.values.resize(rows, 0);
                Arc::new(Int64Array::try_new(
                    numbers.values.into(),
                    numbers.valid.finish(rows),
                )?)
            }
            Self::Time(mut numbers) => {
                numbers.values.resize(rows, 0);
                let array = TimestampMicrosecondArray::try_new(
                    numbers.values.into(),
                    numbers.valid.finish(rows),
                )?;
                Arc::new(array.with_data_type(data_type.clone()))
            }
            Self::Boolean(mut numbers) => {
                numbers.values.resize(rows, 0);
                let values = numbers
                    .values
                    .iter()
                    .map(|&v| v != 0)
                    .collect::<BooleanBuffer>();
                Arc::new(BooleanArray::new(values, numbers.valid.finish(rows)))
            }
            Self::Bag(bags) | Self::Changes(bags) => Arc::new(bags.finish(rows, data_type)?),
        }))
    }
}

/// Which rows have a value.
#[derive(Debug, Default)]
struct Valid(Vec<u8>);

impl Valid {
    fn set(&mut self, row: usize) {
        if self.0.len() <= row / 8 {
            self.0.resize(row / 8 + 1, 0);
        }
        self.0[row / 8] |= 1 << (row % 8);
    }

    fn truncate(&mut self, rows: usize) {
        self.0.truncate(rows.div_ceil(8));
        if !rows.is_multiple_of(8)
            && let Some(last) = self.0.get_mut(rows / 8)
        {
            *last &= (1 << (rows % 8)) - 1;
        }
    }

    fn finish(mut self, rows: usize) -> Option<NullBuffer> {
        self.0.resize(rows.div_ceil(8), 0);
        let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from(self.0), 0, rows));
        (nulls.null_count() > 0).then_some(nulls)
    }
}

/// Texts as views: those that stand in the slab as they are, are not copied.
#[derive(Debug, Default)]
pub(super) struct Texts {
    views: Vec<u128>,
    /// Texts that don't stand in the slab.
    own: Vec<u8>,
    /// The last text, for what is derived of it.
    last: Option<Place>,
    valid: Valid,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Slab { at: usize, len: usize },
    Own { at: usize, len: usize },
}

/// Memory is taken for so many rows at first.
const ROWS_EXPECTED: usize = 128;

/// Number of the slab among the buffers of a column, and of the column's own texts.
const SLAB: u32 = 0;
const OWN: u32 = 1;

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    /// Appends a text that may stand in `slab`.
    pub(super) fn append(&mut self, row: usize, text: &str, slab: &[u8]) {
        if self.views.is_empty() {
            self.views.reserve(ROWS_EXPECTED);
            self.valid.0.reserve(ROWS_EXPECTED / 8);
        }
        self.views.resize(row, 0);
        // A slab and a column's own texts are far smaller than 4 GiB.
        let place = match position(text, slab) {
            Some(at) => {
                self.views.push(make_view(text.as_bytes(), SLAB, at as u32));
                Place::Slab {
                    at,
                    len: text.len(),
                }
            }
            None => {
                let at = self.own.len();
                self.own.extend_from_slice(text.as_bytes());
                self.views.push(make_view(text.as_bytes(), OWN, at as u32));
                Place::Own {
                    at,
                    len: text.len(),
                }
            }
        };
        self.last = Some(place);
        self.valid.set(row);
    }

    /// The text appended last, if it stands in the slab.
    pub(super) fn last_in<'s>(&self, slab: &'s [u8]) -> Option<&'s str> {
        match self.last? {
            Place::Slab { at, len } => std::str::from_utf8(slab.get(at..at + len)?).ok(),
            Place::Own { .. } => None,
        }
    }

    /// The text appended last.
    pub(super) fn last<'a>(&'a self, slab: &'a [u8]) -> &'a str {
        let bytes = match self.last {
            Some(Place::Slab { at, len }) => slab.get(at..at + len),
            Some(Place::Own { at, len }) => self.own.get(at..at + len),
            None => None,
        };
        bytes
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    fn truncate(&mut self, rows: usize) {
        self.views.truncate(rows);
        self.valid.truncate(rows);
        self.last = None;
    }

    fn finish(mut self, rows: usize, slab: &Buffer) -> Result<StringViewArray, ArrowError> {
        self.views.resize(rows, 0);
        let buffers = vec![slab.clone(), Buffer::from(self.own)];
        StringViewArray::try_new(self.views.into(), buffers, self.valid.finish(rows))
    }
}

/// Where in `slab` the text stands; `None` if it is not a part of it.
fn position(text: &str, slab: &[u8]) -> Option<usize> {
    let at = text.as_ptr().addr().checked_sub(slab.as_ptr().addr())?;
    (at + text.len() <= slab.len()).then_some(at)
}

/// Texts one after the other, of a bag's entries.
#[derive(Debug)]
struct Parts {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    valid: Valid,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            bytes: Vec::new(),
            valid: Valid::default(),
        }
    }
}

impl Parts {
    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn append(&mut self, at: usize, text: &str) {
        if self.len() < at {
            self.offsets.resize(at + 1, self.end());
        }
        self.bytes.extend_from_slice(text.as_bytes());
        self.offsets.push(self.end());
        self.valid.set(at);
    }

    /// A slab is a few MiB, a record at most 64: far below what an offset holds.
    fn end(&self) -> i32 {
        self.bytes.len() as i32
    }

    fn truncate(&mut self, len: usize) {
        if self.len() > len {
            self.offsets.truncate(len + 1);
            self.bytes.truncate(self.offsets[len] as usize);
            self.valid.truncate(len);
        }
    }

    fn finish(mut self, len: usize) -> Result<StringArray, ArrowError> {
        self.offsets.resize(len + 1, self.end());
        StringArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(self.offsets)),
            Buffer::from(self.bytes),
            self.valid.finish(len),
        )
    }
}

#[derive(Debug, Default)]
pub(super) struct Numbers {
    values: Vec<i64>,
    valid: Valid,
}

impl Numbers {
    pub(super) fn append(&mut self, row: usize, value: i64) {
        self.values.resize(row, 0);
        self.values.push(value);
        self.valid.set(row);
    }

    /// The value of the last row.
    pub(super) fn last(&self) -> Option<i64> {
        self.values.last().copied()
    }

    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.valid.truncate(rows);
    }
}

/// Maps from a name to one text (a bag) or to several (old and new value).
#[derive(Debug)]
pub(super) struct Bags {
    offsets: Vec<i32>,
    valid: Valid,
    keys: Parts,
    values: Vec<Parts>,
}

impl Bags {
    fn new(values: usize) -> Self {
        Self {
            offsets: vec![0],
            valid: Valid::default(),
            keys: Parts::default(),
            values: (0..values).map(|_| Parts::default()).collect(),
        }
    }

    /// Adds an entry to the row that the next `append` closes.
    pub(super) fn entry(&mut self, key: &str, values: &[Option<&str>]) {
        let at = self.keys.len();
        self.keys.append(at, key);
        for (texts, value) in self.values.iter_mut().zip(values) {
            if let Some(value) = value {
                texts.append(at, value);
            }
        }
    }

    /// Takes back the entries that no row has closed yet.
    pub(super) fn discard_entries(&mut self) {
        let end = self.offsets[self.offsets.len() - 1] as usize;
        self.keys.truncate(end);
        self.values.iter_mut().for_each(|texts| texts.truncate(end));
    }

    pub(super) fn append(&mut self, row: usize) {
        let begin = self.offsets[self.offsets.len() - 1];
        self.offsets.resize(row + 1, begin);
        self.offsets.push(self.keys.len() as i32);
        self.valid.set(row);
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.valid.truncate(rows);
        self.discard_entries();
    }

    fn finish(mut self, rows: usize, data_type: &DataType) -> Result<MapArray, ArrowError> {
        let entries = self.keys.len();
        self.offsets.resize(rows + 1, entries as i32);
        let DataType::Map(entry, sorted) = data_type else {
            return Err(ArrowError::SchemaError(format!("{data_type} for a bag")));
        };
        let DataType::Struct(fields) = entry.data_type() else {
            return Err(ArrowError::SchemaError(format!("{data_type} for a bag")));
        };
        let value_type = fields[1].data_type().clone();
        let mut values: Vec<ArrayRef> = Vec::with_capacity(2);
        for texts in self.values {
            values.push(Arc::new(texts.finish(entries)?));
        }
        let values = match &value_type {
            DataType::Struct(inner) => struct_of(inner, values, entries)?,
            _ => values.swap_remove(0),
        };
        let keys: ArrayRef = Arc::new(self.keys.finish(entries)?);
        let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        MapArray::try_new(
            Arc::<Field>::clone(entry),
            offsets,
            entries,
            self.valid.finish(rows),
            *sorted,
        )
    }
}

fn struct_of(fields: &Fields, values: Vec<ArrayRef>, len: usize) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(StructArray::try_new_with_length(
        fields.clone(),
        values,
        None,
        len,
    )?))
}
