//! The transposed Bloom filters of a row group's blocks: their form in the file, and where they are.

use std::fmt;
use std::ops::Range;
use std::str::Split;

use parquet::file::metadata::{KeyValue, ParquetMetaData};

use super::marks::Mark;

/// Entry in a data file's footer that says where the index of each row group is: the version, then for each row group
/// `offset:buckets:width:block rows`, or nothing for a row group without one, each behind a space.
pub(super) const FOOTER_ENTRY: &str = "live_discover.text_index";
const VERSION: &str = "2";

/// Rows of the matrix that a mark's bits are among: what one read brings, [`GroupIndex::bucket`].
pub(super) const BUCKET_ROWS: usize = 256;
/// Blocks of a row group at most: bits of what a look at the index says.
pub(super) const BLOCKS_MAX: usize = 64;

/// Where a mark's bits are: its bucket, and the rows in it.
pub(super) fn places(mark: Mark, buckets: u32) -> (u32, [usize; 2]) {
    let bucket = (u64::from(mark) * u64::from(buckets)) >> 32;
    let mixed = (mark ^ (mark >> 15)).wrapping_mul(0x85eb_ca6b);
    let mixed = mixed ^ (mixed >> 13);
    let rows = [mixed & 0xff, (mixed >> 8) & 0xff];
    (bucket as u32, rows.map(|row| row as usize))
}

/// Where the index of a row group lies and how it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupIndex {
    /// From the start of the file.
    pub(super) offset: u64,
    pub(super) buckets: u32,
    /// Bytes of a row of the matrix: one for eight blocks.
    pub(super) width: usize,
    pub(super) block_rows: usize,
}

impl GroupIndex {
    /// The bytes of the file that are the row group's index.
    pub fn range(&self) -> Range<u64> {
        let len = u64::from(self.buckets) * self.bucket_bytes() as u64;
        self.offset..self.offset + len
    }

    /// The bytes of the file that are one bucket.
    pub fn bucket(&self, bucket: u32) -> Range<u64> {
        let len = self.bucket_bytes() as u64;
        let start = self.offset + u64::from(bucket) * len;
        start..start + len
    }

    /// Bytes of a bucket.
    pub fn bucket_bytes(&self) -> usize {
        BUCKET_ROWS * self.width
    }

    /// Rows of each block but the last.
    pub fn block_rows(&self) -> usize {
        self.block_rows
    }

    /// The blocks that may have the mark, a bit for each, by the bytes of its bucket; all where these are too few.
    pub(super) fn blocks(&self, rows: [usize; 2], bucket: &[u8]) -> u64 {
        let row = |row: usize| {
            let start = row * self.width;
            // Eight bytes at once, of which other rows have the last, are quicker than so many as a row has.
            if let Some(word) = bucket.get(start..).and_then(|row| row.first_chunk()) {
                return u64::from_le_bytes(*word) & (u64::MAX >> (BLOCKS_MAX - 8 * self.width));
            }
            let mut word = [0; BLOCKS_MAX / 8];
            match bucket.get(start..start + self.width) {
                Some(bytes) => word[..self.width].copy_from_slice(bytes),
                None => return u64::MAX,
            }
            u64::from_le_bytes(word)
        };
        row(rows[0]) & row(rows[1])
    }
}

/// The index of a data file: of each row group its rows, and where its index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextIndex {
    groups: Vec<(u64, Option<GroupIndex>)>,
}

impl TextIndex {
    /// The tag of an `add` that says the same as the footer, so that the footer of a file without what is looked for is
    /// not read: the version, then for each row group its rows, and what the footer has of it, as
    /// `rows:offset:buckets:width:block rows` or `rows`, each behind a space.
    pub(crate) const TAG: &str = FOOTER_ENTRY;

    /// The index that a file's footer names; `None` if it has none, or one that this version does not know.
    pub fn of(metadata: &ParquetMetaData) -> Option<Self> {
        let entries = metadata.file_metadata().key_value_metadata()?;
        let entry = entries.iter().find(|entry| entry.key == FOOTER_ENTRY)?;
        let mut words = words(entry.value.as_deref()?)?;
        let groups = metadata.row_groups().iter().map(|group| {
            let rows = u64::try_from(group.num_rows()).ok()?;
            let index = match words.next()? {
                "" => None,
                word => Some(parse_group(word, rows)?),
            };
            Some((rows, index))
        });
        let groups = groups.collect::<Option<_>>()?;
        words.next().is_none().then_some(Self { groups })
    }

    /// The index that a file's tag in the log names; `None` if it is one that this version does not know.
    pub(crate) fn of_tag(text: &str) -> Option<Self> {
        let groups = words(text)?.map(|word| {
            let Some((rows, index)) = word.split_once(':') else {
                return Some((word.parse().ok()?, None));
            };
            let rows = rows.parse().ok()?;
            Some((rows, Some(parse_group(index, rows)?)))
        });
        let groups = groups.collect::<Option<_>>()?;
        Some(Self { groups })
    }

    /// The tag of the file in the log.
    pub(crate) fn to_tag(&self) -> String {
        let mut text = VERSION.to_owned();
        for (rows, group) in &self.groups {
            text.push_str(&format!(" {rows}"));
            if let Some(group) = group {
                text.push_str(&format!(":{group}"));
            }
        }
        text
    }

    /// The row groups: the rows of each, and its index, where it has one.
    pub fn groups(&self) -> impl Iterator<Item = (u64, Option<&GroupIndex>)> {
        self.groups
            .iter()
            .map(|(rows, index)| (*rows, index.as_ref()))
    }

    /// That of a file with these row groups, as they are written, each with its rows.
    pub(crate) fn new(groups: Vec<(u64, Option<GroupIndex>)>) -> Self {
        Self { groups }
    }

    /// The entry in the footer of the file.
    pub(crate) fn footer_entry(&self) -> KeyValue {
        let mut text = VERSION.to_owned();
        for (_, group) in &self.groups {
            text.push(' ');
            if let Some(group) = group {
                text.push_str(&group.to_string());
            }
        }
        KeyValue::new(FOOTER_ENTRY.to_owned(), text)
    }
}

impl fmt::Display for GroupIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            buckets,
            width,
            block_rows,
        } = self;
        write!(f, "{offset}:{buckets}:{width}:{block_rows}")
    }
}

/// What stands behind the version, if that is known.
fn words(text: &str) -> Option<Split<'_, char>> {
    let mut words = text.split(' ');
    (words.next()? == VERSION).then_some(words)
}

/// Numbers that would lead beyond any file, to more blocks than there can be, or to fewer than so many rows have, are those
/// of no index.
fn parse_group(word: &str, rows: u64) -> Option<GroupIndex> {
    const OFFSET_MAX: u64 = 1 << 48;
    let mut numbers = word.split(':');
    let mut next = || numbers.next()?.parse::<u64>().ok();
    let group = GroupIndex {
        offset: next().filter(|offset| *offset < OFFSET_MAX)?,
        buckets: next().and_then(|buckets| buckets.try_into().ok())?,
        width: next().filter(|width| (1..=BLOCKS_MAX as u64 / 8).contains(width))? as usize,
        block_rows: next().filter(|rows| (1..=u64::from(u32::MAX)).contains(rows))? as usize,
    };
    let rows_max = 8 * group.width as u64 * group.block_rows as u64;
    let is_known = next().is_none() && group.buckets > 0 && rows <= rows_max;
    is_known.then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footer_and_log_say_where_it_is() {
        let group = GroupIndex {
            offset: 4,
            buckets: 3,
            width: 2,
            block_rows: 100,
        };
        assert_eq!((group.range(), group.bucket(1)), (4..1540, 516..1028));
        let index = TextIndex::new(vec![(250, Some(group)), (7, None)]);
        let entry = index.footer_entry();
        assert_eq!(entry.value.as_deref(), Some("2 4:3:2:100 "));
        assert_eq!(index.to_tag(), "2 250:4:3:2:100 7");
        assert_eq!(TextIndex::of_tag("2 250:4:3:2:100 7"), Some(index));
        for other in [
            "",
            "1 250:4:3:2:100",
            "2 250:4:3:2",
            "2 250:4:3:9:100",
            "2 250:4:0:2:100",
            "2 1601:4:3:2:100",
            "2 250:4:3:2:0",
            "2 250:4:3:2:100:1",
            "2 250:4:3:2:100 ",
            "2 -1:4:3:2:100",
            "2 x",
        ] {
            assert_eq!(TextIndex::of_tag(other), None, "{other}");
        }
    }
}
