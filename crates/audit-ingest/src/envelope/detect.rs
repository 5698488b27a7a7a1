//! Which source form an input has, told by its first bytes, never by its name.

mod object;

use super::form::Form;
use super::json::{BYTE_ORDER_MARK, LINE_HEADER_BYTES_MAX};
use super::text::{Encoding, Transcoder};

/// What the first bytes of an input tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// The form.
    pub form: Form,
    /// Whether something else stands before what has this form: messages of a program, a banner, a page.
    pub behind_others: bool,
    encoding: Encoding,
}

impl Detected {
    /// The same encoding, read as a form the caller knows better.
    pub fn with_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub(super) fn transcoder(&self) -> Transcoder {
        self.encoding.transcoder()
    }

    pub(super) fn bom_bytes(&self) -> u64 {
        self.encoding.bom_bytes()
    }
}

/// Tells the form from the first bytes of the (decompressed) input; 64 KiB are plenty.
pub fn detect(prefix: &[u8]) -> Detected {
    let encoding = Encoding::detect(prefix);
    let (form, behind_others) = match binary(prefix) {
        Some(form) => (form, false),
        None => form(&encoding.decode_prefix(prefix)),
    };
    Detected {
        form,
        behind_others,
        encoding,
    }
}

/// The form of what is no text.
fn binary(prefix: &[u8]) -> Option<Form> {
    match prefix {
        [b'O', b'b', b'j', 1, ..] => Some(Form::Avro),
        [b'P', b'A', b'R', b'1', ..] => Some(Form::Parquet),
        _ => is_archive(prefix).then_some(Form::Archive),
    }
}

/// Whether it is a ZIP, 7z or RAR archive, compressed by xz, bzip2 or once more by gzip, or a tar, which names itself behind the
/// name of its first file.
fn is_archive(prefix: &[u8]) -> bool {
    let begins: [&[u8]; 7] = [
        b"PK\x03\x04",
        // A workbook as Excel wrote it before 2007.
        b"\xD0\xCF\x11\xE0",
        b"7z\xBC\xAF",
        b"Rar!",
        b"\xFD7zXZ\0",
        b"BZh",
        b"\x1F\x8B\x08",
    ];
    let is_tar = || prefix.get(257..262) == Some(b"ustar") && prefix[..257].contains(&0);
    begins.iter().any(|begin| prefix.starts_with(begin)) || is_tar()
}

/// The form, and whether something else stands before what has it.
fn form(text: &[u8]) -> (Form, bool) {
    let text = without_marks(text);
    let first = first_form(text);
    // A column alone, whose cells are not quoted: what `Select-Object` shows of objects.
    if first == Form::PurviewCsv
        && super::csv::is_one_column(text)
        && let Some(Form::Ndjson) = form_behind(text)
    {
        return (Form::Ndjson, true);
    }
    if matches!(first, Form::Empty | Form::Clixml) || Form::SOURCES.contains(&first) {
        return (first, false);
    }
    if let Some(form) = form_behind(text) {
        return (form, true);
    }
    if names_record(text) && super::csv::before_record(text).is_some() {
        return (Form::CollectorCsv, false);
    }
    // Behind something on its line, as in lists of properties.
    if names_record(text) && !text.starts_with(b"{") && shows_object(text) {
        return (Form::Ndjson, true);
    }
    // An array of which the first element is damaged.
    let is_array = first == Form::Unknown && text.starts_with(b"[") && text.contains(&b'{');
    (if is_array { Form::ContentBlob } else { first }, false)
}

/// Without byte order marks and white space at its beginning.
fn without_marks(text: &[u8]) -> &[u8] {
    let mut text = text.trim_ascii_start();
    while let Some(behind) = text.strip_prefix(BYTE_ORDER_MARK) {
        text = behind.trim_ascii_start();
    }
    text
}

/// The form that the text begins with.
fn first_form(text: &[u8]) -> Form {
    match text.first() {
        None => Form::Empty,
        Some(b'[') => json_array(text[1..].trim_ascii_start()),
        Some(b'{') => object::form(text, Form::Ndjson),
        // Texts of objects, as JSON has them; in a table's cell quotes are doubled.
        Some(b'"') if text.starts_with(br#""{\""#) => Form::Ndjson,
        Some(_) if is_syslog(text) => Form::Syslog,
        Some(b'<') if text.starts_with(b"<Objs") => Form::Clixml,
        Some(b'<') if has_priority(text) => Form::Unknown,
        Some(b'<') => Form::Html,
        Some(_) => match super::csv::header(text) {
            // Most tables with such a column are of something else.
            Some(header) if header.form() == Form::CollectorCsv => {
                match header.is_certain() || shows_record(text) {
                    true => Form::CollectorCsv,
                    false => Form::Csv,
                }
            }
            Some(header) => header.form(),
            None => Form::Unknown,
        },
    }
}

/// The form of the records that begin on one of the lines behind the first.
fn form_behind(text: &[u8]) -> Option<Form> {
    // Most texts without records end here.
    let names = |name: &&str| memchr::memmem::find(text, name.as_bytes()).is_some();
    if !shows_record(text) && !["AuditData", "auditData", "RawEventData"].iter().any(names) {
        return None;
    }
    let mut rest = text;
    loop {
        rest = without_marks(&rest[memchr::memchr2(b'\r', b'\n', rest)? + 1..]);
        let form = first_form(rest);
        let is_certain = !matches!(form, Form::Ndjson | Form::ContentBlob);
        if Form::SOURCES.contains(&form) && (is_certain || shows_record(rest)) {
            return Some(form);
        }
    }
}

/// Whether an object that shows to be a record begins somewhere in a text. (In a table's cell quotes are doubled.)
fn shows_object(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"{\"").any(|at| {
        text.get(at + 2).is_some_and(u8::is_ascii_alphabetic) && shows_record(&text[at..])
    })
}

/// Whether the members that records begin with are in a text.
fn names_record(text: &[u8]) -> bool {
    shows_record(text) && memchr::memmem::find(text, b"RecordType").is_some()
}

/// Whether the text begins as lines of syslog do, with a priority or a time, and there are records behind such headers.
fn is_syslog(text: &[u8]) -> bool {
    let head = &text[..text.len().min(LINE_HEADER_BYTES_MAX)];
    let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let has_time = match line {
        // `2026-07-16T10:00:00Z host …`, `Jul  6 10:00:00 host …`
        [b'0'..=b'9', ..] => true,
        [a, b, c, b' ', b' ' | b'0'..=b'9', b'0'..=b'9', b' ', ..] => {
            [a, b, c].into_iter().all(u8::is_ascii_alphabetic)
        }
        _ => false,
    };
    // In a row of a table without a header, a record stands in quotes, behind a separator.
    let is_header = |header: &[u8]| !header.iter().any(|b| b"\",;\t".contains(b));
    let behind_header = || memchr::memchr(b'{', line).is_some_and(|at| is_header(&line[..at]));
    (has_priority(line) || has_time && behind_header()) && shows_record(text)
}

/// Whether the text begins with the priority of a syslog message, `<180>`.
fn has_priority(text: &[u8]) -> bool {
    matches!(text, [b'<', b'0'..=b'9', ..])
}

/// Whether a text begins as the API's answer to too many requests, which is no JSON.
pub(crate) fn is_api_error(text: &[u8]) -> bool {
    text.starts_with(b"{'error'")
}

/// Whether a record's member `CreationTime` is in a text, whatever its quotes are made of.
pub(crate) fn shows_record(text: &[u8]) -> bool {
    const TIME: &[u8] = b"CreationTime";
    memchr::memmem::find_iter(text, TIME).any(|at| {
        let behind = &text[at + TIME.len()..];
        let quotes = behind.iter().take_while(|b| b"\"\\ ".contains(b)).count();
        quotes > 0 && behind.get(quotes) == Some(&b':')
    })
}

fn json_array(elements: &[u8]) -> Form {
    match elements.first() {
        Some(b'{') => object::form(elements, Form::ContentBlob),
        None | Some(b'[' | b']' | b'"') => Form::ContentBlob,
        // Words in brackets, a link say, are no array.
        Some(_) => {
            let is_end = |b: &u8| b",]".contains(b) || b.is_ascii_whitespace();
            let literal = elements.split(is_end).next().unwrap_or_default();
            match sonic_rs::from_slice::<sonic_rs::Value>(literal) {
                Ok(_) => Form::ContentBlob,
                Err(_) => Form::Unknown,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::ApiForm;
    use super::*;

    #[test]
    fn forms_are_told_by_content() {
        let cases: &[(&str, Form)] = &[
            ("", Form::Empty),
            (" \r\n", Form::Empty),
            ("[]", Form::ContentBlob),
            ("[null]", Form::ContentBlob),
            (
                "[{\"CreationTime\":\"2026-01-01T00:00:00\",\"Id\":\"",
                Form::ContentBlob,
            ),
            (
                "{\"Id\":1,\"CreationTime\":\"2026-01-01T00:00:00\"}\n",
                Form::Ndjson,
            ),
            ("<!DOCTYPE html><html>", Form::Html),
            (
                "PSComputerName,RunspaceId,RecordType,AuditData,Identity\r\n",
                Form::SearchUnifiedAuditLogCsv,
            ),
            (
                "#TYPE Deserialized.X\r\n\"RecordType\",\"AuditData\",\"Identity\"\r\n",
                Form::SearchUnifiedAuditLogCsv,
            ),
            (
                "RecordId,CreationDate,RecordType,Operation,UserId,AuditData,AssociatedAdminUnits\n",
                Form::PurviewCsv,
            ),
            (
                "CreationDate,UserIds,Operations,AuditData\n",
                Form::PurviewCsv,
            ),
            (
                "CreationDate;UserIds;Operations;AuditData\n",
                Form::PurviewCsv,
            ),
            ("name,records\n", Form::Csv),
            ("# A title\n\nSome words.\n", Form::Unknown),
            (
                "Words, of which there are several, and a stop.\n",
                Form::Unknown,
            ),
            (
                "[![build](https://example.com)]\n\n# A title\n",
                Form::Unknown,
            ),
            (
                "[tru, {\"CreationTime\":\"2026-01-01T00:00:00\"}]",
                Form::ContentBlob,
            ),
            (
                "[{\"RecordType\":\"X\",\"AuditData\":\"{}\"}]",
                Form::SearchUnifiedAuditLogJson,
            ),
            (
                "[{\"CreationTime\":\"x\",\"AuditData\":\"{}\"}]",
                Form::ContentBlob,
            ),
            (
                "[{\"Identity\":\"X\",\"AuditData\":\"{\\\"Id\\\":",
                Form::SearchUnifiedAuditLogJson,
            ),
            ("{\"id\":\"1\",\"auditData\":{\"Id\":", Form::GraphJson),
            (
                "[{\"AuditData\":{},\"AuditLogRecordType\":\"X\",\"Operation\":\"y\"}]",
                Form::GraphJson,
            ),
            (
                "{\"@odata.context\":\"x\",\"value\":[{\"id\":",
                Form::GraphJson,
            ),
            (
                "[{\"contentUri\":\"x\",\"contentId\":\"y\",\"contentType\":\"z\"}]",
                Form::Api(ApiForm::ContentListing),
            ),
            (
                "[{\"contentType\":\"Audit.Exchange\",\"status\":\"enabled\"}]",
                Form::Api(ApiForm::SubscriptionListing),
            ),
            (
                "{\"error\":{\"code\":\"AF50000\"}}",
                Form::Api(ApiForm::Error),
            ),
            (
                "{'error':{'code':'AF429','message':'Too many requests.'}}",
                Form::Api(ApiForm::Error),
            ),
            (
                "{\"Timestamp\":\"x\",\"ActionType\":\"y\",\"RawEventData\":{\"CreationTime\":",
                Form::CloudAppEventsJson,
            ),
            (
                "{\"records\":[{\"time\":\"x\",\"properties\":{\"RawEventData\":{",
                Form::CloudAppEventsJson,
            ),
            (
                "Timestamp,ActionType,ReportId,RawEventData\n",
                Form::CloudAppEventsCsv,
            ),
            (
                "TenantId,OfficeWorkload,RecordType,\"TimeGenerated [UTC]\"\n",
                Form::OfficeActivityCsv,
            ),
            (
                "{\"integration\":\"office365\",\"office365\":{\"Id\":",
                Form::WazuhJson,
            ),
            (
                "{\"event\":{\"dataset\":\"o365.audit\",\"original\":\"{",
                Form::ElasticJson,
            ),
            (
                "{\"preview\":false,\"result\":{\"_raw\":\"{",
                Form::CollectorJson,
            ),
            (
                "{\"@timestamp\":\"x\",\"message\": \"{\\\"Id\\\":",
                Form::CollectorJson,
            ),
            (
                "_time,_raw\n1,\"{\"\"CreationTime\"\" : \"\"x\"\"}\"\n",
                Form::CollectorCsv,
            ),
            ("\"message\",\"CreationTime\"\nwords,2026\n", Form::Csv),
            (
                "<180>Jul 16 10:00:00 host o365: {\"CreationTime\":",
                Form::Syslog,
            ),
            (
                "<14>1 2026-07-16T10:00:00Z host o365 - - [x a=\"b\"] {\"CreationTime\":",
                Form::Syslog,
            ),
            (
                "Jul  6 10:00:00 host o365[7]: {\"CreationTime\":",
                Form::Syslog,
            ),
            (
                "2026-07-16T10:00:00Z host o365: {\"CreationTime\":",
                Form::Syslog,
            ),
            ("<180>Jul 16 10:00:00 host sshd: words\n", Form::Unknown),
            (
                "Example of a record: {\"CreationTime\":\"x\"}",
                Form::Unknown,
            ),
            (
                "2026,x,\"{\"\"CreationTime\"\":\"\"x\"\"}\"\n",
                Form::Unknown,
            ),
            // A table that was split, or whose columns have other names.
            (
                "2026,x,\"{\"\"CreationTime\"\":\"\"x\"\",\"\"RecordType\"\":1}\"\n",
                Form::CollectorCsv,
            ),
            ("_time,_raw\n1,words\n", Form::CollectorCsv),
            ("Obj\u{1}", Form::Avro),
            ("PAR1", Form::Parquet),
            (
                "TimeGenerated,Operation,UserId,OfficeObjectId\n",
                Form::OfficeActivityCsv,
            ),
            // Behind something else.
            (
                "WARNING: x\n\nVERBOSE: [y]\n[\n  {\"CreationTime\":",
                Form::ContentBlob,
            ),
            (
                "[2026-07-16 10:00:00] INFO {x}\n[+] y\nRecordType,AuditData,Identity\n",
                Form::SearchUnifiedAuditLogCsv,
            ),
            (
                "-- Journal begins at Thu 2026-07-16 --\nJul 16 10:00:00 host o365[7]: {\"CreationTime\":",
                Form::Syslog,
            ),
            (
                "[{\"contentUri\":\"x\",\"contentId\":\"y\"}]\n[{\"CreationTime\":",
                Form::ContentBlob,
            ),
            ("<html>\n</html>\n{\"CreationTime\":", Form::Ndjson),
            ("words\n{\"a\":1}\n", Form::Unknown),
            ("Export of AuditData, 2026\nwords\n", Form::Csv),
            ("<Objs Version=\"1.1.0.1\">{\"CreationTime\":", Form::Clixml),
            ("PK\u{3}\u{4}CreationDate,AuditData\n", Form::Archive),
            // A record's own member decides.
            (
                "{\"CreationTime\":\"x\",\"properties\":{\"RawEventData\":1}}",
                Form::Ndjson,
            ),
            (
                "{\"validationCode\":\"x\"}",
                Form::Api(ApiForm::WebhookValidation),
            ),
        ];
        for (text, want) in cases {
            assert_eq!(detect(text.as_bytes()).form, *want, "{text}");
        }
    }

    #[test]
    fn a_tar_is_an_archive() {
        let mut tar = [0; 512];
        tar[..11].copy_from_slice(b"records.csv");
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(detect(&tar).form, Form::Archive);
        let text = [b"{".repeat(257), b"ustar".to_vec()].concat();
        assert_eq!(detect(&text).form, Form::Ndjson);
    }

    #[test]
    fn encodings_are_seen_through() {
        let text = "[{\"CreationTime\":1}]";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let with_bom = [&[0xFF, 0xFE], utf16.as_slice()].concat();
        let utf8_bom = [&[0xEF, 0xBB, 0xBF], text.as_bytes()].concat();
        for bytes in [utf16, with_bom, utf8_bom] {
            assert_eq!(detect(&bytes).form, Form::ContentBlob);
        }
    }
}
