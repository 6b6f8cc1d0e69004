//! What the benchmarks share: a generated probe set of Broden's shape, units on it, and the table of results.
//!
//! Nothing is read from files. Every example follows from its number alone, so that it can be made again at any time
//! and in any order. What the sizes are modelled on: Broden's ADE20k part, with about 90 cells an image and about 400
//! positions a cell at 20,000 images of 112 x 112 and 1,108 concepts.
#![allow(dead_code, reason = "every benchmark uses its own part")]

pub(crate) mod images;
pub(crate) mod random;
pub(crate) mod table;
pub(crate) mod units;

use compexp_core::partition::{MemoryPositions, Partition, PartitionBuilder, PositionMap};
use compexp_core::probe::{AnnotationSource, Neighbors};
use criterion::Criterion;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Whether this is a measurement, and not a check that the benchmark runs (`cargo test --benches`).
pub(crate) fn measuring() -> bool {
    std::env::args().any(|a| a == "--bench")
}

/// The number of examples: `COMPEXP_BENCH_EXAMPLES`, by default 20,000, and 200 where nothing is measured.
pub(crate) fn n_examples() -> usize {
    let default = if measuring() { 20_000 } else { 200 };
    match std::env::var("COMPEXP_BENCH_EXAMPLES") {
        Ok(n) => n.parse::<usize>().expect("COMPEXP_BENCH_EXAMPLES is a number of examples").max(1),
        Err(_) => default,
    }
}

/// Few samples: each runs over a whole probe set.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(3))
        .without_plots()
        .configure_from_args()
}

/// What is measured runs in a pool of one thread; what is only prepared uses all.
pub(crate) fn one_thread() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started")
}

/// Builds the partition and the position map, in memory.
pub(crate) fn build(source: &dyn AnnotationSource, neighbors: &Neighbors) -> (Partition, PositionMap) {
    let mut builder = PartitionBuilder::new(source.grid(), Box::new(MemoryPositions::new(source.grid())));
    builder.add_all(source, &|_| ()).expect("generated annotations fit");
    builder.finish(neighbors).expect("generated annotations fit")
}

/// Prints what was generated.
pub(crate) fn describe(partition: &Partition, map: &PositionMap) {
    let incidences: usize = (0..partition.n_cells() as u32).map(|c| partition.columns_of(c).len()).sum();
    let local: usize = (0..map.n_examples()).map(|e| map.cells_of(e).len()).sum();
    println!(
        "generated: {} examples, {} concepts, {} columns; {:.0} cells an example, {} in all ({} of one position), {} \
         incidences, {:.0} positions a cell",
        partition.n_examples(),
        partition.n_concepts(),
        partition.columns().len(),
        local as f64 / map.n_examples() as f64,
        partition.n_cells(),
        partition.n_singleton_cells(),
        incidences,
        partition.n_positions() as f64 / partition.n_cells() as f64,
    );
}

/// The counts of one formula with every concept over dense masks, as done without cells: `|F and L|` and
/// `|F and U and L|`, one bit a position, `masks` concept by concept.
pub(crate) fn dense_pass(formula: &[u64], unit: &[u64], masks: &[u64], out: &mut Vec<(u64, u64)>) {
    out.clear();
    for mask in masks.chunks_exact(formula.len()) {
        let (mut x, mut ux) = (0, 0);
        for ((f, u), l) in formula.iter().zip(unit).zip(mask) {
            let both = f & l;
            x += u64::from(both.count_ones());
            ux += u64::from((both & u).count_ones());
        }
        out.push((x, ux));
    }
}

/// How often a dense beam search counts one formula with every concept: once for the primitives, then for every
/// formula of every beam but the last.
pub(crate) fn dense_passes(length: usize, beam: usize) -> f64 {
    (1 + (length - 1) * beam) as f64
}
