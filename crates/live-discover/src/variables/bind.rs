//! Puts the values into a query's tokens.

use std::collections::{BTreeMap, BTreeSet};

use audit_schema::{ValueType, Variable};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::Variables;
use super::value::{self, Value};
use crate::dialect::Dialect;
use crate::error::{Error, Position, Result};
use crate::limits::LimitKind;
use crate::names;
use crate::words::shown;

/// What the values are bound under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) variables: &'a Variables,
    pub(crate) dialect: Dialect,
    pub(crate) now_micros: i64,
    /// How many tokens there may be with the values in them.
    pub(crate) tokens_max: usize,
}

/// What all values of a query may be together; a text of its own size is nothing unusual.
const VALUES_BYTES_MAX: usize = 16 << 20;
const LIST_VALUES_MAX: usize = 100_000;
const MARK: &str = "$$";

/// Replaces the variables in the tokens of a query.
///
/// Every token that takes a variable's place has the variable's span, so errors point into the text as it was written.
pub(crate) fn bind(
    tokens: Vec<TokenWithSpan>,
    binding: &Binding<'_>,
) -> Result<Vec<TokenWithSpan>> {
    let variables = binding.variables;
    let mut uses = vec![Uses::default(); tokens.len() + 1];
    let mut seen = BTreeSet::new();
    for (index, token) in tokens.iter().enumerate() {
        let mut sum = uses[index];
        for name in names_in(token)? {
            sum.all += 1;
            sum.empty += usize::from(values(variables, name).is_none());
            seen.insert(name.to_owned());
        }
        uses[index + 1] = sum;
    }
    let bytes: usize = variables.given.values().flatten().map(String::len).sum();
    if bytes > VALUES_BYTES_MAX {
        return Err(Error::invalid(format!(
            "the values of the variables have {bytes} bytes, more than {VALUES_BYTES_MAX}; \
             a lookup table takes long lists"
        )));
    }
    if let Some(unknown) = variables.given.keys().find(|name| !seen.contains(*name)) {
        return Err(Error::InvalidQuery {
            message: format!("the query has no variable `{unknown}`"),
            position: None,
            suggestion: names::closest(unknown, seen.iter().map(String::as_str)).map(str::to_owned),
        });
    }
    if seen.is_empty() {
        return Ok(tokens);
    }
    let is_dropped = dropped(&tokens, &uses);
    let mut output = Output::new(binding);
    for (token, is_dropped) in tokens.into_iter().zip(is_dropped) {
        if !is_dropped {
            output.take(token)?;
        }
        output.within(binding.tokens_max)?;
    }
    output.finish()
}

/// Variables up to a token, and those of them that have no value.
#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    all: usize,
    empty: usize,
}

/// The values of a variable: what was given, else the default. `None` if it is empty.
fn values<'a>(variables: &'a Variables, name: &str) -> Option<&'a [String]> {
    let declared = declaration(variables, name);
    let given = variables.given.get(name).map(Vec::as_slice);
    let values = given.or_else(|| declared.map(|variable| variable.default.as_slice()))?;
    // No text at all is what a field is that nobody filled in.
    let is_empty = values.iter().all(String::is_empty);
    (!is_empty).then_some(values)
}

fn declaration<'a>(variables: &'a Variables, name: &str) -> Option<&'a Variable> {
    variables
        .declared
        .iter()
        .find(|variable| variable.name == name)
}

/// The variables in a token.
fn names_in(token: &TokenWithSpan) -> Result<Vec<&str>> {
    match &token.token {
        Token::DollarQuotedString(text) if text.tag.is_none() => Ok(vec![text.value.as_str()]),
        Token::Word(word) if word.quote_style.is_some() => match parts(&word.value).next() {
            Some(Part::Variable(name)) => Err(at(
                token.span,
                format!("the variable `{name}` cannot stand in a name, only where a value can"),
            )),
            _ => Ok(Vec::new()),
        },
        token => Ok(string(token)
            .into_iter()
            .flat_map(parts)
            .filter_map(|part| match part {
                Part::Variable(name) => Some(name),
                Part::Text(_) => None,
            })
            .collect()),
    }
}

fn string(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::NationalStringLiteral(text)
        | Token::UnicodeStringLiteral(text) => Some(text),
        _ => None,
    }
}

enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// A string's text and the variables in it; marks without a partner or a name are text.
fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(text);
    let mut variable = None;
    std::iter::from_fn(move || {
        if let Some(name) = variable.take() {
            return Some(Part::Variable(name));
        }
        let text = rest.take()?;
        let mut from = 0;
        while let Some(start) = text.get(from..)?.find(MARK).map(|start| from + start) {
            let after = text.get(start + MARK.len()..)?;
            match after.split_once(MARK) {
                Some((name, after)) if !name.is_empty() => {
                    variable = Some(name);
                    rest = Some(after);
                    return Some(Part::Text(text.get(..start)?));
                }
                Some(_) => from = start + 2 * MARK.len(),
                None => break,
            }
        }
        Some(Part::Text(text))
    })
    .filter(|part| !matches!(part, Part::Text("")))
}

/// Which tokens fall away: clauses in `[[ … ]]` with an empty variable, and the brackets of the others with one.
fn dropped(tokens: &[TokenWithSpan], uses: &[Uses]) -> Vec<bool> {
    let mut closing = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LBracket => open.push(index),
            Token::RBracket => {
                if let Some(start) = open.pop() {
                    closing[start] = Some(index);
                }
            }
            _ => {}
        }
    }
    let mut dropped = vec![false; tokens.len()];
    let mut next = 0;
    for start in 0..tokens.len() {
        let inner = closing.get(start + 1).copied().flatten();
        // Two brackets opened side by side, and closed side by side.
        let (Some(outer), Some(inner)) = (closing[start], inner) else {
            continue;
        };
        let (before, after) = (uses[start], uses[outer]);
        if start < next || inner + 1 != outer || before.all == after.all {
            continue;
        }
        if before.empty == after.empty {
            for bracket in [start, start + 1, inner, outer] {
                dropped[bracket] = true;
            }
        } else {
            dropped[start..=outer].fill(true);
            next = outer;
        }
    }
    dropped
}

/// The tokens as they become.
struct Output<'a> {
    binding: &'a Binding<'a>,
    tokens: Vec<TokenWithSpan>,
    /// Open parentheses, and which of them hold the values of an `IN`.
    open: Vec<bool>,
    missing: BTreeMap<String, Span>,
    /// Of values in their places: one may have many.
    bytes: usize,
}

impl<'a> Output<'a> {
    fn new(binding: &'a Binding<'a>) -> Self {
        Self {
            binding,
            tokens: Vec::new(),
            open: Vec::new(),
            missing: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn within(&self, tokens_max: usize) -> Result<()> {
        if self.tokens.len() <= tokens_max.saturating_mul(2) && self.bytes <= VALUES_BYTES_MAX {
            return Ok(());
        }
        Err(too_much())
    }

    fn take(&mut self, token: TokenWithSpan) -> Result<()> {
        match &token.token {
            Token::LParen => {
                let is_in = self
                    .last(1)
                    .is_some_and(|token| is_keyword(token, Keyword::IN));
                self.open.push(is_in);
            }
            Token::RParen => {
                self.open.pop();
            }
            Token::DollarQuotedString(text) if text.tag.is_none() => {
                let name = text.value.clone();
                return self.bare(&name, token.span);
            }
            other => {
                if let Some(text) = string(other)
                    && parts(text).any(|part| matches!(part, Part::Variable(_)))
                {
                    let text = self.inside(text, token.span)?;
                    self.push(Token::SingleQuotedString(text), token.span);
                    return Ok(());
                }
            }
        }
        self.tokens.push(token);
        Ok(())
    }

    fn push(&mut self, token: Token, span: Span) {
        self.tokens.push(TokenWithSpan { token, span });
    }

    /// The last token but `back - 1` that is no white space.
    fn last(&self, back: usize) -> Option<&Token> {
        let tokens = self.tokens.iter().rev().map(|token| &token.token);
        tokens
            .filter(|token| !matches!(token, Token::Whitespace(_)))
            .nth(back - 1)
    }

    /// A variable on its own: a literal, or those of a list.
    fn bare(&mut self, name: &str, span: Span) -> Result<()> {
        let is_list = declaration(self.binding.variables, name)
            .map_or_else(|| self.has_many(name), |variable| variable.is_list);
        let Some(values) = self.values(name, true, span)? else {
            // A value that is needed and missing is told at the end, with the others.
            self.push(Token::make_keyword("NULL"), span);
            return Ok(());
        };
        if !is_list {
            for value in values {
                self.literal(value, span);
            }
            return Ok(());
        }
        let follows_in = self
            .last(1)
            .is_some_and(|token| is_keyword(token, Keyword::IN));
        let (open, close) = if follows_in {
            (vec![Token::LParen], Some(Token::RParen))
        } else if self.open.last() == Some(&true) {
            (Vec::new(), None)
        } else {
            let open = vec![Token::make_keyword("ARRAY"), Token::LBracket];
            (open, Some(Token::RBracket))
        };
        for token in open {
            self.push(token, span);
        }
        for (number, value) in values.into_iter().enumerate() {
            if number > 0 {
                self.push(Token::Comma, span);
            }
            self.literal(value, span);
        }
        if let Some(close) = close {
            self.push(close, span);
        }
        Ok(())
    }

    fn has_many(&self, name: &str) -> bool {
        values(self.binding.variables, name).is_some_and(|values| values.len() > 1)
    }

    /// A string with the values in it.
    fn inside(&mut self, text: &str, span: Span) -> Result<String> {
        let mut bound = String::with_capacity(text.len());
        for part in parts(text) {
            let name = match part {
                Part::Text(text) => {
                    bound.push_str(text);
                    continue;
                }
                Part::Variable(name) => name,
            };
            match self.values(name, false, span)?.as_deref() {
                None => {}
                Some([Value::Time(micros)]) if self.follows_date() => {
                    let time = value::timestamp(*micros);
                    bound.push_str(time.split('T').next().unwrap_or_default());
                }
                Some([value]) => {
                    let text = value.to_text();
                    if bound.len().saturating_add(text.len()) > VALUES_BYTES_MAX {
                        return Err(too_much());
                    }
                    bound.push_str(&text);
                }
                Some(values) => {
                    return Err(at(
                        span,
                        format!(
                            "the variable `{name}` has {} values and stands inside a string, which takes one",
                            values.len()
                        ),
                    ));
                }
            }
        }
        self.bytes = self.bytes.saturating_add(bound.len());
        Ok(bound)
    }

    /// The checked values of a variable; `None` where there are none.
    fn values(&mut self, name: &str, is_bare: bool, span: Span) -> Result<Option<Vec<Value>>> {
        let variables = self.binding.variables;
        let Some(texts) = values(variables, name) else {
            self.missing.entry(name.to_owned()).or_insert(span);
            return Ok(None);
        };
        let wrong = |message: String| at(span, format!("the variable `{name}`: {message}"));
        if texts.len() > LIST_VALUES_MAX {
            return Err(wrong(format!(
                "{} values are more than {LIST_VALUES_MAX}; a lookup table takes them",
                texts.len()
            )));
        }
        let Some(variable) = declaration(variables, name) else {
            let values = texts.iter().map(|text| value::guess(text, is_bare));
            return Ok(Some(values.collect()));
        };
        if texts.len() > 1 && !variable.is_list {
            return Err(wrong(format!("{} values, and it takes one", texts.len())));
        }
        let is_pattern = !is_bare && self.follows_like();
        let check = |text: &String| {
            if !variable.allowed.is_empty() && !variable.allowed.contains(text) {
                return Err(wrong(format!(
                    "`{}` is not one of {}",
                    shown(text),
                    variable.allowed.join(", ")
                )));
            }
            // Whoever is asked for the value of a pattern may answer with one.
            if is_pattern && text.contains(['%', '_']) && is_text(variable.value_type) {
                return Ok(Value::Text(text.clone()));
            }
            value::parse(text, variable.value_type, self.binding.now_micros)
                .map_err(|what| wrong(format!("`{}` is {what}", shown(text))))
        };
        texts.iter().map(check).collect::<Result<_>>().map(Some)
    }

    /// `LIKE '…'` and `LIKE lower('…'`.
    fn follows_like(&self) -> bool {
        [1, 3].into_iter().any(|back| {
            self.last(back).is_some_and(|token| {
                is_keyword(token, Keyword::LIKE) || is_keyword(token, Keyword::ILIKE)
            })
        })
    }

    fn follows_date(&self) -> bool {
        self.last(1)
            .is_some_and(|token| is_keyword(token, Keyword::DATE))
    }

    fn literal(&mut self, value: Value, span: Span) {
        match value {
            Value::Text(text) => {
                self.bytes = self.bytes.saturating_add(text.len());
                self.push(Token::SingleQuotedString(text), span);
            }
            Value::Integer(number) => self.number(number.to_string(), span),
            // With a fraction, so that the type stays what it is.
            Value::Double(number) => self.number(format!("{number:?}"), span),
            Value::Boolean(value) => {
                let word = if value { "TRUE" } else { "FALSE" };
                self.push(Token::make_keyword(word), span);
            }
            // What templates of the Data Lake expect: `from_unixtime($$start$$)`.
            Value::Time(micros) if self.binding.dialect == Dialect::Trino => {
                self.number(micros.div_euclid(1_000_000).to_string(), span);
            }
            Value::Time(micros) => {
                self.push(Token::make_keyword("TIMESTAMP"), span);
                self.push(Token::SingleQuotedString(value::timestamp(micros)), span);
            }
        }
    }

    fn number(&mut self, digits: String, span: Span) {
        match digits.strip_prefix('-') {
            // In parentheses: two minus signs side by side would begin a comment to a reader.
            Some(digits) => {
                self.push(Token::LParen, span);
                self.push(Token::Minus, span);
                self.push(Token::Number(digits.to_owned(), false), span);
                self.push(Token::RParen, span);
            }
            None => self.push(Token::Number(digits, false), span),
        }
    }

    fn finish(self) -> Result<Vec<TokenWithSpan>> {
        let mut missing = self.missing.into_iter();
        let Some((name, span)) = missing.next() else {
            return Ok(self.tokens);
        };
        let others: Vec<String> = missing.map(|(name, _)| format!("`{name}`")).collect();
        Err(at(
            span,
            if others.is_empty() {
                format!("the variable `{name}` has no value")
            } else {
                format!(
                    "the variables `{name}`, {} have no value",
                    others.join(", ")
                )
            },
        ))
    }
}

fn is_text(value_type: ValueType) -> bool {
    !matches!(
        value_type,
        ValueType::Integer | ValueType::Double | ValueType::Boolean | ValueType::DateTime
    )
}

fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword)
}

#[cold]
fn too_much() -> Error {
    Error::exhausted(
        LimitKind::Shape,
        "the values of the variables in all their places; a lookup table takes long lists",
    )
}

#[cold]
fn at(span: Span, message: String) -> Error {
    Error::InvalidQuery {
        message,
        position: Some(Position {
            line: span.start.line,
            column: span.start.column,
        }),
        suggestion: None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::dialect::LakeDialect;

    /// 2024-03-31T12:00:00Z
    const NOW: i64 = 1_711_886_400_000_000;

    fn variable(name: &str, value_type: ValueType) -> Variable {
        Variable {
            name: name.to_owned(),
            value_type,
            is_list: false,
            is_optional: false,
            default: Vec::new(),
            allowed: Vec::new(),
            meaning: String::new(),
        }
    }

    fn declared() -> Vec<Variable> {
        let list = |name: &str, value_type| Variable {
            is_list: true,
            ..variable(name, value_type)
        };
        vec![
            variable("s", ValueType::String),
            variable("n", ValueType::Integer),
            variable("x", ValueType::Double),
            variable("b", ValueType::Boolean),
            variable("t", ValueType::DateTime),
            variable("ip", ValueType::Ip),
            list("users", ValueType::User),
            list("numbers", ValueType::Integer),
            Variable {
                is_optional: true,
                ..variable("o", ValueType::String)
            },
            Variable {
                default: vec!["7".to_owned()],
                allowed: vec!["7".to_owned(), "30".to_owned()],
                ..variable("days", ValueType::Integer)
            },
        ]
    }

    fn bound_in(dialect: Dialect, sql: &str, given: &[(&str, &[&str])]) -> Result<String> {
        let variables = Variables {
            declared: declared(),
            given: given
                .iter()
                .map(|(name, values)| {
                    let values = values.iter().map(|value| (*value).to_owned());
                    ((*name).to_owned(), values.collect())
                })
                .collect(),
        };
        let tokens = Tokenizer::new(&LakeDialect, sql)
            .tokenize_with_location()
            .unwrap();
        let binding = Binding {
            variables: &variables,
            dialect,
            now_micros: NOW,
            tokens_max: 500_000,
        };
        let tokens = bind(tokens, &binding)?;
        Ok(tokens.iter().map(|token| token.token.to_string()).collect())
    }

    fn bound(sql: &str, given: &[(&str, &[&str])]) -> String {
        bound_in(Dialect::DataFusion, sql, given).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_value_takes_the_form_of_its_place() {
        for (sql, given, expected) in [
            // Bare: a literal of the type.
            ("a = $$s$$", ("s", "it's"), "a = 'it's'"),
            ("a = $$n$$", ("n", "5"), "a = 5"),
            ("a - $$n$$", ("n", "-5"), "a - (-5)"),
            ("a > $$x$$", ("x", "5"), "a > 5.0"),
            ("a = $$b$$", ("b", "true"), "a = TRUE"),
            (
                "a > $$t$$",
                ("t", "2024-01-31"),
                "a > TIMESTAMP'2024-01-31T00:00:00Z'",
            ),
            // In a string: its text.
            ("a LIKE '%$$s$$_'", ("s", "x' OR '1"), "a LIKE '%x' OR '1_'"),
            ("interval '$$n$$' day", ("n", "07"), "interval '7' day"),
            ("DATE '$$t$$'", ("t", "-P1D"), "DATE '2024-03-30'"),
            ("a = '$$t$$'", ("t", "-P1D"), "a = '2024-03-30T12:00:00Z'"),
            // A pattern may be given where one is asked for.
            ("a LIKE '$$ip$$'", ("ip", "10.%"), "a LIKE '10.%'"),
            ("a LIKE lower('$$ip$$')", ("ip", "%"), "a LIKE lower('%')"),
            // Neither comments nor tagged strings are looked at.
            ("$$s$$ -- $$zz$$", ("s", "v"), "'v' -- $$zz$$"),
            ("$$s$$ /* $$zz$$ */", ("s", "v"), "'v' /* $$zz$$ */"),
            ("$$s$$, $q$ $$zz$$ $q$", ("s", "v"), "'v', $q$ $$zz$$ $q$"),
            // A lone mark and an empty name are text.
            ("$$s$$, '$$', '$$$$'", ("s", "v"), "'v', '$$', '$$$$'"),
            // What nobody declared: a number if it stands bare and is one.
            (
                "a - $$free text (x)$$ * 3600",
                ("free text (x)", "24"),
                "a - 24 * 3600",
            ),
            (
                "a = '$$free text (x)$$'",
                ("free text (x)", "24"),
                "a = '24'",
            ),
            (
                "a = $$free text (x)$$",
                ("free text (x)", "1; --"),
                "a = '1; --'",
            ),
        ] {
            assert_eq!(bound(sql, &[(given.0, &[given.1])]), expected, "{sql}");
        }
        assert_eq!(bound("a < $$days$$", &[]), "a < 7");
        assert_eq!(
            bound_in(
                Dialect::Trino,
                "from_unixtime($$t$$)",
                &[("t", &["2024-01-31"])]
            )
            .unwrap(),
            "from_unixtime(1706659200)"
        );
    }

    #[test]
    fn lists_are_literals_side_by_side() {
        let users: &[(&str, &[&str])] = &[("users", &["a", "b'"])];
        for (sql, expected) in [
            ("u IN ($$users$$)", "u IN ('a','b'')"),
            ("u IN $$users$$", "u IN ('a','b'')"),
            ("u NOT IN ('c', $$users$$)", "u NOT IN ('c', 'a','b'')"),
            ("array_has($$users$$, u)", "array_has(ARRAY['a','b''], u)"),
            ("u IN (lower($$users$$))", "u IN (lower(ARRAY['a','b'']))"),
            (
                "u = '$$users$$'",
                "the variable `users` has 2 values and stands inside a string, which takes one (line 1, column 5)",
            ),
        ] {
            assert_eq!(bound(sql, users), expected, "{sql}");
        }
        assert_eq!(
            bound("u IN ($$free$$)", &[("free", &["1", "x"])]),
            "u IN (1,'x')"
        );
        assert_eq!(
            bound("u IN ($$numbers$$)", &[("numbers", &["1", "x"])]),
            "the variable `numbers`: `x` is no integer (line 1, column 7)"
        );
    }

    #[test]
    fn clauses_fall_away_with_an_empty_variable() {
        for (sql, given, expected) in [
            ("a [[AND b = $$o$$]] c", None, "a  c"),
            ("a [[AND b = $$o$$]] c", Some(""), "a  c"),
            ("a [[AND b = $$o$$]] c", Some("x"), "a AND b = 'x' c"),
            ("a [[AND b LIKE '%$$o$$']]", Some("x"), "a AND b LIKE '%x'"),
            // Of several variables each counts.
            ("[[AND $$days$$ = $$o$$]]", None, ""),
            // Brackets without a variable, or that do not close as they opened, are SQL.
            ("[[1,2],[3,4]] [[$$o$$]]", None, "[[1,2],[3,4]] "),
            ("[[$$o$$,2],[3,4]]", Some("x"), "[['x',2],[3,4]]"),
            ("a[b[1]] [[$$o$$]]", None, "a[b[1]] "),
            ("[ [$$o$$] ]", Some("x"), "[ ['x'] ]"),
            // Inside each other.
            ("[[a [[b $$o$$]] c $$days$$]]", Some("x"), "a b 'x' c 7"),
            ("[[a [[b $$o$$]] c $$days$$]]", None, ""),
        ] {
            let values = given.map(|value| [value]);
            let given: Vec<(&str, &[&str])> =
                values.iter().map(|value| ("o", value.as_slice())).collect();
            assert_eq!(bound(sql, &given), expected, "{sql}");
        }
    }

    #[test]
    fn errors_name_the_variable_and_the_place() {
        for (sql, given, expected) in [
            (
                "a =\n $$n$$",
                None,
                "the variable `n` has no value (line 2, column 2)",
            ),
            (
                "'$$s$$' $$n$$",
                None,
                "the variables `n`, `s` have no value (line 1, column 9)",
            ),
            (
                "a = $$n$$",
                Some(("n", "1 OR 1=1")),
                "the variable `n`: `1 OR 1=1` is no integer (line 1, column 5)",
            ),
            (
                "a = $$ip$$",
                Some(("ip", "10.%")),
                "the variable `ip`: `10.%` is no IP address and no network such as 192.0.2.0/24 (line 1, column 5)",
            ),
            (
                "a = $$days$$",
                Some(("days", "8")),
                "the variable `days`: `8` is not one of 7, 30 (line 1, column 5)",
            ),
            (
                "a = \"$$s$$\"",
                Some(("s", "b")),
                "the variable `s` cannot stand in a name, only where a value can (line 1, column 5)",
            ),
            (
                "a = $$users$$",
                Some(("user", "b")),
                "the query has no variable `user`; did you mean `users`?",
            ),
            (
                "a = $$o$$",
                None,
                "the variable `o` has no value (line 1, column 5)",
            ),
        ] {
            let values = given.map(|(name, value)| (name, [value]));
            let given: Vec<(&str, &[&str])> = values
                .iter()
                .map(|(name, value)| (*name, value.as_slice()))
                .collect();
            assert_eq!(bound(sql, &given), expected, "{sql}");
        }
    }
}
