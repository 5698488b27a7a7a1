//! However the bytes arrive, the rows and rejects are the same.

use proptest::prelude::*;

use crate::support::read_in;

/// Pieces of input, good and bad, that the property strings together.
fn piece() -> impl Strategy<Value = String> {
    let good = r#"{"CreationTime":"2026-01-02T03:04:05","Id":"a","Operation":"Op, \"[{é","RecordType":1,"X":{"y":[1,{}]}}"#;
    prop_oneof![
        Just(good.to_owned()),
        Just(format!("[{good},{good}]")),
        Just(format!("[{good},null,5,\"s\",[1,2],{{}},{good}]")),
        Just("{\"CreationTime\":\"2026-01-02T03:04:05\",\"cut\":\"of".to_owned()),
        Just("{\"CreationTime\":\"2026-01-02T03:04:05\",\"cut\":1,".to_owned()),
        Just("{\"a\":NaN}".to_owned()),
        Just("\u{feff}".to_owned()),
        Just(format!("[[{good}],[{good},1]]")),
        Just(serde_json::to_string(good).unwrap()),
        Just(format!(
            "{{\"a\":\"\\\\\\\"\",\"n\":-1,\"events\":[{good}],\"x\":[{{}}],\"y\":[{good}]}}"
        )),
        Just(format!("{{\"a\":[{{\"b\":1}}],\"event\":{good}}}")),
        Just("null".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just(format!(
            "{{\"@odata.context\":\"x\",\"value\":[{good}],\"@odata.nextLink\":\"y\"}}"
        )),
        Just(format!(
            "{{\"records\":[{{\"properties\":{{\"RawEventData\":{good}}}}},{{\"properties\":{{}}}}]}}"
        )),
        Just(format!("{{\"office365\":{good}}}")),
        Just(format!(
            "{{\"took\":1,\"_shards\":{{\"a\":[]}},\"hits\":{{\"total\":1,\"hits\":[{{\"_source\":{good}}}],\"b\":{{}}}},\"c\":[1]}}"
        )),
        Just(format!(
            "<180>Jul 16 10:00:00 host o365 [x a=\"{{\"]: {good}\n<180>x {{\"a\":1,\n"
        )),
        Just(format!(
            "CreationDate,AuditData\r\n1,\"{}\"\r\n2,\r\n",
            good.replace('"', "\"\"")
        )),
        "[ -~\\n\"{}\\[\\]:,\\\\]{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn chunks_do_not_matter(
        pieces in prop::collection::vec(piece(), 0..6),
        separator in prop_oneof![Just("\n"), Just("\r\n"), Just(""), Just(","), Just(" ")],
        sizes in prop::collection::vec(1usize..60, 1..8),
    ) {
        let text = pieces.join(separator);
        let whole = read_in(text.as_bytes(), &[usize::MAX], None);
        let pieces = read_in(text.as_bytes(), &sizes, None);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn any_bytes_end_as_rows_or_rejects(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..50) {
        prop_assert_eq!(read_in(&bytes, &[usize::MAX], None), read_in(&bytes, &[size], None));
    }

    #[test]
    fn every_byte_of_a_bad_input_is_kept(text in "[ -~]{1,200}") {
        let read = read_in(text.as_bytes(), &[7], None);
        if read.rows.is_empty() && !text.trim_start().starts_with(['[', '{']) && read.rejects.len() == 1 {
            prop_assert_eq!(read.rejects[0].bytes.trim_ascii(), text.as_bytes().trim_ascii());
        }
    }
}
