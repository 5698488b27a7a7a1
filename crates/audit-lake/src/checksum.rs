//! The SHA-256 of data files, by which damage is told that Parquet does not see: its pages and zstd's frames are stored
//! without checksums.

use object_store::path::Path;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The tag of an `add` that has the hash, in hexadecimal digits.
pub(crate) const TAG: &str = "live_discover.sha256";

/// What is wrong with a file whose hash is another one.
pub(crate) const DAMAGED: &str = "is damaged: its SHA-256 is not the one in the log";

const HASH_BYTES: usize = 32;

/// The hash of a whole file.
pub(crate) fn of(bytes: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::digest(bytes).into()
}

/// The hash as the log has it.
pub(crate) fn to_hex(hash: [u8; HASH_BYTES]) -> String {
    hex::encode(hash)
}

/// The hash of the file `path` that the log has as `text`.
pub(crate) fn from_hex(path: &Path, text: &str) -> Result<[u8; HASH_BYTES]> {
    let mut hash = [0; HASH_BYTES];
    hex::decode_to_slice(text, &mut hash)
        .map_err(|_| Error::corrupt(path, format!("its tag {TAG} in the log is no SHA-256")))?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let path = Path::from("a");
        let hash = of(b"abc");
        let hex = to_hex(hash);
        assert!(hex.starts_with("ba7816bf") && hex.ends_with("f20015ad"));
        assert_eq!(from_hex(&path, &hex).unwrap(), hash);
        for other in ["", &hex[1..], &format!("{hex}00"), &hex.replace('b', "x")] {
            assert!(from_hex(&path, other).is_err(), "{other}");
        }
    }
}
