//! What the values of batches hold, and batches that hold less.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch, RecordBatchOptions, StringArray,
    StringViewArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use crate::scrub::scrub;

/// The batch, with texts of its own where their pages hold much else.
pub(super) fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter();
    let columns = columns.map(|column| match column.as_string_view_opt() {
        Some(views) if is_sparse(views) => Arc::new(views.gc()) as ArrayRef,
        _ => Arc::clone(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let compacted = RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)?;
    Ok(compacted)
}

/// Whether more than a fourth of what the views hold is not theirs. Texts that stand in a dictionary are not copied: they
/// are many.
fn is_sparse(views: &StringViewArray) -> bool {
    let buffers = views.data_buffers().iter();
    let held: usize = buffers.map(|buffer| buffer.capacity()).sum();
    held / 4 * 3 > views.total_buffer_bytes_used()
}

/// Bytes of the largest value of a column when it is copied; views share theirs.
pub(super) fn widest(column: &ArrayRef) -> usize {
    const VIEW_BYTES: usize = 16;
    match column.data_type() {
        DataType::Utf8 => longest(column.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => longest(column.as_string::<i64>().offsets()),
        DataType::Binary => longest(column.as_binary::<i32>().offsets()),
        DataType::LargeBinary => longest(column.as_binary::<i64>().offsets()),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            of_elements(longest(list.offsets()), list.values())
        }
        DataType::LargeList(_) => {
            let list = column.as_list::<i64>();
            of_elements(longest(list.offsets()), list.values())
        }
        DataType::Map(..) => {
            let map = column.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            of_elements(longest(map.offsets()), &entries)
        }
        DataType::Struct(_) => column.as_struct().columns().iter().map(widest).sum(),
        _ => VIEW_BYTES,
    }
}

fn longest<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> usize {
    let lengths = offsets.windows(2).map(|pair| match pair {
        [start, end] => end.as_usize() - start.as_usize(),
        _ => 0,
    });
    lengths.max().unwrap_or(0)
}

/// Of so many elements as many bytes as these have in the mean: an array that is a part of another has all of its buffers.
fn of_elements(count: usize, elements: &ArrayRef) -> usize {
    let bytes = elements.to_data().get_slice_memory_size();
    let bytes = bytes.unwrap_or_else(|_| elements.get_array_memory_size());
    count.saturating_mul(bytes / elements.len().max(1))
}

/// The text of an EXPLAIN without the places of files.
pub(super) fn without_places(batch: &RecordBatch) -> RecordBatch {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8 => {
                let texts = column.as_string::<i32>().iter();
                let scrubbed: StringArray = texts.map(|text| text.map(scrub)).collect();
                Arc::new(scrubbed) as ArrayRef
            }
            _ => Arc::clone(column),
        });
    // The same columns of the same types: it cannot fail.
    RecordBatch::try_new(batch.schema(), columns.collect()).unwrap_or_else(|_| batch.clone())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::common::utils::memory::get_record_batch_memory_size;

    use super::*;

    #[test]
    fn elements_of_a_part_have_no_more_than_its_bytes() {
        use datafusion::arrow::array::{StringArray, StructArray};
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(vec!["0123456789"; 10_000]));
        let field = Field::new("key", DataType::Utf8, false);
        let entries = StructArray::from(vec![(Arc::new(field), texts)]);
        let all: ArrayRef = Arc::new(entries.clone());
        let some: ArrayRef = Arc::new(entries.slice(5_000, 10));
        assert_eq!((of_elements(2, &all), of_elements(2, &some)), (28, 28));
    }

    /// How a sort's memory is divided rests on it: see `merges` in `memory::query`.
    #[test]
    fn a_batch_that_is_held_has_a_third_more_than_its_own_at_most() {
        const ROWS: usize = 1_000;
        let text = "a text that is too long for a view of its own".repeat(20);
        let page: StringViewArray = (0..ROWS).map(|_| Some(text.as_str())).collect();
        let page = page.gc();
        for rows in [1, 10, 100, 300, 500, 700, 760, 900, ROWS] {
            let field = Field::new("raw", DataType::Utf8View, false);
            let part: ArrayRef = Arc::new(page.slice(0, rows));
            let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![part]);
            let held = get_record_batch_memory_size(&compact(&batch.unwrap()).unwrap());
            let own = rows * text.len();
            // Views of all of a page's rows stay with those of some.
            let views = 16 * ROWS;
            assert!(
                held >= own && held <= own / 3 * 4 + views + 1_024,
                "{rows}: {held}, {own}"
            );
        }
    }
}
