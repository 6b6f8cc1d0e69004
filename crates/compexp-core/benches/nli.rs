//! Searches on sentence pairs: 10,000 rows of 4,083 binary features, with neighbours.

mod common;

use std::hint::black_box;

use common::random::{Random, Zipf};
use common::table::{Table, best_of, cpu_time, median, show, spread};
use compexp_core::Result;
use compexp_core::concept::ConceptId;
use compexp_core::partition::{Partition, PositionMap};
use compexp_core::probe::{Annotation, AnnotationSource, Grid, Neighbors, Variant};
use compexp_core::profile::{Band, Profile, from_activations};
use compexp_core::search::{Mode, SearchConfig, search};
use compexp_core::threshold::{ThresholdRule, thresholds};
use ndarray::Array4;

const N_UNITS: usize = 32;

/// The features in the order of their ids: words of the premise, words of the hypothesis, tags of each, overlaps.
const WORDS: usize = 2000;
const TAGS: usize = 40;
const OVERLAPS: usize = 3;
const FEATURES: usize = 2 * WORDS + 2 * TAGS + OVERLAPS;

/// Words of one topic occur together, and are neighbours of each other.
const TOPICS: usize = 50;

fn main() {
    let n_rows = if common::measuring() { 10_000 } else { 500 };
    let rows: Vec<Vec<u32>> = (0..n_rows).map(|row| pair(&mut Random::new(10, row as u64))).collect();
    let neighbors = neighbors();
    let source = Pairs(rows);
    let pool = common::one_thread();
    let ((partition, map), built) = pool.install(|| cpu_time(|| common::build(&source, &neighbors)));
    common::describe(&partition, &map);
    let profiles = profiles(&source.0, &partition, &map);
    let areas: Vec<u64> = profiles.iter().map(Profile::area).collect();
    let (least, most) = (areas.iter().min().unwrap_or(&0), areas.iter().max().unwrap_or(&0));
    let features = source.0.iter().map(Vec::len).sum::<usize>() as f64 / n_rows as f64;
    println!("rows: {features:.1} features each; units: {N_UNITS}, active on {least} to {most} rows");

    let columns: Vec<usize> = (0..partition.columns().len()).collect();
    let cooccurrences = best_of(&columns, 1, |c| partition.cooccurrence(*c).len());
    let sets = best_of(&columns, 1, |c| partition.set_of(*c).count());
    let mut table = Table::new();
    table.row("partition build with NEIGHBORS, CPU", show(built), "");
    table.row("co-occurrence rows of all columns, once", show(cooccurrences.iter().sum()), "");
    table.row("cell sets of all columns, once", show(sets.iter().sum()), "");

    let config = SearchConfig { length: 5, beam: 10, variant: Variant::Nli, ..SearchConfig::default() };
    let dense = dense_pass(&source.0, &profiles[0], &partition) * common::dense_passes(config.length, config.beam);
    let mut criterion = common::criterion();
    let mut group = criterion.benchmark_group("nli");
    for mode in [Mode::Compat, Mode::Beam] {
        let config = SearchConfig { mode, ..config.clone() };
        let name = if mode == Mode::Beam { "default N=5 B=10, NEIGHBORS everywhere" } else { "compat N=5 B=10" };
        let mut next = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                next += 1;
                search(&partition, black_box(&profiles[next % N_UNITS]), &config)
            });
        });
        let times = best_of(&profiles, 3, |p| search(&partition, p, &config));
        table.row(format!("search, {name}, a unit"), spread(&times), "<= 3 ms");
        let ratio = dense / median(&times).as_secs_f64();
        table.row(
            format!("dense masks of {FEATURES} features"),
            format!("{:.1} ms, {ratio:.1} times as long", dense * 1e3),
            "",
        );
    }
    group.finish();
    criterion.final_summary();
    let exact = SearchConfig { length: 3, mode: Mode::Exact, ..config.clone() };
    let times = best_of(&profiles, 1, |p| search(&partition, p, &exact));
    table.row("optimum of N=3 with NEIGHBORS, proven, a unit", spread(&times), "");
    let (without, _) = common::build(&source, &Neighbors::new());
    // Cells do not depend on neighbours: the profiles are the same.
    best_of(&(0..without.columns().len()).collect::<Vec<_>>(), 1, |c| without.cooccurrence(*c).len());
    let times = best_of(&profiles, 1, |p| search(&without, p, &exact));
    table.row("optimum of N=3 without NEIGHBORS, proven, a unit", spread(&times), "median <= 2 s");
    table.print(&format!("sentence pairs, {n_rows} x {FEATURES}"), "1");
    println!(
        "dense masks: |F and L|, |F and U and L| over {FEATURES} features, times the passes of the search \
         (1 + (N - 1) B); both ways are built for the same, portable instructions"
    );
}

/// The features of each row, ascending.
struct Pairs(Vec<Vec<u32>>);

impl AnnotationSource for Pairs {
    fn n_examples(&self) -> usize {
        self.0.len()
    }

    fn grid(&self) -> Grid {
        Grid::SINGLE
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        into.scalars.extend(&self.0[example]);
        Ok(())
    }

    fn declared(&self) -> Vec<ConceptId> {
        (0..FEATURES as u32).map(ConceptId).collect()
    }
}

/// The features of a pair. Two sentences share a topic and some words; the common tags are in most sentences.
fn pair(random: &mut Random) -> Vec<u32> {
    let (any, own) = (Zipf::new(WORDS, 3.0, 1.0), Zipf::new(WORDS / TOPICS, 2.0, 0.8));
    let topic = random.below(TOPICS);
    let word = |random: &mut Random| {
        if random.chance(0.5) { own.draw(random) * TOPICS + topic } else { any.draw(random) }
    };
    let premise: Vec<usize> = (0..7 + random.below(9)).map(|_| word(random)).collect();
    let hypothesis: Vec<usize> = (0..3 + random.below(7))
        .map(|_| if random.chance(0.4) { premise[random.below(premise.len())] } else { word(random) })
        .collect();
    let mut features: Vec<usize> = premise.clone();
    features.extend(hypothesis.iter().map(|w| WORDS + w));
    for side in 0..2 {
        let first = 2 * WORDS + side * TAGS;
        let most = 0.95 - 0.15 * side as f32;
        features.extend((0..TAGS).filter(|t| random.chance(most * 0.85f32.powi(*t as i32))).map(|t| first + t));
    }
    let shared = hypothesis.iter().filter(|w| premise.contains(w)).count() as f32;
    let apart = (premise.len() + hypothesis.len()) as f32 - 2.0 * shared;
    let overlap = (1..=OVERLAPS).filter(|k| shared / (apart + 1e-5) > *k as f32 * 0.25);
    features.extend(overlap.map(|k| FEATURES - OVERLAPS + k - 1));
    features.sort_unstable();
    features.dedup();
    features.into_iter().map(|f| f as u32).collect()
}

/// Five words of its topic for every word, on its own side.
fn neighbors() -> Neighbors {
    let random = &mut Random::new(11, 0);
    let near = |feature: usize, random: &mut Random| {
        let (side, topic) = (feature / WORDS * WORDS, feature % WORDS % TOPICS);
        ConceptId((side + topic + TOPICS * random.below(WORDS / TOPICS)) as u32)
    };
    let of = |feature: usize| (ConceptId(feature as u32), (0..5).map(|_| near(feature, random)).collect());
    (0..2 * WORDS).map(of).collect()
}

/// Units that like one to four features, active on 500 to 5,000 rows of 10,000.
fn profiles(rows: &[Vec<u32>], partition: &Partition, map: &PositionMap) -> Vec<Profile> {
    let mut values = Array4::<f32>::zeros((rows.len(), N_UNITS, 1, 1));
    let common = Zipf::new(WORDS, 3.0, 0.7);
    for unit in 0..N_UNITS {
        let random = &mut Random::new(12, unit as u64);
        let likes: Vec<(u32, f32)> = (0..1 + random.below(4))
            .map(|_| {
                let feature = match random.below(4) {
                    0 => 2 * WORDS + random.below(2 * TAGS + OVERLAPS),
                    1 => common.draw(random),
                    _ => WORDS + common.draw(random),
                };
                (feature as u32, 0.5 + random.unit())
            })
            .collect();
        let mut drives: Vec<f32> = rows
            .iter()
            .map(|row| {
                let liked: f32 = likes.iter().filter(|(f, _)| row.binary_search(f).is_ok()).map(|l| l.1).sum();
                liked + 0.5 * (random.unit() + random.unit() + random.unit())
            })
            .collect();
        for (row, drive) in drives.iter().enumerate() {
            values[[row, unit, 0, 0]] = *drive;
        }
        // From one row in 20 to one in two, evenly in the logarithm.
        let active = (rows.len() as f32 * 0.05 * 10f32.powf(random.unit())) as usize;
        drives.sort_by(|a, b| b.total_cmp(a));
        values.index_axis_mut(ndarray::Axis(1), unit).map_inplace(|v| *v -= drives[active]);
    }
    let view = values.view();
    let cuts = thresholds(&view, ThresholdRule::Positive, &|_| ()).expect("generated values are finite");
    let units: Vec<usize> = (0..N_UNITS).collect();
    from_activations(&view, &Band::of_units(&units, &cuts), map, partition.n_cells(), 20, &|_| ())
        .expect("shapes agree")
}

/// Seconds of counting one formula with all features over dense masks of rows; the counts are checked against cells.
fn dense_pass(rows: &[Vec<u32>], profile: &Profile, partition: &Partition) -> f64 {
    const FORMULA: usize = 2 * WORDS;
    let words = rows.len().div_ceil(64);
    let mut masks = vec![0u64; words * FEATURES];
    for (row, features) in rows.iter().enumerate() {
        for f in features {
            masks[*f as usize * words + row / 64] |= 1 << (row % 64);
        }
    }
    // Cells are numbered as rows first meet them, so that this is nearly the unit; only the number of rows takes time.
    let mut unit = vec![0u64; words];
    for cell in &profile.cells {
        unit[*cell as usize / 64] |= 1 << (cell % 64);
    }
    let mut counts = Vec::new();
    let formula = &masks[FORMULA * words..][..words];
    let times = best_of(&[(); 20], 1, |()| common::dense_pass(formula, &unit, &masks, &mut counts));
    let expected = partition.cooccurrence(FORMULA);
    assert!(counts.iter().zip(expected).all(|((x, _), y)| *x == u64::from(*y)), "dense counts differ from cells");
    times.iter().min().map_or(0.0, |t| t.as_secs_f64())
}
