//! The JSONPath of Trino's `json_extract`, and of what others write behind `->>`: `$`, `.name`, `["name"]`, `[0]`.

use datafusion::common::{Result, exec_err};
use sonic_rs::{FastStr, PointerNode};

/// Steps from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath(pub(crate) Vec<PointerNode>);

impl JsonPath {
    /// Reads a path, also one of the SQL standard: `lax $.name`, `strict $.name`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let path = text.trim();
        let path = (path.strip_prefix("lax "))
            .or_else(|| path.strip_prefix("strict "))
            .unwrap_or(path)
            .trim_start();
        let Some(mut rest) = path.strip_prefix('$') else {
            return exec_err!("the JSON path `{text}` does not begin with `$`");
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match step(rest) {
                Some(read) => read,
                None => {
                    return exec_err!(
                        "the JSON path `{text}` cannot be read at `{rest}`: it may hold `.name`, `[\"name\"]` and `[0]`"
                    );
                }
            };
            steps.push(step);
            rest = after;
        }
        Ok(Self(steps))
    }
}

fn step(rest: &str) -> Option<(PointerNode, &str)> {
    if let Some(rest) = rest.strip_prefix('.') {
        if rest.starts_with('"') {
            return quoted(rest).map(|(name, rest)| (key(name), rest));
        }
        // As in Trino's own reader of paths, so `@odata.type` has to be quoted.
        let is_of_name = |c: char| c.is_alphanumeric() || "_-:$/@|#".contains(c);
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        return (!name.is_empty()).then(|| (key(name.to_owned()), rest));
    }
    let rest = rest.strip_prefix('[')?;
    if rest.starts_with('"') {
        let (name, rest) = quoted(rest)?;
        return Some((key(name), rest.strip_prefix(']')?));
    }
    let (inside, rest) = rest.split_once(']')?;
    if let Ok(index) = inside.parse() {
        return Some((PointerNode::Index(index), rest));
    }
    let is_name = !inside.is_empty() && inside.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| (key(inside.to_owned()), rest))
}

/// `"name"`, in which a backslash takes the next character as it is.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            '"' => return Some((name, text.get(at + 1..)?)),
            other => name.push(other),
        }
    }
    None
}

fn key(name: String) -> PointerNode {
    PointerNode::Key(FastStr::from_string(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let steps: Vec<String> = match JsonPath::parse(text) {
            Ok(path) => (path.0.iter())
                .map(|step| match step {
                    PointerNode::Key(name) => name.to_string(),
                    PointerNode::Index(index) => format!("#{index}"),
                })
                .collect(),
            Err(error) => panic!("{text}: {error}"),
        };
        assert_eq!(steps, expected, "{text}");
    }

    #[test]
    fn paths_are_read() {
        check("$", &[]);
        check("$.store.book[0].author", &["store", "book", "#0", "author"]);
        check("$[\"a b\"].c", &["a b", "c"]);
        check("$.\"a.b\"", &["a.b"]);
        check("$[\"a\\\"b\"]", &["a\"b"]);
        check("$[0][1]", &["#0", "#1"]);
        check("$[name]", &["name"]);
        check("lax $.a", &["a"]);
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "a.b",
            "$.",
            "$..a",
            "$[*]",
            "$.a[?(@.b)]",
            "$[\"a",
            "$[-1]",
        ] {
            assert!(JsonPath::parse(text).is_err(), "{text}");
        }
    }
}
