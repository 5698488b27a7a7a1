//! `shell`: questions one after the other, with history and completion.

mod command;
mod edit;

use std::path::PathBuf;
use std::process::ExitCode;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use self::command::Line;
use self::edit::Words;
use super::{ask, open, queries, tables};
use crate::args::{self, Asked, Dialect, Filled, RowsFormat};
use crate::failure::Failure;
use crate::library::{Library, Request, Session};
use crate::output::{note, print, stdout_width};

const PROMPT: &str = "live-discover> ";
const HISTORY_FILE: &str = ".live_discover_history";
const HISTORY_LINES_MAX: usize = 10_000;

const HELP: &str = "\
SQL ends with a semicolon. Everything else begins with a backslash:
  \\tables                        the tables and views
  \\columns TABLE                 the columns of one
  \\queries [TACTIC]              the queries of the categories
  \\show ID                       what a query finds, its variables and its SQL
  \\run ID [NAME=VALUE …]         runs it
  \\from TIME, \\to TIME           records of which time: 2026-10-01, -P7D, all
  \\dialect datafusion|trino      the SQL that is understood
  \\help, \\quit
Tab completes; Ctrl-C stops a query; Ctrl-D ends the shell.
";

pub(crate) async fn run(location: &str, arguments: args::Shell) -> Result<ExitCode, Failure> {
    let asked = arguments.asked;
    if asked.output.is_some() {
        return Err(Failure::usage("a shell has many results")
            .with_hint("-o FILE is for `query` and `queries run`"));
    }
    ask::check(&asked)?;
    let lake = open(location).await?;
    let library = Library::load(&lake).await?;
    let session = ask::session(lake, &asked).await?;
    let mut editor = Some(editor(&library, &asked)?);
    let mut shell = Shell {
        session,
        library,
        asked,
        filled: Filled::default(),
        dialect: Dialect::Datafusion,
    };
    note("\\help lists the commands");
    loop {
        let (back, line) = read(editor.take()).await?;
        editor = Some(back);
        let text = match line {
            Ok(text) => text,
            // A line that is given up, not the shell.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(Failure::new(format!("could not read a line: {error}"))),
        };
        let done = tokio::select! {
            done = shell.answer(&text) => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::Cancelled),
        };
        match done {
            Ok(true) => {}
            Ok(false) => return Ok(ExitCode::SUCCESS),
            Err(failure) => {
                failure.report();
            }
        }
    }
}

type LineEditor = Editor<Words, FileHistory>;

fn editor(library: &Library, asked: &Asked) -> Result<LineEditor, Failure> {
    let failed = |error: ReadlineError| Failure::new(format!("could not start: {error}"));
    let config = Config::builder()
        .history_ignore_space(true)
        .max_history_size(HISTORY_LINES_MAX)
        .map_err(failed)?
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor = LineEditor::with_config(config).map_err(failed)?;
    let lookups = asked.lookups.iter().map(|(name, _)| name.as_str());
    editor.set_helper(Some(Words::new(library, lookups)));
    if let Some(file) = history_file() {
        // A first start has none.
        let _ = editor.load_history(&file);
    }
    Ok(editor)
}

fn history_file() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(HISTORY_FILE))
}

/// Waits for a line on a thread of its own: reading blocks.
async fn read(
    editor: Option<LineEditor>,
) -> Result<(LineEditor, Result<String, ReadlineError>), Failure> {
    let Some(mut editor) = editor else {
        return Err(Failure::new("the line editor is gone"));
    };
    let reading = tokio::task::spawn_blocking(move || {
        let line = editor.readline(PROMPT);
        if let (Ok(_), Some(file)) = (&line, history_file()) {
            // A shell without a history is better than none.
            let _ = editor.append_history(&file);
        }
        (editor, line)
    });
    reading
        .await
        .map_err(|error| Failure::new(format!("could not read a line: {error}")))
}

struct Shell {
    session: Session,
    library: Library,
    asked: Asked,
    /// The time range; variables come with each run.
    filled: Filled,
    dialect: Dialect,
}

impl Shell {
    /// False: that was the last line.
    async fn answer(&mut self, text: &str) -> Result<bool, Failure> {
        match command::parse(text)? {
            Line::Nothing => {}
            Line::Quit => return Ok(false),
            Line::Help => print(HELP)?,
            Line::Tables => {
                tables::tables(RowsFormat::Table)?;
            }
            Line::Columns(table) => {
                tables::columns(&table, RowsFormat::Table)?;
            }
            Line::Queries(wanted) => {
                queries::list(&self.library, &wanted)?;
            }
            Line::Show(id) => print(&queries::described(
                self.library.require(&id)?,
                stdout_width(),
            ))?,
            Line::From(time) => self.filled.from = Some(time),
            Line::To(time) => self.filled.to = Some(time),
            Line::Dialect(dialect) => self.dialect = dialect,
            Line::Run { id, variables } => {
                let query = self.library.require(&id)?;
                let filled = Filled {
                    variables,
                    ..self.filled.clone()
                };
                let request = ask::filled(Request::of(query), &filled)?;
                ask::ask(&self.session, request, &query.sql, &self.asked).await?;
            }
            Line::Sql(sql) => {
                let request = Request::new(&sql).with_dialect(self.dialect.into());
                let request = ask::filled(request, &self.filled)?;
                ask::ask(&self.session, request, &sql, &self.asked).await?;
            }
        }
        Ok(true)
    }
}
