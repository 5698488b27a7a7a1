//! What of a slab is no record: each for itself, or very many tiny ones as one range.

use super::rows::guid;
use super::{Bad, Reject, UNKNOWN_TENANT};
use crate::envelope::{Entry, Slab};

/// Rejects of one kind, one after the other, that are kept each for itself. Nobody looks at each of more, and two bytes
/// of an input would take hundreds in the lake: what comes beyond is joined, if it is as small as [`TINY_BYTES`].
const RUN_APART: usize = 1_000;
const TINY_BYTES: usize = 64;

/// The longest range of bytes of rejects that are joined.
const JOINED_BYTES_MAX: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Rejects {
    all: Vec<Reject>,
    /// How many of one kind came one after the other.
    run: usize,
    /// How many of them the last reject holds.
    joined: usize,
}

impl Rejects {
    /// A record came between.
    pub(super) fn end_run(&mut self) {
        self.run = 0;
    }

    pub(super) fn into_all(self) -> Vec<Reject> {
        self.all
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>, bad: Bad, tenant: Option<&str>, slab: &Slab) {
        let Bad { reason, detail } = bad;
        let tenant = tenant.map_or_else(|| named_tenant(entry.source), str::to_owned);
        let last = self
            .all
            .last_mut()
            .filter(|last| self.run > 0 && last.reason == reason && last.tenant == tenant);
        self.run = if last.is_some() { self.run + 1 } else { 1 };
        // Up to the end of this one, with what stands between: commas, white space.
        let between_and_this = last.as_ref().and_then(|last| {
            let from = last.offset + last.bytes.len() as u64;
            slab.range(from..entry.offset + entry.source.len() as u64)
        });
        if let (Some(last), Some(bytes)) = (last, between_and_this)
            && self.run > RUN_APART + 1
            && entry.source.len() <= TINY_BYTES
            && last.bytes.len() + bytes.len() <= JOINED_BYTES_MAX
        {
            last.bytes.extend_from_slice(bytes);
            self.joined += 1;
            last.detail = format!(
                "{} parts, one after the other: {}",
                self.joined,
                reason.words()
            );
            return;
        }
        self.joined = 1;
        self.all.push(Reject {
            tenant,
            offset: entry.offset,
            bytes: entry.source.to_vec(),
            reason,
            detail,
        });
    }
}

/// The tenant that the bytes of a reject name; good enough to show the reject to the right people.
fn named_tenant(bytes: &[u8]) -> String {
    let named = memchr::memmem::find(bytes, b"OrganizationId").and_then(|at| {
        let rest = &bytes[at + b"OrganizationId".len()..];
        let begin = rest.iter().take(16).position(u8::is_ascii_hexdigit)?;
        guid(std::str::from_utf8(rest.get(begin..begin + 36)?).ok()?)
    });
    named.unwrap_or_else(|| UNKNOWN_TENANT.to_owned())
}
