//! What was published: content blobs, also such as are made while they are sent.

use bytes::{BufMut, Bytes, BytesMut};

use super::clock::zoneless_text;

/// About how much of a generated body is made at a time.
const PIECE_BYTES: u64 = 64 << 10;

/// A content blob as the server knows it: the truth that a lake is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedBlob {
    /// The tenant, a lower-case GUID.
    pub tenant_id: String,
    /// The content type, as the documentation spells it.
    pub content_type: String,
    /// The identifier.
    pub content_id: String,
    /// `contentCreated`, in microseconds since 1970, UTC.
    pub created_micros: i64,
    /// `contentExpiration`: from then on the blob can't be retrieved.
    pub expires_micros: i64,
    /// From when on listings name it; later than `created_micros` for a late blob.
    pub listed_from_micros: i64,
    /// What is retrieved.
    pub body: BlobBody,
}

/// The body of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobBody {
    /// These bytes.
    Bytes(Bytes),
    /// Records made while they are sent, so that the size costs no memory.
    Generated(GeneratedBody),
}

impl BlobBody {
    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Generated(body) => body.size(),
        }
    }

    /// The body, piece by piece.
    pub fn pieces(&self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        match self {
            Self::Bytes(bytes) => Box::new(std::iter::once(bytes.clone())),
            Self::Generated(body) => body.pieces(),
        }
    }
}

/// A JSON array of records of one size, made while it is sent. Every record has an `Id` of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedBody {
    /// How many records.
    pub records: u64,
    /// Bytes of each record; at least [`GeneratedBody::RECORD_BYTES_MIN`].
    pub record_bytes: usize,
    pub(crate) organization: String,
    pub(crate) created_micros: i64,
    pub(crate) serial: u64,
}

impl GeneratedBody {
    /// What a record has without padding.
    pub const RECORD_BYTES_MIN: usize = 384;

    /// `records` records of `record_bytes` bytes each.
    pub fn new(records: u64, record_bytes: usize) -> Self {
        Self {
            records,
            record_bytes: record_bytes.max(Self::RECORD_BYTES_MIN),
            organization: String::new(),
            created_micros: 0,
            serial: 0,
        }
    }

    /// The `Id` of the record at an index.
    pub fn record_id(&self, index: u64) -> String {
        format!(
            "{:08x}-{:04x}-4000-8000-{index:012x}",
            self.serial & 0xffff_ffff,
            self.serial >> 32 & 0xffff
        )
    }

    fn size(&self) -> u64 {
        2 + self.records * self.record_bytes as u64 + self.records.saturating_sub(1)
    }

    fn pieces(&self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        let body = self.clone();
        let per_piece = (PIECE_BYTES / self.record_bytes as u64).max(1);
        let pieces = self.records.div_ceil(per_piece).max(1);
        Box::new((0..pieces).map(move |piece| {
            let range = piece * per_piece..((piece + 1) * per_piece).min(body.records);
            let capacity = (range.end - range.start) as usize * (body.record_bytes + 1) + 2;
            let mut bytes = BytesMut::with_capacity(capacity);
            if piece == 0 {
                bytes.put_u8(b'[');
            }
            for index in range {
                if index > 0 {
                    bytes.put_u8(b',');
                }
                bytes.put_slice(body.record(index).as_bytes());
            }
            if piece + 1 == pieces {
                bytes.put_u8(b']');
            }
            bytes.freeze()
        }))
    }

    fn record(&self, index: u64) -> String {
        let mut record = format!(
            concat!(
                r#"{{"CreationTime":"{}","Id":"{}","Operation":"FileAccessed","OrganizationId":"{}","RecordType":6,"#,
                r#""UserKey":"i:0h.f|membership|1003200000000000@live.com","UserType":0,"Version":1,"#,
                r#""Workload":"SharePoint","UserId":"user{}@example.com","ClientIP":"203.0.113.{}","ObjectId":""#
            ),
            zoneless_text(self.created_micros - (index % 3_600) as i64 * 1_000_000),
            self.record_id(index),
            self.organization,
            index % 500,
            index % 250,
        );
        let padding = self.record_bytes.saturating_sub(record.len() + 2);
        record.extend(std::iter::repeat_n('x', padding));
        record.push_str("\"}");
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_body_is_an_array_of_the_length_it_says() {
        for (records, record_bytes) in [(0, 400), (1, 400), (2, 1), (1_000, 512), (3, 200_000)] {
            let body = BlobBody::Generated(GeneratedBody {
                organization: "4a8ef9f8-1b0c-4a3b-9d57-0d4c2f5a6b7c".into(),
                serial: 7,
                ..GeneratedBody::new(records, record_bytes)
            });
            let bytes: Vec<u8> = body.pieces().flatten().collect();
            assert_eq!(bytes.len() as u64, body.size());
            let array: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(array.len() as u64, records);
            let ids: std::collections::BTreeSet<_> =
                array.iter().map(|record| record["Id"].as_str()).collect();
            assert_eq!(ids.len() as u64, records);
        }
    }
}
