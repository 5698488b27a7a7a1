//! What a query's text may be: one SELECT, or an EXPLAIN of one, of bounded size.
//!
//! Checked before the parser and the planner see it, as both recurse over the text's structure.

use datafusion::common::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{DescribeAlias, SetExpr, Statement as SqlStatement};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::error::{Error, Position, Result};
use crate::limits::LimitKind;
use crate::names;
use crate::request::Request;
use crate::variables::{self, Binding};

/// Parentheses, subqueries and the like inside each other.
pub(crate) const NESTING_MAX: usize = 50;
/// Operators between operands (`AND`, `OR`, `+`, `||`, `UNION`, …): a chain of them is a tree as deep as it is long.
const OPERATORS_MAX: usize = 1_000;

/// Parses a query with its names resolved, if it is one that only reads.
///
/// `now_micros` is what values of variables such as `-P7D` are told from.
pub(crate) fn parse(
    request: &Request,
    text_bytes_max: usize,
    now_micros: i64,
) -> Result<Statement> {
    let text = request.sql.as_str();
    if text.len() > text_bytes_max {
        return Err(Error::exhausted(
            LimitKind::Text,
            format!("{text_bytes_max} bytes, the query has {}", text.len()),
        ));
    }
    let dialect = request.dialect.unwrap_or_default();
    let tokens = Tokenizer::new(dialect.grammar(), text)
        .tokenize_with_location()
        .map_err(|error| Error::InvalidQuery {
            message: if error.message.contains("dollar-quoted") {
                "a variable is written `$$name$$`: here the second `$$` is missing".to_owned()
            } else {
                format!("syntax error: {}", error.message)
            },
            position: Some(Position {
                line: error.location.line,
                column: error.location.column,
            }),
            suggestion: None,
        })?;
    let operators = tokens.iter().filter(|token| is_operator(token)).count();
    if operators > OPERATORS_MAX {
        return Err(Error::exhausted(
            LimitKind::Operators,
            format!("{OPERATORS_MAX}, the query has {operators}; `IN (…)` takes long lists as one"),
        ));
    }
    let binding = Binding {
        variables: &request.variables,
        dialect,
        now_micros,
    };
    let mut tokens = variables::bind(tokens, &binding)?;
    names::resolve(&mut tokens);
    let mut parser = Parser::new(dialect.grammar())
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens);
    let statements = parser
        .parse_statements()
        .map_err(|error| Error::from(DataFusionError::SQL(Box::new(error), None)))?;
    let [mut statement] = <[SqlStatement; 1]>::try_from(statements).map_err(|statements| {
        Error::invalid(match statements.len() {
            0 => "there is no query".to_owned(),
            count => format!("one query at a time: there are {count} statements"),
        })
    })?;
    if !only_reads(&statement) {
        return Err(Error::invalid(
            "only SELECT and EXPLAIN of a SELECT are allowed",
        ));
    }
    dialect.rewrite(&mut statement)?;
    Ok(Statement::Statement(Box::new(statement)))
}

/// The second look, at the plan: whatever the parser let through changes nothing.
pub(crate) fn verify(plan: &LogicalPlan) -> Result<()> {
    let options = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    options
        .verify_plan(plan)
        .map_err(|_| Error::invalid("only SELECT and EXPLAIN of a SELECT are allowed"))
}

fn only_reads(statement: &SqlStatement) -> bool {
    match statement {
        SqlStatement::Query(query) => !matches!(
            query.body.as_ref(),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        ),
        SqlStatement::Explain {
            statement,
            describe_alias: DescribeAlias::Explain,
            ..
        } => matches!(statement.as_ref(), SqlStatement::Query(_)) && only_reads(statement),
        _ => false,
    }
}

fn is_operator(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => [
            "AND",
            "OR",
            "NOT",
            "UNION",
            "INTERSECT",
            "EXCEPT",
            "JOIN",
            "WHEN",
        ]
        .iter()
        .any(|operator| word.value.eq_ignore_ascii_case(operator)),
        Token::Word(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Whitespace(_)
        | Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::SemiColon
        | Token::EOF => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT_BYTES_MAX: usize = 100_000;

    fn refusal(text: &str) -> String {
        parse(&text.into(), TEXT_BYTES_MAX, 0)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn queries_are_let_through() {
        for text in [
            "SELECT 1",
            "select 1;",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "VALUES (1), (2)",
            "SELECT 1 UNION ALL SELECT 2",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "(SELECT 1)",
        ] {
            assert!(parse(&text.into(), TEXT_BYTES_MAX, 0).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "INSERT INTO m365_audit VALUES (1)",
            "DELETE FROM m365_audit",
            "UPDATE m365_audit SET id = 1",
            "CREATE TABLE x (a INT)",
            "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/etc'",
            "DROP TABLE m365_audit",
            "COPY m365_audit TO '/tmp/x'",
            "SET x = 1",
            "SHOW TABLES",
            "SHOW ALL",
            "DESCRIBE m365_audit",
            "EXPLAIN DELETE FROM m365_audit",
            "EXPLAIN EXPLAIN SELECT 1",
            "PREPARE x AS SELECT 1",
            "BEGIN",
            "TRUNCATE m365_audit",
            "WITH x AS (SELECT 1) INSERT INTO m365_audit SELECT * FROM x",
        ] {
            let refusal = refusal(text);
            assert!(
                refusal.starts_with("only SELECT") || refusal.starts_with("syntax error"),
                "{text}: {refusal}"
            );
        }
        assert_eq!(refusal(""), "there is no query");
        assert_eq!(refusal(" ; -- nothing"), "there is no query");
        assert_eq!(
            refusal("SELECT 1; SELECT 2"),
            "one query at a time: there are 2 statements"
        );
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let long = format!("SELECT '{}'", "a".repeat(TEXT_BYTES_MAX));
        assert_eq!(
            refusal(&long),
            "the length limit of the query's text was reached: 100000 bytes, the query has 100009"
        );
        let chain = format!("SELECT 1{}", " + 1".repeat(OPERATORS_MAX + 1));
        assert!(
            refusal(&chain).starts_with("the limit of operators in one query was reached: 1000")
        );
        let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(
            refusal(&deep),
            "the limit of nesting in one query was reached: 50 levels of parentheses and subqueries"
        );
        let list = format!("SELECT 1 WHERE 1 IN ({})", vec!["1"; 10_000].join(","));
        assert!(parse(&list.into(), TEXT_BYTES_MAX, 0).is_ok());
    }

    #[test]
    fn syntax_errors_tell_where() {
        assert_eq!(
            refusal("SELECT id\nFROM m365_audit WERE id = 1"),
            "syntax error: `id` cannot stand here (line 2, column 22)"
        );
        assert!(refusal("SELECT 'abc").contains("(line 1, column 8)"));
    }
}
