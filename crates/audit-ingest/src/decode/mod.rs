//! Record texts into columns: one pass, no tree of the record, no allocation a field.
//!
//! A [`Slab`] goes in; out come Arrow batches by tenant and record type, and what is no record.
//! Records of one type have the same fields, so nearly every column of a batch is full.
//! Nothing here knows of files, threads or clocks.

mod column;
mod field;
mod no_record;
mod plain;
mod rejects;
mod rows;
pub(crate) mod text;
pub(crate) mod time;
mod value;
mod wrapped;

pub(crate) use value::named_number;
pub(crate) use wrapped::is_annotation;

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use audit_schema::M365_AUDIT;
use memchr::memmem::Finder;
use sonic_rs::to_object_iter;

use crate::envelope::{Entry, Slab, Text, is_api_error};
use crate::reject::Reason;
use field::{FIELDS, START};
use rejects::Rejects;
use rows::{Part, Rows, Seen};

/// The tenant of records that name none.
pub const UNKNOWN_TENANT: &str = "unknown";

/// What a slab held.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The records, by tenant and record type, those of one in the order of the input.
    pub batches: Vec<TenantBatch>,
    /// What is no record, in the order of the input. Of very many tiny ones of one kind, one after the other, most are
    /// joined to longer ranges.
    pub rejects: Vec<Reject>,
}

/// Records of one tenant and one record type.
#[derive(Debug)]
pub struct TenantBatch {
    /// Lower-case GUID, or [`UNKNOWN_TENANT`].
    pub tenant: String,
    /// The columns of `m365_audit` that have a value, in the table's order; always with
    /// `creation_time` and `raw`, never with what ingest adds (`tenant_id`, `ingested_at`, …). Texts
    /// are Utf8View, most of them into the slab.
    pub batch: RecordBatch,
}

/// A byte range that is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The tenant that its bytes name, or [`UNKNOWN_TENANT`].
    pub tenant: String,
    /// Position of the first byte in the decompressed input.
    pub offset: u64,
    /// The bytes as they stand there.
    pub bytes: Vec<u8>,
    /// The reason's code.
    pub reason: Reason,
    /// More about it, for people.
    pub detail: String,
}

/// Decodes one slab. With a `tenant`, every record is that tenant's, whatever it says itself.
///
/// # Errors
/// Only if the columns don't make a batch, which no input causes.
pub fn decode(slab: Slab, tenant: Option<&str>) -> Result<Decoded, ArrowError> {
    let mut decoder = Decoder::new(tenant, slab.window());
    let mut rejects = Rejects::default();
    for entry in slab.entries() {
        match decoder.entry(&entry) {
            Ok(()) => rejects.end_run(),
            Err(bad) => rejects.push(&entry, bad, tenant, &slab),
        }
    }
    decoder.close_parts();
    let closed = decoder.closed;
    let window = Buffer::from(slab.into_window());
    Ok(Decoded {
        batches: closed
            .into_iter()
            .map(|part| part.finish(&window))
            .collect::<Result<_, _>>()?,
        rejects: rejects.into_all(),
    })
}

/// Why a record can't be a row.
#[derive(Debug)]
struct Bad {
    reason: Reason,
    detail: String,
}

impl Bad {
    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

/// Why a pass over a record ended early.
enum Stop {
    Bad(Bad),
    /// It belongs to this tenant.
    Tenant(String),
    /// It is of this record type.
    RecordType(Option<i64>),
    /// It is not written as most are: it wants the lazy pass.
    Odd,
    /// A column's field came twice, or the object is a wrapper or has no time: it wants the careful pass.
    Careful,
}

/// How a record is gone through.
#[derive(Debug, Clone, Copy)]
enum Pass {
    /// As services write records, each field straight to its column.
    Plain,
    /// As any JSON, each field straight to its column.
    Lazy,
    Careful,
}

impl From<Bad> for Stop {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

struct Decoder<'t> {
    fixed_tenant: Option<&'t str>,
    slab: &'t [u8],
    parts: Vec<Rows>,
    /// What was taken out of `parts` to make room.
    closed: Vec<Part>,
    /// Of the record at hand.
    specials: plain::Specials,
    /// The part of the record before: most often that of the next one too.
    current: usize,
}

/// Tenants and record types of a slab whose rows are kept apart; of what comes beyond, a tenant's rows are kept together.
const PARTS_MAX: usize = 64;

/// With those kept together. A part has a builder of every column, so there must not be one for each of thousands of
/// tenants: beyond, all are closed, and what comes begins anew.
const PARTS_OPEN_MAX: usize = 2 * PARTS_MAX;

/// How often a record goes to other rows, once for its tenant and once for its record type. One that goes on names one of them
/// twice.
const MOVES_MAX: usize = 2;

/// Passes over one record at most: plain, lazy and careful, each once more for every move, and one that moves too often.
const PASSES_MAX: usize = 3 * (MOVES_MAX + 2);

impl<'t> Decoder<'t> {
    fn new(fixed_tenant: Option<&'t str>, slab: &'t [u8]) -> Self {
        let tenant = fixed_tenant.unwrap_or(UNKNOWN_TENANT).to_owned();
        Self {
            fixed_tenant,
            slab,
            parts: vec![Rows::new(tenant, None)],
            closed: Vec::new(),
            specials: plain::Specials::default(),
            current: 0,
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), Bad> {
        let given = (entry.text).map_err(|reason| Bad::new(reason, reason.words()))?;
        let (Text::Object(text) | Text::Quoted(text) | Text::Cell(text) | Text::RawEvent(text)) =
            given;
        let decoded;
        let text = match simdutf8::compat::from_utf8(text) {
            Ok(text) => text,
            Err(error) => {
                decoded = text::of_windows_1252(text).ok_or_else(|| {
                    let detail = format!(
                        "byte {} of the record: save the file as UTF-8",
                        error.valid_up_to()
                    );
                    Bad::new(Reason::InvalidUtf8, detail)
                })?;
                &decoded
            }
        };
        if matches!(given, Text::Quoted(_)) {
            check_escapes(text)?;
            let text = text::unescape(value::string(text));
            wrapped::check_object(&text)?;
            return self.record(text.trim());
        }
        if !matches!(given, Text::Object(_)) {
            wrapped::check_object(text)?;
        }
        if matches!(given, Text::RawEvent(_)) {
            wrapped::check_raw_event(text)?;
        }
        self.record(text)
    }

    fn record(&mut self, text: &str) -> Result<(), Bad> {
        if let Some(record_type) = probable_record_type(text) {
            self.enter(None, Some(record_type));
        }
        let mut pass = Pass::Plain;
        let mut moves = 0;
        for _ in 0..PASSES_MAX {
            let result = match pass {
                Pass::Plain => self.plain(text),
                Pass::Lazy => self.lazy(text),
                Pass::Careful => self.careful(text),
            };
            let Err(stop) = result else {
                self.parts[self.current].rows += 1;
                return Ok(());
            };
            self.parts[self.current].take_back();
            let next = match stop {
                Stop::Bad(bad) => return Err(bad),
                Stop::Odd => Pass::Lazy,
                Stop::Careful => Pass::Careful,
                Stop::Tenant(_) | Stop::RecordType(_) if moves == MOVES_MAX => Pass::Careful,
                Stop::Tenant(tenant) => {
                    let record_type = self.parts[self.current].expected;
                    self.enter(Some(tenant), record_type);
                    moves += 1;
                    continue;
                }
                Stop::RecordType(record_type) => {
                    self.enter(None, record_type);
                    moves += 1;
                    continue;
                }
            };
            check_escapes(text)?;
            (pass, moves) = (next, 0);
        }
        Err(Bad::new(
            Reason::InvalidJson,
            "members that say each something else of where the record belongs",
        ))
    }

    fn plain(&mut self, text: &str) -> Result<(), Stop> {
        let mut specials = std::mem::take(&mut self.specials);
        specials.read(text.as_bytes());
        let result = self.plain_members(text, &specials);
        self.specials = specials;
        result
    }

    fn plain_members(&mut self, text: &str, specials: &plain::Specials) -> Result<(), Stop> {
        let mut seen = Seen::default();
        let mut previous = START;
        for member in plain::Members::of(text, specials).map_err(|_| Stop::Odd)? {
            let (key, raw) = member.map_err(|_| Stop::Odd)?;
            self.member(key, raw, &mut previous, &mut seen)?;
        }
        self.close(text, seen)
    }

    fn lazy(&mut self, text: &str) -> Result<(), Stop> {
        let mut seen = Seen::default();
        let mut previous = START;
        for member in to_object_iter(text) {
            let (key, value) = member.map_err(|e| match text::whole_surrogates(text) {
                Some(_) => Stop::Careful,
                None => invalid_json(text, &e).into(),
            })?;
            self.member(&key, &value.as_raw_cow(), &mut previous, &mut seen)?;
        }
        self.close(text, seen)
    }

    /// One member, behind the field `previous`.
    fn member(
        &mut self,
        key: &str,
        raw: &str,
        previous: &mut usize,
        seen: &mut Seen,
    ) -> Result<(), Stop> {
        let rows = &mut self.parts[self.current];
        let guess = rows.next[*previous];
        let at = if guess != START && FIELDS.get(guess).wire_name == key {
            guess
        } else if let Some(found) = FIELDS.find(key) {
            rows.next[*previous] = found;
            found
        } else if wrapped::is_marker(key) {
            return Err(Stop::Careful);
        } else {
            rows.without_column(key, raw, seen);
            return Ok(());
        };
        *previous = at;
        let field = FIELDS.get(at);
        if rows.has(field.column) {
            return Err(Stop::Careful);
        }
        rows.field(field, key, raw, seen, self.slab);
        rows.check_place(field, raw, seen, self.fixed_tenant)
    }

    /// The pass for wrapped records and for members that come twice: the last of a name wins its
    /// column, as in any JSON parser, and the others go to `extra`. Of names that share a column the last with a value does.
    fn careful(&mut self, text: &str) -> Result<(), Stop> {
        let wrapped = wrapped::unwrap(text)?;
        let members = wrapped.members()?;
        let rows = &mut self.parts[self.current];
        let column_of = |key: &str| FIELDS.find(key).map(|at| FIELDS.get(at));
        let mut winner = vec![usize::MAX; M365_AUDIT.columns.len()];
        for (at, (key, raw)) in members.iter().enumerate() {
            if let Some(field) = column_of(key) {
                let winner = &mut winner[field.column];
                let is_less = |(other, value): &wrapped::Member<'_>| {
                    raw == "null" && other != key && value != "null"
                };
                if !members.get(*winner).is_some_and(is_less) {
                    *winner = at;
                }
            }
        }
        let mut seen = Seen::default();
        for (at, (key, raw)) in members.iter().enumerate() {
            match column_of(key) {
                Some(field) if winner[field.column] == at => {
                    rows.field(field, key, raw, &mut seen, self.slab);
                    rows.check_place(field, raw, &seen, self.fixed_tenant)?;
                }
                Some(_) => rows.extra(key, raw),
                None => rows.without_column(key, raw, &mut seen),
            }
        }
        if !seen.time {
            return Err(no_record::no_time(&members).into());
        }
        self.close(wrapped.text(), seen)
    }

    /// Completes the row with what is derived.
    fn close(&mut self, raw: &str, seen: Seen) -> Result<(), Stop> {
        let rows = &mut self.parts[self.current];
        if !seen.time {
            return Err(Stop::Careful);
        }
        if !seen.tenant && self.fixed_tenant.is_none() && rows.tenant != UNKNOWN_TENANT {
            return Err(Stop::Tenant(UNKNOWN_TENANT.to_owned()));
        }
        if seen.record_type != rows.expected {
            return Err(Stop::RecordType(seen.record_type));
        }
        rows.derive(raw, &seen, self.slab);
        Ok(())
    }

    /// Goes on in the columns of this record type, of the same tenant unless another is named.
    fn enter(&mut self, tenant: Option<String>, record_type: Option<i64>) {
        let current = &self.parts[self.current];
        if tenant.is_none() && current.expected == record_type {
            return;
        }
        let tenant = tenant.unwrap_or_else(|| current.tenant.clone());
        let find = |record_type| {
            self.parts
                .iter()
                .position(|part| part.record_type == record_type && part.tenant == tenant)
        };
        let found = find(record_type).or_else(|| match self.parts.len() < PARTS_MAX {
            true => None,
            false => find(None),
        });
        if found.is_none() && self.parts.len() >= PARTS_OPEN_MAX {
            self.close_parts();
        }
        self.current = found.unwrap_or(self.parts.len());
        if found.is_none() {
            let own = record_type.filter(|_| self.parts.len() < PARTS_MAX);
            self.parts.push(Rows::new(tenant, own));
        }
        self.parts[self.current].expected = record_type;
    }

    /// Closes all parts. None has a row that is not whole.
    fn close_parts(&mut self) {
        let filled = self.parts.drain(..).filter(|rows| rows.rows > 0);
        self.closed.extend(filled.map(Rows::close));
    }
}

#[cold]
fn invalid_json(text: &str, error: &sonic_rs::Error) -> Bad {
    if is_api_error(text.as_bytes()) {
        return no_record::api_error();
    }
    Bad::new(
        Reason::InvalidJson,
        format!("at byte {} of the record", error.offset()),
    )
}

/// What the lazy walk does not look at, but the plain one does.
fn check_escapes(text: &str) -> Result<(), Bad> {
    match text::broken_unicode_escape(text) {
        None => Ok(()),
        Some(at) => {
            let detail = format!("the escape at byte {at} of the record has no four digits");
            Err(Bad::new(Reason::InvalidJson, detail))
        }
    }
}

/// The record type that a text names near its beginning: where the record most likely belongs.
fn probable_record_type(text: &str) -> Option<i64> {
    const HEAD_BYTES: usize = 512;
    static MEMBER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"RecordType\":"));
    let head = &text.as_bytes()[..text.len().min(HEAD_BYTES)];
    let value = &head[MEMBER.find(head)? + MEMBER.needle().len()..];
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}
