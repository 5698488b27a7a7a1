//! Any bytes, in any chunking: rows or rejects, the same as in one piece.
#![no_main]

use audit_fuzz::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (sizes, bytes) = input;
    let whole = read(bytes, &[]);
    assert_eq!(whole.rows() + whole.rejects.len(), whole.entries);
    for raw in whole.texts("raw") {
        let raw = raw.expect("each row has its text");
        assert!(audit_ingest::canonical(raw).is_some(), "{raw}");
    }
    for extra in whole.texts("extra").into_iter().flatten() {
        assert!(audit_ingest::canonical(extra).is_some(), "{extra}");
    }
    let pieces = read(bytes, if sizes.is_empty() { &[1] } else { &sizes });
    assert_eq!(whole, pieces);
});
