//! The texts without which a regular expression matches nothing.

use audit_lake::Condition;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// What a text must hold to match the pattern; `None` if nothing that the index knows of.
pub(super) fn condition(pattern: &str, ignores_case: bool) -> Option<Condition> {
    let mut parser = ParserBuilder::new();
    let hir = parser.case_insensitive(ignores_case).build().parse(pattern);
    of(&hir.ok()?)
}

fn of(hir: &Hir) -> Option<Condition> {
    match hir.kind() {
        HirKind::Concat(parts) => {
            // Texts that follow each other are one.
            let mut conditions = Vec::new();
            let mut run = String::new();
            for part in parts {
                match fixed(part) {
                    Some(text) => run.push_str(&text),
                    None => {
                        conditions.push(Condition::contains(&std::mem::take(&mut run)));
                        conditions.push(of(part));
                    }
                }
            }
            conditions.push(Condition::contains(&run));
            Condition::all(conditions)
        }
        HirKind::Alternation(parts) => Condition::any(parts.iter().map(of)),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        _ => Condition::contains(&fixed(hir)?),
    }
}

/// The text that is all that a part matches, in whatever case.
fn fixed(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(std::str::from_utf8(&literal.0).ok()?.to_owned()),
        HirKind::Class(Class::Unicode(class)) => {
            let characters = class.iter().flat_map(|range| range.start()..=range.end());
            one_letter(characters).map(String::from)
        }
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.iter().flat_map(|range| range.start()..=range.end());
            one_letter(bytes.map(char::from)).map(String::from)
        }
        _ => None,
    }
}

/// The ASCII letter that all of the characters are a case of.
fn one_letter(characters: impl Iterator<Item = char>) -> Option<char> {
    /// Of a letter: two of its own, and the one that has it as its other case.
    const CASES_MAX: usize = 3;
    let mut letter = None;
    for (count, character) in characters.enumerate() {
        let lower = match character {
            '\u{212a}' => 'k',
            '\u{17f}' => 's',
            _ => character.to_ascii_lowercase(),
        };
        let is_other = *letter.get_or_insert(lower) != lower;
        if count == CASES_MAX || is_other || !lower.is_ascii() {
            return None;
        }
    }
    letter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_requires() {
        let all =
            |parts: &[&str]| Condition::all(parts.iter().map(|part| Condition::contains(part)));
        let any =
            |parts: &[&str]| Condition::any(parts.iter().map(|part| Condition::contains(part)));
        for (pattern, ignores_case, expected) in [
            ("invoice", false, all(&["invoice"])),
            ("Invoice", true, all(&["invoice"])),
            ("(?i)task", false, all(&["task"])),
            (
                "^user-.*@contoso\\.com$",
                false,
                all(&["user-", "@contoso.com"]),
            ),
            ("(alpha|beta)+x", false, any(&["alpha", "beta"])),
            ("alpha|b", false, None),
            ("(alpha)?beta", false, all(&["beta"])),
            ("(alpha)*", false, None),
            ("[0-9]+", false, None),
            ("a.c", false, None),
            ("inv[oO]ice", false, all(&["invoice"])),
            ("inv[oa]ice", false, None),
        ] {
            assert_eq!(condition(pattern, ignores_case), expected, "{pattern}");
        }
    }
}
