//! The members of an object as services write it: JSON without white space, names without escapes.
//!
//! Nearly every record is written so, and looking for nothing else takes half the time of a walk that takes all JSON.
//! What is written otherwise, or is no JSON, is [`Odd`]: the walk that takes all JSON decides about it.

/// A member's name, and the JSON text of its value.
type Member<'a> = (&'a str, &'a str);

/// Written in another way, or no JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Odd;

/// Nesting up to which values are looked through; what is deeper is odd.
const DEPTH_MAX: usize = 32;

/// Goes through the members of an object.
#[derive(Debug)]
pub(super) struct Members<'a> {
    text: &'a str,
    /// Behind the brace or the comma before the next member; behind the object's end, there is none.
    at: usize,
}

impl<'a> Members<'a> {
    pub(super) fn of(object: &'a str) -> Result<Self, Odd> {
        let at = match object.as_bytes() {
            [b'{', b'}'] => object.len(),
            [b'{', b'"', ..] => 1,
            _ => return Err(Odd),
        };
        Ok(Self { text: object, at })
    }

    fn read(&mut self) -> Option<Member<'a>> {
        let bytes = self.text.as_bytes();
        let name = self.at + 1;
        let name_end = string_end(bytes, self.at)?;
        let name = self.text.get(name..name_end - 1)?;
        if memchr::memchr(b'\\', name.as_bytes()).is_some() || bytes.get(name_end) != Some(&b':') {
            return None;
        }
        let begin = name_end + 1;
        let end = value_end(bytes, begin, DEPTH_MAX)?;
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
        Some((name, self.text.get(begin..end)?))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Odd>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.text.len()).then(|| self.read().ok_or(Odd))
    }
}

/// Where the value that begins at `at` ends.
fn value_end(bytes: &[u8], at: usize, depth: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' => object_end(bytes, at, depth.checked_sub(1)?),
        b'[' => array_end(bytes, at, depth.checked_sub(1)?),
        b't' => literal_end(bytes, at, b"true"),
        b'f' => literal_end(bytes, at, b"false"),
        b'n' => literal_end(bytes, at, b"null"),
        _ => number_end(bytes, at),
    }
}

fn object_end(bytes: &[u8], at: usize, depth: usize) -> Option<usize> {
    let mut at = at + 1;
    if bytes.get(at) == Some(&b'}') {
        return Some(at + 1);
    }
    loop {
        at = string_end(bytes, at)?;
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = value_end(bytes, at + 1, depth)?;
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

fn array_end(bytes: &[u8], at: usize, depth: usize) -> Option<usize> {
    let mut at = at + 1;
    if bytes.get(at) == Some(&b']') {
        return Some(at + 1);
    }
    loop {
        at = value_end(bytes, at, depth)?;
        match bytes.get(at)? {
            b',' => at += 1,
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}

fn literal_end(bytes: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    let end = at + literal.len();
    (bytes.get(at..end)? == literal).then_some(end)
}

fn number_end(bytes: &[u8], at: usize) -> Option<usize> {
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
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += plain_len(bytes.get(at..)?);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' => {
                    let digits = bytes.get(at + 2..at + 6)?;
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

/// How many bytes a text begins with that stand for themselves in a JSON string: no quotes, backslashes and control
/// characters.
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let below = |word: u64, bound: u8| word.wrapping_sub(EACH * u64::from(bound)) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The highest bit of each such byte. Behind the first there may be others, where a byte lends to the next.
        let special = below(word, b' ')
            | below(word ^ (EACH * u64::from(b'"')), 1)
            | below(word ^ (EACH * u64::from(b'\\')), 1);
        let special = special & (EACH << 7);
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| **byte >= b' ' && !matches!(**byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sonic_rs::to_object_iter;

    use super::*;

    fn members(text: &str) -> Result<Vec<(String, String)>, Odd> {
        let owned = |(name, value): Member<'_>| (name.to_owned(), value.to_owned());
        Members::of(text)?.map(|member| member.map(owned)).collect()
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
    fn a_string_ends_where_it_does() {
        for at in 0..20 {
            for byte in 0..=u8::MAX {
                let mut text = [b'!'; 20];
                text[at] = byte;
                let is_special = byte < b' ' || byte == b'"' || byte == b'\\';
                assert_eq!(plain_len(&text), if is_special { at } else { 20 });
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
