//! What a query may be: one SELECT, or an EXPLAIN of one, of bounded size, over functions that are allowed.
//!
//! ```text
//!  text ─► tokens ─► variables, names ─► parser ─► tree ─► planner ─► plan ─► optimiser
//!     length   counts          tokens     nesting     what it does,       verify,
//!                                                     functions, counts   size once copied
//! ```
//!
//! Each step recurses over what the one before it made, so each is looked at before the next.

mod absent;
pub(crate) mod functions;
mod ignored;
mod order;
pub(crate) mod plan;
mod show;
mod tree;

use datafusion::common::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{DescribeAlias, Statement as SqlStatement};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::dialect;
use crate::error::{Error, Position, Result};
use crate::limits::{LimitKind, Limits, ShapeLimits};
use crate::names;
use crate::request::Request;
use crate::variables::{self, Binding};

/// Parentheses, subqueries and the like inside each other.
pub(crate) const NESTING_MAX: usize = 50;

/// Parses a query with its names resolved, if it is one that only reads.
///
/// `is_lookup` tells a table that the session brings; `now_micros` is what values of variables such as `-P7D` are
/// told from.
pub(crate) fn parse(
    request: &Request,
    limits: &Limits,
    is_lookup: impl Fn(&str) -> bool,
    now_micros: i64,
) -> Result<Statement> {
    let text = request.sql.as_str();
    let text_bytes_max = limits.text_bytes;
    if text.len() > text_bytes_max {
        return Err(Error::exhausted(
            LimitKind::Text,
            format!("{text_bytes_max} bytes, the query has {}", text.len()),
        ));
    }
    let written_in = request.dialect.unwrap_or_default();
    let tokens = tokenise(request)?;
    count(&tokens, &limits.shape)?;
    let tokens = fill_in(tokens, request, now_micros, limits.shape.tokens)?;
    let second = second(&tokens);
    let mut parser = Parser::new(dialect::grammar(written_in))
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens);
    let statements = parser
        .parse_statements()
        .map_err(|error| Error::from(DataFusionError::SQL(Box::new(error), None)))?;
    let [statement] =
        <[SqlStatement; 1]>::try_from(statements).map_err(|statements| match statements.len() {
            0 => Error::invalid("there is no query"),
            count => Error::InvalidQuery {
                message: format!("one query at a time: there are {count} statements"),
                position: second,
                suggestion: None,
            },
        })?;
    let mut statement = show::as_query(statement, is_lookup)?;
    if !reads(&statement) {
        return Err(only_reads());
    }
    tree::check(&statement, &limits.shape)?;
    dialect::rewrite(written_in, &mut statement)?;
    crate::functions::complete(&mut statement);
    Ok(Statement::Statement(Box::new(statement)))
}

/// Where the second statement begins.
fn second(tokens: &[TokenWithSpan]) -> Option<Position> {
    let is_sign =
        |token: &&TokenWithSpan| !matches!(token.token, Token::SemiColon | Token::Whitespace(_));
    let rest = tokens.iter().skip_while(|token| !is_sign(token));
    let mut rest = rest.skip_while(|token| token.token != Token::SemiColon);
    let start = rest.find(is_sign)?.span.start;
    Some(Position {
        line: start.line,
        column: start.column,
    })
}

/// The text as it was written.
pub(crate) fn tokenise(request: &Request) -> Result<Vec<TokenWithSpan>> {
    let grammar = dialect::grammar(request.dialect.unwrap_or_default());
    Tokenizer::new(grammar, &request.sql)
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
        })
}

/// The text as it is parsed: with the values of its variables, and our names for what it names.
///
/// Every token has the place where it stands in what was written.
pub(crate) fn fill_in(
    tokens: Vec<TokenWithSpan>,
    request: &Request,
    now_micros: i64,
    tokens_max: usize,
) -> Result<Vec<TokenWithSpan>> {
    let binding = Binding {
        variables: &request.variables,
        dialect: request.dialect.unwrap_or_default(),
        now_micros,
        tokens_max,
    };
    let mut tokens = variables::bind(tokens, &binding)?;
    names::resolve(&mut tokens);
    Ok(tokens)
}

fn only_reads() -> Error {
    Error::invalid("only SELECT and EXPLAIN of a SELECT are allowed")
}

fn reads(statement: &SqlStatement) -> bool {
    match statement {
        SqlStatement::Query(_) => true,
        SqlStatement::Explain {
            statement,
            describe_alias: DescribeAlias::Explain,
            ..
        } => matches!(statement.as_ref(), SqlStatement::Query(_)),
        _ => false,
    }
}

/// Whatever the parser and we let through changes nothing.
pub(crate) fn verify(plan: &LogicalPlan) -> Result<()> {
    let options = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    options.verify_plan(plan).map_err(|_| only_reads())
}

/// The first look, at the tokens.
fn count(tokens: &[TokenWithSpan], limits: &ShapeLimits) -> Result<()> {
    let count = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .count();
    if count > limits.tokens {
        return Err(Error::exhausted(
            LimitKind::Shape,
            format!("{} words and signs, the query has {count}", limits.tokens),
        ));
    }
    let operators = tokens.iter().filter(|token| is_operator(token)).count();
    if operators > limits.operators {
        return Err(Error::exhausted(
            LimitKind::Operators,
            format!(
                "{}, the query has {operators}; `IN (…)` takes long lists as one",
                limits.operators
            ),
        ));
    }
    let sets = tokens
        .iter()
        .filter(|token| is_word(token, &["UNION", "INTERSECT", "EXCEPT", "MINUS"]))
        .count();
    if sets > limits.set_operations {
        return Err(Error::exhausted(
            LimitKind::Shape,
            format!(
                "{} of UNION, INTERSECT and EXCEPT, the query has {sets}",
                limits.set_operations
            ),
        ));
    }
    nests_little(tokens)
}

/// Words after which the parser reads a parenthesis or bracket in two ways, the second when the first fails.
const READ_TWICE: [&str; 20] = [
    "ARRAY",
    "CASE",
    "CAST",
    "CEIL",
    "CONVERT",
    "EXISTS",
    "EXTRACT",
    "FLOOR",
    "INTERVAL",
    "MAP",
    "MATCH",
    "NOT",
    "OVERLAY",
    "POSITION",
    "SAFE_CAST",
    "STRUCT",
    "SUBSTR",
    "SUBSTRING",
    "TRIM",
    "TRY_CAST",
];
/// How many of these may be inside each other: a mistake within is read twice as often with each.
const READ_TWICE_MAX: usize = 12;

fn nests_little(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut open = Vec::new();
    let mut depth = 0;
    let mut before: Option<&TokenWithSpan> = None;
    let signs = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)));
    for token in signs {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                let is_read_twice = before.is_some_and(|before| {
                    matches!(before.token, Token::LParen | Token::LBracket)
                        || is_word(before, &READ_TWICE)
                });
                depth += usize::from(is_read_twice);
                open.push(is_read_twice);
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth -= usize::from(open.pop().unwrap_or(false));
            }
            _ => {}
        }
        if depth > READ_TWICE_MAX {
            return Err(Error::exhausted(
                LimitKind::Nesting,
                format!("{READ_TWICE_MAX} of `CAST(…)`, `ARRAY[…]`, `((…))` and the like"),
            ));
        }
        before = Some(token);
    }
    Ok(())
}

/// Words that stand between or after operands, and so can make a chain.
const OPERATOR_WORDS: [&str; 27] = [
    "AND",
    "OR",
    "NOT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "MINUS",
    "JOIN",
    "APPLY",
    "PIVOT",
    "UNPIVOT",
    "MATCH_RECOGNIZE",
    "WHEN",
    "IS",
    "ISNULL",
    "NOTNULL",
    "LIKE",
    "ILIKE",
    "SIMILAR",
    "RLIKE",
    "REGEXP",
    "BETWEEN",
    "COLLATE",
    "DIV",
    "XOR",
    "OVERLAPS",
    "MEMBER",
];

fn is_word(token: &TokenWithSpan, words: &[&str]) -> bool {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => words
            .iter()
            .any(|known| word.value.eq_ignore_ascii_case(known)),
        _ => false,
    }
}

fn is_operator(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(_) => is_word(token, &OPERATOR_WORDS),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
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

    fn parsed(text: &str) -> Result<Statement> {
        let limits = Limits {
            text_bytes: TEXT_BYTES_MAX,
            ..Limits::default()
        };
        parse(&text.into(), &limits, |name| name == "iocs", 0)
    }

    fn refusal(text: &str) -> String {
        parsed(text).unwrap_err().to_string()
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
            "SHOW TABLES",
            "SHOW COLUMNS FROM m365_audit",
            "DESCRIBE M365Audit",
            "DESC iocs",
        ] {
            assert!(parsed(text).is_ok(), "{text}");
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
            "SELECT 1 INTO x",
            "SELECT * FROM (DELETE FROM m365_audit RETURNING id)",
            "SELECT 1 FOR UPDATE",
            "DESCRIBE SELECT 1",
            "EXPLAIN COPY m365_audit TO '/tmp/x'",
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
            "one query at a time: there are 2 statements (line 1, column 11)"
        );
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let long = format!("SELECT '{}'", "a".repeat(TEXT_BYTES_MAX));
        assert_eq!(
            refusal(&long),
            "the length limit of the query's text was reached: 100000 bytes, the query has 100009"
        );
        let chain = format!("SELECT 1{}", " + 1".repeat(1_000 + 1));
        assert!(
            refusal(&chain).starts_with("the limit of operators in one query was reached: 1000")
        );
        // A mistake within is not read a million times.
        for (open, close) in [("(", ")"), ("CAST(", " AS INT)"), ("ARRAY[", "]")] {
            let deep = format!("SELECT {}1 1{}", open.repeat(40), close.repeat(40));
            assert_eq!(
                refusal(&deep),
                "the limit of nesting in one query was reached: 12 of `CAST(…)`, `ARRAY[…]`, `((…))` and the like"
            );
        }
        let deep = format!("SELECT {}1{}", "abs(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(
            refusal(&deep),
            "the limit of nesting in one query was reached: 50 levels of parentheses and subqueries"
        );
        let list = format!("SELECT 1 WHERE 1 IN ({})", vec!["1"; 10_000].join(","));
        assert!(parsed(&list).is_ok());
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
