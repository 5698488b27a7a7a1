//! Audit records as the Management Activity API delivers them, made from a seed.

mod catalogue;
mod event;
mod stories;
mod template;
mod text;
mod timeline;
mod vocabulary;
mod world;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use self::catalogue::CONTENT_TYPES;
use self::event::{Cast, Event};
use self::stories::Planned;
pub use self::stories::Story;
use self::template::Template;
use self::text::time_text;
use self::timeline::Timeline;
use self::world::World;
use crate::random::{Random, Weighted};

/// Records of a blob are up to this much older than its last one.
const JITTER_SECONDS: u64 = 1_800;
/// One record in so many comes later than that, up to [`LATE_SECONDS_MAX`].
const LATE_ONE_IN: u64 = 250;
const LATE_SECONDS_MAX: u64 = 4 * 86_400;
/// So many of 100 events are by the user and at the place of the event before: people work on one
/// thing for a while.
const SEQUEL_PERCENT: u64 = 40;
/// A waiting repetition is delivered with one record in so many.
const REPEAT_DELIVERED_ONE_IN: u64 = 50;

/// What to generate. Every value has a bound below: at least one tenant, user and day, two records
/// for each blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorOptions {
    /// Another seed gives other organisations and other records.
    pub seed: u64,
    /// Number of tenants; each has its share of the records.
    pub tenants: usize,
    /// Users of a tenant.
    pub users: usize,
    /// Start of the first day in microseconds since 1970, UTC; events lie at or after it.
    pub start_micros: i64,
    /// Days over which the events spread.
    pub days: u32,
    /// Distinct records. Repeated deliveries come on top.
    pub records: u64,
    /// Records of a blob on average; real ones hold from one to thousands.
    pub records_per_blob: u64,
    /// How many of 1,000 records are delivered again.
    pub repeats_per_mille: u64,
}

impl Default for GeneratorOptions {
    /// 100,000 records of one organisation with 500 users in the 30 days from 2026-10-01.
    fn default() -> Self {
        Self {
            seed: 1,
            tenants: 1,
            users: 500,
            start_micros: 1_790_812_800_000_000,
            days: 30,
            records: 100_000,
            records_per_blob: 900,
            repeats_per_mille: 10,
        }
    }
}

/// What a [`Generator`] has delivered so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Records delivered, repetitions included.
    pub records: u64,
    /// Records delivered for the first time.
    pub distinct: u64,
    /// Blobs delivered.
    pub blobs: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// A content blob, as the API would list and return it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentBlob {
    /// The tenant, a lower-case GUID; `OrganizationId` of every record in it.
    pub tenant_id: String,
    /// `Audit.Exchange`, say.
    pub content_type: &'static str,
    /// The identifier in the API's form, unique among the blobs of a generator.
    pub content_id: String,
    /// When it became available, in the API's form: `2026-10-01T08:15:00.123Z`.
    pub content_created: String,
    /// A JSON array of records, compact, UTF-8.
    pub body: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl ContentBlob {
    /// The text of each record, in the order of the array.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.ranges.iter().map(|range| &self.body[range.clone()])
    }

    /// Writes the body to `<folder>/<content type>/<content id>.json`, makes the folders that are
    /// missing, and returns the path.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write_to(&self, folder: &Path) -> io::Result<PathBuf> {
        let folder = folder.join(self.content_type);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.content_id));
        std::fs::write(&path, &self.body)?;
        Ok(path)
    }

    /// Writes the records as NDJSON, one a line.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn write_ndjson(&self, out: &mut impl io::Write) -> io::Result<()> {
        for record in self.records() {
            out.write_all(record)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// An iterator of content blobs, made from a seed.
///
/// # Shape
///
/// The [`ContentBlob`]s come roughly in order of arrival. A blob is a JSON
/// array of records of one tenant and content type, not in order of time; some records are late by
/// hours or days, and about one in a hundred is delivered again, byte for byte, in a later blob.
/// Texts, names and addresses come from small vocabularies with few busy and many quiet ones; nobody
/// and nothing in them is real. A few [`Story`]s are told among the everyday records.
///
/// # Determinism
///
/// The same options give the same bytes on every machine. No clock is read.
///
/// # Memory
///
/// One open blob for each tenant and content type, whatever the number of records.
///
/// ```
/// use audit_testkit::{Generator, GeneratorOptions};
///
/// let mut generator = Generator::new(GeneratorOptions { records: 1_000, ..Default::default() });
/// let delivered: usize = generator.by_ref().map(|blob| blob.records().count()).sum();
/// assert_eq!(generator.counts().distinct, 1_000);
/// assert_eq!(generator.counts().records, delivered as u64);
/// ```
#[derive(Debug)]
pub struct Generator {
    random: Random,
    worlds: Vec<World>,
    kinds: Vec<CompiledKind>,
    everyday: Weighted,
    timeline: Timeline,
    everyday_records: u64,
    next_record: u64,
    stories: Vec<Story>,
    planned: VecDeque<Planned>,
    feeds: Vec<Feed>,
    records_per_blob: u64,
    repeats_per_mille: u64,
    start_seconds: i64,
    counts: Counts,
}

#[derive(Debug)]
struct CompiledKind {
    name: &'static str,
    content_type: usize,
    template: Template,
}

/// The open blob of one tenant and content type, and what is to be delivered again after it.
#[derive(Debug, Default)]
struct Feed {
    body: Vec<u8>,
    ranges: Vec<Range<usize>>,
    size: usize,
    repeats: Vec<Vec<u8>>,
    repeats_of_open: Vec<Vec<u8>>,
    /// How the next event here begins if it goes on where the last one was.
    sequel: Cast,
}

impl Generator {
    /// A generator at its start.
    pub fn new(options: GeneratorOptions) -> Self {
        let tenants = options.tenants.max(1);
        let worlds: Vec<World> = (0..tenants)
            .map(|index| World::new(options.seed, index, options.users.clamp(1, 5_000)))
            .collect();
        let fragments = catalogue::fragments();
        let kinds = catalogue::kinds()
            .map(|kind| CompiledKind {
                name: kind.name,
                content_type: kind.content_type,
                template: Template::new(kind.template, &fragments),
            })
            .collect();
        let mut random = Random::new(options.seed);
        let start_seconds = options.start_micros.div_euclid(1_000_000);
        let end_seconds = start_seconds + i64::from(options.days.max(1)) * 86_400;
        let (stories, planned) = stories::plan(
            &worlds,
            options.records,
            start_seconds,
            end_seconds,
            &mut random,
        );
        let everyday_records = options.records.saturating_sub(planned.len() as u64);
        let mut generator = Self {
            worlds,
            kinds,
            everyday: Weighted::new(catalogue::kinds().map(|kind| kind.share)),
            timeline: Timeline::new(start_seconds, options.days.max(1), everyday_records),
            everyday_records,
            next_record: 0,
            stories,
            planned,
            feeds: (0..tenants * CONTENT_TYPES.len())
                .map(|_| Feed::default())
                .collect(),
            records_per_blob: options.records_per_blob.max(2),
            repeats_per_mille: options.repeats_per_mille,
            start_seconds,
            counts: Counts::default(),
            random,
        };
        for feed in 0..generator.feeds.len() {
            generator.open_blob(feed);
        }
        generator
    }

    /// The tenants, lower-case GUIDs.
    pub fn tenant_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.worlds.iter().map(|world| world.tenant.as_str())
    }

    /// The stories told among the records; none where there are few records.
    pub fn stories(&self) -> &[Story] {
        &self.stories
    }

    /// What was delivered so far; all of it once the iterator has ended.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Writes what is left as NDJSON, in the order of the blobs, repetitions included.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn write_ndjson(&mut self, out: &mut impl io::Write) -> io::Result<Counts> {
        for blob in self.by_ref() {
            blob.write_ndjson(out)?;
        }
        Ok(self.counts)
    }

    /// Prints the next record into its feed; `None` when there is none.
    fn print_record(&mut self) -> Option<usize> {
        let now = self.timeline.at(self.next_record);
        let everyday_left = self.next_record < self.everyday_records;
        if self
            .planned
            .front()
            .is_some_and(|planned| planned.seconds <= now || !everyday_left)
        {
            let planned = self.planned.pop_front()?;
            let kind = self
                .kinds
                .iter()
                .position(|kind| kind.name == planned.kind)?;
            return Some(self.print(planned.tenant, kind, planned.seconds, &planned.cast));
        }
        if !everyday_left {
            return None;
        }
        self.next_record += 1;
        let tenant = self.random.below(self.worlds.len() as u64) as usize;
        let kind = self.everyday.pick(&mut self.random);
        let delay = if self.random.chance(1, LATE_ONE_IN) {
            LATE_SECONDS_MAX
        } else {
            JITTER_SECONDS
        };
        let seconds = (now - self.random.below(delay) as i64).max(self.start_seconds);
        let feed = tenant * CONTENT_TYPES.len() + self.kinds[kind].content_type;
        let goes_on = self.random.chance(SEQUEL_PERCENT, 100);
        let cast = std::mem::take(&mut self.feeds[feed].sequel);
        let cast = if goes_on { cast } else { Cast::default() };
        Some(self.print(tenant, kind, seconds, &cast))
    }

    fn print(&mut self, tenant: usize, kind: usize, seconds: i64, cast: &Cast) -> usize {
        let random = &mut self.random;
        let kind = &self.kinds[kind];
        let index = tenant * CONTENT_TYPES.len() + kind.content_type;
        let feed = &mut self.feeds[index];
        let event = Event::new(&self.worlds[tenant], seconds, cast, random);
        feed.append(|body| kind.template.write(&event, random, body));
        if cast.intruder.is_none() {
            feed.sequel = event.sequel();
        }
        self.counts.records += 1;
        self.counts.distinct += 1;
        if random.chance(self.repeats_per_mille, 1_000) {
            feed.repeats_of_open.extend(feed.last().map(<[u8]>::to_vec));
        }
        if !feed.repeats.is_empty() && random.chance(1, REPEAT_DELIVERED_ONE_IN) {
            let repeat = feed
                .repeats
                .swap_remove(random.below(feed.repeats.len() as u64) as usize);
            feed.append(|body| body.extend_from_slice(&repeat));
            self.counts.records += 1;
        }
        index
    }

    fn open_blob(&mut self, feed: usize) {
        let mean = self.records_per_blob;
        // A few are tiny, as in reality; the others differ by a factor of seven.
        let size = if self.random.chance(1, 30) {
            self.random.between(1, 12)
        } else {
            self.random.between(mean.div_ceil(4), mean * 7 / 4)
        };
        self.feeds[feed].size = size as usize;
    }

    fn close_blob(&mut self, index: usize) -> ContentBlob {
        let feed = &mut self.feeds[index];
        feed.body.push(b']');
        feed.repeats.append(&mut feed.repeats_of_open);
        let (body, ranges) = (
            std::mem::take(&mut feed.body),
            std::mem::take(&mut feed.ranges),
        );
        self.counts.blobs += 1;
        self.counts.bytes += body.len() as u64;
        let available = self.timeline.at(self.next_record) + self.random.between(60, 1_500) as i64;
        let millis = self.random.below(1_000);
        let time = time_text(available);
        let time = String::from_utf8_lossy(&time);
        let digits: String = time.chars().filter(char::is_ascii_digit).collect();
        let (content_type, feed_name) = CONTENT_TYPES[index % CONTENT_TYPES.len()];
        let stamp = format!("{digits}{millis:03}{:06}", self.counts.blobs);
        let blob = ContentBlob {
            tenant_id: self.worlds[index / CONTENT_TYPES.len()].tenant.clone(),
            content_type,
            content_id: format!("{stamp}${stamp}${}${feed_name}", feed_name.to_lowercase()),
            content_created: format!("{time}.{millis:03}Z"),
            body,
            ranges,
        };
        self.open_blob(index);
        blob
    }

    /// The blobs still open at the end, then one more for each feed with repetitions left.
    fn close_last(&mut self) -> Option<ContentBlob> {
        if let Some(index) = self.feeds.iter().position(|feed| !feed.ranges.is_empty()) {
            return Some(self.close_blob(index));
        }
        let index = self
            .feeds
            .iter()
            .position(|feed| !feed.repeats.is_empty())?;
        let feed = &mut self.feeds[index];
        for repeat in std::mem::take(&mut feed.repeats) {
            feed.append(|body| body.extend_from_slice(&repeat));
            self.counts.records += 1;
        }
        Some(self.close_blob(index))
    }
}

impl Iterator for Generator {
    type Item = ContentBlob;

    fn next(&mut self) -> Option<ContentBlob> {
        while let Some(index) = self.print_record() {
            if self.feeds[index].ranges.len() >= self.feeds[index].size {
                return Some(self.close_blob(index));
            }
        }
        self.close_last()
    }
}

impl Feed {
    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.body
            .push(if self.ranges.is_empty() { b'[' } else { b',' });
        let start = self.body.len();
        write(&mut self.body);
        self.ranges.push(start..self.body.len());
    }

    fn last(&self) -> Option<&[u8]> {
        self.ranges.last().map(|range| &self.body[range.clone()])
    }
}
