//! The values of a list, and whether a row's is one of them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewArray,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use hashbrown::HashSet;

/// Values up to which files are asked whether they have one.
const ASKED_MAX: usize = 1_000;

/// The different values of a list, none of which is null; they are not there until it is filled.
#[derive(Debug)]
pub(super) struct Members {
    /// Which list of the plan.
    number: usize,
    /// `None` for texts, whose bytes are taken as they are.
    converter: Option<RowConverter>,
    known: OnceLock<Known>,
}

#[derive(Debug)]
struct Known {
    values: HashSet<Box<[u8]>>,
    /// All of them, if they are few.
    few: Option<Vec<ScalarValue>>,
    _memory: MemoryReservation,
}

/// Bytes that are the same for equal values.
enum Same<'a> {
    Texts(&'a StringViewArray),
    Rows(Rows),
}

impl Same<'_> {
    fn value(&self, row: usize) -> &[u8] {
        match self {
            Self::Texts(texts) => texts.value(row).as_bytes(),
            Self::Rows(rows) => rows.row(row).data(),
        }
    }
}

/// A list on its way.
pub(super) struct Filling<'a> {
    members: &'a Members,
    values: HashSet<Box<[u8]>>,
    few: Vec<ScalarValue>,
    memory: MemoryReservation,
}

impl Members {
    pub(super) fn new(number: usize, of: DataType) -> Result<Self> {
        let converter = match of {
            DataType::Utf8View => None,
            of => Some(RowConverter::new(vec![SortField::new(of)])?),
        };
        Ok(Self {
            number,
            converter,
            known: OnceLock::new(),
        })
    }

    pub(super) fn filling(&self, memory: MemoryReservation) -> Filling<'_> {
        Filling {
            members: self,
            values: HashSet::new(),
            few: Vec::new(),
            memory,
        }
    }

    /// Which of some values are in the list; null is in none.
    fn have(&self, values: &ArrayRef) -> Result<BooleanBuffer> {
        let Some(known) = self.known.get() else {
            return internal_err!("a list that is not filled");
        };
        let same = self.same(values)?;
        let is_listed = |row| values.is_valid(row) && known.values.contains(same.value(row));
        Ok(BooleanBuffer::collect_bool(values.len(), is_listed))
    }

    fn same<'a>(&self, values: &'a ArrayRef) -> Result<Same<'a>> {
        Ok(match &self.converter {
            Some(converter) => Same::Rows(converter.convert_columns(&[Arc::clone(values)])?),
            None => match values.as_string_view_opt() {
                Some(texts) => Same::Texts(texts),
                None => return internal_err!("a list of texts and {}", values.data_type()),
            },
        })
    }
}

impl Filling<'_> {
    pub(super) fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let same = self.members.same(values)?;
        let mut bytes = 0;
        for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
            let value = same.value(row);
            if self.values.contains(value) {
                continue;
            }
            // Tables grow to twice their size.
            bytes += value.len() + 4 * size_of::<Box<[u8]>>();
            self.values.insert(value.into());
            if self.few.len() <= ASKED_MAX {
                self.few.push(ScalarValue::try_from_array(values, row)?);
            }
        }
        self.memory.try_grow(bytes)
    }

    pub(super) fn done(self) -> Result<()> {
        // A plan that runs again has the same list.
        self.members.known.get_or_init(|| Known {
            few: (self.few.len() <= ASKED_MAX).then_some(self.few),
            values: self.values,
            _memory: self.memory,
        });
        Ok(())
    }
}

/// `key IN list`, or `key NOT IN list`, which null is; neither is null.
#[derive(Debug)]
pub(crate) struct IsListed {
    key: Arc<dyn PhysicalExpr>,
    members: Arc<Members>,
    is_negated: bool,
}

impl IsListed {
    pub(super) fn new(key: Arc<dyn PhysicalExpr>, members: Arc<Members>, is_negated: bool) -> Self {
        Self {
            key,
            members,
            is_negated,
        }
    }

    pub(crate) fn key(&self) -> &Arc<dyn PhysicalExpr> {
        &self.key
    }

    /// What the key must be one of, if that is known by now, and few values.
    pub(crate) fn few(&self) -> Option<&[ScalarValue]> {
        let known = self.members.known.get()?;
        known.few.as_deref().filter(|_| !self.is_negated)
    }
}

impl PartialEq for IsListed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.members, &other.members)
            && self.key.eq(&other.key)
            && self.is_negated == other.is_negated
    }
}

impl Eq for IsListed {}

impl Hash for IsListed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.is_negated.hash(state);
        Arc::as_ptr(&self.members).hash(state);
    }
}

impl fmt::Display for IsListed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = if self.is_negated { "NOT IN" } else { "IN" };
        write!(f, "{} {operator} list {}", self.key, self.members.number)
    }
}

impl PhysicalExpr for IsListed {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.key.evaluate(batch)?.into_array(batch.num_rows())?;
        let listed = self.members.have(&values)?;
        let listed = if self.is_negated { !&listed } else { listed };
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(listed))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.key]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let Ok([key]) = <[_; 1]>::try_from(children) else {
            return internal_err!("one value is looked for in a list");
        };
        Ok(Arc::new(Self::new(
            key,
            Arc::clone(&self.members),
            self.is_negated,
        )))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
