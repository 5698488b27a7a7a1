//! Bytes a second from content blobs to columns, on one thread: all of it, and its two halves.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark stops where its data is not as expected"
)]

use std::hint::black_box;

use audit_ingest::decode::decode;
use audit_ingest::envelope::{Reader, Slab, detect};
use benches::generator;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn slabs(blobs: &[Vec<u8>]) -> Vec<Slab> {
    let mut slabs = Vec::new();
    for blob in blobs {
        let mut reader = Reader::new(&detect(blob));
        reader.push(blob, &mut |slab| slabs.push(slab));
        reader.finish(&mut |slab| slabs.push(slab));
    }
    slabs
}

fn rows(slabs: Vec<Slab>) -> usize {
    let decoded = slabs.into_iter().map(|slab| decode(slab, None).unwrap());
    decoded
        .flat_map(|decoded| decoded.batches)
        .map(|batch| batch.batch.num_rows())
        .sum()
}

fn decoding(criterion: &mut Criterion) {
    let blobs: Vec<Vec<u8>> = generator(20_000).map(|blob| blob.body).collect();
    let bytes: usize = blobs.iter().map(Vec::len).sum();
    assert!(rows(slabs(&blobs)) >= 20_000);

    let mut group = criterion.benchmark_group("decode");
    group
        .throughput(Throughput::Bytes(bytes as u64))
        .sample_size(20);
    group.bench_function("envelope", |bencher| {
        bencher.iter(|| black_box(slabs(&blobs)).len())
    });
    group.bench_function("columns", |bencher| {
        bencher.iter_batched(
            || slabs(&blobs),
            |slabs| black_box(rows(slabs)),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("blobs to columns", |bencher| {
        bencher.iter(|| black_box(rows(slabs(&blobs))))
    });
    group.finish();
}

criterion_group!(benchmarks, decoding);
criterion_main!(benchmarks);
