//! The text that is looked for.

use datafusion::common::{Result, exec_err};
use memchr::memmem::{self, Finder};
use regex::{Regex, RegexBuilder};

use super::values::{self, Value};

/// A longer one is no text that somebody looks for; it bounds what is made of it.
const BYTES_MAX: usize = 4096;

/// A text to look for, made ready.
#[derive(Debug)]
pub(super) struct Needle {
    pattern: Pattern,
    /// Whether every escape of it in JSON begins with `\u`: there are short ones for some characters.
    has_long_escapes_only: bool,
    /// Whether it may stand in a number, `true` or `false`.
    is_of_literal: bool,
}

#[derive(Debug)]
enum Pattern {
    Exact(Box<Finder<'static>>),
    /// By Unicode's simple case folding.
    IgnoringCase(Regex),
}

impl Needle {
    pub(super) fn new(text: &str, ignores_case: bool) -> Result<Self> {
        if text.len() > BYTES_MAX {
            return exec_err!(
                "the text to look for has {} bytes, at most {BYTES_MAX} are possible",
                text.len()
            );
        }
        let pattern = if ignores_case {
            let built = RegexBuilder::new(&regex::escape(text))
                .case_insensitive(true)
                .build();
            match built {
                Ok(regex) => Pattern::IgnoringCase(regex),
                Err(_) => return exec_err!("the text to look for is too long"),
            }
        } else {
            Pattern::Exact(Box::new(Finder::new(text).into_owned()))
        };
        let has_short_escape = |byte: u8| byte < b' ' || b"\"\\/".contains(&byte);
        let is_of_literal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        Ok(Self {
            pattern,
            has_long_escapes_only: !text.bytes().any(has_short_escape),
            is_of_literal: text.bytes().all(is_of_literal),
        })
    }

    /// Whether it is in a value of the record, which is JSON; or else in the text.
    ///
    /// `decoded` is room for decoded texts.
    pub(super) fn is_in_record(&self, record: &str, decoded: &mut String) -> bool {
        if !values::is_json(record) {
            return self.is_in(record);
        }
        // Most records are decided here: it isn't there, and no escape hides it.
        if !self.is_in(record) {
            let escape: &[u8] = if self.has_long_escapes_only {
                b"\\u"
            } else {
                b"\\"
            };
            if memmem::find(record.as_bytes(), escape).is_none() {
                return false;
            }
        }
        // It may be in a name, or written with escapes: the values decide.
        values::any(record, |value| match value {
            Value::Text(text) => self.is_in(text),
            Value::Escaped(escaped) => {
                decoded.clear();
                values::decode(escaped, decoded);
                self.is_in(decoded)
            }
            Value::Literal(literal) => self.is_of_literal && self.is_in(literal),
        })
    }

    fn is_in(&self, text: &str) -> bool {
        match &self.pattern {
            Pattern::Exact(finder) => finder.find(text.as_bytes()).is_some(),
            Pattern::IgnoringCase(regex) => regex.is_match(text),
        }
    }
}
