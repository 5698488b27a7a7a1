//! Records in every source form: each comes out, byte for byte, with every member held.
#![no_main]

use arbitrary::Arbitrary;
use audit_fuzz::read;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

#[derive(Debug, Arbitrary)]
struct Input {
    records: Vec<Record>,
    form: Form,
    utf16: bool,
    sizes: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Record(Vec<(Name, Leaf)>);

#[derive(Debug, Arbitrary)]
enum Name {
    Known(u16),
    Any(String),
}

#[derive(Debug, Arbitrary)]
enum Leaf {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Leaf>),
    Object(Vec<(String, Leaf)>),
    Bag(Vec<(String, Option<String>)>),
}

#[derive(Debug, Arbitrary)]
enum Form {
    Array,
    Pretty,
    Lines,
    SearchCsv,
    PurviewCsv { separator: u8 },
    SearchJson,
    GraphPage,
    GraphLines,
    HuntingLines,
    EventHub,
    Elastic,
}

impl Form {
    /// Whether other events stand beside records, which must be known from them.
    fn is_mixed(&self) -> bool {
        matches!(self, Self::HuntingLines | Self::EventHub | Self::Elastic)
    }
}

impl Leaf {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => json!(value),
            Self::Integer(value) => json!(value),
            Self::Float(value) => json!(value),
            Self::Text(value) => json!(value),
            Self::List(values) => values.iter().map(Self::value).collect(),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), value.value()))
                    .collect(),
            ),
            Self::Bag(entries) => entries
                .iter()
                .map(|(name, value)| json!({"Name": name, "Value": value}))
                .collect(),
        }
    }
}

impl Record {
    fn members(&self) -> Map<String, Value> {
        let fields: Vec<&str> = audit_schema::M365_AUDIT
            .columns
            .iter()
            .flat_map(|column| column.fields)
            .copied()
            .collect();
        let mut members = Map::new();
        for (name, value) in &self.0 {
            let name = match name {
                Name::Known(at) => fields[usize::from(*at) % fields.len()].to_owned(),
                Name::Any(name) => name.clone(),
            };
            // Graph's own additions are no part of a record, and taken out of it.
            let of_graph = name == "dynamicProperties" || name.contains("@odata.");
            if !of_graph && name != "OrganizationId" {
                members.insert(name, value.value());
            }
        }
        members.insert("CreationTime".to_owned(), json!("2026-01-02T03:04:05"));
        members
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fuzz_target!(|input: Input| {
    let mut records: Vec<Map<String, Value>> = input.records.iter().map(Record::members).collect();
    if input.form.is_mixed() {
        for record in &mut records {
            record.insert("Id".to_owned(), json!("1"));
            record.insert("RecordType".to_owned(), json!(1));
        }
    }
    if records.is_empty()
        || records
            .iter()
            .any(|record| depth(&Value::Object(record.clone())) > 100)
    {
        return;
    }
    let spell = |record: &Map<String, Value>| match input.form {
        Form::Pretty => serde_json::to_string_pretty(record).unwrap(),
        _ => serde_json::to_string(record).unwrap(),
    };
    let texts: Vec<String> = records.iter().map(spell).collect();
    let each = |wrap: &dyn Fn(&String) -> String| texts.iter().map(wrap).collect::<Vec<_>>();
    let text = match input.form {
        Form::Array => format!("[{}]", texts.join(",")),
        Form::Pretty => format!("[\r\n  {}\r\n]\r\n", texts.join(",\r\n  ")),
        Form::Lines => texts.join("\n"),
        Form::SearchCsv => {
            let rows = each(&|text| format!("x,ExchangeAdmin,{},1", cell(text)));
            format!(
                "#TYPE X\r\nPSComputerName,RecordType,AuditData,Identity\r\n{}\r\n",
                rows.join("\r\n")
            )
        }
        Form::PurviewCsv { separator } => {
            let separator = [",", ";", "\t"][usize::from(separator) % 3];
            let rows = each(&|text| format!("1{separator}{}", cell(text)));
            format!("CreationDate{separator}AuditData\n{}", rows.join("\n"))
        }
        Form::SearchJson => {
            let wrapped =
                each(&|text| format!("{{\"Identity\":\"1\",\"AuditData\":{}}}", json!(text)));
            format!("[{}]", wrapped.join(",\n"))
        }
        Form::HuntingLines => {
            each(&|text| format!("{{\"RawEventData\":{},\"ReportId\":\"2\"}}", json!(text)))
                .join("\n")
        }
        Form::EventHub => {
            let element = |text: &String| format!("{{\"properties\":{{\"RawEventData\":{text}}}}}");
            format!("{{\"records\":[{}]}}", each(&element).join(","))
        }
        Form::Elastic => {
            each(&|text| format!("{{\"event\":{{\"original\":{}}}}}", json!(text))).join("\n")
        }
        Form::GraphPage | Form::GraphLines => {
            let wrapped = each(&|text| format!("{{\"id\":\"1\",\"auditData\":{text}}}"));
            match input.form {
                Form::GraphLines => wrapped.join("\n"),
                _ => format!(
                    "{{\"@odata.context\":\"x\",\"value\":[{}]}}",
                    wrapped.join(",")
                ),
            }
        }
    };
    let bytes: Vec<u8> = if input.utf16 {
        [0xFF, 0xFE]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect()
    } else {
        text.into_bytes()
    };
    let read = read(&bytes, &input.sizes);
    assert_eq!(read.rejects, []);
    let raw = read.texts("raw");
    assert_eq!(raw.len(), texts.len());
    // Batches are of one record type each, so rows stand in another order than the records.
    let mut left: Vec<usize> = (0..texts.len()).collect();
    for (row, (raw, extra)) in raw.into_iter().zip(read.texts("extra")).enumerate() {
        let at = (left.iter()).position(|&record| Some(texts[record].as_str()) == raw);
        let record = &records[left.remove(at.expect("a row is one of the records"))];
        let extra: Map<String, Value> = extra
            .map(|extra| serde_json::from_str(extra).expect("extra is JSON"))
            .unwrap_or_default();
        for (name, value) in record.iter().filter(|(_, value)| !value.is_null()) {
            let column = audit_schema::M365_AUDIT
                .columns
                .iter()
                .find(|column| column.fields.contains(&name.as_str()));
            match column {
                Some(column) if read.has(column.name, row) || extra.contains_key(name) => {}
                None if extra
                    .get(name)
                    .is_some_and(|held| held == value || value.is_f64()) => {}
                None if !value.is_null() && extra.contains_key(name) && has_float(value) => {}
                _ => panic!("{name} is lost: {extra:?}"),
            }
        }
    }
});

/// A float may be read another way than it was written.
fn has_float(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        value => value.is_f64(),
    }
}
