//! The rows of a tenant and record type while they grow, and the columns that are derived from their fields.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use audit_schema::{ColumnType, M365_AUDIT, parse_address};

use super::column::Column;
use super::field::{self, FIELDS, Role, START};
use super::text::{self, push_json_string};
use super::value::{self, Fit};
use super::{Stop, TenantBatch, UNKNOWN_TENANT};

/// The columns of one tenant and record type.
pub(super) struct Rows {
    pub(super) tenant: String,
    /// `None`: records without one, and those of types that came when there were [`PARTS_MAX`] already.
    pub(super) record_type: Option<i64>,
    /// The record type of the record at hand.
    pub(super) expected: Option<i64>,
    columns: Vec<Column>,
    pub(super) rows: usize,
    /// The row's `extra` while it grows.
    extra: String,
    /// For each field the one that came after it last time: records of one type have one order.
    pub(super) next: Vec<usize>,
}

/// The columns of a tenant and record type that have values, by their place in `M365_AUDIT`; no row is added any more.
pub(super) struct Part {
    tenant: String,
    rows: usize,
    columns: Vec<(usize, Column)>,
}

/// What the row's other columns need of the fields.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) tenant: bool,
    pub(super) time: bool,
    pub(super) record_type: Option<i64>,
    user_type: Option<i64>,
    /// The best client address so far, with its rank and port.
    address: Option<(u8, IpAddr, Option<u16>)>,
    /// The column that holds the address as `source_ip` spells it.
    spelled: Option<usize>,
}

impl Seen {
    /// A text, of this column if it has one, that may hold a better client address than those before.
    fn address(&mut self, rank: u8, text: &str, column: Option<usize>) {
        if self.address.is_none_or(|(best, ..)| rank < best)
            && let Some((ip, port)) = parse_address(text)
        {
            self.address = Some((rank, ip, port));
            self.spelled = column.filter(|_| is_plain(text));
        }
    }
}

impl Rows {
    pub(super) fn new(tenant: String, record_type: Option<i64>) -> Self {
        let columns = M365_AUDIT
            .columns
            .iter()
            .map(|column| Column::new(column.column_type))
            .collect();
        Self {
            tenant,
            record_type,
            expected: record_type,
            columns,
            rows: 0,
            extra: String::new(),
            next: vec![START; FIELDS.len()],
        }
    }

    /// Whether the record at hand has a value of this column already.
    pub(super) fn has(&self, column: usize) -> bool {
        self.columns[column].len() > self.rows
    }

    /// Forgets what came of the record at hand.
    pub(super) fn take_back(&mut self) {
        self.extra.clear();
        self.columns
            .iter_mut()
            .for_each(|column| column.truncate(self.rows));
    }

    /// Stops where the field says that the record belongs among other rows.
    pub(super) fn check_place(
        &self,
        field: &field::Field,
        raw: &str,
        seen: &Seen,
        fixed_tenant: Option<&str>,
    ) -> Result<(), Stop> {
        match field.role {
            Role::OrganizationId if fixed_tenant.is_none() => {
                match other_tenant(&self.tenant, raw) {
                    Some(tenant) => Err(Stop::Tenant(tenant)),
                    None => Ok(()),
                }
            }
            Role::RecordType if seen.record_type != self.expected => {
                Err(Stop::RecordType(seen.record_type))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn field(
        &mut self,
        field: &field::Field,
        key: &str,
        raw: &str,
        seen: &mut Seen,
        slab: &[u8],
    ) {
        let column = &mut self.columns[field.column];
        let mut fit = value::append(
            column,
            field.column_type == ColumnType::Json,
            self.rows,
            raw,
            slab,
        );
        if fit == Fit::No
            && let Column::Integer(numbers) = column
            && let Some(number) = value::named_number(field.wire_name, raw)
        {
            numbers.append(self.rows, number);
            fit = Fit::Part;
        }
        match (field.role, &*column) {
            _ if !matches!(fit, Fit::Whole | Fit::Part) => {}
            (Role::CreationTime, _) => seen.time = true,
            (Role::OrganizationId, Column::Text(texts)) => {
                seen.tenant = guid(texts.last(slab)).is_some()
            }
            (Role::RecordType, Column::Integer(numbers)) => seen.record_type = numbers.last(),
            (Role::UserType, Column::Integer(numbers)) => seen.user_type = numbers.last(),
            (Role::Address { rank }, Column::Text(texts)) => {
                seen.address(rank, texts.last(slab), Some(field.column));
            }
            _ => {}
        }
        if matches!(fit, Fit::Part | Fit::No) {
            self.extra(key, raw);
        }
    }

    pub(super) fn without_column(&mut self, key: &str, raw: &str, seen: &mut Seen) {
        if let Some(rank) = field::address_rank(key)
            && raw.starts_with('"')
        {
            seen.address(rank, &text::unescape(value::string(raw)), None);
        }
        self.extra(key, raw);
    }

    pub(super) fn extra(&mut self, key: &str, raw: &str) {
        self.extra
            .push(if self.extra.is_empty() { '{' } else { ',' });
        push_json_string(&mut self.extra, key);
        self.extra.push(':');
        self.extra.push_str(raw);
    }

    pub(super) fn derive(&mut self, raw: &str, seen: &Seen, slab: &[u8]) {
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
            let spelled = seen.spelled.and_then(|column| match &self.columns[column] {
                Column::Text(texts) => texts.last_in(slab),
                _ => None,
            });
            match spelled {
                Some(text) => self.text(derived.source_ip, text, slab),
                None => self.text(derived.source_ip, &ip.to_string(), slab),
            }
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

    pub(super) fn close(self) -> Part {
        let used = self.columns.into_iter().enumerate();
        let mut columns: Vec<_> = used.filter(|(_, column)| column.len() > 0).collect();
        columns.iter_mut().for_each(|(_, column)| column.shrink());
        Part {
            tenant: self.tenant,
            rows: self.rows,
            columns,
        }
    }
}

impl Part {
    pub(super) fn finish(self, slab: &Buffer) -> Result<TenantBatch, ArrowError> {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (at, column) in self.columns {
            let field = &COLUMNS[at];
            if let Some(array) = column.finish(self.rows, field.data_type(), slab)? {
                fields.push(Arc::clone(field));
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

/// Whether an address is nothing but an IPv4 address: there is one spelling of it then.
fn is_plain(address: &str) -> bool {
    address.bytes().all(|b| b.is_ascii_digit() || b == b'.')
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
pub(super) fn guid(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    fits.then(|| text.to_ascii_lowercase())
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

/// The table's columns as batches have them: texts are views.
static COLUMNS: LazyLock<Vec<FieldRef>> = LazyLock::new(|| {
    let schema = M365_AUDIT.arrow_schema();
    let as_view = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::new(field.name(), DataType::Utf8View, true)),
        _ => Arc::clone(field),
    };
    schema.fields().iter().map(as_view).collect()
});
