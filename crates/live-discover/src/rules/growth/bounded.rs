//! A function whose result is bounded, and counted for the query as long as it lives.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayData, ArrayRef, RecordBatch};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::execution::memory_pool::arrow::ArrowMemoryPool;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::{Growth, array_bytes, bytes_of};
use crate::error::Error;
use crate::limits::LimitKind;
use crate::stop::Bounds;

/// What is made at a time.
const PIECE_BYTES_MAX: u64 = 16 << 20;

/// What a call may make of a batch of rows.
const CALL_BYTES_MAX: u64 = 64 << 20;

/// What a call may make where it has no row before it: the text is copied to each row of the result.
const CONSTANT_BYTES_MAX: u64 = 1 << 20;

/// What such a call may come to by its estimate: it is made again by each rule that looks at it.
const CONSTANT_ESTIMATE_MAX: u64 = 4 << 20;

/// A function whose result is bounded.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounded {
    pub(super) inner: Arc<ScalarUDF>,
    pub(super) growth: Growth,
}

impl Bounded {
    fn too_large(&self, bytes: u64, max: u64) -> Error {
        let name = self.inner.name();
        let message =
            format!("`{name}` would make {bytes} bytes at once, at most {max} are allowed");
        Error::exhausted(LimitKind::Growth, message)
    }

    /// Piece by piece.
    fn pieces(&self, args: ScalarFunctionArgs, made: &mut Vec<ArrayRef>) -> Result<()> {
        if let Some(bounds) = Bounds::of(&args.config_options) {
            bounds.stop.check()?;
        }
        let rows = args.number_rows;
        let bytes = self.growth.bytes(&args.args, rows);
        if bytes > PIECE_BYTES_MAX && rows > 1 {
            let half = rows / 2;
            for (start, count) in [(0, half), (half, rows - half)] {
                let slice = |arg: &ColumnarValue| match arg {
                    ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, count)),
                    scalar => scalar.clone(),
                };
                let piece = ScalarFunctionArgs {
                    args: args.args.iter().map(slice).collect(),
                    arg_fields: args.arg_fields.clone(),
                    number_rows: count,
                    return_field: Arc::clone(&args.return_field),
                    config_options: Arc::clone(&args.config_options),
                };
                self.pieces(piece, made)?;
            }
            return Ok(());
        }
        if bytes > CALL_BYTES_MAX {
            return Err(self.too_large(bytes, CALL_BYTES_MAX).into());
        }
        let array = self.inner.invoke_with_args(args)?.into_array(rows)?;
        made.push(array);
        let total: u64 = made.iter().map(array_bytes).sum();
        if total > CALL_BYTES_MAX {
            return Err(self.too_large(total, CALL_BYTES_MAX).into());
        }
        Ok(())
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.number_rows == 1
            && args
                .args
                .iter()
                .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let bytes = self.growth.bytes(&args.args, args.number_rows);
        if is_constant {
            if bytes > CONSTANT_ESTIMATE_MAX {
                return Err(self.too_large(bytes, CONSTANT_BYTES_MAX).into());
            }
            let value = self.inner.invoke_with_args(args)?;
            let bytes = bytes_of(&value, 1);
            if bytes > CONSTANT_BYTES_MAX {
                return Err(self.too_large(bytes, CONSTANT_BYTES_MAX).into());
            }
            return Ok(value);
        }
        let bounds = Bounds::of(&args.config_options).cloned();
        let given = bounds.as_ref().map(|_| buffers_of(&args.args));
        let value = if bytes <= PIECE_BYTES_MAX {
            self.inner.invoke_with_args(args)?
        } else {
            let mut made = Vec::new();
            self.pieces(args, &mut made)?;
            let made: Vec<&dyn Array> = made.iter().map(AsRef::as_ref).collect();
            ColumnarValue::Array(concat(&made)?)
        };
        if let (ColumnarValue::Array(array), Some(bounds), Some(given)) = (&value, bounds, given) {
            count(array, &given, self.inner.name(), &bounds.memory)?;
        }
        Ok(value)
    }
}

/// The memory that arguments hold.
fn buffers_of(args: &[ColumnarValue]) -> Vec<Buffer> {
    let mut buffers = Vec::new();
    for arg in args {
        match arg {
            ColumnarValue::Array(array) => add_buffers(&array.to_data(), &mut buffers),
            // Those that hold an array give it as it is.
            ColumnarValue::Scalar(value) if value.data_type().is_nested() => {
                if let Ok(array) = value.to_array() {
                    add_buffers(&array.to_data(), &mut buffers);
                }
            }
            ColumnarValue::Scalar(_) => {}
        }
    }
    buffers
}

fn add_buffers(data: &ArrayData, buffers: &mut Vec<Buffer>) {
    buffers.extend(data.buffers().iter().cloned());
    buffers.extend(data.nulls().map(|nulls| nulls.buffer().clone()));
    for child in data.child_data() {
        add_buffers(child, buffers);
    }
}

/// Counts what a function made as long as it lives.
///
/// What it made is all that was not `given`: many give a part of a text as a view of the whole, and the whole may be kept
/// for other queries long after this one.
fn count(
    array: &ArrayRef,
    given: &[Buffer],
    name: &str,
    memory: &Arc<dyn MemoryPool>,
) -> Result<()> {
    let mut known: HashSet<_> = given.iter().map(Buffer::data_ptr).collect();
    let mut made = Vec::new();
    add_buffers(&array.to_data(), &mut made);
    made.retain(|buffer| buffer.capacity() > 0 && known.insert(buffer.data_ptr()));
    // A claim cannot be refused, so there has to be room for all of them before.
    let bytes = made.iter().map(Buffer::capacity).sum();
    (MemoryConsumer::new(name).register(memory)).try_grow(bytes)?;
    let pool = ArrowMemoryPool::new(Arc::clone(memory), MemoryConsumer::new(name));
    for buffer in &made {
        buffer.claim(&pool);
    }
    Ok(())
}

/// Counts what functions made no longer: a result is the host's, and may outlive its query.
pub(crate) fn let_go(batch: &RecordBatch) {
    let nobody: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let pool = ArrowMemoryPool::new(nobody, MemoryConsumer::new("results"));
    for column in batch.columns() {
        column.claim(&pool);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datafusion::arrow::array::StringViewArray;
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::config::ConfigOptions;
    use datafusion::execution::SessionStateDefaults;

    use super::super::growth_of;
    use super::*;
    use crate::stop::Stop;

    #[test]
    fn what_a_function_made_counts_as_long_as_it_lives_and_what_it_was_given_does_not() {
        let memory: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let mut options = ConfigOptions::default();
        options.extensions.insert(Bounds {
            stop: Arc::new(Stop::after(Duration::MAX)),
            memory: Arc::clone(&memory),
        });
        let options = Arc::new(options);
        const ROWS: usize = 100;
        let text = "a text that is too long for a view of its own".repeat(20);
        let texts: StringViewArray = (0..ROWS).map(|_| Some(text.as_str())).collect();
        let texts: ArrayRef = Arc::new(texts);
        let call = |name: &str, further: Option<i64>| {
            let functions = SessionStateDefaults::default_scalar_functions();
            let inner = functions.into_iter().find(|found| found.name() == name);
            let inner = inner.unwrap();
            let growth = growth_of(&inner).unwrap();
            let mut args = vec![ColumnarValue::Array(Arc::clone(&texts))];
            args.extend(further.map(|number| ColumnarValue::Scalar(number.into())));
            let field = |data_type| Arc::new(Field::new("", data_type, true));
            let given = ScalarFunctionArgs {
                arg_fields: args.iter().map(|arg| field(arg.data_type())).collect(),
                args,
                number_rows: ROWS,
                return_field: field(DataType::Utf8View),
                config_options: Arc::clone(&options),
            };
            Bounded { inner, growth }.invoke_with_args(given).unwrap()
        };
        let views = 16 * ROWS;
        let part = call("substr", Some(20));
        let counted = memory.reserved();
        assert!((views..2 * views).contains(&counted), "{counted}");
        drop(part);
        assert_eq!(memory.reserved(), 0);
        let upper = call("upper", None);
        let counted = memory.reserved();
        assert!(counted >= ROWS * text.len(), "{counted}");
        drop(upper);
        assert_eq!(memory.reserved(), 0);
    }
}
