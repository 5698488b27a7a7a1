//! What is no record, and what is one although it looks odd.

use serde_json::json;

use crate::support::{read, read_in};

const TENANT: &str = "0f1d5a2e-0000-4000-8000-00000000000a";

const TIME: &str = r#""CreationTime":"2026-01-02T03:04:05""#;

#[test]
fn rejects_by_reason() {
    let deep = format!(
        "[{{{TIME},\"a\":{}{}}}]",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let deep_garbage = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let cases: &[(&str, &[&str])] = &[
        ("", &["empty"]),
        ("  \n", &["empty"]),
        ("[]", &[]),
        ("null", &["invalid_json"]),
        ("[null]", &["not_an_object"]),
        ("[1,\"a,]\",[1,2],true]", &["not_an_object"; 5]),
        ("[tru]", &["invalid_json"]),
        ("{}", &["no_time"]),
        (
            "[{\"contentUri\":\"x\",\"contentId\":\"y\"}]",
            &["api_form"],
        ),
        (
            "{\"error\":{\"code\":\"AF50000\",\"message\":\"x\"}}",
            &["api_error"],
        ),
        (
            "{'error':{'code':'AF429','message':'Too many requests. Method=x'}}",
            &["api_error"],
        ),
        (
            "<!DOCTYPE html><html><body>Sign in</body></html>",
            &["html"],
        ),
        (
            "[{\"CreationTime\":\"2026-01-02T03:04:05\",\"a\":\"b",
            &["truncated"],
        ),
        ("[", &["truncated"]),
        ("[{\"CreationTime\":\"not a time\"}]", &["no_time"]),
        // In UTC of the year 10000, or of none.
        (
            "[{\"CreationTime\":\"9999-12-31T23:59:59-02:00\"}]",
            &["no_time"],
        ),
        (
            "[{\"CreationTime\":\"0001-01-01T00:00:00+02:00\"}]",
            &["no_time"],
        ),
        (
            "[{\"CreationTime\":\"2026-01-02T03:04:05-23:00\"}]",
            &["no_time"],
        ),
        (
            "[{\"CreationTime\":\"2026-01-02T03:04:05\",\"a\":NaN}]",
            &["invalid_json"],
        ),
        (
            "[{\"CreationTime\":\"2026-01-02T03:04:05\",\"a\":{\"b\":01}}]",
            &["invalid_json"],
        ),
        (
            "[{\"CreationTime\":\"2026-01-02T03:04:05\",}]",
            &["invalid_json"],
        ),
        (
            "[{\"CreationTime\":\"2026-01-02T03:04:05\" \"a\":1}]",
            &["invalid_json"],
        ),
        (&deep, &["too_deep"]),
        (&deep_garbage, &["too_deep"]),
    ];
    for (text, want) in cases {
        let read = read(text.as_bytes());
        assert_eq!(read.reasons(), *want, "{}", &text[..text.len().min(80)]);
        assert!(read.rows.is_empty(), "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn a_time_that_is_none_is_quoted() {
    let long = "9".repeat(1_000);
    for (value, shown) in [
        (
            r#""7/16/2026 10:00 \"AM\"""#,
            r#""7/16/2026 10:00 \"AM\"","#,
        ),
        ("1752660000", r#""1752660000","#),
        (r#"{"a":1}"#, r#""{\"a\":1}","#),
        (&long, &format!("\"{}\",", "9".repeat(60))),
        ("null", "without a CreationTime"),
    ] {
        for text in [
            format!(r#"[{{"Id":"1","CreationTime":{value}}}]"#),
            format!(r#"[{{"AuditData":{{"Id":"1","CreationTime":{value}}}}}]"#),
        ] {
            let read = read(text.as_bytes());
            assert_eq!(read.reasons(), ["no_time"], "{text}");
            let detail = &read.rejects[0].detail;
            assert!(detail.contains(shown), "{text}: {detail}");
        }
    }
}

#[test]
fn garbage_that_is_no_utf8_is_a_reject() {
    for text in [
        &b"\xe0[\"W\xe0[\"W"[..],
        b"[\xe0[\"W\xe0[\"W]",
        b"[\"\xff\"]",
    ] {
        let read = read(text);
        assert!(read.rows.is_empty(), "{text:?}");
        assert!(!read.rejects.is_empty(), "{text:?}");
    }
}

#[test]
fn a_byte_order_mark_behind_a_header_belongs_to_the_row() {
    let read = read("\"auditData\"\n\u{feff}".as_bytes());
    assert_eq!(read.reasons(), ["invalid_json"]);
    assert_eq!(read.rejects[0].bytes, "\u{feff}".as_bytes());
}

#[test]
fn a_bad_record_does_not_cost_its_neighbours() {
    let good = format!("{{{TIME},\"Id\":\"1\"}}");
    for (text, rows, reasons) in [
        (
            format!("[{good},{{\"a\":tru}},{good}]"),
            2,
            vec!["invalid_json"],
        ),
        (
            format!("{good}\n{{\"cut\":\"off\n{good}\n"),
            2,
            vec!["truncated"],
        ),
        (
            format!("{good}\n{{\"cut\":1,\n{good}\n"),
            2,
            vec!["truncated"],
        ),
        // What follows may be the value: the line goes with the record that was cut off.
        (
            format!("{good}\n{{\"cut\":\n{good}\n{good}\n"),
            2,
            vec!["truncated"],
        ),
        (
            format!("{good}\nnonsense, \"and\" more\n{good}\n"),
            2,
            vec!["invalid_json"],
        ),
        (format!("[{good},{good}"), 2, vec!["truncated"]),
    ] {
        let read = read(text.as_bytes());
        assert_eq!((read.rows.len(), read.reasons()), (rows, reasons), "{text}");
    }
}

#[test]
fn a_reject_keeps_its_bytes_place_and_tenant() {
    let bad = r#"{"OrganizationId":"0F1D5A2E-0000-4000-8000-00000000000A","a":tru}"#;
    let read = read(format!("[ {bad} ]").as_bytes());
    let reject = &read.rejects[0];
    assert_eq!(reject.bytes, bad.as_bytes());
    assert_eq!(reject.offset, 2);
    assert_eq!(reject.tenant, "0f1d5a2e-0000-4000-8000-00000000000a");
}

#[test]
fn a_byte_order_mark_counts_in_positions() {
    for (text, offset) in [
        ("\u{feff}[null]", 4),
        ("\u{feff}[5,\n  nonsense]", 4),
        ("\u{feff}words", 3),
    ] {
        let read = read(text.as_bytes());
        assert_eq!(read.rejects[0].offset, offset, "{text}");
        let begin = offset as usize;
        let bytes = &read.rejects[0].bytes;
        assert_eq!(
            &text.as_bytes()[begin..begin + bytes.len()],
            bytes,
            "{text}"
        );
    }
}

#[test]
fn odd_records_are_rows() {
    let cases = [
        // Without Id or Operation.
        (format!("{{{TIME}}}"), json!({})),
        // The same member twice: the last wins, as in any JSON parser; the first is not lost.
        (
            format!("{{{TIME},\"UserId\":\"a\",\"UserId\":\"b\"}}"),
            json!({"user_id": "b", "extra": "{\"UserId\":\"a\"}"}),
        ),
        // Also where they say where the record belongs, and one of them says nothing.
        (
            format!("{{{TIME},\"RecordType\":null,\"RecordType\":1}}"),
            json!({"record_type": 1, "record_type_name": "ExchangeAdmin", "extra": "{\"RecordType\":null}"}),
        ),
        (
            format!("{{{TIME},\"RecordType\":\"x\",\"RecordType\":\"ExchangeAdmin\"}}"),
            json!({"record_type": 1, "record_type_name": "ExchangeAdmin", "extra": "{\"RecordType\":\"x\",\"RecordType\":\"ExchangeAdmin\"}"}),
        ),
        (
            format!("{{{TIME},\"OrganizationId\":{{}},\"OrganizationId\":\"{TENANT}\"}}"),
            json!({"organization_id": TENANT, "extra": "{\"OrganizationId\":{}}"}),
        ),
        // Of two names of a column one may have no value.
        (
            format!("{{{TIME},\"SenderIp\":\"5.6.7.8\",\"SenderIP\":null}}"),
            json!({"sender_ip": "5.6.7.8", "source_ip": "5.6.7.8", "extra": "{\"SenderIP\":null}"}),
        ),
        (
            format!("{{{TIME},\"SenderIp\":\"5.6.7.8\",\"SenderIP\":null,\"SenderIp\":null}}"),
            json!({"extra": "{\"SenderIp\":\"5.6.7.8\",\"SenderIP\":null}"}),
        ),
        // Times as Windows PowerShell writes them.
        (
            format!(r#"{{{TIME},"StartTimeUtc":"\/Date(1767323045500)\/"}}"#),
            json!({"start_time_utc": 1_767_323_045_500_000i64}),
        ),
        // Members that differ by case alone are different members.
        (
            format!("{{{TIME},\"UserId\":\"a\",\"userid\":\"b\"}}"),
            json!({"user_id": "a", "extra": "{\"userid\":\"b\"}"}),
        ),
        // Values of other types: read if they can be, and kept as they were.
        (
            format!("{{{TIME},\"RecordType\":\"20\"}}"),
            json!({"record_type": 20, "record_type_name": "PowerBIAudit", "extra": "{\"RecordType\":\"20\"}"}),
        ),
        (
            format!("{{{TIME},\"RecordType\":1e2}}"),
            json!({"record_type": 100, "record_type_name": "OnPremisesSharePointScannerDlp", "extra": "{\"RecordType\":1e2}"}),
        ),
        (
            format!("{{{TIME},\"RecordType\":\"x\"}}"),
            json!({"extra": "{\"RecordType\":\"x\"}"}),
        ),
        (
            format!("{{{TIME},\"RecordType\":99999999999999999999}}"),
            json!({"extra": "{\"RecordType\":99999999999999999999}"}),
        ),
        (
            format!("{{{TIME},\"UserId\":7}}"),
            json!({"user_id": "7", "extra": "{\"UserId\":7}"}),
        ),
        (
            format!("{{{TIME},\"UserId\":{{\"a\":1}}}}"),
            json!({"extra": "{\"UserId\":{\"a\":1}}"}),
        ),
        (format!("{{{TIME},\"UserId\":null}}"), json!({})),
        (
            format!("{{{TIME},\"StartTimeUtc\":\"9999-12-31T23:59:59-02:00\"}}"),
            json!({"extra": "{\"StartTimeUtc\":\"9999-12-31T23:59:59-02:00\"}"}),
        ),
        (
            format!("{{{TIME},\"Parameters\":\"-Name x\"}}"),
            json!({"extra": "{\"Parameters\":\"-Name x\"}"}),
        ),
        (
            format!("{{{TIME},\"Parameters\":[{{\"Name\":\"ForwardTo\",\"Value\":\"a@b\"}}]}}"),
            json!({"parameters": [["ForwardTo", "a@b"]]}),
        ),
        // A bag as JSON text, as Power BI sends it, and without a list.
        (
            format!(
                r#"{{{TIME},"OperationProperties":"[{{\"Name\":\"A\",\"Value\":\"1 \\\"2\\\"\"}}, {{\"Name\":\"B\"}}]"}}"#
            ),
            json!({"operation_properties": [["A", "1 \"2\""], ["B", null]], "extra": r#"{"OperationProperties":"[{\"Name\":\"A\",\"Value\":\"1 \\\"2\\\"\"}, {\"Name\":\"B\"}]"}"#}),
        ),
        (
            format!(r#"{{{TIME},"Parameters":{{"Name":"Identity","Value":"x"}}}}"#),
            json!({"parameters": [["Identity", "x"]], "extra": r#"{"Parameters":{"Name":"Identity","Value":"x"}}"#}),
        ),
        (
            format!(r#"{{{TIME},"ModifiedProperties":"{{\"Name\":\"N\",\"NewValue\":\"new\"}}"}}"#),
            json!({"modified_properties": [["N", [null, "new"]]], "extra": r#"{"ModifiedProperties":"{\"Name\":\"N\",\"NewValue\":\"new\"}"}"#}),
        ),
        (
            format!(r#"{{{TIME},"Parameters":"[]"}}"#),
            json!({"parameters": [], "extra": r#"{"Parameters":"[]"}"#}),
        ),
        // Texts and objects that are no such thing.
        (
            format!(
                r#"{{{TIME},"Parameters":"","ExtendedProperties":"[{{\"Name\":1","DeviceProperties":"[1]"}}"#
            ),
            json!({"extra": r#"{"Parameters":"","ExtendedProperties":"[{\"Name\":1","DeviceProperties":"[1]"}"#}),
        ),
        (
            format!(
                r#"{{{TIME},"Parameters":{{"Identity":"x"}},"ExtendedProperties":"[] of what","DeviceProperties":7}}"#
            ),
            json!({"extra": r#"{"Parameters":{"Identity":"x"},"ExtendedProperties":"[] of what","DeviceProperties":7}"#}),
        ),
        (
            format!("{{{TIME},\"ModifiedProperties\":[\"a\",\"b\"]}}"),
            json!({"extra": "{\"ModifiedProperties\":[\"a\",\"b\"]}"}),
        ),
        (
            format!(
                "{{{TIME},\"ModifiedProperties\":[{{\"Name\":\"N\",\"NewValue\":\"new\",\"OldValue\":null}}]}}"
            ),
            json!({"modified_properties": [["N", [null, "new"]]]}),
        ),
        // Half a surrogate pair becomes U+FFFD.
        (
            format!("{{{TIME},\"UserId\":\"a\\ud83d\"}}"),
            json!({"user_id": "a\u{fffd}"}),
        ),
        // In a name, too.
        (
            format!("{{{TIME},\"UserId\":\"a\",\"N\\ud83d\":\"\\ude00\"}}"),
            json!({"user_id": "a", "extra": "{\"N\u{fffd}\":\"\\ufffd\"}"}),
        ),
        // Escapes in names.
        (
            format!("{{{TIME},\"\\u0055serId\":\"a\"}}"),
            json!({"user_id": "a"}),
        ),
        (
            format!("{{{TIME},\"New \\\"field\\\"\":1}}"),
            json!({"extra": "{\"New \\\"field\\\"\":1}"}),
        ),
        (
            format!("{{{TIME},\"ClientIP\":\"[::ffff:10.1.2.3]:443\"}}"),
            json!({"client_ip": "[::ffff:10.1.2.3]:443", "source_ip": "10.1.2.3", "source_port": 443}),
        ),
        (
            format!("{{{TIME},\"UserIp\":\"1.2.3.4\",\"SenderIp\":\"5.6.7.8\"}}"),
            json!({"user_ip": "1.2.3.4", "sender_ip": "5.6.7.8", "source_ip": "1.2.3.4"}),
        ),
        (
            format!("{{{TIME},\"SenderIP\":\"5.6.7.8\"}}"),
            json!({"sender_ip": "5.6.7.8", "source_ip": "5.6.7.8"}),
        ),
        // Without a column of its own.
        (
            format!("{{{TIME},\"SenderIp\":\"5.6.7.8\",\"ActorIP\":\"[2001:db8::1]:25\"}}"),
            json!({"sender_ip": "5.6.7.8", "source_ip": "2001:db8::1", "source_port": 25, "extra": "{\"ActorIP\":\"[2001:db8::1]:25\"}"}),
        ),
        // Names of what records number.
        (
            format!("{{{TIME},\"RecordType\":\"ExchangeAdmin\",\"UserType\":\"DcAdmin\"}}"),
            json!({"record_type": 1, "record_type_name": "ExchangeAdmin", "user_type": 3, "user_type_name": "DCAdmin", "extra": "{\"RecordType\":\"ExchangeAdmin\",\"UserType\":\"DcAdmin\"}"}),
        ),
        (
            format!(
                "{{{TIME},\"LogonType\":\"Delegated\",\"Scope\":\"Nowhere\",\"Version\":\"Admin\"}}"
            ),
            json!({"logon_type": 2, "extra": "{\"LogonType\":\"Delegated\",\"Scope\":\"Nowhere\",\"Version\":\"Admin\"}"}),
        ),
    ];
    for (text, want) in cases {
        let read = read(text.as_bytes());
        assert_eq!(read.reasons(), Vec::<&str>::new(), "{text}");
        let mut row = read.rows[0].1.clone();
        assert_eq!(row.remove("raw"), Some(json!(text)));
        assert_eq!(
            row.remove("creation_time"),
            Some(json!(1_767_323_045_000_000i64))
        );
        assert_eq!(serde_json::Value::Object(row), want, "{text}");
    }
}

/// Found by fuzzing: an escape without digits hid the quote behind it.
#[test]
fn an_escape_without_digits_is_no_json() {
    for (value, rows) in [
        (r#"["a\u"rn:b\"c"]"#, 0),
        (r#""\u12g4""#, 0),
        (r#""\u12"#, 0),
        (r#""C:\\users\\u""#, 1),
        (r#""\u00e9\\\u00E9""#, 1),
    ] {
        let read = read(format!("[{{{TIME},\"X\":{value}}}]").as_bytes());
        assert_eq!(read.rows.len(), rows, "{value}");
        assert_eq!(read.rejects.len(), 1 - rows, "{value}");
    }
}

/// One of these ended the process.
#[test]
fn texts_that_are_nested_deeply_are_texts() {
    for (open, close) in [("[", "]"), ("{\\\"a\\\":", "}")] {
        let deep = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
        let record = format!("{{{TIME},\"Parameters\":\"{deep}\",\"Data\":\"{deep}\"}}");
        let read = read(record.as_bytes());
        assert_eq!(read.reasons(), Vec::<&str>::new(), "{open}");
        assert_eq!(read.column("raw"), [json!(record)], "{open}");
    }
}

/// .NET escapes the plus sign of an offset.
#[test]
fn escapes_in_a_time_are_read() {
    let read = read(br#"[{"CreationTime":"2026-01-02T05:04:05\u002B02:00"}]"#);
    assert_eq!(
        read.column("creation_time"),
        [json!(1_767_323_045_000_000i64)]
    );
}

/// White space behind a number or word is none of its text.
#[test]
fn white_space_around_values_does_not_matter() {
    let spaced = format!(
        "{{ {TIME} , \"UserId\" : 7 , \"RecordType\" : 20 \n, \"ExternalAccess\": true\r\n, \"New\": 1 \n}}"
    );
    let plain =
        format!("{{{TIME},\"UserId\":7,\"RecordType\":20,\"ExternalAccess\":true,\"New\":1}}");
    let (spaced, plain) = (read(spaced.as_bytes()), read(plain.as_bytes()));
    let (mut spaced, mut plain) = (spaced.rows[0].1.clone(), plain.rows[0].1.clone());
    for row in [&mut spaced, &mut plain] {
        row.remove("raw");
        let extra: serde_json::Value =
            serde_json::from_str(row["extra"].as_str().unwrap()).unwrap();
        row.insert("extra".to_owned(), extra);
    }
    assert_eq!(spaced, plain);
}

#[test]
fn tenants_are_told_apart() {
    let a = "0f1d5a2e-0000-4000-8000-00000000000a";
    let b = "0F1D5A2E-0000-4000-8000-00000000000B";
    let record = |tenant: &str| {
        format!("{{\"Id\":\"1\",{TIME},\"OrganizationId\":\"{tenant}\",\"UserId\":\"u\"}}")
    };
    let text = format!(
        "[{},{},{},{}]",
        record(a),
        record(b),
        record("example.com"),
        record(a)
    );
    let read = read(text.as_bytes());
    let tenants: Vec<&str> = read
        .rows
        .iter()
        .map(|(tenant, _)| tenant.as_str())
        .collect();
    assert_eq!(tenants, [a, a, &b.to_lowercase(), "unknown"]);
    assert!(read.column("user_id").iter().all(|user| user == "u"));
}

#[test]
fn records_larger_than_any_window_pass_and_larger_than_allowed_are_kept_in_pieces() {
    let record = |len: usize| format!("{{{TIME},\"X\":\"{}\"}}", "x".repeat(len));
    let rows = read(format!("[{}]", record(50 << 20)).as_bytes());
    assert_eq!((rows.rows.len(), rows.rejects.len()), (1, 0));

    let large = record(150 << 20);
    let text = format!("[{large},{{{TIME}}}]");
    let read = read(text.as_bytes());
    assert_eq!(read.reasons(), ["too_large"; 19]);
    assert_eq!(read.rows.len(), 1);
    let kept: Vec<u8> = read
        .rejects
        .iter()
        .flat_map(|reject| reject.bytes.iter().copied())
        .collect();
    assert!(kept == large.as_bytes());
}

#[test]
fn record_types_stand_apart_in_batches_and_no_row_is_lost() {
    // Tenants and types take turns, the type is named late or not at all, and there are more types than
    // are kept apart.
    let record = |n: usize| {
        let tenant = ["a", "b"][n % 2];
        let tenant = format!("0F1D5A2E-0000-4000-8000-00000000000{tenant}");
        let padding = "x".repeat(if n.is_multiple_of(7) { 600 } else { 1 });
        let record_type = match n % 5 {
            0 => String::new(),
            _ => format!(",\"RecordType\":{}", n % 101),
        };
        format!(
            "{{{TIME},\"Id\":\"{n}\",\"UserId\":\"{padding}\",\"OrganizationId\":\"{tenant}\"{record_type}}}"
        )
    };
    let records: Vec<String> = (0..1_000).map(record).collect();
    let read = read(format!("[{}]", records.join(",")).as_bytes());
    assert_eq!(read.rejects, []);
    assert_eq!(read.rows.len(), records.len());
    let mut last = std::collections::BTreeMap::new();
    for (tenant, row) in &read.rows {
        let n: usize = row["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(row["raw"], records[n]);
        let want = (!n.is_multiple_of(5)).then_some(n % 101);
        let found = row.get("record_type").and_then(|number| number.as_u64());
        assert_eq!(found, want.map(|number| number as u64), "{n}");
        assert!(tenant.ends_with(["a", "b"][n % 2]), "{n}");
        // Those of one tenant and type are in the order of the input.
        let before = last.insert((tenant, found), n);
        assert!(before.is_none_or(|before| before < n), "{n}");
    }
}

/// A builder of every column for each tenant took gigabytes.
#[test]
fn tenants_by_the_thousand_are_told_apart() {
    let tenant = |n: usize| format!("0f1d5a2e-0000-4000-8000-{:012x}", n * 7 % 5_000);
    let record = |n: usize| {
        let tenant = tenant(n);
        format!(
            "{{{TIME},\"Id\":\"{n}\",\"OrganizationId\":\"{tenant}\",\"RecordType\":{}}}",
            n % 3
        )
    };
    let records: Vec<String> = (0..15_000).map(record).collect();
    let read = read(records.join("\n").as_bytes());
    assert_eq!(read.rejects, []);
    assert_eq!(read.rows.len(), records.len());
    let mut last = std::collections::BTreeMap::new();
    for (of, row) in &read.rows {
        let n: usize = row["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(*of, tenant(n));
        assert_eq!(row["raw"], records[n]);
        assert_eq!(row["record_type"], n % 3);
        let before = last.insert((of, n % 3), n);
        assert!(before.is_none_or(|before| before < n), "{n}");
    }
}

/// Two bytes took hundreds in memory and in the lake.
#[test]
fn rejects_by_the_million_are_joined_and_none_of_their_bytes_is_lost() {
    let record = format!("{{{TIME}}}");
    for part in ["0", "{}", "\"\""] {
        let many = format!("{part},").repeat(500_000);
        let text = format!("[{many}{record},{many}{record},{part}]");
        let read = read_in(text.as_bytes(), &[usize::MAX], None);
        assert_eq!(read.rows.len(), 2, "{part}");
        let rejects = read.rejects.len();
        assert!((2_001..40_000).contains(&rejects), "{part}: {rejects}");
        let mut end = 1;
        for reject in &read.rejects {
            let begin = reject.offset as usize;
            assert!(
                text[end..begin]
                    .trim_matches(',')
                    .replace(&record, "")
                    .len()
                    <= 1,
                "{part}: {begin}"
            );
            end = begin + reject.bytes.len();
            assert!(
                text.as_bytes()[begin..end] == reject.bytes,
                "{part}: {begin}"
            );
        }
        assert_eq!(end, text.len() - 1, "{part}");
        // However the bytes arrive.
        for size in [1_000, 70_001] {
            assert!(
                read_in(text.as_bytes(), &[size], None) == read,
                "{part}: {size}"
            );
        }
    }
}

/// What programs and people leave before, between and behind records: each line is a reject, and costs no record.
#[test]
fn lines_of_something_else_do_not_cost_the_records() {
    let record = |id: u32| {
        format!("{{{TIME},\"Id\":\"{id}\",\"RecordType\":1,\"Text\":\"a \\\"b\\\", c\"}}")
    };
    let cell = |id: u32| format!("\"{}\"", record(id).replace('"', "\"\""));
    let banner =
        "----\n| Copyright (c) Microsoft, all rights; \"reserved |\n  The module allows: 'a', {b}";
    let transcript = "**********************\nWindows PowerShell transcript start\nStart time: 20260716100000\n\
         Host Application: powershell.exe -c {a}\nPS C:\\> Get-Content x.json";
    let page = "<!DOCTYPE html>\n<html><style>\nbody { color: red }\na {\n color: blue\n}\n</style>\n<p>\"5 o'clock</p></html>";
    let listing = "[{\"contentUri\":\"https://x\",\"contentId\":\"y\"}]";
    for (name, other) in [
        ("warning", "WARNING: More than 5,000 results, \"x\" is cut"),
        ("verbose", "VERBOSE: [10:00] read {a}\r\nVERBOSE: done"),
        (
            "log",
            "[2026-07-16 10:00:00] INFO: read x, y\n[+] done [\"a\"]",
        ),
        ("progress", "  12%   7/16/2026   10:00:00,5"),
        ("banner", banner),
        ("transcript", transcript),
        ("page", page),
        ("listing", listing),
    ] {
        let (one, two) = (record(1), record(2));
        let lines = other.lines().filter(|line| !line.trim().is_empty()).count();
        for (form, text) in [
            (
                "lines",
                format!("{other}\n{one}\n{other}\n{two}\n{other}\n"),
            ),
            (
                "array",
                format!("{other}\r\n[\r\n  {one},\r\n{two}\r\n]\r\n{other}\n{other}"),
            ),
            (
                "arrays",
                format!("{other}\n[{one}]\n{other}\n[{two}]\n{other}"),
            ),
            (
                "table",
                format!(
                    "{other}\nRecordType,AuditData,Identity\n1,{},1\n{other}\n1,{},2\n{other}\n",
                    cell(1),
                    cell(2)
                ),
            ),
            (
                "table with a title",
                format!(
                    "{other}\r\n#TYPE X\r\nsep=;\r\n\r\n\"CreationDate\";\"AuditData\"\r\n1;{}\r\n{other}\r\n2;{}\r\n{other}",
                    cell(1),
                    cell(2)
                ),
            ),
            (
                "table without a header",
                format!("{other}\n1,{},x\n{other}\n2,{}\n{other}", cell(1), cell(2)),
            ),
        ] {
            for size in [1, 100, text.len()] {
                let read = read_in(text.as_bytes(), &[size], None);
                assert_eq!(
                    read.column("id"),
                    ["1", "2"],
                    "{name}, {form}, {size}: {:?}",
                    read.rejects
                );
                let kept: usize = read.rejects.iter().map(|reject| reject.bytes.len()).sum();
                let white = other.bytes().filter(u8::is_ascii_whitespace).count();
                assert!(
                    kept >= 3 * (other.len() - white - 8),
                    "{name}, {form}, {size}: {:?}",
                    read.rejects
                );
                assert!(
                    read.rejects.len() >= 3 * lines.min(3),
                    "{name}, {form}, {size}"
                );
                for reject in &read.rejects {
                    let begin = reject.offset as usize;
                    let bytes = &text.as_bytes()[begin..begin + reject.bytes.len()];
                    assert_eq!(bytes, reject.bytes, "{name}, {form}, {size}");
                }
            }
        }
    }
}
