//! What the targets share: whole inputs read in any chunking.

use arrow::array::{Array, AsArray, RecordBatch};
use audit_ingest::decode::{Reject, decode};
use audit_ingest::envelope::{Reader, detect};

/// What an input held.
#[derive(Debug, PartialEq)]
pub struct Read {
    pub batches: Vec<(String, RecordBatch)>,
    pub rejects: Vec<Reject>,
    /// Items that the reader found.
    pub entries: usize,
}

/// Reads the input in pieces of these sizes, again and again; no sizes: in one piece.
pub fn read(bytes: &[u8], sizes: &[u8]) -> Read {
    let mut slabs = Vec::new();
    let mut reader = Reader::new(&detect(&bytes[..bytes.len().min(64 << 10)]));
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| usize::from(*size).clamp(1, rest.len()));
        let (piece, tail) = rest.split_at(size);
        reader.push(piece, &mut |slab| slabs.push(slab));
        rest = tail;
    }
    reader.finish(&mut |slab| slabs.push(slab));
    let mut read = Read {
        batches: Vec::new(),
        rejects: Vec::new(),
        entries: 0,
    };
    for slab in slabs {
        read.entries += slab.entries().len();
        let decoded = decode(slab, None).expect("columns make a batch");
        read.rejects.extend(decoded.rejects);
        read.batches.extend(
            decoded
                .batches
                .into_iter()
                .map(|batch| (batch.tenant, batch.batch)),
        );
    }
    read
}

impl Read {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(|(_, batch)| batch.num_rows()).sum()
    }

    /// The values of a text column, in the order of tenants and rows.
    pub fn texts(&self, name: &str) -> Vec<Option<&str>> {
        let mut texts = Vec::new();
        for (_, batch) in &self.batches {
            match batch.column_by_name(name) {
                Some(array) => texts.extend(array.as_string_view().iter()),
                None => texts.extend(std::iter::repeat_n(None, batch.num_rows())),
            }
        }
        texts
    }

    /// Whether the column has a value in the row, in the order of [`texts`](Self::texts).
    pub fn has(&self, name: &str, mut row: usize) -> bool {
        for (_, batch) in &self.batches {
            if row < batch.num_rows() {
                return batch
                    .column_by_name(name)
                    .is_some_and(|array| array.is_valid(row));
            }
            row -= batch.num_rows();
        }
        false
    }
}
