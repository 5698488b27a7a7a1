//! SHOW and DESCRIBE as queries of the session's own `information_schema`.

use datafusion::sql::sqlparser::ast::{
    ObjectName, Query, ShowStatementIn, ShowStatementOptions, Statement,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{TokenWithSpan, Tokenizer};

use crate::dialect::LakeDialect;
use crate::error::{Error, Result};
use crate::names;

/// What a statement that lists tables or columns asks for as a query; others as they are.
///
/// `is_lookup` tells a table that the session brings.
pub(crate) fn as_query(
    statement: Statement,
    is_lookup: impl Fn(&str) -> bool,
) -> Result<Statement> {
    match statement {
        Statement::ShowTables { show_options, .. } if is_plain(&show_options) => parsed(
            "SELECT table_name, table_type FROM information_schema.tables ORDER BY table_name",
        ),
        Statement::ShowColumns {
            show_options:
                ShowStatementOptions {
                    show_in:
                        Some(ShowStatementIn {
                            parent_name: Some(table),
                            ..
                        }),
                    filter_position: None,
                    ..
                },
            ..
        } => columns_of(&table, is_lookup),
        Statement::ExplainTable { table_name, .. } => columns_of(&table_name, is_lookup),
        Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCreate { .. } => Err(Error::invalid(
            "what can be shown: SHOW TABLES, SHOW COLUMNS FROM a table; \
             more is in information_schema.tables and information_schema.columns",
        )),
        other => Ok(other),
    }
}

fn is_plain(options: &ShowStatementOptions) -> bool {
    options.show_in.is_none() && options.filter_position.is_none() && options.starts_with.is_none()
}

fn columns_of(table: &ObjectName, is_lookup: impl Fn(&str) -> bool) -> Result<Statement> {
    let last = table.0.last().and_then(|part| part.as_ident());
    let name = last.map(|ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    });
    let name = name.unwrap_or_default();
    if !names::table_names().any(|known| known == name) && !is_lookup(&name) {
        return Err(Error::InvalidQuery {
            suggestion: names::closest(&name, names::table_names()).map(str::to_owned),
            message: format!("no table `{name}`"),
            position: None,
        });
    }
    // A known name: letters, digits and `_`.
    parsed(&format!(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
         WHERE table_name = '{name}' ORDER BY ordinal_position"
    ))
}

fn parsed(sql: &str) -> Result<Statement> {
    let query = |sql: &str| -> std::result::Result<Box<Query>, _> {
        let tokens = Tokenizer::new(&LakeDialect, sql).tokenize()?;
        // Without places: they would be told as places in the query that was asked.
        let tokens: Vec<TokenWithSpan> = tokens.into_iter().map(TokenWithSpan::wrap).collect();
        Parser::new(&LakeDialect)
            .with_tokens_with_locations(tokens)
            .parse_query()
    };
    query(sql)
        .map(Statement::Query)
        .map_err(|error| Error::internal(format!("`{sql}`: {error}")))
}
