//! Record texts into columns: one pass, no tree of the record, no allocation a field.
//!
//! A [`Slab`] goes in; out come Arrow batches by tenant, and what is no
//! record. Nothing here knows of files, threads or clocks.

mod column;
mod field;
pub(crate) mod text;
pub(crate) mod time;
mod value;
mod wrapped;

pub(crate) use wrapped::is_annotation;

use std::net::IpAddr;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use audit_schema::{ColumnType, M365_AUDIT, parse_address};
use sonic_rs::to_object_iter;
use std::sync::{Arc, LazyLock};

use crate::envelope::{Entry, Slab, Text};
use crate::reject::Reason;
use column::Column;
use field::{FIELDS, Role, START};
use text::push_json_string;
use value::Fit;

/// The tenant of records that name none.
pub const UNKNOWN_TENANT: &str = "unknown";

/// What a slab held.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The records, by tenant, each tenant's in the order of the input.
    pub batches: Vec<TenantBatch>,
    /// What is no record, in the order of the input.
    pub rejects: Vec<Reject>,
}

/// Records of one tenant.
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
    let mut rejects = Vec::new();
    for entry in slab.entries() {
        if let Err(stop) = decoder.entry(&entry) {
            rejects.push(Reject {
                tenant: tenant.map_or_else(|| named_tenant(entry.source), str::to_owned),
                offset: entry.offset,
                bytes: entry.source.to_vec(),
                reason: stop.reason,
                detail: stop.detail,
            });
        }
    }
    let tenants = decoder.tenants;
    let window = Buffer::from(slab.into_window());
    let filled = tenants.into_iter().filter(|rows| rows.rows > 0);
    Ok(Decoded {
        batches: filled
            .map(|rows| rows.finish(&window))
            .collect::<Result<_, _>>()?,
        rejects,
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
    /// A column's field came twice, or the object is a wrapper: it wants the careful pass.
    Careful,
}

impl From<Bad> for Stop {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

/// Columns that ingest derives from the record's fields, by their place in `M365_AUDIT`.
struct Derived {
    record_type_name: usize,
    user_type_name: usize,
    source_ip: usize,
    source_port: usize,
    extra: usize,
    raw: usize,
}

static DERIVED: LazyLock<Derived> = LazyLock::new(|| {
    let at = |name| {
        M365_AUDIT
            .columns
            .iter()
            .position(|column| column.name == name)
            .unwrap_or(usize::MAX)
    };
    Derived {
        record_type_name: at("record_type_name"),
        user_type_name: at("user_type_name"),
        source_ip: at("source_ip"),
        source_port: at("source_port"),
        extra: at("extra"),
        raw: at("raw"),
    }
});

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| M365_AUDIT.arrow_schema());

struct Decoder<'t> {
    fixed_tenant: Option<&'t str>,
    slab: &'t [u8],
    tenants: Vec<Rows>,
    current: usize,
    /// For each field the one that came after it last time: records of one type have one order.
    next: Vec<usize>,
}

/// The columns of one tenant.
struct Rows {
    tenant: String,
    columns: Vec<Column>,
    rows: usize,
    /// The row's `extra` while it grows.
    extra: String,
}

/// What the row's other columns need of the fields.
#[derive(Default)]
struct Seen {
    tenant: bool,
    time: bool,
    record_type: Option<i64>,
    user_type: Option<i64>,
    /// The best client address so far, with its rank and port.
    address: Option<(u8, IpAddr, Option<u16>)>,
}

impl<'t> Decoder<'t> {
    fn new(fixed_tenant: Option<&'t str>, slab: &'t [u8]) -> Self {
        let first = Rows::new(fixed_tenant.unwrap_or(UNKNOWN_TENANT).to_owned());
        Self {
            fixed_tenant,
            slab,
            tenants: vec![first],
            current: 0,
            next: vec![START; FIELDS.len()],
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), Bad> {
        let (text, checked) = match entry.text.map_err(|reason| Bad::new(reason, ""))? {
            Text::Object(text) => (text, true),
            Text::Cell(text) => (text, false),
        };
        let text = std::str::from_utf8(text).map_err(|e| {
            Bad::new(
                Reason::InvalidUtf8,
                format!("byte {} of the record", e.valid_up_to()),
            )
        })?;
        if !checked {
            wrapped::check_object(text)?;
        }
        if let Some(at) = text::broken_unicode_escape(text) {
            let detail = format!("the escape at byte {at} of the record has no four digits");
            return Err(Bad::new(Reason::InvalidJson, detail));
        }
        self.record(text)
    }

    fn record(&mut self, text: &str) -> Result<(), Bad> {
        let mut result = self.quick(text);
        if let Err(Stop::Tenant(tenant)) = result {
            self.enter(tenant);
            result = self.quick(text);
        }
        if let Err(Stop::Careful) = result {
            self.take_back();
            result = self.careful(text);
            if let Err(Stop::Tenant(tenant)) = result {
                self.enter(tenant);
                result = self.careful(text);
            }
        }
        match result {
            Ok(()) => {
                self.tenants[self.current].rows += 1;
                Ok(())
            }
            Err(Stop::Bad(bad)) => {
                self.take_back();
                Err(bad)
            }
            Err(Stop::Tenant(_) | Stop::Careful) => {
                self.take_back();
                Err(Bad::new(
                    Reason::InvalidJson,
                    "more than one OrganizationId",
                ))
            }
        }
    }

    /// The pass for a plain record: each field straight to its column.
    fn quick(&mut self, text: &str) -> Result<(), Stop> {
        let rows = &mut self.tenants[self.current];
        let mut seen = Seen::default();
        let mut previous = START;
        for member in to_object_iter(text) {
            let (key, value) = member.map_err(|e| invalid_json(&e))?;
            let guess = self.next[previous];
            let at = if guess != START && FIELDS.get(guess).wire_name == key {
                guess
            } else if let Some(found) = FIELDS.find(&key) {
                self.next[previous] = found;
                found
            } else if wrapped::is_marker(&key) {
                return Err(Stop::Careful);
            } else {
                rows.extra(&key, &value.as_raw_cow());
                continue;
            };
            previous = at;
            let field = FIELDS.get(at);
            if rows.columns[field.column].len() > rows.rows {
                return Err(Stop::Careful);
            }
            let raw = value.as_raw_cow();
            rows.field(field, &key, &raw, &mut seen, self.slab);
            if field.role == Role::OrganizationId
                && self.fixed_tenant.is_none()
                && let Some(tenant) = other_tenant(&rows.tenant, &raw)
            {
                return Err(Stop::Tenant(tenant));
            }
        }
        self.close(text, seen)
    }

    /// The pass for wrapped records and for members that come twice: the last of a name wins its
    /// column, as in any JSON parser, and the others go to `extra`.
    fn careful(&mut self, text: &str) -> Result<(), Stop> {
        let wrapped = wrapped::unwrap(text)?;
        let members = wrapped.members()?;
        let rows = &mut self.tenants[self.current];
        let column_of = |key: &str| FIELDS.find(key).map(|at| FIELDS.get(at));
        let mut winner = vec![usize::MAX; M365_AUDIT.columns.len()];
        for (at, (key, _)) in members.iter().enumerate() {
            if let Some(field) = column_of(key) {
                winner[field.column] = at;
            }
        }
        let mut seen = Seen::default();
        for (at, (key, raw)) in members.iter().enumerate() {
            match column_of(key) {
                Some(field) if winner[field.column] == at => {
                    rows.field(field, key, raw, &mut seen, self.slab);
                    if field.role == Role::OrganizationId
                        && self.fixed_tenant.is_none()
                        && let Some(tenant) = other_tenant(&rows.tenant, raw)
                    {
                        return Err(Stop::Tenant(tenant));
                    }
                }
                _ => rows.extra(key, raw),
            }
        }
        self.close(wrapped.text(), seen)
    }

    /// Completes the row with what is derived.
    fn close(&mut self, raw: &str, seen: Seen) -> Result<(), Stop> {
        let rows = &mut self.tenants[self.current];
        if !seen.time {
            return Err(no_time(raw).into());
        }
        if !seen.tenant && self.fixed_tenant.is_none() && rows.tenant != UNKNOWN_TENANT {
            return Err(Stop::Tenant(UNKNOWN_TENANT.to_owned()));
        }
        rows.derive(raw, &seen, self.slab);
        Ok(())
    }

    fn enter(&mut self, tenant: String) {
        self.take_back();
        self.current = match self.tenants.iter().position(|rows| rows.tenant == tenant) {
            Some(at) => at,
            None => {
                self.tenants.push(Rows::new(tenant));
                self.tenants.len() - 1
            }
        };
    }

    fn take_back(&mut self) {
        let rows = &mut self.tenants[self.current];
        rows.extra.clear();
        rows.columns
            .iter_mut()
            .for_each(|column| column.truncate(rows.rows));
    }
}

impl Rows {
    fn new(tenant: String) -> Self {
        let columns = M365_AUDIT
            .columns
            .iter()
            .map(|column| Column::new(column.column_type))
            .collect();
        Self {
            tenant,
            columns,
            rows: 0,
            extra: String::new(),
        }
    }

    fn field(&mut self, field: &field::Field, key: &str, raw: &str, seen: &mut Seen, slab: &[u8]) {
        let column = &mut self.columns[field.column];
        let fit = value::append(
            column,
            field.column_type == ColumnType::Json,
            self.rows,
            raw,
            slab,
        );
        match (field.role, &*column) {
            _ if !matches!(fit, Fit::Whole | Fit::Part) => {}
            (Role::CreationTime, _) => seen.time = true,
            (Role::OrganizationId, Column::Text(texts)) => {
                seen.tenant = guid(texts.last(slab)).is_some()
            }
            (Role::RecordType, Column::Integer(numbers)) => seen.record_type = numbers.last(),
            (Role::UserType, Column::Integer(numbers)) => seen.user_type = numbers.last(),
            (Role::Address { rank }, Column::Text(texts)) => {
                if seen.address.is_none_or(|(best, ..)| rank < best)
                    && let Some((ip, port)) = parse_address(texts.last(slab))
                {
                    seen.address = Some((rank, ip, port));
                }
            }
            _ => {}
        }
        if matches!(fit, Fit::Part | Fit::No) {
            self.extra(key, raw);
        }
    }

    fn extra(&mut self, key: &str, raw: &str) {
        self.extra
            .push(if self.extra.is_empty() { '{' } else { ',' });
        push_json_string(&mut self.extra, key);
        self.extra.push(':');
        self.extra.push_str(raw);
    }

    fn derive(&mut self, raw: &str, seen: &Seen, slab: &[u8]) {
        let derived = &*DERIVED;
        if let Some(name) = seen
            .record_type
            .and_then(audit_schema::codes::record_type_name)
        {
            self.text(derived.record_type_name, name, slab);
        }
        if let Some(name) = seen.user_type.and_then(audit_schema::codes::user_type_name) {
            self.text(derived.user_type_name, name, slab);
        }
        if let Some((_, ip, port)) = seen.address {
            self.text(derived.source_ip, &ip.to_string(), slab);
            if let (Some(port), Column::Integer(numbers)) =
                (port, &mut self.columns[derived.source_port])
            {
                numbers.append(self.rows, i64::from(port));
            }
        }
        if !self.extra.is_empty() {
            self.extra.push('}');
            let extra = std::mem::take(&mut self.extra);
            self.text(derived.extra, &extra, slab);
            self.extra = extra;
            self.extra.clear();
        }
        self.text(derived.raw, raw, slab);
    }

    fn text(&mut self, column: usize, text: &str, slab: &[u8]) {
        if let Column::Text(texts) = &mut self.columns[column] {
            texts.append(self.rows, text, slab);
        }
    }

    fn finish(self, slab: &Buffer) -> Result<TenantBatch, ArrowError> {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (column, field) in self.columns.into_iter().zip(SCHEMA.fields()) {
            if let Some(array) = column.finish(self.rows, field.data_type(), slab)? {
                fields.push(Field::new(field.name(), array.data_type().clone(), true));
                arrays.push(array);
            }
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        Ok(TenantBatch {
            tenant: self.tenant,
            batch,
        })
    }
}

/// An object without a time is none of ours; what it is instead helps whoever looks for the records.
#[cold]
fn no_time(text: &str) -> Bad {
    let has = |name: &str| {
        to_object_iter(text)
            .map_while(Result::ok)
            .any(|(key, _)| key == name)
    };
    if has("error") {
        Bad::new(
            Reason::ApiError,
            "an error of the API where records were expected: retrieve the blob again",
        )
    } else if has("contentUri") || has("contentId") {
        Bad::new(
            Reason::ApiForm,
            "an entry of a listing: it names a content blob and is no record",
        )
    } else {
        Bad::new(
            Reason::NoTime,
            "an object without a CreationTime that can be read",
        )
    }
}

#[cold]
fn invalid_json(error: &sonic_rs::Error) -> Bad {
    Bad::new(
        Reason::InvalidJson,
        format!("at byte {} of the record", error.offset()),
    )
}

/// The tenant this `OrganizationId` names, if it is not the current one.
fn other_tenant(current: &str, raw: &str) -> Option<String> {
    let named = value::string(raw);
    if named.eq_ignore_ascii_case(current) {
        return None;
    }
    let tenant = guid(named).unwrap_or_else(|| UNKNOWN_TENANT.to_owned());
    (tenant != current).then_some(tenant)
}

/// A GUID in lower case, if the text is one.
fn guid(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    fits.then(|| text.to_ascii_lowercase())
}

/// The tenant that the bytes of a reject name; good enough to show the reject to the right people.
fn named_tenant(bytes: &[u8]) -> String {
    let named = memchr::memmem::find(bytes, b"OrganizationId").and_then(|at| {
        let rest = &bytes[at + b"OrganizationId".len()..];
        let begin = rest.iter().take(16).position(u8::is_ascii_hexdigit)?;
        guid(std::str::from_utf8(rest.get(begin..begin + 36)?).ok()?)
    });
    named.unwrap_or_else(|| UNKNOWN_TENANT.to_owned())
}
