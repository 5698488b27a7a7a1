//! Bytes as they lie in storage to UTF-8: byte order marks and UTF-16.

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE};

/// Output of one step of transcoding.
const STEP_BYTES: usize = 64 << 10;

/// So many bytes of ASCII, one after the other, are no UTF-16: not even Chinese has as many characters in a row that look so.
const ASCII_RUN_BYTES: usize = 128;

/// Hands UTF-8 on as it is, without its byte order mark, and transcodes UTF-16, whole or in parts: Windows PowerShell's `>>`
/// appends UTF-16 to whatever is there, and others append UTF-8 to what it wrote.
///
/// Windows-1252 has no mark: a record or a CSV cell that is not UTF-8 is read as that, each by itself.
#[derive(Default)]
pub(super) struct Transcoder {
    /// Bytes of a byte order mark still to be dropped.
    skip: usize,
    /// Of UTF-16, where that is what comes.
    decoder: Option<Decoder>,
    /// Bytes that can't be told yet, and in UTF-8 the one before them.
    held: Vec<u8>,
    before: u8,
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
            ..Transcoder::default()
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
        self.go_on(&bytes[drop..], false, sink);
    }

    pub(super) fn finish(&mut self, sink: &mut impl FnMut(&[u8])) {
        self.go_on(&[], true, sink);
    }

    fn go_on(&mut self, bytes: &[u8], last: bool, sink: &mut impl FnMut(&[u8])) {
        let mut held = std::mem::take(&mut self.held);
        let mut rest = bytes;
        if !held.is_empty() {
            held.extend_from_slice(bytes);
            rest = &held;
        }
        while !rest.is_empty() || last {
            let (read, is_used_up) = match self.decoder.is_some() {
                true => self.utf16(rest, last, sink),
                false => self.utf8(rest, last, sink),
            };
            rest = &rest[read..];
            if is_used_up {
                break;
            }
        }
        self.held = rest.to_vec();
    }

    /// Hands UTF-8 on, up to where UTF-16 begins. How much of it, and whether that is all for now.
    fn utf8(&mut self, bytes: &[u8], last: bool, sink: &mut impl FnMut(&[u8])) -> (usize, bool) {
        let Some(zero) = memchr::memchr(0, bytes) else {
            sink(bytes);
            self.before = bytes.last().copied().unwrap_or(self.before);
            return (bytes.len(), true);
        };
        sink(&bytes[..zero]);
        self.before = bytes[..zero].last().copied().unwrap_or(self.before);
        let rest = &bytes[zero..];
        match rest {
            // ASCII in UTF-16 is the byte itself, which was handed on, and a zero.
            [_, b'\t'..=b'~', 0, ..] if matches!(self.before, b'\t'..=b'~') => {
                self.decoder = Some(UTF_16LE.new_decoder_without_bom_handling());
                (zero + 1, false)
            }
            [_, _, _, ..] | [] => self.zeros(rest, zero, sink),
            _ if last => self.zeros(rest, zero, sink),
            _ => (zero, true),
        }
    }

    /// Hands on zeros that are just that, as in a file that was damaged.
    fn zeros(&mut self, rest: &[u8], at: usize, sink: &mut impl FnMut(&[u8])) -> (usize, bool) {
        let zeros = rest.iter().take_while(|b| **b == 0).count();
        sink(&rest[..zeros]);
        self.before = 0;
        (at + zeros, zeros == rest.len())
    }

    /// The same from UTF-16 up to where UTF-8 begins.
    fn utf16(&mut self, bytes: &[u8], last: bool, sink: &mut impl FnMut(&[u8])) -> (usize, bool) {
        let Some(decoder) = &mut self.decoder else {
            return (0, true);
        };
        let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        let mut run = 0;
        for (at, unit) in bytes.as_chunks::<2>().0.iter().enumerate() {
            if !unit.iter().all(is_text) {
                run = 2 * (at + 1);
            } else if 2 * (at + 1) - run >= ASCII_RUN_BYTES {
                transcode(decoder, &bytes[..run], true, sink);
                self.decoder = None;
                return (run, false);
            }
        }
        let read = if last { bytes.len() } else { run };
        transcode(decoder, &bytes[..read], last, sink);
        (read, true)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces are that it comes in.
    fn check(bytes: &[u8], want: &str) {
        for size in [1, 2, 3, 7, 129, bytes.len()] {
            let mut transcoder = Encoding::detect(bytes).transcoder();
            let mut text = Vec::new();
            for piece in bytes.chunks(size) {
                transcoder.push(piece, &mut |utf8| text.extend_from_slice(utf8));
            }
            transcoder.finish(&mut |utf8| text.extend_from_slice(utf8));
            assert_eq!(String::from_utf8_lossy(&text), want, "{size}");
        }
    }

    #[test]
    fn encodings_may_change() {
        let line = |n: u32| {
            format!(
                "{{\"Id\":\"{n}\",\"Text\":\"{}\",\"Name\":\"Müller 李小龍\"}}\r\n",
                "x".repeat(150)
            )
        };
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let text = format!("{}{}{}{}", line(1), line(2), line(3), line(4));
        let parts = |is_utf16: [bool; 4]| -> Vec<u8> {
            let lines = (1..5).zip(is_utf16);
            lines
                .flat_map(|(n, is_utf16)| match is_utf16 {
                    true => utf16(&line(n)),
                    false => line(n).into_bytes(),
                })
                .collect()
        };
        for at in 0..16 {
            check(&parts([1, 2, 4, 8].map(|bit| at & bit != 0)), &text);
        }
        let wide = "漢字 in UTF-16: 一二三 ".repeat(100);
        check(&[vec![0xFF, 0xFE], utf16(&wide)].concat(), &wide);
        let big: Vec<u8> = wide.encode_utf16().flat_map(u16::to_be_bytes).collect();
        check(
            &[vec![0xFE, 0xFF], big, line(1).into_bytes()].concat(),
            &format!("{wide}{}", line(1)),
        );
        for zeros in ["a\0", "a\0b", "a\0\0\0b", "\0\0", "a\0é\0"] {
            check(
                format!("begins {zeros}").as_bytes(),
                &format!("begins {zeros}"),
            );
        }
    }
}
