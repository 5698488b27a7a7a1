//! A query as a file: SQL with a header of comments that describes it.
//!
//! ```sql
//! -- id: rules_that_forward
//! -- category: microsoft_365_audit
//! -- name: Inbox rules that forward mail
//! -- description: What it finds, and how to read it.
//! -- severity: high
//! -- tactic: collection, exfiltration
//! -- technique: T1114.003
//! -- reference: https://learn.microsoft.com/…
//! -- range: event_time
//! -- dialect: trino
//! -- variable $$user$$ user default "%": whose mailbox
//! -- variable $$addresses$$ list of ip optional: addresses to look for
//! -- variable $$days$$ integer default "7" one of "1", "7", "30": days to look back
//! -- column user_id (user): who
//! -- column rules: number of rules
//! SELECT ...
//! ```
//!
//! A line that goes on is continued by a comment that starts with two spaces: `--   more text`.

use super::{Dialect, Query, QueryError, RangeMode, ResultColumn, Severity, TACTICS, one_of};
use crate::category::MICROSOFT_365_AUDIT;
use crate::variable::{Variable, variables_in};

impl Query {
    /// Reads a query file.
    ///
    /// # Errors
    ///
    /// The line and what is wrong with it: an unknown or repeated key, a type that does not exist, a default that is
    /// not allowed, a variable that the SQL doesn't use or the header doesn't declare, a missing part. Whether the
    /// SQL has these columns, only an engine can tell.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let (entries, sql, sql_line) = split(text)?;
        let last_line = entries.last().map_or(1, |entry| entry.line);
        let mut header = Header::default();
        for entry in entries {
            let line = entry.line;
            header
                .take(entry)
                .map_err(|message| QueryError { line, message })?;
        }
        let missing = |key: &str| QueryError {
            line: last_line,
            message: format!("`{key}` is missing in the header"),
        };
        if sql.is_empty() {
            return Err(QueryError {
                line: sql_line,
                message: "no SQL after the header".to_owned(),
            });
        }
        if header.columns.is_empty() {
            return Err(missing("column"));
        }
        let used = variables_in(sql);
        for (line, variable) in &header.variables {
            if !used.contains(&variable.name.as_str()) {
                return Err(QueryError {
                    line: *line,
                    message: format!("the SQL does not use the variable `{}`", variable.name),
                });
            }
        }
        for name in used {
            if !(header.variables.iter()).any(|(_, variable)| variable.name == name) {
                let before = text.split(&format!("$${name}$$")).next().unwrap_or(text);
                return Err(QueryError {
                    line: before.matches('\n').count() + 1,
                    message: format!("the header does not declare the variable `{name}`"),
                });
            }
        }
        Ok(Self {
            id: header.id.ok_or_else(|| missing("id"))?,
            category: (header.category).unwrap_or_else(|| MICROSOFT_365_AUDIT.id.to_string()),
            name: header.name.ok_or_else(|| missing("name"))?,
            description: header.description.ok_or_else(|| missing("description"))?,
            severity: header.severity,
            tactics: header.tactics.unwrap_or_default(),
            techniques: header.techniques.unwrap_or_default(),
            references: header.references,
            range: header.range.unwrap_or_default(),
            dialect: header.dialect.unwrap_or_default(),
            variables: (header.variables.into_iter())
                .map(|(_, variable)| variable)
                .collect(),
            columns: header.columns,
            sql: sql.to_owned(),
        })
    }

    /// The query as a file that [`Query::parse`] reads.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut entry = |key: &str, value: &str| {
            // Whatever breaks a line would break the header.
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            text.push_str(&format!("-- {key}: {value}\n"));
        };
        entry("id", &self.id);
        if self.category != MICROSOFT_365_AUDIT.id {
            entry("category", &self.category);
        }
        entry("name", &self.name);
        entry("description", &self.description);
        if let Some(severity) = self.severity {
            entry("severity", severity.as_str());
        }
        if !self.tactics.is_empty() {
            entry("tactic", &self.tactics.join(", "));
        }
        if !self.techniques.is_empty() {
            entry("technique", &self.techniques.join(", "));
        }
        for reference in &self.references {
            entry("reference", reference);
        }
        if self.range != RangeMode::default() {
            entry("range", self.range.as_str());
        }
        if self.dialect != Dialect::default() {
            entry("dialect", self.dialect.as_str());
        }
        for variable in &self.variables {
            entry(&declaration(variable), &variable.meaning);
        }
        for column in &self.columns {
            let key = match column.value_type {
                Some(value_type) => format!("column {} ({value_type})", column.name),
                None => format!("column {}", column.name),
            };
            entry(&key, &column.meaning);
        }
        text.push_str(&self.sql);
        text.push('\n');
        text
    }
}

fn declaration(variable: &Variable) -> String {
    let mut text = format!("variable $${}$$ ", variable.name);
    if variable.is_list {
        text.push_str("list of ");
    }
    text.push_str(variable.value_type.as_str());
    if variable.is_optional {
        text.push_str(" optional");
    }
    let mut values = |word: &str, values: &[String]| {
        for (number, value) in values.iter().enumerate() {
            text.push_str(if number == 0 { word } else { ", " });
            text.push_str(&format!("\"{}\"", value.replace('"', "\"\"")));
        }
    };
    values(" default ", &variable.default);
    values(" one of ", &variable.allowed);
    text
}

/// A line of the header with those that continue it.
struct Entry {
    line: usize,
    text: String,
}

/// The header's entries, the SQL, and the line where that starts.
fn split(text: &str) -> Result<(Vec<Entry>, &str, usize), QueryError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(comment) = rest.strip_prefix("--") {
        let (content, after) = comment.split_once('\n').unwrap_or((comment, ""));
        let content = content.trim_end();
        match (content.strip_prefix("   "), entries.last_mut()) {
            (Some(more), Some(entry)) => {
                entry.text.push(' ');
                entry.text.push_str(more.trim());
            }
            _ => entries.push(Entry {
                line,
                text: content.trim().to_owned(),
            }),
        }
        rest = after;
        line += 1;
    }
    if entries.is_empty() {
        return Err(QueryError {
            line: 1,
            message: "there is no header: a query file starts with `-- id: …`".to_owned(),
        });
    }
    let blank = rest.len() - rest.trim_start().len();
    let line = line
        + rest
            .get(..blank)
            .map_or(0, |blank| blank.matches('\n').count());
    Ok((entries, rest.trim(), line))
}

#[derive(Default)]
struct Header {
    id: Option<String>,
    category: Option<String>,
    name: Option<String>,
    description: Option<String>,
    severity: Option<Severity>,
    tactics: Option<Vec<String>>,
    techniques: Option<Vec<String>>,
    references: Vec<String>,
    range: Option<RangeMode>,
    dialect: Option<Dialect>,
    variables: Vec<(usize, Variable)>,
    columns: Vec<ResultColumn>,
}

impl Header {
    fn take(&mut self, entry: Entry) -> Result<(), String> {
        let Entry { line, text } = entry;
        if let Some(rest) = text.strip_prefix("variable ") {
            let variable = self::variable(rest.trim())?;
            if (self.variables.iter()).any(|(_, known)| known.name == variable.name) {
                return Err(format!("the variable `{}` twice", variable.name));
            }
            self.variables.push((line, variable));
            return Ok(());
        }
        let (key, value) = text
            .split_once(':')
            .ok_or_else(|| format!("no `key: value` in the header line `-- {text}`"))?;
        let (key, value) = (key.trim(), value.trim());
        if value.is_empty() {
            return Err(format!("`{key}` is empty"));
        }
        if let Some(column) = key.strip_prefix("column ") {
            let column = result_column(column.trim(), value)?;
            if self.columns.iter().any(|known| known.name == column.name) {
                return Err(format!("the column `{}` twice", column.name));
            }
            self.columns.push(column);
            return Ok(());
        }
        let is_repeated = match key {
            "id" => self.id.replace(identifier(value)?).is_some(),
            "category" => self.category.replace(identifier(value)?).is_some(),
            "name" => self.name.replace(value.to_owned()).is_some(),
            "description" => self.description.replace(value.to_owned()).is_some(),
            "severity" => {
                let known = Severity::ALL.map(Severity::as_str);
                let severity = one_of("severity", value, &Severity::ALL, &known)?;
                self.severity.replace(severity).is_some()
            }
            "range" => {
                let known = RangeMode::ALL.map(RangeMode::as_str);
                let range = one_of("range", value, &RangeMode::ALL, &known)?;
                self.range.replace(range).is_some()
            }
            "dialect" => {
                let dialect = value.parse()?;
                self.dialect.replace(dialect).is_some()
            }
            "tactic" => self.tactics.replace(list(value, tactic)?).is_some(),
            "technique" => self.techniques.replace(list(value, technique)?).is_some(),
            "reference" => {
                if !value.starts_with("https://") {
                    return Err(format!("the reference `{value}` is no https URL"));
                }
                self.references.push(value.to_owned());
                false
            }
            _ => return Err(format!("unknown key `{key}` in the header")),
        };
        if is_repeated {
            return Err(format!("`{key}` twice in the header"));
        }
        Ok(())
    }
}

fn list(value: &str, check: fn(&str) -> Result<(), String>) -> Result<Vec<String>, String> {
    let items = value.split(',').map(str::trim);
    items
        .map(|item| check(item).map(|()| item.to_owned()))
        .collect()
}

fn identifier(id: &str) -> Result<String, String> {
    let is_plain = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
    };
    if id.chars().all(is_plain) {
        Ok(id.to_owned())
    } else {
        Err(format!("`{id}` has other characters than a-z, 0-9 and `_`"))
    }
}

fn tactic(name: &str) -> Result<(), String> {
    if TACTICS.contains(&name) {
        Ok(())
    } else {
        Err(format!(
            "no tactic `{name}`; there are {}",
            TACTICS.join(", ")
        ))
    }
}

/// `T1234` or `T1234.001`.
fn technique(id: &str) -> Result<(), String> {
    let are_digits =
        |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_technique = id.strip_prefix('T').is_some_and(|number| {
        number.split_once('.').map_or_else(
            || are_digits(number, 4),
            |(number, sub)| are_digits(number, 4) && are_digits(sub, 3),
        )
    });
    if is_technique {
        Ok(())
    } else {
        Err(format!("`{id}` is no technique such as T1114.003"))
    }
}

/// `name` or `name (type)`.
fn result_column(text: &str, meaning: &str) -> Result<ResultColumn, String> {
    let (name, value_type) = match text
        .strip_suffix(')')
        .and_then(|text| text.split_once(" ("))
    {
        Some((name, value_type)) => (name.trim(), Some(value_type.trim().parse()?)),
        None => (text, None),
    };
    Ok(ResultColumn {
        name: name.to_owned(),
        value_type,
        meaning: meaning.to_owned(),
    })
}

/// `$$name$$ [list of] type [optional] [default "…", …] [one of "…", …]: meaning`
fn variable(text: &str) -> Result<Variable, String> {
    let form = "a variable is declared as `-- variable $$name$$ type: meaning`";
    let (name, rest) = text
        .strip_prefix("$$")
        .and_then(|text| text.split_once("$$"))
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or(form)?;
    let of = |message: String| format!("the variable `{name}`: {message}");
    let rest = rest.trim_start();
    let (is_list, rest) = match rest.strip_prefix("list of ") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, rest),
    };
    let end = rest.find([' ', ':']).ok_or(form)?;
    let (value_type, rest) = rest.split_at(end);
    let value_type = value_type.parse().map_err(of)?;
    let rest = rest.trim_start();
    let (is_optional, rest) = match rest.strip_prefix("optional") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, rest),
    };
    let (default, rest) = values(rest, "default ").map_err(of)?;
    let (allowed, rest) = values(rest, "one of ").map_err(of)?;
    let meaning = rest
        .strip_prefix(':')
        .map(str::trim)
        .filter(|meaning| !meaning.is_empty())
        .ok_or_else(|| of(format!("`: meaning` is wanted where `{rest}` is")))?;
    if default.len() > 1 && !is_list {
        return Err(of("more than one default, and it is no list".to_owned()));
    }
    if let Some(value) = default
        .iter()
        .find(|value| !allowed.is_empty() && !allowed.contains(value))
    {
        return Err(of(format!(
            "the default `{value}` is not one of those allowed"
        )));
    }
    Ok(Variable {
        name: name.to_owned(),
        value_type,
        is_list,
        is_optional,
        default,
        allowed,
        meaning: meaning.to_owned(),
    })
}

/// `word "…", "…"`, or nothing.
fn values<'a>(text: &'a str, word: &str) -> Result<(Vec<String>, &'a str), String> {
    let Some(mut rest) = text.strip_prefix(word) else {
        return Ok((Vec::new(), text));
    };
    let mut values = Vec::new();
    loop {
        rest = rest
            .trim_start()
            .strip_prefix('"')
            .ok_or_else(|| format!("values after `{}` stand in double quotes", word.trim()))?;
        let mut value = String::new();
        loop {
            let (part, after) = rest
                .split_once('"')
                .ok_or("a double quote is not closed".to_owned())?;
            value.push_str(part);
            rest = after;
            // A doubled quote is one of the value.
            match rest.strip_prefix('"') {
                Some(after) => {
                    value.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        values.push(value);
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok((values, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::category::{FILES, bundled_queries};
    use crate::variable::ValueType;

    #[test]
    fn every_bundled_file_parses_and_bears_its_id() {
        for (file, text) in FILES {
            match Query::parse(text) {
                Ok(query) => {
                    assert_eq!(query.id, *file);
                    assert_eq!(Query::parse(&query.to_text()).unwrap(), query);
                }
                Err(error) => panic!("queries/{file}.sql: {error}"),
            }
        }
        assert_eq!(bundled_queries().len(), FILES.len());
    }

    #[test]
    fn every_file_in_the_folder_is_bundled() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/queries");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(
                FILES.iter().any(|(file, _)| *file == stem),
                "queries/{stem}.sql is not in the list"
            );
        }
    }

    const WHOLE: &str = r#"-- id: a_1
-- category: ours
-- name: A
-- description: What it finds,
--   and how to read it.
-- severity: high
-- tactic: collection, exfiltration
-- technique: T1114.003, T1114
-- reference: https://example.com/a
-- range: off
-- dialect: trino
-- variable $$no. of "days" (x)$$ integer default "7" one of "1", "7": days
-- variable $$who: or what$$ list of user optional default "a ""b""", "c": people
-- column user_id (user): who
-- column n: number: of rows

SELECT user_id, count(*) AS n FROM m365_audit
WHERE days = $$no. of "days" (x)$$ [[AND user_id IN ($$who: or what$$)]]
"#;

    #[test]
    fn a_whole_header_is_read_and_written() {
        let query = Query::parse(WHOLE).unwrap();
        assert_eq!(
            (query.id.as_str(), query.category.as_str()),
            ("a_1", "ours")
        );
        assert_eq!(query.description, "What it finds, and how to read it.");
        assert_eq!(query.severity, Some(Severity::High));
        assert_eq!(query.tactics, ["collection", "exfiltration"]);
        assert_eq!(query.techniques, ["T1114.003", "T1114"]);
        assert_eq!(query.references, ["https://example.com/a"]);
        assert_eq!(query.range, RangeMode::Off);
        assert_eq!(query.dialect, Dialect::Trino);
        let [days, who] = query.variables.as_slice() else {
            panic!("{:?}", query.variables);
        };
        assert_eq!(days.name, "no. of \"days\" (x)");
        assert_eq!((days.value_type, days.is_list), (ValueType::Integer, false));
        assert_eq!(days.default, ["7"]);
        assert_eq!(days.allowed, ["1", "7"]);
        assert_eq!(who.name, "who: or what");
        assert!(who.is_list && who.is_optional);
        assert_eq!(who.default, ["a \"b\"", "c"]);
        assert_eq!(query.columns[0].value_type, Some(ValueType::User));
        assert_eq!(query.columns[1].meaning, "number: of rows");
        assert!(query.sql.starts_with("SELECT user_id"));
        assert_eq!(Query::parse(&query.to_text()).unwrap(), query);
    }

    #[test]
    fn errors_name_the_line() {
        let minimal = "-- id: a\n-- name: b\n-- description: c\n-- column d: e\n";
        let with = |line: &str| format!("{minimal}{line}\nSELECT 1 AS d, $$v$$");
        let cases = [
            (
                "SELECT 1".to_owned(),
                "line 1: there is no header: a query file starts with `-- id: …`",
            ),
            (
                "-- id: a\n-- name: b\nSELECT 1".to_owned(),
                "line 2: `column` is missing in the header",
            ),
            (
                "-- id: a\n-- id: b\nSELECT 1".to_owned(),
                "line 2: `id` twice in the header",
            ),
            (
                "-- nonsense\nSELECT 1".to_owned(),
                "line 1: no `key: value` in the header line `-- nonsense`",
            ),
            (minimal.to_owned(), "line 5: no SQL after the header"),
            (
                "-- id: A b\nSELECT 1".to_owned(),
                "line 1: `A b` has other characters than a-z, 0-9 and `_`",
            ),
            (
                with("-- colour: red"),
                "line 5: unknown key `colour` in the header",
            ),
            (
                with("-- severity: bad"),
                "line 5: no severity `bad`; there are informational, low, medium, high",
            ),
            (
                with("-- technique: 1114"),
                "line 5: `1114` is no technique such as T1114.003",
            ),
            (
                with("-- reference: ftp://x"),
                "line 5: the reference `ftp://x` is no https URL",
            ),
            (with("-- column d: again"), "line 5: the column `d` twice"),
            (
                with("-- variable $$v$$ number: x"),
                "line 5: the variable `v`: no type `number`; there are string, integer, double, boolean, datetime, user, ip, url, domain, path, sha256, guid",
            ),
            (
                with("-- variable $$v$$ string default \"a\" one of \"b\": x"),
                "line 5: the variable `v`: the default `a` is not one of those allowed",
            ),
            (
                with("-- variable $$v$$ string default \"a\", \"b\": x"),
                "line 5: the variable `v`: more than one default, and it is no list",
            ),
            (
                with("-- variable $$v$$ string"),
                "line 5: a variable is declared as `-- variable $$name$$ type: meaning`",
            ),
            (
                with("-- variable $$w$$ string: x"),
                "line 5: the SQL does not use the variable `w`",
            ),
            (
                with("-- severity: low"),
                "line 6: the header does not declare the variable `v`",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(Query::parse(&text).unwrap_err().to_string(), error);
        }
    }
}
