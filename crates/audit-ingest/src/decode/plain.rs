//! The members of an object as services write it: JSON without white space, names without escapes.
//!
//! Nearly every record is written so, and looking for nothing else takes half the time of a walk that takes all JSON.
//! What is written otherwise, or is no JSON, is [`Odd`]: the walk that takes all JSON decides about it.

use crate::bytes::{self, BLOCK};

/// A member's name, and the JSON text of its value.
type Member<'a> = (&'a str, &'a str);

/// Written in another way, or no JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Odd;

/// Nesting up to which values are looked through; what is deeper is odd.
const DEPTH_MAX: usize = 32;

/// Where in a text the bytes are that do not stand for themselves in a string, a bit for each.
#[derive(Debug, Default)]
pub(super) struct Specials(Vec<u64>);

impl Specials {
    pub(super) fn read(&mut self, text: &[u8]) {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        self.0.clear();
        self.0
            .extend(blocks.iter().chain([&last]).map(bytes::special));
    }

    /// The first of them that is not before `at`.
    fn next(&self, at: usize) -> Option<usize> {
        let (mut word, from) = (at / BLOCK, at % BLOCK);
        let mut bits = self.0.get(word)? >> from << from;
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some(word * BLOCK + bits.trailing_zeros() as usize)
    }
}

/// Goes through the members of an object.
#[derive(Debug)]
pub(super) struct Members<'a> {
    text: &'a str,
    values: Values<'a>,
    /// Behind the brace or the comma before the next member; behind the object's end, there is none.
    at: usize,
}

impl<'a> Members<'a> {
    /// Those of an object whose special bytes are `specials`.
    pub(super) fn of(object: &'a str, specials: &'a Specials) -> Result<Self, Odd> {
        let bytes = object.as_bytes();
        let at = match bytes {
            [b'{', b'}'] => object.len(),
            [b'{', b'"', ..] => 1,
            _ => return Err(Odd),
        };
        let values = Values { bytes, specials };
        Ok(Self {
            text: object,
            values,
            at,
        })
    }

    fn read(&mut self) -> Option<Member<'a>> {
        let Values { bytes, specials } = self.values;
        let name = self.at + 1;
        // A name with escapes is odd, so it ends at its first special byte.
        let name_end = specials.next(name)?;
        if bytes.get(self.at) != Some(&b'"') || bytes.get(name_end..name_end + 2)? != b"\":" {
            return None;
        }
        let begin = name_end + 2;
        let end = self.values.end(begin, DEPTH_MAX)?;
        self.at = end + 1;
        match bytes.get(end)? {
            b',' => {}
            b'}' if self.at == bytes.len() => {}
            _ => return None,
        }
        // A comma and nothing behind it: the next call would take it for the end.
        if self.at == bytes.len() && bytes[end] == b',' {
            return None;
        }
        Some((self.text.get(name..name_end)?, self.text.get(begin..end)?))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Odd>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.text.len()).then(|| self.read().ok_or(Odd))
    }
}

/// Where values end.
#[derive(Debug, Clone, Copy)]
struct Values<'a> {
    bytes: &'a [u8],
    specials: &'a Specials,
}

impl Values<'_> {
    /// Where the value that begins at `at` ends.
    fn end(self, at: usize, depth: usize) -> Option<usize> {
        match self.bytes.get(at)? {
            b'"' => self.string_end(at),
            b'{' => self.object_end(at, depth.checked_sub(1)?),
            b'[' => self.array_end(at, depth.checked_sub(1)?),
            b't' => self.literal_end(at, b"true"),
            b'f' => self.literal_end(at, b"false"),
            b'n' => self.literal_end(at, b"null"),
            _ => self.number_end(at),
        }
    }

    fn object_end(self, at: usize, depth: usize) -> Option<usize> {
        let mut at = at + 1;
        if self.bytes.get(at) == Some(&b'}') {
            return Some(at + 1);
        }
        loop {
            at = self.string_end(at)?;
            if self.bytes.get(at) != Some(&b':') {
                return None;
            }
            at = self.end(at + 1, depth)?;
            match self.bytes.get(at)? {
                b',' => at += 1,
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn array_end(self, at: usize, depth: usize) -> Option<usize> {
        let mut at = at + 1;
        if self.bytes.get(at) == Some(&b']') {
            return Some(at + 1);
        }
        loop {
            at = self.end(at, depth)?;
            match self.bytes.get(at)? {
                b',' => at += 1,
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn literal_end(self, at: usize, literal: &[u8]) -> Option<usize> {
        let end = at + literal.len();
        (self.bytes.get(at..end)? == literal).then_some(end)
    }

    fn number_end(self, at: usize) -> Option<usize> {
        let bytes = self.bytes;
        let digits_end = |at: usize| {
            let digits = bytes.get(at..)?.iter().take_while(|b| b.is_ascii_digit());
            Some(at + digits.count()).filter(|end| *end > at)
        };
        let begin = at + usize::from(bytes.get(at) == Some(&b'-'));
        let mut end = digits_end(begin)?;
        if bytes[begin] == b'0' && end > begin + 1 {
            return None;
        }
        if bytes.get(end) == Some(&b'.') {
            end = digits_end(end + 1)?;
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            end = digits_end(end + 1 + sign)?;
        }
        Some(end)
    }

    /// Where the string whose first quote is at `at` ends.
    fn string_end(self, at: usize) -> Option<usize> {
        if self.bytes.get(at) != Some(&b'"') {
            return None;
        }
        let mut at = at + 1;
        loop {
            at = self.specials.next(at)?;
            match self.bytes.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => match self.bytes.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                    b'u' => {
                        let digits = self.bytes.get(at + 2..at + 6)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        at += 6;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sonic_rs::to_object_iter;

    use super::*;

    fn members(text: &str) -> Result<Vec<(String, String)>, Odd> {
        let owned = |(name, value): Member<'_>| (name.to_owned(), value.to_owned());
        let mut specials = Specials::default();
        specials.read(text.as_bytes());
        Members::of(text, &specials)?
            .map(|member| member.map(owned))
            .collect()
    }

    #[test]
    fn plain_objects_are_read_and_others_are_odd() {
        let read = members(r#"{"a":1,"b":{"c":[true,"x\"\u00e9",-0.5e+3,[]],"d":{}},"é":"}"}"#);
        let want = [
            ("a", "1"),
            ("b", r#"{"c":[true,"x\"\u00e9",-0.5e+3,[]],"d":{}}"#),
            ("é", r#""}""#),
        ];
        let want = want.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, Ok(want.to_vec()));
        assert_eq!(members("{}"), Ok(Vec::new()));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        for odd in [
            "",
            "{",
            "[]",
            r#"{"a" :1}"#,
            r#"{"a":1 }"#,
            r#"{"a":1,}"#,
            r#"{"a":1}}"#,
            r#"{"a":1"#,
            r#"{"a":1,"#,
            r#"{"a\u0062":1}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u00g0"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":-}"#,
            r#"{"a":1e}"#,
            r#"{"a":nul}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":{"b"}}"#,
            &deep,
        ] {
            assert_eq!(members(odd), Err(Odd), "{odd}");
        }
    }

    #[test]
    fn special_bytes_are_found_wherever_they_are() {
        let mut specials = Specials::default();
        for len in 0..200 {
            for at in 0..len {
                let mut text = vec![b'a'; len];
                text[at] = b'"';
                specials.read(&text);
                assert_eq!(specials.next(0), Some(at));
                assert_eq!(specials.next(at), Some(at));
                assert_eq!(specials.next(at + 1), None);
            }
        }
    }

    proptest! {
        /// What is not odd is what the walk that takes all JSON reads.
        #[test]
        fn both_walks_agree(text in r#"\{("[ab\\]{0,3}":([\[\]{}0-9.e"\\,:-]{0,6}|true|"[ab]"),?){0,3}\}?"#) {
            if let Ok(read) = members(&text) {
                let lazy: Result<Vec<_>, _> = to_object_iter(text.as_str())
                    .map(|member| member.map(|(name, value)| (name.into_owned(), value.as_raw_cow().into_owned())))
                    .collect();
                prop_assert_eq!(read, lazy.unwrap());
            }
        }
    }
}
