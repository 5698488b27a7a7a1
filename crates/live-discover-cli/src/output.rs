//! Standard output and standard error, where the other end may be gone at any time.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// Columns of a table where there is no terminal to ask.
const WIDTH_DEFAULT: usize = 100;
/// Narrower than this nothing can be shown.
const WIDTH_MIN: usize = 20;

/// A line for people, on standard error. Nobody is left to tell if that fails.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Text on standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::new(format!("could not write to standard output: {error}")),
    })
}

/// Columns of the terminal that standard output goes to.
pub(crate) fn stdout_width() -> usize {
    stdout_columns().unwrap_or(WIDTH_DEFAULT)
}

/// Columns of a list. Where nothing says how many there are, programs read it: its cells stay whole.
pub(crate) fn list_width() -> usize {
    stdout_columns().unwrap_or(usize::MAX)
}

fn stdout_columns() -> Option<usize> {
    columns(&console::Term::stdout(), io::stdout().is_terminal())
}

/// Columns of the terminal that standard error goes to.
pub(crate) fn stderr_width() -> usize {
    columns(&console::Term::stderr(), io::stderr().is_terminal()).unwrap_or(WIDTH_DEFAULT)
}

/// Columns of a terminal, else those that the environment says.
fn columns(terminal: &console::Term, is_terminal: bool) -> Option<usize> {
    let size = terminal.size_checked().filter(|_| is_terminal);
    let of_terminal = size.map(|(_, columns)| usize::from(columns));
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    of_terminal
        .or_else(said)
        .map(|columns: usize| columns.max(WIDTH_MIN))
}

/// A writer that remembers whether its reader went away: libraries report that as one error among others.
pub(crate) struct Watched<W> {
    inner: W,
    is_closed: Arc<AtomicBool>,
}

impl<W> Watched<W> {
    pub(crate) fn new(inner: W) -> (Self, Arc<AtomicBool>) {
        let is_closed = Arc::new(AtomicBool::new(false));
        let watched = Self {
            inner,
            is_closed: Arc::clone(&is_closed),
        };
        (watched, is_closed)
    }

    fn watch<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && error.kind() == ErrorKind::BrokenPipe
        {
            self.is_closed.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.inner.write(bytes);
        self.watch(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.inner.flush();
        self.watch(outcome)
    }
}
