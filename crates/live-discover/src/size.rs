//! What rows of a result take in memory.

use datafusion::arrow::array::{Array, AsArray, GenericListArray, OffsetSizeTrait, RecordBatch};
use datafusion::arrow::datatypes::DataType;

/// Bytes of a text or of bytes that stand in the view itself.
const IN_VIEW_BYTES: u32 = 12;

/// Bytes of a batch's rows alone. A batch may be a slice of a far larger one, as what groups gives out its groups, and Arrow
/// says of each slice that it has the memory of the whole: of a table in a hundred slices a hundred times what it has.
pub(crate) fn bytes_of_rows(batch: &RecordBatch) -> u64 {
    let columns = batch.columns().iter();
    columns.map(|column| bytes_of(column.as_ref()) as u64).sum()
}

fn bytes_of(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => of_views(array.as_string_view().views()),
        DataType::BinaryView => of_views(array.as_binary_view().views()),
        DataType::List(_) => of_lists(array.as_list::<i32>()),
        DataType::LargeList(_) => of_lists(array.as_list::<i64>()),
        DataType::Map(..) => {
            let maps = array.as_map();
            of_elements(maps.value_offsets(), maps.entries())
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns.map(|column| bytes_of(column.as_ref())).sum()
        }
        _ => {
            let bytes = array.to_data().get_slice_memory_size();
            bytes.unwrap_or_else(|_| array.get_array_memory_size())
        }
    }
}

fn of_views(views: &[u128]) -> usize {
    // The length of a view is its first four bytes.
    let lengths = views.iter().map(|view| *view as u32);
    let elsewhere = lengths.filter(|length| *length > IN_VIEW_BYTES);
    size_of_val(views) + elsewhere.map(|length| length as usize).sum::<usize>()
}

fn of_lists<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> usize {
    of_elements(lists.value_offsets(), lists.values().as_ref())
}

fn of_elements<O: OffsetSizeTrait>(offsets: &[O], elements: &dyn Array) -> usize {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
        return 0;
    };
    let first = first.as_usize();
    let elements = elements.slice(first, last.as_usize() - first);
    size_of_val(offsets) + bytes_of(elements.as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, Int64Array, ListBuilder, MapBuilder, StringArray, StringBuilder, StringViewArray,
        StructArray,
    };

    use super::*;

    #[test]
    fn slices_together_take_what_the_whole_takes() {
        const ROWS: usize = 1_000;
        let text = |row: usize| format!("a text that is longer than a view: {row}");
        let mut lists = ListBuilder::new(StringBuilder::new());
        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for row in 0..ROWS {
            lists.append_value([Some(text(row)), None]);
            maps.keys().append_value(text(row));
            maps.values().append_value("x");
            maps.append(row % 7 > 0).unwrap();
        }
        let numbers: ArrayRef = Arc::new((0..ROWS as i64).collect::<Int64Array>());
        let texts: ArrayRef = Arc::new(
            (0..ROWS)
                .map(|row| Some(text(row)))
                .collect::<StringArray>(),
        );
        let views: ArrayRef = Arc::new(
            (0..ROWS)
                .map(|row| Some(text(row)))
                .collect::<StringViewArray>(),
        );
        let structs = StructArray::try_from(vec![
            ("number", Arc::clone(&numbers)),
            ("text", Arc::clone(&views)),
        ]);
        let batch = RecordBatch::try_from_iter([
            ("number", numbers),
            ("text", texts),
            ("view", views),
            ("list", Arc::new(lists.finish()) as ArrayRef),
            ("map", Arc::new(maps.finish()) as ArrayRef),
            ("struct", Arc::new(structs.unwrap()) as ArrayRef),
        ])
        .unwrap();
        for column in 0..batch.num_columns() {
            let batch = batch.project(&[column]).unwrap();
            let whole = bytes_of_rows(&batch);
            let slices = (0..ROWS)
                .step_by(10)
                .map(|row| bytes_of_rows(&batch.slice(row, 10)));
            let slices: u64 = slices.sum();
            let name = batch.schema().field(0).name().clone();
            // Offsets have one more than rows, and bits are in whole bytes.
            assert!(
                (whole..whole + whole / 5).contains(&slices),
                "{name}: {slices} of {whole}"
            );
            let in_arrow = batch.get_array_memory_size() as u64;
            assert!(
                (in_arrow / 4..=in_arrow).contains(&whole),
                "{name}: {whole} of {in_arrow}"
            );
        }
    }
}
