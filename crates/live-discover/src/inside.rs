//! What is inside: the customer's networks and domains as a session's queries see them.

use std::sync::{Arc, Mutex, PoisonError};

use audit_lake::{InternalNetworks, Lake};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::TableReference;

use crate::error::{Error, Result};
use crate::lookup::Lookup;

/// The table of them.
pub(crate) const TABLE: &str = "internal_networks";
/// What the names of the functions that ask begin with.
const FUNCTIONS_PREFIX: &str = "is_internal_";

/// What the engine was told is inside, or the lake says.
pub(crate) struct Inside {
    set: Option<Arc<InternalNetworks>>,
    freshness_micros: i64,
    /// What the lake said, and when it was asked.
    known: Mutex<Option<(i64, Arc<InternalNetworks>)>>,
}

impl Inside {
    pub(crate) fn new(set: Option<InternalNetworks>, freshness_micros: i64) -> Self {
        Self {
            set: set.map(Arc::new),
            freshness_micros,
            known: Mutex::default(),
        }
    }

    /// Reads the lake's file if nothing was set, unless it was read lately.
    pub(crate) async fn networks(
        &self,
        lake: &Lake,
        now_micros: i64,
    ) -> Result<Arc<InternalNetworks>> {
        if let Some(set) = &self.set {
            return Ok(Arc::clone(set));
        }
        let known = (self.known.lock())
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((at_micros, networks)) = known
            && self.freshness_micros > 0
            && now_micros.saturating_sub(at_micros) <= self.freshness_micros
        {
            return Ok(networks);
        }
        let networks = Arc::new(lake.internal_networks().await?);
        *(self.known.lock()).unwrap_or_else(PoisonError::into_inner) =
            Some((now_micros, Arc::clone(&networks)));
        Ok(networks)
    }
}

/// Whether a query may ask what is inside. The name of a function stands in its text as it is, up to case.
pub(crate) fn is_asked(sql: &str, references: &[TableReference]) -> bool {
    let is_table = |reference: &TableReference| reference.table() == TABLE;
    references.iter().any(is_table) || sql.to_ascii_lowercase().contains(FUNCTIONS_PREFIX)
}

/// The table of them: `kind` is `network` or `domain`, `source` is `private range` or `configured`.
pub(crate) fn table(inside: &InternalNetworks) -> Result<Lookup> {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut push = |kind: &str, value: String, source: &str| {
        rows.push([kind.to_owned(), value, source.to_owned()]);
    };
    for domain in inside.domains() {
        push("domain", domain.to_owned(), "configured");
    }
    for network in inside.networks() {
        push("network", network, "configured");
    }
    for network in InternalNetworks::private_ranges() {
        push("network", network, "private range");
    }
    let column = |index: usize| -> ArrayRef {
        let values = rows.iter().map(|row| row.get(index));
        Arc::new(values.collect::<StringArray>())
    };
    let fields = ["kind", "value", "source"].map(|name| Field::new(name, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column(0), column(1), column(2)])
        .map_err(Error::internal)?;
    Lookup::from_batches(&schema, vec![batch])
}
