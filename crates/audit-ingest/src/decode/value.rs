//! One JSON value into its column, if it fits.

use audit_schema::codes;
use sonic_rs::{JsonValueTrait, LazyValue, to_array_iter, to_object_iter};

use super::column::{Bags, Column};
use super::text::unescape;
use super::time;
use crate::envelope::single_value;

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// `null`: the same as absent.
    Null,
    /// The column holds it.
    Whole,
    /// The column holds a reading of it that lacks something (its JSON type, digits, members): the
    /// original belongs in `extra` too.
    Part,
    /// It does not fit and belongs in `extra` alone.
    No,
}

/// Appends the value with this JSON text, which may stand in `slab`, to the column, for this row.
pub(super) fn append(column: &mut Column, json: bool, row: usize, raw: &str, slab: &[u8]) -> Fit {
    let Some(&first) = raw.as_bytes().first() else {
        return Fit::No;
    };
    if first == b'n' {
        return Fit::Null;
    }
    match column {
        Column::Text(texts) if json => {
            match first {
                // JSON in a string, as several workloads send it: the inner text is what `->` reads.
                b'"' => match inner_json(string(raw)) {
                    Some(inner) => texts.append(row, &inner, slab),
                    None => texts.append(row, raw, slab),
                },
                _ => texts.append(row, raw, slab),
            }
            Fit::Whole
        }
        Column::Text(texts) => match first {
            b'"' => {
                texts.append(row, &unescape(string(raw)), slab);
                Fit::Whole
            }
            b'{' | b'[' => Fit::No,
            _ => {
                texts.append(row, raw, slab);
                Fit::Part
            }
        },
        Column::Integer(numbers) => match (first, integer(raw)) {
            (b'"', Some(value)) => {
                numbers.append(row, value);
                Fit::Part
            }
            (_, Some(value)) => {
                numbers.append(row, value);
                if raw.bytes().all(|b| b == b'-' || b.is_ascii_digit()) {
                    Fit::Whole
                } else {
                    Fit::Part
                }
            }
            (_, None) => Fit::No,
        },
        Column::Boolean(numbers) => {
            let (value, fit) = match raw {
                "true" => (1, Fit::Whole),
                "false" => (0, Fit::Whole),
                _ if raw.eq_ignore_ascii_case("\"true\"") => (1, Fit::Part),
                _ if raw.eq_ignore_ascii_case("\"false\"") => (0, Fit::Part),
                _ => return Fit::No,
            };
            numbers.append(row, value);
            fit
        }
        Column::Time(numbers) => match (first == b'"')
            .then(|| time::parse(&unescape(string(raw))))
            .flatten()
        {
            Some((micros, finer)) => {
                numbers.append(row, micros);
                if finer { Fit::Part } else { Fit::Whole }
            }
            None => Fit::No,
        },
        Column::Bag(bags) => bag(bags, row, raw, BAG),
        Column::Changes(bags) => bag(bags, row, raw, CHANGES),
    }
}

/// What stands between the quotes of a JSON string.
pub(super) fn string(raw: &str) -> &str {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// The number that a string stands for in this field, if it names a type that records number.
pub(crate) fn named_number(wire_name: &str, raw: &str) -> Option<i64> {
    (raw.starts_with('"'))
        .then(|| codes::field_number(wire_name, &unescape(string(raw))))
        .flatten()
}

/// The text of a string that holds one JSON object or array. The walks below are recursive, and what stands in a string
/// may be nested as no record is.
fn inner_json(inner: &str) -> Option<String> {
    let text = unescape(inner);
    let trimmed = text.trim();
    single_value(trimmed.as_bytes()).ok()?;
    let is_json = match trimmed.starts_with('{') {
        true => to_object_iter(trimmed).all(|member| member.is_ok()),
        false => to_array_iter(trimmed).all(|element| element.is_ok()),
    };
    is_json.then(|| trimmed.to_owned())
}

/// The integer that a number, or a string that spells one, is exactly.
fn integer(raw: &str) -> Option<i64> {
    let text = raw.trim_matches('"').trim();
    text.parse().ok().or_else(|| {
        // `1e9` and `20.0`: exact as long as every integer up to there is a double.
        let value: f64 = text
            .parse()
            .ok()
            .filter(|_| text.bytes().any(|b| b.is_ascii_digit()))?;
        (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
    })
}

/// The members of a bag's elements, the name first, and how many values a name has.
const BAG: [&str; 3] = ["Name", "Value", ""];
const CHANGES: [&str; 3] = ["Name", "OldValue", "NewValue"];

/// A collection of named values. One of them outside a list, and the JSON text of either, are read as the list that is
/// meant; `No` for anything else.
fn bag(bags: &mut Bags, row: usize, raw: &str, names: [&str; 3]) -> Fit {
    let given = match raw.as_bytes().first() {
        Some(b'[') => return list(bags, row, raw, names),
        Some(b'"') => inner_json(string(raw)),
        Some(b'{') => Some(raw.to_owned()),
        _ => None,
    };
    let meant = given.map(|text| match text.starts_with('{') {
        true => format!("[{text}]"),
        false => text,
    });
    match meant.map_or(Fit::No, |text| list(bags, row, &text, names)) {
        Fit::No => Fit::No,
        _ => Fit::Part,
    }
}

/// An array of objects with names; `No` when its elements are none.
fn list(bags: &mut Bags, row: usize, raw: &str, names: [&str; 3]) -> Fit {
    if plain_entries(bags, raw, names).is_some() {
        bags.append(row);
        return Fit::Whole;
    }
    bags.discard_entries();
    let mut whole = true;
    for element in to_array_iter(raw) {
        match element.ok().and_then(|element| entry(bags, element, names)) {
            Some(exact) => whole &= exact,
            None => {
                bags.discard_entries();
                return Fit::No;
            }
        }
    }
    bags.append(row);
    if whole { Fit::Whole } else { Fit::Part }
}

/// The entries of a collection as services write nearly all of them: compact, nothing but strings
/// without escapes, no other member. `None` for any other, some entries of which may be added.
fn plain_entries(bags: &mut Bags, raw: &str, names: [&str; 3]) -> Option<()> {
    let mut rest = raw.strip_prefix('[')?;
    if rest == "]" {
        return Some(());
    }
    loop {
        rest = rest.strip_prefix('{')?;
        let mut values = [None; 3];
        loop {
            let (key, after) = plain_string(rest)?;
            let (value, after) = plain_string(after.strip_prefix(':')?)?;
            let at = names
                .iter()
                .position(|name| *name == key && !key.is_empty())?;
            if values[at].replace(value).is_some() {
                return None;
            }
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => {
                    rest = after.strip_prefix('}')?;
                    break;
                }
            }
        }
        bags.entry(values[0]?, &values[1..]);
        match rest {
            "]" => return Some(()),
            _ => rest = rest.strip_prefix(',')?,
        }
    }
}

/// A string without escapes that the text begins with, and the text behind it.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let end = memchr::memchr2(b'"', b'\\', inner.as_bytes())?;
    (inner.as_bytes()[end] == b'"').then(|| (&inner[..end], &inner[end + 1..]))
}

/// One element; whether its names and strings are all there is.
fn entry(bags: &mut Bags, element: LazyValue<'_>, names: [&str; 3]) -> Option<bool> {
    let mut members = Members::default();
    members.read(element, names)?;
    let name = members.text(0)?;
    bags.entry(
        &name,
        &[members.text(1).as_deref(), members.text(2).as_deref()],
    );
    Some(members.exact)
}

/// The members of one element of a collection, as JSON text.
struct Members<'a> {
    values: [Option<std::borrow::Cow<'a, str>>; 3],
    exact: bool,
}

impl Default for Members<'_> {
    fn default() -> Self {
        Self {
            values: [None, None, None],
            exact: true,
        }
    }
}

impl<'a> Members<'a> {
    fn read(&mut self, element: LazyValue<'a>, names: [&str; 3]) -> Option<()> {
        for member in element.into_object_iter()? {
            let (key, value) = member.ok()?;
            match names
                .iter()
                .position(|name| !name.is_empty() && *name == key)
            {
                Some(at) if self.values[at].is_none() => {
                    self.exact &= value.is_str() || value.is_null();
                    self.values[at] = Some(value.as_raw_cow());
                }
                _ => self.exact = false,
            }
        }
        Some(())
    }

    /// A string's text, any other value's JSON text.
    fn text(&self, at: usize) -> Option<std::borrow::Cow<'_, str>> {
        let raw = self.values[at].as_deref()?;
        match raw.as_bytes().first() {
            Some(b'"') => Some(unescape(string(raw))),
            Some(b'n') => None,
            // The lazy walk takes the white space behind a number with it.
            _ => Some(raw.trim_ascii_end().into()),
        }
    }
}
