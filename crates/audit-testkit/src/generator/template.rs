//! Templates of records: JSON text with `{slots}`, parsed once, printed many times.
//!
//! A slot is a brace, lower-case letters, digits or underscores, a brace; no brace of JSON looks
//! so. Line breaks of a template and the blanks after them are left out. A slot that is no
//! [`Slot`] names a fragment: some texts with weights, of which one is printed.

use super::event::{Event, Slot};
use crate::random::{Random, Weighted};

/// A named choice of texts, each with its weight.
pub(super) type Fragment = (&'static str, &'static [(u64, &'static str)]);

#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Slot(Slot),
    Choice(Weighted, Vec<Template>),
}

impl Template {
    /// Parses `text`. A name that is neither slot nor fragment stays as it is written (a test sees
    /// to it that there is none).
    pub(super) fn new(text: &str, fragments: &[Fragment]) -> Self {
        let mut parts = Parts::default();
        for line in text.lines() {
            let mut rest = line.trim_start();
            while let Some((before, name, after)) = next_slot(rest) {
                parts.text(before);
                if let Some(slot) = Slot::by_name(name) {
                    parts.0.push(Part::Slot(slot));
                } else if let Some((_, texts)) =
                    fragments.iter().find(|(fragment, _)| *fragment == name)
                {
                    let weights = Weighted::new(texts.iter().map(|(weight, _)| *weight));
                    parts.0.push(Part::Choice(
                        weights,
                        texts
                            .iter()
                            .map(|(_, text)| Self::new(text, fragments))
                            .collect(),
                    ));
                } else {
                    parts.text(&rest[before.len()..rest.len() - after.len()]);
                }
                rest = after;
            }
            parts.text(rest);
        }
        Self(parts.0)
    }

    pub(super) fn write(&self, event: &Event<'_>, random: &mut Random, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Slot(slot) => event.write(*slot, random, out),
                Part::Choice(weights, texts) => {
                    texts[weights.pick(random)].write(event, random, out)
                }
            }
        }
    }
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Part::Text(last)) => last.extend_from_slice(text.as_bytes()),
            _ => self.0.push(Part::Text(text.as_bytes().to_vec())),
        }
    }
}

/// Splits at the first slot: the text before, the slot's name, the text after.
fn next_slot(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(open, _)| {
        let inside = &text[open + 1..];
        let length =
            inside.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))?;
        (length > 0 && inside[length..].starts_with('}'))
            .then(|| (&text[..open], &inside[..length], &inside[length + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_between_the_braces_of_json() {
        for (text, slot) in [
            (r#"{"Id":"{id}"}"#, Some((r#"{"Id":""#, "id", r#""}"#))),
            (r#"{{guid_upper}}"#, Some(("{", "guid_upper", "}"))),
            (r#"{"a":{},"b":{(Exists(x))}}"#, None),
        ] {
            assert_eq!(next_slot(text), slot);
        }
    }
}
