//! The index over the text of records: which blocks of rows may hold a text.
//!
//! A data file's row groups are cut into at most 64 blocks of rows. The texts of a block are cut into *pieces*, of
//! which *marks* are taken ([`marks`]): two of the whole piece, and some of its grams, so chosen that a text that
//! stands anywhere in a piece has the same ones. A block's marks are a Bloom filter. The filters of a row group lie
//! transposed ([`matrix`]): a row of the matrix has one bit of each block, so that one small read answers for all blocks,
//! which the signature files of BitFunnel do for documents
//! (<https://www.microsoft.com/en-us/research/publication/bitfunnel-revisiting-signatures-for-search/>).
//!
//! It answers "maybe" or "no", never "yes". It lies in the data file between the row groups, where readers that do
//! not know it see nothing; an entry in the footer says where.

mod build;
mod condition;
mod marks;
mod matrix;

pub(crate) use build::GroupMarks;
pub use condition::{Condition, TextMarks};
pub use matrix::{GroupIndex, TextIndex};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The index of a row group with these records, each with what stands outside it.
    fn index(records: &[String], outside: &[&str], size_bytes: usize) -> (GroupIndex, Vec<u8>) {
        let records: ArrayRef = Arc::new(StringArray::from_iter_values(records));
        let outside: ArrayRef = Arc::new(StringArray::from_iter_values(outside));
        let rows: Vec<_> = (0..records.len()).map(|row| (0, row)).collect();
        GroupMarks::of(&[&[records], &[outside]], &rows)
            .unwrap()
            .encode(size_bytes, 0)
    }

    /// Whether the row may match.
    fn may_match(
        condition: Option<Condition>,
        (group, bytes): &(GroupIndex, Vec<u8>),
        row: usize,
    ) -> bool {
        let Some(condition) = condition else {
            return true;
        };
        let blocks = condition.blocks(group, u64::MAX, &|bucket| {
            let range = group.bucket(bucket);
            bytes.get(range.start as usize..range.end as usize)
        });
        blocks >> (row / group.block_rows()) & 1 == 1
    }

    #[test]
    fn blocks_without_a_text_are_ruled_out() {
        let id = |number: u32| format!("{:08x}-aaaa", number.wrapping_mul(0x9e37_79b1));
        let records: Vec<String> = (0..1000)
            .map(|number| {
                let id = id(number);
                format!(r#"{{"Id":"{id}","Name":"caf\u00e9 Nr. {number}","Size":{number}77777}}"#)
            })
            .collect();
        let index = index(&records, &vec!["198.51.100.7"; 1000], 1 << 20);
        let (group, bytes) = &index;
        assert_eq!(
            (group.range().end, group.block_rows()),
            (bytes.len() as u64, 125)
        );
        for (text, rows) in [
            (&*id(500), 500..501),
            (&id(500)[..8].to_uppercase(), 500..501),
            ("absent-word", 0..0),
            ("aaaa", 0..1000),
            ("198.51.100.7", 0..1000),
            ("198.51.100.8", 0..0),
            ("short", 0..0),
            ("Nr.", 0..1000),
            ("é", 0..1000),
        ] {
            let blocks = (0..1000).step_by(125);
            let having = blocks
                .clone()
                .filter(|block| rows.start < block + 125 && rows.end > *block);
            let passing: Vec<usize> = blocks
                .filter(|row| may_match(Condition::contains(text), &index, *row))
                .collect();
            let having: Vec<usize> = having.collect();
            assert!(having.iter().all(|block| passing.contains(block)), "{text}");
            // One or the other seems to have it.
            assert!(passing.len() <= having.len() + 4, "{text} in {passing:?}");
        }
        // As a whole: one of a part of a string is ruled out, one of a number is not.
        assert!(may_match(Condition::equals(&id(500)), &index, 500));
        assert!(!may_match(Condition::equals(&id(500)[..12]), &index, 500));
        assert!(may_match(Condition::equals("50077777"), &index, 500));
        assert!(!may_match(Condition::equals("5007777"), &index, 500));
    }

    #[test]
    fn one_that_is_too_small_says_maybe() {
        let records: Vec<String> = (0..64)
            .map(|number| format!(r#"{{"Id":"{:x}"}}"#, number * 0x1234_5678_9abc_u64))
            .collect();
        let index = index(&records, &[""; 64], 0);
        assert_eq!(index.1.len(), 256);
        assert!(may_match(Condition::contains("123456789abc"), &index, 1));
    }

    fn value() -> impl Strategy<Value = Value> {
        const TEXT: &str = "[a-cA-CkK\u{212a}\u{17f}é0-2.:, \\[\\]{}/\\\\\"\n-]{0,12}";
        let leaf = prop_oneof![
            TEXT.prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(TEXT, inner, 0..3).prop_map(Value::from_iter),
            ]
        })
    }

    /// Writes JSON with white space, and with escapes where none is needed.
    fn written(value: &Value, is_escaped: bool, is_spaced: bool) -> String {
        let text = match is_spaced {
            true => serde_json::to_string_pretty(value),
            false => serde_json::to_string(value),
        };
        let text = text.unwrap();
        match is_escaped {
            true => text
                .replace('/', "\\/")
                .replace('é', "\\u00e9")
                .replace('c', "\\u0063"),
            false => text,
        }
    }

    fn leaves(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| leaves(value, found)),
            Value::Object(members) => members.values().for_each(|value| leaves(value, found)),
            other => found.push(other.to_string()),
        }
    }

    proptest! {
        #[test]
        fn what_is_there_is_never_ruled_out(
            values in prop::collection::vec(value(), 1..20),
            is_escaped: bool,
            is_spaced: bool,
            at in any::<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>(),
        ) {
            let records: Vec<String> =
                values.iter().map(|value| written(&serde_json::json!({ "Name": value }), is_escaped, is_spaced)).collect();
            let index = index(&records, &vec!["Outside.Example"; records.len()], 1 << 16);
            for (row, (record, value)) in records.iter().zip(&values).enumerate() {
                let mut texts = Vec::new();
                leaves(value, &mut texts);
                for text in texts {
                    prop_assert!(may_match(Condition::equals(&text), &index, row), "{text:?} is in {record}");
                    prop_assert!(may_match(Condition::equals(&text.to_lowercase()), &index, row), "{text:?}");
                    let characters: Vec<char> = text.chars().collect();
                    let (a, b) = (at.0.index(characters.len() + 1), at.1.index(characters.len() + 1));
                    let part: String = characters[a.min(b)..a.max(b)].iter().collect();
                    prop_assert!(may_match(Condition::contains(&part), &index, row), "{part:?} is in {record}");
                }
                let at = at.2.index(record.len());
                let part = record.get(at..(at + 12).min(record.len())).unwrap_or_default();
                prop_assert!(may_match(Condition::contains(part), &index, row), "{part:?} is in {record}");
                prop_assert!(may_match(Condition::equals("outside.example"), &index, row));
            }
        }
    }
}
