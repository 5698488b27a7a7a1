//! What the step does when it runs: which rows pass, file by file, and their values.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt};
use parquet::file::metadata::PageIndexPolicy;
use tokio::sync::Semaphore;

use super::{First, Otherwise, SelectByCodesExec};
use crate::codes::column::Selection;
use crate::codes::first::{Firsts, Picked, Rank};
use crate::codes::pages;
use crate::codes::read::{FILES_AHEAD, Opened, Reading};
use crate::codes::rows::{Filters, Rows, passing};
use crate::codes::search;
use crate::codes::unread::Unread;
use crate::index::narrow::Access;
use crate::index::running::Running;
use crate::node::batches_in_turn;
use crate::stop;

/// Rows of a row group that are read at once, and about how many bytes are decoded for them: of many columns each row has
/// pages of its own. More are decoded in parts, in their order.
const READ_ROWS: usize = 8 << 10;
const READ_BYTES: u64 = 16 << 20;
/// Of rows that have more bytes in a row group nothing is kept: who reads these reads records whole, and many.
const KEPT_BYTES: u64 = 64 << 20;
/// Bytes that a thread fetches ahead at most, or the rows of one row group.
const AHEAD_BYTES: u32 = 32 << 20;
/// Rows whose pages are searched first.
const SEARCHED_ROWS: usize = 128;
/// Of rows that may match, by what indexes know, one in so many at most is looked at alone.
const NARROW: usize = 4;

impl SelectByCodesExec {
    /// The partition's part of the rows.
    pub(super) fn run(
        self: Arc<Self>,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let reading = Reading::new(&self.input, &self.used, partition, &context, &self.metrics)?;
        let run = Run {
            partition,
            batch_rows: context.session_config().batch_size(),
            baseline: BaselineMetrics::new(&self.metrics, partition),
        };
        let running = Running::of(&self.input.filters, &context, &self.metrics, partition)?;
        if let Some(first) = self.first.clone() {
            let memory = MemoryConsumer::new("first rows").register(context.memory_pool());
            first.firsts.count_in(memory);
            let plan = Arc::clone(&self);
            let firsts = plan.firsts(first, Arc::clone(&reading), running, run.clone());
            let firsts = firsts.map_ok(|rows| futures::stream::iter(rows).map(Ok));
            let rows = self.values(reading, run, firsts.try_flatten_stream());
            return Ok(rows.boxed());
        }
        let Some(Otherwise { plan, is_taken }) = self.otherwise.clone() else {
            return Ok(self.all(reading, running, run));
        };
        // Joins ask for the first row when they know what they look for.
        let begun = futures::stream::once(async move {
            let leaves_many = || self.leaves_many(running.as_ref());
            let is_taken = *is_taken.get_or_init(leaves_many).await;
            Ok::<_, DataFusionError>(match is_taken {
                true => plan.execute(partition, context)?.boxed(),
                false => self.all(reading, running, run),
            })
        });
        Ok(begun.try_flatten().boxed())
    }

    /// Whether what is known by now rules out no rows of the files.
    async fn leaves_many(&self, running: Option<&Running>) -> bool {
        let files = self.input.groups.iter().flat_map(FileGroup::iter);
        let files: Vec<_> = files.collect();
        match running {
            Some(running) => !running.rules_out(&files).await,
            None => true,
        }
    }

    /// The values of all rows that pass.
    fn all(
        self: Arc<Self>,
        reading: Arc<Reading>,
        running: Option<Running>,
        run: Run,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        if self.deciding == self.used.columns.len() {
            return self.decided(&reading, running, run).boxed();
        }
        let picked = self.passed(&reading, running, &run);
        self.values(reading, run, picked).boxed()
    }

    /// The same where all values are of columns that decide, which are there by then.
    fn decided(
        self: Arc<Self>,
        reading: &Arc<Reading>,
        running: Option<Running>,
        run: Run,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
        let candidates = self.candidates_in_turn(reading, running, &run);
        let baseline = run.baseline.clone();
        let plan = Arc::clone(&self);
        let groups = candidates.and_then(move |candidates| {
            let _timer = run.baseline.elapsed_compute().timer();
            let groups = candidates.groups.into_iter().map(|candidate| {
                let rows = candidate.rows;
                let selected = passing(&rows, &plan.filters, run.batch_rows)?;
                Ok((rows, selected.into_iter()))
            });
            in_turn(groups.collect())
        });
        let batches = groups.try_flatten().map_ok(move |group| {
            let (plan, (rows, mut selected)) = (Arc::clone(&self), group);
            batches_in_turn(baseline.clone(), move || {
                let some = selected.find(|some| some.count() > 0);
                some.map(|some| plan.batch(&rows, &some)).transpose()
            })
        });
        batches.try_flatten()
    }

    /// What decides over the rows of a file, fetched; `None` if its index rules out all of them.
    async fn candidates(
        &self,
        reading: &Reading,
        running: Option<&Running>,
        file: PartitionedFile,
    ) -> Result<Option<Candidates>> {
        let access = match running {
            Some(running) => running.ask(&file).await,
            None => Access::Whole,
        };
        if matches!(access, Access::Nothing) {
            return Ok(None);
        }
        let mut file = reading.open(file, PageIndexPolicy::Optional).await?;
        file.narrow(&access);
        let file = Arc::new(file);
        let (mut groups, mut unread) = (Vec::new(), Vec::new());
        for (group, may_match) in &file.groups {
            let columns = 0..self.deciding;
            let all = file.rows(*group);
            let narrow = may_match.as_ref();
            let narrow = narrow.filter(|rows| rows.row_count() < all / NARROW);
            let narrow = narrow.map(|rows| pages::selected_rows(rows, all));
            unread.push(match &narrow {
                Some(rows) => {
                    let rows = Selection::Rows(rows.clone());
                    reading.of_rows(&file, *group, columns, &rows)?
                }
                None => reading.whole(&file, *group, columns),
            });
            groups.push((*group, narrow));
        }
        let rows = reading.fetch(&file, unread).await?;
        let groups = groups.into_iter().zip(rows);
        let groups = groups.map(|((group, narrow), rows)| Candidate {
            group,
            narrow,
            rows,
        });
        Ok(Some(Candidates {
            groups: groups.collect(),
            file,
        }))
    }

    /// The rows that the filters let pass, and the key of each if only the first are wanted.
    fn passing(
        &self,
        candidate: &Candidate,
        batch_rows: usize,
    ) -> Result<(Vec<u32>, Vec<ArrayRef>)> {
        let rows = &candidate.rows;
        let filters = Filters::new(rows, &self.filters, batch_rows)?;
        let (mut passing, mut keys) = (Vec::new(), Vec::new());
        for start in (0..rows.count).step_by(batch_rows) {
            let selected = filters.selected(start..rows.count.min(start + batch_rows))?;
            if selected.count() == 0 {
                continue;
            }
            if let Some(first) = &self.first {
                keys.push(cast(
                    &rows.values(&first.key, &selected)?,
                    &DataType::Int64,
                )?);
            }
            match &candidate.narrow {
                Some(of) => selected.each(|row| passing.extend(of.get(row as usize))),
                None => selected.each(|row| passing.push(row)),
            }
        }
        if let (Some(first), true) = (&self.first, passing.is_empty()) {
            // It was fetched; what is not decoded is not kept, and would be fetched each time.
            rows.values(&first.key, &Selection::Range(0..0))?;
        }
        Ok((passing, keys))
    }

    /// What decides over the rows of the partition's files, in their order.
    fn candidates_in_turn(
        self: &Arc<Self>,
        reading: &Arc<Reading>,
        running: Option<Running>,
        run: &Run,
    ) -> impl Stream<Item = Result<Candidates>> + Send + use<> {
        let files = self.input.groups.get(run.partition);
        let files = files.map(|group| group.files().to_vec());
        let (plan, reading) = (Arc::clone(self), Arc::clone(reading));
        let running = running.map(Arc::new);
        futures::stream::iter(files.unwrap_or_default())
            .map(move |file| {
                let (plan, reading) = (Arc::clone(&plan), Arc::clone(&reading));
                let running = running.clone();
                async move { plan.candidates(&reading, running.as_deref(), file).await }
            })
            .buffered(self.ahead)
            .try_filter_map(|candidates| std::future::ready(Ok(candidates)))
    }

    /// The rows that pass, of each row group.
    fn passed(
        self: &Arc<Self>,
        reading: &Arc<Reading>,
        running: Option<Running>,
        run: &Run,
    ) -> impl Stream<Item = Result<Picked>> + Send + use<> {
        let candidates = self.candidates_in_turn(reading, running, run);
        let (plan, run) = (Arc::clone(self), run.clone());
        let picked = candidates.and_then(move |candidates| {
            let _timer = run.baseline.elapsed_compute().timer();
            let picked = candidates.groups.iter().map(|candidate| {
                let (rows, _) = plan.passing(candidate, run.batch_rows)?;
                Ok(Picked {
                    file: Arc::clone(&candidates.file),
                    group: candidate.group,
                    rows: Selection::Rows(rows),
                })
            });
            in_turn(picked.collect())
        });
        picked.try_flatten()
    }

    /// The partition's part of the first rows of those that pass.
    async fn firsts(
        self: Arc<Self>,
        first: First,
        reading: Arc<Reading>,
        running: Option<Running>,
        run: Run,
    ) -> Result<Vec<Picked>> {
        let firsts = &first.firsts;
        // Without a filter the first file or two have them all.
        let ahead = if self.filters.is_empty() {
            1
        } else {
            self.ahead
        };
        while !firsts.is_over().await {
            let taken = futures::stream::iter(std::iter::from_fn(|| firsts.take()));
            let mut looked_at = taken
                .map(|taken| async {
                    let candidates = match taken.is_behind() {
                        true => None,
                        false => {
                            let file = taken.file().clone();
                            self.candidates(&reading, running.as_ref(), file).await?
                        }
                    };
                    Ok::<_, DataFusionError>((taken, candidates))
                })
                .buffered(ahead);
            while let Some((taken, candidates)) = looked_at.try_next().await? {
                if let Some(candidates) = candidates.filter(|_| !taken.is_behind()) {
                    let Candidates { file, groups } = candidates;
                    for candidate in groups {
                        let timer = run.baseline.elapsed_compute().timer();
                        let (rows, keys) = self.passing(&candidate, run.batch_rows)?;
                        let ranked = firsts.ranked(&rows, &keys);
                        let group = candidate.group;
                        match self.searches.is_empty() {
                            true => firsts.add(&file, group, ranked)?,
                            false => {
                                let ranked = ranked.collect();
                                drop(timer);
                                self.search(&reading, firsts, (&file, group), ranked)
                                    .await?;
                            }
                        }
                    }
                }
                taken.done();
                stop::hand_on().await;
            }
        }
        Ok(firsts.part(run.partition, self.input.groups.len()))
    }

    /// Looks for texts in rows of a row group, in the pages of those with the first ranks first, as long as any may be
    /// wanted. More at a time each time: another thread may find what stands before all of them.
    async fn search(
        &self,
        reading: &Reading,
        firsts: &Firsts,
        (file, group): (&Arc<Opened>, usize),
        ranked: Vec<(Rank, u32)>,
    ) -> Result<()> {
        let may_match = file.may_match(group, &[rows_of(&ranked)]);
        // In the order of rows.
        let mut left = of_rows(&ranked, &may_match);
        let mut at_once = SEARCHED_ROWS;
        while !left.is_empty() {
            let mut first = left.clone();
            if at_once < first.len() {
                first.select_nth_unstable(at_once);
                first.truncate(at_once);
            }
            if let Some(last) = firsts.last() {
                first.retain(|(rank, _)| *rank <= last);
            }
            if first.is_empty() {
                break;
            }
            first.sort_unstable_by_key(|(_, row)| *row);
            let pages = search::pages(&self.searches, file, group, &rows_of(&first))?;
            let mut pages = pages.into_iter().peekable();
            let in_pages = |(_, row): &(Rank, u32)| {
                while pages.next_if(|page| page.end <= *row as usize).is_some() {}
                pages
                    .peek()
                    .is_some_and(|page| page.contains(&(*row as usize)))
            };
            let (some, others): (Vec<_>, Vec<_>) = left.into_iter().partition(in_pages);
            let rows = rows_of(&some);
            let found = search::found(&self.searches, reading, file, group, rows, false).await?;
            firsts.add(file, group, of_rows(&some, &found).into_iter())?;
            left = others;
            at_once = READ_ROWS.min(2 * at_once);
        }
        Ok(())
    }

    /// How rows of a row group are read, and how many at a time.
    fn part(&self, reading: &Reading, picked: &Picked, batch_rows: usize) -> Result<Part> {
        let Picked { file, group, rows } = picked;
        let unread = reading.of_rows(file, *group, 0..self.used.columns.len(), rows)?;
        let bytes = unread.decoded_bytes();
        if rows.count() <= READ_ROWS && bytes <= READ_BYTES {
            let at_once = batch_rows;
            return Ok(Part { unread, at_once });
        }
        let unread = unread.alone(rows, bytes <= KEPT_BYTES);
        let row_bytes = unread.decoded_bytes() / rows.count().max(1) as u64;
        let at_once = usize::try_from(READ_BYTES / row_bytes.max(1)).unwrap_or(batch_rows);
        let at_once = at_once.clamp(1, batch_rows);
        Ok(Part { unread, at_once })
    }

    /// The values of rows.
    fn values(
        self: Arc<Self>,
        reading: Arc<Reading>,
        run: Run,
        picked: impl Stream<Item = Result<Picked>> + Send + 'static,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send {
        let ahead = Arc::new(Semaphore::new(AHEAD_BYTES as usize));
        let (plan, reads) = (Arc::clone(&self), Arc::clone(&reading));
        let begun = picked.and_then(move |picked| {
            let part = plan.part(&reads, &picked, run.batch_rows);
            let ahead = Arc::clone(&ahead);
            // In order: the first of those that are fetched never waits for those behind it.
            async move {
                let part = part?;
                let bytes = u32::try_from(part.unread.fetched_bytes()).unwrap_or(AHEAD_BYTES);
                let room = ahead.acquire_many_owned(bytes.min(AHEAD_BYTES)).await;
                let room = room.map_err(|error| DataFusionError::External(error.into()))?;
                Ok((picked.file, part, room))
            }
        });
        let fetched = begun.map_ok(move |(file, part, room)| {
            let reading = Arc::clone(&reading);
            async move {
                let rows = reading.fetch_in_parts(&file, part.unread).await?;
                Ok((rows, part.at_once, room))
            }
        });
        let batches = fetched
            .try_buffered(FILES_AHEAD)
            .map_ok(move |(mut rows, at_once, room)| {
                let plan = Arc::clone(&self);
                batches_in_turn(run.baseline.clone(), move || {
                    // It is there until the last is given.
                    let _room = &room;
                    let some = rows.next(at_once)?;
                    some.map(|some| plan.batch(&some, &Selection::Range(0..some.count)))
                        .transpose()
                })
            });
        batches.try_flatten()
    }

    fn batch(&self, rows: &Rows, selected: &Selection) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(selected.count()));
        let columns = self.outputs.iter();
        let columns = columns.map(|output| rows.values(output, selected));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new_with_options(
            self.schema(),
            columns,
            &options,
        )?)
    }
}

/// Gives them on, and the thread.
async fn in_turn<T>(items: Vec<Result<T>>) -> Result<impl Stream<Item = Result<T>>> {
    stop::hand_on().await;
    Ok(futures::stream::iter(items))
}

fn rows_of(ranked: &[(Rank, u32)]) -> Selection {
    Selection::Rows(ranked.iter().map(|(_, row)| *row).collect())
}

/// Those of the rows that are `wanted`, both in the order of rows.
fn of_rows(ranked: &[(Rank, u32)], wanted: &Selection) -> Vec<(Rank, u32)> {
    let mut ranked = ranked.iter().copied();
    let mut both = Vec::with_capacity(wanted.count());
    wanted.each(|wanted| both.extend(ranked.find(|(_, row)| *row == wanted)));
    both
}

/// Rows of a row group that are to be read.
struct Part {
    unread: Unread,
    /// Rows that are decoded at a time.
    at_once: usize,
}

/// How a partition runs.
#[derive(Clone)]
struct Run {
    partition: usize,
    batch_rows: usize,
    baseline: BaselineMetrics,
}

/// A file, with what decides over its rows.
struct Candidates {
    file: Arc<Opened>,
    groups: Vec<Candidate>,
}

struct Candidate {
    group: usize,
    /// Which rows are there, if not all.
    narrow: Option<Vec<u32>>,
    rows: Rows,
}
