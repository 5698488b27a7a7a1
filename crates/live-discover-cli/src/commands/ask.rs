//! Asks a request, and brings its result to the terminal or a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

use crate::args::{Asked, Filled, Format, Scope};
use crate::failure::Failure;
use crate::library::{
    Engine, EngineOptions, Error, Lake, LimitKind, Limits, Lookup, OutputFormat, QueryStream,
    Request, Session, TenantId, TenantScope, TimeRange, write_result,
};
use crate::output::{Watched, note, print, stdout_width};
use crate::show::{self, Grid};
use crate::units;

/// Rows of a table where nothing else is said: a table is for reading, and its widths need all of its rows.
const TABLE_ROWS_MAX: u64 = 1_000;

/// As good as none; Ctrl-C is at hand.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Tenants named in an error.
const NAMED_MAX: usize = 5;

const BUFFER_BYTES: usize = 64 << 10;

/// A session on a lake, with what the arguments say.
pub(super) async fn session(lake: Lake, asked: &Asked) -> Result<Session, Failure> {
    let scope = scope(&lake, asked.tenant).await?;
    let table_rows = (format(asked) == Format::Table).then_some(TABLE_ROWS_MAX);
    let limits = Limits {
        memory_bytes: asked.memory,
        duration: asked.timeout.unwrap_or(TIMEOUT_MAX).min(TIMEOUT_MAX),
        rows: asked.max_rows.or(table_rows).unwrap_or(u64::MAX),
        ..Limits::default()
    };
    let default = EngineOptions::default();
    let options = EngineOptions {
        // Of an engine's memory one query that sorts has a little more than a fifth to itself.
        memory_bytes: (default.memory_bytes).max(asked.memory.saturating_mul(32) / 7),
        ..default
    };
    let engine = Engine::builder().with_options(options).build(lake)?;
    let mut session = engine.session(scope, limits);
    for (name, file) in &asked.lookups {
        session = session.with_lookup(name, Lookup::read(file)?)?;
    }
    Ok(session)
}

/// Gives a request its values and its range; nothing said of the range leaves the request's own.
pub(super) fn filled(mut request: Request, filled: &Filled) -> Result<Request, Failure> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &filled.variables {
        values.entry(name).or_default().push(value);
    }
    for (name, values) in values {
        request = request.with_values(name, values);
    }
    if filled.from.is_some() || filled.to.is_some() {
        let range = TimeRange::parse(filled.from.as_deref(), filled.to.as_deref())?;
        request = request.with_range(range);
    }
    if let Some((from, to)) = filled.commits {
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        request = request.with_commits((from, to));
    }
    Ok(request)
}

/// Whether the arguments ask for something that cannot be: told before any work is done.
pub(super) fn check(asked: &Asked) -> Result<(), Failure> {
    refuse_binary_on_terminal(format(asked), asked.output.as_deref())
}

/// Asks, and shows or writes what comes. `sql` is the text as people know it.
pub(super) async fn ask(
    session: &Session,
    request: Request,
    sql: &str,
    asked: &Asked,
) -> Result<(), Failure> {
    let started = Instant::now();
    let stream = session.query(request).await?;
    let shown = match form(format(asked)) {
        None => show_table(stream, sql, asked.output.as_deref()).await?,
        Some(form) => write(stream, form, asked.output.as_deref(), asked.max_rows).await?,
    };
    let place = match &asked.output {
        Some(file) => format!(" in {}", file.display()),
        None => String::new(),
    };
    let read = shown
        .read
        .map(|read| format!("{read}, "))
        .unwrap_or_default();
    note(&format!(
        "{}{place} ({read}{})",
        units::counted(shown.rows, "row", "rows"),
        units::elapsed(started.elapsed())
    ));
    if shown.is_cut {
        let advice = match asked.max_rows {
            None => "; --max-rows N shows more, --format csv -o FILE keeps all",
            Some(_) => "",
        };
        note(&format!(
            "note: stopped after {}, there are more{advice}",
            units::counted(shown.rows, "row", "rows")
        ));
    }
    Ok(())
}

/// What came out.
struct Shown {
    rows: u64,
    /// Whether the row limit ended it.
    is_cut: bool,
    /// Files and bytes that were read, where that is known.
    read: Option<String>,
}

async fn show_table(
    mut stream: QueryStream,
    sql: &str,
    file: Option<&Path>,
) -> Result<Shown, Failure> {
    let mut batches = Vec::new();
    let mut rows = 0;
    let mut is_cut = false;
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => {
                rows += batch.num_rows() as u64;
                batches.push(batch);
            }
            Err(Error::ResourcesExhausted {
                limit: LimitKind::Rows,
                ..
            }) => is_cut = true,
            Err(error) => return Err(error.into()),
        }
    }
    let progress = stream.progress();
    let text = table(&stream.schema(), &batches, sql, stdout_width())?;
    match file {
        None => print(&text)?,
        Some(file) => write_whole(file, |out| out.write_all(text.as_bytes()))?,
    }
    let read = format!(
        "{} of {}, {} read",
        units::count(progress.files_planned),
        units::counted(progress.files_total, "file", "files"),
        units::size(progress.bytes_scanned)
    );
    Ok(Shown {
        rows,
        is_cut,
        read: (progress.files_total > 0).then_some(read),
    })
}

/// The rows as a table; the plan of an EXPLAIN as it is.
fn table(
    schema: &Schema,
    batches: &[RecordBatch],
    sql: &str,
    width: usize,
) -> Result<String, Failure> {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    if names.eq(["plan_type", "plan"]) {
        return show::plans(batches).map_err(unshown);
    }
    Ok(grid(schema, batches, sql)?.draw(width))
}

/// The rows as texts; where all columns were asked for, without the empty ones.
pub(super) fn grid(schema: &Schema, batches: &[RecordBatch], sql: &str) -> Result<Grid, Failure> {
    let grid = show::grid(schema, batches).map_err(unshown)?;
    Ok(if show::asks_for_all_columns(sql) {
        grid.without_empty_columns()
    } else {
        grid
    })
}

fn unshown(error: ArrowError) -> Failure {
    Failure::new(format!("the result cannot be shown: {error}")).with_hint("use --format ndjson")
}

async fn write(
    stream: QueryStream,
    form: OutputFormat,
    file: Option<&Path>,
    rows_max: Option<u64>,
) -> Result<Shown, Failure> {
    let rows = match file {
        None => {
            let (out, is_closed) = Watched::new(io::stdout());
            let written =
                write_result(stream, form, BufWriter::with_capacity(BUFFER_BYTES, out)).await;
            if is_closed.load(Ordering::Relaxed) {
                return Err(Failure::OutputClosed);
            }
            written
        }
        Some(file) => {
            let (out, partial) = create(file)?;
            let written =
                write_result(stream, form, BufWriter::with_capacity(BUFFER_BYTES, out)).await;
            match &written {
                Ok(_)
                | Err(Error::ResourcesExhausted {
                    limit: LimitKind::Rows,
                    ..
                }) => partial.keep()?,
                Err(_) => drop(partial),
            }
            written
        }
    };
    match rows {
        Ok(rows) => Ok(Shown {
            rows,
            is_cut: false,
            read: None,
        }),
        Err(Error::ResourcesExhausted {
            limit: LimitKind::Rows,
            ..
        }) => Ok(Shown {
            rows: rows_max.unwrap_or_default(),
            is_cut: true,
            read: None,
        }),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn write_whole(
    file: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Failure> {
    let (mut out, partial) = create(file)?;
    write(&mut out)
        .map_err(|error| Failure::new(format!("could not write `{}`: {error}", file.display())))?;
    partial.keep()
}

/// A file that has its name only once it is whole; removed if it does not get there.
struct Partial {
    partial: Option<PathBuf>,
    file: PathBuf,
}

fn create(file: &Path) -> Result<(File, Partial), Failure> {
    // A pipe or a device is written to as it is.
    let is_special = std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file());
    let partial = (!is_special).then(|| {
        let mut name = file.as_os_str().to_owned();
        name.push(".partial");
        PathBuf::from(name)
    });
    let out = File::create(partial.as_deref().unwrap_or(file));
    let out = out
        .map_err(|error| Failure::new(format!("could not write `{}`: {error}", file.display())))?;
    Ok((
        out,
        Partial {
            partial,
            file: file.to_owned(),
        },
    ))
}

impl Partial {
    fn keep(mut self) -> Result<(), Failure> {
        let Some(partial) = self.partial.take() else {
            return Ok(());
        };
        std::fs::rename(&partial, &self.file).map_err(|error| {
            Failure::new(format!(
                "could not write `{}`: {error}",
                self.file.display()
            ))
        })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // It is of no use, and no harm either.
            let _ = std::fs::remove_file(partial);
        }
    }
}

/// As asked for, or by the ending of the file.
fn format(asked: &Asked) -> Format {
    if let Some(format) = asked.format {
        return format;
    }
    let ending = asked.output.as_deref().and_then(Path::extension);
    match ending.and_then(|ending| ending.to_str()) {
        Some("csv") => Format::Csv,
        Some("ndjson" | "jsonl" | "json") => Format::Ndjson,
        Some("parquet") => Format::Parquet,
        Some("arrow" | "arrows" | "ipc") => Format::Arrow,
        _ => Format::Table,
    }
}

/// The library's form of a format; tables are made here.
fn form(format: Format) -> Option<OutputFormat> {
    match format {
        Format::Table => None,
        Format::Csv => Some(OutputFormat::Csv),
        Format::Ndjson => Some(OutputFormat::Ndjson),
        Format::Parquet => Some(OutputFormat::Parquet),
        Format::Arrow => Some(OutputFormat::ArrowIpc),
    }
}

fn refuse_binary_on_terminal(format: Format, file: Option<&Path>) -> Result<(), Failure> {
    if matches!(format, Format::Parquet | Format::Arrow)
        && file.is_none()
        && io::stdout().is_terminal()
    {
        return Err(Failure::usage("this form is not for a terminal")
            .with_hint("say where with -o FILE, or pipe it on"));
    }
    Ok(())
}

pub(super) async fn scope(lake: &Lake, scope: Scope) -> Result<TenantScope, Failure> {
    let Scope::One(tenant) = scope else {
        return Ok(TenantScope::All);
    };
    let tenants = lake.tenants().await.map_err(Error::from)?;
    if tenants.contains(&tenant) {
        return Ok(TenantScope::Only([tenant].into()));
    }
    let failure = Failure::new(format!("the lake has nothing of tenant {tenant}"));
    Err(match tenants.as_slice() {
        [] => failure.with_hint("it holds no records at all yet"),
        _ => failure.with_hint(format!("it has {}", named(&tenants))),
    })
}

fn named(tenants: &[TenantId]) -> String {
    let names: Vec<String> = tenants
        .iter()
        .take(NAMED_MAX)
        .map(TenantId::to_string)
        .collect();
    match tenants
        .len()
        .checked_sub(NAMED_MAX)
        .filter(|more| *more > 0)
    {
        Some(more) => format!("{} and {more} more", names.join(", ")),
        None => names.join(", "),
    }
}
