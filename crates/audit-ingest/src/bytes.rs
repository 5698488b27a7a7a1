//! Which bytes of a text mean something in JSON, 64 at a time.
//!
//! A bit for each byte, the first the lowest: what is looked for is then found without a look at the bytes between
//! (Langdale and Lemire, Parsing Gigabytes of JSON per Second, VLDB Journal 2019).

use wide::u8x16;

/// So many bytes have a bit each in a word.
pub(crate) const BLOCK: usize = 64;

/// Those that are this byte.
pub(crate) fn equal(block: &[u8; BLOCK], byte: u8) -> u64 {
    let byte = u8x16::splat(byte);
    bits(block, |bytes| bytes.simd_eq(byte))
}

/// Quotes, backslashes and control characters: all that does not stand for itself in a JSON string.
pub(crate) fn special(block: &[u8; BLOCK]) -> u64 {
    let [quote, backslash, control_max] = [b'"', b'\\', b' ' - 1].map(u8x16::splat);
    bits(block, |bytes| {
        bytes.simd_eq(quote) | bytes.simd_eq(backslash) | bytes.min(control_max).simd_eq(bytes)
    })
}

/// Brackets of objects and of arrays that open, and those that close: of each pair, one is the other with one bit more.
pub(crate) fn brackets(block: &[u8; BLOCK]) -> (u64, u64) {
    let [more, open, close] = [b'{' ^ b'[', b'{', b'}'].map(u8x16::splat);
    let closing = bits(block, |bytes| (bytes | more).simd_eq(close));
    (bits(block, |bytes| (bytes | more).simd_eq(open)), closing)
}

fn bits(block: &[u8; BLOCK], is_found: impl Fn(u8x16) -> u8x16) -> u64 {
    let (parts, _) = block.as_chunks::<16>();
    parts.iter().rev().fold(0, |bits, part| {
        bits << 16 | u64::from(is_found(u8x16::new(*part)).to_bitmask())
    })
}

/// The bytes behind a backslash that is not itself behind one: what they are does not count. `carry` is 1 if the byte
/// before the block was such a backslash, and is for the next block then.
pub(crate) fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    // A backslash that is escaped escapes nothing.
    let backslashes = backslashes & !*carry;
    let behind = backslashes << 1 | *carry;
    // Adding carries the bit where a run of backslashes begins to behind its end: of runs that begin at an odd place.
    let odd_starts = backslashes & !EVEN & !behind;
    let (ends, is_over) = odd_starts.overflowing_add(backslashes);
    *carry = u64::from(is_over);
    (EVEN ^ (ends << 1)) & behind
}

/// From the quotes of a block to the bytes within strings, each with its opening quote and without the closing one.
pub(crate) fn within_quotes(quotes: u64, begins_within: bool) -> u64 {
    let mut within = quotes;
    for shift in [1, 2, 4, 8, 16, 32] {
        within ^= within << shift;
    }
    if begins_within { !within } else { within }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn each(block: &[u8; BLOCK], is_found: impl Fn(u8) -> bool) -> u64 {
        (0..BLOCK).fold(0, |bits, at| bits | u64::from(is_found(block[at])) << at)
    }

    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=u8::MAX {
            for at in 0..BLOCK {
                let mut block = [b'!'; BLOCK];
                block[at] = byte;
                let is = |is: bool| u64::from(is) << at;
                let is_special = byte < b' ' || byte == b'"' || byte == b'\\';
                assert_eq!(special(&block), is(is_special), "{byte} at {at}");
                assert_eq!(equal(&block, b'"'), is(byte == b'"'), "{byte} at {at}");
                let opens_closes = (is(b"{[".contains(&byte)), is(b"}]".contains(&byte)));
                assert_eq!(brackets(&block), opens_closes, "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn escapes_and_strings_are_those_that_are_read_byte_by_byte(
            text in prop::collection::vec(prop::sample::select(&b"\\\\\"a"[..]), 2 * BLOCK),
        ) {
            let (mut escapes, mut is_escaped, mut is_within) = (0, false, false);
            for block in text.as_chunks::<BLOCK>().0 {
                let began_within = is_within;
                let (mut want_escaped, mut want_within) = (0, 0);
                for (at, byte) in block.iter().enumerate() {
                    want_escaped |= u64::from(is_escaped) << at;
                    is_within ^= *byte == b'"' && !is_escaped;
                    is_escaped = *byte == b'\\' && !is_escaped;
                    want_within |= u64::from(is_within) << at;
                }
                let found = escaped(each(block, |byte| byte == b'\\'), &mut escapes);
                prop_assert_eq!(found, want_escaped);
                let quotes = equal(block, b'"') & !found;
                prop_assert_eq!(within_quotes(quotes, began_within), want_within);
            }
        }
    }
}
