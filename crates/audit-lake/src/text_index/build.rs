//! Building the index of a row group.

use std::hash::BuildHasher;

use arrow::array::ArrayRef;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::marks::{self, Mark};
use super::matrix::{BLOCKS_MAX, BUCKET_ROWS, GroupIndex, places};
use crate::data_file::RowIndex;
use crate::keys::Texts;

/// Rows of a block in a large row group: a few MB of records, and the rows that are read where the index says "maybe".
const BLOCK_ROWS: usize = 2048;
/// Bits of the filter for each mark: with two bits set for each, one of ten foreign marks seems to be there, and a text
/// has several.
const BITS_PER_MARK: usize = 6;
/// Bytes of the index for 100 bytes of the row group at most.
const SIZE_PERCENT_MAX: usize = 14;
/// Marks of a block beyond which it has no filter: "maybe" to everything. A record of 50 MB has as many.
const MARKS_MAX: usize = 8 << 20;
/// Marks that are known to be there already, by their last bits.
const RECENT: usize = 1 << 12;
/// Bits that tell how many different marks a block has.
const COUNTED: usize = 1 << 20;

/// The marks of a row group, block by block.
pub(crate) struct GroupMarks {
    block_rows: usize,
    blocks: Vec<BlockMarks>,
}

/// `marks` may have some twice; `different` is about how many there are.
#[derive(Default)]
struct BlockMarks {
    marks: Vec<Mark>,
    different: usize,
    is_full: bool,
}

impl GroupMarks {
    /// The marks of the rows `rows`, of the texts in `columns`, each with an array for each batch; `None` if one of
    /// these is of no texts: an index that lacks a text would rule it out.
    pub(crate) fn of(columns: &[&[ArrayRef]], rows: &[RowIndex]) -> Option<Self> {
        let columns: Vec<Vec<Texts<'_>>> = (columns.iter())
            .map(|arrays| arrays.iter().map(Texts::of_array).collect())
            .collect::<Option<_>>()?;
        let width = rows.len().div_ceil(8 * BLOCK_ROWS).clamp(1, BLOCKS_MAX / 8);
        let block_rows = rows.len().div_ceil(8 * width).max(1);
        let mut reader = Reader::default();
        let blocks = rows.chunks(block_rows).map(|rows| {
            for &(batch, row) in rows {
                for text in columns.iter().filter_map(|arrays| arrays[batch].get(row)) {
                    reader.record(text);
                }
            }
            reader.take()
        });
        let blocks = blocks.collect();
        Some(Self { block_rows, blocks })
    }

    /// The index, for a row group of `size_bytes` at `offset`, and its bytes.
    pub(crate) fn encode(&self, size_bytes: usize, offset: u64) -> (GroupIndex, Vec<u8>) {
        let width = self.blocks.len().div_ceil(8).max(1);
        let different: usize = self.blocks.iter().map(|block| block.different).sum();
        let wanted = different.div_ceil(self.blocks.len().max(1)) * BITS_PER_MARK;
        let allowed = size_bytes / 100 * SIZE_PERCENT_MAX / width;
        let buckets = (wanted.min(allowed) / BUCKET_ROWS).clamp(1, 1 << 20) as u32;
        let filters = (self.blocks.iter())
            .map(|block| block.filter(buckets))
            .collect::<Vec<_>>();
        let index = GroupIndex {
            offset,
            buckets,
            width,
            block_rows: self.block_rows,
        };
        (index, transposed(&filters, width))
    }
}

impl BlockMarks {
    /// A bit for each row of the matrix.
    fn filter(&self, buckets: u32) -> Vec<u8> {
        let bytes = buckets as usize * BUCKET_ROWS / 8;
        if self.is_full {
            return vec![u8::MAX; bytes];
        }
        let mut filter = vec![0; bytes];
        for &mark in &self.marks {
            let (bucket, rows) = places(mark, buckets);
            for row in rows {
                let bit = bucket as usize * BUCKET_ROWS + row;
                filter[bit / 8] |= 1 << (bit % 8);
            }
        }
        filter
    }
}

/// From a filter a block to a row of the matrix a bit: `width` bytes, of which each has the bits of eight blocks.
fn transposed(filters: &[Vec<u8>], width: usize) -> Vec<u8> {
    let bytes = filters.first().map_or(0, Vec::len);
    let mut matrix = vec![0; bytes * 8 * width];
    for (eight, filters) in filters.chunks(8).enumerate() {
        for at in 0..bytes {
            let mut square = [0; 8];
            for (byte, filter) in square.iter_mut().zip(filters) {
                *byte = filter[at];
            }
            let square = transposed_square(u64::from_le_bytes(square)).to_le_bytes();
            for (row, byte) in square.into_iter().enumerate() {
                matrix[(at * 8 + row) * width + eight] = byte;
            }
        }
    }
    matrix
}

/// Eight bytes of eight bits with rows and columns exchanged (Hacker's Delight, 7-3).
fn transposed_square(mut square: u64) -> u64 {
    for (shift, mask) in [
        (7, 0x00aa_00aa_00aa_00aa),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let moved = (square ^ (square >> shift)) & mask;
        square ^= moved ^ (moved << shift);
    }
    square
}

/// Reads the texts of a block.
struct Reader {
    hasher: DefaultHashBuilder,
    /// Pieces that were read, as ranges of `known`.
    pieces: HashTable<(usize, usize)>,
    known: Vec<u8>,
    folded: Vec<u8>,
    decoded: String,
    recent: Vec<Option<Mark>>,
    counted: Vec<u64>,
    block: BlockMarks,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            pieces: HashTable::new(),
            known: Vec::new(),
            folded: Vec::new(),
            decoded: String::new(),
            recent: vec![None; RECENT],
            counted: vec![0; COUNTED / 64],
            block: BlockMarks::default(),
        }
    }
}

impl Reader {
    /// A text as it is written and, as it may be JSON, as its strings are read.
    fn record(&mut self, record: &str) {
        self.text(record);
        if memchr::memchr(b'\\', record.as_bytes()).is_some() {
            let mut decoded = std::mem::take(&mut self.decoded);
            decoded.clear();
            decode(record, &mut decoded);
            self.text(&decoded);
            self.decoded = decoded;
        }
    }

    fn text(&mut self, text: &str) {
        marks::pieces(text).for_each(|piece| self.piece(piece));
        if let Some(plain) = marks::with_ascii_cases(text) {
            marks::pieces(&plain).for_each(|piece| self.piece(piece));
        }
    }

    fn piece(&mut self, piece: &[u8]) {
        let hash = self.hasher.hash_one(piece);
        let known = &self.known;
        let is_known = |&(start, end): &(usize, usize)| known[start..end] == *piece;
        if self.block.is_full || self.pieces.find(hash, is_known).is_some() {
            return;
        }
        let range = (known.len(), known.len() + piece.len());
        self.known.extend_from_slice(piece);
        let (hasher, known) = (&self.hasher, &self.known);
        (self.pieces).insert_unique(hash, range, |&(start, end)| {
            hasher.hash_one(&known[start..end])
        });

        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        folded.extend(piece.iter().map(u8::to_ascii_lowercase));
        self.mark_all(marks::whole(&folded));
        // Between strings: numbers, `true` and `false`, which are values too.
        let is_structure = |byte: Option<&u8>| byte.is_some_and(|byte| b":,[]{} ".contains(byte));
        if is_structure(folded.first()) || is_structure(folded.last()) {
            let literals = folded.split(|byte| b":,[]{} ".contains(byte));
            self.mark_all(literals.filter_map(marks::whole));
        }
        marks::grams(&folded, |mark| self.mark(mark));
        self.folded = folded;
    }

    fn mark_all(&mut self, marks: impl IntoIterator<Item = Mark>) {
        marks.into_iter().for_each(|mark| self.mark(mark));
    }

    fn mark(&mut self, mark: Mark) {
        let recent = &mut self.recent[mark as usize % RECENT];
        if recent.replace(mark) == Some(mark) {
            return;
        }
        let bit = mark as usize % COUNTED;
        self.block.different += usize::from(self.counted[bit / 64] >> (bit % 64) & 1 == 0);
        self.counted[bit / 64] |= 1 << (bit % 64);
        self.block.marks.push(mark);
        if self.block.marks.len() > MARKS_MAX {
            self.block.is_full = true;
            self.block.marks = Vec::new();
        }
    }

    /// The block's marks; what comes is the next block's.
    fn take(&mut self) -> BlockMarks {
        self.pieces.clear();
        self.known.clear();
        self.recent.fill(None);
        self.counted.fill(0);
        std::mem::take(&mut self.block)
    }
}

/// The text of JSON with the escapes in its strings read. Quotes within strings part pieces as those around them do, so
/// that no string has to be told from what is between them.
fn decode(json: &str, decoded: &mut String) {
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        decoded.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let (character, len) = read_escape(escape);
        decoded.push(character);
        rest = escape.get(len..).unwrap_or_default();
    }
    decoded.push_str(rest);
}

/// The character behind a backslash, and how many bytes name it. One that names none parts pieces, as the replacement
/// for it does.
fn read_escape(escape: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = escape.get(at..at + 4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    match escape.as_bytes().first() {
        Some(b'u') => match unit(1) {
            Some(high) => {
                let low = (escape.get(5..7) == Some("\\u")).then(|| unit(7)).flatten();
                let pair = low.and_then(|low| char::decode_utf16([high, low]).next()?.ok());
                match (char::from_u32(u32::from(high)), pair) {
                    (Some(character), _) => (character, 5),
                    (None, Some(character)) => (character, 11),
                    (None, None) => (char::REPLACEMENT_CHARACTER, 5),
                }
            }
            None => (char::REPLACEMENT_CHARACTER, 1),
        },
        Some(b'/') => ('/', 1),
        // A quote, a backslash, a control character: each parts pieces.
        Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => ('"', 1),
        _ => (char::REPLACEMENT_CHARACTER, 0),
    }
}
