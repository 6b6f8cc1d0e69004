//! Searches on a probe set of Broden's size: the time of a unit, and how much dense masks would take.

mod common;

use std::hint::black_box;

use common::images::Images;
use common::table::{Table, best_of, cpu_time, median, show, spread};
use common::units;
use compexp_core::partition::{CellSet, Partition, PositionMap};
use compexp_core::probe::{AnnotationSource, Neighbors};
use compexp_core::score::Metric;
use compexp_core::search::{Mode, SearchConfig, search};

const N_UNITS: usize = 32;

/// Dense masks of all concepts take 1.7 MB an image, so that only so many images are measured and the time is scaled.
const DENSE_EXAMPLES: usize = 500;

fn main() {
    let images = Images::new(common::n_examples());
    let (partition, map) = common::build(&images, &Neighbors::new());
    common::describe(&partition, &map);
    let maps = units::maps(&images, N_UNITS);
    let profiles = units::profiles(&maps, &partition, &map);
    let touched: usize = profiles.iter().map(|p| p.cells.len()).sum();
    let hits: u64 = profiles.iter().map(|p| p.area()).sum();
    println!("units: {N_UNITS}, each with {} cells and {} hits", touched / N_UNITS, hits / N_UNITS as u64);
    drop((maps, map));

    let columns: Vec<usize> = (0..partition.columns().len()).collect();
    let rows = best_of(&columns, 1, |c| partition.cooccurrence(*c).len());
    let sets = best_of(&columns, 1, |c| partition.set_of(*c).count());
    let mut table = Table::new();
    table.row("co-occurrence rows of all concepts, once", show(rows.iter().sum()), "");
    table.row("cell sets of all concepts, once", show(sets.iter().sum()), "");

    let dense = Dense::new(images.n_examples().min(DENSE_EXAMPLES));
    let pass = dense.time_of_a_pass() * (images.n_examples() as f64 / dense.n_examples as f64);

    let mut criterion = common::criterion();
    let mut group = criterion.benchmark_group("search");
    for (length, beam) in [(3, 5), (10, 10)] {
        for mode in [Mode::Beam, Mode::Compat] {
            let config = SearchConfig { length, beam, mode, ..SearchConfig::default() };
            let name = format!("{} N={length} B={beam}", if mode == Mode::Beam { "default" } else { "compat" });
            let mut next = 0;
            group.bench_function(&name, |b| {
                b.iter(|| {
                    next += 1;
                    search(&partition, black_box(&profiles[next % N_UNITS]), &config)
                });
            });
            let times = best_of(&profiles, 3, |p| search(&partition, p, &config));
            let bar = if length == 3 { "<= 2 ms, goal 0.5 ms" } else { "(prototype 21 ms)" };
            table.row(format!("search, {name}, a unit"), spread(&times), bar);
            let dense = pass * common::dense_passes(length, beam);
            let ratio = dense / median(&times).as_secs_f64();
            table.row(
                format!("the same over dense masks, {name}"),
                format!("{dense:.1} s, {ratio:.0} times as long"),
                "",
            );
        }
    }
    // The same searches by MCC: as a multiple of the time by IoU.
    let by_mcc = |config: &SearchConfig| SearchConfig { metric: Metric::Mcc, ..config.clone() };
    let exact = SearchConfig { beam: 10, mode: Mode::Exact, ..SearchConfig::default() };
    let beams = [(3, 5), (10, 10)].map(|(length, beam)| SearchConfig { length, beam, ..SearchConfig::default() });
    for config in beams.iter().chain([&exact]) {
        let [iou, mcc] = [config.clone(), by_mcc(config)]
            .map(|config| median(&best_of(&profiles, 3, |p| search(&partition, p, &config))).as_secs_f64());
        let name = format!("by MCC, {:?} N={} B={}, a unit", config.mode, config.length, config.beam);
        table.row(name, format!("{:.2} ms, {:.2} times as long", 1e3 * mcc, mcc / iou), "<= 1.5 times");
    }
    let mut next = 0;
    group.bench_function("exact N=3", |b| {
        b.iter(|| {
            next += 1;
            search(&partition, black_box(&profiles[next % N_UNITS]), &exact)
        });
    });
    let times = best_of(&profiles, 1, |p| search(&partition, p, &exact));
    table.row("optimum of N=3, proven, a unit", spread(&times), "median <= 150 ms");
    group.finish();
    criterion.final_summary();
    table.print(&format!("search, {} examples", partition.n_examples()), "1");
    println!(
        "dense masks: one pass of |F and L|, |F and U and L| over {} concepts, measured on {} examples and scaled to \
         {} by their number, times the passes of the search (1 + (N - 1) B); both ways are built for the same, \
         portable instructions",
        partition.n_concepts(),
        dense.n_examples,
        partition.n_examples()
    );
}

/// The masks of all concepts and of some units, one bit a position.
struct Dense {
    n_examples: usize,
    words: usize,
    masks: Vec<u64>,
    units: Vec<Vec<u64>>,
    partition: Partition,
}

impl Dense {
    fn new(n_examples: usize) -> Self {
        let images = Images::new(n_examples);
        let (partition, map) = common::build(&images, &Neighbors::new());
        let words = (partition.n_positions() as usize).div_ceil(64);
        let mut masks = vec![0; words * partition.n_concepts()];
        for_each_position(&map, |position, cell| {
            for column in partition.concepts_of(cell) {
                masks[usize::from(*column) * words + position / 64] |= 1 << (position % 64);
            }
        });
        let profiles = units::profiles(&units::maps(&images, 4), &partition, &map);
        let units = profiles.iter().map(|profile| {
            // Whole cells: the number of positions takes time, and not which of them are hits.
            let cells = CellSet::from_cells(partition.n_cells(), profile.cells.iter().copied());
            let mut mask = vec![0; words];
            for_each_position(&map, |position, cell| {
                mask[position / 64] |= u64::from(cells.contains(cell)) << (position % 64);
            });
            mask
        });
        Self { n_examples, words, masks, units: units.collect(), partition }
    }

    /// Seconds of counting one formula with all concepts; the counts are checked against those on cells.
    fn time_of_a_pass(&self) -> f64 {
        let mut seconds = Vec::new();
        let mut counts = Vec::new();
        for (i, unit) in self.units.iter().enumerate() {
            let column = self.partition.n_concepts() * i / self.units.len();
            let formula = &self.masks[column * self.words..][..self.words];
            let ((), taken) = cpu_time(|| common::dense_pass(formula, unit, &self.masks, &mut counts));
            let row = self.partition.cooccurrence(column);
            assert!(counts.iter().zip(row).all(|((x, _), y)| *x == u64::from(*y)), "dense counts differ from cells");
            seconds.push(taken);
        }
        median(&seconds).as_secs_f64()
    }
}

fn for_each_position(map: &PositionMap, mut visit: impl FnMut(usize, u32)) {
    let positions = map.grid().positions();
    let mut local = vec![0; positions];
    for example in 0..map.n_examples() {
        map.read_local(example, &mut local).expect("positions are in memory");
        for (p, l) in local.iter().enumerate() {
            visit(example * positions + p, map.cells_of(example)[*l as usize]);
        }
    }
}
