//! What is known of the first rows of each key while they are read.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::{SortOptions, cast};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use hashbrown::HashMap;

/// Memory for keys; rows of keys beyond are let through.
const KEYS_BYTES_MAX: usize = 64 << 20;
/// Rows after which what nearly all rows pass is given up, and how many of them it must rule out: one in so many.
const ROWS_TRIED: u64 = 64 << 10;
const RULED_OUT_MIN: u64 = 8;

/// The ranks of the first rows of each key, of all rows that were seen: a row that so many of its key stand before is not
/// among them.
#[derive(Debug)]
pub(super) struct Known {
    converter: RowConverter,
    order: SortOptions,
    count: usize,
    ranks: RwLock<Ranks>,
}

#[derive(Debug, Default)]
struct Ranks {
    keys: HashMap<Vec<u8>, u32>,
    /// `count` ranks of each key, ascending; [`i64::MAX`] stands for rows that are not there yet.
    first: Vec<i64>,
    keys_bytes: usize,
    memory: Option<MemoryReservation>,
    is_full: bool,
    is_given_up: bool,
    seen: u64,
    ruled_out: u64,
}

/// Rows as what is known is asked of them.
struct Asked {
    keys: Rows,
    ranks: Vec<i64>,
}

impl Known {
    /// The first `count` rows of each key by a number.
    pub(super) fn new(keys: &[DataType], order: SortOptions, count: usize) -> Result<Self> {
        let fields = keys.iter().cloned().map(SortField::new).collect();
        Ok(Self {
            converter: RowConverter::new(fields)?,
            order,
            count,
            ranks: RwLock::default(),
        })
    }

    /// What is known counts for a query.
    pub(super) fn count_in(&self, memory: MemoryReservation) {
        self.write().memory.get_or_insert(memory);
    }

    /// Which of the rows may be among the first of their key, given all that were seen before.
    fn may_be_first(&self, keys: &[ArrayRef], numbers: &ArrayRef) -> Result<BooleanBuffer> {
        let rows = numbers.len();
        {
            let known = self.read();
            if known.is_given_up || known.keys.is_empty() {
                return Ok(BooleanBuffer::new_set(rows));
            }
        }
        let asked = self.asked(keys, numbers)?;
        let known = self.read();
        let passing =
            BooleanBuffer::collect_bool(rows, |row| known.passes(&asked, row, self.count));
        drop(known);
        self.write().ruled_out += (rows - passing.count_set_bits()) as u64;
        Ok(passing)
    }

    /// Learns of rows, and tells which of them may be among the first of their key.
    pub(super) fn see(&self, keys: &[ArrayRef], numbers: &ArrayRef) -> Result<BooleanBuffer> {
        let rows = numbers.len();
        if self.read().is_given_up {
            return Ok(BooleanBuffer::new_set(rows));
        }
        let asked = self.asked(keys, numbers)?;
        let mut known = self.write();
        for (row, rank) in asked.ranks.iter().enumerate() {
            known.learn(asked.keys.row(row).as_ref(), *rank, self.count);
        }
        let passing =
            BooleanBuffer::collect_bool(rows, |row| known.passes(&asked, row, self.count));
        known.seen += passing.count_set_bits() as u64;
        known.ruled_out += (rows - passing.count_set_bits()) as u64;
        known.give_up_if_in_vain();
        Ok(passing)
    }

    fn asked(&self, keys: &[ArrayRef], numbers: &ArrayRef) -> Result<Asked> {
        let numbers = cast(numbers, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        // A number that no other is before has the rank of a null, or the other way about: then both are let through.
        let null = match self.order.nulls_first {
            true => i64::MIN,
            false => i64::MAX,
        };
        let rank = |number: i64| match self.order.descending {
            true => !number,
            false => number,
        };
        Ok(Asked {
            keys: self.converter.convert_columns(keys)?,
            ranks: numbers.iter().map(|n| n.map_or(null, rank)).collect(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Ranks> {
        self.ranks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ranks> {
        self.ranks.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks {
    fn passes(&self, asked: &Asked, row: usize, count: usize) -> bool {
        let key = self.keys.get(asked.keys.row(row).as_ref());
        key.is_none_or(|key| asked.ranks[row] <= self.first[(*key as usize + 1) * count - 1])
    }

    fn learn(&mut self, key: &[u8], rank: i64, count: usize) {
        let of_key = match self.keys.get(key) {
            Some(of_key) => *of_key as usize,
            None if self.is_full => return,
            None => match self.add(key, count) {
                Some(of_key) => of_key,
                None => return,
            },
        };
        let first = &mut self.first[of_key * count..][..count];
        let at = first.partition_point(|other| *other <= rank);
        if at < count {
            first[at..].rotate_right(1);
            first[at] = rank;
        }
    }

    /// A key that no row had yet; `None` if there is no room for it.
    fn add(&mut self, key: &[u8], count: usize) -> Option<usize> {
        let of_key = self.keys.len();
        // Tables grow to twice their size.
        let bytes = key.len() + 2 * size_of::<(Vec<u8>, u32)>() + 2 * count * size_of::<i64>();
        let has_room = self.keys_bytes + bytes <= KEYS_BYTES_MAX
            && (self.memory.as_ref()).is_none_or(|memory| memory.try_grow(bytes).is_ok());
        if !has_room {
            self.is_full = true;
            return None;
        }
        self.keys_bytes += bytes;
        self.keys.insert(key.to_vec(), of_key as u32);
        self.first.resize(self.first.len() + count, i64::MAX);
        Some(of_key)
    }

    /// Where nearly each row has a key of its own nothing is gained.
    fn give_up_if_in_vain(&mut self) {
        let rows = self.seen + self.ruled_out;
        if rows >= ROWS_TRIED && self.ruled_out < rows / RULED_OUT_MIN {
            *self = Self {
                is_given_up: true,
                ..Self::default()
            };
        }
    }
}

/// Whether a row may be among the first of its key, by what is known when it is asked: what it once rules out it rules out
/// for ever.
#[derive(Debug)]
pub(crate) struct MayBeFirst {
    /// The keys, and behind them the number.
    values: Vec<Arc<dyn PhysicalExpr>>,
    known: Arc<Known>,
}

impl MayBeFirst {
    pub(super) fn new(
        keys: &[Arc<dyn PhysicalExpr>],
        number: &Arc<dyn PhysicalExpr>,
        known: &Arc<Known>,
    ) -> Self {
        Self {
            values: keys.iter().chain([number]).cloned().collect(),
            known: Arc::clone(known),
        }
    }
}

impl PartialEq for MayBeFirst {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.known, &other.known) && self.values == other.values
    }
}

impl Eq for MayBeFirst {}

impl Hash for MayBeFirst {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
        Arc::as_ptr(&self.known).hash(state);
    }
}

impl fmt::Display for MayBeFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "may_be_first(")?;
        for (at, value) in self.values.iter().enumerate() {
            write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
        }
        write!(f, ")")
    }
}

impl PhysicalExpr for MayBeFirst {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.values.iter();
        let values = values.map(|value| value.evaluate(batch)?.into_array(batch.num_rows()));
        let mut values = values.collect::<Result<Vec<_>>>()?;
        let Some(number) = values.pop() else {
            return internal_err!("rows are ordered by a number");
        };
        let passing = self.known.may_be_first(&values, &number)?;
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(passing))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.values.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        values: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self {
            values,
            known: Arc::clone(&self.known),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
