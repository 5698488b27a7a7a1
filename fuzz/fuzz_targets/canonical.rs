//! One content, one spelling: whatever the order of members, the white space and the escapes.
#![no_main]

use audit_ingest::canonical;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|text: &str| {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return;
    };
    // Graph's envelope is flattened, where members of one name keep their order.
    if members
        .keys()
        .any(|name| name == "dynamicProperties" || name.contains("@odata."))
    {
        return;
    }
    let plain = Value::Object(members.clone()).to_string();
    let want = canonical(&plain).expect("an object has a spelling");
    let mut other = String::new();
    write(&Value::Object(members.clone()), &mut other);
    assert_eq!(canonical(&other).as_deref(), Some(want.as_str()), "{other}");

    // Another content, another spelling.
    let mut more = members;
    let name = format!("{}x", more.keys().next_back().map_or("", String::as_str));
    if more.insert(name, Value::Null).is_none() {
        assert_ne!(canonical(&Value::Object(more).to_string()), Some(want));
    }
});

/// Members in reverse, blanks around everything, texts escaped wherever they can be.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => write_object(members, out),
        Value::Array(values) => {
            out.push_str(" [ ");
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { " , " });
                write(value, out);
            }
            out.push_str(" ] ");
        }
        Value::String(text) => write_text(text, out),
        plain => {
            out.push_str(&plain.to_string());
            out.push('\n');
        }
    }
}

fn write_object(members: &Map<String, Value>, out: &mut String) {
    out.push_str("{\t");
    for (at, (name, value)) in members.iter().rev().enumerate() {
        out.push_str(if at == 0 { "" } else { "\r\n, " });
        write_text(name, out);
        out.push_str(" : ");
        write(value, out);
    }
    out.push('}');
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        out.push_str(&format!("\\u{unit:04x}"));
    }
    out.push('"');
}
