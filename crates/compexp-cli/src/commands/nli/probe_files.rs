//! The probe directory that a run keeps. With it, other searches can use the run's activations.

use std::path::Path;

use anyhow::Result;
use compexp_core::concept::ConceptId;
use compexp_core::probe::{Annotation, ProbeSet};
use compexp_files::{NpyWriter, make_folder, remove_partials, remove_tree, write_npy};
use compexp_run::probe_dir::{FEATURES, NEIGHBORS};
use compexp_run::{write_concepts, write_examples};

/// Its name in the run directory.
pub(super) const FOLDER: &str = compexp_run::layout::PROBE;

/// Writes the probe set of features to [`FOLDER`] in `run`.
///
/// # Errors
/// An I/O error or `Error::Io` if the folder or a file cannot be written.
pub(super) fn write(run: &Path, set: &ProbeSet) -> Result<()> {
    let dir = run.join(FOLDER);
    make_folder(&dir)?;
    remove_partials(&dir)?;
    let (n, concepts) = (set.source.n_examples(), set.vocabulary.concepts());
    write_concepts(&dir, concepts)?;
    write_examples(&dir, &set.examples)?;
    let mut file = NpyWriter::create(&dir.join(FEATURES), &[n, concepts.len()])?;
    let mut annotation = Annotation::default();
    let mut row = vec![false; concepts.len()];
    for example in 0..n {
        annotation.clear();
        set.source.annotate(example, &mut annotation)?;
        row.fill(false);
        annotation.scalars.iter().for_each(|&id| row[id as usize] = true);
        file.append(&row)?;
    }
    file.finish()?;
    let path = dir.join(NEIGHBORS);
    let k = set.neighbors.values().map(Vec::len).max().unwrap_or(0);
    if k == 0 {
        // Removes the file of an earlier run.
        return Ok(remove_tree(&path)?);
    }
    let mut neighbors = vec![-1_i32; concepts.len() * k];
    for (id, row) in (0..).map(ConceptId).zip(neighbors.chunks_exact_mut(k)) {
        let of = set.neighbors.get(&id).map_or(&[][..], Vec::as_slice);
        row.iter_mut().zip(of).for_each(|(to, of)| *to = of.0 as i32);
    }
    Ok(write_npy(&path, &[concepts.len(), k], &neighbors)?)
}
