//! From files to row groups: what is not kept decoded is fetched, a request a file, and decoded when it is asked for.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, ParquetFileReaderFactory};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::schema::types::ColumnDescPtr;

use super::column::{Chunk, Place};
use super::expression::{Used, Wanted};
use super::hot::HotColumns;
use super::input::Input;
use super::rows::{Rows, Source};
use crate::memory::{Key, Part};

/// Files that are fetched ahead.
const FILES_AHEAD: usize = 4;

/// The row groups of a partition.
pub(super) fn row_groups(
    input: &Input,
    used: &Used,
    partition: usize,
    context: &TaskContext,
    metrics: &ExecutionPlanMetricsSet,
) -> impl Stream<Item = Result<Rows>> + Send + use<> {
    let columns = used.columns.iter().map(|wanted| {
        let Wanted { column, key } = wanted.clone();
        match column.checked_sub(input.constant_from) {
            Some(constant) => Reads::Constant(constant),
            None => {
                let field = Arc::clone(&input.table.fields()[column]);
                Reads::Field(field, key)
            }
        }
    });
    let reading = Arc::new(Reading {
        columns: columns.collect(),
        readers: Arc::clone(&input.readers),
        hot: context.session_config().get_extension::<HotColumns>(),
        partition,
        metrics: metrics.clone(),
        bytes_scanned: MetricBuilder::new(metrics).counter("bytes_scanned", partition),
        files_processed: MetricBuilder::new(metrics).counter("files_processed", partition),
    });
    let files = input
        .groups
        .get(partition)
        .map(|group| group.files().to_vec());
    futures::stream::iter(files.unwrap_or_default())
        .map(move |file| {
            let reading = Arc::clone(&reading);
            async move { reading.file(file).await }
        })
        .buffered(FILES_AHEAD)
        .map_ok(|groups| futures::stream::iter(groups.into_iter().map(Ok)))
        .try_flatten()
}

struct Reading {
    columns: Vec<Reads>,
    readers: Arc<dyn ParquetFileReaderFactory>,
    hot: Option<Arc<HotColumns>>,
    partition: usize,
    metrics: ExecutionPlanMetricsSet,
    bytes_scanned: Count,
    files_processed: Count,
}

enum Reads {
    /// Which of the file's constants.
    Constant(usize),
    /// A field, or what a key has in it.
    Field(FieldRef, Option<Arc<str>>),
}

impl Reading {
    async fn file(&self, file: PartitionedFile) -> Result<Vec<Rows>> {
        let path = file.object_meta.location.clone();
        let constants = file.partition_values.clone();
        let access = file.extension::<ParquetAccessPlan>().cloned();
        let part = file.range.clone();
        let mut reader = (self.readers).create_reader(self.partition, file, None, &self.metrics)?;
        // Pages are read one after the other: where they are need not be known.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let metadata = reader.get_metadata(Some(&options)).await?;
        // One that is not of this file says nothing.
        let access = access.filter(|access| access.len() == metadata.num_row_groups());
        let may_match = |group: &usize| {
            metadata.row_group(*group).num_rows() > 0
                && access
                    .as_ref()
                    .is_none_or(|access| access.should_scan(*group))
                && part
                    .as_ref()
                    .is_none_or(|part| begins_in(part, &metadata, *group))
        };

        let mut groups = Vec::new();
        let mut ranges = Vec::new();
        for group in (0..metadata.num_row_groups()).filter(may_match) {
            let count = usize::try_from(metadata.row_group(group).num_rows()).unwrap_or(0);
            let columns: Vec<Found> = self
                .columns
                .iter()
                .map(|wanted| self.find(wanted, &constants, &path, &metadata, group, count))
                .collect();
            for column in &columns {
                if let Found::InFile(encoded) = column {
                    ranges.extend(encoded.place().ranges());
                }
            }
            groups.push((count, columns));
        }
        let fetched = match ranges.is_empty() {
            true => Vec::new(),
            false => reader.get_byte_ranges(ranges).await?,
        };
        self.bytes_scanned.add(fetched.iter().map(Bytes::len).sum());
        self.files_processed.add(1);

        let mut fetched = fetched.into_iter();
        let rows = groups.into_iter().map(|(count, columns)| {
            let columns = columns.into_iter().map(|column| match column {
                Found::Here(source) => source,
                Found::InFile(encoded) => {
                    let bytes: Vec<Bytes> = fetched.by_ref().take(encoded.leaves.len()).collect();
                    Source::Encoded(Box::new(move || encoded.decode(&bytes)))
                }
            });
            Rows::new(count, columns.collect())
        });
        Ok(rows.collect())
    }

    fn find(
        &self,
        wanted: &Reads,
        constants: &[ScalarValue],
        path: &Path,
        metadata: &Arc<ParquetMetaData>,
        group: usize,
        rows: usize,
    ) -> Found {
        let (field, bag_key) = match wanted {
            Reads::Constant(at) => {
                let value = constants.get(*at).cloned().unwrap_or(ScalarValue::Null);
                return Found::Here(Source::Constant(value));
            }
            Reads::Field(field, key) => (field, key),
        };
        let leaves = leaves(metadata, field.name());
        if leaves.is_empty() {
            let data_type = match bag_key {
                Some(_) => &DataType::Utf8View,
                None => field.data_type(),
            };
            return Found::Here(Source::Decoded(Chunk::nulls(data_type, rows)));
        }
        let name = match bag_key {
            Some(key) => format!("{}[{key:?}]", field.name()).into(),
            None => field.name().as_str().into(),
        };
        let key = Key {
            path: path.clone(),
            part: Part::Column { group, name },
        };
        match self.hot.as_ref().and_then(|hot| hot.get(&key)) {
            Some(chunk) => Found::Here(Source::Decoded(chunk)),
            None => Found::InFile(Encoded {
                metadata: Arc::clone(metadata),
                group,
                leaves,
                field: Arc::clone(field),
                bag_key: bag_key.clone(),
                hot: self.hot.clone(),
                key,
            }),
        }
    }
}

/// Whether a row group is of a part of its file: the others are read with other parts.
fn begins_in(part: &FileRange, metadata: &ParquetMetaData, group: usize) -> bool {
    let columns = metadata.row_group(group).columns();
    let start = columns.first().map_or(0, |column| column.byte_range().0);
    i64::try_from(start).is_ok_and(|start| (part.start..part.end).contains(&start))
}

/// Where the column is in a file: one after the other, none if the file lacks it.
fn leaves(metadata: &ParquetMetaData, name: &str) -> Range<usize> {
    let leaves = metadata.file_metadata().schema_descr().columns();
    let is_its =
        |leaf: &ColumnDescPtr| leaf.path().parts().first().is_some_and(|root| root == name);
    let start = leaves.iter().position(is_its).unwrap_or(leaves.len());
    let count = leaves[start..]
        .iter()
        .take_while(|leaf| is_its(leaf))
        .count();
    start..start + count
}

enum Found {
    Here(Source),
    InFile(Encoded),
}

/// A column of a row group that is to be decoded.
struct Encoded {
    metadata: Arc<ParquetMetaData>,
    group: usize,
    leaves: Range<usize>,
    field: FieldRef,
    bag_key: Option<Arc<str>>,
    hot: Option<Arc<HotColumns>>,
    key: Key,
}

impl Encoded {
    fn place(&self) -> Place<'_> {
        Place {
            metadata: &self.metadata,
            group: self.group,
            leaves: self.leaves.clone(),
        }
    }

    fn decode(&self, bytes: &[Bytes]) -> Result<Chunk> {
        let chunk = match &self.bag_key {
            Some(key) => self.place().decode_bag(bytes, &self.field, key)?,
            None => self.place().decode(bytes, &self.field)?,
        };
        if let Some(hot) = &self.hot {
            hot.put(&self.key, &chunk);
        }
        Ok(chunk)
    }
}
