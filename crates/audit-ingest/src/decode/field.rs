//! The wire names of a record's top-level members, and what becomes of each.

use std::sync::LazyLock;

use audit_schema::{ColumnType, M365_AUDIT};
use hashbrown::HashMap;

/// A top-level member with a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) wire_name: &'static str,
    /// Index of the column in `M365_AUDIT`.
    pub(super) column: usize,
    pub(super) column_type: ColumnType,
    pub(super) role: Role,
}

/// What else a member says besides its column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    None,
    OrganizationId,
    CreationTime,
    RecordType,
    UserType,
    /// A client address; the lower the rank, the better it names the source.
    Address {
        rank: u8,
    },
}

/// Fields that hold the client's address, best first.
const ADDRESSES: [&str; 9] = [
    "ClientIP",
    "ClientIPAddress",
    "ActorIpAddress",
    "ActorIP",
    "ClientIp",
    "UserIp",
    "SenderIp",
    "SenderIP",
    "IPAddress",
];

/// Index of the entry that stands for "before the first member".
pub(super) const START: usize = 0;

/// Every field, behind a placeholder at [`START`].
#[derive(Debug)]
pub(super) struct FieldTable {
    fields: Vec<Field>,
    by_name: HashMap<&'static str, usize>,
}

pub(super) static FIELDS: LazyLock<FieldTable> = LazyLock::new(FieldTable::new);

impl FieldTable {
    fn new() -> Self {
        let placeholder = Field {
            wire_name: "",
            column: usize::MAX,
            column_type: ColumnType::Text,
            role: Role::None,
        };
        let mut fields = vec![placeholder];
        for (index, column) in M365_AUDIT.columns.iter().enumerate() {
            for wire_name in column.fields {
                fields.push(Field {
                    wire_name,
                    column: index,
                    column_type: column.column_type,
                    role: role(wire_name),
                });
            }
        }
        let by_name = fields
            .iter()
            .enumerate()
            .skip(1)
            .map(|(at, field)| (field.wire_name, at))
            .collect();
        Self { fields, by_name }
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn get(&self, at: usize) -> &Field {
        &self.fields[at]
    }

    pub(super) fn find(&self, wire_name: &str) -> Option<usize> {
        self.by_name.get(wire_name).copied()
    }
}

fn role(wire_name: &str) -> Role {
    match wire_name {
        "OrganizationId" => Role::OrganizationId,
        "CreationTime" => Role::CreationTime,
        "RecordType" => Role::RecordType,
        "UserType" => Role::UserType,
        _ => match address_rank(wire_name) {
            Some(rank) => Role::Address { rank },
            None => Role::None,
        },
    }
}

/// Of a field that holds the client's address, whether it has a column or not: the lower, the better.
pub(super) fn address_rank(wire_name: &str) -> Option<u8> {
    let rank = ADDRESSES.iter().position(|name| *name == wire_name)?;
    Some(rank as u8)
}
