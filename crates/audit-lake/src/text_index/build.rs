//! Building the index of a row group.

use std::hash::BuildHasher;

use arrow::array::ArrayRef;
use hashbrown::DefaultHashBuilder;

use super::marks::{self, Mark};
use super::matrix::{BLOCKS_MAX, BUCKET_ROWS, GroupIndex, places};
use crate::data_file::RowIndex;
use crate::keys::Texts;

/// Rows of a block in a large row group: a few MB of records, and the rows that are read where the index says "maybe".
const BLOCK_ROWS: usize = 2048;
/// Bits of the filter for each mark: with two bits set for each, one of nine foreign marks seems to be there, and a text
/// has several.
const BITS_PER_MARK: usize = 5;
/// Bytes of the index for 100 bytes of the row group at most.
const SIZE_PERCENT_MAX: usize = 14;
/// Marks of a block beyond which it has no filter: "maybe" to everything. A record of 50 MB has as many.
const MARKS_MAX: usize = 8 << 20;
/// Pieces of a block that are known to be read, by the last bits of their hashes.
const KNOWN: usize = 1 << 12;
/// Marks that are known to be there already, by their last bits.
const RECENT: usize = 1 << 12;
/// Bytes of a piece whose grams are marked at once.
const GRAMS_AT_ONCE: usize = 4096;
/// What is not the last mark with these last bits.
const NONE_RECENT: std::ops::RangeInclusive<Mark> = 1..=RECENT as Mark;
/// Bytes that two texts have in common at least to be at the same place: a key, not what stands between two values.
const SAME_MIN: usize = 8;
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
        let (records, others) = columns.split_first()?;
        // Of each batch those that have a text.
        let of_batch = |batch: usize| {
            let numbered = others.iter().map(|column| column[batch]).enumerate();
            numbered.filter(|(_, texts)| texts.has_any()).collect()
        };
        let beside: Vec<Vec<(usize, Texts<'_>)>> = (0..records.len()).map(of_batch).collect();
        let width = rows.len().div_ceil(8 * BLOCK_ROWS).clamp(1, BLOCKS_MAX / 8);
        let block_rows = rows.len().div_ceil(8 * width).max(1);
        let mut reader = Reader::new(others.len());
        let blocks = rows.chunks(block_rows).map(|rows| {
            for &(batch, row) in rows {
                let record = records[batch].value(row);
                reader.record(record);
                for (number, texts) in &beside[batch] {
                    reader.beside_record(record, *number, texts.value(row));
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
///
/// Records of one type differ in some of their values only, so a record is compared with the one before: what is the
/// same, piece by piece, has its marks already.
struct Reader<'t> {
    hasher: DefaultHashBuilder,
    /// The block's records so far.
    records: Vec<&'t str>,
    /// Of each other column the last text that was read.
    beside: Vec<&'t str>,
    /// Pieces of them that were read, by the last bits of their hashes.
    known: Vec<Piece>,
    folded: Vec<u8>,
    grams: Vec<Mark>,
    decoded: String,
    recent: Vec<Mark>,
    counted: Vec<u64>,
    block: BlockMarks,
}

/// A piece of a record of the block.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    record: u32,
    end: u32,
    /// 0: none.
    len: u32,
    /// The upper half of its hash.
    hash: u32,
}

impl<'t> Reader<'t> {
    /// A reader of records and texts of so many other columns.
    fn new(columns: usize) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            records: Vec::new(),
            beside: vec![""; columns],
            known: vec![Piece::default(); KNOWN],
            folded: Vec::new(),
            grams: Vec::new(),
            decoded: String::new(),
            recent: NONE_RECENT.collect(),
            counted: vec![0; COUNTED / 64],
            block: BlockMarks::default(),
        }
    }

    /// A record as it is written and, as it may be JSON, as its strings are read.
    fn record(&mut self, record: &'t str) {
        let before = self.records.last().copied().unwrap_or_default();
        self.records.push(record);
        self.text(record, before, Some(self.records.len() - 1));
        if has_letters_escaped(record) {
            let mut decoded = std::mem::take(&mut self.decoded);
            decoded.clear();
            decode(record, &mut decoded);
            self.text(&decoded, record, None);
            self.decoded = decoded;
        }
    }

    /// The record's text in another column, which is told by its number. Most are strings of their record.
    fn beside_record(&mut self, record: &str, column: usize, text: &'t str) {
        if text == self.beside[column] || is_string_in(text, record) {
            return;
        }
        self.beside[column] = text;
        self.text(text, "", None);
        if has_letters_escaped(text) {
            let mut decoded = String::new();
            decode(text, &mut decoded);
            self.text(&decoded, "", None);
        }
    }

    /// Reads a text, and it with other letters as ASCII ones; `like` was read before and may be like it.
    fn text(&mut self, text: &str, like: &'t str, record: Option<usize>) {
        self.pieces(text.as_bytes(), like.as_bytes(), record);
        if let Some(plain) = marks::with_ascii_cases(text) {
            self.pieces(plain.as_bytes(), like.as_bytes(), None);
        }
    }

    /// Reads those pieces of a text that `like`, which was read before, does not have in the same place.
    fn pieces(&mut self, text: &[u8], mut like: &'t [u8], record: Option<usize>) {
        let mut rest = text;
        // Whether no piece was the same since the one that was read last.
        let mut is_lost = false;
        while !rest.is_empty() {
            // Both begin with a piece or a separator here.
            let same = common_len(rest, like);
            if same == rest.len() && same == like.len() {
                return;
            }
            is_lost &= same < SAME_MIN;
            let begin = marks::last_piece(&rest[..same]);
            let [end, like_end] = [rest, like].map(|text| same + marks::first_piece(&text[same..]));
            let (piece, like_piece) = (&rest[begin..end], &like[begin..like_end]);
            let place = record.map(|record| (record, text.len() - rest.len() + end));
            rest = &rest[end..];
            like = &like[like_end..];
            if piece.len() >= marks::WHOLE_BYTES_MIN {
                match self.is_known(piece, place) {
                    // What followed it there may follow here.
                    Some(after) if is_lost => like = after,
                    Some(_) => {}
                    None => self.piece(piece, same - begin, like_piece),
                }
            }
            is_lost = true;
            // Separators that differ say nothing.
            if let [separator, after @ ..] = rest
                && like.first() != Some(separator)
            {
                rest = after;
                like = like.get(1..).unwrap_or_default();
            }
        }
    }

    /// What follows the piece in a record where it was read, if that is still known; it is known from now on to stand
    /// at `place`: a record, and the end of the piece in it.
    fn is_known(&mut self, piece: &[u8], place: Option<(usize, usize)>) -> Option<&'t [u8]> {
        let hash = self.hasher.hash_one(piece);
        let known = &mut self.known[hash as usize % KNOWN];
        let hash = (hash >> 32) as u32;
        let found = (known.hash == hash && known.len as usize == piece.len()).then(|| {
            let record = self.records.get(known.record as usize)?.as_bytes();
            let (before, after) = record.split_at_checked(known.end as usize)?;
            before.ends_with(piece).then_some(after)
        });
        if let Some((record, end)) = place {
            // A block has some thousand records, each of 64 MiB at most.
            *known = Piece {
                record: record as u32,
                end: end as u32,
                len: piece.len() as u32,
                hash,
            };
        }
        found.flatten()
    }

    /// Reads a piece. `like` is one that was read before and begins with the same bytes, so many as `same`.
    fn piece(&mut self, piece: &[u8], same: usize, like: &[u8]) {
        if self.block.is_full {
            return;
        }
        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        folded.extend(piece.iter().map(u8::to_ascii_lowercase));
        self.mark_all(marks::whole(&folded).into_iter().flatten());
        // Between strings: numbers, `true` and `false`, which are values too.
        let is_structure = |byte: Option<&u8>| byte.is_some_and(|byte| b":,[]{} ".contains(byte));
        if is_structure(folded.first()) || is_structure(folded.last()) {
            let literals = folded.split(|byte| b":,[]{} ".contains(byte));
            self.mark_all(literals.filter_map(marks::whole).flatten());
        }
        // The grams of what both begin or end with are there.
        let same_end = piece.iter().rev().zip(like.iter().rev());
        let same_end = same_end.take_while(|(byte, other)| byte == other).count();
        let begin = same.saturating_sub(marks::GRAM_BYTES_MAX - 1);
        let end = folded
            .len()
            .min(folded.len() - same_end + marks::GRAM_BYTES_MAX - 1);
        let mut grams = std::mem::take(&mut self.grams);
        for begin in (begin..end).step_by(GRAMS_AT_ONCE) {
            let end = end.min(begin + GRAMS_AT_ONCE + marks::GRAM_BYTES_MAX - 1);
            grams.clear();
            marks::grams(&folded[begin..end], &mut grams);
            self.mark_all(grams.iter().copied());
        }
        (self.folded, self.grams) = (folded, grams);
    }

    fn mark_all(&mut self, marks: impl IntoIterator<Item = Mark>) {
        marks.into_iter().for_each(|mark| self.mark(mark));
    }

    fn mark(&mut self, mark: Mark) {
        let recent = &mut self.recent[mark as usize % RECENT];
        if std::mem::replace(recent, mark) == mark {
            return;
        }
        self.block.marks.push(mark);
        if self.block.marks.len() > MARKS_MAX {
            self.block.is_full = true;
            self.block.marks = Vec::new();
        }
    }

    /// The block's marks; what comes is the next block's.
    fn take(&mut self) -> BlockMarks {
        // The next has about as many.
        let next = BlockMarks {
            marks: Vec::with_capacity(self.block.marks.len()),
            ..BlockMarks::default()
        };
        let mut block = std::mem::replace(&mut self.block, next);
        for mark in &block.marks {
            let bit = *mark as usize % COUNTED;
            block.different += usize::from(self.counted[bit / 64] >> (bit % 64) & 1 == 0);
            self.counted[bit / 64] |= 1 << (bit % 64);
        }
        self.counted.fill(0);
        self.records.clear();
        self.beside.fill("");
        self.known.fill(Piece::default());
        self.recent.clear();
        self.recent.extend(NONE_RECENT);
        block
    }
}

/// How many bytes two texts begin with alike.
fn common_len(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let mut at = 0;
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return at + difference.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = a[at..].iter().zip(&b[at..]);
    at + rest.take_while(|(a, b)| a == b).count()
}

/// Whether the text is a part of this record's memory, between quotes: then its pieces are the record's.
fn is_string_in(text: &str, record: &str) -> bool {
    let quoted = || {
        let begin = text.as_ptr().addr().checked_sub(record.as_ptr().addr())?;
        let (before, end) = (begin.checked_sub(1)?, begin.checked_add(text.len())?);
        let record = record.as_bytes();
        Some((record.get(before)?, record.get(end)?) == (&b'"', &b'"'))
    };
    text.is_empty() || quoted() == Some(true)
}

/// Whether a text has escapes that stand for anything but a quote or a backslash: those two part pieces, escaped or
/// not, but the letter of `\n` is not the next piece's.
fn has_letters_escaped(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        match rest.get(at + 1) {
            Some(b'"' | b'\\') => rest = &rest[at + 2..],
            _ => return true,
        }
    }
    false
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
