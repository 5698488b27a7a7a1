//! The different values of a key of groups, numbered.

use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, StringViewArray, StringViewBuilder,
};
use datafusion::arrow::compute::{can_cast_types, cast};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::coded::Coded;
use super::texts;

/// The values of one key, numbered in the order of their coming. Null is a value too.
pub(super) struct Key {
    data_type: DataType,
    values: Values,
    null: Option<u32>,
    /// For texts that row groups share, the number that the key has where a row has the text, by the number there.
    of_shared: Vec<(Arc<texts::Texts>, Vec<Option<u32>>)>,
}

enum Values {
    Texts(Texts),
    Numbers(Numbers),
}

/// Values of a batch, to be numbered by their key.
pub(super) enum Incoming {
    Texts(StringViewArray),
    Numbers(Int64Array),
}

impl Key {
    /// `None` if values of the type can't be keys here: only texts are, and what whole numbers stand for.
    pub(super) fn new(data_type: &DataType) -> Option<Self> {
        let values = match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Values::Texts(Texts::default())
            }
            // Half of its values are no `i64`.
            DataType::UInt64 => return None,
            whole
                if (whole.is_integer() || whole.is_temporal() || whole == &DataType::Boolean)
                    && whole.primitive_width().is_none_or(|width| width <= 8)
                    && can_cast_types(whole, &DataType::Int64)
                    && can_cast_types(&DataType::Int64, whole) =>
            {
                Values::Numbers(Numbers::default())
            }
            _ => return None,
        };
        Some(Self {
            data_type: data_type.clone(),
            values,
            null: None,
            of_shared: Vec::new(),
        })
    }

    /// What is known of each text of a column, which this key is made of.
    pub(super) fn known(&self, coded: &Coded) -> Vec<Option<u32>> {
        let known = coded.shared().and_then(|(texts, numbers)| {
            let mut of_shared = self.of_shared.iter();
            let (_, known) = of_shared.find(|(of, _)| Arc::ptr_eq(of, texts))?;
            let number = |text: &u32| known.get(*text as usize).copied().flatten();
            Some(numbers.iter().map(number).collect())
        });
        known.unwrap_or_else(|| vec![None; coded.different()])
    }

    /// Takes note of the number for a text, for the next row group.
    pub(super) fn remember(&mut self, coded: &Coded, code: usize, number: u32) {
        let Some((texts, numbers)) = coded.shared() else {
            return;
        };
        let mut of_shared = self.of_shared.iter();
        let at = of_shared.position(|(of, _)| Arc::ptr_eq(of, texts));
        let at = at.unwrap_or_else(|| {
            self.of_shared.push((Arc::clone(texts), Vec::new()));
            self.of_shared.len() - 1
        });
        let (_, known) = &mut self.of_shared[at];
        let text = numbers[code] as usize;
        if known.len() <= text {
            known.resize(text + 1, None);
        }
        known[text] = Some(number);
    }

    pub(super) fn incoming(&self, values: &ArrayRef) -> Result<Incoming> {
        Ok(match self.values {
            Values::Texts(_) => {
                let texts = cast(values, &DataType::Utf8View)?;
                Incoming::Texts(texts.as_string_view().clone())
            }
            Values::Numbers(_) => {
                let numbers = cast(values, &DataType::Int64)?;
                Incoming::Numbers(numbers.as_primitive::<Int64Type>().clone())
            }
        })
    }

    /// The number of the value `at`.
    pub(super) fn number(&mut self, incoming: &Incoming, at: usize) -> u32 {
        match (&mut self.values, incoming) {
            (Values::Texts(known), Incoming::Texts(texts)) if texts.is_valid(at) => {
                known.number(texts.value(at))
            }
            (Values::Numbers(known), Incoming::Numbers(numbers)) if numbers.is_valid(at) => {
                known.number(numbers.value(at))
            }
            (known, _) => *self.null.get_or_insert_with(|| match known {
                Values::Texts(known) => known.push(""),
                Values::Numbers(known) => known.push(0),
            }),
        }
    }

    /// The values that have these numbers.
    pub(super) fn array(&self, numbers: &[u32]) -> Result<ArrayRef> {
        let present = |number: &u32| Some(*number) != self.null;
        let values: ArrayRef = match &self.values {
            Values::Texts(known) => {
                let mut builder = StringViewBuilder::with_capacity(numbers.len());
                for number in numbers {
                    builder.append_option(present(number).then(|| known.text(*number)));
                }
                Arc::new(builder.finish())
            }
            Values::Numbers(known) => Arc::new(
                (numbers.iter())
                    .map(|number| present(number).then(|| known.values[*number as usize]))
                    .collect::<Int64Array>(),
            ),
        };
        Ok(cast(&values, &self.data_type)?)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match &self.values {
            Values::Texts(known) => known.ends.len(),
            Values::Numbers(known) => known.values.len(),
        }
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        let of_shared = self.of_shared.iter();
        let of_shared = of_shared.map(|(_, known)| known.capacity() * size_of::<Option<u32>>());
        let values = match &self.values {
            Values::Texts(known) => {
                known.bytes.capacity()
                    + known.ends.capacity() * size_of::<usize>()
                    + known.known.allocation_size()
            }
            Values::Numbers(known) => {
                known.values.capacity() * size_of::<i64>()
                    + known.low.capacity() * size_of::<u32>()
                    + known.known.allocation_size()
            }
        };
        values + of_shared.sum::<usize>()
    }
}

#[derive(Default)]
struct Texts {
    /// One behind the other.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    known: HashTable<Known>,
    hasher: DefaultHashBuilder,
}

/// The number of a text. Another one is hardly ever looked at: no cache of a processor has it.
struct Known {
    hash: u32,
    number: u32,
}

impl Known {
    /// As tables want it, which take the first bits and the last ones.
    fn hash(&self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        let mut new = Known {
            hash: self.hasher.hash_one(text.as_bytes()) as u32,
            number: 0,
        };
        let is_it = |known: &Known| {
            known.hash == new.hash
                && &self.bytes[range(&self.ends, known.number)] == text.as_bytes()
        };
        if let Some(known) = self.known.find(new.hash(), is_it) {
            return known.number;
        }
        let number = self.push(text);
        new.number = number;
        self.known.insert_unique(new.hash(), new, Known::hash);
        number
    }

    fn push(&mut self, text: &str) -> u32 {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
        self.ends.len() as u32 - 1
    }

    fn text(&self, number: u32) -> &str {
        // It was a text when it came.
        std::str::from_utf8(&self.bytes[range(&self.ends, number)]).unwrap_or_default()
    }
}

fn range(ends: &[usize], number: u32) -> Range<usize> {
    let number = number as usize;
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    start..ends[number]
}

/// Days of this century are below.
const LOW_MAX: usize = 1 << 16;

#[derive(Default)]
struct Numbers {
    values: Vec<i64>,
    /// Of values that are few and low, such as codes, hours and days: the places behind their numbers, by the values.
    low: Vec<Option<NonZeroU32>>,
    known: HashMap<i64, u32>,
    /// What came last: in rows in the order of time, hours and days come again and again.
    last: Option<(i64, u32)>,
}

impl Numbers {
    fn number(&mut self, value: i64) -> u32 {
        if let Some((last, number)) = self.last
            && last == value
        {
            return number;
        }
        let number = match usize::try_from(value) {
            Ok(low) if low < LOW_MAX => self.number_of_low(low),
            _ => {
                let values = &mut self.values;
                *self.known.entry(value).or_insert_with(|| {
                    values.push(value);
                    values.len() as u32 - 1
                })
            }
        };
        self.last = Some((value, number));
        number
    }

    fn number_of_low(&mut self, value: usize) -> u32 {
        if let Some(Some(behind)) = self.low.get(value) {
            return behind.get() - 1;
        }
        if self.low.len() <= value {
            self.low.resize(value + 1, None);
        }
        let number = self.push(value as i64);
        self.low[value] = NonZeroU32::new(number + 1);
        number
    }

    fn push(&mut self, value: i64) -> u32 {
        self.values.push(value);
        self.values.len() as u32 - 1
    }
}
