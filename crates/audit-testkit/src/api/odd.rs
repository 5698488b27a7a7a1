//! Records as they are not expected, and are met.

use super::clock::{DAY, HOUR, zoneless_text};
use super::tenant::TenantHandle;

/// A record with something odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OddRecord {
    /// What is odd, in a few words.
    pub what: &'static str,
    /// The record: JSON, except that names may come twice in an object.
    pub text: String,
    /// The same record again, as another blob has it: other order of members, other white space. It is the same JSON.
    pub copy: Option<String>,
}

/// What each record has besides what is odd about it.
struct Shape {
    what: &'static str,
    /// The `Id` member, or none.
    id: Option<String>,
    record_type: &'static str,
    /// Members after the common ones, each with a comma before.
    members: String,
    age_micros: i64,
}

/// One record of each odd kind for a tenant, with events shortly before `created_micros`.
pub fn odd_records(tenant_id: &str, created_micros: i64) -> Vec<OddRecord> {
    shapes()
        .into_iter()
        .map(|shape| {
            let time = zoneless_text(created_micros - shape.age_micros);
            let mut first = vec![format!(r#""CreationTime":"{time}""#)];
            first.extend(shape.id.map(|id| format!(r#""Id":"{id}""#)));
            let common = [
                r#""Operation":"FileAccessed""#.to_owned(),
                format!(r#""OrganizationId":"{tenant_id}""#),
                format!(r#""RecordType":{}"#, shape.record_type),
                r#""UserType":0"#.to_owned(),
                r#""UserKey":"1003200000000000""#.to_owned(),
                r#""Workload":"SharePoint""#.to_owned(),
                r#""Version":1"#.to_owned(),
                format!(r#""UserId":"odd@example.com"{}"#, shape.members),
            ];
            first.extend(common);
            let text = format!("{{{}}}", first.join(","));
            let copy = (shape.what == "delivered in two orders of members").then(|| {
                first.reverse();
                format!("{{ {} }}", first.join(" ,\n  "))
            });
            OddRecord {
                what: shape.what,
                text,
                copy,
            }
        })
        .collect()
}

fn shapes() -> Vec<Shape> {
    let deep = format!(
        r#","AffectedItems":{}1{}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    let addresses = [
        ("ClientIP", "203.0.113.7:50123"),
        ("ClientIPAddress", "[2001:db8::1]:443"),
        ("ActorIpAddress", " 203.0.113.8"),
        ("OriginatingServer", "AB1PR01MB0001 (15.20.1909.012)\\r\\n"),
    ];
    let addresses: String = addresses
        .map(|(name, text)| format!(r#","{name}":"{text}""#))
        .concat();
    let plain: [(&str, &str, &str); 17] = [
        (
            "delivered in two orders of members",
            "6",
            r#","ObjectId":"https://example.com/a b""#,
        ),
        (
            "a name twice in one object",
            "6",
            r#","Data":"first","Data":"second""#,
        ),
        (
            "names that differ by case",
            "6",
            r#","EventName":"one","eventName":"two""#,
        ),
        (
            "ModifiedProperties of objects",
            "8",
            r#","ModifiedProperties":[{"Name":"DisplayName","NewValue":"[\"b\"]","OldValue":"[]"}]"#,
        ),
        (
            "ModifiedProperties of strings",
            "6",
            r#","ModifiedProperties":["Title","Owner"]"#,
        ),
        (
            "ModifiedProperties empty",
            "6",
            r#","ModifiedProperties":[]"#,
        ),
        (
            "Parameters of objects",
            "1",
            r#","Parameters":[{"Name":"ForwardTo","Value":"a@example.com"}]"#,
        ),
        (
            "Parameters as a command line",
            "18",
            r#","Parameters":"-Name \"x\" -Description \"\"""#,
        ),
        (
            "ExtendedProperties as text",
            "8",
            r#","ExtendedProperties":"[{\"Name\":\"a\",\"Value\":\"{not json\"}]""#,
        ),
        (
            "OperationProperties as JSON text",
            "50",
            r#","OperationProperties":"[{\"Name\":\"MailAccessType\"}]""#,
        ),
        (
            "Sender as an object",
            "28",
            r#","Sender":{"Address":"a@example.com"}"#,
        ),
        ("Scope as an array", "6", r#","Scope":["online","onprem"]"#),
        (
            "numbers as strings",
            r#""20""#,
            r#","SizeInBytes":"75096","FileSize":"1e9","LoginStatus":"-2147217390""#,
        ),
        ("a record type nobody knows", "99999", r#","UserId2":null"#),
        (
            "half of a surrogate pair",
            "6",
            r#","SourceFileName":"a\ud83d.txt""#,
        ),
        (
            "first part of a split record",
            "24",
            r#","RecordNumber":1,"Query":"a""#,
        ),
        (
            "second part of a split record",
            "24",
            r#","RecordNumber":2,"Query":"b""#,
        ),
    ];
    let mut shapes: Vec<Shape> = plain
        .into_iter()
        .map(|(what, record_type, members)| Shape::new(what, record_type, members.to_owned()))
        .collect();
    shapes.push(Shape::new("nested a hundred deep", "6", deep));
    shapes.push(Shape::new(
        "addresses with ports, brackets and blanks",
        "6",
        addresses,
    ));
    shapes.push(Shape::new("five days old", "6", String::new()));
    for (number, shape) in (1..).zip(&mut shapes) {
        shape.id = Some(format!("0dd00000-0000-4000-8000-{number:012x}"));
    }
    if let Some(old) = shapes.last_mut() {
        old.age_micros = 5 * DAY;
    }
    let with_id = |what, id: Option<&str>| Shape {
        id: id.map(str::to_owned),
        ..Shape::new(what, "6", String::new())
    };
    shapes.push(with_id("no Id", None));
    shapes.push(with_id("an empty Id", Some("")));
    shapes.push(with_id(
        "an Id in upper case",
        Some("0DD00000-0000-4000-8000-00000000ABCD"),
    ));
    shapes
}

impl Shape {
    fn new(what: &'static str, record_type: &'static str, members: String) -> Self {
        Self {
            what,
            id: None,
            record_type,
            members,
            age_micros: HOUR,
        }
    }
}

impl TenantHandle {
    /// Publishes a blob of [`odd_records`], and a second one with the copies; returns their ids.
    pub fn publish_odd_records(&self, content_type: &str, created_micros: i64) -> [String; 2] {
        let records = odd_records(self.id(), created_micros);
        let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
        let copies: Vec<&str> = records
            .iter()
            .filter_map(|record| record.copy.as_deref())
            .collect();
        [texts, copies].map(|texts| {
            let body = format!("[{}]", texts.join(","));
            self.publish(content_type, created_micros, body.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_is_json_and_a_copy_is_the_same_record() {
        let records = odd_records("0a5f7d5e-6f1b-4b8c-9e0d-3c2b1a495867", 5 * DAY + HOUR);
        for record in &records {
            let parsed: Result<Value, _> = serde_json::from_str(&record.text);
            if record.what == "half of a surrogate pair" {
                continue;
            }
            let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", record.what));
            if let Some(copy) = &record.copy {
                assert_ne!(*copy, record.text);
                assert_eq!(serde_json::from_str::<Value>(copy).unwrap(), parsed);
            }
        }
        assert!(records.iter().any(|record| record.copy.is_some()));
    }
}
