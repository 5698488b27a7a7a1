//! Content for a tenant: from a folder of blobs, or from the generator.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::clock::{DAY, MINUTE, parse_time};
use super::tenant::{CONTENT_TYPES, TenantHandle};
use crate::generator::{Generator, GeneratorOptions};

/// Content that spreads to the edge of what may be listed is gone before anybody asks.
const EDGE: i64 = 30 * MINUTE;

impl TenantHandle {
    /// Publishes each `<folder>/<content type>/<name>.json` as it is, evenly spread over the last `days` days (7 at
    /// most) of the server's clock, and returns how many there were.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn publish_folder(&self, folder: &Path, days: u32) -> io::Result<usize> {
        let mut files: Vec<(&str, PathBuf)> = Vec::new();
        for content_type in CONTENT_TYPES {
            let folder = folder.join(content_type);
            if !folder.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "json")
                {
                    files.push((content_type, path));
                }
            }
        }
        // The order of a folder is the file system's.
        files.sort_unstable();
        let (start, span) = self.past(days);
        let count = files.len() as i64;
        for (index, (content_type, path)) in (0..).zip(&files) {
            let body = Bytes::from(std::fs::read(path)?);
            self.publish(content_type, start + span * index / count.max(1), body);
        }
        Ok(files.len())
    }

    /// Publishes generated records of this tenant, spread over the last `options.days` days (7 at most) of the server's
    /// clock, and returns how many blobs there were. `tenants` and `start_micros` of the options don't matter.
    pub fn publish_records(&self, options: GeneratorOptions) -> usize {
        let (start, span) = self.past(options.days);
        // Nothing happens after now: the generator's days are whole ones.
        let from = start - EDGE;
        let generator = Generator::new(GeneratorOptions {
            tenants: 1,
            start_micros: from - from.rem_euclid(DAY),
            days: options.days.clamp(1, 7),
            ..options
        });
        let mut count = 0;
        for blob in generator {
            let created = parse_time(&blob.content_created).unwrap_or(start);
            let created = created.clamp(start, start + span);
            let body = with_tenant(blob.body, &blob.tenant_id, self.id());
            self.publish(blob.content_type, created, Bytes::from(body));
            count += 1;
        }
        count
    }

    /// Where the last `days` days begin, and how long they are.
    fn past(&self, days: u32) -> (i64, i64) {
        let now = self.shared.clock.now_micros();
        let span = i64::from(days.clamp(1, 7)) * DAY - EDGE;
        (now - span, span - MINUTE)
    }
}

/// The body with another tenant in the place of the generator's; both are GUIDs of one length.
fn with_tenant(mut body: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    if old.len() != new.len() {
        return body;
    }
    let mut start = 0;
    while let Some(found) = find(&body[start..], old.as_bytes()) {
        start += found;
        body[start..start + old.len()].copy_from_slice(new.as_bytes());
        start += old.len();
    }
    body
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}
