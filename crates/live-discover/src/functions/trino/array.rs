//! Arrays and maps: <https://trino.io/docs/current/functions/array.html>,
//! <https://trino.io/docs/current/functions/map.html>.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, Int64Builder, ListArray, ListBuilder, MapArray,
    UInt64Array, new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, Int64Type, TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, exec_err, plan_err};
use datafusion::logical_expr::{ScalarUDF, type_coercion::binary::comparison_coercion};

use super::Function;
use super::scalar::{Call, Planned, Scalar, Takes, at, gives_first, gives_integer, list_of};

const PAGE: &str = "array";

/// Elements that one call makes for one row, as in Trino.
pub(crate) const ELEMENTS_MAX: usize = 10_000;
/// Elements that one call makes for the rows of a batch: 32 MB of numbers.
const BATCH_ELEMENTS_MAX: usize = 4 << 20;
/// Bytes of elements that one call makes for the rows of a batch.
pub(super) const BATCH_BYTES_MAX: usize = 64 << 20;

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Any, Integer, List};
    let scalar =
        |syntax, meaning, scalar: Scalar| Function::scalar(PAGE, syntax, meaning, scalar.build());
    let of_map = |syntax, meaning| Function::same("map", syntax, meaning);
    vec![
        scalar(
            "sequence(start, stop[, step])",
            "The numbers, dates or times from one to the other, at most 10,000; the step of times is an interval.",
            Scalar::new("sequence", &[Any, Any, Any], gives_sequence, sequence)
                .with_optional(1)
                .making(),
        ),
        scalar(
            "repeat(element, count)",
            "An array that has an element so often, at most 10,000 times.",
            Scalar::new("repeat", &[Any, Integer], gives_list_of_first, repeat).making(),
        ),
        scalar(
            "element_at(array or map, index or key)",
            "An element, counted from 1, or from the end if negative; the value of a key. NULL if there is none.",
            Scalar::new("element_at", &[Any, Any], gives_element, element_at),
        ),
        scalar(
            "cardinality(array or map)",
            "How many elements it has.",
            Scalar::new("cardinality", &[Any], gives_integer, cardinality),
        ),
        Function::scalar(
            PAGE,
            "contains(array, element)",
            "Whether an array has an element. `contains(network, address)` is whether an IP address is in a network such as `10.0.0.0/8`.",
            super::network::contains(),
        ),
        scalar(
            "array_position(array, element)",
            "Where an element is first, counted from 1; 0 if it is not there.",
            Scalar::new(
                "array_position",
                &[List, Any],
                gives_integer,
                array_position,
            ),
        ),
        scalar(
            "slice(array, start, length)",
            "A part of an array, from a place counted from 1, or from the end if negative.",
            Scalar::new("slice", &[List, Integer, Integer], gives_first, slice),
        ),
        scalar(
            "trim_array(array, n)",
            "Without the last n elements.",
            Scalar::new("trim_array", &[List, Integer], gives_first, trim_array),
        ),
        scalar(
            "array_first(array)",
            "The first element; `array_last` the last.",
            Scalar::new("array_first", &[List], gives_element, |call| {
                ends(call, true)
            }),
        ),
        scalar(
            "array_last(array)",
            "The last element.",
            Scalar::new("array_last", &[List], gives_element, |call| {
                ends(call, false)
            }),
        ),
        scalar(
            "reverse(text or array)",
            "Backwards.",
            Scalar::new("reverse", &[Any], gives_reversed, reverse),
        ),
        Function::rewritten(
            PAGE,
            "array_sort(array)",
            "Sorted, NULL last. A comparison function is not supported.",
        ),
        Function::rewritten(
            PAGE,
            "array_remove(array, element)",
            "Without all elements that equal one.",
        ),
        Function::rewritten(
            PAGE,
            "arrays_overlap(a, b)",
            "Whether they have an element in common.",
        ),
        Function::rewritten(
            PAGE,
            "filter(array, x -> condition)",
            "The elements for which a condition holds.",
        ),
        Function::higher_order(
            PAGE,
            "transform(array, x -> value)",
            "A value for each element.",
            super::transform::transform(),
        ),
        Function::same(
            PAGE,
            "any_match(array, x -> condition)",
            "Whether a condition holds for an element.",
        ),
        Function::rewritten(
            PAGE,
            "all_match(array, x -> condition)",
            "Whether it holds for all elements.",
        ),
        Function::rewritten(
            PAGE,
            "none_match(array, x -> condition)",
            "Whether it holds for none.",
        ),
        Function::same(
            PAGE,
            "array_join(array, delimiter[, null])",
            "Also `array_distinct`, `array_intersect`, `array_union`, `array_except`, `array_max`, `array_min`, `flatten`, `||` and `array[i]` as in the default dialect. `array[i]` past the end is NULL, in Trino an error.",
        ),
        of_map(
            "map(keys, values)",
            "Also `map_keys`, `map_values`, `map_entries` and `map[key]`, as in the default dialect. `map[key]` of a missing key is NULL, in Trino an error.",
        ),
    ]
}

fn element_type(given: &DataType) -> Option<&DataType> {
    match given {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => fields.get(1).map(|field| field.data_type()),
            _ => None,
        },
        _ => None,
    }
}

fn gives_element(planned: &Planned<'_>) -> Result<DataType> {
    match planned
        .types
        .first()
        .map(|given| (given, element_type(given)))
    {
        Some((_, Some(element))) => Ok(element.clone()),
        Some((DataType::Null, None)) | None => Ok(DataType::Null),
        Some((given, None)) => plan_err!(
            "an array or a map is needed, not {}",
            super::type_name(given)
        ),
    }
}

fn gives_list_of_first(planned: &Planned<'_>) -> Result<DataType> {
    Ok(list_of(gives_first(planned)?))
}

fn gives_reversed(planned: &Planned<'_>) -> Result<DataType> {
    match gives_first(planned)? {
        list if list.is_list() => Ok(list),
        given if given.is_string() || given.is_null() => Ok(super::scalar::TEXT),
        given => plan_err!(
            "reverse takes text or an array, not {}",
            super::type_name(&given)
        ),
    }
}

fn gives_sequence(planned: &Planned<'_>) -> Result<DataType> {
    let [first, second, ..] = planned.types else {
        return plan_err!("sequence takes 2 or 3 arguments");
    };
    let is_integer = |given: &DataType| given.is_integer() || given.is_null();
    if is_integer(first) && is_integer(second) {
        return Ok(list_of(DataType::Int64));
    }
    match (first, second) {
        (DataType::Date32, DataType::Date32) => Ok(list_of(DataType::Date32)),
        (DataType::Timestamp(_, zone), _) if planned.types.len() == 3 => {
            Ok(list_of(DataType::Timestamp(
                datafusion::arrow::datatypes::TimeUnit::Microsecond,
                zone.clone(),
            )))
        }
        (DataType::Timestamp(..), _) => {
            plan_err!("sequence of times takes a step such as INTERVAL '1' HOUR")
        }
        _ => plan_err!(
            "sequence takes integers, dates or times, not {} and {}",
            super::type_name(first),
            super::type_name(second)
        ),
    }
}

/// Counts what a call makes for a batch.
#[derive(Default)]
struct Made {
    elements: usize,
    bytes: usize,
}

impl Made {
    fn add(&mut self, call: &Call, elements: usize) -> Result<()> {
        if elements > ELEMENTS_MAX {
            return exec_err!(
                "{} makes at most {ELEMENTS_MAX} elements, not {elements}",
                call.name
            );
        }
        self.elements += elements;
        if self.elements > BATCH_ELEMENTS_MAX {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} makes more than {BATCH_ELEMENTS_MAX} elements for {} rows",
                call.name, call.rows
            )));
        }
        Ok(())
    }

    fn add_bytes(&mut self, call: &Call, bytes: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > BATCH_BYTES_MAX {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} makes arrays that are too large",
                call.name
            )));
        }
        Ok(())
    }
}

fn sequence(call: &Call) -> Result<ArrayRef> {
    match element_type(&call.gives) {
        Some(DataType::Int64) => numbers(call),
        Some(DataType::Date32) => times::<Date32Type>(call, |from, step, count| {
            Date32Type::add_month_day_nano_opt(from, times_of(step, count)?)
        }),
        Some(DataType::Timestamp(_, zone)) => {
            let zone = match zone {
                Some(zone) => zone.parse()?,
                None => "UTC".parse()?,
            };
            times::<TimestampMicrosecondType>(call, |from, step, count| {
                TimestampMicrosecondType::add_month_day_nano(from, times_of(step, count)?, zone)
            })
        }
        other => exec_err!("sequence gives no {other:?}"),
    }
}

fn numbers(call: &Call) -> Result<ArrayRef> {
    let whole = |index| -> Result<Int64Array> {
        let array = cast(call.any(index)?, &DataType::Int64)?;
        Ok(array.as_primitive::<Int64Type>().clone())
    };
    let (starts, stops) = (whole(0)?, whole(1)?);
    let steps = call.has(2).then(|| whole(2)).transpose()?;
    let mut lists = ListBuilder::new(Int64Builder::new());
    let mut made = Made::default();
    for row in 0..call.rows {
        let (Some(start), Some(stop)) = (at(&starts, row), at(&stops, row)) else {
            lists.append(false);
            continue;
        };
        let step = match &steps {
            None => Some(if start <= stop { 1 } else { -1 }),
            Some(steps) => at(steps, row),
        };
        let Some(step) = step else {
            lists.append(false);
            continue;
        };
        if step == 0 || (stop > start && step < 0) || (stop < start && step > 0) {
            return exec_err!("sequence: the step {step} does not lead from {start} to {stop}");
        }
        let apart = i128::from(stop) - i128::from(start);
        let count = usize::try_from(apart / i128::from(step) + 1).unwrap_or(usize::MAX);
        made.add(call, count)?;
        let mut value = start;
        for _ in 0..count {
            lists.values().append_value(value);
            value = value.saturating_add(step);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

use datafusion::arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType};

fn times_of(step: IntervalMonthDayNano, count: i32) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        step.months.checked_mul(count)?,
        step.days.checked_mul(count)?,
        step.nanoseconds.checked_mul(i64::from(count))?,
    ))
}

/// Each element from the start, so that the end of a month does not wear off.
fn times<T: ArrowPrimitiveType>(
    call: &Call,
    later: impl Fn(T::Native, IntervalMonthDayNano, i32) -> Option<T::Native>,
) -> Result<ArrayRef>
where
    T::Native: PartialOrd,
{
    let Some(element) = element_type(&call.gives) else {
        return exec_err!("sequence gives no list");
    };
    let (starts, stops) = (cast(call.any(0)?, element)?, cast(call.any(1)?, element)?);
    let (starts, stops) = (starts.as_primitive::<T>(), stops.as_primitive::<T>());
    let interval = DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano);
    let steps = match call.has(2) {
        true => Some(cast(call.any(2)?, &interval)?),
        false => None,
    };
    let steps = steps
        .as_ref()
        .map(|steps| steps.as_primitive::<IntervalMonthDayNanoType>());
    let mut values =
        datafusion::arrow::array::PrimitiveBuilder::<T>::new().with_data_type(element.clone());
    let mut lengths = Vec::with_capacity(call.rows);
    let mut valid = Vec::with_capacity(call.rows);
    let mut made = Made::default();
    for row in 0..call.rows {
        let (Some(start), Some(stop)) = (at(starts, row), at(stops, row)) else {
            lengths.push(0);
            valid.push(false);
            continue;
        };
        let is_up = start <= stop;
        let step = match steps {
            None => Some(IntervalMonthDayNano::new(0, if is_up { 1 } else { -1 }, 0)),
            Some(steps) => at(steps, row),
        };
        let Some(step) = step else {
            lengths.push(0);
            valid.push(false);
            continue;
        };
        let mut count = 0;
        let mut value = Some(start);
        while let Some(element) = value.filter(|value| {
            if is_up {
                *value <= stop
            } else {
                *value >= stop
            }
        }) {
            values.append_value(element);
            count += 1;
            if count > ELEMENTS_MAX {
                return exec_err!("sequence makes at most {ELEMENTS_MAX} elements");
            }
            let next = i32::try_from(count)
                .ok()
                .and_then(|count| later(start, step, count));
            if next.is_some_and(|next| {
                if is_up {
                    next <= element
                } else {
                    next >= element
                }
            }) {
                return exec_err!("sequence: the step does not lead from the start to the stop");
            }
            value = next;
        }
        made.add(call, count)?;
        lengths.push(count);
        valid.push(true);
    }
    lists_of(
        element,
        lengths,
        Arc::new(values.finish()),
        Some(valid.into()),
    )
}

fn lists_of(
    element: &DataType,
    lengths: impl IntoIterator<Item = usize>,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let field = Arc::new(Field::new_list_field(element.clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field, offsets, values, nulls)?))
}

fn repeat(call: &Call) -> Result<ArrayRef> {
    let (elements, counts) = (call.any(0)?, call.integers(1)?);
    let mut made = Made::default();
    let mut indices = Vec::new();
    let mut lengths = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let count = at(counts, row).unwrap_or(0).max(0);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        made.add(call, count)?;
        // An element may be an array itself.
        let bytes = elements.slice(row, 1).to_data().get_slice_memory_size()?;
        made.add_bytes(call, bytes.saturating_mul(count))?;
        indices.extend(std::iter::repeat_n(row as u64, count));
        lengths.push(count);
    }
    let values = take(elements, &UInt64Array::from(indices), None)?;
    lists_of(
        elements.data_type(),
        lengths,
        values,
        counts.nulls().cloned(),
    )
}

/// For each row an element of its list, by its place from 0; NULL where there is none.
fn pick(lists: &ListArray, place: impl Fn(usize, usize) -> Option<usize>) -> Result<ArrayRef> {
    let offsets = lists.value_offsets();
    let indices: UInt64Array = (0..lists.len())
        .map(|row| {
            let start = usize::try_from(*offsets.get(row)?).ok()?;
            let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
            let length = end - start;
            let place =
                place(row, length).filter(|place| lists.is_valid(row) && *place < length)?;
            u64::try_from(start + place).ok()
        })
        .collect();
    Ok(take(lists.values(), &indices, None)?)
}

/// For each row a range of its list, by its places from 0.
fn cut(
    lists: &ListArray,
    range: impl Fn(usize, usize) -> Result<std::ops::Range<usize>>,
) -> Result<ArrayRef> {
    let mut indices = Vec::new();
    let mut lengths = Vec::with_capacity(lists.len());
    let offsets = lists.value_offsets();
    for row in 0..lists.len() {
        let bounds = offsets.get(row).zip(offsets.get(row + 1));
        let (start, end) = bounds.map_or((0, 0), |(start, end)| (*start, *end));
        let (start, length) = (start as u64, (end - start) as usize);
        let range = if lists.is_valid(row) {
            range(row, length)?
        } else {
            0..0
        };
        lengths.push(range.len());
        indices.extend(range.map(|place| start + place as u64));
    }
    let values = take(lists.values(), &UInt64Array::from(indices), None)?;
    lists_of(&lists.value_type(), lengths, values, lists.nulls().cloned())
}

/// Counted from 1, or from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    if index > 0 {
        usize::try_from(index - 1).ok()
    } else {
        let back = usize::try_from(index.unsigned_abs())
            .ok()
            .filter(|back| *back > 0)?;
        length.checked_sub(back)
    }
}

fn element_at(call: &Call) -> Result<ArrayRef> {
    let container = call.any(0)?;
    if let Some(maps) = container.as_map_opt() {
        return value_of(maps, call.any(1)?);
    }
    let lists = match container.data_type() {
        DataType::Null => return Ok(new_null_array(&call.gives, call.rows)),
        _ => as_lists(container)?,
    };
    if !call.any(1)?.data_type().is_integer() {
        return exec_err!("element_at of an array takes an integer");
    }
    let indices = cast(call.any(1)?, &DataType::Int64)?;
    let indices = indices.as_primitive::<Int64Type>();
    if indices.iter().flatten().any(|index| index == 0) {
        return exec_err!("element_at: elements are counted from 1");
    }
    pick(&lists, |row, length| place(at(indices, row)?, length))
}

fn as_lists(array: &ArrayRef) -> Result<ListArray> {
    let Some(element) = element_type(array.data_type()) else {
        return exec_err!("an array is needed, not {}", array.data_type());
    };
    let lists = cast(array, &list_of(element.clone()))?;
    match lists.as_list_opt::<i32>() {
        Some(lists) => Ok(lists.clone()),
        None => exec_err!("an array is needed, not {}", array.data_type()),
    }
}

fn value_of(maps: &MapArray, keys: &ArrayRef) -> Result<ArrayRef> {
    let wanted = cast(keys, maps.keys().data_type())?;
    let same = datafusion::arrow::array::make_comparator(maps.keys(), &wanted, Default::default())?;
    let offsets = maps.value_offsets();
    let indices: UInt64Array = (0..maps.len())
        .map(|row| {
            (maps.is_valid(row) && wanted.is_valid(row)).then_some(())?;
            let start = usize::try_from(*offsets.get(row)?).ok()?;
            let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
            let found = (start..end).find(|entry| same(*entry, row).is_eq())?;
            u64::try_from(found).ok()
        })
        .collect();
    Ok(take(maps.values(), &indices, None)?)
}

fn cardinality(call: &Call) -> Result<ArrayRef> {
    let container = call.any(0)?;
    let lengths: Int64Array = if let Some(maps) = container.as_map_opt() {
        (0..call.rows)
            .map(|row| {
                maps.is_valid(row)
                    .then(|| i64::from(maps.value_length(row)))
            })
            .collect()
    } else if container.data_type().is_null() {
        (0..call.rows).map(|_| None).collect()
    } else {
        let lists = as_lists(container)?;
        (0..call.rows)
            .map(|row| {
                lists
                    .is_valid(row)
                    .then(|| i64::from(lists.value_length(row)))
            })
            .collect()
    };
    Ok(Arc::new(lengths))
}

fn array_position(call: &Call) -> Result<ArrayRef> {
    let lists = call.lists(0)?;
    let (lists, wanted) = comparable(lists, call.any(1)?)?;
    let same =
        datafusion::arrow::array::make_comparator(lists.values(), &wanted, Default::default())?;
    let offsets = lists.value_offsets();
    let places: Int64Array = (0..call.rows)
        .map(|row| {
            (lists.is_valid(row) && wanted.is_valid(row)).then_some(())?;
            let start = usize::try_from(*offsets.get(row)?).ok()?;
            let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
            let found = (start..end)
                .find(|place| lists.values().is_valid(*place) && same(*place, row).is_eq());
            i64::try_from(found.map_or(0, |found| found - start + 1)).ok()
        })
        .collect();
    Ok(Arc::new(places))
}

/// Whether each list has the wanted element; NULL if it has not, but has a NULL.
pub(super) fn has(lists: &ListArray, wanted: &ArrayRef) -> Result<ArrayRef> {
    let (lists, wanted) = comparable(lists, wanted)?;
    let same =
        datafusion::arrow::array::make_comparator(lists.values(), &wanted, Default::default())?;
    let offsets = lists.value_offsets();
    let found: datafusion::arrow::array::BooleanArray = (0..lists.len())
        .map(|row| {
            (lists.is_valid(row) && wanted.is_valid(row)).then_some(())?;
            let start = usize::try_from(*offsets.get(row)?).ok()?;
            let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
            let values = lists.values();
            let is_there =
                (start..end).any(|place| values.is_valid(place) && same(place, row).is_eq());
            let has_null = (start..end).any(|place| values.is_null(place));
            (is_there || !has_null).then_some(is_there)
        })
        .collect();
    Ok(Arc::new(found))
}

/// Lists and elements of one type.
fn comparable(lists: &ListArray, wanted: &ArrayRef) -> Result<(ListArray, ArrayRef)> {
    let (element, given) = (lists.value_type(), wanted.data_type());
    let Some(common) = comparison_coercion(&element, given) else {
        return exec_err!(
            "elements of type {} cannot be compared with {}",
            super::type_name(&element),
            super::type_name(given)
        );
    };
    let values = cast(lists.values(), &common)?;
    let field = Arc::new(Field::new_list_field(common.clone(), true));
    let lists = ListArray::try_new(
        field,
        lists.offsets().clone(),
        values,
        lists.nulls().cloned(),
    )?;
    Ok((lists, cast(wanted, &common)?))
}

fn slice(call: &Call) -> Result<ArrayRef> {
    let (lists, starts, lengths) = (call.lists(0)?, call.integers(1)?, call.integers(2)?);
    cut(lists, |row, count| {
        let (Some(start), Some(length)) = (at(starts, row), at(lengths, row)) else {
            return Ok(0..0);
        };
        if start == 0 || length < 0 {
            return exec_err!("slice: elements are counted from 1, and the length is not negative");
        }
        let Some(first) = place(start, count).filter(|first| *first < count) else {
            return Ok(0..0);
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(first..first.saturating_add(length).min(count))
    })
}

fn trim_array(call: &Call) -> Result<ArrayRef> {
    let (lists, counts) = (call.lists(0)?, call.integers(1)?);
    cut(lists, |row, count| {
        let by = usize::try_from(at(counts, row).unwrap_or(0)).ok();
        match by.and_then(|by| count.checked_sub(by)) {
            Some(kept) => Ok(0..kept),
            None => exec_err!("trim_array: an array of {count} elements has fewer"),
        }
    })
}

fn ends(call: &Call, is_first: bool) -> Result<ArrayRef> {
    pick(call.lists(0)?, |_, length| {
        if is_first {
            Some(0)
        } else {
            length.checked_sub(1)
        }
    })
}

fn reverse(call: &Call) -> Result<ArrayRef> {
    let given = call.any(0)?;
    if !given.data_type().is_list() {
        let text = cast(given, &super::scalar::TEXT)?;
        let text = text.as_string_view();
        return call
            .text_rows(|row| Ok(at(text, row).map(|text| text.chars().rev().collect::<String>())));
    }
    let lists = as_lists(given)?;
    let offsets = lists.value_offsets();
    let indices: Vec<u64> = offsets
        .windows(2)
        .flat_map(|bounds| match bounds {
            [start, end] => (*start as u64..*end as u64).rev(),
            _ => (0..0).rev(),
        })
        .collect();
    let values = take(lists.values(), &UInt64Array::from(indices), None)?;
    let lengths = offsets.windows(2).map(|bounds| match bounds {
        [start, end] => (end - start) as usize,
        _ => 0,
    });
    lists_of(&lists.value_type(), lengths, values, lists.nulls().cloned())
}

/// 1, 2, 3 … as far as the longest of the lists goes: what `WITH ORDINALITY` counts.
pub(crate) fn ordinality() -> Arc<ScalarUDF> {
    Scalar::new(
        "ordinality",
        &[Takes::List],
        |_| Ok(list_of(DataType::Int64)),
        |call| {
            let lists: Vec<&ListArray> = (0..call.args.len())
                .map(|index| call.lists(index))
                .collect::<Result<_>>()?;
            let mut numbers = ListBuilder::new(Int64Builder::new());
            for row in 0..call.rows {
                let lengths = lists.iter().filter(|lists| lists.is_valid(row));
                let longest = lengths.map(|lists| lists.value_length(row)).max();
                for number in 1..=i64::from(longest.unwrap_or(0)) {
                    numbers.values().append_value(number);
                }
                numbers.append(true);
            }
            Ok(Arc::new(numbers.finish()))
        },
    )
    .repeating()
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_both_ends() {
        assert_eq!(place(1, 3), Some(0));
        assert_eq!(place(-1, 3), Some(2));
        assert_eq!(place(-4, 3), None);
        assert_eq!(place(0, 3), None);
    }
}
