//! Operators that the parser or the planner takes for something else.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, ValueWithSpan};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

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
        quantified(parser).map(|like| like.of_patterns(parser, left))
    }
}

/// `LIKE ANY`, `ILIKE ALL` and the like, of which the parser knows `LIKE ANY` and the planner none.
struct Quantified {
    is_negated: bool,
    ignores_case: bool,
    is_all: bool,
}

/// Reads one of these operators, if it is what comes.
fn quantified(parser: &mut Parser<'_>) -> Option<Quantified> {
    use Keyword::{ALL, ANY, ILIKE, LIKE, NOT, SOME};
    let keyword = |at: usize| match &parser.peek_nth_token_ref(at).token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let is_negated = keyword(0) == NOT;
    let at = usize::from(is_negated);
    let (like, quantifier) = (keyword(at), keyword(at + 1));
    let is_known = matches!(like, LIKE | ILIKE)
        && matches!(quantifier, ALL | ANY | SOME)
        && parser.peek_nth_token_ref(at + 2).token == Token::LParen;
    if !is_known {
        return None;
    }
    for _ in 0..at + 2 {
        parser.advance_token();
    }
    Some(Quantified {
        is_negated,
        ignores_case: like == ILIKE,
        is_all: quantifier == ALL,
    })
}

/// Patterns of one list: as many as there may be LIKEs with OR between them.
pub(crate) const PATTERNS_MAX: usize = 1_000;

impl Quantified {
    /// A LIKE for each pattern, with OR or AND between them; what cannot be that is told later (`guard/absent.rs`).
    fn of_patterns(&self, parser: &mut Parser<'_>, left: &Expr) -> Result<Expr, ParserError> {
        let list = parser.parse_prefix()?;
        let escape_char = parser.parse_escape_char()?;
        let patterns = patterns(&list);
        // PostgreSQL takes NOT LIKE ANY for what one of the patterns does not match, which is about everything.
        if (self.is_negated && !self.is_all) || !(1..=PATTERNS_MAX).contains(&patterns.len()) {
            return Ok(self.like(left, list, true, escape_char));
        }
        let op = match self.is_all {
            true => BinaryOperator::And,
            false => BinaryOperator::Or,
        };
        let like = |pattern: &Expr| self.like(left, pattern.clone(), false, escape_char.clone());
        Ok(Expr::Nested(Box::new(balanced(patterns, &op, &like))))
    }

    fn like(
        &self,
        left: &Expr,
        pattern: Expr,
        any: bool,
        escape_char: Option<ValueWithSpan>,
    ) -> Expr {
        let negated = self.is_negated;
        let (expr, pattern) = (Box::new(left.clone()), Box::new(pattern));
        match self.ignores_case {
            true => Expr::ILike {
                negated,
                any,
                expr,
                pattern,
                escape_char,
            },
            false => Expr::Like {
                negated,
                any,
                expr,
                pattern,
                escape_char,
            },
        }
    }
}

/// The patterns of a list, in parentheses or in an array in parentheses.
pub(crate) fn patterns(list: &Expr) -> &[Expr] {
    match list {
        Expr::Tuple(patterns) => patterns,
        Expr::Nested(pattern) => elements(pattern),
        _ => &[],
    }
}

/// The elements of an array that is written out, whatever it is cast to.
fn elements(pattern: &Expr) -> &[Expr] {
    match pattern {
        Expr::Array(array) => &array.elem,
        Expr::Cast { expr, .. } if matches!(expr.as_ref(), Expr::Array(_)) => elements(expr),
        pattern => std::slice::from_ref(pattern),
    }
}

/// Conditions with an operator between them, as a tree that is no deeper than it has to be.
fn balanced(patterns: &[Expr], op: &BinaryOperator, like: &impl Fn(&Expr) -> Expr) -> Expr {
    if let [pattern] = patterns {
        return like(pattern);
    }
    let (left, right) = patterns.split_at(patterns.len() / 2);
    Expr::BinaryOp {
        left: Box::new(balanced(left, op, like)),
        op: op.clone(),
        right: Box::new(balanced(right, op, like)),
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
    use datafusion::sql::sqlparser::parser::Parser;

    use super::regex_of;
    use crate::dialect::LakeDialect;

    #[test]
    fn patterns_of_a_list_are_a_like_each() {
        for (text, expected) in [
            (
                "a LIKE ANY ('b%', 'c') AND d",
                "(a LIKE 'b%' OR a LIKE 'c') AND d",
            ),
            (
                "a ILIKE SOME (ARRAY['b%', 'c']::text[])",
                "(a ILIKE 'b%' OR a ILIKE 'c')",
            ),
            (
                "a NOT ILIKE ALL ('b', 'c')",
                "(a NOT ILIKE 'b' AND a NOT ILIKE 'c')",
            ),
            ("NOT a LIKE ALL ('b') OR d", "NOT (a LIKE 'b') OR d"),
            (
                "a LIKE ANY ('b', 'c', 'd') ESCAPE '#'",
                "(a LIKE 'b' ESCAPE '#' OR a LIKE 'c' ESCAPE '#' OR a LIKE 'd' ESCAPE '#')",
            ),
            ("a NOT LIKE ANY ('b', 'c')", "a NOT LIKE ANY ('b', 'c')"),
            ("a LIKE ANY (SELECT b)", "a LIKE ANY (SELECT b)"),
        ] {
            let parser = Parser::new(&LakeDialect).try_with_sql(text);
            let tree = parser.unwrap().parse_expr().unwrap();
            assert_eq!(tree.to_string(), expected, "{text}");
        }
    }

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
