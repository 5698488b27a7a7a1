//! Whether a query is what its header says.

use audit_schema::{Query, ValueType};

use super::read;
use crate::error::{Error, Position, Result};
use crate::range::TimeRange;
use crate::request::Request;
use crate::session::Session;

impl Session {
    /// Reads a query file and checks it as [`Session::check`] does; errors name the file and the line in it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] for what is wrong.
    pub async fn check_file(&self, file: &str, text: &str) -> Result<Query> {
        let query = read(file, text)?;
        let lines_before = text
            .find(&query.sql)
            .and_then(|start| text.get(..start))
            .map_or(0, |header| header.matches('\n').count() as u64);
        self.check(&query).await.map_err(|error| match error {
            Error::InvalidQuery {
                message,
                position,
                suggestion,
            } => Error::InvalidQuery {
                message: format!("`{file}`: {message}"),
                position: position.map(|position| Position {
                    line: position.line + lines_before,
                    column: position.column,
                }),
                suggestion,
            },
            other => other,
        })?;
        Ok(query)
    }

    /// Plans a query, with and without its optional variables, and compares its columns with the header's. Reads no
    /// data.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] for what is wrong.
    pub async fn check(&self, query: &Query) -> Result<()> {
        for with_optional in [true, false] {
            let request = (query.variables.iter())
                .fold(Request::of(query).without_data(), |request, variable| {
                    if variable.is_optional && !with_optional {
                        return request.with_variable(&variable.name, "");
                    }
                    let value = (variable.default.first())
                        .or(variable.allowed.first())
                        .map_or(sample(variable.value_type), String::as_str);
                    request.with_variable(&variable.name, value)
                })
                .with_range(TimeRange::default());
            let schema = self.schema(request).await?;
            let found: Vec<&str> = (schema.fields().iter())
                .map(|field| field.name().as_str())
                .collect();
            let declared: Vec<&str> = (query.columns.iter())
                .map(|column| column.name.as_str())
                .collect();
            if found != declared {
                return Err(Error::invalid(format!(
                    "the header has the columns {}, the result {}",
                    declared.join(", "),
                    found.join(", ")
                )));
            }
        }
        Ok(())
    }
}

/// A value that every variable of the type takes.
const fn sample(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Integer | ValueType::Double => "1",
        ValueType::Boolean => "true",
        ValueType::DateTime => "2024-01-31",
        ValueType::Ip => "192.0.2.1",
        ValueType::Url => "https://example.com/",
        ValueType::Domain => "example.com",
        ValueType::Sha256 => "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ValueType::Guid => "00000000-0000-0000-0000-000000000000",
        _ => "x",
    }
}
