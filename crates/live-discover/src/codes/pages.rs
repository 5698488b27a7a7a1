//! Reading a column of a row group alone, as if its file had no other: what is made to read a file costs by its columns.
//! Of some rows the pages only that they are in are there.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::arrow::datatypes::{Field, Fields};
use datafusion::common::Result;
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, RowGroups, RowSelection, RowSelector,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::{SchemaDescriptor, Type};

use super::column::{Place, corrupt};
use super::unpack::Unpacking;

/// The reader of Parquet files goes over rows between selected ones, also of pages that are not there, where a run of
/// rows that are selected or not has fewer rows than half of this in the mean.
const RUN_ROWS_MIN: usize = 64;

/// The rows of a selection in a row group of so many.
pub(super) fn selected_rows(selection: &RowSelection, all: usize) -> Vec<u32> {
    let mut rows = Vec::with_capacity(selection.row_count().min(all));
    let mut at = 0_usize;
    for RowSelector { row_count, skip } in selection.iter() {
        let end = at.saturating_add(*row_count).min(all);
        if !skip {
            rows.extend((at..end).map(|row| row as u32));
        }
        at = end;
    }
    rows
}

/// Where the bytes are that reading some rows of a column takes.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Of each leaf; by its pages, the dictionary first, or all in one.
    leaves: Vec<LeafRanges>,
}

#[derive(Debug)]
struct LeafRanges {
    ranges: Vec<Range<u64>>,
    /// Of all pages, if not all are read.
    pages: Option<Vec<PageLocation>>,
}

impl Wanted {
    pub(super) fn of(place: &Place<'_>, rows: &RowSelection) -> Self {
        let lies_together = || {
            let (runs, all) = (rows.iter()).fold((0, 0), |(runs, all), selector| {
                (runs + 1, all + selector.row_count)
            });
            all >= RUN_ROWS_MIN * runs
        };
        let rows = Some(rows).filter(|_| lies_together());
        let leaves = place.leaves.clone().map(|leaf| {
            let (start, len) = place.chunk(leaf).byte_range();
            let index = place.metadata.offset_index();
            let index = index.and_then(|index| index.get(place.group)?.get(leaf));
            let pages = index.map(|index| index.page_locations().clone());
            let first = pages.as_ref().and_then(|pages| pages.first());
            let first = first.and_then(|page| u64::try_from(page.offset).ok());
            match (rows, pages, first) {
                (Some(rows), Some(pages), Some(first)) if first >= start => {
                    let mut ranges = rows.scan_ranges(&pages);
                    if first > start {
                        ranges.insert(0, start..first);
                    }
                    LeafRanges {
                        ranges,
                        pages: Some(pages),
                    }
                }
                _ => LeafRanges {
                    ranges: std::iter::once(start..start + len).collect(),
                    pages: None,
                },
            }
        });
        Self {
            leaves: leaves.collect(),
        }
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.leaves
            .iter()
            .flat_map(|leaf| leaf.ranges.iter().cloned())
    }

    /// How many hundredths of the column's bytes they are.
    pub(super) fn percent(&self, place: &Place<'_>) -> usize {
        let all: u64 = place.ranges().map(|range| range.end - range.start).sum();
        let wanted: u64 = self.ranges().map(|range| range.end - range.start).sum();
        usize::try_from(wanted * 100 / all.max(1)).unwrap_or(100)
    }

    /// What was fetched from there, taken off `bytes` in the same order.
    pub(super) fn parts(&self, bytes: &mut impl Iterator<Item = Bytes>) -> Vec<Part> {
        let parts = self.leaves.iter().map(|leaf| Part {
            spans: (leaf.ranges.iter().map(|range| range.start))
                .zip(bytes.by_ref())
                .collect(),
            pages: leaf.pages.clone(),
        });
        parts.collect()
    }
}

/// What was read of a leaf, as if the whole file were there.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// By where they begin in the file.
    spans: Vec<(u64, Bytes)>,
    pages: Option<Vec<PageLocation>>,
}

impl Part {
    /// All of a leaf, which begins at `start`.
    pub(super) fn whole(start: u64, bytes: Bytes) -> Self {
        Self {
            spans: vec![(start, bytes)],
            pages: None,
        }
    }

    /// Where all pages are, if not all of them are here.
    pub(super) fn locations(&self) -> Option<Vec<PageLocation>> {
        self.pages.clone()
    }

    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let behind = self.spans.partition_point(|(begin, _)| *begin <= start);
        let span = behind.checked_sub(1).and_then(|at| self.spans.get(at));
        let bytes = span.and_then(|(begin, bytes)| {
            let from = usize::try_from(start - begin).ok()?;
            (from <= bytes.len()).then(|| bytes.slice(from..))
        });
        bytes.ok_or_else(|| ParquetError::EOF("a page outside of its column".to_owned()))
    }
}

impl Length for Part {
    fn len(&self) -> u64 {
        let last = self.spans.last();
        last.map_or(0, |(start, bytes)| start + bytes.len() as u64)
    }
}

impl ChunkReader for Part {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        match length <= bytes.len() {
            true => Ok(bytes.slice(..length)),
            false => Err(ParquetError::EOF("a page outside of its column".to_owned())),
        }
    }
}

/// Reads a column, or some rows of it, so many at a time, as values of the type of `hint` or near to it.
///
/// # Errors
///
/// Bytes that are not what the file's footer says.
pub(super) fn read(
    place: &Place<'_>,
    parts: Vec<Part>,
    hint: Field,
    rows: Option<RowSelection>,
    batch_rows: usize,
) -> Result<ParquetRecordBatchReader> {
    let path = place.chunk(place.leaves.start).column_path();
    let root = path
        .parts()
        .first()
        .and_then(|name| root(place.metadata, name));
    let Some(root) = root else {
        return Err(corrupt("a column that is not in the schema of its file"));
    };
    let schema = Type::group_type_builder("schema")
        .with_fields(vec![root])
        .build()?;
    let levels = parquet_to_arrow_field_levels(
        &SchemaDescriptor::new(Arc::new(schema)),
        ProjectionMask::all(),
        Some(&Fields::from(vec![hint])),
    )?;
    let column = OneColumn {
        parts: parts.into_iter().map(Arc::new).collect(),
        place: place.clone(),
    };
    let reader =
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &column, batch_rows, rows)?;
    Ok(reader)
}

fn root(metadata: &ParquetMetaData, name: &str) -> Option<Arc<Type>> {
    let schema = metadata.file_metadata().schema_descr().root_schema();
    let mut fields = schema.get_fields().iter();
    fields.find(|field| field.name() == name).cloned()
}

/// A row group that has one column, of one leaf or more.
struct OneColumn<'a> {
    place: Place<'a>,
    parts: Vec<Arc<Part>>,
}

impl RowGroups for OneColumn<'_> {
    fn num_rows(&self) -> usize {
        self.place.rows()
    }

    fn column_chunks(&self, leaf: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let Some(part) = self.parts.get(leaf) else {
            return Err(ParquetError::EOF("a column that was not read".to_owned()));
        };
        let chunk = self.place.chunk(self.place.leaves.start + leaf);
        let pages = part.pages.clone();
        let pages = Unpacking::new(Arc::clone(part), chunk, self.num_rows(), pages)?;
        Ok(Box::new(OneChunk(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        let group = self.place.metadata.row_group(self.place.group);
        Box::new(std::iter::once(group))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.place.metadata
    }
}

struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}
