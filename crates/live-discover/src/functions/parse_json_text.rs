//! `parse_json_text`: JSON that stands in a string.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringViewArray, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use serde::de::IgnoredAny;

use super::of_text::OfText;
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "parse_json_text",
    arguments: "text",
    result: "varchar",
    meaning: "The JSON object or array that the text holds, for `->` and `->>`; one that was put into a JSON string, \
        even several times over, is taken out. NULL where there is none.",
    examples: &[
        (
            "parse_json_text('{\"Name\": \"ForwardTo\"}')->>'Name'",
            "ForwardTo",
        ),
        (
            "parse_json_text('\"{\\\"Name\\\": \\\"ForwardTo\\\"}\"')",
            "{\"Name\": \"ForwardTo\"}",
        ),
        ("parse_json_text('no JSON')", "NULL"),
    ],
    make: Make::Fixed(make),
};

/// Strings in strings that are taken out: each doubles the escapes, so more are no data.
const WRAPPINGS_MAX: usize = 8;

fn make() -> ScalarUDF {
    OfText::udf(FUNCTION.name, DataType::Utf8View, (), parsed)
}

fn parsed(_: &(), texts: &StringViewArray) -> ArrayRef {
    let mut parsed = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        parsed.append_option(text.and_then(json_in));
    }
    Arc::new(parsed.finish())
}

fn json_in(text: &str) -> Option<Cow<'_, str>> {
    let mut text = Cow::Borrowed(text.trim());
    for _ in 0..=WRAPPINGS_MAX {
        match text.as_bytes().first()? {
            b'{' | b'[' => {
                let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
                return is_json.then_some(text);
            }
            b'"' => {
                let inner: String = serde_json::from_str(&text).ok()?;
                text = Cow::Owned(inner.trim().to_owned());
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_taken_out() {
        for (text, expected) in [
            ("{}", Some("{}")),
            (" [1, 2]\n", Some("[1, 2]")),
            (r#"{"a":"\u00e9"}"#, Some(r#"{"a":"\u00e9"}"#)),
            (r#""{\"a\":1}""#, Some(r#"{"a":1}"#)),
            (r#""\"[\\\"a\\\"]\"""#, Some(r#"["a"]"#)),
            (r#"" {\"a\":1} ""#, Some(r#"{"a":1}"#)),
            ("", None),
            ("a", None),
            ("1", None),
            ("null", None),
            (r#""a""#, None),
            ("{", None),
            ("{} {}", None),
            ("{'a':1}", None),
            (r#""{""#, None),
        ] {
            assert_eq!(json_in(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn wrappings_are_bounded() {
        let mut text = "[]".to_owned();
        for wrappings in 1..=WRAPPINGS_MAX + 1 {
            text = serde_json::to_string(&text).unwrap();
            assert_eq!(json_in(&text).is_some(), wrappings <= WRAPPINGS_MAX);
        }
        assert_eq!(json_in(&"[".repeat(100_000)), None);
    }
}
