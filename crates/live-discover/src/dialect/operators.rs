//! Operators that the parser or the planner takes for something else.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

/// Reads the operator behind `left`, and what it is applied to, if it is one of these.
pub(super) fn parse(
    parser: &mut Parser<'_>,
    left: &Expr,
    precedence: u8,
) -> Option<Result<Expr, ParserError>> {
    use Keyword::{DISTINCT, FROM, IS, NOT, SIMILAR, TO};
    if parser.parse_keywords(&[IS, DISTINCT, FROM]) {
        Some(distinct(parser, left, precedence, Expr::IsDistinctFrom))
    } else if parser.parse_keywords(&[IS, NOT, DISTINCT, FROM]) {
        Some(distinct(parser, left, precedence, Expr::IsNotDistinctFrom))
    } else if parser.parse_keywords(&[SIMILAR, TO]) {
        Some(similar(parser, left, BinaryOperator::PGRegexMatch))
    } else if parser.parse_keywords(&[NOT, SIMILAR, TO]) {
        Some(similar(parser, left, BinaryOperator::PGRegexNotMatch))
    } else {
        None
    }
}

/// The parser would take all that follows for the right side, `AND` with what is behind it included
/// (<https://github.com/apache/datafusion-sqlparser-rs/pull/2436>).
fn distinct(
    parser: &mut Parser<'_>,
    left: &Expr,
    precedence: u8,
    of: fn(Box<Expr>, Box<Expr>) -> Expr,
) -> Result<Expr, ParserError> {
    let right = parser.parse_subexpr(precedence)?;
    Ok(of(Box::new(left.clone()), Box::new(right)))
}

/// The planner would take the pattern for a regular expression that may match anywhere, and `%` and `_` for themselves
/// (<https://github.com/apache/datafusion/issues/22263>).
fn similar(parser: &mut Parser<'_>, left: &Expr, op: BinaryOperator) -> Result<Expr, ParserError> {
    let pattern = parser.parse_literal_string()?;
    let escape = match parser.parse_keyword(Keyword::ESCAPE) {
        true => parser.parse_literal_string()?.chars().next(),
        false => Some('\\'),
    };
    let regex = Value::SingleQuotedString(regex_of(&pattern, escape));
    Ok(Expr::BinaryOp {
        left: Box::new(left.clone()),
        op,
        right: Box::new(Expr::Value(regex.into())),
    })
}

/// The regular expression for a pattern of `SIMILAR TO`: it matches the whole text, `%` any characters, `_` any one, and
/// `| * + ? { } ( ) [ ]` mean what they mean there (PostgreSQL 18, 9.7.2).
fn regex_of(pattern: &str, escape: Option<char>) -> String {
    let mut regex = String::from("(?s)^(?:");
    let mut characters = pattern.chars();
    let mut is_class = false;
    while let Some(character) = characters.next() {
        match character {
            _ if Some(character) == escape => {
                let escaped = characters.next().unwrap_or(character);
                regex.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
            }
            '%' if !is_class => regex.push_str(".*"),
            '_' if !is_class => regex.push('.'),
            '[' | ']' => {
                is_class = character == '[';
                regex.push(character);
            }
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' => regex.push(character),
            '^' | '-' if is_class => regex.push(character),
            _ => regex.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(")$");
    regex
}

#[cfg(test)]
mod tests {
    use super::regex_of;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, matches, others) in [
            ("Send", &["Send"][..], &["SendAs", "send", ""][..]),
            ("New-%", &["New-", "New-InboxRule", "New-\n"], &["A New-X"]),
            ("a_c", &["abc", "a.c"], &["ac", "abbc"]),
            ("(abc|de)%", &["abcx", "de"], &["xabc"]),
            ("a.c", &["a.c"], &["abc"]),
            ("[a-c]+", &["abc"], &["abd", ""]),
            ("[^%_]", &["x"], &["%", "_", "xx"]),
            ("10\\%", &["10%"], &["100"]),
            ("^a$", &["^a$"], &["a"]),
        ] {
            let regex = regex::Regex::new(&regex_of(pattern, Some('\\'))).unwrap();
            for text in matches {
                assert!(regex.is_match(text), "{text} {pattern}");
            }
            for text in others {
                assert!(!regex.is_match(text), "{text} {pattern}");
            }
        }
        assert_eq!(regex_of("a#%\\", Some('#')), "(?s)^(?:a%\\\\)$");
    }
}
