//! Watches: saved queries that a host's scheduler advances over the records that arrive.
//!
//! ```text
//!  advance: state v ─► next commits ─► evaluate ─► put state v + 1 where none is ─► results ─► acknowledge: v + 2
//!                                                  └ somebody else was first: theirs count, ours are dropped
//! ```
//!
//! Why this is right is in `docs/decisions/0009-watches.md`.

mod definition;
mod evaluate;
mod identity;
mod state;
mod window;

use std::time::Duration;

use arrow::array::RecordBatch;
use audit_lake::{Change, DocumentKind, Documents, Lake, TableName, TenantId, micros};

pub use definition::{NewWatch, Watch, WatchedQuery};
pub use identity::ResultId;
pub use window::CommitWindow;

use self::identity::Identify;
use self::state::{Pending, State};
use crate::catalog::TenantScope;
use crate::error::{Error, Result};
use crate::session::Session;

/// The look-back of a query that compares records, where the watch says nothing.
const LOOK_BACK_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// How long results stay with a host that took them and is not heard of.
const LEASE_DEFAULT: Duration = Duration::from_secs(300);
/// Records of one advance, where the host says nothing.
const RECORDS_DEFAULT: u64 = 5_000_000;
/// How often a change is tried that others come before.
const CHANGES_MAX: usize = 5;

/// The watches of one tenant.
///
/// # What a host can rely on
///
/// - Each record is evaluated once, in the commits in which it arrived, however late it is.
/// - A result is reported once: not for another advance, an overlap, a crash or a second host. One that goes away and
///   comes back is known among the last 20,000 reported.
/// - Results are kept until they are [acknowledged](Watches::acknowledge). A host that dies before that, or forgets
///   it, gets the same results again, with the same identities; another host gets them when the
///   [lease](Watches::with_lease) is over. Nothing new is evaluated meanwhile.
/// - An advance that fails has changed nothing: the same records are evaluated next time.
///
/// Hosts may advance the same watch at any time; one of them gets the results. Their clocks only have to agree well
/// within the lease.
#[derive(Debug, Clone)]
pub struct Watches {
    session: Session,
    tenant: TenantId,
    host: String,
    lease: Duration,
    records_max: u64,
}

/// A watch and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchStatus {
    /// The watch.
    pub watch: Watch,
    /// The last commit of `m365_audit` whose records were evaluated; -1 if none was.
    pub evaluated_to: i64,
    /// Results that were handed out and not acknowledged.
    pub unacknowledged: usize,
}

/// What an advance gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Advance {
    /// The watch's name.
    pub watch: String,
    /// What happened.
    pub outcome: AdvanceOutcome,
    /// The commits whose records were evaluated, where some were.
    pub window: Option<CommitWindow>,
    /// The new results; `None` if there are none. Texts are `Utf8`.
    pub results: Option<RecordBatch>,
    /// Their identities, one a row.
    pub ids: Vec<ResultId>,
    /// Whether the next advance, after these results are acknowledged, may bring more at once.
    pub has_more: bool,
    claim: Option<String>,
}

/// What happened in an advance. None of it is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdvanceOutcome {
    /// The window's records were evaluated; there may be results.
    Advanced,
    /// Results of an earlier advance that nobody acknowledged: the same again.
    Redelivered,
    /// No records have arrived.
    CaughtUp,
    /// Another host advanced the watch at the same time, and has the results.
    Superseded,
    /// Another host has results of an earlier advance and has not acknowledged them yet.
    HeldElsewhere {
        /// When they are handed out again, in µs since 1970.
        until_micros: i64,
    },
}

impl Watches {
    /// The watches of the tenant that a session sees. They see its lookup tables and have its limits.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] for a session of several tenants: a watch belongs to one.
    pub fn new(session: Session) -> Result<Self> {
        let tenant = match session.scope() {
            TenantScope::Only(tenants) if tenants.len() == 1 => tenants.first().copied(),
            _ => None,
        };
        let tenant = tenant.ok_or_else(|| {
            Error::invalid("a watch belongs to one tenant: ask for it in a session of that tenant")
        })?;
        let host = session.shared().lake.ids().next_id().to_string();
        Ok(Self {
            session,
            tenant,
            host,
            lease: LEASE_DEFAULT,
            records_max: RECORDS_DEFAULT,
        })
    }

    /// Names the host, which has another name each time otherwise. One that starts again under its name gets the
    /// results that it had not acknowledged without waiting for the lease's end. No two hosts may have the same name.
    pub fn with_host(mut self, name: impl Into<String>) -> Self {
        self.host = name.into();
        self
    }

    /// Sets how long other hosts leave results to the one that took them; five minutes otherwise.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how many records one advance evaluates, as far as commits allow: a long pause is made up for in steps.
    /// Five million otherwise.
    pub fn with_records_per_advance(mut self, records: u64) -> Self {
        self.records_max = records;
        self
    }

    /// Adds a watch. It begins with the records that arrive from now on, unless it says otherwise.
    ///
    /// The query's outermost `LIMIT` does not count: a watch reports every result.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if the query cannot be planned with its variables, has not the key's columns or does not
    /// read `m365_audit`, and if there is a watch of that name; what the store says.
    pub async fn add(&self, new: NewWatch) -> Result<Watch> {
        let mut watch = new.watch;
        let traits = self
            .session
            .inspect(watch.request(), evaluate::traits)
            .await?;
        if traits.is_explain {
            return Err(Error::invalid("a watch asks a query, not for its plan"));
        }
        if !traits.reads_records {
            return Err(Error::invalid(
                "a watch looks at the records that arrive: its query has to read m365_audit or a view of it",
            ));
        }
        for name in &mut watch.key {
            let column = identity::column(&traits.schema, name)?;
            traits.schema.field(column).name().clone_into(name);
        }
        Identify::new(self.tenant, &watch, &traits.schema)?;
        watch.look_back = new.look_back.unwrap_or(if traits.is_row_wise {
            Duration::ZERO
        } else {
            LOOK_BACK_DEFAULT
        });
        watch.created_micros = self.now_micros();

        let exists = || {
            Error::invalid(format!(
                "there is a watch `{}` already: remove it first, or take another name",
                watch.name
            ))
        };
        let base = match self.documents().latest(&watch.name).await? {
            None => None,
            Some(document) => match State::read(&watch.name, &document)?.watch {
                None => Some(document.version),
                Some(_) => return Err(exists()),
            },
        };
        let after = match self.snapshot().await? {
            Some(snapshot) if !new.is_from_start => window::version(&snapshot),
            _ => -1,
        };
        let mut state = State::new(watch.clone(), after);
        match self.change(&watch.name, base, &mut state).await? {
            Change::Done => Ok(watch),
            Change::Conflicted | Change::Overtaken => match self.read(&watch.name).await? {
                Some((_, state)) if state.watch.as_ref() == Some(&watch) => Ok(watch),
                _ => Err(exists()),
            },
        }
    }

    /// All watches, by name.
    ///
    /// # Errors
    ///
    /// What the store says; [`Error::Corrupt`].
    pub async fn list(&self) -> Result<Vec<WatchStatus>> {
        let mut watches = Vec::new();
        for name in self.documents().names().await? {
            if let Some((_, state)) = self.read(&name).await? {
                watches.extend(status(state));
            }
        }
        Ok(watches)
    }

    /// The watch of a name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none; else as [`Watches::list`].
    pub async fn get(&self, name: &str) -> Result<WatchStatus> {
        let (_, state) = self.require(name).await?;
        status(state).ok_or_else(|| not_found(name))
    }

    /// Removes a watch, with what it remembers and results that nobody acknowledged.
    ///
    /// # Errors
    ///
    /// As [`Watches::get`].
    pub async fn remove(&self, name: &str) -> Result<()> {
        for _ in 0..CHANGES_MAX {
            let (version, _) = self.require(name).await?;
            match self
                .change(name, Some(version), &mut State::removed())
                .await?
            {
                Change::Done => return Ok(()),
                Change::Conflicted | Change::Overtaken => {}
            }
        }
        Err(kept_changing(name))
    }

    /// Evaluates the records that have arrived since the last advance, and reports what is new.
    ///
    /// A host advances a watch once at a time: to itself it would redeliver what it is still at work on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such watch, and those of [`Session::query`]: a column that vanished, a limit
    /// of the session, [`Error::ResourcesExhausted`] for too many results of one commit. Nothing has changed then.
    /// After [`Error::Unavailable`] the advance may have happened; the next one gives its results.
    pub async fn advance(&self, name: &str) -> Result<Advance> {
        let (version, state) = self.require(name).await?;
        match state.pending {
            Some(_) => self.hand_out_again(name, version, state).await,
            None => self.evaluate(name, version, state).await,
        }
    }

    /// Confirms that the results of an advance have been taken: they are not given out again.
    ///
    /// Call it when they are safe where they go. For an advance without results it does nothing, and neither does it
    /// when another host has taken them over.
    ///
    /// # Errors
    ///
    /// What the store says; call it again.
    pub async fn acknowledge(&self, advance: &Advance) -> Result<()> {
        let Some(claim) = &advance.claim else {
            return Ok(());
        };
        for _ in 0..CHANGES_MAX {
            let Some((version, mut state)) = self.read(&advance.watch).await? else {
                return Ok(());
            };
            if !is_held(&state, claim) {
                return Ok(());
            }
            state.pending = None;
            match self
                .change(&advance.watch, Some(version), &mut state)
                .await?
            {
                Change::Done | Change::Overtaken => return Ok(()),
                Change::Conflicted => {}
            }
        }
        Err(kept_changing(&advance.watch))
    }

    async fn evaluate(&self, name: &str, version: u64, mut state: State) -> Result<Advance> {
        let Some(watch) = &state.watch else {
            return Err(not_found(name));
        };
        let Some(snapshot) = self.snapshot().await? else {
            return Ok(Advance::without_results(name, AdvanceOutcome::CaughtUp));
        };
        if window::version(&snapshot) < state.after {
            return Err(Error::Corrupt {
                message: format!(
                    "the watch `{name}` has seen commit {} and the table is at {}: it is another table now; remove \
                     the watch and add it again",
                    state.after,
                    snapshot.version()
                ),
            });
        }
        let Some(mut window) = CommitWindow::next(&snapshot, state.after, self.records_max) else {
            return Ok(Advance::without_results(name, AdvanceOutcome::CaughtUp));
        };
        let now_micros = self.now_micros();
        let found = loop {
            let reported = &state.reported;
            match evaluate::evaluate(
                &self.session,
                watch,
                &snapshot,
                window,
                reported,
                now_micros,
            )
            .await?
            {
                Some(found) => break found,
                None => window = window.half().ok_or_else(|| evaluate::too_many(name))?,
            }
        };

        let has_results = !found.ids.is_empty();
        state.after = window.to;
        state.remember(&found.ids);
        if has_results {
            state.pending = Some(Pending::new(window, &found.results, found.ids)?);
        }
        let advance = Advance {
            window: Some(window),
            has_more: window.to < window::version(&snapshot),
            ..Advance::without_results(name, AdvanceOutcome::Advanced)
        };
        self.hand_out(version, state, advance).await
    }

    async fn hand_out_again(&self, name: &str, version: u64, state: State) -> Result<Advance> {
        let held = (state.pending.as_ref()).filter(|pending| pending.host != self.host);
        if let Some(pending) = held {
            let lease = micros(self.lease);
            let until_micros = pending.handed_out_micros.saturating_add(lease);
            if self.now_micros() < until_micros {
                let outcome = AdvanceOutcome::HeldElsewhere { until_micros };
                return Ok(Advance::without_results(name, outcome));
            }
        }
        let advance = Advance {
            window: state.pending.as_ref().map(|pending| pending.window),
            has_more: true,
            ..Advance::without_results(name, AdvanceOutcome::Redelivered)
        };
        self.hand_out(version, state, advance).await
    }

    /// Makes the state the next version; the results are the caller's if it is.
    async fn hand_out(&self, version: u64, mut state: State, advance: Advance) -> Result<Advance> {
        let name = advance.watch.as_str();
        let lake = self.lake();
        if let Some(pending) = &mut state.pending {
            pending.hand_out(lake, &self.host, self.session.shared().clock.now_micros());
        }
        let is_ours = match self.change(name, Some(version), &mut state).await? {
            Change::Done => true,
            Change::Conflicted => false,
            // Whether ours came before what is there now, or much too late, shows in who has the results.
            Change::Overtaken => match (self.read(name).await?, &state.pending) {
                (Some((_, now)), Some(pending)) => is_held(&now, &pending.claim),
                _ => false,
            },
        };
        if !is_ours {
            return Ok(Advance::without_results(name, AdvanceOutcome::Superseded));
        }
        let Some(pending) = state.pending else {
            return Ok(advance);
        };
        Ok(Advance {
            results: Some(pending.results(name)?),
            ids: pending.ids,
            claim: Some(pending.claim),
            ..advance
        })
    }

    /// A version and the state in it; `None` if there is no watch.
    async fn read(&self, name: &str) -> Result<Option<(u64, State)>> {
        let Some(document) = self.documents().latest(name).await? else {
            return Ok(None);
        };
        let state = State::read(name, &document)?;
        Ok(state.watch.is_some().then_some((document.version, state)))
    }

    async fn require(&self, name: &str) -> Result<(u64, State)> {
        // A text that is no name is not the name of a watch either.
        let read = match Documents::is_name(name) {
            true => self.read(name).await?,
            false => None,
        };
        read.ok_or_else(|| not_found(name))
    }

    async fn change(&self, name: &str, base: Option<u64>, state: &mut State) -> Result<Change> {
        let content = state.write(self.lake())?;
        Ok(self.documents().change(name, base, content).await?)
    }

    /// The latest, past the cache of the engine: what one host has seen, another must not miss.
    async fn snapshot(&self) -> Result<Option<std::sync::Arc<audit_lake::Snapshot>>> {
        Ok(self.lake().snapshot(&self.tenant, TableName::Audit).await?)
    }

    fn documents(&self) -> Documents {
        self.lake().documents(self.tenant, DocumentKind::Watch)
    }

    fn lake(&self) -> &Lake {
        &self.session.shared().lake
    }

    fn now_micros(&self) -> i64 {
        self.session.shared().clock.now_micros()
    }
}

impl Advance {
    fn without_results(name: &str, outcome: AdvanceOutcome) -> Self {
        Self {
            watch: name.to_owned(),
            outcome,
            window: None,
            results: None,
            ids: Vec::new(),
            has_more: false,
            claim: None,
        }
    }
}

fn is_held(state: &State, claim: &str) -> bool {
    (state.pending.as_ref()).is_some_and(|pending| pending.claim == claim)
}

fn status(state: State) -> Option<WatchStatus> {
    Some(WatchStatus {
        watch: state.watch?,
        evaluated_to: state.after,
        unacknowledged: state.pending.map_or(0, |pending| pending.ids.len()),
    })
}

#[cold]
fn not_found(name: &str) -> Error {
    Error::NotFound {
        message: format!("there is no watch `{name}`"),
    }
}

#[cold]
fn kept_changing(name: &str) -> Error {
    Error::Unavailable {
        message: format!("others keep changing the watch `{name}`: try again"),
    }
}
