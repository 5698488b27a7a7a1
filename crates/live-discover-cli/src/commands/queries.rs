//! `queries` and `categories`: the queries that people pick.

use std::fmt::Write;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::{ask, open, print_list, program};
use crate::args::{self, ListQueries, Queries, RunQuery};
use crate::failure::Failure;
use crate::library::{
    Engine, Lake, Library, Limits, Query, RangeMode, Request, TenantScope, Variable,
};
use crate::output::{note, print, stdout_width};
use crate::show::{Column, Grid, wrap};
use crate::units;

pub(crate) async fn run(lake: Option<String>, command: Queries) -> Result<ExitCode, Failure> {
    match command {
        Queries::List(wanted) => list(&library(lake).await?, &wanted),
        Queries::Show { id } => show(&library(lake).await?, &id),
        Queries::Run(arguments) => ask_one(&args::required(lake), arguments).await,
        Queries::Import { files } => {
            let lake = open(&args::required(lake)).await?;
            for file in files {
                import(&lake, &file).await?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Queries::Export { id, output } => {
            let library = library(lake).await?;
            let text = library.require(&id)?.to_text();
            match output {
                None => print(&text)?,
                Some(file) => ask::write_whole(&file, |out| out.write_all(text.as_bytes()))?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Queries::Remove { id } => {
            let lake = open(&args::required(lake)).await?;
            Library::load(&lake).await?.remove(&id)?;
            Library::delete(&lake, &id).await?;
            note(&format!("removed {id}"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(crate) async fn categories(
    location: &str,
    arguments: args::Categories,
) -> Result<ExitCode, Failure> {
    let lake = open(location).await?;
    let scope = ask::scope(&lake, arguments.tenant).await?;
    let library = Library::load(&lake).await?;
    let session = Engine::new(lake)?.session(scope, Limits::default());
    let categories = session.categories(&library).await?;
    let rows = categories.iter().map(|category| {
        let queries = library.queries();
        let count = queries
            .filter(|query| query.category == category.id)
            .count();
        vec![
            Some(category.id.to_string()),
            Some(units::printable(&category.name).into_owned()),
            Some(count.to_string()),
            Some(units::printable(&category.description).into_owned()),
        ]
    });
    let grid = Grid {
        columns: vec![
            Column::text("id"),
            Column::text("name"),
            Column::number("queries"),
            Column::text("what it holds"),
        ],
        rows: rows.collect(),
    };
    if grid.rows.is_empty() {
        note("no category yet: they appear with an integration or the first records");
    }
    print_list(grid, arguments.format)?;
    Ok(ExitCode::SUCCESS)
}

/// The bundled queries, and where a lake is given those that are kept in it.
pub(super) async fn library(lake: Option<String>) -> Result<Library, Failure> {
    match lake.filter(|lake| !lake.is_empty()) {
        None => Ok(Library::new()),
        Some(lake) => Ok(Library::load(&open(&lake).await?).await?),
    }
}

pub(super) fn list(library: &Library, wanted: &ListQueries) -> Result<ExitCode, Failure> {
    let is_wanted = |query: &&Query| {
        (wanted.tactic.as_ref()).is_none_or(|tactic| query.tactics.contains(tactic))
            && (wanted.category.as_ref()).is_none_or(|category| query.category == *category)
    };
    let rows: Vec<_> = library
        .queries()
        .filter(is_wanted)
        .map(|query| {
            let severity = query.severity.map(|severity| severity.to_string());
            vec![
                Some(query.id.clone()),
                Some(units::printable(&query.name).into_owned()),
                severity,
                (!query.techniques.is_empty()).then(|| query.techniques.join(" ")),
            ]
        })
        .collect();
    let count = units::counted(rows.len() as u64, "query", "queries");
    let grid = Grid {
        columns: vec![
            Column::text("id"),
            Column::text("name"),
            Column::text("severity"),
            Column::text("techniques"),
        ],
        rows,
    };
    print_list(grid, wanted.format)?;
    note(&format!(
        "{count}; `{} queries show ID` tells more",
        program()
    ));
    Ok(ExitCode::SUCCESS)
}

fn show(library: &Library, id: &str) -> Result<ExitCode, Failure> {
    print(&described(library.require(id)?, stdout_width()))?;
    Ok(ExitCode::SUCCESS)
}

/// A query as people read it.
pub(super) fn described(query: &Query, width: usize) -> String {
    let mut text = format!(
        "{}\n\n{}\n\n",
        units::printable(&query.name),
        wrap(&units::printable(&query.description), width)
    );
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:<12}{}", units::printable(value));
        }
    };
    line("category", &query.category);
    let severity = query.severity.map(|severity| severity.to_string());
    line("severity", &severity.unwrap_or_default());
    line("tactics", &query.tactics.join(", "));
    line("techniques", &query.techniques.join(", "));
    for reference in &query.references {
        line("reference", reference);
    }
    line("time range", range_of(query.range));
    let variables = query.variables.iter().map(|variable| {
        vec![
            Some(variable.name.clone()),
            Some(type_of(variable)),
            Some(default_of(variable)),
            Some(variable.meaning.clone()),
        ]
    });
    let variables: Vec<_> = variables.collect();
    if !variables.is_empty() {
        let grid = Grid {
            columns: ["variable", "type", "default", "meaning"]
                .map(Column::text)
                .to_vec(),
            rows: variables,
        };
        let _ = write!(text, "\n{}", grid.draw_wrapped(width));
    }
    let columns = query.columns.iter().map(|column| {
        vec![
            Some(column.name.clone()),
            column.value_type.map(|value_type| value_type.to_string()),
            Some(column.meaning.clone()),
        ]
    });
    let grid = Grid {
        columns: ["column", "type", "meaning"].map(Column::text).to_vec(),
        rows: columns.collect(),
    };
    let _ = write!(
        text,
        "\n{}\n{}\n",
        grid.without_empty_columns().draw_wrapped(width),
        query.sql
    );
    text
}

fn range_of(mode: RangeMode) -> &'static str {
    match mode {
        RangeMode::EventTime => "by when it happened",
        RangeMode::IngestTime => "by when it arrived",
        RangeMode::Off => "none: the query has its own",
    }
}

fn type_of(variable: &Variable) -> String {
    let list = if variable.is_list { "list of " } else { "" };
    format!("{list}{}", variable.value_type)
}

fn default_of(variable: &Variable) -> String {
    match variable.default.as_slice() {
        [] if variable.is_optional => "none, may be left out".to_owned(),
        [] => "none, has to be given".to_owned(),
        values => values.join(", "),
    }
}

async fn ask_one(location: &str, arguments: RunQuery) -> Result<ExitCode, Failure> {
    ask::check(&arguments.asked)?;
    let lake = open(location).await?;
    let library = Library::load(&lake).await?;
    let query = library.require(&arguments.id)?;
    let request = ask::filled(Request::of(query), &arguments.filled)?;
    let session = ask::session(lake, &arguments.asked).await?;
    ask::ask(&session, request, &query.sql, &arguments.asked).await?;
    let filled = &arguments.filled;
    let is_told = filled.from.is_some() || filled.to.is_some() || filled.commits.is_some();
    if !is_told && query.range != RangeMode::Off {
        note(
            "over the last 24 hours; --from -P30D asks about 30 days, --from all about everything",
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(lake: &Lake, file: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("could not read `{}`: {error}", file.display())))?;
    let session = Engine::new(lake.clone())?.session(TenantScope::All, Limits::default());
    let query = session.check_file(&file.to_string_lossy(), &text).await?;
    let mut library = Library::load(lake).await?;
    library.insert(query.clone())?;
    Library::save(lake, &query).await?;
    note(&format!(
        "imported {} into the category {}",
        query.id, query.category
    ));
    Ok(())
}
