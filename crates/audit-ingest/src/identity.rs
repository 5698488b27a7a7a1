//! When two texts are the same record.

use std::fmt::Write;

use sonic_rs::{JsonValueTrait, LazyValue, to_object_iter};

use crate::decode::text::{push_json_string, unescape};
use crate::decode::{named_number, time};

/// The record's content in one fixed spelling: equal for two texts exactly if they hold the same
/// record, whatever the order of members at any depth, the white space, the spelling of strings
/// and what an interface makes of it (annotations, a `Z` behind the time, the letter case of `Id`,
/// the names of types in place of their numbers).
///
/// `None` if the text is no JSON object.
pub fn canonical(record: &str) -> Option<String> {
    let mut members = Vec::new();
    collect(record, true, &mut members)?;
    let mut out = String::with_capacity(record.len());
    write_members(members, &mut out);
    Some(out)
}

type Member = (String, String);

fn collect(object: &str, top: bool, members: &mut Vec<Member>) -> Option<()> {
    for member in to_object_iter(object) {
        let (key, value) = member.ok()?;
        if crate::decode::is_annotation(&key) {
            continue;
        }
        if top && key == "dynamicProperties" && value.is_object() {
            collect(&value.as_raw_cow(), true, members)?;
            continue;
        }
        let text = match &*key {
            "CreationTime" if top => time_text(&value),
            "Id" if top => value.as_str().map(str::to_ascii_lowercase),
            _ => None,
        };
        let number = named_number(&key, value.as_raw_str()).filter(|_| top);
        let mut spelled = String::new();
        match (text, number) {
            (Some(text), _) => push_json_string(&mut spelled, &text),
            (None, Some(number)) => spelled = number.to_string(),
            (None, None) => spell(value, &mut spelled)?,
        }
        members.push((key.into_owned(), spelled));
    }
    Some(())
}

fn time_text(value: &LazyValue<'_>) -> Option<String> {
    let raw = value.as_raw_str();
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    // Digits below the microsecond are content: such a time stays as it is.
    time::parse(&unescape(text))
        .filter(|(_, finer)| !finer)
        .map(|(micros, _)| micros.to_string())
}

/// Recursion is bounded by `MAX_DEPTH`, which every record has passed.
fn spell(value: LazyValue<'_>, out: &mut String) -> Option<()> {
    if value.is_object() {
        let mut members = Vec::new();
        for member in value.into_object_iter()? {
            let (key, value) = member.ok()?;
            if crate::decode::is_annotation(&key) {
                continue;
            }
            let mut spelled = String::new();
            spell(value, &mut spelled)?;
            members.push((key.into_owned(), spelled));
        }
        write_members(members, out);
    } else if value.is_array() {
        out.push('[');
        for element in value.into_array_iter()? {
            spell(element.ok()?, out)?;
            out.push(',');
        }
        out.push(']');
    } else if value.is_str() {
        let raw = value.as_raw_str();
        push_json_string(out, &unescape(raw.get(1..raw.len() - 1)?));
    } else {
        // The lazy walk takes the white space behind a number with it.
        out.push_str(value.as_raw_str().trim_ascii());
    }
    Some(())
}

/// Sorted by name; members of one name keep their order, which decides what a parser reads.
fn write_members(mut members: Vec<Member>, out: &mut String) {
    members.sort_by(|a, b| a.0.cmp(&b.0));
    out.push('{');
    for (key, value) in members {
        push_json_string(out, &key);
        let _ = write!(out, ":{value},");
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::canonical;

    fn same(a: &str, b: &str) -> bool {
        canonical(a).unwrap() == canonical(b).unwrap()
    }

    #[test]
    fn what_does_not_matter() {
        for (a, b) in [
            (r#"{"a":1,"b":[1,2]}"#, r#"{ "b" : [ 1, 2 ], "a" : 1 }"#),
            (
                r#"{"o":{"x":{"p":1,"q":2}}}"#,
                r#"{"o":{"x":{"q":2,"p":1}}}"#,
            ),
            (r#"{"l":[{"n":"a","v":1}]}"#, r#"{"l":[{"v":1,"n":"a"}]}"#),
            (r#"{"s":"a/b\u0041"}"#, r#"{"s":"a\/bA"}"#),
            (r#"{"Id":"AB"}"#, r#"{"Id":"ab"}"#),
            (
                r#"{"CreationTime":"2026-07-16T10:00:00Z"}"#,
                r#"{"CreationTime":"2026-07-16T10:00:00"}"#,
            ),
            (
                r#"{"CreationTime":"2026-07-16T10:00:00\u002B00:00"}"#,
                r#"{"CreationTime":"2026-07-16T10:00:00"}"#,
            ),
            (
                r##"{"@odata.type":"#x","a":[],"a@odata.type":"#Collection(X)"}"##,
                r#"{"a":[]}"#,
            ),
            (r#"{"dynamicProperties":{"b":2},"a":1}"#, r#"{"a":1,"b":2}"#),
            (
                r#"{"RecordType":"ExchangeAdmin","UserType":"DcAdmin"}"#,
                r#"{"RecordType":1,"UserType":3}"#,
            ),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn what_matters() {
        for (a, b) in [
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
            (r#"{"a":"x"}"#, r#"{"A":"x"}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":"x"}"#, r#"{"a":"X"}"#),
            (r#"{"a":{"Id":"X"}}"#, r#"{"a":{"Id":"x"}}"#),
            (r#"{"RecordType":"2"}"#, r#"{"RecordType":2}"#),
            (r#"{"a":{"UserType":"Admin"}}"#, r#"{"a":{"UserType":2}}"#),
            (r#"{"UserType":"Nobody"}"#, r#"{"UserType":2}"#),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
