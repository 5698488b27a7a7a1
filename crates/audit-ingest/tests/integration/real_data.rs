//! Records that nobody here wrote, against a plain JSON parser.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use audit_schema::{ColumnType, M365_AUDIT};
use serde_json::Value;

use crate::support::read_in;

/// The folder of real records, if this checkout has it.
fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    folder.is_dir().then_some(folder)
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_record_file = ["json", "ndjson", "gz"]
            .iter()
            .any(|e| path.extension().is_some_and(|x| x == *e));
        if path.is_dir() && !path.ends_with("api-forms") {
            files(&path, out);
        } else if is_record_file {
            out.push(path);
        }
    }
}

#[test]
fn typed_columns_are_what_a_plain_parser_reads() {
    let Some(folder) = data() else { return };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let (mut records, mut values, mut typed) = (0, 0, 0);
    for path in paths {
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|e| e == "gz") {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut plain)
                .unwrap();
            bytes = plain;
        }
        let text = std::str::from_utf8(&bytes).unwrap();
        let mut want: Vec<&serde_json::value::RawValue> = if text.trim_start().starts_with('[') {
            serde_json::from_str(text).unwrap()
        } else {
            text.lines()
                .filter(|l| !l.trim().is_empty())
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        let mut read = read_in(&bytes, &[1000], Some("unknown"));
        assert_eq!(read.reasons(), Vec::<&str>::new(), "{}", path.display());
        assert_eq!(read.rows.len(), want.len(), "{}", path.display());
        // Rows come by record type.
        want.sort_by_key(|record| record.get());
        read.rows
            .sort_by_cached_key(|(_, row)| row["raw"].as_str().unwrap().to_owned());
        for ((_, row), want) in read.rows.iter().zip(want) {
            assert_eq!(row["raw"], want.get(), "{}", path.display());
            let members: BTreeMap<String, Value> = serde_json::from_str(want.get()).unwrap();
            let extra: BTreeMap<String, Value> = row
                .get("extra")
                .map(|extra| serde_json::from_str(extra.as_str().unwrap()).unwrap())
                .unwrap_or_default();
            records += 1;
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                values += 1;
                let column = M365_AUDIT
                    .columns
                    .iter()
                    .find(|column| column.fields.contains(&name.as_str()));
                let held = column.and_then(|column| Some((column, row.get(column.name)?)));
                match held {
                    Some((column, held)) if !extra.contains_key(name) => {
                        typed += 1;
                        assert!(
                            equal(column.column_type, held, value),
                            "{name}: {held} for {value}"
                        );
                    }
                    Some(_) => typed += 1,
                    None => {
                        assert_eq!(extra.get(name), Some(value), "{name} of {}", path.display())
                    }
                }
            }
        }
    }
    assert!(records > 0);
    let share = f64::from(typed) / f64::from(values);
    println!(
        "{records} records, {values} values, {:.2} % in typed columns",
        share * 100.0
    );
    assert!(share >= 0.98, "{share}");
}

/// Whether a column's value says what the record does.
fn equal(column_type: ColumnType, held: &Value, want: &Value) -> bool {
    match column_type {
        ColumnType::Json => match (serde_json::from_str::<Value>(held.as_str().unwrap()), want) {
            (Ok(parsed), Value::String(text)) if parsed.is_object() || parsed.is_array() => {
                serde_json::from_str::<Value>(text).unwrap() == parsed
            }
            (Ok(parsed), want) => parsed == *want,
            _ => false,
        },
        ColumnType::Time => {
            let text = want.as_str().unwrap();
            let micros = held.as_i64().unwrap();
            let seconds = micros.div_euclid(1_000_000);
            // An independent reading: the time of day and the day number by plain arithmetic.
            let clock: Vec<i64> = text[11..19]
                .split(':')
                .map(|part| part.parse().unwrap())
                .collect();
            seconds.rem_euclid(86_400) == clock[0] * 3_600 + clock[1] * 60 + clock[2]
        }
        ColumnType::Bag => entries(want, &["Value"]) == *held,
        ColumnType::Changes => entries(want, &["OldValue", "NewValue"]) == *held,
        _ => held == want,
    }
}

fn entries(collection: &Value, names: &[&str]) -> Value {
    let of = |element: &Value| {
        let values: Vec<Value> = names
            .iter()
            .map(|name| element.get(name).cloned().unwrap_or(Value::Null))
            .collect();
        let value = if values.len() == 1 {
            values[0].clone()
        } else {
            Value::Array(values)
        };
        serde_json::json!([element["Name"], value])
    };
    collection.as_array().unwrap().iter().map(of).collect()
}
