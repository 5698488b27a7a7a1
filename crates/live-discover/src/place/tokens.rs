//! Which token of the text a message is about.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::position;
use crate::error::Position;

/// The place of the one token that a message quotes.
pub(super) fn quoted(tokens: &[TokenWithSpan], message: &str) -> Option<Position> {
    // What helps comes after a semicolon, and quotes what could be written.
    let message = message.split("; ").next()?;
    ['\'', '`', '"'].into_iter().find_map(|mark| {
        let mut texts = message.split(mark).skip(1).step_by(2);
        texts.find_map(|text| {
            let name = text.rsplit('.').next().unwrap_or(text);
            let is_it = |token: &Token| match token {
                Token::SingleQuotedString(value) => value == text,
                Token::Word(word) => {
                    !name.is_empty()
                        && audit_schema::resolve_name(&word.value)
                            == audit_schema::resolve_name(name)
                }
                Token::Number(number, _) => number == text,
                Token::Placeholder(placeholder) => placeholder == text,
                _ => false,
            };
            if message.starts_with("two tables") || message.starts_with("two columns") {
                // The second one is too many.
                let last = tokens.iter().rfind(|token| is_it(&token.token))?;
                return position(last.span.start);
            }
            only(tokens, is_it)
        })
    })
}

/// The place of the one token that can have brought an error of this kind.
pub(super) fn culprit(tokens: &[TokenWithSpan], message: &str) -> Option<Position> {
    if message.starts_with("division by zero") {
        return only(tokens, |token| matches!(token, Token::Div | Token::Mod));
    }
    if message.contains("; TRY_CAST(") {
        return only(tokens, |token| {
            *token == Token::DoubleColon
                || matches!(token, Token::Word(word) if word.keyword == Keyword::CAST)
        });
    }
    if message.starts_with("SELECT * needs a table") {
        return only(tokens, |token| *token == Token::Mul);
    }
    if message.starts_with("a subquery gives several rows") {
        return followed(tokens, |token, next| {
            *token == Token::LParen
                && matches!(next, Token::Word(word) if word.keyword == Keyword::SELECT)
        });
    }
    for keyword in [Keyword::LIMIT, Keyword::OFFSET] {
        if message.starts_with(&format!("{keyword:?} ")) {
            return only(
                tokens,
                |token| matches!(token, Token::Word(word) if word.keyword == keyword),
            );
        }
    }
    // A function that the message is about.
    let message = message.to_lowercase();
    followed(tokens, |token, next| match token {
        Token::Word(word) if *next == Token::LParen => {
            let name = word.value.to_lowercase();
            let is_about_time =
                message.contains("' is no time") && name.starts_with("to_timestamp");
            is_about_time
                || message
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|part| part == name)
        }
        _ => false,
    })
}

/// The place of the one token of which this is true, with the one after it.
fn followed(tokens: &[TokenWithSpan], is_it: impl Fn(&Token, &Token) -> bool) -> Option<Position> {
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    let mut found = pairs.filter(|(token, next)| is_it(&token.token, &next.token));
    let (first, _) = found.next()?;
    found
        .next()
        .is_none()
        .then(|| position(first.span.start))
        .flatten()
}

fn only(tokens: &[TokenWithSpan], is_it: impl Fn(&Token) -> bool) -> Option<Position> {
    let mut found = tokens.iter().filter(|token| is_it(&token.token));
    let first = found.next()?;
    // One variable may stand in several places, and a list has several tokens in one.
    found
        .all(|token| token.span.start == first.span.start)
        .then(|| position(first.span.start))
        .flatten()
}
