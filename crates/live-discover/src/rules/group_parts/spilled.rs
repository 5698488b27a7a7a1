//! Rows that are put on disk, divided by the hash of their keys.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::common::Result;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_plan::SpillManager;
use datafusion_execution::SpillFile;

use super::Work;

/// Parts that groups are divided into at a time, by so many bits of the hash.
const PARTS: usize = 1 << PART_BITS;

const PART_BITS: u32 = 4;

/// How often parts are divided again at most: as far as the bits reach.
pub(super) const LEVELS: u32 = u64::BITS / PART_BITS;

/// Bytes of rows that are divided at a time.
const DIVIDED_BYTES: usize = 8 << 20;

/// Differs from that by which rows come to this thread, of which some bits are alike in all of them.
const HASH: RandomState = RandomState::with_seed(0x6772_6f75_7073);

/// A file that rows are added to, and that is given once there are no more: DataFusion has a type for it without a name.
type PartFile = Box<dyn FnMut(Option<&RecordBatch>) -> Result<Option<Arc<dyn SpillFile>>> + Send>;

fn part_file(spill: &SpillManager) -> Result<PartFile> {
    let mut file = spill.create_in_progress_file("groups")?;
    Ok(Box::new(move |rows| match rows {
        Some(rows) => file.append_batch(rows).map(|_| None),
        None => file.finish(),
    }))
}

/// Rows that are divided by the hash of their keys.
pub(super) struct Parts<'a> {
    pub(super) work: &'a Work,
    level: u32,
    files: [Option<PartFile>; PARTS],
    /// Rows that are to be divided together.
    rows: Vec<RecordBatch>,
    bytes: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn new(work: &'a Work, level: u32) -> Self {
        Self {
            work,
            level,
            files: std::array::from_fn(|_| None),
            rows: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn add(&mut self, batch: RecordBatch) -> Result<()> {
        let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size());
        let slices = bytes.div_ceil(DIVIDED_BYTES).clamp(1, rows.max(1));
        let rows_each = rows.div_ceil(slices).max(1);
        for start in (0..rows).step_by(rows_each) {
            self.rows
                .push(batch.slice(start, rows_each.min(rows - start)));
            self.bytes += bytes / slices;
            if self.bytes >= DIVIDED_BYTES {
                self.divide()?;
            }
        }
        Ok(())
    }

    /// Puts the rows on disk.
    fn divide(&mut self) -> Result<()> {
        let mut parts: [Vec<(usize, usize)>; PARTS] = std::array::from_fn(|_| Vec::new());
        let mut hashes = Vec::new();
        for (at, batch) in self.rows.iter().enumerate() {
            hashes.clear();
            hashes.resize(batch.num_rows(), 0);
            let keys: &[ArrayRef] = &batch.columns()[..self.work.plan.keys];
            create_hashes(keys, &HASH, &mut hashes)?;
            for (row, hash) in hashes.iter().enumerate() {
                let part = hash.rotate_left((self.level + 1) * PART_BITS) as usize % PARTS;
                parts[part].push((at, row));
            }
        }
        let rows: Vec<&RecordBatch> = self.rows.iter().collect();
        for (part, file) in parts.iter().zip(&mut self.files) {
            if part.is_empty() {
                continue;
            }
            let part = interleave_record_batch(&rows, part)?;
            let file = match file {
                Some(file) => file,
                none => none.insert(part_file(&self.work.spill)?),
            };
            file(Some(&part))?;
        }
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    /// The parts that have rows.
    pub(super) fn finish(mut self) -> Result<Vec<Arc<dyn SpillFile>>> {
        self.divide()?;
        let files = self.files.iter_mut().flatten();
        let files = files.map(|file| file(None));
        files.filter_map(Result::transpose).collect()
    }
}
