//! Records inside the objects that other interfaces and collectors wrap around them.
//!
//! The record is the payload, an object or its JSON text; the wrapper fills only what the payload lacks.

use std::borrow::Cow;

use sonic_rs::to_object_iter;

use super::no_record::{ELASTIC, no_record};
use super::text::{push_json_string, shown, unescape, whole_surrogates};
use super::value::{named_number, string};
use super::{Bad, check_escapes, invalid_json};
use crate::envelope::single_object;
use crate::reject::Reason;

/// A member's name and the JSON text of its value.
pub(super) type Member<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Who wraps records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrapper {
    /// Microsoft Graph's `security/auditLog/queries`: the payload has annotations and, for some types, its fields one
    /// level down.
    Graph,
    /// The same as the cmdlets of Graph's PowerShell SDK show it.
    GraphPowerShell,
    /// `Search-UnifiedAuditLog`.
    Search,
    /// Defender's table of this name, asked for or streamed: an event of any application that is connected.
    CloudAppEvents,
    /// Wazuh's module `office365`, which adds the content type as `Subscription`.
    Wazuh,
    /// Elastic's integration `o365` and the module of Beats.
    Elastic,
    /// Whoever moves logs: Splunk, Logstash, Beats, Graylog. Any event may stand there, and words too.
    Collector,
}

/// The members that lead to the record, outermost first. The first of these paths that an object has is taken: what is
/// as it came before what was made of it.
const PATHS: [(&[&str], Wrapper); 15] = [
    SPLUNK,
    (&["auditData"], Wrapper::Graph),
    (
        &["AuditData", "AdditionalProperties"],
        Wrapper::GraphPowerShell,
    ),
    (&["AuditData"], Wrapper::Search),
    (&["RawEventData"], Wrapper::CloudAppEvents),
    (&["properties", "RawEventData"], Wrapper::CloudAppEvents),
    (&["office365"], Wrapper::Wazuh),
    // An event of the archives; in `data`, as in alerts, values are texts.
    (&["full_log", "office365"], Wrapper::Wazuh),
    (&["data", "office365"], Wrapper::Wazuh),
    (&["event", "original"], Wrapper::Elastic),
    (&["event.original"], Wrapper::Elastic),
    (&["message"], Wrapper::Collector),
    (&["full_message"], Wrapper::Collector),
    (&["o365audit"], Wrapper::Elastic),
    (&["o365", "audit"], Wrapper::Elastic),
];

/// The text of an event. Beside it stand the fields that Splunk has found in it, so that the object looks like a record.
const SPLUNK: (&[&str], Wrapper) = (&["_raw"], Wrapper::Collector);

/// Objects around what the paths begin in: a hit of a search in Elasticsearch or OpenSearch, a line of Splunk's export.
const LEVELS: [&str; 2] = ["_source", "result"];

/// Wrappers within wrappers that are taken off: what moves logs moves those of others, too.
const WRAPPERS_MAX: usize = 3;

/// What Wazuh adds to a record: the content type.
const SUBSCRIPTION: &str = "Subscription";

/// What the collector of ddbnl adds, the same.
const ORIGIN_FEED: &str = "OriginFeed";

/// Wrapper member → record member. The cmdlets begin the names with a capital.
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

impl Wrapper {
    /// Wrapper member → record member.
    fn fills(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Graph | Self::GraphPowerShell => &GRAPH,
            Self::Search => &SEARCH,
            Self::CloudAppEvents | Self::Wazuh | Self::Elastic | Self::Collector => &[],
        }
    }

    /// Whether the object is looked at further where the payload is no record: what has this place may be a record's own.
    fn is_uncertain(self) -> bool {
        matches!(self, Self::GraphPowerShell | Self::Collector)
    }

    /// Whether the payload is a record, where it can be something else.
    fn check(self, payload: &str) -> Result<(), Bad> {
        let (needs, reason, words): (&[&str], _, _) = match self {
            Self::Graph | Self::Search => return Ok(()),
            Self::GraphPowerShell => (&["CreationTime"], Reason::NoTime, Reason::NoTime.words()),
            Self::CloudAppEvents | Self::Collector => (
                &["CreationTime", "Id", "RecordType"],
                Reason::OtherEvent,
                "an event of another application than Office 365: it has no CreationTime, Id and RecordType",
            ),
            Self::Wazuh => (
                &["CreationTime", "Id"],
                Reason::OtherEvent,
                "an event of Wazuh's office365 module that is no record: it has no CreationTime and Id",
            ),
            Self::Elastic => (&["CreationTime", "Id"], Reason::Flattened, ELASTIC),
        };
        let members = read(payload)?;
        let has = |name: &&str| {
            let given = |(key, raw): &Member<'_>| key == name && raw != "null";
            members.iter().any(given)
        };
        match needs.iter().all(has) {
            true => Ok(()),
            false => Err(Bad::new(reason, words)),
        }
    }
}

/// Whether a cell of a column that holds events of any application is a record, or has one within.
pub(super) fn check_raw_event(text: &str) -> Result<(), Bad> {
    Wrapper::CloudAppEvents
        .check(text)
        .or_else(|bad| within(text, 1).map(drop).ok_or(bad))
}

/// The members for which an object is looked at closely, whether it has a time or not. None is a record's own.
pub(super) fn is_marker(key: &str) -> bool {
    let is_payload = matches!(key, "AuditData" | "auditData" | "RawEventData");
    is_payload
        || key == "_raw"
        || key == ORIGIN_FEED
        || key == "dynamicProperties"
        || is_annotation(key)
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
    unwrap_from(text, 0)
}

/// The record in a wrapper that is itself the payload of another; `None` for an event of its own.
fn within(text: &str, wrappers: usize) -> Option<Wrapped<'static>> {
    let is_event = has(&read(text).ok()?, "CreationTime");
    let inner = (!is_event && wrappers <= WRAPPERS_MAX).then(|| unwrap_from(text, wrappers))?;
    inner.ok().map(Wrapped::into_owned)
}

/// The same within so many wrappers.
fn unwrap_from(text: &str, wrappers: usize) -> Result<Wrapped<'_>, Bad> {
    let mut document = Cow::Borrowed(text);
    let mut members = read(text)?;
    for level in LEVELS {
        if !has(&members, "CreationTime")
            && let Some(inner) = get(&members, level).and_then(|raw| object(raw).ok())
        {
            members = members_of(inner.clone())?;
            document = inner;
        }
    }
    let is_record = has(&members, "CreationTime");
    let wrappers = if is_record { WRAPPERS_MAX } else { wrappers };
    let mut why_none = None;
    for (path, wrapper) in if is_record { &[SPLUNK][..] } else { &PATHS } {
        let Some(raw) = follow(&members, path)? else {
            continue;
        };
        match payload(raw, path, *wrapper, &members, wrappers) {
            // Another path may lead to what is whole.
            Err(bad)
                if wrapper.is_uncertain()
                    || matches!(bad.reason, Reason::Empty | Reason::Truncated) =>
            {
                let says_more = !wrapper.is_uncertain()
                    || matches!(bad.reason, Reason::OtherEvent | Reason::Truncated);
                why_none = why_none.or(says_more.then_some(bad));
            }
            found => return found,
        }
    }
    let text = match is_record || has(&members, "dynamicProperties") {
        true => Some(document),
        false => only_record(&members),
    };
    if let Some(text) = text {
        return without(text, ORIGIN_FEED);
    }
    Err(why_none.unwrap_or_else(|| no_record(&members)))
}

/// The record that one of the members is, or whose text it is, of whatever name: `event` for Splunk's HTTP Event Collector,
/// `properties` in logs of Azure, `log` of containers. `None` where there are two.
fn only_record<'a>(members: &[Member<'a>]) -> Option<Cow<'a, str>> {
    let mut records = members.iter().filter_map(|(_, raw)| {
        memchr::memmem::find(raw.as_bytes(), b"CreationTime")?;
        let text = object(raw.clone()).ok()?;
        Wrapper::Collector.check(&text).ok()?;
        Some(text)
    });
    let record = records.next()?;
    records.next().is_none().then_some(record)
}

fn payload<'a>(
    raw: Cow<'a, str>,
    path: &[&str],
    wrapper: Wrapper,
    outside: &[Member<'a>],
    wrappers: usize,
) -> Result<Wrapped<'a>, Bad> {
    let text = object(raw).map_err(|bad| Bad {
        detail: format!("{}: {}", path.join("."), bad.detail),
        ..bad
    })?;
    if let Err(bad) = wrapper.check(&text) {
        let inner = match wrapper {
            Wrapper::Collector => within(&text, wrappers + 1),
            _ => None,
        };
        return inner.ok_or(bad);
    }
    let fills = wrapper.fills().iter().filter_map(|(outer, inner)| {
        let is_it = |(key, _): &&Member<'_>| key.eq_ignore_ascii_case(outer);
        let (_, raw) = outside.iter().rev().find(is_it)?;
        Some((Cow::Borrowed(*inner), by_number(inner, raw.clone())))
    });
    match wrapper {
        Wrapper::Wazuh => without(text, SUBSCRIPTION),
        _ => Ok(Wrapped {
            text,
            outer: fills.collect(),
        }),
    }
}

/// A record without a member that was added to it.
fn without<'a>(text: Cow<'a, str>, name: &str) -> Result<Wrapped<'a>, Bad> {
    let (added, own): (Vec<_>, Vec<_>) = members_of(text.clone())?
        .into_iter()
        .partition(|(key, _)| key == name);
    let text = match added.is_empty() {
        true => text,
        false => Cow::Owned(spell(&own)),
    };
    Ok(Wrapped { text, outer: added })
}

impl Wrapped<'_> {
    fn into_owned(self) -> Wrapped<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let outer = self.outer.into_iter();
        Wrapped {
            text: owned(self.text),
            outer: outer.map(|(key, raw)| (owned(key), owned(raw))).collect(),
        }
    }

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
                    let (key, value) = member.map_err(|e| invalid_json(&raw, &e))?;
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

/// What the path leads to, if these members have it. A string on the way is looked into, if it can lead on.
fn follow<'a>(members: &[Member<'a>], path: &[&str]) -> Result<Option<Cow<'a, str>>, Bad> {
    let [name, rest @ ..] = path else {
        return Ok(None);
    };
    match (get(members, name), rest) {
        (Some(raw), [next, ..]) => {
            let leads_on = memchr::memmem::find(raw.as_bytes(), next.as_bytes()).is_some();
            match leads_on.then(|| object(raw)) {
                Some(Ok(text)) => follow(&members_of(text)?, rest),
                _ => Ok(None),
            }
        }
        (found, _) => Ok(found),
    }
}

/// The object that a value is, or whose text it is.
fn object(raw: Cow<'_, str>) -> Result<Cow<'_, str>, Bad> {
    match raw.as_bytes().first() {
        Some(b'{') => Ok(raw),
        Some(b'"') => {
            let text = unescape(string(&raw));
            let text = text.trim();
            if text.is_empty() {
                return Err(Bad::new(Reason::Empty, "an empty text"));
            }
            check_object(text)?;
            // Those of the wrapper were looked at; these are escapes within its own.
            check_escapes(text)?;
            Ok(Cow::Owned(text.to_owned()))
        }
        Some(b'n') => Err(Bad::new(Reason::Empty, "null")),
        _ => Err(Bad::new(Reason::NotAnObject, "no object")),
    }
}

/// The value of the last member of this name, which is the one that counts.
pub(super) fn get<'a>(members: &[Member<'a>], name: &str) -> Option<Cow<'a, str>> {
    let found = members.iter().rev().find(|(key, _)| key == name);
    found.map(|(_, raw)| raw.clone())
}

pub(super) fn has(members: &[Member<'_>], name: &str) -> bool {
    members.iter().any(|(key, _)| key == name)
}

fn members_of(object: Cow<'_, str>) -> Result<Vec<Member<'_>>, Bad> {
    match object {
        Cow::Borrowed(text) => read(text),
        Cow::Owned(text) => {
            let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
            let members = read(&text)?.into_iter();
            Ok(members.map(|(key, raw)| (owned(key), owned(raw))).collect())
        }
    }
}

/// The object that has these members.
fn spell(members: &[Member<'_>]) -> String {
    let mut text = String::new();
    for (key, raw) in members {
        text.push(if text.is_empty() { '{' } else { ',' });
        push_json_string(&mut text, key);
        text.push(':');
        text.push_str(raw);
    }
    text.push('}');
    text
}

fn read(text: &str) -> Result<Vec<Member<'_>>, Bad> {
    read_strictly(text).or_else(|bad| match whole_surrogates(text) {
        Some(whole) => members_of(Cow::Owned(whole)),
        None => Err(bad),
    })
}

fn read_strictly(text: &str) -> Result<Vec<Member<'_>>, Bad> {
    to_object_iter(text)
        .map(|member| {
            member
                .map(|(key, value)| (key, value.as_raw_cow()))
                .map_err(|e| invalid_json(text, &e))
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
    let Err(reason) = single_object(text.trim().as_bytes()) else {
        return Ok(());
    };
    let is_of_powershell = ["@{", "System.", "Microsoft."]
        .iter()
        .any(|begin| text.starts_with(begin));
    Err(if reason == Reason::Truncated && is_cut_by_excel(text) {
        Bad::new(reason, CUT_BY_EXCEL)
    } else if is_of_powershell {
        Bad::new(
            reason,
            format!("{OF_POWERSHELL}: it begins {}", shown(text)),
        )
    } else {
        Bad::new(reason, format!("the cell begins {}", shown(text)))
    })
}

const OF_POWERSHELL: &str = "what PowerShell shows of an object, and not its JSON; export the objects by ConvertTo-Json, with a \
     -Depth that reaches all in them, such as 20";

const CUT_BY_EXCEL: &str = "cut off after 32,767 characters, the most that a cell of Excel holds: ingest the export as it was \
     before Excel saved it, or export it again";

/// Whether a text is as long as the longest that Excel keeps, in units of UTF-16 of which the last may have been half a
/// character.
fn is_cut_by_excel(text: &str) -> bool {
    const UNITS_MAX: usize = 32_767;
    let is_near = (UNITS_MAX - 1..=3 * UNITS_MAX).contains(&text.len());
    is_near && (UNITS_MAX - 1..=UNITS_MAX).contains(&text.encode_utf16().count())
}
