//! Bytes: <https://trino.io/docs/current/functions/binary.html>.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use datafusion::arrow::array::{ArrayRef, BinaryArray};
use datafusion::common::{Result, exec_err};

use super::Function;
use super::scalar::{Call, Scalar, Takes, at, gives_binary, gives_text};

const PAGE: &str = "binary";

/// Padding may be there or not: records have both.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

pub(super) fn functions() -> Vec<Function> {
    use Takes::{Binary, Text};
    let scalar = |page, syntax, meaning, scalar: Scalar| {
        Function::scalar(page, syntax, meaning, scalar.build())
    };
    vec![
        scalar(
            PAGE,
            "from_base64(text)",
            "The bytes of Base64 text.",
            Scalar::new("from_base64", &[Binary], gives_binary, |call| {
                decode(call, &STANDARD)
            }),
        ),
        scalar(
            PAGE,
            "from_base64url(text)",
            "The bytes of Base64 text with the alphabet for URLs.",
            Scalar::new("from_base64url", &[Binary], gives_binary, |call| {
                decode(call, &URL)
            }),
        ),
        scalar(
            PAGE,
            "to_base64(bytes)",
            "Bytes as Base64 text.",
            Scalar::new("to_base64", &[Binary], gives_text, |call| {
                encode(call, &STANDARD)
            }),
        ),
        scalar(
            PAGE,
            "to_base64url(bytes)",
            "Bytes as Base64 text with the alphabet for URLs.",
            Scalar::new("to_base64url", &[Binary], gives_text, |call| {
                encode(call, &URL)
            }),
        ),
        scalar(
            "string",
            "from_utf8(bytes)",
            "Bytes as text; what is no UTF-8 becomes U+FFFD.",
            Scalar::new("from_utf8", &[Binary, Text], gives_text, from_utf8).with_optional(1),
        ),
        scalar(
            "string",
            "to_utf8(text)",
            "The bytes of text.",
            Scalar::new("to_utf8", &[Binary], gives_binary, |call| {
                Ok(Arc::clone(call.any(0)?))
            }),
        ),
        scalar(
            PAGE,
            "from_hex(text)",
            "The bytes of hexadecimal text.",
            Scalar::new("from_hex", &[Text], gives_binary, from_hex),
        ),
        scalar(
            PAGE,
            "to_hex(bytes)",
            "Bytes as hexadecimal text in upper case.",
            Scalar::new("to_hex", &[Binary], gives_text, to_hex),
        ),
        Function::rewritten(
            PAGE,
            "md5(bytes)",
            "As bytes: `to_hex(md5(to_utf8(text)))` is text.",
        ),
        Function::same(
            PAGE,
            "sha256(bytes)",
            "Also `sha512`, as in the default dialect.",
        ),
    ]
}

fn decode(call: &Call, engine: &GeneralPurpose) -> Result<ArrayRef> {
    let text = call.bytes(0)?;
    let array: BinaryArray = call.rows(|row| {
        let Some(text) = at(text, row) else {
            return Ok(None);
        };
        match engine.decode(text) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => exec_err!("{}: {error}", call.name),
        }
    })?;
    Ok(Arc::new(array))
}

fn encode(call: &Call, engine: &GeneralPurpose) -> Result<ArrayRef> {
    let bytes = call.bytes(0)?;
    call.text_rows(|row| Ok(at(bytes, row).map(|bytes| engine.encode(bytes))))
}

fn from_utf8(call: &Call) -> Result<ArrayRef> {
    let bytes = call.bytes(0)?;
    let with = call.has(1).then(|| call.text(1)).transpose()?;
    call.text_rows(|row| {
        let text = at(bytes, row).map(String::from_utf8_lossy);
        Ok(match with.and_then(|with| at(with, row)) {
            Some(with) => text.map(|text| text.replace('\u{fffd}', with)),
            None => text.map(std::borrow::Cow::into_owned),
        })
    })
}

fn from_hex(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let array: BinaryArray = call.rows(|row| {
        let Some(text) = at(text, row) else {
            return Ok(None);
        };
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
            .collect();
        match bytes.filter(|_| rest.is_empty()) {
            Some(bytes) => Ok(Some(bytes)),
            None => exec_err!("from_hex: `{text}` is no hexadecimal text"),
        }
    })?;
    Ok(Arc::new(array))
}

fn to_hex(call: &Call) -> Result<ArrayRef> {
    let bytes = call.bytes(0)?;
    call.text_rows(|row| {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02X}"))
                .collect::<String>()
        };
        Ok(at(bytes, row).map(hex))
    })
}
