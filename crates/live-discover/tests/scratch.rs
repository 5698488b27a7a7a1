use audit_lake::*;
use std::time::Instant;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn big() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::create_or_open(dir.path().to_str().unwrap(), LakeOptions::default()).await.unwrap();
    let t: TenantId = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse().unwrap();
    let table = lake.open_or_create_table(t, TableName::Audit).await.unwrap();
    let s = Instant::now();
    for c in 0..200u64 {
        let base = table.snapshot().await.unwrap();
        let files: Vec<NewFile> = (0..50).map(|i| { let day = 19000 + i as i32; let micros = day as i64 * 86_400_000_000 + c as i64*1_000_000;
            let time = chrono::DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%dT%H:%M:%S%.6fZ");
            let d = chrono::DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%d");
            NewFile { path: format!("event_date={d}/{:032x}.parquet", c*1000+i), event_date: Some(day), size_bytes: 100000, modification_time_ms: 1,
              stats: format!(r#"{{"numRecords":100,"minValues":{{"creation_time":"{time}","ingest_sequence":{},"id":"aaaaaaaaaaaaaaaaaaaaaaaa"}},"maxValues":{{"creation_time":"{time}","ingest_sequence":{},"id":"zzzzzzzzzzzzzzzzzzzzzzzzzzz"}},"nullCount":{{"id":0}}}}"#, c+1, c+1) } }).collect();
        let o = table.try_commit(&base, &files).await.unwrap();
        assert_ne!(o, CommitOutcome::Conflicted);
    }
    println!("200 commits x 50 files {:?}", s.elapsed());
    let s = Instant::now(); table.checkpoint(200).await.unwrap(); println!("checkpoint again {:?}", s.elapsed());
    for _ in 0..2 {
    let lake2 = Lake::open(dir.path().to_str().unwrap(), LakeOptions::default()).await.unwrap();
    let s = Instant::now(); let snap = lake2.snapshot(&t, TableName::Audit).await.unwrap().unwrap(); println!("open {} files {:?}", snap.files().len(), s.elapsed());
    let s = Instant::now(); lake2.snapshot(&t, TableName::Audit).await.unwrap().unwrap(); println!("refresh {:?}", s.elapsed());
    }
    let engine = live_discover::Engine::new(lake.clone()).unwrap();
    let session = engine.session(live_discover::TenantScope::All, live_discover::Limits::default());
    for sql in ["SELECT 1", "SELECT count(*) FROM m365_audit", "EXPLAIN SELECT id FROM m365_audit WHERE event_date = '2022-01-08' LIMIT 1", "EXPLAIN SELECT * FROM m365_audit WHERE user_id = 'x' ORDER BY creation_time DESC LIMIT 10","EXPLAIN SELECT id FROM m365_audit WHERE creation_time > '2022-02-01T00:00:00Z'"] {
        for _ in 0..2 { let s = Instant::now(); session.collect(sql).await.unwrap(); println!("{sql} {:?}", s.elapsed()); }
    }
}
