//! When two results are the same.

use std::fmt;
use std::str::FromStr;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use audit_lake::TenantId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::definition::Watch;
use crate::error::{Error, Result};
use crate::names;

/// The identity of a watch's result: of its tenant, its watch's name and the values of its key columns. The same in
/// every advance, on every host, and when the watch is removed and added again.
///
/// Prints as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ResultId(u128);

const ID_BYTES: usize = 16;

impl fmt::Display for ResultId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Debug for ResultId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for ResultId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_hex =
            text.len() == 2 * ID_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex.then(|| u128::from_str_radix(text, 16).ok()))
            .flatten()
            .map(Self)
            .ok_or_else(|| Error::invalid(format!("`{text}` is no identity of a result")))
    }
}

impl From<ResultId> for String {
    fn from(id: ResultId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ResultId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Tells the identities of a watch's results.
pub(super) struct Identify {
    /// Of the tenant and the watch.
    begun: Sha256,
    columns: Vec<(usize, FieldRef)>,
}

impl Identify {
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if the result has not the key's columns, or one of a type that is no value.
    pub(super) fn new(tenant: TenantId, watch: &Watch, schema: &Schema) -> Result<Self> {
        let fields = schema.fields();
        let columns = if watch.key.is_empty() {
            fields.iter().cloned().enumerate().collect()
        } else {
            (watch.key.iter())
                .map(|name| {
                    let index = column(schema, name)?;
                    Ok((index, FieldRef::clone(&fields[index])))
                })
                .collect::<Result<Vec<_>>>()?
        };
        let mut begun = Sha256::new();
        push(&mut begun, tenant.to_string().as_bytes());
        push(&mut begun, watch.name.as_bytes());
        let identify = Self { begun, columns };
        identify.ids(&RecordBatch::new_empty(schema.clone().into()))?;
        Ok(identify)
    }

    /// One for each row.
    ///
    /// Values count as the JSON that they are in results: it does not depend on how Arrow lays them out.
    pub(super) fn ids(&self, batch: &RecordBatch) -> Result<Vec<ResultId>> {
        let options = EncoderOptions::default();
        let mut encoders = (self.columns.iter())
            .map(|(index, field)| {
                make_encoder(field, batch.column(*index).as_ref(), &options).map_err(|error| {
                    Error::invalid(format!(
                        "the column `{}` cannot tell results apart: {error}",
                        field.name()
                    ))
                })
            })
            .collect::<Result<Vec<NullableEncoder<'_>>>>()?;
        let mut text = Vec::new();
        let ids = (0..batch.num_rows()).map(|row| {
            let mut hash = self.begun.clone();
            for ((_, field), encoder) in self.columns.iter().zip(&mut encoders) {
                text.clear();
                if encoder.is_null(row) {
                    text.extend_from_slice(b"null");
                } else {
                    encoder.encode(row, &mut text);
                }
                push(&mut hash, field.name().as_bytes());
                push(&mut hash, &text);
            }
            let digest = hash.finalize();
            let mut id = [0; ID_BYTES];
            id.copy_from_slice(&digest[..ID_BYTES]);
            ResultId(u128::from_be_bytes(id))
        });
        Ok(ids.collect())
    }
}

/// The column of a name, whatever its case and underscores.
pub(super) fn column(schema: &Schema, name: &str) -> Result<usize> {
    let fields = schema.fields();
    let key = audit_schema::resolve_name(name);
    (fields.iter().position(|field| field.name() == name))
        .or_else(|| {
            (fields.iter()).position(|field| audit_schema::resolve_name(field.name()) == key)
        })
        .ok_or_else(|| Error::InvalidQuery {
            message: format!("the result has no column `{name}`"),
            position: None,
            suggestion: names::closest(name, fields.iter().map(|field| field.name().as_str()))
                .map(str::to_owned),
        })
}

/// With its length, so that no two sequences of texts are alike.
fn push(hash: &mut Sha256, text: &[u8]) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, StringViewArray};

    use super::*;
    use crate::watch::NewWatch;

    fn ids(name: &str, key: &[&str], columns: Vec<(&str, ArrayRef)>) -> Vec<ResultId> {
        let watch = NewWatch::sql(name, "SELECT 1")
            .with_key(key.iter().copied())
            .watch;
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let identify = Identify::new(TenantId::UNKNOWN, &watch, &batch.schema()).unwrap();
        identify.ids(&batch).unwrap()
    }

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().collect::<StringArray>())
    }

    #[test]
    fn equal_values_are_one_result() {
        let rows = [
            Some("a"),
            Some("b"),
            Some("a"),
            None,
            Some("null"),
            Some(""),
        ];
        let plain = ids("w", &[], vec![("x", texts(&rows))]);
        assert_eq!(plain[0], plain[2]);
        let mut distinct = plain.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 5);
        // However it is laid out.
        let views: ArrayRef = Arc::new(rows.iter().collect::<StringViewArray>());
        assert_eq!(ids("w", &[], vec![("x", views)]), plain);
        assert_ne!(ids("v", &[], vec![("x", texts(&rows))]), plain);
        assert_ne!(ids("w", &[], vec![("y", texts(&rows))]), plain);
    }

    #[test]
    fn the_key_decides() {
        let columns = |count: i64| -> Vec<(&str, ArrayRef)> {
            vec![
                ("user_id", texts(&[Some("ada")])),
                ("failures", Arc::new(Int64Array::from(vec![count]))),
            ]
        };
        assert_ne!(ids("w", &[], columns(1)), ids("w", &[], columns(2)));
        assert_eq!(
            ids("w", &["UserId"], columns(1)),
            ids("w", &["user_id"], columns(2))
        );
        let error = column(
            &Schema::new(vec![arrow::datatypes::Field::new(
                "user_id",
                arrow::datatypes::DataType::Utf8,
                true,
            )]),
            "user_ids",
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "the result has no column `user_ids`; did you mean `user_id`?"
        );
    }

    /// Lakes remember identities: how they are made is part of the format.
    #[test]
    fn identities_stay() {
        let id = ids(
            "rules",
            &[],
            vec![("user_id", texts(&[Some("ada@contoso.com")]))],
        )[0];
        assert_eq!(id.to_string(), "742793bb25c85dae1f611cc6ebe5e3e1");
        assert_eq!(id.to_string().parse::<ResultId>().unwrap(), id);
        assert!(
            "+0000000000000000000000000000001"
                .parse::<ResultId>()
                .is_err()
        );
    }
}
