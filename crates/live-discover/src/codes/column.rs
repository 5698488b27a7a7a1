//! One column of one row group, decoded: texts as numbers of a dictionary, as they lie in the file, and what is wanted of its rows.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, StringViewBuilder, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int32Type};
use datafusion::common::{DataFusionError, Result};
use parquet::basic::{Encoding, PageType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::offset_index::PageLocation;

use super::coded::Coded;
use super::packed::Packed;
use super::pages::{self, Part};

/// The values of a column in one row group.
#[derive(Debug, Clone)]
pub(super) enum Chunk {
    Coded(Arc<Coded>),
    Packed(Arc<Packed>),
    Plain(ArrayRef),
}

impl Chunk {
    /// A column that the file doesn't have.
    pub(super) fn nulls(data_type: &DataType, rows: usize) -> Self {
        match data_type {
            DataType::Utf8View => Self::Coded(Arc::new(Coded::nulls(rows))),
            _ => Self::Plain(new_null_array(data_type, rows)),
        }
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Coded(coded) => coded.size(),
            Self::Packed(packed) => packed.size(),
            Self::Plain(values) => values.get_array_memory_size(),
        }
    }

    /// The values of these rows.
    pub(super) fn values(&self, rows: &Selection) -> Result<ArrayRef> {
        Ok(match (self, rows) {
            (Self::Plain(values), Selection::Range(range)) => {
                values.slice(range.start, range.len())
            }
            (Self::Plain(values), Selection::Rows(rows)) => {
                take(values, &UInt32Array::from(rows.clone()), None)?
            }
            (Self::Packed(packed), rows) => packed.values(rows)?,
            (Self::Coded(coded), rows) => coded.values(rows)?,
        })
    }
}

/// Rows of a row group.
#[derive(Debug, Clone)]
pub(super) enum Selection {
    Range(Range<usize>),
    Rows(Vec<u32>),
}

impl Selection {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// Each of them.
    pub(super) fn numbers(&self) -> Cow<'_, [u32]> {
        match self {
            Self::Range(range) => (range.start as u32..range.end as u32).collect(),
            Self::Rows(rows) => Cow::Borrowed(rows),
        }
    }

    /// The first of them, so many, and the others.
    pub(super) fn split(self, count: usize) -> (Self, Self) {
        match self {
            Self::Range(Range { start, end }) => {
                let middle = end.min(start + count);
                (Self::Range(start..middle), Self::Range(middle..end))
            }
            Self::Rows(mut rows) => {
                let others = rows.split_off(rows.len().min(count));
                (Self::Rows(rows), Self::Rows(others))
            }
        }
    }

    /// So many of them at a time.
    pub(super) fn by(self, count: usize) -> impl Iterator<Item = Self> {
        let mut left = Some(self);
        std::iter::from_fn(move || {
            let (some, others) = left.take()?.split(count);
            left = Some(others);
            (some.count() > 0).then_some(some)
        })
    }

    pub(super) fn each(&self, mut tell: impl FnMut(u32)) {
        match self {
            Self::Range(range) => (range.start as u32..range.end as u32).for_each(tell),
            Self::Rows(rows) => rows.iter().for_each(|row| tell(*row)),
        }
    }

    /// Those of them that pass, asked in order.
    pub(super) fn filter(self, mut passes: impl FnMut(u32) -> bool) -> Self {
        // Bits are gathered without a branch on each, which would be foretold wrongly as often as not.
        let passing = match &self {
            Self::Range(range) => {
                let start = range.start;
                BooleanBuffer::collect_bool(range.len(), |at| passes((start + at) as u32))
            }
            Self::Rows(rows) => BooleanBuffer::collect_bool(rows.len(), |at| passes(rows[at])),
        };
        self.of_bits(&passing)
    }

    /// Those of them whose bit is set: the first bit is of the first row.
    pub(super) fn of_bits(self, bits: &BooleanBuffer) -> Self {
        let count = bits.count_set_bits();
        if count == self.count() {
            return self;
        }
        let mut passing = Vec::with_capacity(count);
        match self {
            Self::Range(range) => {
                passing.extend(bits.set_indices().map(|at| (range.start + at) as u32));
            }
            Self::Rows(rows) => passing.extend(bits.set_indices().map(|at| rows[at])),
        }
        Self::Rows(passing)
    }
}

/// A column of a row group as it lies in its file.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) metadata: &'a Arc<ParquetMetaData>,
    pub(super) group: usize,
    /// Which of the file's columns: one, or those of keys and values.
    pub(super) leaves: Range<usize>,
}

impl Place<'_> {
    pub(super) fn chunk(&self, leaf: usize) -> &ColumnChunkMetaData {
        self.metadata.row_group(self.group).column(leaf)
    }

    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.group).num_rows()).unwrap_or(0)
    }

    /// How many bytes it has decoded, by what the footer says.
    pub(super) fn decoded_bytes(&self) -> u64 {
        let chunks = self.leaves.clone().map(|leaf| self.chunk(leaf));
        chunks
            .map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or(0))
            .sum()
    }

    /// About how many of these so many rows have.
    pub(super) fn bytes_of(&self, rows: usize) -> u64 {
        self.decoded_bytes() / self.rows().max(1) as u64 * rows as u64
    }

    /// About how many a page has.
    pub(super) fn page_bytes(&self) -> u64 {
        self.decoded_bytes() / self.pages().map_or(1, <[_]>::len).max(1) as u64
    }

    /// Where its bytes are.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.leaves.clone().map(|leaf| {
            let (start, len) = self.chunk(leaf).byte_range();
            start..start + len
        })
    }

    /// Where the pages of its first leaf are, if the file says so.
    pub(super) fn pages(&self) -> Option<&[PageLocation]> {
        let index = self.metadata.offset_index()?;
        let index = index.get(self.group)?.get(self.leaves.start)?;
        Some(index.page_locations())
    }

    /// Whether all of its pages are of places in a dictionary.
    pub(super) fn is_coded(&self) -> bool {
        let chunk = self.chunk(self.leaves.start);
        let is_place = |encoding| {
            matches!(
                encoding,
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY
            )
        };
        let is_data =
            |page: &PageType| matches!(page, PageType::DATA_PAGE | PageType::DATA_PAGE_V2);
        chunk.dictionary_page_offset().is_some()
            && match (
                chunk.page_encoding_stats_mask(),
                chunk.page_encoding_stats(),
            ) {
                (Some(pages), _) => pages.encodings().all(is_place),
                (None, Some(pages)) => (pages.iter())
                    .filter(|page| is_data(&page.page_type))
                    .all(|page| is_place(page.encoding)),
                (None, None) => false,
            }
    }

    /// Decodes its bytes to values of the type of `field`, which is the table's.
    ///
    /// # Errors
    ///
    /// Bytes that are not what the file's footer says.
    pub(super) fn decode(&self, bytes: &[Bytes], field: &Field) -> Result<Chunk> {
        let is_coded = field.data_type() == &DataType::Utf8View && self.is_coded();
        let hint = match is_coded {
            true => coded_type(),
            false => field.data_type().clone(),
        };
        let values = self.array(bytes, Field::new(field.name(), hint, true))?;
        if let Some(texts) = values.as_dictionary_opt::<Int32Type>() {
            return coded(texts.values(), codes_of(texts.keys()));
        }
        let values = cast(&values, field.data_type())?;
        Ok(match Packed::of(&values)? {
            Some(packed) => Chunk::Packed(Arc::new(packed)),
            None => Chunk::Plain(values),
        })
    }

    /// What `key` has in each bag of a column of bags.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub(super) fn decode_bag(&self, bytes: &[Bytes], field: &Field, key: &str) -> Result<Chunk> {
        let (DataType::Map(entries, is_sorted), 2) = (field.data_type(), self.leaves.len()) else {
            return Err(corrupt("a column that is not of bags"));
        };
        let names = match entries.data_type() {
            DataType::Struct(fields) => fields.iter().map(|field| field.name()),
            _ => return Err(corrupt("a column that is not of bags")),
        };
        let texts: Fields = names
            .map(|name| Field::new(name, coded_type(), true))
            .collect();
        let entries = Field::new(entries.name(), DataType::Struct(texts), false);
        let hint = DataType::Map(Arc::new(entries), *is_sorted);
        let bags = self.array(bytes, Field::new(field.name(), hint, true))?;
        let bags = bags.as_map_opt();
        let texts = bags.and_then(|bags| {
            let keys = bags.keys().as_dictionary_opt::<Int32Type>()?;
            Some((bags, keys, bags.values().as_dictionary_opt::<Int32Type>()?))
        });
        let Some((bags, keys, values)) = texts else {
            return Err(corrupt("bags that are not of texts"));
        };
        let is_key: Vec<bool> = (keys.values().as_string::<i32>().iter())
            .map(|text| text == Some(key))
            .collect();
        let is_key = |at: &usize| {
            let code = keys.key(*at);
            code.is_some_and(|code| is_key.get(code) == Some(&true))
        };
        let codes = codes_of(values.keys());
        // A key that is there twice has its first value, as in DataFusion.
        let of_rows = bags.offsets().windows(2).map(|entries| match entries {
            [start, end] => {
                let found = (*start as usize..*end as usize).find(is_key);
                found.map_or(0, |at| codes[at])
            }
            _ => 0,
        });
        let of_rows: Vec<u32> = match bags.nulls() {
            None => of_rows.collect(),
            Some(nulls) => (of_rows.zip(nulls))
                .map(|(code, is_valid)| if is_valid { code } else { 0 })
                .collect(),
        };
        coded(values.values(), of_rows)
    }

    /// All of its values.
    fn array(&self, bytes: &[Bytes], hint: Field) -> Result<ArrayRef> {
        let parts = self.ranges().zip(bytes);
        let parts = parts.map(|(range, bytes)| Part::whole(range.start, bytes.clone()));
        let rows = self.rows();
        let mut batches = pages::read(self, parts.collect(), hint, None, rows)?;
        match batches.next().transpose()? {
            Some(batch) if batch.num_rows() == rows => Ok(Arc::clone(batch.column(0))),
            _ => Err(corrupt("a column with fewer rows than its row group")),
        }
    }
}

fn coded_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Bytes of texts that lie together at most.
const TEXT_BYTES_MAX: u32 = 64 << 10;

/// The texts of a dictionary that have a code among these, which count from 1.
fn coded(texts: &ArrayRef, mut codes: Vec<u32>) -> Result<Chunk> {
    let texts = texts.as_string::<i32>();
    if codes.iter().any(|code| *code as usize > texts.len()) {
        return Err(corrupt("a place outside of a dictionary"));
    }
    // No more than they take: small files have few, and a builder begins with 8 KiB.
    let bytes = u32::try_from(texts.value_data().len()).unwrap_or(TEXT_BYTES_MAX);
    let mut used = StringViewBuilder::with_capacity(texts.len() + 1)
        .with_fixed_block_size(bytes.clamp(1, TEXT_BYTES_MAX));
    used.append_null();
    let mut numbers = vec![0; texts.len() + 1];
    let mut count = 0;
    for code in &mut codes {
        if *code > 0 {
            let number = &mut numbers[*code as usize];
            if *number == 0 {
                count += 1;
                *number = count;
                used.append_value(texts.value(*code as usize - 1));
            }
            *code = *number;
        }
    }
    Ok(Chunk::Coded(Arc::new(Coded::new(codes, used.finish()))))
}

/// The codes of places in a dictionary; 0 is null.
fn codes_of(keys: &Int32Array) -> Vec<u32> {
    // A place counts from 0 and is never negative.
    let code = |place: &i32| place.unsigned_abs() + 1;
    match keys.nulls() {
        None => keys.values().iter().map(code).collect(),
        Some(nulls) => (keys.values().iter().zip(nulls))
            .map(|(place, is_valid)| if is_valid { code(place) } else { 0 })
            .collect(),
    }
}

pub(super) fn corrupt(message: &str) -> DataFusionError {
    ParquetError::General(message.to_owned()).into()
}
