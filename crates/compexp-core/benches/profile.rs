//! Thresholds and profiles: from 7 x 7 maps to hits in cells, on a probe set of Broden's size.

mod common;

use common::images::Images;
use common::table::{Table, cpu_time, show};
use common::units::{self, TOP};
use compexp_core::activation::ActivationSource;
use compexp_core::partition::PositionMap;
use compexp_core::probe::{Grid, Neighbors};
use compexp_core::profile::{Band, from_activations};
use compexp_core::resize::Resizer;
use compexp_core::threshold::thresholds;
use criterion::SamplingMode;
use ndarray::Array4;

const N_UNITS: usize = 64;

/// Units that are also resized whole.
const N_WHOLE: usize = 2;

fn main() {
    let images = Images::new(common::n_examples());
    let (partition, map) = common::build(&images, &Neighbors::new());
    common::describe(&partition, &map);
    let maps = units::maps(&images, N_UNITS);
    let view = maps.view();
    let all: Vec<usize> = (0..N_UNITS).collect();
    let cut = || thresholds(&view, TOP, &|_| ()).expect("generated values are finite");
    let cuts = cut();
    let profile = |units: &[usize]| {
        from_activations(&view, &Band::of_units(units, &cuts), &map, partition.n_cells(), 20, &|_| ())
            .expect("shapes agree")
    };
    let firing = |unit: usize| maps.outer_iter().filter(|m| m.row_max(unit) > cuts[unit]).count();
    println!(
        "units: {N_UNITS}, each firing on {} examples, at {} positions",
        all.iter().map(|u| firing(*u)).sum::<usize>() / N_UNITS,
        profile(&all).iter().map(|p| p.area()).sum::<u64>() / N_UNITS as u64,
    );

    let pool = common::one_thread();
    let mut criterion = common::criterion();
    let mut group = criterion.benchmark_group("profile");
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(format!("thresholds of {N_UNITS} units"), |b| b.iter(|| pool.install(cut)));
    group.bench_function(format!("profiles of {N_UNITS} units"), |b| b.iter(|| pool.install(|| profile(&all))));
    group.finish();
    criterion.final_summary();

    let mut table = Table::new();
    pool.install(|| {
        let cut_time = (0..3).map(|_| cpu_time(cut).1).min().unwrap_or_default();
        table.row("threshold (top half percent, exact), a unit", show(cut_time / N_UNITS as u32), "");
        let fused = (0..3).map(|_| cpu_time(|| profile(&all)).1).min().unwrap_or_default() / N_UNITS as u32;
        table.row("profile, 7 x 7 to 112 x 112, a unit of 64", show(fused), "<= 12 ms, goal 3 ms");
        let alone = cpu_time(|| (0..N_WHOLE).map(|u| profile(&[u]).len()).sum::<usize>()).1 / N_WHOLE as u32;
        table.row("profile, one unit asked for (the maps of all 64 are read)", show(alone), "");
        let (areas, whole) =
            cpu_time(|| (0..N_WHOLE).map(|u| count_whole(&maps, u, cuts[u], &map)).collect::<Vec<_>>());
        let whole = whole / N_WHOLE as u32;
        let expected: Vec<u64> = profile(&[0, 1]).iter().map(|p| p.area()).collect();
        assert_eq!(areas, expected, "hits of maps resized whole differ from those of profiles");
        let ratio = whole.as_secs_f64() / fused.as_secs_f64();
        table.row("every map resized whole, then counted", format!("{}, {ratio:.1} times as long", show(whole)), "");
    });
    table.print(&format!("profiles, {} examples", partition.n_examples()), "1");
}

/// The largest value of a unit's map.
trait RowMax {
    fn row_max(&self, unit: usize) -> f64;
}

impl RowMax for ndarray::ArrayView3<'_, f32> {
    fn row_max(&self, unit: usize) -> f64 {
        self.index_axis(ndarray::Axis(0), unit).iter().fold(f64::NEG_INFINITY, |m, v| m.max(f64::from(*v)))
    }
}

/// The hits of a unit, each map resized whole and every position counted in its cell: what fusing saves.
fn count_whole(maps: &Array4<f32>, unit: usize, cut: f64, positions: &PositionMap) -> u64 {
    let low: Grid = maps.view().grid();
    let resizer = Resizer::new(low, positions.grid());
    let mut resized = vec![0.0; positions.grid().positions()];
    let mut local = vec![0; positions.grid().positions()];
    let mut hits = 0;
    for (example, maps) in maps.outer_iter().enumerate() {
        let map: Vec<f32> = maps.index_axis(ndarray::Axis(0), unit).iter().copied().collect();
        resizer.resize(&map, &mut resized);
        positions.read_local(example, &mut local).expect("positions are in memory");
        let mut counts = vec![0u64; positions.cells_of(example).len()];
        for (value, cell) in resized.iter().zip(&local) {
            counts[*cell as usize] += u64::from(f64::from(*value) > cut);
        }
        hits += counts.iter().sum::<u64>();
    }
    hits
}
