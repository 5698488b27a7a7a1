//! `any_text_matches`: whether any field of a record holds a text, however its JSON writes it.

mod needle;
mod rewrite;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use self::needle::Needle;
pub(super) use self::rewrite::{OverRaw, name_records};
use super::of_text::{of_each, text_type, views};
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: NAME,
    arguments: "[record, ]needle[, ignore_case]",
    result: "boolean",
    meaning: "Whether the needle stands in the text of any value of the record: a string as it is decoded, at any \
        depth, or a number, `true` or `false` as it is written. Escapes of JSON hide nothing; names of fields do not \
        count. The record is the column `raw` of the one table in the query that has it, and a workload view has it \
        then; with two, or for another column, it is given: `any_text_matches(a.raw, 'needle')`. A text that is no \
        JSON object or array is searched as it is. Case counts unless the last argument is true.",
    examples: &[
        (
            "any_text_matches('{\"Url\":\"https:\\/\\/evil.example\\/a\"}', '//evil.example/')",
            "true",
        ),
        (
            "any_text_matches('{\"Name\":\"caf\\u00e9\"}', 'CAFÉ', true)",
            "true",
        ),
        ("any_text_matches('{\"needle\":1}', 'needle')", "false"),
        (
            "any_text_matches('{\"a\":[{\"b\":\"a needle\"}]}', 'needle')",
            "true",
        ),
    ],
    make: Make::Fixed(make),
};

pub(crate) const NAME: &str = "any_text_matches";

fn make() -> ScalarUDF {
    ScalarUDF::from(AnyTextMatches {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AnyTextMatches {
    signature: Signature,
}

impl ScalarUDFImpl for AnyTextMatches {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let text_type = |given| text_type(NAME, given);
        match arguments {
            // Without the record, which is put in before the query runs.
            [needle] => Ok(vec![text_type(needle)?]),
            [needle, DataType::Boolean] => Ok(vec![text_type(needle)?, DataType::Boolean]),
            [record, needle] => Ok(vec![text_type(record)?, text_type(needle)?]),
            [record, needle, DataType::Boolean | DataType::Null] => Ok(vec![
                text_type(record)?,
                text_type(needle)?,
                DataType::Boolean,
            ]),
            _ => usage(),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (records, needles, ignores_case) = match arguments.args.as_slice() {
            [records, needles] if needles.data_type() != DataType::Boolean => {
                (records, needles, Some(false))
            }
            [
                records,
                needles,
                ColumnarValue::Scalar(ScalarValue::Boolean(ignores_case)),
            ] => (records, needles, *ignores_case),
            [_, _, ColumnarValue::Array(_)] => {
                return exec_err!("whether `{NAME}` ignores the case has to be a constant");
            }
            _ => return rewrite::without_record(),
        };
        let null = || Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        let Some(ignores_case) = ignores_case else {
            return null();
        };
        match needles {
            ColumnarValue::Scalar(needle) => match needle.try_as_str().flatten() {
                None => null(),
                Some(needle) => {
                    let needle = Needle::new(needle, ignores_case)?;
                    of_each(records, |records| with_one(&needle, records))
                }
            },
            ColumnarValue::Array(needles) => {
                let records = views(&records.to_array(arguments.number_rows)?)?;
                let needles = views(needles)?;
                let matches = with_each(
                    needles.as_string_view(),
                    ignores_case,
                    records.as_string_view(),
                )?;
                Ok(ColumnarValue::Array(matches))
            }
        }
    }
}

fn usage<T>() -> Result<T> {
    plan_err!(
        "`{NAME}` takes the text to look for, and whether to ignore its case: {NAME}('needle', true)"
    )
}

fn with_one(needle: &Needle, records: &StringViewArray) -> ArrayRef {
    let mut decoded = String::new();
    let mut matches = |record| needle.is_in_record(record, &mut decoded);
    let matches: BooleanArray = records
        .iter()
        .map(|record| record.map(&mut matches))
        .collect();
    Arc::new(matches)
}

/// A needle for each record, as in a join with a list of them.
fn with_each(
    needles: &StringViewArray,
    ignores_case: bool,
    records: &StringViewArray,
) -> Result<ArrayRef> {
    /// Made ready at once; each may take some MB.
    const KNOWN_MAX: usize = 256;
    let mut known: HashMap<&str, Needle> = HashMap::new();
    let mut decoded = String::new();
    let rows = needles.iter().zip(records);
    let matches: BooleanArray = rows
        .map(|(needle, record)| {
            let (Some(text), Some(record)) = (needle, record) else {
                return Ok(None);
            };
            if !known.contains_key(text) {
                if known.len() == KNOWN_MAX {
                    known.clear();
                }
                known.insert(text, Needle::new(text, ignores_case)?);
            }
            let needle = known.get(text);
            Ok(needle.map(|needle| needle.is_in_record(record, &mut decoded)))
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(matches))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn is_in(record: &str, needle: &str, ignores_case: bool) -> bool {
        let needle = Needle::new(needle, ignores_case).unwrap();
        needle.is_in_record(record, &mut String::new())
    }

    #[test]
    fn escapes_hide_nothing() {
        for (record, needle, expected) in [
            (r#"{"a":"x evil.example y"}"#, "evil.example", true),
            (r#"{"evil.example":"x"}"#, "evil.example", false),
            (r#"{"needle":"a needle"}"#, "needle", true),
            (r#"{"a":{"needle":{"needle":1}}}"#, "needle", false),
            (
                r#"{"a":"https:\/\/evil.example\/x"}"#,
                "https://evil.example/",
                true,
            ),
            (r#"{"a":"a\u0026b"}"#, "a&b", true),
            (r#"{"a":"caf\u00e9"}"#, "café", true),
            (r#"{"a":"\ud83d\ude00"}"#, "😀", true),
            (r#"{"a":"one\ntwo"}"#, "one\ntwo", true),
            (r#"{"a":"one\ntwo"}"#, "ntwo", false),
            (r#"{"a":"C:\\Windows\\x"}"#, r"C:\Windows", true),
            (r#"{"a":"say \"hi\""}"#, r#"say "hi""#, true),
            (r#"{"a":"\u0065vil"}"#, "evil", true),
            (r#"{"a":"\\u0065vil"}"#, "evil", false),
            (r#"{"a":"x","b":"y"}"#, r#"x","b"#, false),
            (r#"{"a":[["deep",{"b":["needle"]}]]}"#, "needle", true),
            (r#"{"a":1234,"b":true}"#, "23", true),
            (r#"{"a":1234,"b":true}"#, "true", true),
            (r#"{"a":null}"#, "null", false),
            (r#"{"a":1,"b":2}"#, ",", false),
            (r#"{"a":"key","b:":"c"}"#, "b:", false),
            (r#"{"a":"x"}"#, "", true),
            ("{}", "", false),
            ("no JSON, \"needle\": 1", "needle", true),
        ] {
            assert_eq!(is_in(record, needle, false), expected, "{record} {needle}");
            assert!(
                !expected || is_in(record, needle, true),
                "{record} {needle}"
            );
        }
    }

    #[test]
    fn case_is_ignored_on_request() {
        for (record, needle, expected) in [
            (r#"{"a":"Evil.Example"}"#, "eVIL.eXAMPLE", true),
            (r#"{"a":"CAF\u00c9"}"#, "café", true),
            (r#"{"a":"ΣΑΣ"}"#, "σας", true),
            (r#"{"a":"\u212Aelvin"}"#, "kelvin", true),
            (r#"{"a":"a.b"}"#, "A.B", true),
            (r#"{"a":"axb"}"#, "A.B", false),
            (r#"{"NEEDLE":"x"}"#, "needle", false),
        ] {
            assert_eq!(is_in(record, needle, true), expected, "{record} {needle}");
        }
        assert!(Needle::new(&"a".repeat(5_000), true).is_err());
    }

    /// Whether it is in a value of the parsed record.
    fn is_in_tree(value: &Value, needle: &str) -> bool {
        match value {
            Value::Null => false,
            Value::Bool(_) | Value::Number(_) => value.to_string().contains(needle),
            Value::String(text) => text.contains(needle),
            Value::Array(values) => values.iter().any(|value| is_in_tree(value, needle)),
            Value::Object(members) => members.values().any(|value| is_in_tree(value, needle)),
        }
    }

    /// Writes a record with some characters escaped that need not be.
    fn written(value: &Value, escaped: &[bool]) -> String {
        let mut choices = escaped.iter().cycle();
        let mut text = String::new();
        for character in value.to_string().chars() {
            let is_plain = character.is_alphanumeric() && !character.is_ascii_digit();
            // Not in an escape, and not the words of JSON: these have none of the letters.
            if is_plain && "xyzéü😀".contains(character) && choices.next() == Some(&true) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            } else if character == '/' && choices.next() == Some(&true) {
                text.push_str("\\/");
            } else {
                text.push(character);
            }
        }
        text
    }

    fn record() -> impl Strategy<Value = Value> {
        const TEXT: &str = r#"[xyzéü:,{}\[\]/\\"\n ]{0,5}"#;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            TEXT.prop_map(Value::from),
        ];
        let tree = leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(TEXT, inner, 0..4)
                    .prop_map(|members| Value::from(serde_json::Map::from_iter(members))),
            ]
        });
        prop::collection::btree_map(TEXT, tree, 0..4)
            .prop_map(|members| Value::from(serde_json::Map::from_iter(members)))
    }

    proptest! {
        #[test]
        fn it_finds_what_a_parser_finds(
            record in record(),
            escaped in prop::collection::vec(any::<bool>(), 1..8),
            needle in r#"[xyzéü:/\\"\n 1-]{1,2}"#,
        ) {
            let text = written(&record, &escaped);
            prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &record);
            prop_assert_eq!(is_in(&text, &needle, false), is_in_tree(&record, &needle));
        }

        #[test]
        fn it_takes_any_text(text in r#"[{\["\\:u0d8,é]{0,20}"#, needle in ".{0,3}") {
            is_in(&text, &needle, false);
            is_in(&text, &needle, true);
        }
    }
}
