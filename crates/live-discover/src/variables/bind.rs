//! Puts the values into a query's tokens.

mod clauses;
mod output;
mod text;

use std::collections::BTreeSet;

use audit_schema::Variable;
use datafusion::sql::sqlparser::tokenizer::{Span, TokenWithSpan};

use self::clauses::{Uses, dropped};
use self::output::Output;
use self::text::names_in;
use super::Variables;
use crate::dialect::Dialect;
use crate::error::{Error, Position, Result};
use crate::limits::LimitKind;
use crate::names;

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
mod tests;
