//! The peak memory and the time of a whole run at Broden's size: 512 units, activations and position map in files.

#[path = "../../compexp-core/benches/common/mod.rs"]
mod common;

use std::time::Instant;

use common::images::Images;
use common::table::{Table, peak};
use common::units::{self, LOW};
use compexp_files::NpyWriter;
use compexp_run::{ActivationFile, Known, position_store};

use compexp_core::concept::Vocabulary;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Observed, Silent, explain};
use compexp_core::partition::PartitionBuilder;
use compexp_core::probe::{AnnotationSource, Neighbors};
use compexp_core::search::SearchConfig;

fn main() {
    let n_units = if common::measuring() { 512 } else { 16 };
    let images = Images::new(common::n_examples());
    let (n, folder) = (images.n_examples(), tempfile::tempdir().expect("a temporary folder"));
    let path = folder.path().join("activations.npy");
    let mut file = NpyWriter::create(&path, &[n, n_units, LOW, LOW]).expect("room for the activations");
    for first in (0..n).step_by(64) {
        file.append(&units::block(&images, n_units, first..n.min(first + 64))).expect("room for the activations");
    }
    file.finish().expect("room for the activations");

    let start = Instant::now();
    let store = position_store(folder.path(), images.grid(), n).expect("room for the position map");
    let mut builder = PartitionBuilder::new(images.grid(), store);
    builder.add_all(&images, &|_| ()).expect("generated annotations fit");
    let (partition, map) = builder.finish(&Neighbors::new()).expect("generated annotations fit");
    let built = start.elapsed();
    let activations = ActivationFile::open(&path, Known::OF_COMPEXP).expect("what was just written");
    let config = ExplainConfig { exemplars: 20, ..ExplainConfig::new(units::TOP, SearchConfig::default()) };
    let all: Vec<usize> = (0..n_units).collect();
    let firing = Firing::Activations(&activations);
    let vocabulary = Vocabulary::default();
    let observed = Observed { partition: &partition, map: &map, vocabulary: &vocabulary, firing, similarity: None };
    let found = explain(observed, &all, &config, &Silent);
    let explained =
        found.expect("generated inputs fit").explanations.units.iter().filter(|u| u.formula.is_some()).count();
    assert!(explained > n_units / 2, "units that were planted are explained: {explained} of {n_units}");

    let mut table = Table::new();
    table.row("annotations painted and divided, wall", format!("{:.1} s", built.as_secs_f64()), "");
    let rest = (start.elapsed() - built).as_secs_f64();
    table.row(format!("{n_units} units explained, N=3 B=10, wall"), format!("{rest:.1} s"), "");
    table.row(format!("peak memory of it all, {n_units} units"), peak(), "<= 3 GiB");
    table.print(&format!("whole run, {n} examples"), "all");
}
