//! Statements that want to take the host down, each in `tests/hostile/*.sql` with what is expected of it.
//!
//! They run in a child process, so that one that succeeds is a failed test with its name. The child is this test
//! again, told so by its environment.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use live_discover::{Engine, EngineOptions, Error, Limits, TenantScope};

use crate::fixture::lake;

const CHILD: &str = "LIVE_DISCOVER_HOSTILE_CHILD";
const STATEMENTS_MIN: usize = 150;
/// Of the whole process, with what the test itself and the lake in memory take.
const PEAK_BYTES_MAX: u64 = 768 << 20;
/// For statements that have to be refused, whatever else the machine does.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);
/// For statements that may run.
const RUN_WITHIN: Duration = Duration::from_millis(300);

#[derive(Debug)]
struct Statement {
    /// File and line.
    place: String,
    expected: Expected,
    sql: String,
}

#[derive(Debug)]
enum Expected {
    /// An error of the query's or of a limit but time, with these words.
    Refused(String),
    /// Any answer or error but a defect of ours.
    WithinLimits,
}

#[test]
fn the_host_survives_the_corpus() {
    if std::env::var_os(CHILD).is_some() {
        return run_corpus();
    }
    let statements = corpus();
    assert!(statements.len() >= STATEMENTS_MIN, "{}", statements.len());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "hostile::the_host_survives_the_corpus",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What panics print, read beside the rest so that neither pipe fills.
    let mut stderr = child.stderr.take().unwrap();
    let stderr = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut stderr, &mut text).map(|_| text)
    });
    let mut last = String::new();
    let mut done = 0;
    let mut failures = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test's own output may stand before a line of ours.
        if let Some((_, place)) = line.split_once("start ") {
            place.clone_into(&mut last);
        } else if line.starts_with("done ") {
            done += 1;
        } else if let Some(failure) = line.strip_prefix("failed ") {
            done += 1;
            writeln!(failures, "{last}: {failure}").unwrap();
        }
    }
    let status = child.wait().unwrap();
    let stderr = stderr.join().unwrap().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    let (end, _) = stderr.split_at(stderr.floor_char_boundary(stderr.len().min(2_000)));
    assert!(
        done == statements.len() && failures.is_empty() && status.success(),
        "{done} of {} statements, the last was {last}; {status}\n{failures}\n{end}",
        statements.len()
    );
}

/// In the child: every statement, with a line before and after it.
fn run_corpus() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(32 << 20)
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let options = EngineOptions {
            memory_bytes: 128 << 20,
            spill_bytes: 64 << 20,
            parallelism: Some(2),
            ..EngineOptions::default()
        };
        let engine = Engine::builder()
            .with_options(options)
            .with_runtime(handle.clone())
            .build(lake().await)
            .unwrap();
        let mut peak = 0;
        for statement in corpus() {
            println!("start {}", statement.place);
            let outcome = outcome(&engine, &handle, &statement).await;
            let before = std::mem::replace(&mut peak, peak_bytes().unwrap_or(0));
            match outcome {
                Err(failure) => println!("failed {failure}"),
                Ok(()) if before <= PEAK_BYTES_MAX && peak > PEAK_BYTES_MAX => {
                    println!("failed the process took {peak} bytes, {before} before");
                }
                Ok(()) => println!("done {peak}"),
            }
        }
    });
}

async fn outcome(
    engine: &Engine,
    runtime: &tokio::runtime::Handle,
    statement: &Statement,
) -> Result<(), String> {
    let duration = match statement.expected {
        Expected::Refused(_) => REFUSED_WITHIN,
        Expected::WithinLimits => RUN_WITHIN,
    };
    let limits = Limits {
        memory_bytes: 64 << 20,
        duration,
        rows: 100_000,
        bytes: 64 << 20,
        ..Limits::default()
    };
    let session = engine.session(TenantScope::All, limits);
    let answer = async {
        let mut stream = session.query(statement.sql.as_str()).await?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        Ok(())
    };
    let answer = answer.await;
    match (&statement.expected, answer) {
        (Expected::WithinLimits, Ok(())) => {}
        (
            Expected::WithinLimits,
            Err(
                Error::InvalidQuery { .. }
                | Error::ResourcesExhausted { .. }
                | Error::TimedOut { .. },
            ),
        ) => {}
        (
            Expected::Refused(words),
            Err(error @ (Error::InvalidQuery { .. } | Error::ResourcesExhausted { .. })),
        ) if error.to_string().contains(words.as_str()) => {}
        (_, answer) => {
            return Err(format!("expected {:?}, got {answer:?}", statement.expected));
        }
    }
    // It is over: nothing of it goes on, whether it waits or not.
    for _ in 0..400 {
        if runtime.metrics().num_alive_tasks() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let tasks = runtime.metrics().num_alive_tasks();
    if tasks > 0 {
        return Err(format!("{tasks} tasks go on after the end"));
    }
    Ok(())
}

/// The most memory that the process had, where the system tells.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

fn corpus() -> Vec<Statement> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().flat_map(|path| statements(path)).collect()
}

/// The statements of a file: each from a line `-- expect: …` to the next.
fn statements(path: &Path) -> Vec<Statement> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    let mut statements: Vec<Statement> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(expected) = line.strip_prefix("-- expect: ") {
            statements.push(Statement {
                place: format!("{name}:{}", number + 1),
                expected: match expected.split_once("refused ") {
                    Some(("", words)) => Expected::Refused(words.to_owned()),
                    _ => {
                        assert_eq!(expected, "within limits", "{name}:{}", number + 1);
                        Expected::WithinLimits
                    }
                },
                sql: String::new(),
            });
        } else if let Some(statement) = statements.last_mut() {
            statement.sql.push_str(&filled(line));
            statement.sql.push('\n');
        }
    }
    statements
}

/// A line with `{repeat 3 "x{n}"}` as `x1x2x3`; `{m}` is the number before.
fn filled(line: &str) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("{repeat ") {
        let (count, after) = after.split_once(" \"").unwrap();
        let (repeated, after) = after.split_once("\"}").unwrap();
        text.push_str(before);
        for number in 1..=count.parse::<usize>().unwrap() {
            let numbered = repeated.replace("{n}", &number.to_string());
            text.push_str(&numbered.replace("{m}", &(number - 1).to_string()));
        }
        rest = after;
    }
    text.push_str(rest);
    text
}
