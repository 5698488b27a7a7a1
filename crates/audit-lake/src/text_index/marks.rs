//! From texts to marks: the one place that says which texts have a mark in common.
//!
//! Building and asking both go through here, so they cannot differ. What is written here is part of the lake's
//! format: another choice is another version of the index.

use twox_hash::XxHash64;

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
const WINDOW_BITS: u32 = (1 << WINDOW) - 1;
/// Marks of grams that end at one byte at most.
const MARKS_PER_BYTE: usize = 3;

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
    let mut count = found.len();
    // The bytes so far, the last one highest, and which are digits and dots, the last one lowest.
    let (mut bytes, mut digits, mut dots) = (0, 0_u32, 0_u32);
    let within = |bits: u32, len: usize| bits & ((1 << len) - 1) != 0;
    // Which of the last grams are number grams, the last one lowest, and the least marks of the last two and of those
    // before.
    let mut numbers = 0_u32;
    let mut before = Mark::MAX;
    let mut pairs = [Mark::MAX; 3];
    let mut last = None;
    // What a text has hardly can be foretold: marks are written in any case, and count or not.
    found.resize(count + folded.len() * MARKS_PER_BYTE, 0);
    for (end, byte) in (1..).zip(folded) {
        bytes = bytes >> 8 | u64::from(*byte) << 56;
        digits = digits << 1 | u32::from(byte.is_ascii_digit());
        dots = dots << 1 | u32::from(*byte == b'.');

        found[count] = gram(bytes, WORD_GRAM, WORD_SEED);
        count += usize::from(end >= WORD_GRAM && !within(digits, WORD_GRAM));

        let is_number = !within(dots, NUMBER_GRAM) && within(digits, NUMBER_GRAM);
        numbers = numbers << 1 | u32::from(end >= NUMBER_GRAM && is_number);
        let mark = gram(bytes, NUMBER_GRAM, NUMBER_SEED);
        pairs = [pairs[1], pairs[2], mark.min(before)];
        before = mark;
        let least = pairs[0].min(pairs[2]);
        let is_new = numbers & WINDOW_BITS == WINDOW_BITS && last != Some(least);
        found[count] = least;
        count += usize::from(is_new);
        last = if is_new { Some(least) } else { last };

        if within(dots, DOTTED_GRAM) && within(digits, DOTTED_GRAM) && end >= DOTTED_GRAM {
            found[count] = gram(bytes, DOTTED_GRAM, DOTTED_SEED);
            count += 1;
        }
    }
    found.truncate(count);
}

/// The mark of the last `len` of these bytes, the last of which is the highest.
fn gram(bytes: u64, len: usize, seed: u64) -> Mark {
    ((bytes >> (64 - 8 * len)).wrapping_mul(seed) >> 32) as Mark
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

    proptest! {
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
