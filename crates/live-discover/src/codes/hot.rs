//! Decoded columns that queries asked for, kept for the next ones.

use std::sync::Arc;

use super::column::Chunk;
use crate::memory::{Budget, Key};

/// In the engine's budget.
pub(crate) struct HotColumns(pub(crate) Arc<Budget>);

impl HotColumns {
    pub(super) fn get(&self, key: &Key) -> Option<Chunk> {
        self.0.get(key).map(Arc::unwrap_or_clone)
    }

    pub(super) fn put(&self, key: &Key, chunk: &Chunk) {
        self.0
            .put(key.clone(), Arc::new(chunk.clone()), chunk.size());
    }
}
