//! Decoded columns that queries asked for, kept for the next ones.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::DefaultHashBuilder;
use object_store::path::Path;
use parquet::file::metadata::ParquetMetaData;

use super::coded::Coded;
use super::column::Chunk;
use super::kept_pages::KeptPages;
use super::search::Searched;
use super::shape::Shape;
use super::texts::Texts;
use crate::memory::{Budget, Key, Part};

/// Columns of which it is known how much of them was read by pages; with more it is forgotten.
const READ_MAX: usize = 100_000;

/// In the engine's budget.
pub(crate) struct HotColumns {
    budget: Arc<Budget>,
    /// How much was done for columns by pages, in percent of the work for all of each, by the hash of their key: two that
    /// have the same make a column be kept early.
    read: Mutex<HashMap<u64, usize>>,
    hasher: DefaultHashBuilder,
    new_texts: Mutex<()>,
}

impl HotColumns {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            read: Mutex::default(),
            hasher: DefaultHashBuilder::default(),
            new_texts: Mutex::default(),
        }
    }

    /// What all that is kept may have, if no query needs memory.
    pub(super) fn bytes_max(&self) -> usize {
        self.budget.limit_bytes()
    }

    /// Whether a column is kept; that it was asked does not count.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.budget.contains(key)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Chunk> {
        let chunk = self.budget.get(key).map(Arc::unwrap_or_clone)?;
        if let Chunk::Coded(coded) = &chunk
            && let Some((texts, _)) = coded.shared()
        {
            // They go after all whose they are.
            self.budget.touch(&texts.key);
        }
        Some(chunk)
    }

    /// Keeps a column, and gives it as it is kept.
    pub(super) fn put(&self, key: &Key, mut chunk: Chunk) -> Chunk {
        if let Chunk::Coded(coded) = &mut chunk
            && let Some(coded) = Arc::get_mut(coded)
        {
            self.share(key, coded);
        }
        (self.budget).put(key.clone(), Arc::new(chunk.clone()), chunk.size());
        chunk
    }

    /// Puts the texts of a column among those of the table's other row groups.
    fn share(&self, key: &Key, coded: &mut Coded) {
        let Part::Column { name, .. } = &key.part else {
            return;
        };
        let texts = self.texts(Key {
            path: table_of(&key.path),
            part: Part::Texts {
                name: Arc::clone(name),
            },
        });
        let before = texts.size();
        coded.share(&texts);
        let bytes = texts.size();
        if bytes > before {
            (self.budget).put(texts.key.clone(), texts, bytes);
        }
    }

    /// The texts of a column of a table.
    fn texts(&self, key: Key) -> Arc<Texts> {
        // Who comes second finds what the first put.
        let _one = self
            .new_texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.budget.get(&key).unwrap_or_else(|| {
            let texts = Arc::new(Texts::new(key.clone()));
            self.budget.put(key, Arc::clone(&texts), texts.size());
            texts
        })
    }

    pub(super) fn shape(&self, path: &Path) -> Option<Arc<Shape>> {
        self.budget.get(&shape_key(path))
    }

    /// A file's shape, which is kept from now on.
    pub(super) fn shape_or(&self, path: &Path, metadata: &ParquetMetaData) -> Arc<Shape> {
        self.shape(path).unwrap_or_else(|| {
            let shape = Arc::new(Shape::of(metadata));
            let bytes = shape.size();
            (self.budget).put(shape_key(path), Arc::clone(&shape), bytes);
            shape
        })
    }

    /// The pages that are kept of a column.
    pub(super) fn pages(&self, key: &Key) -> Arc<KeptPages> {
        self.budget.get(key).unwrap_or_default()
    }

    pub(super) fn put_pages(&self, key: Key, pages: Arc<KeptPages>) {
        let bytes = pages.bytes();
        self.budget.put(key, pages, bytes);
    }

    /// What a search found in a row group.
    pub(super) fn searched(&self, key: &Key) -> Option<Arc<Searched>> {
        self.budget.get(key)
    }

    pub(super) fn put_searched(&self, key: Key, searched: Arc<Searched>) {
        let bytes = searched.size();
        self.budget.put(key, searched, bytes);
    }

    /// Whether as much was done for a column by pages as all of it takes, with the pages that are asked for now. So the work
    /// for it is at most twice what it would be if it were known what will be asked.
    pub(super) fn is_read_often(&self, key: &Key, percent: usize) -> bool {
        let key = self.hasher.hash_one(key);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let before = read.get(&key).copied().unwrap_or(0);
        if before + percent >= 100 {
            read.remove(&key);
            return true;
        }
        if read.len() >= READ_MAX {
            read.clear();
        }
        read.insert(key, before + percent);
        false
    }
}

/// The folder of a data file's table, which has one for each day.
fn table_of(file: &Path) -> Path {
    let parts: Vec<_> = file.parts().collect();
    Path::from_iter(parts.into_iter().rev().skip(2).rev())
}

fn shape_key(path: &Path) -> Key {
    Key {
        path: path.clone(),
        part: Part::Shape,
    }
}
