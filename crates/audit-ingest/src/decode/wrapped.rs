//! Records inside the objects that other interfaces wrap around them.
//!
//! `Search-UnifiedAuditLog` gives objects whose `AuditData` is the record, as JSON text or as an
//! object; Microsoft Graph gives objects whose `auditData` is the record with annotations and,
//! for some types, with the fields one level down. The record is the payload; the wrapper fills
//! only what the payload lacks.

use std::borrow::Cow;

use sonic_rs::to_object_iter;

use super::text::{push_json_string, unescape};
use super::value::{named_number, string};
use super::{Bad, check_escapes, invalid_json};
use crate::envelope::single_object;
use crate::reject::Reason;

/// A member's name and the JSON text of its value.
pub(super) type Member<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Wrapper member → record member.
const GRAPH: [(&str, &str); 11] = [
    ("id", "Id"),
    ("createdDateTime", "CreationTime"),
    ("auditLogRecordType", "RecordType"),
    ("operation", "Operation"),
    ("organizationId", "OrganizationId"),
    ("userType", "UserType"),
    ("userId", "UserKey"),
    ("userPrincipalName", "UserId"),
    ("service", "Workload"),
    ("objectId", "ObjectId"),
    ("clientIp", "ClientIP"),
];

const SEARCH: [(&str, &str); 5] = [
    ("Identity", "Id"),
    ("CreationDate", "CreationTime"),
    ("RecordType", "RecordType"),
    ("Operations", "Operation"),
    ("UserIds", "UserId"),
];

/// The members that make an object worth a closer look.
pub(super) fn is_marker(key: &str) -> bool {
    matches!(key, "AuditData" | "auditData" | "dynamicProperties") || is_annotation(key)
}

/// Graph's annotations say how to read a member; they are no part of the record.
pub(crate) fn is_annotation(key: &str) -> bool {
    key.starts_with("@odata.") || key.ends_with("@odata.type")
}

/// A record's text and what its wrapper says of it.
#[derive(Debug)]
pub(super) struct Wrapped<'a> {
    text: Cow<'a, str>,
    outer: Vec<Member<'a>>,
}

/// Takes the wrapper off, if there is one.
pub(super) fn unwrap(text: &str) -> Result<Wrapped<'_>, Bad> {
    let members = read(text)?;
    let has = |name: &str| members.iter().any(|(key, _)| key == name);
    let (payload, names): (_, &[(&str, &str)]) = if has("CreationTime") {
        return Ok(Wrapped {
            text: Cow::Borrowed(text),
            outer: Vec::new(),
        });
    } else if has("auditData") {
        ("auditData", &GRAPH)
    } else if has("AuditData") {
        ("AuditData", &SEARCH)
    } else {
        return Ok(Wrapped {
            text: Cow::Borrowed(text),
            outer: Vec::new(),
        });
    };
    let raw = members
        .iter()
        .rev()
        .find(|(key, _)| key == payload)
        .map(|(_, raw)| raw.clone())
        .unwrap_or_default();
    let text = match raw.as_bytes().first() {
        Some(b'{') => raw,
        Some(b'"') => {
            let text = unescape(string(&raw)).into_owned();
            if text.trim().is_empty() {
                return Err(Bad::new(Reason::Empty, format!("{payload} is empty")));
            }
            check_object(&text)?;
            // Those of the wrapper were looked at; these are escapes within its own.
            check_escapes(&text)?;
            Cow::Owned(text)
        }
        Some(b'n') => return Err(Bad::new(Reason::Empty, format!("{payload} is null"))),
        _ => {
            return Err(Bad::new(
                Reason::NotAnObject,
                format!("{payload} holds no object"),
            ));
        }
    };
    let outer = names.iter().filter_map(|(outer, inner)| {
        let (_, raw) = members.iter().find(|(key, _)| key == outer)?;
        Some((Cow::Borrowed(*inner), by_number(inner, raw.clone())))
    });
    Ok(Wrapped {
        text,
        outer: outer.collect(),
    })
}

impl Wrapped<'_> {
    /// The record's own text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The record's members, those one level down and those only the wrapper has included.
    pub(super) fn members(&self) -> Result<Vec<Member<'_>>, Bad> {
        let mut members = Vec::new();
        for (key, raw) in read(&self.text)? {
            if key == "dynamicProperties" && raw.starts_with('{') {
                for member in to_object_iter(&*raw) {
                    let (key, value) = member.map_err(|e| invalid_json(&e))?;
                    if !is_annotation(&key) {
                        members.push((
                            Cow::Owned(key.into_owned()),
                            Cow::Owned(value.as_raw_cow().into_owned()),
                        ));
                    }
                }
            } else if !is_annotation(&key) {
                members.push((key, raw));
            }
        }
        for (name, raw) in &self.outer {
            let lacks = |(key, raw): &Member<'_>| key == name && raw != "null";
            if raw != "null" && !members.iter().any(lacks) {
                members.push((name.clone(), raw.clone()));
            }
        }
        Ok(members)
    }
}

fn read(text: &str) -> Result<Vec<Member<'_>>, Bad> {
    to_object_iter(text)
        .map(|member| {
            member
                .map(|(key, value)| (key, value.as_raw_cow()))
                .map_err(|e| invalid_json(&e))
        })
        .collect()
}

/// Wrappers name record and user types; records number them.
fn by_number<'a>(field: &str, raw: Cow<'a, str>) -> Cow<'a, str> {
    match named_number(field, &raw) {
        Some(number) => Cow::Owned(number.to_string()),
        None => raw,
    }
}

/// Whether a text from a cell or string is one JSON object, as the splitter makes sure of others.
pub(super) fn check_object(text: &str) -> Result<(), Bad> {
    match single_object(text.trim().as_bytes()) {
        Ok(()) => Ok(()),
        Err(reason) => {
            let mut shown = String::new();
            push_json_string(&mut shown, &text.chars().take(60).collect::<String>());
            Err(Bad::new(reason, format!("the cell begins {shown}")))
        }
    }
}
