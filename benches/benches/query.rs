//! Questions to a lake in memory, each with the answer it must have.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark stops where its data is not as expected"
)]

use benches::{ingested, inputs, write_blobs};
use criterion::{Criterion, criterion_group, criterion_main};
use live_discover::{Engine, Limits, TenantScope};

const RECORDS: u64 = 20_000;

const QUESTIONS: [(&str, &str); 6] = [
    ("count", "SELECT count(*) FROM m365_audit"),
    (
        "by operation",
        "SELECT operation, count(*) FROM m365_audit GROUP BY operation ORDER BY 2 DESC LIMIT 20",
    ),
    (
        "latest hundred",
        "SELECT * FROM m365_audit ORDER BY creation_time DESC LIMIT 100",
    ),
    (
        "absent id",
        "SELECT * FROM m365_audit WHERE id = '00000000-0000-0000-0000-000000000000'",
    ),
    (
        "needle in raw",
        "SELECT * FROM m365_audit WHERE raw LIKE '%no such needle%'",
    ),
    (
        "bag",
        "SELECT count(*) FROM m365_audit WHERE parameters['ForwardTo'] IS NOT NULL",
    ),
];

fn querying(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_blobs(RECORDS, folder.path()).unwrap();
    let session = runtime.block_on(async {
        let (lake, rows) = ingested(inputs(folder.path()).await.unwrap())
            .await
            .unwrap();
        assert_eq!(rows, RECORDS);
        Engine::new(lake)
            .unwrap()
            .session(TenantScope::All, Limits::default())
    });

    let mut group = criterion.benchmark_group("query");
    group.sample_size(20);
    for (name, sql) in QUESTIONS {
        let rows = |sql| -> usize {
            runtime
                .block_on(session.collect(sql))
                .unwrap()
                .iter()
                .map(|batch| batch.num_rows())
                .sum()
        };
        let want = rows(sql);
        assert_eq!(
            want == 0,
            name.contains("absent") || name.contains("needle"),
            "{name}: {want} rows"
        );
        group.bench_function(name, |bencher| bencher.iter(|| assert_eq!(rows(sql), want)));
    }
    group.finish();
}

criterion_group!(benchmarks, querying);
criterion_main!(benchmarks);
