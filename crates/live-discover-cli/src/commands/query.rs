//! `query`: one SELECT of the user's own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use super::{ask, open};
use crate::args::{self, Dialect};
use crate::failure::Failure;
use crate::library::{Dialect as Sql, Query, Request, TimeRange};

/// A text this long is no query; it would be read whole.
const TEXT_BYTES_MAX: u64 = 64 << 20;

pub(crate) async fn run(location: &str, arguments: args::Query) -> Result<ExitCode, Failure> {
    ask::check(&arguments.asked)?;
    let sql = text(arguments.sql, arguments.file.as_deref())?;
    let mut request = request(&sql, arguments.file.as_deref())?;
    if let Some(dialect) = arguments.dialect {
        request = request.with_dialect(dialect.into());
    }
    let request = ask::filled(request, &arguments.filled)?;
    let session = ask::session(open(location).await?, &arguments.asked).await?;
    ask::ask(&session, request, &sql, &arguments.asked).await?;
    Ok(ExitCode::SUCCESS)
}

/// A text with a header is a query of a category: the header declares its variables.
fn request(sql: &str, file: Option<&Path>) -> Result<Request, Failure> {
    let Some(file) = file.filter(|_| sql.starts_with("-- id:")) else {
        return Ok(Request::new(sql));
    };
    let query = Query::parse(sql)
        .map_err(|error| Failure::new(format!("`{}`, {error}", file.display())))?;
    Ok(Request::of(&query).with_range(TimeRange::all()))
}

impl From<Dialect> for Sql {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Datafusion => Self::DataFusion,
            Dialect::Trino => Self::Trino,
        }
    }
}

pub(super) fn text(sql: Option<String>, file: Option<&Path>) -> Result<String, Failure> {
    let Some(file) = file else {
        return Ok(sql.unwrap_or_default());
    };
    let unreadable = |error: io::Error| {
        Failure::new(format!(
            "could not read the query from `{}`: {error}",
            file.display()
        ))
    };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().take(TEXT_BYTES_MAX).read_to_string(&mut text)
    } else {
        File::open(file)
            .map_err(unreadable)?
            .take(TEXT_BYTES_MAX)
            .read_to_string(&mut text)
    };
    read.map_err(unreadable)?;
    Ok(text)
}
