//! From texts to marks: the one place that says which texts have a mark in common.
//!
//! Building and asking both go through here, so they cannot differ. What is written here is part of the lake's
//! format: another choice is another version of the index.

use twox_hash::XxHash64;

/// What stands for a piece or a gram in the index.
pub(super) type Mark = u32;

/// Shorter pieces have no mark as a whole: next to every block has all of them.
const WHOLE_BYTES_MIN: usize = 4;

/// Grams without a digit: words and names repeat, so all of them are marked.
const WORD_GRAM: usize = 4;
/// Grams with a digit and a dot: what addresses are made of. All of them are marked.
const DOTTED_GRAM: usize = 6;
/// Grams with a digit and no dot, as of GUIDs, hashes and times: hardly two records have the same, so only the least of
/// [`WINDOW`] that follow each other is marked. A text of `NUMBER_GRAM + WINDOW - 1` bytes has one at least.
const NUMBER_GRAM: usize = 5;
const WINDOW: usize = 4;

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

/// A text whose letters that have an ASCII letter as their other case are written as that letter; `None` if it has
/// none: the Kelvin sign, the long s and the dotted capital I.
pub(super) fn with_ascii_cases(text: &str) -> Option<String> {
    const OTHERS: [(char, &str); 3] = [('\u{212a}', "k"), ('\u{17f}', "s"), ('\u{130}', "i")];
    if text.is_ascii() || !text.contains(|c| OTHERS.iter().any(|(other, _)| *other == c)) {
        return None;
    }
    let mut plain = text.to_owned();
    for (other, letter) in OTHERS {
        plain = plain.replace(other, letter);
    }
    Some(plain)
}

/// The mark of a piece, in lower case, as a whole; `None` for short ones.
pub(super) fn whole(folded: &[u8]) -> Option<Mark> {
    (folded.len() >= WHOLE_BYTES_MIN).then(|| (XxHash64::oneshot(0, folded) >> 32) as Mark)
}

/// The marks of the grams of a piece, in lower case. Those of a text in it are among them.
pub(super) fn grams(folded: &[u8], mut found: impl FnMut(Mark)) {
    // Positions count from 1, so that 0 is "not yet".
    let (mut digit, mut dot) = (0, 0);
    let mut window = [Mark::MAX; WINDOW];
    // Grams of the run of number grams that ends here, and the mark of it that was given last.
    let (mut run, mut last) = (0, None);
    for end in 1..=folded.len() {
        match folded[end - 1] {
            b'0'..=b'9' => digit = end,
            b'.' => dot = end,
            _ => {}
        }
        let within = |position: usize, len: usize| position + len > end;
        if end >= WORD_GRAM && !within(digit, WORD_GRAM) {
            found(gram(folded, end, WORD_GRAM, WORD_SEED));
        }
        if end >= DOTTED_GRAM && within(digit, DOTTED_GRAM) && within(dot, DOTTED_GRAM) && dot > 0 {
            found(gram(folded, end, DOTTED_GRAM, DOTTED_SEED));
        }
        let is_number =
            digit > 0 && within(digit, NUMBER_GRAM) && !(dot > 0 && within(dot, NUMBER_GRAM));
        if end >= NUMBER_GRAM && is_number {
            window[run % WINDOW] = gram(folded, end, NUMBER_GRAM, NUMBER_SEED);
            run += 1;
            if run >= WINDOW {
                let least = window.iter().copied().min();
                if least != last {
                    last = least;
                    least.into_iter().for_each(&mut found);
                }
            }
        } else {
            (run, last) = (0, None);
        }
    }
}

/// The mark of the `len` bytes that end at `end`.
fn gram(folded: &[u8], end: usize, len: usize, seed: u64) -> Mark {
    let mut bytes = [0; 8];
    bytes[..len].copy_from_slice(&folded[end - len..end]);
    (u64::from_le_bytes(bytes).wrapping_mul(seed) >> 32) as Mark
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn grams_of(text: &str) -> HashSet<Mark> {
        let mut marks = HashSet::new();
        for piece in pieces(text) {
            grams(&piece.to_ascii_lowercase(), |mark| {
                marks.insert(mark);
            });
        }
        marks
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
