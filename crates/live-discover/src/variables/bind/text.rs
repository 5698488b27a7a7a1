//! Where variables stand in tokens, and in the texts of tokens.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::at;
use crate::error::Result;

const MARK: &str = "$$";

/// The variables in a token.
pub(super) fn names_in(token: &TokenWithSpan) -> Result<Vec<&str>> {
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

pub(super) fn string(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::NationalStringLiteral(text)
        | Token::UnicodeStringLiteral(text) => Some(text),
        _ => None,
    }
}

pub(super) enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// A string's text and the variables in it; marks without a partner or a name are text.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
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
