//! Messages without where lakes lie.

use std::sync::{PoisonError, RwLock};

use url::Url;

/// Where the lakes lie that engines of this process read, the longest first. Errors become ours where no engine is known.
static PLACES: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// From now on no message tells that a lake lies there.
pub(crate) fn hide(url: &Url) {
    let mut names = vec![url.as_str().to_owned()];
    match url.to_file_path() {
        Ok(folder) => {
            names.extend(folder.canonicalize().map(|path| path.display().to_string()));
            names.push(folder.display().to_string());
        }
        // Within the store.
        Err(()) => {
            names.extend(object_store::path::Path::from_url_path(url.path()).map(String::from))
        }
    }
    // Some messages have paths as Rust prints texts.
    let printed = names.iter().map(|name| {
        let printed = format!("{name:?}");
        printed.get(1..printed.len() - 1).map(str::to_owned)
    });
    let printed: Vec<String> = printed.flatten().collect();
    let mut places = PLACES.write().unwrap_or_else(PoisonError::into_inner);
    for name in names.into_iter().chain(printed) {
        let name = name.trim_end_matches('/');
        // A word alone may be any.
        if name.contains(['/', ' ']) && !places.iter().any(|place| place == name) {
            places.push(name.to_owned());
        }
    }
    places.sort_by_key(|place| std::cmp::Reverse(place.len()));
}

/// The message with paths from the lake's root on.
fn without_place(message: &str, place: &str) -> String {
    let mut parts = message.split(place);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.chars().next() {
            Some('/') => kept.push_str(part.trim_start_matches('/')),
            // The name of something else, which begins alike.
            Some(next) if next.is_alphanumeric() || matches!(next, '-' | '_' | '.') => {
                kept.push_str(place);
                kept.push_str(part);
            }
            _ => {
                kept.push_str("the lake");
                kept.push_str(part);
            }
        }
    }
    kept
}

/// Takes out where the lake lies, and where in it a file does; its own name stays.
pub(crate) fn scrub(message: &str) -> String {
    let places = PLACES.read().unwrap_or_else(PoisonError::into_inner);
    let message = places.iter().fold(message.to_owned(), |message, place| {
        without_place(&message, place)
    });
    drop(places);
    let mut rest = message.as_str();
    let mut scrubbed = String::new();
    while let Some(start) = rest.find("tenants/") {
        let head = rest.get(..start).unwrap_or_default();
        // What is before it is a path that is not known, of which some may be left.
        let kept = head
            .rfind([' ', '"', '\'', '`', '(', '['])
            .map_or(0, |at| at + 1);
        scrubbed.push_str(head.get(..kept).unwrap_or_default());
        let tail = rest.get(start..).unwrap_or_default();
        let end = tail
            .find([' ', '"', '\'', '`', ')', ']', ','])
            .unwrap_or(tail.len());
        let place = tail.get(..end).unwrap_or_default();
        scrubbed.push_str(place.rsplit('/').next().unwrap_or_default());
        rest = tail.get(end..).unwrap_or_default();
    }
    scrubbed.push_str(rest);
    scrubbed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_scrubbed() {
        for (message, expected) in [
            ("no path here", "no path here"),
            (
                "Object at location /srv/lake/tenants/t/m365_audit/event_date=2024-01-31/a.parquet not found",
                "Object at location a.parquet not found",
            ),
            (
                "`tenants/t/x.parquet`, `tenants/u/y.parquet`",
                "`x.parquet`, `y.parquet`",
            ),
        ] {
            assert_eq!(scrub(message), expected);
        }
    }

    #[test]
    fn places_of_lakes_are_scrubbed_whatever_is_in_their_names() {
        for folder in ["/no/my lake", "/no/it's \"(a) lake\", [b]"] {
            hide(&Url::from_file_path(folder).unwrap());
            let file = format!("{folder}/tenants/t/m365_audit/event_date=2024-01-31/a.parquet");
            for (message, expected) in [
                (
                    format!("Unable to read data from file {file}"),
                    "Unable to read data from file a.parquet",
                ),
                (format!("`{file}`, `{file}`"), "`a.parquet`, `a.parquet`"),
                (format!("no {:?}", file), "no \"a.parquet\""),
                (
                    format!("no {}", Url::from_file_path(&file).unwrap()),
                    "no a.parquet",
                ),
                (format!("no {folder}/lake.json"), "no lake.json"),
                (format!("no `{folder}`"), "no `the lake`"),
            ] {
                assert_eq!(scrub(&message), expected);
            }
        }
        hide(&Url::parse("s3://bucket/of all/lake").unwrap());
        for message in [
            "no of all/lake/tenants/t/a.parquet",
            "no s3://bucket/of%20all/lake/tenants/t/a.parquet",
        ] {
            assert_eq!(scrub(message), "no a.parquet");
        }
        let other = "no /no/my lake of another name, no /no/my lakes";
        let expected = "no the lake of another name, no /no/my lakes";
        assert_eq!(scrub(other), expected);
    }
}
