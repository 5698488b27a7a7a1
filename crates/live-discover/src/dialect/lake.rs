//! The SQL that is parsed: DataFusion's generic dialect, as far as it reads, with PostgreSQL's binding of `->>`.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::operators;

/// Generic SQL in which `extra->>'Name' = 'x'` compares the member, not the path.
///
/// The generic dialect binds JSON operators looser than comparisons
/// (<https://github.com/datafusion-contrib/datafusion-functions-json#readme>). What it has beyond queries is left out.
#[derive(Debug)]
pub(crate) struct LakeDialect;

/// Tighter than all operators between two values, `||` (40) among them, and looser than `::` (50), as in PostgreSQL.
const JSON_OPERATOR_PRECEDENCE: u8 = 45;

macro_rules! supports {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool { true })*
    };
}

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

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        operators::parse(parser, left, precedence)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Arrow | Token::LongArrow | Token::HashArrow | Token::HashLongArrow => {
                Some(Ok(JSON_OPERATOR_PRECEDENCE))
            }
            _ => None,
        }
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
}
