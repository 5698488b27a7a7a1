//! The transposed Bloom filters of a row group's blocks: their form in the file, and where they are.

use std::ops::Range;

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

/// The index of a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextIndex {
    groups: Vec<Option<GroupIndex>>,
}

impl TextIndex {
    /// The index that a file's footer names; `None` if it has none, or one that this version does not know.
    pub fn of(metadata: &ParquetMetaData) -> Option<Self> {
        let entries = metadata.file_metadata().key_value_metadata()?;
        let entry = entries.iter().find(|entry| entry.key == FOOTER_ENTRY)?;
        let groups = metadata.row_groups();
        let index = Self::parse(entry.value.as_deref()?)?;
        (index.groups.len() == groups.len()).then_some(index)
    }

    /// The index of a row group, where it has one.
    pub fn group(&self, number: usize) -> Option<&GroupIndex> {
        self.groups.get(number)?.as_ref()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let groups = words.map(|word| match word {
            "" => Some(None),
            word => parse_group(word).map(Some),
        });
        groups.collect::<Option<_>>().map(|groups| Self { groups })
    }

    /// The entry in the footer of a file with these row groups.
    pub(crate) fn footer_entry(groups: &[Option<GroupIndex>]) -> KeyValue {
        let mut text = VERSION.to_owned();
        for group in groups {
            text.push(' ');
            if let Some(GroupIndex {
                offset,
                buckets,
                width,
                block_rows,
            }) = group
            {
                text.push_str(&format!("{offset}:{buckets}:{width}:{block_rows}"));
            }
        }
        KeyValue::new(FOOTER_ENTRY.to_owned(), text)
    }
}

/// Numbers that would lead beyond any file, or to more blocks than there can be, are those of no index.
fn parse_group(word: &str) -> Option<GroupIndex> {
    const OFFSET_MAX: u64 = 1 << 48;
    let mut numbers = word.split(':');
    let mut next = || numbers.next()?.parse::<u64>().ok();
    let group = GroupIndex {
        offset: next().filter(|offset| *offset < OFFSET_MAX)?,
        buckets: next().and_then(|buckets| buckets.try_into().ok())?,
        width: next().filter(|width| (1..=BLOCKS_MAX as u64 / 8).contains(width))? as usize,
        block_rows: next().filter(|rows| (1..=u64::from(u32::MAX)).contains(rows))? as usize,
    };
    (next().is_none() && group.buckets > 0).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_entry_says_where_it_is() {
        let group = GroupIndex {
            offset: 4,
            buckets: 3,
            width: 2,
            block_rows: 100,
        };
        let groups = vec![Some(group.clone()), None];
        let entry = TextIndex::footer_entry(&groups);
        assert_eq!(entry.value.as_deref(), Some("2 4:3:2:100 "));
        assert_eq!(TextIndex::parse("2 4:3:2:100 "), Some(TextIndex { groups }));
        assert_eq!((group.range(), group.bucket(1)), (4..1540, 516..1028));
        for other in [
            "",
            "1 4:3:2:100",
            "2 4:3:2",
            "2 4:3:9:100",
            "2 4:0:2:100",
            "2 4:3:2:0",
            "2 4:3:2:100:1",
            "2 x",
        ] {
            assert_eq!(TextIndex::parse(other), None, "{other}");
        }
    }
}
