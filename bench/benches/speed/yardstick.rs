//! The floor under any simulator: a heap of events, popped and pushed, and nothing done with them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

use criterion::{Criterion, Throughput};

use crate::cpu::CpuTime;

/// As many events wait as in a world with one position.
const PENDING: u64 = 16;
const EVENTS: u64 = 100_000;

/// Pop, mix, push.
pub(crate) fn heap(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("yardstick");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("heap", |bench| {
        bench.iter(|| {
            let mut queue: BinaryHeap<Reverse<(u64, u64, u64)>> =
                (0..PENDING).map(|key| Reverse((key, key, mix(key)))).collect();
            for number in PENDING..PENDING + EVENTS {
                if let Some(Reverse((at, _, key))) = queue.pop() {
                    let key = mix(key);
                    queue.push(Reverse((at + key % 1_000, number, key)));
                }
            }
            black_box(queue.len())
        });
    });
    group.finish();
}

const fn mix(key: u64) -> u64 {
    let key = (key ^ (key >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key ^ (key >> 29)
}
