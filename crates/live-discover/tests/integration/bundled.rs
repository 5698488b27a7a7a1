//! Every bundled query on records that are planted for it, on near misses, and on quiet data.
//!
//! What is planted stands in `tests/planted/<id>.json`; [`planted`] tells the form. A query is one of two kinds:
//!
//! - a *detection* has a severity. It finds nothing in near misses and nothing on quiet data;
//! - an *overview* has none. It shows what there is.

mod docs;
mod planted;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{
    Clock, Engine, InternalNetworks, Lake, LakeOptions, Library, Limits, OutputFormat, Query,
    RangeMode, Request, Session, TenantScope, TimeRange, ValueType, write_result,
};
use serde_json::{Map, Value};

use self::planted::{Planted, Share};
use crate::fixture::tenant;

/// A row of a result: its values by the names of their columns.
type Row = Map<String, Value>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_query_finds_what_is_planted_and_no_near_miss() {
    let engine = planted_engine().await;
    let mut wrong = Vec::new();
    for query in Library::new().queries() {
        if let Err(message) = check_planted(&engine, query).await {
            wrong.push(format!("{}: {message}", query.id));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detections_find_nothing_on_quiet_data() {
    let folder = tempfile::tempdir().unwrap();
    let lake = memory_lake().await;
    let tenant_id = write_quiet_data(folder.path());
    let inputs = find_inputs(folder.path().to_str().unwrap()).await.unwrap();
    ingest(&lake, inputs, IngestOptions::default())
        .await
        .unwrap();
    let engine = engine(lake);
    let mut wrong = Vec::new();
    for query in Library::new().queries().filter(|query| is_detection(query)) {
        let planted = Planted::read(&query.id).unwrap();
        let session = session(&engine, &tenant_id, &QUIET_NETWORKS, &QUIET_DOMAINS);
        // As an analyst runs it; what has no default, as planted.
        let request = (query.variables.iter())
            .filter(|variable| variable.default.is_empty() && !variable.is_optional)
            .fold(everything(query), |request, variable| {
                planted.fill(request, &variable.name)
            });
        match run(&session, request).await {
            Ok((_, rows)) if rows.is_empty() => {}
            Ok((_, rows)) => wrong.push(format!("{}: {}", query.id, lines(&rows))),
            Err(error) => wrong.push(format!("{}: {error}", query.id)),
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

#[test]
fn a_detection_says_how_bad_it_is_and_where_to_read_more() {
    for query in Library::new().queries() {
        let id = &query.id;
        assert_eq!(is_detection(query), !query.tactics.is_empty(), "{id}");
        assert_eq!(is_detection(query), !query.techniques.is_empty(), "{id}");
        assert!(
            !is_detection(query) || !query.references.is_empty(),
            "{id}: no reference"
        );
        let sql = query.sql.to_ascii_uppercase();
        assert!(sql.contains("ORDER BY"), "{id}: rows in no order");
    }
}

#[test]
fn every_planted_file_is_of_a_query() {
    let library = Library::new();
    for id in planted::ids() {
        assert!(library.query(&id).is_some(), "planted/{id}.json");
    }
}

#[test]
fn docs_queries_is_current() {
    let library = Library::new();
    let pages = library.queries().map(|query| {
        // That these are the rows that the query has, the first test says.
        let planted = Planted::read(&query.id).unwrap();
        docs::page(query, &planted)
    });
    let pages: Vec<docs::Page> = std::iter::once(docs::overview(&library))
        .chain(pages)
        .collect();
    docs::check(&pages);
}

/// The query on its planted records: rows, columns, types, near misses, ranges.
async fn check_planted(engine: &Engine, query: &Query) -> Result<(), String> {
    let planted = Planted::read(&query.id)?;
    let session = planted_session(engine, &query.id, &planted, Share::All);
    let request = planted.request(query);
    let (schema, found) = run(&session, request.clone()).await?;
    check_types(query, &schema)?;
    check_values(query, &found)?;
    check_rows(&planted.expected, &found)?;
    if found.is_empty() {
        return Err("nothing is found in what is planted".to_owned());
    }
    if query.range == RangeMode::EventTime {
        let year = TimeRange::parse(Some("2026-01-01"), Some("2027-01-01")).unwrap();
        let (_, in_range) = run(&session, request.with_range(year)).await?;
        check_rows(&found, &in_range).map_err(|message| format!("with a range: {message}"))?;
    }
    if is_detection(query) {
        let session = planted_session(engine, &query.id, &planted, Share::Negative);
        if planted.negative.is_empty() {
            return Err("no near misses are planted".to_owned());
        }
        let (_, found) = run(&session, planted.request(query)).await?;
        if !found.is_empty() {
            return Err(format!("near misses are found:\n{}", lines(&found)));
        }
    }
    Ok(())
}

fn is_detection(query: &Query) -> bool {
    query.severity.is_some()
}

/// Whether a column's Arrow type can hold what the header says.
fn check_types(query: &Query, schema: &SchemaRef) -> Result<(), String> {
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let declared: Vec<&str> = query.columns.iter().map(|c| c.name.as_str()).collect();
    if names != declared {
        return Err(format!(
            "columns {names:?} where the header has {declared:?}"
        ));
    }
    for (column, field) in query.columns.iter().zip(schema.fields()) {
        let of_elements = match field.data_type() {
            DataType::List(element) => element.data_type(),
            data_type => data_type,
        };
        let is_right = match column.value_type {
            None => true,
            Some(ValueType::Integer) => of_elements.is_integer(),
            Some(ValueType::Double) => of_elements.is_floating(),
            Some(ValueType::Boolean) => *of_elements == DataType::Boolean,
            Some(ValueType::DateTime) => of_elements.is_temporal(),
            Some(_) => of_elements.is_string(),
        };
        if !is_right {
            return Err(format!("`{}` is {of_elements}", column.name));
        }
    }
    Ok(())
}

/// Whether the values are of the kind that the header says, so that a pivot leads somewhere.
fn check_values(query: &Query, rows: &[Row]) -> Result<(), String> {
    let texts = |value: &Value| match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    for column in &query.columns {
        let values: Vec<String> = rows
            .iter()
            .filter_map(|row| row.get(&column.name))
            .flat_map(texts)
            .collect();
        let is_kind = |text: &String| match column.value_type {
            Some(ValueType::Ip) => text.parse::<std::net::IpAddr>().is_ok(),
            Some(ValueType::Guid) => uuid::Uuid::try_parse(text).is_ok(),
            Some(ValueType::Url) => text.contains("://"),
            Some(ValueType::Domain) => text.contains('.') && !text.contains(['@', '/']),
            Some(ValueType::Sha256) => text.len() == 64,
            _ => true,
        };
        if let Some(value) = values.iter().find(|value| !is_kind(value)) {
            return Err(format!("`{}` holds `{value}`", column.name));
        }
    }
    Ok(())
}

/// Whether the rows are those expected, in their order, as far as their columns are named.
fn check_rows(expected: &[Row], found: &[Row]) -> Result<(), String> {
    let is_like = |expected: &Row, found: &Row| {
        (expected.iter()).all(|(name, value)| found.get(name).unwrap_or(&Value::Null) == value)
    };
    let are_like = expected.len() == found.len()
        && (expected.iter().zip(found)).all(|(expected, found)| is_like(expected, found));
    if are_like {
        return Ok(());
    }
    Err(format!(
        "expected:\n{}\nfound:\n{}",
        lines(expected),
        lines(found)
    ))
}

fn lines(rows: &[Row]) -> String {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| serde_json::to_string(row).unwrap())
        .collect();
    lines.join(",\n")
}

async fn run(session: &Session, request: Request) -> Result<(SchemaRef, Vec<Row>), String> {
    let stream = session
        .query(request)
        .await
        .map_err(|error| error.to_string())?;
    let schema = stream.schema();
    let mut text = Vec::new();
    write_result(stream, OutputFormat::Ndjson, &mut text)
        .await
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    Ok((schema, rows.collect()))
}

/// A request of the query over all time.
fn everything(query: &Query) -> Request {
    Request::of(query).with_range(TimeRange::all())
}

/// An engine over all that is planted: of each query two tenants, one with all records and one with the near misses.
async fn planted_engine() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let mut records = 0;
    for query in Library::new().queries() {
        // One that is missing or wrong is told by the check of its query.
        let Ok(planted) = Planted::read(&query.id) else {
            continue;
        };
        for share in [Share::All, Share::Negative] {
            let text = planted.ndjson(&query.id, share);
            records += text.lines().count() as u64;
            if !text.is_empty() {
                let file = format!("{}-{share:?}.ndjson", query.id);
                std::fs::write(folder.path().join(file), text).unwrap();
            }
        }
    }
    let lake = memory_lake().await;
    let inputs = find_inputs(folder.path().to_str().unwrap()).await.unwrap();
    let report = ingest(&lake, inputs, IngestOptions::default())
        .await
        .unwrap();
    assert_eq!((report.records(), report.rejects()), (records, 0));
    engine(lake)
}

async fn memory_lake() -> Lake {
    Lake::create_or_open("memory://bundled", LakeOptions::default())
        .await
        .unwrap()
}

/// An engine whose clock stands still after all that is planted.
fn engine(lake: Lake) -> Engine {
    #[derive(Debug)]
    struct Later;
    impl Clock for Later {
        fn now_micros(&self) -> i64 {
            // 2026-11-01T00:00:00Z
            1_793_491_200_000_000
        }
    }
    Engine::builder()
        .with_clock(Arc::new(Later))
        .build(lake)
        .unwrap()
}

fn planted_session(engine: &Engine, id: &str, planted: &Planted, share: Share) -> Session {
    session(
        engine,
        &planted::tenant_id(id, share),
        &planted.networks,
        &planted.domains,
    )
}

fn session<T: AsRef<str>>(
    engine: &Engine,
    tenant_id: &str,
    networks: &[T],
    domains: &[T],
) -> Session {
    let mut inside = InternalNetworks::default();
    for network in networks {
        inside = inside.with_network(network.as_ref()).unwrap();
    }
    for domain in domains {
        inside = inside.with_domain(domain.as_ref()).unwrap();
    }
    let scope = TenantScope::Only(BTreeSet::from([tenant(tenant_id)]));
    engine
        .session(scope, Limits::default())
        .with_internal_networks(inside)
}

/// The addresses of the generator's people: offices, homes and phones.
const QUIET_NETWORKS: [&str; 3] = ["192.0.2.0/24", "198.18.0.0/15", "2001:db8::/32"];

/// Where they all have their mail.
const QUIET_DOMAINS: [&str; 1] = ["onmicrosoft.com"];

/// What the generator's administrators do now and then. Nobody does on a quiet day: a detection of administration
/// rightly finds it. Nor does anybody change a second factor then.
const ADMINISTRATION: [&str; 8] = [
    "Add member to role.",
    "Consent to application.",
    "Update application – Certificates and secrets management ",
    "Add owner to group.",
    "Reset user password.",
    "Disable account.",
    "Add-MailboxPermission",
    "MemberRoleChanged",
];

/// A month of a small organisation where people work and nobody administers; returns its tenant.
fn write_quiet_data(folder: &std::path::Path) -> String {
    // The generator tells no story where a tenant has so few records.
    let mut generator = Generator::new(GeneratorOptions {
        records: 1_900,
        users: 40,
        days: 30,
        ..GeneratorOptions::default()
    });
    let tenant_id = generator.tenant_ids().next().unwrap().to_owned();
    let mut text = Vec::new();
    generator.write_ndjson(&mut text).unwrap();
    assert!(generator.stories().is_empty());
    let text = String::from_utf8(text).unwrap();
    let is_quiet = |line: &&str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let operation = record["Operation"].as_str().unwrap();
        !ADMINISTRATION.contains(&operation) && !line.contains("StrongAuthenticationMethod")
    };
    let quiet: Vec<&str> = text.lines().filter(is_quiet).collect();
    assert!(quiet.len() > 1_500);
    std::fs::write(folder.join("quiet.ndjson"), quiet.join("\n")).unwrap();
    tenant_id
}
