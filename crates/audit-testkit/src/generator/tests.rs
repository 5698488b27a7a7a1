use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::*;

fn options(records: u64) -> GeneratorOptions {
    GeneratorOptions {
        records,
        days: 7,
        users: 100,
        ..Default::default()
    }
}

/// FNV-1a, as good as any to pin bytes (<http://www.isthe.com/chongo/tech/comp/fnv/>).
fn checksum(generator: Generator) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for blob in generator {
        for byte in blob.content_id.bytes().chain(blob.body) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    // The pinned value changes whenever the records do: on purpose only.
    assert_eq!(
        checksum(Generator::new(options(5_000))),
        5_443_142_084_313_453_633
    );
    let other = GeneratorOptions {
        seed: 2,
        ..options(5_000)
    };
    assert_ne!(
        checksum(Generator::new(other)),
        checksum(Generator::new(options(5_000)))
    );
}

#[test]
fn every_record_is_json_with_the_members_that_all_records_have() {
    let mut generator = Generator::new(GeneratorOptions {
        tenants: 3,
        ..options(20_000)
    });
    let (first, last) = ("2026-10-01T00:00:00", "2026-10-08T00:00:00");
    let mut ids: HashMap<String, Vec<u8>> = HashMap::new();
    let (mut delivered, mut content_ids) = (0, HashSet::new());
    for blob in generator.by_ref() {
        assert!(content_ids.insert(blob.content_id.clone()));
        let array: Vec<Value> = serde_json::from_slice(&blob.body).unwrap();
        assert_eq!(array.len(), blob.records().count());
        for (value, text) in array.iter().zip(blob.records()) {
            let show = String::from_utf8_lossy(text);
            assert_eq!(&serde_json::from_slice::<Value>(text).unwrap(), value);
            let text_of = |name: &str| {
                value[name]
                    .as_str()
                    .unwrap_or_else(|| panic!("{name} of {show}"))
            };
            let time = text_of("CreationTime");
            assert!(first <= time && time < last && time.len() == 19, "{show}");
            assert_eq!(text_of("OrganizationId"), blob.tenant_id);
            assert!(
                value["RecordType"].is_u64() && value["UserType"].is_u64(),
                "{show}"
            );
            assert!(
                !text_of("Operation").is_empty()
                    && !text_of("Workload").is_empty()
                    && !text_of("UserId").is_empty()
            );
            assert!(
                unknown_slot(&show).is_none(),
                "slot {:?} in {show}",
                unknown_slot(&show)
            );
            let id = text_of("Id");
            assert_eq!(id.len(), 36);
            assert_eq!(
                ids.entry(id.to_owned()).or_insert_with(|| text.to_vec()),
                text,
                "an id met again is a repetition"
            );
            delivered += 1;
        }
    }
    let counts = generator.counts();
    assert_eq!((counts.records, counts.distinct), (delivered, 20_000));
    assert_eq!(counts.distinct, ids.len() as u64);
    let repeats = counts.records - counts.distinct;
    assert!(
        (140..260).contains(&repeats),
        "about one in a hundred: {repeats}"
    );
}

/// A slot or fragment that a template misspells stays in the text.
fn unknown_slot(text: &str) -> Option<&str> {
    let in_braces = text
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'));
    in_braces
        .map(|(name, _)| name)
        .find(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

#[test]
fn each_kind_keeps_one_order_of_members() {
    let mut orders: HashMap<(u64, String), Vec<String>> = HashMap::new();
    for blob in Generator::new(options(10_000)) {
        for text in blob.records() {
            let value: Value = serde_json::from_slice(text).unwrap();
            let text = String::from_utf8_lossy(text);
            let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            names.sort_by_key(|name| text.find(&format!("\"{name}\":")));
            let key = (
                value["RecordType"].as_u64().unwrap(),
                value["Operation"].as_str().unwrap().to_owned(),
            );
            let known = orders.entry(key.clone()).or_insert_with(|| names.clone());
            let common = |of: &[String], other: &[String]| -> Vec<String> {
                of.iter()
                    .filter(|name| other.contains(name))
                    .cloned()
                    .collect()
            };
            assert_eq!(common(known, &names), common(&names, known), "{key:?}");
        }
    }
    let types: HashSet<u64> = orders.keys().map(|key| key.0).collect();
    for record_type in [
        1, 2, 3, 4, 6, 8, 11, 13, 14, 15, 18, 20, 25, 28, 30, 36, 40, 50, 63, 65, 83, 261,
    ] {
        assert!(types.contains(&record_type), "record type {record_type}");
    }
}

#[test]
fn stories_are_told_with_as_many_records_as_they_say() {
    let generator = Generator::new(options(20_000));
    let stories = generator.stories().to_vec();
    assert!(
        stories
            .iter()
            .any(|story| story.name == "password_spray" && story.records > 50)
    );
    let (mut spray, mut forwards, mut downloads) = (0, 0, 0);
    for blob in generator {
        for text in blob.records() {
            let value: Value = serde_json::from_slice(text).unwrap();
            spray += u64::from(
                value["Operation"] == "UserLoginFailed" && value["ClientIP"] == "203.0.113.47",
            );
            forwards +=
                u64::from(String::from_utf8_lossy(text).contains("backup.archive@mail.example"));
            downloads += u64::from(value["Operation"] == "FileDownloaded");
        }
    }
    let told = |name| {
        stories
            .iter()
            .find(|story| story.name == name)
            .unwrap()
            .records
    };
    // A record may be delivered twice.
    assert!((told("password_spray")..told("password_spray") + 10).contains(&spray));
    assert!((1..=2).contains(&forwards));
    assert!(downloads > told("mass_download"));
}

#[test]
fn records_arrive_out_of_order_and_some_late() {
    let (mut descents, mut late, mut all) = (0, 0, 0);
    for blob in Generator::new(options(20_000)) {
        let times: Vec<String> = blob
            .records()
            .map(|text| {
                serde_json::from_slice::<Value>(text).unwrap()["CreationTime"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        descents += times.windows(2).filter(|pair| pair[0] > pair[1]).count();
        // Late: of an earlier day than the records before and after it.
        let day = |time: &String| time[..10].to_owned();
        late += times
            .windows(3)
            .filter(|near| day(&near[1]) < day(&near[0]).min(day(&near[2])))
            .count();
        all += times.len();
    }
    assert!(descents > all / 4, "{descents} of {all}");
    assert!(late > 0 && late < all / 50, "{late} of {all}");
}

#[test]
fn records_are_of_realistic_size() {
    let mut generator = Generator::new(options(20_000));
    while generator.next().is_some() {}
    let counts = generator.counts();
    let mean = counts.bytes / counts.records;
    assert!((1_300..=1_600).contains(&mean), "{mean} bytes");
}

#[test]
fn few_records_are_enough() {
    for records in [0, 1, 3] {
        let mut generator = Generator::new(GeneratorOptions {
            records,
            users: 1,
            days: 0,
            tenants: 0,
            ..options(0)
        });
        let delivered: usize = generator.by_ref().map(|blob| blob.records().count()).sum();
        assert_eq!(delivered as u64, generator.counts().records);
        assert_eq!(generator.counts().distinct, records);
    }
}
