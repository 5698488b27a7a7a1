//! Of real records, nearly all values land in a typed column.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use audit_schema::{Column, ColumnType, M365_AUDIT, extra_fields};
use serde_json::Value;

/// Real records lie beside the repository on some machines and are no part of it.
const RECORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");

#[test]
fn at_least_98_percent_of_values_land_in_a_typed_column() {
    let mut files = Vec::new();
    collect(Path::new(RECORDS), &mut files);
    if files.is_empty() {
        return;
    }
    let columns: HashMap<&str, &Column> = M365_AUDIT
        .columns
        .iter()
        .flat_map(|column| column.fields.iter().map(move |field| (*field, column)))
        .collect();
    let mut total = 0_u64;
    let mut missing: BTreeMap<String, u64> = BTreeMap::new();
    for (field, value) in files.iter().flat_map(|file| records(file)).flatten() {
        if value.is_null() {
            continue;
        }
        total += 1;
        let why = match columns.get(field.as_str()) {
            Some(column) if fits(column.column_type, &value) => continue,
            Some(column) => format!("{field} does not fit {:?}", column.column_type),
            None if extra_fields().iter().any(|extra| extra.field == field) => field,
            None => panic!("`{field}` is not decided"),
        };
        *missing.entry(why).or_default() += 1;
    }
    let landed = total - missing.values().sum::<u64>();
    println!("{landed} of {total} values land in a typed column; in extra: {missing:#?}");
    assert!(landed * 100 >= total * 98, "{landed} of {total}");
}

/// Whether a value can be held by a column of the type, numbers in texts and texts of numbers left out.
fn fits(column_type: ColumnType, value: &Value) -> bool {
    let named = |item: &Value| item.get("Name").is_some_and(Value::is_string);
    let list_of_named = || {
        value
            .as_array()
            .is_some_and(|items| items.iter().all(named))
    };
    match column_type {
        ColumnType::Text => value.is_string(),
        ColumnType::Integer => value.is_i64(),
        ColumnType::Boolean => value.is_boolean(),
        ColumnType::Time => value.as_str().is_some_and(|text| {
            text.len() >= 19 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T'
        }),
        ColumnType::Json => true,
        ColumnType::Bag | ColumnType::Changes => list_of_named(),
        _ => false,
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            // The API's other answers are no records.
            if !path.ends_with("api-forms") {
                collect(&path, files);
            }
        } else if [".json", ".ndjson", ".ndjson.gz"]
            .iter()
            .any(|end| path.to_string_lossy().ends_with(end))
        {
            files.push(path);
        }
    }
}

fn records(file: &Path) -> Vec<serde_json::Map<String, Value>> {
    let bytes = fs::read(file).unwrap_or_default();
    let mut text = String::new();
    if file.extension().is_some_and(|end| end == "gz") {
        let unpacked = flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text);
        assert!(unpacked.is_ok(), "{}: {unpacked:?}", file.display());
    } else {
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    let values: Vec<Value> = match serde_json::from_str(&text) {
        Ok(Value::Array(values)) => values,
        _ => text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
    };
    values
        .into_iter()
        .filter_map(|value| match value {
            Value::Object(record) => Some(record),
            _ => None,
        })
        .collect()
}
