//! `watch`: queries that report what arrives.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::{open, print_list, query};
use crate::args::{AddWatch, AdvanceWatch, RowsFormat, Watch};
use crate::failure::Failure;
use crate::library::{
    Advance, AdvanceOutcome, Engine, Error, Lake, Library, Limits, Lookup, NewWatch, Query,
    ResultWriter, TenantId, TenantScope, WatchStatus, WatchedQuery, Watches,
};
use crate::output::{Watched, note, print, stdout_width};
use crate::show::{self, Column, Grid};
use crate::units;

pub(crate) async fn run(location: &str, command: Watch) -> Result<ExitCode, Failure> {
    let engine = Engine::new(open(location).await?)?;
    match command {
        Watch::Add(new) => add(&engine, new).await?,
        Watch::List { tenant, format } => list(&engine, tenant, format).await?,
        Watch::Advance(wanted) => advance(&engine, wanted).await?,
        Watch::Remove { name, tenant } => {
            let tenant = one_tenant(engine.lake(), tenant).await?;
            watches(&engine, tenant, &[])?.remove(&name).await?;
            note(&format!("removed {name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(engine: &Engine, new: AddWatch) -> Result<(), Failure> {
    let tenant = one_tenant(engine.lake(), new.tenant).await?;
    let watches = watches(engine, tenant, &new.lookups)?;
    let mut watch = match (&new.id, &new.file) {
        (Some(id), _) => {
            let library = Library::load(engine.lake()).await?;
            let query = library.require(id)?;
            NewWatch::of(new.name.as_deref().unwrap_or(id), query)
        }
        (None, file) => of_file(file.as_deref(), new.name)?,
    };
    if let Some(dialect) = new.dialect {
        watch = watch.with_dialect(dialect.into());
    }
    let mut variables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in new.variables {
        variables.entry(name).or_default().push(value);
    }
    for (name, values) in variables {
        watch = watch.with_values(name, values);
    }
    if let Some(look_back) = new.look_back {
        watch = watch.with_look_back(look_back);
    }
    if !new.key.is_empty() {
        watch = watch.with_key(new.key);
    }
    if new.from_start {
        watch = watch.from_start();
    }
    let added = watches.add(watch).await?;
    let begins = if new.from_start {
        "the first record"
    } else {
        "the records that arrive from now on"
    };
    let look_back = if added.look_back.is_zero() {
        String::new()
    } else {
        let look_back = humantime::format_duration(added.look_back);
        format!("; looks back {look_back}")
    };
    note(&format!(
        "added {} for tenant {tenant}: begins with {begins}{look_back}",
        added.name
    ));
    Ok(())
}

/// A query file, or SQL alone.
fn of_file(file: Option<&Path>, name: Option<String>) -> Result<NewWatch, Failure> {
    let text = query::text(None, file)?;
    let file = file.unwrap_or(Path::new("-"));
    if text.starts_with("-- id:") {
        let query = Query::parse(&text)
            .map_err(|error| Failure::new(format!("`{}`, {error}", file.display())))?;
        let name = name.unwrap_or_else(|| query.id.clone());
        return Ok(NewWatch::of(name, &query));
    }
    let stem = file.file_stem().filter(|stem| *stem != "-");
    let name = name.or_else(|| stem.map(|stem| stem.to_string_lossy().into_owned()));
    let name = name.ok_or_else(|| Failure::usage("give the watch a name with --name"))?;
    Ok(NewWatch::sql(name, text))
}

async fn list(
    engine: &Engine,
    tenant: Option<TenantId>,
    format: RowsFormat,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for tenant in tenants(engine.lake(), tenant).await? {
        for status in watches(engine, tenant, &[])?.list().await? {
            rows.push(row(tenant, &status));
        }
    }
    if rows.is_empty() {
        note("no watches; `watch add` makes one");
    }
    let grid = Grid {
        columns: vec![
            Column::text("name"),
            Column::text("query"),
            Column::text("key"),
            Column::text("looks back"),
            Column::number("commit"),
            Column::number("waiting"),
            Column::text("tenant"),
        ],
        rows,
    };
    print_list(grid, format)
}

fn row(tenant: TenantId, status: &WatchStatus) -> Vec<Option<String>> {
    let watch = &status.watch;
    let query = match &watch.query {
        WatchedQuery::Query(query) => query.id.clone(),
        WatchedQuery::Sql(sql) => sql.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let look_back = (!watch.look_back.is_zero())
        .then(|| humantime::format_duration(watch.look_back).to_string());
    vec![
        Some(watch.name.clone()),
        Some(units::printable(&query).into_owned()),
        (!watch.key.is_empty()).then(|| watch.key.join(", ")),
        look_back,
        Some(status.evaluated_to.to_string()),
        (status.unacknowledged > 0).then(|| status.unacknowledged.to_string()),
        Some(tenant.to_string()),
    ]
}

async fn advance(engine: &Engine, wanted: AdvanceWatch) -> Result<(), Failure> {
    if wanted.all && wanted.format == RowsFormat::Csv {
        return Err(
            Failure::usage("one CSV has one header: watches have each their own")
                .with_hint("advance one watch, or take --format ndjson"),
        );
    }
    let mut chosen = Vec::new();
    match wanted.name {
        Some(name) => {
            let tenant = one_tenant(engine.lake(), wanted.tenant).await?;
            chosen.push((watches(engine, tenant, &wanted.lookups)?, name));
        }
        None => {
            for tenant in tenants(engine.lake(), wanted.tenant).await? {
                let watches = watches(engine, tenant, &wanted.lookups)?;
                for status in watches.list().await? {
                    chosen.push((watches.clone(), status.watch.name));
                }
            }
        }
    }
    if chosen.is_empty() {
        note("no watches; `watch add` makes one");
    }
    let count = chosen.len() as u64;
    let mut failed = 0;
    for (watches, name) in chosen {
        let watches = match wanted.take_over {
            true => watches.with_lease(Duration::ZERO),
            false => watches,
        };
        match catch_up(&watches, &name, wanted.format).await {
            // One that cannot go on does not keep the others.
            Err(failure @ Failure::Failed { .. }) if wanted.all => {
                note(&format!("{name}:"));
                let _ = failure.report();
                failed += 1;
            }
            outcome => outcome?,
        }
    }
    if failed > 0 {
        return Err(Failure::new(format!(
            "{} of {} could not be advanced",
            units::count(failed),
            units::counted(count, "watch", "watches")
        )));
    }
    Ok(())
}

/// Advances until there is nothing more. Results are acknowledged when they are written.
async fn catch_up(watches: &Watches, name: &str, format: RowsFormat) -> Result<(), Failure> {
    let mut out = Output::new(format);
    let mut found = 0;
    loop {
        let advance = watches.advance(name).await?;
        if let Some(results) = &advance.results {
            out.write(&advance, results)?;
            found += advance.ids.len() as u64;
        }
        watches.acknowledge(&advance).await?;
        match advance.outcome {
            AdvanceOutcome::Superseded => {
                note(&format!("{name}: somebody else has advanced it just now"));
                return Ok(());
            }
            AdvanceOutcome::HeldElsewhere { until_micros } => {
                note(&format!(
                    "{name}: results of another run are not confirmed; they are shown again from {} UTC on, or with \
                     --take-over",
                    units::time(until_micros)
                ));
                return Ok(());
            }
            _ => {}
        }
        if !advance.has_more {
            break;
        }
    }
    out.finish()?;
    note(&match found {
        0 => format!("{name}: nothing new"),
        found => format!(
            "{name}: {}",
            units::counted(found, "new result", "new results")
        ),
    });
    Ok(())
}

/// Results of one watch on standard output.
struct Output {
    format: RowsFormat,
    writer: Option<(ResultWriter<Watched<io::Stdout>>, Arc<AtomicBool>)>,
}

impl Output {
    fn new(format: RowsFormat) -> Self {
        Self {
            format,
            writer: None,
        }
    }

    fn write(&mut self, advance: &Advance, results: &RecordBatch) -> Result<(), Failure> {
        let Some(form) = self.format.form() else {
            let grid = show::grid(results.schema_ref(), std::slice::from_ref(results));
            let grid = grid.map_err(|error| {
                Failure::new(format!("the result cannot be shown: {error}"))
                    .with_hint("use --format ndjson")
            })?;
            return print(&grid.draw(stdout_width()));
        };
        let batch = labelled(advance, results)?;
        if self.writer.is_none() {
            let (out, is_closed) = Watched::new(io::stdout());
            self.writer = Some((ResultWriter::new(form, batch.schema(), out)?, is_closed));
        }
        match &mut self.writer {
            Some((writer, is_closed)) => closed(writer.write(&batch), is_closed),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self.writer {
            Some((writer, is_closed)) => closed(writer.finish(), &is_closed),
            None => Ok(()),
        }
    }
}

fn closed(written: Result<(), Error>, is_closed: &AtomicBool) -> Result<(), Failure> {
    match written {
        Err(_) if is_closed.load(Ordering::Relaxed) => Err(Failure::OutputClosed),
        written => Ok(written?),
    }
}

/// The results with the watch's name and their identities, by which a receiver knows what it has.
fn labelled(advance: &Advance, results: &RecordBatch) -> Result<RecordBatch, Failure> {
    let text = |name: &str| Arc::new(Field::new(name, DataType::Utf8, false));
    let mut fields = vec![text("watch"), text("result_id")];
    fields.extend(results.schema_ref().fields().iter().cloned());
    let names = StringArray::from(vec![advance.watch.as_str(); results.num_rows()]);
    let ids: StringArray = (advance.ids.iter())
        .map(|id| Some(id.to_string()))
        .collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(ids)];
    columns.extend(results.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Failure::new(format!("the result cannot be written: {error}")))
}

fn watches(
    engine: &Engine,
    tenant: TenantId,
    lookups: &[(String, String)],
) -> Result<Watches, Failure> {
    let scope = TenantScope::Only([tenant].into());
    let mut session = engine.session(scope, Limits::default());
    for (name, file) in lookups {
        session = session.with_lookup(name, Lookup::read(file)?)?;
    }
    Ok(Watches::new(session)?)
}

/// The tenant that is meant, or all of the lake.
async fn tenants(lake: &Lake, tenant: Option<TenantId>) -> Result<Vec<TenantId>, Failure> {
    match tenant {
        Some(tenant) => Ok(vec![tenant]),
        None => Ok(lake.tenants().await.map_err(Error::from)?),
    }
}

/// The tenant that is meant, or the only one of the lake.
async fn one_tenant(lake: &Lake, tenant: Option<TenantId>) -> Result<TenantId, Failure> {
    match tenants(lake, tenant).await?.as_slice() {
        [tenant] => Ok(*tenant),
        [] => Err(Failure::usage(
            "the lake has no tenant yet: say whose watch it is with --tenant ID",
        )),
        tenants => Err(Failure::usage(format!(
            "the lake has {} tenants: say whose watch it is with --tenant ID",
            tenants.len()
        ))
        .with_hint("`live-discover status` lists them")),
    }
}
