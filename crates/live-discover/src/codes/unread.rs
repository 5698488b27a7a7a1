//! What is to be fetched of a row group's columns, and how it is decoded: whole, in blocks that are kept, or some rows alone.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::Result;
use parquet::file::metadata::ParquetMetaData;

use super::column::{Chunk, Place, Selection};
use super::exact::Exact;
use super::hot::HotColumns;
use super::kept_pages::KeptPages;
use super::page_rows::{is_little, pages_of};
use super::paged::Paged;
use super::rows::{Rows, Source};
use crate::memory::{Key, Part as Kept};

/// Bytes of values of rows that a step may yet keep, or take from what is kept. One that reads more than there is room for
/// would take the place of all that is kept, and of its own, before it is asked again.
pub(super) struct Share(AtomicUsize);

impl Share {
    pub(super) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    pub(super) fn take(&self, bytes: usize) {
        let left = |left: usize| Some(left.saturating_sub(bytes));
        let _ = (self.0).fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }
}

/// Rows of a row group, of which not all may be fetched.
pub(super) struct Unread {
    pub(super) count: usize,
    pub(super) columns: Vec<UnreadColumn>,
}

pub(super) enum UnreadColumn {
    Here(Source),
    Whole(Encoded),
    /// All of it, of which some rows are wanted.
    OfWhole(Encoded, Selection),
    /// Some rows, and the blocks around them.
    Pages(Encoded, Paged),
    /// Some rows alone.
    Exact(Encoded, Exact),
}

impl Unread {
    /// The same `rows` without the blocks around them; and without whole columns, unless these are kept.
    pub(super) fn alone(self, rows: &Selection, keeps_columns: bool) -> Self {
        let columns = self.columns.into_iter().map(|column| match column {
            UnreadColumn::Pages(encoded, _) => encoded.alone(rows),
            UnreadColumn::OfWhole(encoded, _) if !keeps_columns && encoded.bag_key.is_none() => {
                encoded.alone(rows)
            }
            column => column,
        });
        Self {
            count: self.count,
            columns: columns.collect(),
        }
    }

    /// About how many bytes are decoded for it.
    pub(super) fn decoded_bytes(&self) -> u64 {
        let columns = self.columns.iter();
        let bytes = columns.map(|column| match column {
            UnreadColumn::Here(_) => 0,
            UnreadColumn::Whole(encoded) | UnreadColumn::OfWhole(encoded, _) => {
                encoded.place().decoded_bytes()
            }
            UnreadColumn::Pages(encoded, paged) => paged.decoded_bytes(&encoded.place()),
            UnreadColumn::Exact(encoded, exact) => exact.decoded_bytes(&encoded.place()),
        });
        bytes.sum()
    }

    /// What is to be fetched for it.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.columns.iter().flat_map(UnreadColumn::ranges)
    }

    /// How many bytes these are.
    pub(super) fn fetched_bytes(&self) -> u64 {
        self.ranges().map(|range| range.end - range.start).sum()
    }

    /// The rows, with the next of what was fetched.
    pub(super) fn rows(self, fetched: &mut impl Iterator<Item = Bytes>) -> Rows {
        let columns = self.columns.into_iter();
        let columns = columns.map(|column| column.with(fetched));
        Rows::new(self.count, columns.collect())
    }

    /// The same, to be looked at once, in their order.
    ///
    /// # Errors
    ///
    /// Bytes that are not what the file's footer says.
    pub(super) fn rows_in_parts(self, fetched: &mut impl Iterator<Item = Bytes>) -> Result<Rows> {
        let columns = self.columns.into_iter().map(|column| match column {
            UnreadColumn::Exact(encoded, exact) => {
                let bytes: Vec<Bytes> = fetched.take(exact.ranges().count()).collect();
                let values = exact.values(&encoded.place(), &encoded.field, &bytes)?;
                Ok(Source::InParts(values))
            }
            column => Ok(column.with(fetched)),
        });
        Ok(Rows::new(self.count, columns.collect::<Result<_>>()?))
    }
}

impl UnreadColumn {
    fn ranges(&self) -> Vec<Range<u64>> {
        match self {
            Self::Here(_) => Vec::new(),
            Self::Whole(encoded) | Self::OfWhole(encoded, _) => encoded.place().ranges().collect(),
            Self::Pages(_, paged) => paged.ranges().collect(),
            Self::Exact(_, exact) => exact.ranges().collect(),
        }
    }

    /// The column with its bytes, which are the next ones that were fetched.
    fn with(self, fetched: &mut impl Iterator<Item = Bytes>) -> Source {
        let decode: Box<dyn Fn() -> Result<Chunk> + Send> = match self {
            Self::Here(source) => return source,
            Self::Whole(encoded) => {
                let bytes: Vec<Bytes> = fetched.take(encoded.leaves.len()).collect();
                Box::new(move || encoded.decode(&bytes))
            }
            Self::OfWhole(encoded, rows) => {
                let bytes: Vec<Bytes> = fetched.take(encoded.leaves.len()).collect();
                Box::new(move || Ok(Chunk::Plain(encoded.decode(&bytes)?.values(&rows)?)))
            }
            Self::Pages(encoded, paged) => {
                let bytes: Vec<Bytes> = fetched.take(paged.ranges().count()).collect();
                Box::new(move || encoded.decode_pages(&paged, &bytes))
            }
            Self::Exact(encoded, exact) => {
                let bytes: Vec<Bytes> = fetched.take(exact.ranges().count()).collect();
                Box::new(move || {
                    let mut values = exact.values(&encoded.place(), &encoded.field, &bytes)?;
                    Ok(Chunk::Plain(values.next(exact.count())?))
                })
            }
        };
        Source::Encoded(decode)
    }
}

/// A column of a row group that is to be decoded.
pub(super) struct Encoded {
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) group: usize,
    pub(super) leaves: Range<usize>,
    pub(super) field: FieldRef,
    pub(super) bag_key: Option<Arc<str>>,
    pub(super) is_small: bool,
    /// `None` where nothing is kept of it.
    pub(super) hot: Option<Arc<HotColumns>>,
    /// What is kept counts there.
    pub(super) share: Option<Arc<Share>>,
    pub(super) key: Key,
}

impl Encoded {
    fn place(&self) -> Place<'_> {
        Place {
            metadata: &self.metadata,
            group: self.group,
            leaves: self.leaves.clone(),
        }
    }

    /// How some of its rows are read.
    ///
    /// # Errors
    ///
    /// An index of pages that contradicts itself.
    pub(super) fn some(mut self, rows: &Selection, share: &Arc<Share>) -> Result<UnreadColumn> {
        match share.is_left() {
            true => self.share = Some(Arc::clone(share)),
            false => self.hot = None,
        }
        let place = self.place();
        let numbers = rows.numbers();
        let pages = pages_of(&place, &numbers)?;
        if self.hot.is_some() && is_little(&place, &pages) {
            let kept = self.kept_pages();
            share.take(kept.bytes());
            let paged = Paged::of(&place, numbers.into_owned(), &pages, kept);
            let percent = self.of_whole(paged.percent(&place));
            return Ok(match self.pays_whole(percent) {
                true => UnreadColumn::OfWhole(self, rows.clone()),
                false => UnreadColumn::Pages(self, paged),
            });
        }
        let exact = Exact::of(&place, rows);
        Ok(match self.pays_whole(exact.percent(&place)) {
            true => UnreadColumn::OfWhole(self, rows.clone()),
            false => UnreadColumn::Exact(self, exact),
        })
    }

    /// Some of its rows alone.
    fn alone(self, rows: &Selection) -> UnreadColumn {
        let exact = Exact::of(&self.place(), rows);
        UnreadColumn::Exact(self, exact)
    }

    /// Whether all of the column is worth being decoded, and kept, where so many hundredths of the work for that are to be
    /// done: when as much has been done by pages.
    fn pays_whole(&self, percent: usize) -> bool {
        let is_kept = || {
            let is_number = self.field.data_type().is_primitive();
            self.is_small && (is_number || self.place().is_coded())
        };
        let is_read_often = |hot: &Arc<HotColumns>| {
            // Of blocks that are kept nothing is read.
            percent > 0 && is_kept() && hot.is_read_often(&self.key, percent)
        };
        self.bag_key.is_some() || self.hot.as_ref().is_some_and(is_read_often)
    }

    /// How many hundredths of the work for all of the column it is to unpack so many hundredths of its bytes for few rows.
    fn of_whole(&self, percent: usize) -> usize {
        /// What is done with each row takes as long as to unpack so many bytes.
        const ROW_BYTES: u64 = 6;
        let place = self.place();
        // A footer may say anything.
        let bytes = place.decoded_bytes();
        let all = bytes.saturating_add(ROW_BYTES.saturating_mul(place.rows() as u64));
        let of_whole = bytes.saturating_mul(percent as u64) / all.max(1);
        usize::try_from(of_whole)
            .map_or(percent, |of_whole| of_whole.clamp(percent.min(1), percent))
    }

    fn decode(&self, bytes: &[Bytes]) -> Result<Chunk> {
        let chunk = match &self.bag_key {
            Some(key) => self.place().decode_bag(bytes, &self.field, key)?,
            None => self.place().decode(bytes, &self.field)?,
        };
        self.take_share(chunk.size());
        Ok(match &self.hot {
            Some(hot) => hot.put(&self.key, chunk),
            None => chunk,
        })
    }

    /// The values of some rows.
    fn decode_pages(&self, paged: &Paged, bytes: &[Bytes]) -> Result<Chunk> {
        let (values, added) = paged.values(&self.place(), &self.field, bytes)?;
        if let (Some(hot), 1..) = (&self.hot, added) {
            self.take_share(added);
            hot.put_pages(self.pages_key(), Arc::clone(paged.kept()));
        }
        Ok(values)
    }

    fn take_share(&self, bytes: usize) {
        if let Some(share) = &self.share {
            share.take(bytes);
        }
    }

    fn kept_pages(&self) -> Arc<KeptPages> {
        let hot = self.hot.as_ref();
        hot.map_or_else(Arc::default, |hot| hot.pages(&self.pages_key()))
    }

    fn pages_key(&self) -> Key {
        Key {
            path: self.key.path.clone(),
            part: Kept::Pages {
                group: self.group,
                name: self.field.name().as_str().into(),
            },
        }
    }
}
