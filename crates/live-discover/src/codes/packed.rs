//! Numbers of a row group that are close to each other: times above all, which are within a day, most to the second.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;

use super::column::Selection;

/// Numbers, or times, of 64 bits in two or four bytes each.
#[derive(Debug)]
pub(super) struct Packed {
    data_type: DataType,
    least: i64,
    unit: i64,
    /// How many units each is more than the least.
    steps: Steps,
}

#[derive(Debug)]
enum Steps {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

impl Steps {
    /// With the unit, which divides faster as a constant; `None` where some of the numbers are no whole units more than
    /// the least, or too many.
    fn of<const UNIT: i64>(numbers: &[i64], least: i64, span: i64) -> Option<(i64, Self)> {
        if numbers.iter().any(|number| (number - least) % UNIT != 0) {
            return None;
        }
        let steps = numbers.iter().map(|number| (number - least) / UNIT);
        let span = span / UNIT;
        let steps = if u16::try_from(span).is_ok() {
            Self::Short(steps.map(|step| step as u16).collect())
        } else if u32::try_from(span).is_ok() {
            Self::Long(steps.map(|step| step as u32).collect())
        } else {
            return None;
        };
        Some((UNIT, steps))
    }
}

impl Packed {
    /// `None` where the values are no such numbers, or some are null, or the rows none.
    pub(super) fn of(values: &ArrayRef) -> Result<Option<Self>> {
        let data_type = values.data_type();
        let is_long = matches!(data_type, DataType::Int64 | DataType::Timestamp(..));
        if !is_long || values.null_count() > 0 {
            return Ok(None);
        }
        let numbers = cast(values, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>().values();
        let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max()) else {
            return Ok(None);
        };
        let Some(span) = most.checked_sub(*least) else {
            return Ok(None);
        };
        // Of times in microseconds: seconds, milliseconds.
        let steps = Steps::of::<1_000_000>(numbers, *least, span);
        let steps = steps.or_else(|| Steps::of::<1_000>(numbers, *least, span));
        let steps = steps.or_else(|| Steps::of::<1>(numbers, *least, span));
        Ok(steps.map(|(unit, steps)| Self {
            data_type: data_type.clone(),
            least: *least,
            unit,
            steps,
        }))
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        match &self.steps {
            Steps::Short(steps) => steps.capacity() * size_of::<u16>(),
            Steps::Long(steps) => steps.capacity() * size_of::<u32>(),
        }
    }

    /// The values of these rows.
    pub(super) fn values(&self, rows: &Selection) -> Result<ArrayRef> {
        let numbers: ArrayRef = Arc::new(match &self.steps {
            Steps::Short(steps) => self.numbers(steps, rows),
            Steps::Long(steps) => self.numbers(steps, rows),
        });
        Ok(cast(&numbers, &self.data_type)?)
    }

    fn numbers<S: Copy + Into<i64>>(&self, steps: &[S], rows: &Selection) -> Int64Array {
        let number = |step: S| self.least + self.unit * step.into();
        match rows {
            Selection::Range(range) => {
                let steps = steps[range.clone()].iter();
                Int64Array::from_iter_values(steps.map(|step| number(*step)))
            }
            Selection::Rows(rows) => {
                let rows = rows.iter();
                Int64Array::from_iter_values(rows.map(|row| number(steps[*row as usize])))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int32Array, TimestampMicrosecondArray, UInt32Array};
    use datafusion::arrow::compute::take;

    use super::*;

    #[test]
    fn numbers_are_as_they_were() {
        let times = |values: Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
        };
        let second = 1_000_000;
        // What each takes, if it is packed.
        let cases: [(&str, ArrayRef, Option<usize>); 11] = [
            (
                "seconds of a day",
                times(vec![86_399 * second, 0, 7 * second]),
                Some(4),
            ),
            (
                "seconds of an hour",
                times(vec![-second, 0, 3_599 * second]),
                Some(2),
            ),
            (
                "milliseconds",
                times(vec![1_001_000, 2_000, 7_000]),
                Some(2),
            ),
            (
                "microseconds of a day",
                times(vec![1, 0, 86_399 * second]),
                None,
            ),
            (
                "microseconds of an hour",
                times(vec![1, 0, 3_599 * second]),
                Some(4),
            ),
            ("one time", times(vec![42; 3]), Some(2)),
            ("all there are", times(vec![i64::MIN, 0, i64::MAX]), None),
            (
                "the first",
                times(vec![i64::MIN, i64::MIN + 5, i64::MIN]),
                Some(2),
            ),
            (
                "numbers",
                Arc::new(Int64Array::from(vec![
                    i64::MAX,
                    i64::MAX - 70_001,
                    i64::MAX,
                ])),
                Some(4),
            ),
            (
                "nulls",
                Arc::new(Int64Array::from(vec![Some(1), None, Some(2)])),
                None,
            ),
            (
                "short ones",
                Arc::new(Int32Array::from(vec![1, 2, 3])),
                None,
            ),
        ];
        for (name, values, bytes) in cases {
            let packed = Packed::of(&values).unwrap();
            let each = packed.as_ref().map(|packed| packed.size() / 3);
            assert_eq!(each, bytes, "{name}");
            let Some(packed) = packed else { continue };
            assert_eq!(
                &packed.values(&Selection::Range(0..3)).unwrap(),
                &values,
                "{name}"
            );
            assert_eq!(
                &packed.values(&Selection::Range(1..2)).unwrap(),
                &values.slice(1, 1),
                "{name}"
            );
            let rows = vec![0, 2];
            let some = take(&values, &UInt32Array::from(rows.clone()), None).unwrap();
            assert_eq!(
                &packed.values(&Selection::Rows(rows)).unwrap(),
                &some,
                "{name}"
            );
        }
        assert!(Packed::of(&times(Vec::new())).unwrap().is_none());
    }
}
