//! What a lake has to hold, kept by plain means, and records to try it with.

use std::collections::{BTreeMap, BTreeSet};

use audit_lake::Lake;

use crate::places::tenant;
use crate::records::{DAY, Dice, MICROS_PER_DAY, Record, canonical, rows};

const SECOND: i64 = 1_000_000;

/// A plain model of what the lake has to hold: contents by key.
#[derive(Default)]
pub(crate) struct Model(pub(crate) BTreeMap<ModelKey, BTreeSet<String>>);

/// Id in lower case, record type, operation and time.
pub(crate) type ModelKey = (Option<String>, Option<i64>, Option<String>, i64);

impl Model {
    /// Whether the record is new.
    pub(crate) fn add(&mut self, record: &Record) -> bool {
        let id = record.id.as_deref().map(str::to_lowercase);
        let key = match id {
            None => (None, None, None, record.creation_time),
            id => (
                id,
                record.record_type,
                record.operation.clone(),
                record.creation_time,
            ),
        };
        self.0
            .entry(key)
            .or_default()
            .insert(canonical(&record.raw).unwrap())
    }

    /// Fails unless the lake has exactly these records, each once, variants numbered without holes.
    pub(crate) async fn check(&self, lake: &Lake) {
        let mut found = Model::default();
        let mut variants: BTreeMap<_, BTreeSet<i64>> = BTreeMap::new();
        for row in rows(lake, tenant()).await {
            assert!(found.add(&row.record), "twice: {row:?}");
            match &row.record.id {
                None => assert_eq!(row.variant, 0),
                Some(id) => {
                    let record = row.record.clone();
                    let key = (
                        id.to_lowercase(),
                        record.record_type,
                        record.operation,
                        record.creation_time,
                    );
                    assert!(
                        variants.entry(key).or_default().insert(row.variant),
                        "{row:?}"
                    );
                }
            }
        }
        assert_eq!(found.0, self.0);
        for (key, variants) in variants {
            assert!(
                variants.iter().copied().eq(0..variants.len() as i64),
                "{key:?} {variants:?}"
            );
        }
    }
}

/// Records of few ids, times and contents, so that they meet again.
pub(crate) fn random_records(dice: &mut Dice, most: u64) -> Vec<Record> {
    (0..dice.below(most))
        .map(|_| {
            let mut id = ["", "abc", "def", "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7"]
                [dice.below(4) as usize]
                .to_owned();
            if dice.below(3) == 0 {
                id = id
                    .chars()
                    .map(|c| {
                        if dice.below(2) == 0 {
                            c.to_ascii_uppercase()
                        } else {
                            c
                        }
                    })
                    .collect();
            }
            let time = DAY + dice.below(3) as i64 * MICROS_PER_DAY + dice.below(3) as i64 * SECOND;
            let content = dice.below(4);
            let raw = if dice.below(2) == 0 {
                format!(r#"{{"Id":"{id}","Content":{{"a":{content},"b":[1]}}}}"#)
            } else {
                format!(r#"{{"Content":{{"b":[1], "a":{content}}},"Id":"{id}"}}"#)
            };
            let mut record = Record::new(&id, time, "").raw(&raw);
            if dice.below(5) == 0 {
                record = record.operation(None);
            }
            record
        })
        .collect()
}
