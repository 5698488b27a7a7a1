//! Trino's grammar where it is another than the default dialect's: types, `TRY`, lambdas, typed literals.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{
    CastKind, Expr, LambdaFunction, LambdaSyntax, OneOrManyWithParens,
};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::rewrite::{call, number, text};
use super::types;
use crate::dialect::operators;

/// The parser's part of the dialect; variables and names are read as in the default one.
#[derive(Debug)]
pub(crate) struct TrinoDialect;

impl Dialect for TrinoDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '"'
    }

    fn is_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        GenericDialect.is_identifier_part(character)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let word = match &parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
            _ => return None,
        };
        match (word.as_str(), &parser.peek_nth_token_ref(1).token) {
            ("cast", Token::LParen) => Some(cast(parser, CastKind::Cast)),
            ("try_cast", Token::LParen) => Some(cast(parser, CastKind::TryCast)),
            ("try", Token::LParen) => Some(attempt(parser)),
            ("json", Token::SingleQuotedString(_)) => {
                Some(literal(parser).map(|value| call("json_parse", vec![value])))
            }
            ("ipaddress", Token::SingleQuotedString(_)) => {
                Some(literal(parser).map(|value| Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(value),
                    data_type: types::ip_address(),
                    array: false,
                    format: None,
                }))
            }
            _ => None,
        }
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        operators::parse(parser, left, precedence)
    }

    supports!(
        allow_extract_custom,
        supports_explain_with_utility_options,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_interval_options,
        supports_lambda_functions,
        supports_left_associative_joins_without_parens,
        supports_named_fn_args_with_assignment_operator,
        supports_nested_comments,
        supports_parens_around_table_factor,
        supports_unicode_string_literal,
        supports_values_as_table_factor,
        supports_window_clause_named_window_reference,
        supports_window_function_null_treatment_arg,
        supports_within_after_array_aggregation,
    );
}

/// `CAST(x AS type)`; `varchar(n)` cuts text off.
fn cast(parser: &mut Parser<'_>, kind: CastKind) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_expr()?;
    parser.expect_keyword(Keyword::AS)?;
    let data_type = types::parse(parser)?;
    parser.expect_token(&Token::RParen)?;
    let length = types::text_length(&data_type);
    let cast = Expr::Cast {
        kind,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    };
    Ok(match length {
        Some(length) => call("substr", vec![cast, number(1), number(length)]),
        None => cast,
    })
}

/// `TRY(x)` as `try(() -> x)`, so that the function evaluates it.
fn attempt(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let body = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(call(
        "try",
        vec![Expr::Lambda(LambdaFunction {
            params: OneOrManyWithParens::Many(Vec::new()),
            body: Box::new(body),
            syntax: LambdaSyntax::Arrow,
        })],
    ))
}

fn literal(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.next_token();
    Ok(text(parser.parse_literal_string()?))
}
