//! The SQL that is parsed: DataFusion's generic dialect, as far as it reads, with PostgreSQL's binding of `->>`.

use std::any::TypeId;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Select, Statement, TableFactor, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{flow, operators, unnest};
use crate::error::{Error, Position, Result as Checked};

/// Generic SQL in which `extra->>'Name' = 'x'` compares the member, not the path.
///
/// The generic dialect binds JSON operators looser than comparisons
/// (<https://github.com/datafusion-contrib/datafusion-functions-json#readme>). What it has beyond queries is left out.
#[derive(Debug)]
pub(crate) struct LakeDialect;

/// Tighter than all operators between two values, `||` (40) among them, and looser than `::` (50), as in PostgreSQL.
const JSON_OPERATOR_PRECEDENCE: u8 = 45;

impl Dialect for LakeDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_delimited_identifier_start(character)
    }

    fn is_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        GenericDialect.is_identifier_part(character)
    }

    /// `target->-1->>'ID'`: the parser would take `1->>'ID'` for what the minus is of.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let is_index = parser.peek_token_ref().token == Token::Minus
            && matches!(parser.peek_nth_token_ref(1).token, Token::Number(..))
            && is_json_operator(&parser.peek_nth_token_ref(2).token);
        is_index.then(|| {
            parser.next_token();
            Ok(Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: Box::new(Expr::Value(parser.parse_value()?)),
            })
        })
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        operators::parse(parser, left, precedence)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        is_json_operator(&parser.peek_token_ref().token).then_some(Ok(JSON_OPERATOR_PRECEDENCE))
    }

    supports!(
        allow_extract_custom,
        allow_extract_single_quotes,
        support_map_literal_syntax,
        supports_array_typedef_with_brackets,
        supports_bitwise_shift_operators,
        supports_comma_separated_trim,
        supports_dictionary_syntax,
        supports_explain_with_utility_options,
        supports_extract_comma_syntax,
        supports_filter_during_aggregation,
        supports_from_first_select,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_interval_options,
        supports_left_associative_joins_without_parens,
        supports_limit_comma,
        supports_named_fn_args_with_assignment_operator,
        supports_nested_comments,
        supports_parens_around_table_factor,
        supports_select_wildcard_except,
        supports_select_wildcard_exclude,
        supports_select_wildcard_ilike,
        supports_select_wildcard_rename,
        supports_select_wildcard_replace,
        supports_string_escape_constant,
        supports_struct_literal,
        supports_unicode_string_literal,
        supports_values_as_table_factor,
        supports_window_clause_named_window_reference,
        supports_window_function_null_treatment_arg,
    );
}

fn is_json_operator(token: &Token) -> bool {
    use Token::{Arrow, HashArrow, HashLongArrow, LongArrow};
    matches!(token, Arrow | LongArrow | HashArrow | HashLongArrow)
}

/// Puts lateral UNNEST in the form that is planned, and refuses what would be taken for something else.
pub(super) fn rewrite(statement: &mut Statement) -> Checked<()> {
    match statement.visit(&mut Rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        flow(unnest::lateral(&mut select.from))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        flow(unnest::in_nested(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        flow(verify_like(expr))
    }
}

/// As in PostgreSQL, a backslash in a pattern of LIKE takes the next character as it is, so `'DOMAIN\\user%'` would find
/// `DOMAINuser`. Nobody means that.
fn verify_like(expr: &Expr) -> Checked<()> {
    let pattern = match expr {
        Expr::Like {
            pattern,
            escape_char: None,
            ..
        }
        | Expr::ILike {
            pattern,
            escape_char: None,
            ..
        } => pattern.as_ref(),
        _ => return Ok(()),
    };
    let Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(text),
        span,
    }) = pattern
    else {
        return Ok(());
    };
    let Some(escaped) = escaped_plain(text) else {
        return Ok(());
    };
    Err(Error::InvalidQuery {
        message: format!(
            "a backslash in a pattern of LIKE takes the next character as it is, so `\\{escaped}` is `{escaped}`; write \
             `\\\\` for a backslash"
        ),
        position: (span.start.line > 0).then_some(Position {
            line: span.start.line,
            column: span.start.column,
        }),
        suggestion: None,
    })
}

/// The first character behind a backslash that needs none.
fn escaped_plain(pattern: &str) -> Option<char> {
    let mut characters = pattern.chars();
    while characters.by_ref().any(|character| character == '\\') {
        match characters.next() {
            Some(escaped) if !matches!(escaped, '%' | '_' | '\\') => return Some(escaped),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use datafusion::sql::sqlparser::ast::visit_expressions_mut;

    use super::*;

    /// The expression with every operator in parentheses.
    fn grouped(text: &str) -> String {
        let parser = Parser::new(&LakeDialect).try_with_sql(text);
        let mut tree = parser.unwrap().parse_expr().unwrap();
        // Children before parents, so each is wrapped once.
        let _: ControlFlow<()> = visit_expressions_mut(&mut tree, |expr| {
            if !matches!(expr, Expr::Identifier(_) | Expr::Value(_) | Expr::Nested(_)) {
                *expr = Expr::Nested(Box::new(expr.clone()));
            }
            ControlFlow::Continue(())
        });
        tree.to_string()
    }

    #[test]
    fn json_operators_bind_as_people_expect() {
        for (text, expected) in [
            ("a->>'b' = 'c'", "((a ->> 'b') = 'c')"),
            ("a->'b'->>'c' LIKE 'd%'", "(((a -> 'b') ->> 'c') LIKE 'd%')"),
            ("a->>'b' IN ('c') AND d", "(((a ->> 'b') IN ('c')) AND d)"),
            ("a->>'b' IS NULL", "((a ->> 'b') IS NULL)"),
            ("NOT a->>'b' = 'c'", "(NOT ((a ->> 'b') = 'c'))"),
            ("a->>'b' || 'c'", "((a ->> 'b') || 'c')"),
            ("a->-1->>'b'", "((a -> (-1)) ->> 'b')"),
            ("a - 1 -> 'b'", "(a - (1 -> 'b'))"),
            ("a ~ 'b' OR c", "((a ~ 'b') OR c)"),
            (
                "a IS DISTINCT FROM b AND c",
                "((a IS DISTINCT FROM b) AND c)",
            ),
            (
                "a OR b IS NOT DISTINCT FROM c || d AND e",
                "(a OR ((b IS NOT DISTINCT FROM (c || d)) AND e))",
            ),
            (
                "a SIMILAR TO 'b%' OR NOT c NOT SIMILAR TO 'd'",
                "((a ~ '(?s)^(?:b.*)$') OR (NOT (c !~ '(?s)^(?:d)$')))",
            ),
        ] {
            assert_eq!(grouped(text), expected, "{text}");
        }
    }

    #[test]
    fn backslashes_of_like_are_told() {
        for (pattern, expected) in [
            ("NT AUTHORITY\\SYSTEM%", Some('S')),
            ("%\\\\server\\share", Some('s')),
            ("C:\\\\Users\\\\%", None),
            ("10\\% of a\\_b", None),
            ("%\\", None),
            ("é\\é", Some('é')),
            ("", None),
        ] {
            assert_eq!(escaped_plain(pattern), expected, "{pattern}");
        }
    }
}
