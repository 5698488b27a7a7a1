//! Rows of a column alone, of which nothing is kept: what reads much would take the place of what is asked for again.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, new_empty_array};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{Field, FieldRef};
use datafusion::common::Result;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection};

use super::column::{Place, Selection, corrupt};
use super::kept_pages::alone;
use super::pages::{self, Wanted};

/// Bytes of the pages that texts are taken from at a time, about: until they are copied they hold these.
const PAGE_BYTES_AT_ONCE: u64 = 8 << 20;

/// Rows, and where their pages are.
pub(super) struct Exact {
    rows: RowSelection,
    wanted: Wanted,
}

impl Exact {
    pub(super) fn of(place: &Place<'_>, rows: &Selection) -> Self {
        let rows = selection(rows, place.rows());
        let wanted = Wanted::of(place, &rows);
        Self { rows, wanted }
    }

    pub(super) fn count(&self) -> usize {
        self.rows.row_count()
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.wanted.ranges()
    }

    /// How many hundredths of the column's bytes they are.
    pub(super) fn percent(&self, place: &Place<'_>) -> usize {
        self.wanted.percent(place)
    }

    /// About how many bytes the values have.
    pub(super) fn decoded_bytes(&self, place: &Place<'_>) -> u64 {
        place.bytes_of(self.rows.row_count())
    }

    /// The rows, in the order of the file, from what `fetched` has of [`Self::ranges`].
    ///
    /// # Errors
    ///
    /// Bytes that are not what the file's footer says.
    pub(super) fn values(
        &self,
        place: &Place<'_>,
        field: &FieldRef,
        fetched: &[Bytes],
    ) -> Result<ExactValues> {
        let parts = self.wanted.parts(&mut fetched.iter().cloned());
        let hint = Field::clone(field).with_nullable(true);
        let rows = Some(self.rows.clone());
        let at_once = rows_at_once(place).clamp(1, self.rows.row_count().max(1));
        Ok(ExactValues {
            batches: pages::read(place, parts, hint, rows, at_once)?,
            field: Arc::clone(field),
            left: None,
        })
    }
}

/// The values of rows, decoded as they are asked for: a page is unpacked once, however few rows are taken at a time.
pub(super) struct ExactValues {
    batches: ParquetRecordBatchReader,
    field: FieldRef,
    left: Option<ArrayRef>,
}

impl ExactValues {
    /// Those of so many more rows.
    ///
    /// # Errors
    ///
    /// If there are not so many, or they can't be decoded.
    pub(super) fn next(&mut self, count: usize) -> Result<ArrayRef> {
        let mut parts: Vec<ArrayRef> = Vec::new();
        let mut missing = count;
        while missing > 0 {
            let values = match self.left.take() {
                Some(values) => values,
                None => self.decoded()?,
            };
            let taken = missing.min(values.len());
            if taken < values.len() {
                self.left = Some(values.slice(taken, values.len() - taken));
            }
            parts.push(values.slice(0, taken));
            missing -= taken;
        }
        match parts.as_slice() {
            [] => Ok(new_empty_array(self.field.data_type())),
            [values] => Ok(Arc::clone(values)),
            _ => {
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                Ok(concat(&parts)?)
            }
        }
    }

    fn decoded(&mut self) -> Result<ArrayRef> {
        let Some(batch) = self.batches.next().transpose()? else {
            return Err(corrupt("a column with fewer rows than its row group"));
        };
        // Not with all other texts of their pages.
        Ok(alone(cast(batch.column(0), self.field.data_type())?))
    }
}

/// Each row may be in a page of its own.
fn rows_at_once(place: &Place<'_>) -> usize {
    if place.decoded_bytes() <= PAGE_BYTES_AT_ONCE {
        return place.rows();
    }
    usize::try_from(PAGE_BYTES_AT_ONCE / place.page_bytes().max(1)).unwrap_or(usize::MAX)
}

fn selection(rows: &Selection, all: usize) -> RowSelection {
    let ranges: Vec<Range<usize>> = match rows {
        Selection::Range(range) => vec![range.clone()],
        Selection::Rows(rows) => (rows.chunk_by(|row, next| row + 1 == *next))
            .filter_map(|run| Some(*run.first()? as usize..*run.last()? as usize + 1))
            .collect(),
    };
    RowSelection::from_consecutive_ranges(ranges.into_iter(), all)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{RecordBatch, StringViewArray, UInt32Array};
    use datafusion::arrow::compute::take;
    use datafusion::arrow::datatypes::{DataType, Schema};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
    use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

    use super::*;

    const ROWS: u32 = 3_000;

    /// A file of one column.
    struct OneColumn {
        bytes: Bytes,
        metadata: Arc<ParquetMetaData>,
        field: FieldRef,
    }

    impl OneColumn {
        fn new(texts: &ArrayRef, form: WriterPropertiesBuilder) -> Self {
            let field = Arc::new(Field::new("text", DataType::Utf8View, true));
            let schema = Arc::new(Schema::new(vec![Arc::clone(&field)]));
            let batch = RecordBatch::try_new(schema, vec![Arc::clone(texts)]).unwrap();
            let mut bytes = Vec::new();
            let form = Some(form.build());
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), form).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let bytes = Bytes::from(bytes);
            let reader =
                ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
            Self {
                metadata: Arc::new(reader.parse_and_finish(&bytes).unwrap()),
                bytes,
                field,
            }
        }

        fn place(&self) -> Place<'_> {
            Place {
                metadata: &self.metadata,
                group: 0,
                leaves: 0..1,
            }
        }

        fn values(&self, exact: &Exact) -> ExactValues {
            let ranges = exact.ranges();
            let fetched = ranges
                .map(|range| self.bytes.slice(range.start as usize..range.end as usize))
                .collect::<Vec<_>>();
            exact.values(&self.place(), &self.field, &fetched).unwrap()
        }
    }

    #[test]
    fn rows_are_given_in_parts_and_no_others() {
        let text = |row: u32| (row % 5 != 2).then(|| format!("{row:>200}"));
        let texts: ArrayRef = Arc::new((0..ROWS).map(text).collect::<StringViewArray>());
        let scattered = (0..ROWS).filter(|row| row % 97 == 5 || (1_200..1_300).contains(row));
        let selections = [
            Selection::Range(0..ROWS as usize),
            Selection::Range(700..900),
            Selection::Rows(scattered.collect()),
            Selection::Rows((0..ROWS).step_by(500).collect()),
            Selection::Rows(vec![]),
        ];
        for is_dictionary in [false, true] {
            let form = WriterProperties::builder()
                .set_data_page_row_count_limit(200)
                .set_write_batch_size(100)
                .set_dictionary_enabled(is_dictionary);
            let file = OneColumn::new(&texts, form);
            for rows in &selections {
                let exact = Exact::of(&file.place(), rows);
                let mut values = file.values(&exact);
                let mut wanted = Vec::new();
                rows.each(|row| wanted.push(row));
                assert_eq!(exact.count(), wanted.len());
                for part in wanted.chunks(70) {
                    let found = values.next(part.len()).unwrap();
                    let expected = take(&texts, &UInt32Array::from(part.to_vec()), None).unwrap();
                    assert_eq!(&found, &expected, "{is_dictionary} {rows:?}");
                }
                assert!(values.next(1).is_err());
                if rows.count() == 200 && !is_dictionary {
                    let percent = exact.percent(&file.place());
                    assert!(percent <= 15, "{percent}");
                }
            }
        }
    }

    #[test]
    fn few_texts_do_not_take_their_pages_along() {
        let texts = (0..ROWS).map(|row| Some(format!("{row:>5000}")));
        let texts: ArrayRef = Arc::new(texts.collect::<StringViewArray>());
        let form = WriterProperties::builder()
            .set_data_page_size_limit(256 << 10)
            .set_write_batch_size(10)
            .set_dictionary_enabled(false);
        let file = OneColumn::new(&texts, form);
        let rows = Selection::Rows((0..ROWS).step_by(100).collect());
        let exact = Exact::of(&file.place(), &rows);
        let found = file.values(&exact).next(rows.count()).unwrap();
        assert!(found.get_array_memory_size() < rows.count() * 5_000 * 2);
    }
}
