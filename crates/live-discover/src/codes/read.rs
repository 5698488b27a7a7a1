//! From files to row groups: what is not kept decoded is fetched, a request a file, and decoded when it is asked for.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::physical_plan::parquet::RowGroupAccess;
use datafusion::execution::TaskContext;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use tokio::sync::OnceCell;

use super::column::{Chunk, Place, Selection};
use super::expression::{self, Used};
use super::hot::HotColumns;
use super::input::Input;
use super::pages;
use super::rows::{Rows, Source};
use super::shape::Shape;
use super::unread::{Encoded, Share, Unread, UnreadColumn};
use crate::footer::{self, Tail};
use crate::index::narrow::Access;
use crate::index::running::Running;
use crate::memory::{Key, Part as Kept};
use crate::scan;

/// Files that are fetched ahead.
pub(super) const FILES_AHEAD: usize = 4;

/// A row group.
pub(super) struct Group {
    /// `None` where all that is asked for is kept: nobody needs the footer then.
    pub(super) file: Option<Arc<Opened>>,
    pub(super) number: usize,
    pub(super) rows: Rows,
}

/// The row groups of a partition, whole, but for those that what becomes known rules out. `pages`: whether it is asked where
/// their pages are; their file is open then.
pub(super) fn row_groups(
    reading: &Arc<Reading>,
    input: &Input,
    pages: PageIndexPolicy,
    running: Option<Running>,
) -> impl Stream<Item = Result<Group>> + Send + use<> {
    let (reading, running) = (Arc::clone(reading), running.map(Arc::new));
    let files = input.groups.get(reading.partition);
    let files: Arc<[PartitionedFile]> = files.map_or(&[][..], FileGroup::files).into();
    let is_asked = Arc::new(OnceCell::new());
    futures::stream::iter(0..files.len())
        .map(move |at| {
            let (reading, running) = (Arc::clone(&reading), running.clone());
            let (files, is_asked) = (Arc::clone(&files), Arc::clone(&is_asked));
            async move {
                let file = files[at].clone();
                let access = match running {
                    Some(running) if is_worth_it(&is_asked, &running, &files).await => {
                        running.ask(&file).await
                    }
                    _ => Access::Whole,
                };
                if matches!(access, Access::Nothing) {
                    return Ok(Vec::new());
                }
                if pages == PageIndexPolicy::Skip
                    && let Some(mut groups) = reading.kept(&file)
                {
                    groups.retain(|group| access.has_group(group.number));
                    return Ok(groups);
                }
                let mut file = reading.open(file, pages).await?;
                file.narrow(&access);
                let file = Arc::new(file);
                let all = 0..reading.columns.len();
                let groups = file.groups.iter();
                let groups = groups.map(|(group, _)| reading.whole(&file, *group, all.clone()));
                let rows = reading.fetch(&file, groups.collect()).await?;
                let groups = file.groups.iter().zip(rows);
                let groups = groups.map(|((number, _), rows)| Group {
                    file: Some(Arc::clone(&file)),
                    number: *number,
                    rows,
                });
                Ok::<_, DataFusionError>(groups.collect())
            }
        })
        .buffered(FILES_AHEAD)
        .map_ok(|groups| futures::stream::iter(groups.into_iter().map(Ok)))
        .try_flatten()
}

/// Whether what has become known rules out rows of some files.
async fn is_worth_it(
    is_asked: &OnceCell<bool>,
    running: &Running,
    files: &[PartitionedFile],
) -> bool {
    let rules_out = || async { running.rules_out(&Vec::from_iter(files)).await };
    *is_asked.get_or_init(rules_out).await
}

/// How columns of files are read.
pub(super) struct Reading {
    columns: Vec<Reads>,
    store: Arc<dyn ObjectStore>,
    footers: Arc<FileMetadataCache>,
    pub(super) hot: Option<Arc<HotColumns>>,
    share: Arc<Share>,
    partition: usize,
    bytes_scanned: Count,
    files_processed: Count,
}

enum Reads {
    /// Which of the file's constants.
    Constant(usize),
    Field(FieldReads),
}

struct FieldReads {
    field: FieldRef,
    /// What it has in the bags of the field.
    bag_key: Option<Arc<str>>,
    is_small: bool,
}

/// A file of which it is known what is where.
#[derive(Debug)]
pub(super) struct Opened {
    file: PartitionedFile,
    metadata: Arc<ParquetMetaData>,
    shape: Arc<Shape>,
    /// All of it, if it is small and was read for its footer.
    whole: Option<Tail>,
    /// Its row groups that may have a row, and which of their rows these may be where that is known.
    pub(super) groups: Vec<(usize, Option<RowSelection>)>,
}

impl Opened {
    pub(super) fn object(&self) -> &ObjectMeta {
        &self.file.object_meta
    }

    /// Leaves out the rows that are not of `access`.
    pub(super) fn narrow(&mut self, access: &Access) {
        let plan = match access {
            Access::Whole => return,
            Access::Nothing => return self.groups.clear(),
            Access::Rows { plan, .. } => plan.inner(),
        };
        self.groups
            .retain_mut(|(group, rows)| match plan.get(*group) {
                Some(RowGroupAccess::Skip) => false,
                Some(RowGroupAccess::Selection(others)) => {
                    *rows = Some(match rows {
                        Some(rows) => rows.intersection(others),
                        None => others.clone(),
                    });
                    true
                }
                Some(RowGroupAccess::Scan) | None => true,
            });
    }

    /// Those of some rows of a row group that may match by what indexes know.
    pub(super) fn may_match(&self, group: usize, rows: &[Selection]) -> Selection {
        let mut all = Vec::with_capacity(rows.iter().map(Selection::count).sum());
        rows.iter().for_each(|rows| rows.each(|row| all.push(row)));
        let known = self.groups.iter().find(|(number, _)| *number == group);
        if let Some((_, Some(known))) = known {
            let known = pages::selected_rows(known, self.rows(group));
            let mut known = known.into_iter().peekable();
            all.retain(|row| {
                while known.next_if(|known| known < row).is_some() {}
                known.next_if_eq(row).is_some()
            });
        }
        Selection::Rows(all)
    }

    pub(super) fn place(&self, group: usize, column: &str) -> Place<'_> {
        Place {
            metadata: &self.metadata,
            group,
            leaves: self.leaves(column),
        }
    }

    /// Where a column is in it.
    fn leaves(&self, column: &str) -> Range<usize> {
        self.shape.leaves(&self.metadata, column)
    }

    /// Parts of it, if all of it is here.
    fn parts(&self, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let whole = self.whole.as_ref()?;
        ranges.iter().map(|range| whole.part(range)).collect()
    }

    /// Bytes that it holds beside what the engine keeps.
    pub(super) fn size(&self) -> usize {
        self.whole.as_ref().map_or(0, Tail::size)
    }

    pub(super) fn rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0)
    }
}

/// A column of a row group.
enum Found<'a> {
    Here(Source),
    InFile(Encoded),
    /// No row has a value.
    Nowhere(&'a FieldReads),
}

impl Reading {
    pub(super) fn new(
        input: &Input,
        used: &Used,
        partition: usize,
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Arc<Self>> {
        let columns = used.columns.iter().map(|wanted| {
            let expression::Wanted { column, key } = wanted.clone();
            match column.checked_sub(input.constant_from) {
                Some(constant) => Reads::Constant(constant),
                None => Reads::Field(FieldReads {
                    field: Arc::clone(&input.table.fields()[column]),
                    bag_key: key,
                    is_small: input.is_small_column(column),
                }),
            }
        });
        let runtime = context.runtime_env();
        let hot = context.session_config().get_extension::<HotColumns>();
        let share = hot.as_ref().map_or(0, |hot| hot.bytes_max() / 2);
        Ok(Arc::new(Self {
            columns: columns.collect(),
            store: scan::store(&runtime)?,
            footers: runtime.cache_manager.get_file_metadata_cache(),
            hot,
            share: Arc::new(Share::new(share / input.groups.len().max(1))),
            partition,
            bytes_scanned: MetricBuilder::new(metrics).counter("bytes_scanned", partition),
            files_processed: MetricBuilder::new(metrics).counter("files_processed", partition),
        }))
    }

    /// Asks for the footer, and where the pages are if that is of use.
    pub(super) async fn open(
        &self,
        file: PartitionedFile,
        pages: PageIndexPolicy,
    ) -> Result<Opened> {
        let store = self.store.as_ref();
        let footer = footer::with_file(store, &self.footers, &file.object_meta, pages);
        let (metadata, whole) = footer.await?;
        let shape = match &self.hot {
            Some(hot) => hot.shape_or(&file.object_meta.location, &metadata),
            None => Arc::new(Shape::of(&metadata)),
        };
        let groups = shape.groups_of(&file);
        self.files_processed.add(1);
        Ok(Opened {
            file,
            metadata,
            shape,
            whole,
            groups,
        })
    }

    /// The row groups of a file, whole, if all of their columns are kept.
    fn kept(&self, file: &PartitionedFile) -> Option<Vec<Group>> {
        let hot = self.hot.as_ref()?;
        let path = &file.object_meta.location;
        let shape = hot.shape(path)?;
        let numbers = shape.groups_of(file).into_iter().map(|(number, _)| number);
        let numbers: Vec<usize> = numbers.collect();
        let fields = self.columns.iter().filter_map(|column| match column {
            Reads::Field(field) if shape.has_column(field.field.name()) => Some(field),
            _ => None,
        });
        let keys = numbers.iter();
        let keys = keys.flat_map(|number| fields.clone().map(|field| field.key(path, *number)));
        let keys: Vec<Key> = keys.collect();
        // Nothing is asked for before all is known to be there: it would be asked for twice.
        if !keys.iter().all(|key| hot.has(key)) {
            return None;
        }
        let mut keys = keys.iter();
        let groups = numbers.into_iter().map(|number| {
            let count = shape.rows(number);
            let columns = self.columns.iter().map(|column| match column {
                Reads::Constant(at) => Some(Source::Constant(constant(file, *at))),
                Reads::Field(field) if !shape.has_column(field.field.name()) => {
                    Some(Source::Decoded(field.nulls(count)))
                }
                Reads::Field(_) => hot.get(keys.next()?).map(Source::Decoded),
            });
            let rows = Rows::new(count, columns.collect::<Option<_>>()?);
            Some(Group {
                file: None,
                number,
                rows,
            })
        });
        let groups = groups.collect::<Option<_>>()?;
        self.files_processed.add(1);
        Some(groups)
    }

    /// Some of the columns of a row group, whole.
    pub(super) fn whole(&self, file: &Opened, group: usize, columns: Range<usize>) -> Unread {
        let columns = columns.filter_map(|at| self.columns.get(at));
        let columns = columns.map(|wanted| match self.find(wanted, file, group) {
            Found::Here(source) => UnreadColumn::Here(source),
            Found::InFile(encoded) => UnreadColumn::Whole(encoded),
            Found::Nowhere(field) => {
                UnreadColumn::Here(Source::Decoded(field.nulls(file.rows(group))))
            }
        });
        Unread {
            count: file.rows(group),
            columns: columns.collect(),
        }
    }

    /// Some of the columns of a row group, of some of its rows.
    pub(super) fn of_rows(
        &self,
        file: &Opened,
        group: usize,
        columns: Range<usize>,
        rows: &Selection,
    ) -> Result<Unread> {
        let columns = columns.filter_map(|at| self.columns.get(at));
        let columns = columns.map(|column| {
            Ok(match self.find(column, file, group) {
                Found::Here(Source::Decoded(chunk)) => {
                    self.share.take(chunk.size());
                    UnreadColumn::Here(Source::Decoded(Chunk::Plain(chunk.values(rows)?)))
                }
                Found::Here(source) => UnreadColumn::Here(source),
                Found::InFile(encoded) => encoded.some(rows, &self.share)?,
                Found::Nowhere(field) => {
                    UnreadColumn::Here(Source::Decoded(field.nulls(rows.count())))
                }
            })
        });
        Ok(Unread {
            count: rows.count(),
            columns: columns.collect::<Result<_>>()?,
        })
    }

    /// Fetches what is not here of row groups of a file, in one request.
    pub(super) async fn fetch(&self, file: &Opened, groups: Vec<Unread>) -> Result<Vec<Rows>> {
        let ranges = groups.iter().flat_map(Unread::ranges).collect();
        let mut fetched = self.bytes(file, ranges).await?.into_iter();
        let rows = groups.into_iter().map(|group| group.rows(&mut fetched));
        Ok(rows.collect())
    }

    /// The same of rows that are looked at once, in their order.
    pub(super) async fn fetch_in_parts(&self, file: &Opened, unread: Unread) -> Result<Rows> {
        let fetched = self.bytes(file, unread.ranges().collect()).await?;
        unread.rows_in_parts(&mut fetched.into_iter())
    }

    /// Parts of a file, in one request.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn bytes(&self, file: &Opened, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let fetched = match file.parts(&ranges) {
            Some(parts) => parts,
            None => {
                let path = &file.object().location;
                self.store.get_ranges(path, &ranges).await?
            }
        };
        self.bytes_scanned.add(fetched.iter().map(Bytes::len).sum());
        Ok(fetched)
    }

    fn find<'a>(&self, wanted: &'a Reads, file: &Opened, group: usize) -> Found<'a> {
        let field = match wanted {
            Reads::Constant(at) => return Found::Here(Source::Constant(constant(&file.file, *at))),
            Reads::Field(field) => field,
        };
        let leaves = file.leaves(field.field.name());
        if leaves.is_empty() {
            return Found::Nowhere(field);
        }
        let key = field.key(&file.object().location, group);
        match self.hot.as_ref().and_then(|hot| hot.get(&key)) {
            Some(chunk) => Found::Here(Source::Decoded(chunk)),
            None => Found::InFile(Encoded {
                metadata: Arc::clone(&file.metadata),
                group,
                leaves,
                field: Arc::clone(&field.field),
                bag_key: field.bag_key.clone(),
                is_small: field.is_small,
                hot: self.hot.clone(),
                share: None,
                key,
            }),
        }
    }
}

impl FieldReads {
    /// What its values in a row group are known by.
    fn key(&self, path: &Path, group: usize) -> Key {
        let name = self.field.name().as_str();
        let name = match &self.bag_key {
            Some(key) => format!("{name}[{key:?}]").into(),
            None => name.into(),
        };
        Key {
            path: path.clone(),
            part: Kept::Column { group, name },
        }
    }

    /// Its values in a file that lacks it.
    fn nulls(&self, rows: usize) -> Chunk {
        let data_type = match self.bag_key {
            Some(_) => &DataType::Utf8View,
            None => self.field.data_type(),
        };
        Chunk::nulls(data_type, rows)
    }
}

/// A value that the rows of a file have in common.
fn constant(file: &PartitionedFile, at: usize) -> ScalarValue {
    let value = file.partition_values.get(at);
    value.cloned().unwrap_or(ScalarValue::Null)
}
