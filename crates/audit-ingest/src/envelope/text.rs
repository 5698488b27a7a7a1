//! Bytes as they lie in storage to UTF-8: byte order marks and UTF-16.

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE};

/// Output of one step of transcoding.
const STEP_BYTES: usize = 64 << 10;

/// Hands UTF-8 on as it is, without its byte order mark, and transcodes UTF-16.
///
/// Windows-1252 has no mark: a record or a CSV cell that is not UTF-8 is read as that, each by itself.
#[derive(Default)]
pub(super) struct Transcoder {
    /// Bytes of a byte order mark still to be dropped.
    skip: usize,
    decoder: Option<Decoder>,
}

impl std::fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcoder")
            .field("utf16", &self.decoder.is_some())
            .finish_non_exhaustive()
    }
}

/// How an input's characters are encoded, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8 { bom: bool },
    Utf16Le { bom: bool },
    Utf16Be { bom: bool },
}

impl Encoding {
    pub(super) fn detect(prefix: &[u8]) -> Self {
        match prefix {
            [0xEF, 0xBB, 0xBF, ..] => Self::Utf8 { bom: true },
            [0xFF, 0xFE, ..] => Self::Utf16Le { bom: true },
            [0xFE, 0xFF, ..] => Self::Utf16Be { bom: true },
            // Without a mark: ASCII, as every form begins, has a zero in each second byte.
            [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Self::Utf16Le { bom: false },
            [0, a, 0, b, ..] if *a != 0 && *b != 0 => Self::Utf16Be { bom: false },
            _ => Self::Utf8 { bom: false },
        }
    }

    /// Length of the byte order mark in UTF-8. (Positions in UTF-16 are those of its UTF-8 text.)
    pub(super) fn bom_bytes(self) -> u64 {
        if self == (Self::Utf8 { bom: true }) {
            3
        } else {
            0
        }
    }

    pub(super) fn transcoder(self) -> Transcoder {
        let (skip, decoder) = match self {
            Self::Utf8 { bom } => (if bom { 3 } else { 0 }, None),
            Self::Utf16Le { bom } => (if bom { 2 } else { 0 }, Some(UTF_16LE)),
            Self::Utf16Be { bom } => (if bom { 2 } else { 0 }, Some(UTF_16BE)),
        };
        Transcoder {
            skip,
            decoder: decoder.map(|e| e.new_decoder_without_bom_handling()),
        }
    }

    /// The prefix as UTF-8, as far as it goes.
    pub(super) fn decode_prefix(self, prefix: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(prefix.len());
        self.transcoder()
            .push(prefix, &mut |utf8| out.extend_from_slice(utf8));
        out
    }
}

impl Transcoder {
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) {
        let drop = self.skip.min(bytes.len());
        self.skip -= drop;
        let bytes = &bytes[drop..];
        match &mut self.decoder {
            None => sink(bytes),
            Some(decoder) => transcode(decoder, bytes, false, sink),
        }
    }

    pub(super) fn finish(&mut self, sink: &mut impl FnMut(&[u8])) {
        if let Some(decoder) = &mut self.decoder {
            transcode(decoder, &[], true, sink);
        }
    }
}

fn transcode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, sink: &mut impl FnMut(&[u8])) {
    let mut out = vec![0; STEP_BYTES];
    loop {
        let (result, read, written, _) = decoder.decode_to_utf8(bytes, &mut out, last);
        sink(&out[..written]);
        bytes = &bytes[read..];
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}
