//! What an object is that holds no record: told to whoever looks for the records in it.

use super::Bad;
use super::text::{shown, unescape};
use super::value::string;
use super::wrapped::{Member, get, has};
use crate::reject::{FLATTENED, LOG_ANALYTICS, Reason};

pub(super) const ELASTIC: &str = "a document of Elastic's o365 integration, which has renamed or dropped the record's CreationTime or Id: \
     export documents that have event.original (the integration's setting preserve_original_event)";

/// A record whose time can't be read.
#[cold]
pub(super) fn no_time(members: &[Member<'_>]) -> Bad {
    let detail = match get(members, "CreationTime").filter(|raw| raw != "null") {
        Some(raw) => {
            let text = match raw.starts_with('"') {
                true => unescape(string(&raw)),
                false => raw,
            };
            let shown = shown(&text);
            format!("CreationTime is {shown}, no date and time such as 2026-07-16T10:00:00")
        }
        None => Reason::NoTime.words().to_owned(),
    };
    Bad::new(Reason::NoTime, detail)
}

/// What the API answers when it has no blob.
#[cold]
pub(super) fn api_error() -> Bad {
    let words = "an error of the API where records were expected: retrieve the blob again";
    Bad::new(Reason::ApiError, words)
}

/// An object without a time, in which nothing is found that may have one.
#[cold]
pub(super) fn no_record(members: &[Member<'_>]) -> Bad {
    let has = |name: &str| has(members, name);
    let is_streamed =
        |(key, raw): &Member<'_>| key == "category" && raw.starts_with("\"AdvancedHunting-");
    let (reason, words) = if has("error") {
        return api_error();
    } else if has("contentUri") || has("contentId") {
        (
            Reason::ApiForm,
            "an entry of a listing: it names a content blob and is no record",
        )
    } else if members.iter().any(is_streamed) {
        (
            Reason::OtherEvent,
            "an event of another table of advanced hunting than CloudAppEvents",
        )
    } else if LOG_ANALYTICS.into_iter().any(has) {
        (Reason::Flattened, FLATTENED)
    } else if members
        .iter()
        .any(|(key, _)| key.starts_with("o365.audit."))
    {
        (Reason::Flattened, ELASTIC)
    } else if has("tables") {
        match get(members, "tables").is_some_and(|raw| raw.contains("\"OfficeWorkload\"")) {
            true => (Reason::Flattened, FLATTENED),
            false => (
                Reason::NoTime,
                "an answer of Log Analytics that lists rows without the names of their columns: export them as CSV, or as objects",
            ),
        }
    } else if ["records", "results", "Results", "hits"]
        .into_iter()
        .any(has)
    {
        (
            Reason::NoTime,
            "an answer or a message that lists objects, where one of them was expected: give its list as an array, or the \
             objects one a line",
        )
    } else if let Some(name) = records_in(members) {
        let detail = format!(
            "an object that has CreationTime deeper, in `{name}`, where a record was expected: give the objects in there, as an \
             array or one a line"
        );
        return Bad::new(Reason::NoTime, detail);
    } else {
        (Reason::NoTime, Reason::NoTime.words())
    };
    Bad::new(reason, words)
}

/// The member in which there seem to be records.
fn records_in<'m>(members: &'m [Member<'_>]) -> Option<&'m str> {
    let has_time = |raw: &str| raw.starts_with(['[', '{']) && raw.contains("\"CreationTime\"");
    let mut names = members.iter().filter(|(_, raw)| has_time(raw));
    names.next().map(|(name, _)| name.as_ref())
}
