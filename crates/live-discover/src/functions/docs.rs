//! `docs/functions.md`, from the list of functions.

use std::fmt::Write;

use super::FUNCTIONS;

/// The reference of our functions for people, as Markdown.
pub fn functions_markdown() -> String {
    let mut text = HEAD.to_owned();
    for function in FUNCTIONS {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n## `{}({})` → {}\n\n{}\n\n| | gives |\n|---|---|\n",
            function.name, function.arguments, function.result, function.meaning
        );
        for (call, value) in function.examples {
            let _ = writeln!(text, "| {} | {} |", code(call), code(value));
        }
    }
    text
}

const HEAD: &str = "# Functions

What queries can call beyond DataFusion's functions. Generated from `crates/live-discover/src/functions/`; write it
anew with `LIVE_DISCOVER_DOCS=write cargo test -p live-discover --lib docs_functions_md`.

`NULL` in gives `NULL` out, unless another thing is said. An address is written as Microsoft's records do: with or
without a port, brackets and a zone; IPv4 written as IPv6 is IPv4.

What is inside, the table `internal_networks` (`kind`: `network` or `domain`, `value`, `source`: `private range` or
`configured`) tells: the private ranges and what the session, the engine or the lake has
beside them, the first of these that says anything.

The pattern of a regular expression (`~`, `SIMILAR TO`, `regexp_like` and the like) is a constant of at most 4096 bytes
that takes at most 10 MiB when it is compiled.
";

/// As code in a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_functions_md_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/functions.md");
        if std::env::var_os("LIVE_DISCOVER_DOCS").is_some_and(|value| value == "write") {
            std::fs::write(path, functions_markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == functions_markdown(),
            "docs/functions.md is out of date; write it anew with\n\n    \
             LIVE_DISCOVER_DOCS=write cargo test -p live-discover --lib docs_functions_md\n"
        );
    }
}
