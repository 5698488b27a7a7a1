//! From texts to marks: the one place that says which texts have a mark in common.
//!
//! Building and asking both go through here, so they cannot differ. What is written here is part of the lake's
//! format: another choice is another version of the index.

use twox_hash::XxHash64;
use wide::u8x16;

/// What stands for a piece or a gram in the index.
pub(super) type Mark = u32;

/// Shorter pieces have no mark as a whole: next to every block has all of them.
pub(super) const WHOLE_BYTES_MIN: usize = 4;

/// Grams without a digit: words and names repeat, so all of them are marked.
const WORD_GRAM: usize = 4;
/// Grams with a digit and a dot: what addresses are made of. All of them are marked.
const DOTTED_GRAM: usize = 6;
/// Grams with a digit and no dot, as of GUIDs, hashes and times: hardly two records have the same, so only the least of
/// [`WINDOW`] that follow each other is marked. A text of `NUMBER_GRAM + WINDOW - 1` bytes has one at least.
const NUMBER_GRAM: usize = 5;
const WINDOW: usize = 4;

/// Bytes that a mark of grams depends on at most: those of a window.
pub(super) const GRAM_BYTES_MAX: usize = NUMBER_GRAM + WINDOW - 1;

const WORD_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const DOTTED_SEED: u64 = 0xc2b2_ae3d_27d4_eb4f;
const NUMBER_SEED: u64 = 0x1656_67b1_9e37_79f9;

/// Whether a byte parts pieces: what JSON may write in more than one way, and all that is not ASCII, where case is more
/// than a bit.
const fn is_separator(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\' || byte >= 0x80
}

const SEPARATORS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_separator(byte as u8);
        byte += 1;
    }
    table
};

/// The pieces of a text: what stands between separators.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &[u8]> {
    text.as_bytes()
        .split(|byte| SEPARATORS[usize::from(*byte)])
        .filter(|piece| piece.len() >= WHOLE_BYTES_MIN)
}

/// Where the last piece of a text begins; behind it there is no separator.
pub(super) fn last_piece(text: &[u8]) -> usize {
    let separator = text.iter().rposition(|byte| SEPARATORS[usize::from(*byte)]);
    separator.map_or(0, |at| at + 1)
}

/// Where the first piece of a text ends.
pub(super) fn first_piece(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let separators = separators(u64::from_le_bytes(*word));
        if separators != 0 {
            return at * 8 + separators.trailing_zeros() as usize / 8;
        }
    }
    let begin = words.len() * 8;
    let rest = &text[begin..];
    let separator = rest.iter().position(|byte| is_separator(*byte));
    begin + separator.unwrap_or(rest.len())
}

/// The highest bit of each byte that is a separator. Of those behind the first, in the order of memory, some may be
/// called separators that are none (Bit Twiddling Hacks, "Determine if a word has a byte less than n").
const fn separators(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(EACH) & !word
    }
    let quote = zeros(word ^ (EACH * b'"' as u64));
    let backslash = zeros(word ^ (EACH * b'\\' as u64));
    let control = word.wrapping_sub(EACH * b' ' as u64) & !word;
    (quote | backslash | control | word) & (EACH << 7)
}

/// A text whose letters that have an ASCII letter as their other case are written as that letter; `None` if it has
/// none: the Kelvin sign, the long s and the dotted capital I.
pub(super) fn with_ascii_cases(text: &str) -> Option<String> {
    const OTHERS: [(char, &str); 3] = [('\u{212a}', "k"), ('\u{17f}', "s"), ('\u{130}', "i")];
    // Their first bytes are rare, so looking for those is quick.
    let has_other = memchr::memchr3_iter(0xe2, 0xc5, 0xc4, text.as_bytes()).any(|at| {
        OTHERS
            .iter()
            .any(|(other, _)| text[at..].starts_with(*other))
    });
    if !has_other {
        return None;
    }
    let mut plain = text.to_owned();
    for (other, letter) in OTHERS {
        plain = plain.replace(other, letter);
    }
    Some(plain)
}

/// The marks of a piece, in lower case, as a whole; `None` for short ones. Two of them: often no other mark of it is
/// rare, and one of nine blocks seems to have a mark that it lacks.
pub(super) fn whole(folded: &[u8]) -> Option<[Mark; 2]> {
    let is_long = folded.len() >= WHOLE_BYTES_MIN;
    is_long.then(|| {
        let hash = XxHash64::oneshot(0, folded);
        [(hash >> 32) as Mark, hash as Mark]
    })
}

/// Adds the marks of the grams of a piece, in lower case. Those of a text in it are among them.
pub(super) fn grams(folded: &[u8], found: &mut Vec<Mark>) {
    let mut last = None;
    for end in (0..folded.len()).step_by(ENDS) {
        let begin = end.saturating_sub(GRAM_BYTES_MAX);
        let bytes = &folded[begin..folded.len().min(end + ENDS)];
        let mut block = [0; BLOCK + 8];
        block[..bytes.len()].copy_from_slice(bytes);
        let grams = Grams::of(&block, bytes.len());
        // What ends before was in the block before.
        let new = u64::MAX << (end - begin);
        each_bit(grams.words & new, |at| {
            found.push(gram(&block, at, WORD_GRAM, WORD_SEED));
        });
        each_bit(grams.dotted & new, |at| {
            found.push(gram(&block, at, DOTTED_GRAM, DOTTED_SEED));
        });
        let windows = together(grams.numbers, WINDOW) & new;
        if windows == 0 {
            last = None;
            continue;
        }
        let mut marks = [0; BLOCK];
        each_bit(grams.numbers, |at| {
            marks[at] = gram(&block, at, NUMBER_GRAM, NUMBER_SEED);
        });
        each_bit(windows, |at| {
            let [a, b, c, d] = [at - 3, at - 2, at - 1, at].map(|at| marks[at]);
            let least = a.min(b).min(c.min(d));
            if last != Some(least) {
                found.push(least);
            }
            last = Some(least);
        });
    }
}

/// Bytes of a block: each has a bit in a word.
const BLOCK: usize = 64;
/// Grams of a block end at so many bytes; before them are those that a mark may depend on.
const ENDS: usize = BLOCK - GRAM_BYTES_MAX;

/// Where in a block grams end, by what they are of.
struct Grams {
    words: u64,
    numbers: u64,
    dotted: u64,
}

impl Grams {
    /// Those of the first `len` bytes.
    fn of(block: &[u8; BLOCK + 8], len: usize) -> Self {
        let [zero, nine, dot] = [b'0', b'9', b'.'].map(u8x16::splat);
        let (parts, _) = block.as_chunks::<16>();
        let (mut digits, mut dots) = (0, 0);
        for part in parts.iter().rev() {
            let bytes = u8x16::new(*part);
            let is_digit = bytes.max(zero).min(nine).simd_eq(bytes);
            digits = digits << 16 | u64::from(is_digit.to_bitmask());
            dots = dots << 16 | u64::from(bytes.simd_eq(dot).to_bitmask());
        }
        let all = u64::MAX >> (BLOCK - len);
        // Grams of so many bytes that end in the block, and whether one of their bytes is among `bits`.
        let ends = |bytes: usize| all & u64::MAX << (bytes - 1);
        let any = |bits: u64, bytes: usize| (1..bytes).fold(bits, |any, by| any | bits << by);
        Self {
            words: ends(WORD_GRAM) & !any(digits, WORD_GRAM),
            numbers: ends(NUMBER_GRAM) & any(digits, NUMBER_GRAM) & !any(dots, NUMBER_GRAM),
            dotted: ends(DOTTED_GRAM) & any(digits, DOTTED_GRAM) & any(dots, DOTTED_GRAM),
        }
    }
}

/// The bits before which there are others, `count` in a row with them.
fn together(bits: u64, count: usize) -> u64 {
    (1..count).fold(bits, |together, by| together & bits << by)
}

fn each_bit(mut bits: u64, mut seen: impl FnMut(usize)) {
    while bits != 0 {
        seen(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// The mark of the `len` bytes that end at a place of the block.
fn gram(block: &[u8; BLOCK + 8], end: usize, len: usize, seed: u64) -> Mark {
    let begin = end + 1 - len;
    let bytes = block[begin..begin + 8].first_chunk::<8>();
    let bytes = bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    ((bytes << (64 - 8 * len) >> (64 - 8 * len)).wrapping_mul(seed) >> 32) as Mark
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn grams_of(text: &str) -> HashSet<Mark> {
        let mut marks = Vec::new();
        for piece in pieces(text) {
            grams(&piece.to_ascii_lowercase(), &mut marks);
        }
        marks.into_iter().collect()
    }

    #[test]
    fn texts_from_these_lengths_on_have_a_mark() {
        for (text, has_one) in [
            ("wor", false),
            ("word", true),
            ("dea48088", true),
            ("dea4808", false),
            ("10.0.0", true),
            ("10.0.", false),
            ("12345678", true),
            ("1234567", false),
            ("user1", true),
            ("é-ü", false),
            ("Grüße", false),
        ] {
            assert_eq!(!grams_of(text).is_empty(), has_one, "{text}");
        }
    }

    #[test]
    fn a_piece_ends_at_any_separator() {
        for at in 0..20 {
            for byte in 0..=u8::MAX {
                let mut text = [b'!'; 20];
                text[at] = byte;
                let end = if is_separator(byte) { at } else { 20 };
                assert_eq!(first_piece(&text), end, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn letters_with_an_ascii_case_are_written_as_it() {
        assert_eq!(with_ascii_cases("\u{212a}elvin").as_deref(), Some("kelvin"));
        assert_eq!(with_ascii_cases("a\u{17f}\u{130}").as_deref(), Some("asi"));
        assert_eq!(with_ascii_cases("Grüße"), None);
    }

    /// The marks of grams as the format says them, gram by gram.
    fn said(piece: &[u8]) -> HashSet<Mark> {
        let hash = |gram: &[u8], seed: u64| {
            let mut bytes = [0; 8];
            bytes[..gram.len()].copy_from_slice(gram);
            (u64::from_le_bytes(bytes).wrapping_mul(seed) >> 32) as Mark
        };
        let has_digit = |gram: &[u8]| gram.iter().any(u8::is_ascii_digit);
        let is_number = |gram: &[u8]| has_digit(gram) && !gram.contains(&b'.');
        let is_dotted = |gram: &[u8]| has_digit(gram) && gram.contains(&b'.');
        let words = piece.windows(WORD_GRAM).filter(|gram| !has_digit(gram));
        let mut marks: HashSet<Mark> = words.map(|gram| hash(gram, WORD_SEED)).collect();
        let dotted = piece.windows(DOTTED_GRAM).filter(|gram| is_dotted(gram));
        marks.extend(dotted.map(|gram| hash(gram, DOTTED_SEED)));
        for window in piece.windows(NUMBER_GRAM + WINDOW - 1) {
            let grams = window.windows(NUMBER_GRAM);
            if grams.clone().all(is_number) {
                let least = grams.clone().map(|gram| hash(gram, NUMBER_SEED)).min();
                marks.extend(least);
            }
        }
        marks
    }

    proptest! {
        /// A file that was written before is asked for the marks that are made now.
        #[test]
        fn marks_are_those_of_the_format(piece in "[ab0-9.é-]{0,200}") {
            let mut marks = Vec::new();
            grams(piece.as_bytes(), &mut marks);
            let marks: HashSet<Mark> = marks.into_iter().collect();
            prop_assert_eq!(marks, said(piece.as_bytes()));
        }

        /// What the index rests on: a text in a text has no mark that the other lacks.
        #[test]
        fn a_part_has_the_marks_of_the_whole(
            text in "[a-cA-C0-3.:/\"\\\\ é-]{0,60}",
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let characters: Vec<char> = text.chars().collect();
            let (a, b) = (cut.0.index(characters.len() + 1), cut.1.index(characters.len() + 1));
            let part: String = characters[a.min(b)..a.max(b)].iter().collect();
            prop_assert!(grams_of(&part).is_subset(&grams_of(&text)), "{part:?} of {text:?}");
        }
    }
}
