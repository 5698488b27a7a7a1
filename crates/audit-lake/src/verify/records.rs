//! The rows of `m365_audit`: each in its place, each record once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use object_store::path::Path;

use super::{Check, Severity, Tally};
use crate::DAY_MICROS;
use crate::data_file::{ROW_GROUP_ROWS, USER_ROWS};
use crate::error::Result;
use crate::keys::{Canonical, Key, KeyColumns, Kind, Texts};
use crate::snapshot::DataFile;

/// Keys of a partition that are compared at a time: 16 bytes each.
const KEYS_MAX: u64 = 16 << 20;

/// What tells whether rows are of one key.
const COMPARED: [&str; 5] = ["id", "record_type", "operation", "creation_time", "variant"];

pub(super) async fn check(check: &mut Check<'_>, canonical: Canonical) -> Result<()> {
    let days: BTreeSet<Option<i32>> = (check.snapshot.files().iter())
        .map(|file| file.event_date)
        .collect();
    for day in days {
        let mut beginning = check.begin();
        loop {
            let snapshot = Arc::clone(&check.snapshot);
            let files = snapshot.files().iter();
            let mut partition = Partition {
                files: files.filter(|file| file.event_date == day).collect(),
                hasher: Hasher::default(),
                canonical,
            };
            partition.check(check, day).await?;
            if !check.begins_again(&mut beginning) {
                break;
            }
        }
    }
    Ok(())
}

/// What is kept of the keys of a partition, or of one share of them.
#[derive(Default)]
struct Hashes {
    all: Vec<u128>,
    /// Those of rows that are not the first of their key, by what they say.
    variants: Vec<u128>,
}

impl Hashes {
    fn add(&mut self, hash: u128, variant: Option<i64>) {
        self.all.push(hash);
        if variant != Some(0) {
            self.variants.push(hash);
        }
    }

    /// The keys whose rows have to be compared.
    fn into_candidates(mut self) -> HashSet<u128> {
        self.all.sort_unstable();
        let twice = self
            .all
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0]);
        twice.chain(self.variants).collect()
    }
}

/// 128 bits of a key or content. Two of 64 with keys of their own, which nobody can aim at.
#[derive(Default)]
struct Hasher(RandomState, RandomState);

impl Hasher {
    fn hash(&self, value: impl std::hash::Hash) -> u128 {
        u128::from(self.0.hash_one(&value)) << 64 | u128::from(self.1.hash_one(&value))
    }

    fn key(&self, key: &Key<'_>) -> u128 {
        match key.id {
            None => self.hash(key.creation_time),
            Some(id) => self.hash((id.to_ascii_lowercase(), key.rest())),
        }
    }
}

struct Partition<'a> {
    files: Vec<&'a DataFile>,
    hasher: Hasher,
    canonical: Canonical,
}

impl Partition<'_> {
    async fn check(&mut self, check: &mut Check<'_>, day: Option<i32>) -> Result<()> {
        let rows: u64 = self.files.iter().map(|file| file.rows).sum();
        let shares = rows / KEYS_MAX + 1;
        let mut readable = Vec::new();
        for share in 0..shares {
            let mut hashes = Hashes::default();
            if share == 0 {
                for file in std::mem::take(&mut self.files) {
                    if self
                        .check_file(check, file, day, shares, &mut hashes)
                        .await?
                    {
                        readable.push(file);
                    }
                    if check.overtaken_by.is_some() {
                        return Ok(());
                    }
                    check.file_done();
                }
                self.files = std::mem::take(&mut readable);
            } else {
                for file in &self.files {
                    self.read_hashes(check, file, (share, shares), &mut hashes)
                        .await?;
                }
            }
            let again = hashes.into_candidates();
            if !again.is_empty() {
                self.compare(check, &again).await?;
            }
        }
        Ok(())
    }

    /// Reads the whole file and checks what can be told row by row. Whether it could be read.
    async fn check_file(
        &self,
        check: &mut Check<'_>,
        file: &DataFile,
        day: Option<i32>,
        shares: u64,
        hashes: &mut Hashes,
    ) -> Result<bool> {
        if !check.is_whole(file).await? {
            return Ok(false);
        }
        let Some(mut stream) = check.open(file, None).await? else {
            return Ok(false);
        };
        let mut rows = Rows::new(check, file, day);
        loop {
            let next = stream.try_next().await;
            let Some(next) = check.read(file, next).await? else {
                return Ok(false);
            };
            let Some(batch) = next else { break };
            let columns = match KeyColumns::of(&batch) {
                Ok(columns) => columns,
                Err(_) => {
                    check.broken(&file.path, "has no column creation_time");
                    return Ok(false);
                }
            };
            self.add_hashes(&batch, &columns, (0, shares), hashes);
            rows.check(&batch, &columns);
        }
        rows.report(check);
        Ok(true)
    }

    async fn read_hashes(
        &self,
        check: &mut Check<'_>,
        file: &DataFile,
        share: (u64, u64),
        hashes: &mut Hashes,
    ) -> Result<()> {
        let Some(mut stream) = check.open(file, Some(&COMPARED)).await? else {
            return Ok(());
        };
        loop {
            let next = stream.try_next().await;
            let Some(Some(batch)) = check.read(file, next).await? else {
                return Ok(());
            };
            let columns = KeyColumns::of(&batch)?;
            self.add_hashes(&batch, &columns, share, hashes);
        }
    }

    fn add_hashes(
        &self,
        batch: &RecordBatch,
        columns: &KeyColumns<'_>,
        (share, shares): (u64, u64),
        hashes: &mut Hashes,
    ) {
        let variants = integers(batch, "variant");
        for row in 0..batch.num_rows() {
            let hash = self.hasher.key(&columns.key(row));
            if hash % u128::from(shares) == u128::from(share) {
                hashes.add(hash, variants.map(|variants| variants.value(row)));
            }
        }
    }

    /// Compares the rows whose keys were met again, exactly.
    async fn compare(&self, check: &mut Check<'_>, again: &HashSet<u128>) -> Result<()> {
        let names = [&COMPARED[..], &["raw"]].concat();
        let mut groups: HashMap<OwnKey, Vec<Met>> = HashMap::new();
        for (number, file) in self.files.iter().enumerate() {
            let Some(mut stream) = check.open(file, Some(&names)).await? else {
                continue;
            };
            let mut at = 0;
            loop {
                let next = stream.try_next().await;
                let Some(Some(batch)) = check.read(file, next).await? else {
                    break;
                };
                let columns = KeyColumns::of(&batch)?;
                let raw = Texts::of(&batch, "raw");
                let variant = integers(&batch, "variant");
                for row in 0..batch.num_rows() {
                    let key = columns.key(row);
                    if again.contains(&self.hasher.key(&key)) {
                        let text = raw.map_or("", |raw| raw.value(row));
                        let content = (self.canonical)(text);
                        let content = self.hasher.hash(content.as_deref().unwrap_or(text));
                        let variant = variant.map_or(0, |variant| variant.value(row));
                        let met = Met {
                            variant,
                            content,
                            file: number,
                            row: at + row as u64,
                        };
                        groups.entry(OwnKey::of(&key)).or_default().push(met);
                    }
                }
                at += batch.num_rows() as u64;
            }
        }
        let mut tallies: BTreeMap<(usize, Wrong), Tally> = BTreeMap::new();
        for (key, mut rows) in groups {
            rows.sort_unstable();
            compare_rows(&key, &rows, |met, wrong, what| {
                tallies
                    .entry((met.file, wrong))
                    .or_default()
                    .add(met.row, || what);
            });
        }
        for ((file, _), tally) in tallies {
            tally.report(check, &self.files[file].path);
        }
        Ok(())
    }
}

/// What may be wrong among the rows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Twice,
    Variant,
}

/// The rows of one key, sorted by variant.
fn compare_rows(key: &OwnKey, rows: &[Met], mut wrong: impl FnMut(&Met, Wrong, String)) {
    let mut contents = HashSet::new();
    let mut next_variant = 0;
    for met in rows {
        if !contents.insert(met.content) {
            wrong(
                met,
                Wrong::Twice,
                format!("the record {key} is there twice"),
            );
        } else if key.0.is_some() && met.variant != next_variant {
            let what = format!(
                "the record {key} is variant {}, not {next_variant}",
                met.variant
            );
            wrong(met, Wrong::Variant, what);
        }
        next_variant = met.variant + 1;
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Met {
    variant: i64,
    file: usize,
    row: u64,
    content: u128,
}

/// A key of its own memory; the id in lower case.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OwnKey(Option<String>, Option<(Option<i64>, Option<String>)>, i64);

impl OwnKey {
    fn of(key: &Key<'_>) -> Self {
        let (record_type, operation, creation_time) = key.rest();
        let rest = || (record_type, operation.map(str::to_owned));
        Self(
            key.id.map(str::to_ascii_lowercase),
            key.id.map(|_| rest()),
            creation_time,
        )
    }
}

impl std::fmt::Display for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(id) => write!(f, "`{id}`"),
            None => f.write_str("without id"),
        }
    }
}

/// Rows of one record type and operation that stand by user and time, so many in turn: as we write them, as older programs
/// did, and as the first did, by time alone.
const IN_TURN: [usize; 3] = [USER_ROWS, 2048, 1];

/// Rows of a row group that have the same record type and operation.
struct Same {
    first: u64,
    latest: i64,
    /// For each of [`IN_TURN`] whether they stand so, and the latest time of those in turn before.
    in_turn: [(bool, i64); IN_TURN.len()],
}

impl Same {
    fn from(first: u64) -> Self {
        Self {
            first,
            latest: i64::MIN,
            in_turn: [(true, i64::MIN); IN_TURN.len()],
        }
    }

    /// Whether the next row stands as it may; `is_behind`: by user and time it does not stand before the last one.
    fn stands(&mut self, at: u64, is_behind: bool, time: i64) -> bool {
        for ((stands, latest_before), rows) in self.in_turn.iter_mut().zip(IN_TURN) {
            match (at - self.first).is_multiple_of(rows as u64) {
                true => *latest_before = self.latest,
                false => *stands &= is_behind,
            }
            *stands &= *latest_before <= time;
        }
        self.latest = self.latest.max(time);
        let stands = self.in_turn.iter().any(|(stands, _)| *stands);
        if !stands {
            // What follows may be in order again.
            let first = self.first;
            *self = Self {
                latest: time,
                ..Self::from(first)
            };
        }
        stands
    }
}

/// The checks of a file that need one row at a time.
struct Rows<'a> {
    file: &'a DataFile,
    tenant: String,
    version: i64,
    /// Bounds of `creation_time` by the partition.
    day: Option<(i64, i64)>,
    rows: u64,
    /// Operation, user, record type and time of the row before.
    last: ([Option<String>; 2], Option<i64>, i64),
    same: Same,
    /// The latest time so far, and that of the row groups before.
    latest: i64,
    latest_before: i64,
    order: Tally,
    partition: Tally,
    time_bounds: Tally,
    sequence: Tally,
    tenant_id: Tally,
    raw: Tally,
    variant: Tally,
}

impl<'a> Rows<'a> {
    fn new(check: &Check<'_>, file: &'a DataFile, day: Option<i32>) -> Self {
        Self {
            file,
            tenant: check.snapshot.tenant().to_string(),
            version: check.snapshot.version() as i64,
            day: day.map(|day| {
                let begin = i64::from(day) * DAY_MICROS;
                (begin, begin + DAY_MICROS - 1)
            }),
            rows: 0,
            last: ([None, None], None, i64::MIN),
            same: Same::from(0),
            latest: i64::MIN,
            latest_before: i64::MIN,
            order: Tally::default(),
            partition: Tally::default(),
            time_bounds: Tally::default(),
            sequence: Tally::default(),
            tenant_id: Tally::default(),
            raw: Tally::default(),
            variant: Tally::default(),
        }
    }

    fn check(&mut self, batch: &RecordBatch, columns: &KeyColumns<'_>) {
        let times = batch
            .column_by_name("creation_time")
            .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
        let tenants = Texts::of(batch, "tenant_id");
        let raw = Texts::of(batch, "raw");
        let sequences = integers(batch, "ingest_sequence");
        let variants = integers(batch, "variant");
        let value = |array: Option<&Int64Array>, row: usize| {
            array
                .filter(|array| array.is_valid(row))
                .map(|array| array.value(row))
        };
        let within = |value: i64, bounds: Option<(i64, i64)>| {
            bounds.is_none_or(|(min, max)| (min..=max).contains(&value))
        };
        for row in 0..batch.num_rows() {
            let at = self.rows;
            self.rows += 1;
            let time = columns.key(row).creation_time;
            if times.is_none_or(|times| times.is_null(row)) {
                self.partition.add(at, || "has no creation_time".to_owned());
            } else {
                self.check_order(at, columns.kind(row), time);
                if !within(time, self.day) {
                    self.partition.add(at, || {
                        "its creation_time is not of the partition's day".to_owned()
                    });
                } else if !within(time, self.file.creation_time) {
                    self.time_bounds.add(at, || {
                        "its creation_time is outside of the log's bounds".to_owned()
                    });
                }
            }
            match value(sequences, row) {
                Some(sequence)
                    if (1..=self.version).contains(&sequence)
                        && within(sequence, self.file.ingest_sequence) => {}
                sequence => self.sequence.add(at, || match sequence {
                    Some(sequence) => {
                        format!("its ingest_sequence {sequence} is outside of the log's bounds")
                    }
                    None => "has no ingest_sequence".to_owned(),
                }),
            }
            if tenants.is_none_or(|tenants| tenants.value(row) != self.tenant) {
                self.tenant_id
                    .add(at, || "its tenant_id is not the tenant's".to_owned());
            }
            if raw.is_none_or(|raw| raw.value(row).is_empty()) {
                self.raw.add(at, || "has no raw text".to_owned());
            }
            let key = columns.key(row);
            match value(variants, row) {
                Some(variant) if variant >= 0 && (variant == 0 || key.id.is_some()) => {}
                _ => self.variant.add(at, || "its variant is none".to_owned()),
            }
        }
    }

    /// Row groups follow each other in time; in each, rows stand by record type and operation, and those of the same as
    /// [`Same`] says.
    fn check_order(&mut self, at: u64, (record_type, operation, user_id): Kind<'_>, time: i64) {
        let ([last_operation, last_user], last_type, last_time) = &self.last;
        let last = (*last_type, last_operation.as_deref());
        let is_group = at.is_multiple_of(ROW_GROUP_ROWS as u64);
        if is_group {
            self.latest_before = self.latest;
        }
        if is_group || last != (record_type, operation) {
            if !is_group && last > (record_type, operation) {
                let what = "does not stand by record type and operation";
                self.order.add(at, || what.to_owned());
            }
            self.same = Same::from(at);
        }
        let is_behind = (last_user.as_deref(), *last_time) <= (user_id, time);
        if !self.same.stands(at, is_behind, time) {
            let what = "does not stand by user and time";
            self.order.add(at, || what.to_owned());
        }
        if time < self.latest_before {
            self.order
                .add(at, || "is older than the row group before it".to_owned());
        }
        self.latest = self.latest.max(time);
        let ([last_operation, last_user], last_type, last_time) = &mut self.last;
        (*last_type, *last_time) = (record_type, time);
        for (last, text) in [(last_operation, operation), (last_user, user_id)] {
            if last.as_deref() != text {
                *last = text.map(str::to_owned);
            }
        }
    }

    fn report(self, check: &mut Check<'_>) {
        let path: &Path = &self.file.path;
        check.check_rows(self.file, self.rows);
        // Other programs, and old ones, which gave no hash either, order rows as they like.
        let severity = match self.file.sha256 {
            Some(_) => Severity::Broken,
            None => Severity::Note,
        };
        self.order.report_as(severity, check, path);
        let tallies = [
            self.partition,
            self.time_bounds,
            self.sequence,
            self.tenant_id,
            self.raw,
            self.variant,
        ];
        for tally in tallies {
            tally.report(check, path);
        }
    }
}

fn integers<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_as_some_program_wrote_them() {
        const FIRST: u64 = 100;
        for (in_turn, stands) in [(USER_ROWS, true), (2048, true), (1, true), (4096, false)] {
            let mut rows: Vec<(i64, i64)> = (0..20_000).map(|time| (time * 7 % 5, time)).collect();
            rows.chunks_mut(in_turn).for_each(<[_]>::sort_unstable);
            let mut same = Same::from(FIRST);
            let mut last = None;
            let all_stand = (FIRST..).zip(rows).all(|(at, row)| {
                let is_behind = last.replace(row) <= Some(row);
                same.stands(at, is_behind, row.1)
            });
            assert_eq!(all_stand, stands, "{in_turn} in turn");
        }
    }

    #[test]
    fn a_row_in_the_wrong_place_is_told_once() {
        let mut same = Same::from(0);
        let times = [1, 2, 9, 3, 4, 5];
        let stands = (0..)
            .zip(times)
            .map(|(at, time)| same.stands(at, false, time));
        assert_eq!(stands.filter(|stands| !stands).count(), 1);
    }
}
