//! Building a partition of a probe set of Broden's size from annotations in memory.

mod common;

use common::images::{Images, Stored};
use common::table::{Table, cpu_time, show};
use compexp_core::probe::{AnnotationSource, Neighbors};
use criterion::{SamplingMode, Throughput};

/// Criterion's many samples run on a part, the table's few on the whole.
const SAMPLED_EXAMPLES: usize = 1_000;

fn main() {
    let n = common::n_examples();
    let pool = common::one_thread();
    let sampled = Stored::new(&Images::new(n.min(SAMPLED_EXAMPLES)));
    let mut criterion = common::criterion();
    let mut group = criterion.benchmark_group("partition");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(sampled.n_examples() as u64));
    group.bench_function(format!("build from {} examples in memory", sampled.n_examples()), |b| {
        b.iter(|| pool.install(|| common::build(&sampled, &Neighbors::new()).0.n_cells()));
    });
    group.finish();
    criterion.final_summary();
    drop(sampled);

    let stored = Stored::new(&Images::new(n));
    let mut table = Table::new();
    let build = || cpu_time(|| common::build(&stored, &Neighbors::new()));
    let (first, second) = pool.install(|| (build().1, build()));
    let ((partition, map), second) = second;
    common::describe(&partition, &map);
    let taken = first.min(second);
    table.row("partition build, annotations in memory, CPU", show(taken), "<= 5 s");
    table.row("the same, an example", show(taken / n as u32), "");
    let positions = partition.n_positions() as f64 / partition.n_cells() as f64;
    table.row("positions a cell", format!("{positions:.0}"), "");
    let rows = cpu_time(|| (0..partition.columns().len()).map(|c| partition.cooccurrence(c).len()).sum::<usize>()).1;
    table.row("co-occurrence rows of all concepts, once", show(rows), "");
    table.print(&format!("partition, {n} examples"), "1");
}
