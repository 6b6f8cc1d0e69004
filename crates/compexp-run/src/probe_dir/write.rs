//! Writing a probe directory from any probe set, example by example.

use std::path::Path;

use compexp_core::explain::Progress;
use compexp_core::probe::{Annotation, Grid, ProbeSet};
use compexp_files::{NpyElement, NpyWriter, remove_tree};
use rayon::prelude::*;

use super::{LAYERS, SCALARS, write_concepts, write_examples};
use crate::error::{Error, Result};

/// Examples that are read at once.
const WINDOW: usize = 64;

/// What arrays must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Needs {
    /// The greatest number of concepts of a position.
    layers: usize,
    /// The greatest number of concepts of an example as a whole.
    scalars: usize,
    /// The greatest id.
    id: u32,
}

/// Writes `probe.json`, `examples.csv`, `layers.npy` and, where examples have concepts as a whole, `scalars.npy` into the folder
/// `dir`, which must exist. Opened again, they give the same cells. Layers are packed: the first holds one concept of every
/// position that has any, the second another one, and so on. The annotations are read twice, and never held all at once.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_core::Error::Mismatch`] for a concept of id 0, which means none in the arrays; the
/// errors of the source.
pub fn write_probe(dir: &Path, set: &ProbeSet, progress: &dyn Progress) -> Result<()> {
    let (grid, n) = (set.source.grid(), set.source.n_examples());
    progress.stage("annotations", "examples", n);
    let mut needs = Needs::default();
    each(set, |first, examples| {
        for packed in &examples {
            needs.layers = needs.layers.max(packed.layers.len() / grid.positions());
            needs.scalars = needs.scalars.max(packed.scalars.len());
            let ids = packed.layers.iter().chain(&packed.scalars);
            needs.id = needs.id.max(ids.copied().max().unwrap_or_default());
        }
        progress.done(first + examples.len());
        Ok(())
    })?;
    // Without layers, an example has one position.
    if grid != Grid::SINGLE || needs.scalars == 0 {
        needs.layers = needs.layers.max(1);
    }
    progress.stage("arrays", "examples", n);
    match needs.id {
        0..=0xff => write_arrays(dir, set, needs, |id| id as u8, progress)?,
        0x100..=0xffff => write_arrays(dir, set, needs, |id| id as u16, progress)?,
        _ => write_arrays(dir, set, needs, |id| id, progress)?,
    }
    write_examples(dir, &set.examples)?;
    write_concepts(dir, set.vocabulary.concepts())
}

fn write_arrays<T: NpyElement>(
    dir: &Path,
    set: &ProbeSet,
    needs: Needs,
    number: impl Fn(u32) -> T,
    progress: &dyn Progress,
) -> Result<()> {
    let (grid, n) = (set.source.grid(), set.source.n_examples());
    let of = |shape: &[usize], name: &str| match shape.contains(&0) {
        false => NpyWriter::<T>::create(&dir.join(name), shape).map(Some),
        true => remove_tree(&dir.join(name)).map(|()| None),
    };
    let mut layers = of(&[n, needs.layers, grid.height, grid.width], LAYERS)?;
    let mut scalars = of(&[n, needs.scalars], SCALARS)?;
    let mut row = Vec::new();
    each(set, |first, examples| {
        for packed in &examples {
            let arrays = [
                (&mut layers, &packed.layers, needs.layers * grid.positions()),
                (&mut scalars, &packed.scalars, needs.scalars),
            ];
            for (file, ids, len) in arrays {
                let Some(file) = file else { continue };
                row.clear();
                row.extend(ids.iter().map(|id| number(*id)));
                row.resize_with(len, || number(0));
                file.append(&row)?;
            }
        }
        progress.done(first + examples.len());
        Ok(())
    })?;
    for file in [layers, scalars].into_iter().flatten() {
        file.finish()?;
    }
    Ok(())
}

/// Calls `with` with the packed annotations of some examples after others, and the first of them.
fn each(set: &ProbeSet, mut with: impl FnMut(usize, Vec<Annotation>) -> Result<()>) -> Result<()> {
    let n = set.source.n_examples();
    for first in (0..n).step_by(WINDOW) {
        let read = |example| {
            let mut annotation = Annotation::default();
            set.source.annotate(example, &mut annotation)?;
            pack(annotation, set.source.grid().positions())
        };
        let examples: Vec<Result<Annotation>> = (first..n.min(first + WINDOW)).into_par_iter().map(read).collect();
        with(first, examples.into_iter().collect::<Result<_>>()?)?;
    }
    Ok(())
}

/// The same annotation in as few layers as it needs, with 0 for none.
fn pack(annotation: Annotation, positions: usize) -> Result<Annotation> {
    let Annotation { layers, mut scalars } = annotation;
    if layers.contains(&0) || scalars.contains(&0) {
        return Err(Error::mismatch("id of a concept", 0, "at least 1: 0 means none in layers.npy"));
    }
    scalars.sort_unstable();
    scalars.dedup();
    let mut packed = Vec::new(); // (layers, positions)
    for position in 0..positions {
        let mut used = 0;
        for &id in layers.iter().skip(position).step_by(positions) {
            let before = |packed: &[u32]| (0..used).any(|layer| packed[layer * positions + position] == id);
            if id == Annotation::NONE || before(&packed) {
                continue;
            }
            if packed.len() == used * positions {
                packed.resize(packed.len() + positions, 0);
            }
            packed[used * positions + position] = id;
            used += 1;
        }
    }
    Ok(Annotation { layers: packed, scalars })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use compexp_core::concept::{Concept, ConceptId, Vocabulary};
    use compexp_core::explain::Silent;
    use compexp_core::probe::{AnnotationSource, Example, Neighbors, Variant};
    use compexp_tests::files::Scratch;

    use super::*;
    use crate::probe_dir::open_probe;

    /// Annotations as they are, of a grid.
    struct Ready(Grid, Vec<Annotation>);

    impl AnnotationSource for Ready {
        fn n_examples(&self) -> usize {
            self.1.len()
        }
        fn grid(&self) -> Grid {
            self.0
        }
        fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
            into.clone_from(&self.1[example]);
            Ok(())
        }
    }

    fn set(grid: Grid, all: Vec<Annotation>) -> ProbeSet {
        let example = |i: usize| Example { name: format!("e{i}"), image: format!("{i}.jpg"), ..Example::default() };
        let concept = Concept { id: ConceptId(7), name: "dog".into(), category: "object".into() };
        ProbeSet {
            vocabulary: Vocabulary::new(vec![concept]).unwrap(),
            examples: (0..all.len()).map(example).collect(),
            variant: Variant::Vision,
            neighbors: Neighbors::new(),
            source: Box::new(Ready(grid, all)),
        }
    }

    /// The concepts of each position.
    fn positions(set: &ProbeSet) -> Vec<BTreeSet<u32>> {
        let n = set.source.grid().positions();
        let mut all = vec![];
        for example in 0..set.source.n_examples() {
            let mut annotation = Annotation::default();
            set.source.annotate(example, &mut annotation).unwrap();
            let of = |p| annotation.layers.iter().skip(p).step_by(n).chain(&annotation.scalars);
            all.extend((0..n).map(|p| of(p).copied().filter(|id| *id != Annotation::NONE).collect()));
        }
        all
    }

    #[test]
    fn what_was_written_gives_the_same_concepts() {
        const NONE: u32 = Annotation::NONE;
        let grid = Grid { height: 1, width: 3 };
        let of = |layers: &[u32], scalars: &[u32]| Annotation { layers: layers.to_vec(), scalars: scalars.to_vec() };
        for largest in [9, 300, 70_000] {
            let mut all = vec![
                of(&[7, NONE, NONE, /**/ NONE, largest, 2, /**/ 7, 3, 3], &[5, 5]),
                of(&[], &[]),
                of(&[NONE, NONE, 1], &[4, 6]),
            ];
            // More than are read at once.
            all.extend((0..200).map(|i| of(&[i % 5 + 1, NONE, 7, i % 3 + 1, 2, 7], &[])));
            let set = set(grid, all);
            let scratch = Scratch::new();
            write_probe(scratch.dir(), &set, &Silent).unwrap();
            let opened = open_probe(scratch.dir()).unwrap();
            assert_eq!(opened.files, ["probe.json", "layers.npy", "scalars.npy", "examples.csv"]);
            assert_eq!((positions(&opened.set), &opened.set.examples), (positions(&set), &set.examples));
            assert_eq!(opened.set.vocabulary, set.vocabulary);
            let size = std::fs::metadata(scratch.path("layers.npy")).unwrap().len();
            let bytes = [1, 2, 4][[9, 300, 70_000].iter().position(|l| *l == largest).unwrap()];
            assert!(size < 203 * 2 * 3 * bytes + 256, "two layers, as few as possible: {size}");
        }
    }

    #[test]
    fn annotations_of_nothing_keep_their_positions() {
        let scratch = Scratch::new();
        scratch.write("scalars.npy", b"of another set");
        let nothing = set(Grid { height: 2, width: 2 }, vec![Annotation::default(); 3]);
        write_probe(scratch.dir(), &nothing, &Silent).unwrap();
        let opened = open_probe(scratch.dir()).unwrap().set;
        assert_eq!((opened.source.grid(), positions(&opened)), (nothing.source.grid(), positions(&nothing)));
        let whole = set(Grid::SINGLE, vec![Annotation { layers: vec![], scalars: vec![3] }]);
        let scratch = Scratch::new();
        write_probe(scratch.dir(), &whole, &Silent).unwrap();
        assert!(!scratch.path("layers.npy").exists());
        let zero = set(Grid::SINGLE, vec![Annotation { layers: vec![0], scalars: vec![] }]);
        let e = write_probe(scratch.dir(), &zero, &Silent).unwrap_err().to_string();
        assert!(e.contains("id of a concept: found 0, expected at least 1"), "{e}");
    }
}
