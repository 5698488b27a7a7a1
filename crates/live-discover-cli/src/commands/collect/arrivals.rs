//! What a run brings, seen in the ledgers while it goes on.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::failure::Failure;
use crate::library::content_state::{LISTED, LOST, STORED, STORED_AGAIN};
use crate::library::{ContentType, Error, Lake, Ledger, TenantId};

/// What came of one content type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Blobs that were listed for the first time.
    pub(crate) listed: u64,
    /// Blobs whose records are in the lake.
    pub(crate) stored: u64,
    /// Blobs that expired or were lost.
    pub(crate) lost: u64,
    /// Rows that they added.
    pub(crate) records: u64,
    /// Windows that were not listed while they could be.
    pub(crate) lost_windows: u64,
}

/// What came since it was made, whoever collected it.
pub(crate) struct Arrivals {
    ledgers: Vec<(TenantId, Ledger)>,
    arrived: BTreeMap<(TenantId, &'static str), Arrived>,
}

impl Arrivals {
    pub(crate) async fn new(lake: &Lake, tenants: &[TenantId]) -> Result<Self, Failure> {
        let mut ledgers = Vec::new();
        for &tenant in tenants {
            let mut ledger = lake.ledger(tenant).await.map_err(Error::from)?;
            // What is there already is passed over, and hardly read.
            ledger.read(0).await.map_err(Error::from)?;
            ledgers.push((tenant, ledger));
        }
        Ok(Self {
            ledgers,
            arrived: BTreeMap::new(),
        })
    }

    /// Takes in what came since the last time.
    pub(crate) async fn read(&mut self) -> Result<(), Failure> {
        for (tenant, ledger) in &mut self.ledgers {
            for batch in ledger.read(i64::MAX).await.map_err(Error::from)? {
                count(*tenant, &batch, &mut self.arrived);
            }
        }
        Ok(())
    }

    pub(crate) fn of(&self, tenant: TenantId, content_type: &str) -> Arrived {
        let found = ContentType::parse(content_type)
            .and_then(|content_type| self.arrived.get(&(tenant, content_type.as_str())));
        found.copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> Arrived {
        self.arrived
            .values()
            .fold(Arrived::default(), |sum, one| Arrived {
                listed: sum.listed + one.listed,
                stored: sum.stored + one.stored,
                lost: sum.lost + one.lost,
                records: sum.records + one.records,
                lost_windows: sum.lost_windows + one.lost_windows,
            })
    }
}

fn count(
    tenant: TenantId,
    batch: &RecordBatch,
    arrived: &mut BTreeMap<(TenantId, &'static str), Arrived>,
) {
    let texts = |name| batch.column_by_name(name)?.as_string_opt::<i32>();
    // Rows of files have no content type.
    let (Some(types), Some(states)) = (texts("content_type"), texts("state")) else {
        return;
    };
    let ids = texts("content_id");
    let is_window = |row| {
        batch
            .column_by_name("window_from")
            .is_some_and(|from| from.is_valid(row))
    };
    let records = batch
        .column_by_name("records")
        .and_then(|column| column.as_primitive_opt::<Int64Type>());
    for row in (0..batch.num_rows()).filter(|row| types.is_valid(*row)) {
        let Some(content_type) = ContentType::parse(types.value(row)) else {
            continue;
        };
        let counts = arrived.entry((tenant, content_type.as_str())).or_default();
        if ids.is_none_or(|ids| !ids.is_valid(row)) {
            counts.lost_windows += u64::from(is_window(row) && states.value(row) == LOST);
            continue;
        }
        let added = || {
            let records = records.filter(|records| records.is_valid(row));
            let added = records.and_then(|records| u64::try_from(records.value(row)).ok());
            added.unwrap_or_default()
        };
        match states.value(row) {
            LISTED => counts.listed += 1,
            STORED => {
                counts.stored += 1;
                counts.records += added();
            }
            STORED_AGAIN => counts.records += added(),
            _ => counts.lost += 1,
        }
    }
}
