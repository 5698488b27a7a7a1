//! A folder of content blobs into a lake in memory: new records, and the same ones once more.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark stops where its data is not as expected"
)]

use audit_ingest::pipeline::{IngestOptions, ingest};
use benches::{ingested, inputs, write_blobs};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const RECORDS: u64 = 20_000;

fn ingesting(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_blobs(RECORDS, folder.path()).unwrap();
    let inputs = runtime.block_on(inputs(folder.path())).unwrap();
    let bytes = inputs.iter().map(|input| input.size_bytes).sum();

    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.bench_function("new records", |bencher| {
        bencher.iter(|| {
            let (_, rows) = runtime.block_on(ingested(inputs.clone())).unwrap();
            assert_eq!(rows, RECORDS);
        });
    });
    let (lake, _) = runtime.block_on(ingested(inputs.clone())).unwrap();
    group.bench_function("nothing but duplicates", |bencher| {
        bencher.iter(|| {
            let report = runtime
                .block_on(ingest(&lake, inputs.clone(), IngestOptions::default()))
                .unwrap();
            assert_eq!(report.records(), 0);
        });
    });
    group.finish();
}

criterion_group!(benchmarks, ingesting);
criterion_main!(benchmarks);
