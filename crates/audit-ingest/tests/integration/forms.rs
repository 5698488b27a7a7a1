//! The other interfaces' wrappings of the same record.

use audit_ingest::canonical;
use serde_json::json;

use crate::support::{Read, read, read_in};

const RECORD: &str = r#"{"CreationTime":"2026-07-16T10:00:00","Id":"AB12","Operation":"Set-Mailbox","OrganizationId":"0f1d5a2e-0000-4000-8000-00000000000a","RecordType":1,"UserId":"a@b.c","Note":"line\nend \"quoted\", 'single'","Parameters":[{"Name":"Identity","Value":"x"}]}"#;

fn csv_cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn all_forms() -> Vec<(&'static str, Vec<u8>)> {
    let text = serde_json::to_string(RECORD).unwrap();
    let cell = csv_cell(RECORD);
    let graph = format!(
        r##"{{"id":"ab12","createdDateTime":"2026-07-16T10:00:00Z","auditLogRecordType":"ExchangeAdmin","operation":"Set-Mailbox","userId":"key","userPrincipalName":"a@b.c","clientIp":null,"auditData":{{"@odata.type":"#microsoft.graph.security.defaultAuditData",{},"RecordType@odata.type":"#Int64"}}}}"##,
        RECORD
            .trim_matches(['{', '}'])
            .replace("10:00:00\"", "10:00:00Z\""),
    );
    let powershell = format!(
        r##"{{"AdministrativeUnits":[""],"AuditData":{{"AdditionalProperties":{{"@odata.type":"#microsoft.graph.security.defaultAuditData",{}}}}},"AuditLogRecordType":"ExchangeAdmin","ClientIP":null,"CreatedDateTime":"2026-07-16T10:00:00Z","Id":"ab12","Operation":"Set-Mailbox","UserId":"key","UserPrincipalName":"a@b.c","AdditionalProperties":{{}}}}"##,
        RECORD
            .trim_matches(['{', '}'])
            .replace("10:00:00\"", "10:00:00Z\""),
    );
    let search = format!(
        r#"{{"RecordType":"ExchangeAdmin","CreationDate":"x","UserIds":"a@b.c","AuditData":{text},"Identity":"ab12"}}"#
    );
    let hunting = |raw: &str| {
        format!(
            r#"{{"Timestamp":"2026-07-16T10:00:00.1234567Z","ActionType":"Set-Mailbox","ObjectId":"of the outer row","IPAddress":"192.0.2.1","RawEventData":{raw},"ReportId":"not the Id"}}"#
        )
    };
    let streamed = format!(
        r#"{{"time":"2026-07-16T10:01:02.1234567Z","tenantId":"t","operationName":"Publish","category":"AdvancedHunting-CloudAppEvents","properties":{}}}"#,
        hunting(RECORD)
    );
    let search_text = serde_json::to_string(&search).unwrap();
    let fields = vec![r#"{"name":"AppAccessContext.AADSessionId"}"#; 1_000].join(",");
    let wazuh = format!(r#"{{"integration":"office365","office365":{RECORD}}}"#);
    let wazuh_text = serde_json::to_string(&wazuh).unwrap();
    let elastic = format!(
        r#"{{"@timestamp":"2026-07-16T10:00:00.000Z","event":{{"dataset":"o365.audit","id":"AB12","original":{text}}},"o365":{{"audit":{{"CreationTime":"2026-07-16T10:00:00","RecordType":"1"}}}}}}"#
    );
    let utf16 = |text: &str| -> Vec<u8> {
        [0xFF, 0xFE]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect()
    };
    let table = format!(
        "#TYPE Selected.Object\r\nPSComputerName,RecordType,AuditData,Identity\r\nx,ExchangeAdmin,{cell},ab12\r\n"
    );
    vec![
        ("content blob", format!("[{RECORD}]").into()),
        ("content blob, pretty", format!("\u{feff}[\r\n  {RECORD}\r\n]\r\n").into()),
        ("one a line", format!("{RECORD}\n").into()),
        ("search csv", table.clone().into()),
        ("search csv in utf-16", utf16(&table)),
        ("search csv, lines end with CR", table.replace('\n', "").into()),
        ("search csv, lines end with LF", table.replace('\r', "").into()),
        ("search csv, separator told", format!("sep=;\r\nCreationDate;AuditData\r\n1;{cell}").into()),
        ("search csv, separator told in quotes", format!("\"SEP=,\"\rCreationDate,AuditData\r1,{cell}").into()),
        ("search csv, semicolons", format!("CreationDate;AuditData\n1;{cell}").into()),
        ("purview csv, new", format!("RecordId,CreationDate,RecordType,Operation,UserId,AuditData,AssociatedAdminUnits\r\nab12,9/20/2023 4:05:03 AM,1,Set-Mailbox,a@b.c,{cell},\r\n").into()),
        ("purview csv, old", format!("CreationDate,UserIds,Operations,AuditData\r\nx,y,z,{cell}\r\n").into()),
        ("search json", format!("[{search}]").into()),
        ("search json, arrays appended", format!("[]\r\n[{search}]\r\n").into()),
        ("search json, one a line", format!("{search}\n").into()),
        ("search json, object", format!("[{{\"Identity\":\"ab12\",\"AuditData\":{RECORD}}}]").into()),
        ("graph record", graph.clone().into()),
        ("graph page", format!("{{\"@odata.context\":\"c\",\"@odata.count\":1,\"value\":[{graph}],\"@odata.nextLink\":\"n\"}}").into()),
        ("graph page, value first", format!("{{\"value\":[{graph}]}}").into()),
        ("graph cmdlet", format!("[\r\n  {powershell}\r\n]").into()),
        ("graph cmdlet, one record", powershell.into()),
        ("hunting, object", format!("[{}]", hunting(RECORD)).into()),
        ("hunting, text", hunting(&text).into()),
        ("hunting csv", format!("Timestamp,ActionType,RawEventData,ReportId\r\nx,y,{cell},z\r\n").into()),
        ("event hub message", format!("{{\"records\":[{streamed}]}}").into()),
        ("event hub messages, one a line", format!("{{\"records\":[]}}\n{{ \"records\": [ {streamed} ] }}\n").into()),
        ("storage account", format!("{streamed}\n").into()),
        ("wazuh event", wazuh.clone().into()),
        ("wazuh alert", format!(r#"{{"timestamp":"x","rule":{{"id":"91532"}},"data":{wazuh},"location":"office365"}}"#).into()),
        ("wazuh archive", format!(r#"{{"full_log":{wazuh_text},"data":{{"integration":"office365","office365":{{"CreationTime":"x"}}}}}}"#).into()),
        ("wazuh archive, event cut off", format!(r#"{{"full_log":"{{\"integration\":","data":{wazuh}}}"#).into()),
        ("wazuh alert, a hit of the indexer", format!(r#"[{{"_index":"wazuh-alerts","_source":{{"data":{wazuh}}}}}]"#).into()),
        ("elastic", elastic.clone().into()),
        ("elastic, a hit", format!("{{\"_index\":\"logs-o365.audit\",\"_source\":{elastic}}}").into()),
        ("elastic, dotted", format!("[{{\"event.original\":{text}}}]").into()),
        ("elastic, of Beats", format!("{{\"event\":{{\"kind\":\"event\"}},\"o365audit\":{RECORD}}}").into()),
        ("elastic, results of a search", format!(r#"{{"took":1,"_shards":{{"total":1}},"hits":{{"total":{{"value":1}},"max_score":null,"hits":[{{"_index":"i","_source":{elastic}}}]}},"aggregations":{{"a":[1]}}}}"#).into()),
        ("elastic, records indexed", format!(r#"{{"hits":{{"hits":[{{"_source":{RECORD}}}]}}}}"#).into()),
        ("records in a list", format!("{{\n \"Records\": [ {RECORD} ]\n}}\n").into()),
        ("kibana csv", format!("\"@timestamp\",\"event.original\",\"event.dataset\"\n\"Jul 16, 2026 @ 10:00:00.000\",{cell},o365.audit\n").into()),
        ("kibana csv, message", format!("message;agent.name\r\n{cell};a\r\n").into()),
        ("splunk csv", format!("\"_time\",\"_raw\",CreationTime\n1,{cell},2020-01-01T00:00:00\n").into()),
        ("splunk line", format!(r#"{{"preview":false,"offset":0,"lastrow":true,"result":{{"_raw":{text},"_time":"1"}}}}"#).into()),
        ("splunk line, fields found", format!(r#"{{"preview":false,"result":{{"CreationTime":"2026-07-16T10:00:00","Parameters{{}}.Name":"Identity","_raw":{text}}}}}"#).into()),
        ("splunk results", format!(r#"{{"preview":false,"init_offset":0,"messages":[{{"text":"a \"[\""}}],"fields":[{{"name":"_raw"}}],"results":[{{"_raw":{text}}}],"highlighted":{{}}}}"#).into()),
        ("splunk results, fields found", format!(r#"{{"results":[{{"CreationTime":"2020-01-01T00:00:00","Id":"other","_raw":{text}}}]}}"#).into()),
        ("logstash", format!("{{\"@timestamp\":\"x\",\"@version\":\"1\",\"message\":{text}}}\n").into()),
        ("logstash, object", format!("{{\"message\":{RECORD}}}\n").into()),
        ("beats, before what was made of it", format!(r#"{{"message":{text},"o365":{{"audit":{{"CreationTime":"x","Id":"other"}}}}}}"#).into()),
        ("graylog", format!("{{\"version\":\"1.1\",\"short_message\":\"x\",\"full_message\":{text}}}\n").into()),
        ("syslog", format!("<180>Jul 16 10:00:00 host o365: {RECORD}\n").into()),
        ("syslog, of RFC 5424", format!("<14>1 2026-07-16T10:00:00Z host o365 - - [x a=\"{{\"] {RECORD}").into()),
        ("syslog, without priorities", format!("Jul 16 10:00:00 host o365[7]: {RECORD}\r\n").into()),
        ("splunk's event collector", format!(r#"{{"time":1784196000.5,"host":"h","sourcetype":"o365:management:activity","event":{RECORD}}}"#).into()),
        ("splunk's event collector, text", format!(r#"{{"time":1784196000.5,"event":{text},"fields":{{"a":"b"}}}}"#).into()),
        ("azure's logs", format!(r#"{{"records":[{{"time":"x","category":"y","properties":{RECORD}}}]}}"#).into()),
        ("a container's log", format!(r#"{{"log":{},"stream":"stdout"}}"#, serde_json::to_string(&format!("{RECORD}\n")).unwrap()).into()),
        ("records in a list of any name", format!(r#"{{"count":1,"of":"a \"[\" b","events":[ {RECORD} ],"next":null}}"#).into()),
        ("results in a list of any name", format!(r#"{{"data":[{search}]}}"#).into()),
        ("content blobs in an array", format!("[[],[{RECORD}]\n]").into()),
        ("array of texts", format!("[{text}]").into()),
        ("texts, one a line", format!("{text}\n").into()),
        ("content blobs with marks, appended", format!("\u{feff}\u{feff}[]\r\n\u{feff}[{RECORD}]\u{feff}").into()),
        ("search csv, another table appended", format!("PSComputerName,RecordType,AuditData,Identity\r\n\u{feff}\"RecordId\";\"AuditData\"\r\nab12;{cell}\r\n").into()),
        ("purview csv, appended to itself", format!("CreationDate,AuditData\nCreationDate,AuditData\nx,{cell}\nCreationDate,AuditData").into()),
        ("pages in an array", format!("[\n{{\"@odata.context\":\"c\",\"value\":[{search}],\"n\":1}},\n{{\"value\":[]}}]\n[]").into()),
        ("arrays in an array, of Windows PowerShell", format!("[ {{ \"value\": [ {RECORD} ], \"Count\": 1 }} ]").into()),
        ("the same of texts", format!("[{{\"value\":[{text}],\"Count\":1}}]").into()),
        ("splunk results, many fields", format!(r#"{{"preview":false,"fields":[{fields}],"results":[{{"_raw":{text}}}]}}"#).into()),
        ("splunk line, a search's result", format!(r#"{{"result":{{"_raw":{search_text}}}}}"#).into()),
        ("splunk csv, an event of Wazuh", format!("_time,_raw\n1,{}\n", csv_cell(&wazuh)).into()),
        ("logstash, an event of Wazuh", format!(r#"{{"message":{wazuh_text}}}"#).into()),
        ("elastic, without event.original", format!(r#"{{"event":{{"original":null}},"o365":{{"audit":{RECORD}}}}}"#).into()),
        ("elastic, event.original cut off", format!(r#"{{"event":{{"original":"{{\"Id\":\"AB"}},"message":{text}}}"#).into()),
        ("search csv, bars", format!("CreationDate|AuditData\n1|{cell}").into()),
        ("search csv, the column twice", format!("AuditData,Identity,AuditData\r\n,ab12,{cell}\r\n").into()),
        ("csv, a column of another name", format!("Date,Audit Data,User\r\nx,{cell},y\r\n").into()),
        ("search csv, UTF-16 and UTF-8", [utf16("Identity,AuditData\r\n"), format!("ab12,{cell}\r\n").into()].concat()),
        ("search csv, UTF-8 and UTF-16", [b"Identity,AuditData\r\n".to_vec(), utf16(&format!("ab12,{cell}\r\n"))[2..].into()].concat()),
        ("lines, UTF-8 and UTF-16", [b"[]\r\n".to_vec(), utf16(&format!("{RECORD}\r\n"))[2..].into()].concat()),
        ("elastic, of the pipeline", format!("{{\"o365\":{{\"audit\":{RECORD}}}}}").into()),
    ]
}

#[test]
fn one_record_whatever_the_form() {
    let want = canonical(RECORD).unwrap();
    let plain = read(format!("[{RECORD}]").as_bytes());
    for (form, bytes) in all_forms() {
        let Read { rows, rejects } = read(&bytes);
        assert_eq!(rejects, [], "{form}");
        assert_eq!(rows.len(), 1, "{form}");
        let (tenant, mut row) = rows.into_iter().next().unwrap();
        assert_eq!(tenant, "0f1d5a2e-0000-4000-8000-00000000000a", "{form}");
        let raw = row.remove("raw").unwrap();
        assert_eq!(canonical(raw.as_str().unwrap()).unwrap(), want, "{form}");
        if !form.starts_with("graph") {
            assert_eq!(raw, json!(RECORD), "{form}");
            let (_, mut plain) = plain.rows[0].clone();
            plain.remove("raw");
            assert_eq!(row, plain, "{form}");
        }
        assert_eq!(row["user_id"], json!("a@b.c"), "{form}");
        assert_eq!(row["parameters"], json!([["Identity", "x"]]), "{form}");
    }
}

#[test]
fn a_record_that_begins_with_a_list_is_no_page() {
    let lists = [
        "[]",
        r#"[{"ID":"a","Type":5}]"#,
        r#"[{"CreationTime":"2020-01-01T00:00:00"}]"#,
        r#"["RecordType"]"#,
        "[[1]]",
    ];
    for list in lists {
        let record = format!(
            r#"{{"Actor":{list},"AppId":"a \\\"","CreationTime":"2026-07-16T10:00:00","RecordType":15,"Id":"1"}}"#
        );
        let Read { rows, rejects } = read(format!("{record}\n{record}\n").as_bytes());
        assert_eq!((rows.len(), rejects), (2, vec![]), "{list}");
        assert_eq!(rows[0].1["raw"], json!(record));
    }
}

#[test]
fn lists_of_an_object_are_all_read() {
    let other = RECORD.replace("AB12", "CD34");
    let text = format!(
        r#"{{"n":2,"sharepoint":[{RECORD}], "empty":[],"value" : [{other}],"end":true}}{RECORD}"#
    );
    let Read { rows, rejects } = read(text.as_bytes());
    assert_eq!((rows.len(), rejects), (3, vec![]));
    // What is no list behind one is kept, if it has records.
    let text = format!(r#"{{"value":[{RECORD}],"more":{{"value":[{other}]}}}}"#);
    let Read { rows, rejects } = read(text.as_bytes());
    assert_eq!((rows.len(), rejects.len()), (1, 1));
    assert!(rejects[0].bytes.starts_with(br#","more":"#));
    // So is what is before one.
    let text = format!(r#"{{"first":[{{"n":1}},{RECORD}],"value":[{other}]}}"#);
    let Read { rows, rejects } = read(text.as_bytes());
    assert_eq!((rows.len(), rejects.len()), (0, 1));
    assert_eq!(rejects[0].bytes, text.as_bytes());
}

#[test]
fn two_records_in_an_object_are_not_chosen_from() {
    let text = format!(r#"{{"before":{RECORD},"after":{RECORD}}}"#);
    let Read { rows, rejects } = read(text.as_bytes());
    assert_eq!((rows.len(), rejects.len()), (0, 1));
    assert!(rejects[0].detail.contains("in `before`"), "{rejects:?}");
}

#[test]
fn wrappers_fill_what_the_record_lacks() {
    let text = r#"{"id":"ab12","createdDateTime":"2026-07-16T10:00:00Z","auditLogRecordType":"ExchangeAdmin","operation":"Set-Mailbox","userType":"Admin","userId":"key","userPrincipalName":"a@b.c","auditData":{"dynamicProperties":{"Workload":"Exchange"}}}"#;
    let read = read(text.as_bytes());
    let row = &read.rows[0].1;
    for (column, want) in [
        ("id", json!("ab12")),
        ("record_type", json!(1)),
        ("user_type", json!(2)),
        ("operation", json!("Set-Mailbox")),
        ("user_id", json!("a@b.c")),
        ("user_key", json!("key")),
        ("workload", json!("Exchange")),
    ] {
        assert_eq!(row[column], want, "{column}");
    }
}

#[test]
fn the_cmdlets_of_graph_fill_what_the_record_lacks_too() {
    let text = r#"{"AuditData":{"AdditionalProperties":{"CreationTime":"2026-07-16T10:00:00Z"}},"AuditLogRecordType":"ExchangeAdmin","Id":"ab12","Operation":"Set-Mailbox","Service":"Exchange","UserId":"key","UserPrincipalName":"a@b.c","UserType":"Admin"}"#;
    let read = read(text.as_bytes());
    let row = &read.rows[0].1;
    for (column, want) in [
        ("id", json!("ab12")),
        ("record_type", json!(1)),
        ("user_type", json!(2)),
        ("user_id", json!("a@b.c")),
        ("user_key", json!("key")),
        ("workload", json!("Exchange")),
    ] {
        assert_eq!(row[column], want, "{column}");
    }
    // A record's own member of this name.
    let text = r#"{"AuditData":{"CreationTime":"2026-07-16T10:00:00","Id":"ab12","AdditionalProperties":{"a":1}}}"#;
    let read = self::read(text.as_bytes());
    assert_eq!(read.column("id"), [json!("ab12")]);
}

/// The content type that collectors add to a record is kept beside it, and is none of what makes two records the same.
#[test]
fn the_content_type_that_collectors_add_is_no_part_of_the_record() {
    let record = RECORD.trim_end_matches('}');
    let wazuh = format!(
        r#"{{"integration":"office365","office365":{record},"Subscription":"Audit.General"}}}}"#
    );
    let ddbnl = format!(r#"{record}, "OriginFeed": "Audit.General"}}"#);
    for (event, name) in [(wazuh, "Subscription"), (ddbnl, "OriginFeed")] {
        let read = read(event.as_bytes());
        assert_eq!(read.rejects, [], "{name}");
        assert_eq!(read.column("raw"), [json!(RECORD)], "{name}");
        let extra = read.column("extra")[0].as_str().unwrap().to_owned();
        let added = format!(r#","{name}":"Audit.General"}}"#);
        assert!(extra.ends_with(&added), "{extra}");
    }
}

/// Alerts of Wazuh have texts for numbers.
#[test]
fn texts_for_numbers_are_read() {
    let alert = r#"{"data":{"office365":{"CreationTime":"2026-07-16T10:00:00","Id":"1","RecordType":"15","UserType":"0"}}}"#;
    let read = read(alert.as_bytes());
    assert_eq!(read.column("record_type"), [json!(15)]);
    assert_eq!(read.column("user_type"), [json!(0)]);
}

#[test]
fn objects_of_other_interfaces_without_a_record_say_what_they_are() {
    let app = r#"{"eventVersion":"1.08","eventName":"ConsoleLogin"}"#;
    let without_id = r#"{"CreationTime":"2026-07-16T10:00:00","RecordType":1,"Id":null}"#;
    let cases = [
        (format!(r#"[{{"RawEventData":{app}}}]"#), "other_event", "an event of another application"),
        (format!(r#"[{{"RawEventData":{without_id}}}]"#), "other_event", "an event of another application"),
        (format!("Timestamp,RawEventData\n1,{}\n", csv_cell(app)), "other_event", "an event of another application"),
        (format!("Timestamp,RawEventData\n1,{}\n", csv_cell(without_id)), "other_event", "an event of another application"),
        ("Timestamp,RawEventData\n1,\n".to_owned(), "empty", "no content"),
        (r#"{"Timestamp":"x","RawEventData":null}"#.to_owned(), "empty", "RawEventData: null"),
        (r#"{"Timestamp":"x","RawEventData":"{\"Id\":"}"#.to_owned(), "truncated", "RawEventData: the cell begins"),
        (r#"{"records":[{"category":"AdvancedHunting-DeviceEvents","properties":{"DeviceId":"1"}}]}"#.to_owned(), "other_event", "another table of advanced hunting"),
        (r#"[{"a":{},"records":[{"properties":{}}]}]"#.to_owned(), "no_time", "lists objects"),
        (r#"[{"records":[{"properties":{}}]}]"#.to_owned(), "no_time", "without a CreationTime"),
        (r#"{"schema":[],"results":[{"RawEventData":{}}]}"#.to_owned(), "other_event", "an event of another application"),
        (format!(r#"{{"@timestamp":"x","message":{}}}"#, serde_json::to_string(app).unwrap()), "other_event", "an event of another application"),
        (format!("_time,_raw\n1,{}\n", csv_cell(without_id)), "other_event", "an event of another application"),
        (r#"{"_raw":"{\"CreationTime\":\"2026","_time":"1"}"#.to_owned(), "truncated", "_raw: the cell begins"),
        (r#"{"@timestamp":"x","message":"some words"}"#.to_owned(), "no_time", "without a CreationTime"),
        (r#"{"result":{"_raw":"some words"}}"#.to_owned(), "no_time", "without a CreationTime"),
        (r#"{"integration":"office365","office365":{"actor":"wazuh","response":"Unknown error"}}"#.to_owned(), "other_event", "Wazuh"),
        (r#"{"event":{"id":"1"},"o365":{"audit":{"CreationTime":"2026-07-16T10:00:00"}}}"#.to_owned(), "flattened", "event.original"),
        (r#"{"@timestamp":"x","o365.audit.RecordType":"1"}"#.to_owned(), "flattened", "event.original"),
        (r#"{"TimeGenerated":"2026-07-16T10:00:00Z","OfficeId":"1","Type":"OfficeActivity"}"#.to_owned(), "flattened", "Sentinel's OfficeActivity"),
        (r#"{"TimeGenerated [UTC]":"7/16/2026, 10:00:00 AM","RecordType":"ExchangeAdmin"}"#.to_owned(), "flattened", "Sentinel's OfficeActivity"),
        (r#"{"CreationTime_t":"2026-07-16T10:00:00Z","Id_g":"1"}"#.to_owned(), "flattened", "Log Analytics"),
        // Members of these names tell nothing by themselves.
        (r#"{"properties":{},"data":1,"event":"x","o365":[],"full_log":"{","_source":null}"#.to_owned(), "no_time", "without a CreationTime"),
    ];
    for (text, reason, words) in cases {
        let Read { rows, rejects } = read(text.as_bytes());
        assert_eq!((rows.len(), rejects.len()), (0, 1), "{text}");
        assert_eq!(rejects[0].reason.code(), reason, "{text}");
        assert!(
            rejects[0].detail.contains(words),
            "{text}: {}",
            rejects[0].detail
        );
    }
}

/// A record is one by its own time, whatever else it has.
#[test]
fn members_named_as_wrappers_name_theirs_are_a_records_own() {
    for member in [
        "properties",
        "data",
        "records",
        "event",
        "o365",
        "office365",
        "RawEventData",
        "AuditData",
        "_source",
        "result",
        "message",
        "_raw",
    ] {
        let inner = r#"{"office365":{"CreationTime":"2020-01-01T00:00:00","Id":"inner"}}"#;
        let record =
            format!(r#"{{"Id":"outer","{member}":{inner},"CreationTime":"2026-07-16T10:00:00"}}"#);
        let read = read(format!("[{record}]").as_bytes());
        assert_eq!(read.rejects, [], "{member}");
        assert_eq!(read.column("id"), [json!("outer")], "{member}");
        assert_eq!(read.column("raw"), [json!(record)], "{member}");
        assert_eq!(
            read.column("extra"),
            [json!(format!(r#"{{"{member}":{inner}}}"#))],
            "{member}"
        );
    }
}

/// Of streamed events each that is no record is a reject of its own bytes.
#[test]
fn a_streamed_event_that_is_no_record_does_not_cost_its_neighbours() {
    let good = format!(r#"{{"properties":{{"RawEventData":{RECORD}}}}}"#);
    let bad = r#"{"properties":{"RawEventData":{"eventName":"x"}}}"#;
    let text = format!(r#"{{"records":[{good},{bad},{good}]}}"#);
    for size in [1, 100, text.len()] {
        let read = read_in(text.as_bytes(), &[size], None);
        assert_eq!(read.rows.len(), 2, "{size}");
        assert_eq!(read.reasons(), ["other_event"], "{size}");
        assert_eq!(read.rejects[0].bytes, bad.as_bytes(), "{size}");
        assert_eq!(
            read.rejects[0].offset as usize,
            text.find(bad).unwrap(),
            "{size}"
        );
    }
}

/// A line that was cut off ends with its line.
#[test]
fn a_line_of_syslog_does_not_cost_its_neighbours() {
    let header = "<180>Jul 16 10:00:00 host o365: ";
    let good = format!("{header}{RECORD}");
    for (bad, reason) in [
        (format!("{header}{}", &RECORD[..60]), "truncated"),
        (format!("{header}{{\"Id\":1,"), "truncated"),
        (format!("{header}{{\"Parameters\":["), "truncated"),
        (format!("{header}{{\"Id\":1}}"), "no_time"),
        (format!("{header}words"), "invalid_json"),
        ("[a line of other words".to_owned(), "invalid_json"),
    ] {
        let text = format!("{good}\n{bad}\n{good}\n");
        for size in [1, 100, text.len()] {
            let read = read_in(text.as_bytes(), &[size], None);
            assert_eq!(read.rows.len(), 2, "{bad} {size}");
            assert_eq!(read.reasons(), [reason], "{bad} {size}");
            let bytes = &read.rejects[0].bytes;
            assert!(bad.as_bytes().ends_with(bytes), "{bad} {size}");
        }
    }
}

#[test]
fn cells_that_hold_no_record_are_rejects() {
    let cell = csv_cell(RECORD);
    let cut = csv_cell(&RECORD[..100]);
    let two = csv_cell(&format!("{RECORD} {RECORD}"));
    let text = format!(
        "Identity,AuditData\r\n1,{cell}\r\n2,\r\n3\r\n4,{cut}\r\n5,plain words\r\n6,{two}\r\n7,{cell}"
    );
    let read = read(text.as_bytes());
    assert_eq!(read.rows.len(), 2);
    assert_eq!(
        read.reasons(),
        [
            "empty",
            "no_cell",
            "truncated",
            "invalid_json",
            "invalid_json"
        ]
    );
    assert_eq!(read.rejects[0].bytes, b"2,\r");
}

#[test]
fn records_in_windows_1252_are_read() {
    let of = |user: &[u8]| {
        let record = [
            &br#"{"CreationTime":"2026-07-16T10:00:00","UserId":""#[..],
            user,
            br#""}"#,
        ];
        [b"[", record.concat().as_slice(), b"]"].concat()
    };
    assert_eq!(read(&of(b"M\xfcller")).column("user_id"), [json!("Müller")]);
    // Beside UTF-8 it is damage, and some bytes are no characters.
    for user in [&b"M\xfcller \xc3\xbc"[..], b"\x81"] {
        let Read { rows, rejects } = read(&of(user));
        assert_eq!((rows.len(), rejects.len()), (0, 1), "{user:?}");
        assert!(rejects[0].detail.contains("save the file as UTF-8"));
    }
}

#[test]
fn windows_1252_cells_are_read() {
    let mut bytes = b"Identity,AuditData\r\n1,\"{\"\"CreationTime\"\":\"\"2026-07-16T10:00:00\"\",\"\"UserId\"\":\"\"M".to_vec();
    bytes.push(0xFC);
    bytes.extend_from_slice(b"ller\"\"}\"\r\n");
    assert_eq!(read(&bytes).column("user_id"), [json!("Müller")]);
}

#[test]
fn whatever_ends_its_lines_a_table_is_read_whole() {
    let cell = csv_cell(RECORD);
    for end in ["\n", "\r", "\r\n", "\n\n", "\r\r"] {
        for last in ["", end] {
            let lines = [
                "Identity,AuditData".to_owned(),
                format!("1,{cell}"),
                "2,".to_owned(),
                format!("3,{cell}{last}"),
            ];
            let text = lines.join(end);
            for size in [1, 2, 7, text.len()] {
                let read = read_in(text.as_bytes(), &[size], None);
                assert_eq!(read.rows.len(), 2, "{end:?} {last:?} {size}");
                assert_eq!(read.reasons(), ["empty"], "{end:?} {last:?} {size}");
                let bytes = &read.rejects[0].bytes;
                assert_eq!(bytes.trim_ascii(), b"2,", "{end:?} {last:?} {size}");
            }
        }
    }
}

/// Without a line end there is no table: what was taken for its header is a row of none.
#[test]
fn a_header_that_does_not_end_is_a_reject() {
    let head = "Identity,AuditData,";
    for (len, reasons) in [(1 << 10, &[][..]), (3 << 20, &["no_cell"])] {
        let text = format!("{head}{}", "x".repeat(len));
        let read = read_in(text.as_bytes(), &[100_000], None);
        assert_eq!(read.reasons(), reasons, "{len}");
        for reject in &read.rejects {
            assert!(reject.bytes == text.as_bytes(), "{len}");
        }
    }
}

#[test]
fn a_row_larger_than_a_record_may_be_is_kept_in_pieces() {
    let good = format!("1,{}\r\n", csv_cell(RECORD));
    let large = format!("2,\"{}\"\r", "x,".repeat(35 << 20));
    for (quoted, text) in [(true, large.clone()), (false, large.replace('"', ""))] {
        let input = format!("Identity,AuditData\r\n{good}{text}\n{good}");
        let read = read_in(input.as_bytes(), &[1 << 20], None);
        assert_eq!(read.rows.len(), 2, "{quoted}");
        assert_eq!(read.reasons(), ["too_large"; 9], "{quoted}");
        let pieces = read.rejects.iter().map(|reject| reject.bytes.as_slice());
        assert!(
            pieces.collect::<Vec<_>>().concat() == text.as_bytes(),
            "{quoted}"
        );
    }
}

/// Found by hand: the plain record was a reject, the wrapped one a row whose `raw` is no JSON.
#[test]
fn what_is_no_json_is_none_in_a_wrapper_either() {
    for (value, reasons) in [(r#""\u00g0""#, &["invalid_json"][..]), (r#""\u00e0""#, &[])] {
        let record = format!(r#"{{"CreationTime":"2026-07-16T10:00:00","F":{value}}}"#);
        let text = serde_json::to_string(&record).unwrap();
        for (form, input) in [
            ("plain", format!("[{record}]")),
            (
                "csv",
                format!("Identity,AuditData\n1,{}\n", csv_cell(&record)),
            ),
            (
                "text",
                format!(r#"[{{"Identity":"1","AuditData":{text}}}]"#),
            ),
            (
                "object",
                format!(r#"[{{"Identity":"1","AuditData":{record}}}]"#),
            ),
            ("graph", format!(r#"{{"id":"1","auditData":{record}}}"#)),
        ] {
            assert_eq!(read(input.as_bytes()).reasons(), reasons, "{form} {value}");
        }
    }
}

/// Splunk's tables may have other events for long, and rows whose quotes were left open cost themselves alone.
#[test]
fn rows_without_records_do_not_cost_those_with_one() {
    let cell = csv_cell(RECORD);
    let events = "1,\"<Event>\n \"\"a\"\", b\n</Event>\"\n".repeat(5_000);
    let late = read(format!("_time,_raw\n{events}2,{cell}\n").as_bytes());
    let rejected: usize = late.rejects.iter().map(|reject| reject.bytes.len()).sum();
    assert_eq!((late.rows.len(), rejected), (1, events.len()));

    let header = "Identity,AuditData,Note\r\n";
    let cut = &cell[..cell.len() - 20];
    let row = format!("1,{cell},\"two\nlines\"\r\n");
    for (name, between) in [
        ("cut off", format!("2,{cut}\r\n")),
        ("cut off, often", format!("2,{cut}\r\n").repeat(50)),
        ("cut off, appended to", format!("2,{cut}\r\n{header}")),
    ] {
        let text = format!("{header}{row}{between}{row}{between}{row}");
        for size in [1, 100, text.len()] {
            let read = read_in(text.as_bytes(), &[size], None);
            assert_eq!(read.rows.len(), 3, "{name} {size}");
            let rejects = between.matches("2,").count() * 2;
            assert_eq!(read.reasons(), vec!["no_cell"; rejects], "{name} {size}");
            let kept = (read.rejects.iter())
                .all(|reject| reject.bytes.trim_ascii_end() == format!("2,{cut}").as_bytes());
            assert!(kept, "{name} {size}");
        }
    }
}

#[test]
fn two_cells_of_a_row_are_two_records() {
    let (one, two) = (csv_cell(RECORD), csv_cell(&RECORD.replace("AB12", "CD34")));
    for header in ["AuditData,AuditData", "Before,After"] {
        let read = read(format!("{header}\n{one},{two}\n").as_bytes());
        assert_eq!(
            read.column("id"),
            [json!("AB12"), json!("CD34")],
            "{header}"
        );
    }
}

/// What is before a record on its line is a reject, if it is no header of syslog.
#[test]
fn records_behind_words_on_their_line_are_read() {
    for before in [
        "AuditData    : ",
        "data: ",
        "> ",
        "var records = [",
        "\u{1e}",
        "it's {\"a\":1}, \"x: ",
    ] {
        let text =
            format!("{before}{RECORD}\r\nIdentity     : x\r\n{before}{RECORD} behind {RECORD}");
        for size in [1, 100, text.len()] {
            let read = read_in(text.as_bytes(), &[size], None);
            assert_eq!(read.rows.len(), 2, "{before} {size}");
            let rejects: Vec<_> = (read.rejects.iter())
                .map(|reject| String::from_utf8_lossy(&reject.bytes))
                .collect();
            let behind = format!("behind {RECORD}");
            let before = before.trim_end();
            assert_eq!(
                rejects,
                [before, "Identity     : x", before, &behind],
                "{size}"
            );
        }
    }
}

#[test]
fn what_excel_and_powershell_cut_off_is_told() {
    let long = format!(
        "{},\"Long\":\"{}\"}}",
        RECORD.trim_end_matches('}'),
        "é".repeat(40_000)
    );
    let cut: String = long.chars().take(32_767).collect();
    let as_text = |text: &str| {
        format!(
            r#"[{{"AuditData":{}}}]"#,
            serde_json::to_string(text).unwrap()
        )
    };
    for (text, words) in [
        (
            format!("Identity,AuditData\n1,{}\n", csv_cell(&cut)),
            "32,767 characters",
        ),
        (as_text(&cut), "32,767 characters"),
        (
            as_text("@{CreationTime=2026-07-16T10:00:00; Id=1}"),
            "-Depth",
        ),
        (
            "Id,AuditData\n1,Microsoft.Graph.Beta.PowerShell.Models.X\n".to_owned(),
            "ConvertTo-Json",
        ),
        (
            r#"{"tables":[{"columns":[{"name":"RawEventData"}],"rows":[]}]}"#.to_owned(),
            "an answer of Log Analytics",
        ),
        (
            r#"{"tables":[{"columns":[{"name":"OfficeWorkload"}],"rows":[]}]}"#.to_owned(),
            "OfficeActivity",
        ),
        (
            r#"[{"RecordType":"ExchangeAdmin","OfficeObjectId":"x"}]"#.to_owned(),
            "OfficeActivity",
        ),
    ] {
        let Read { rows, rejects } = read(text.as_bytes());
        assert_eq!((rows.len(), rejects.len()), (0, 1), "{words}");
        assert!(
            rejects[0].detail.contains(words),
            "{words}: {}",
            rejects[0].detail
        );
    }
}
