//! Building and merging partitions.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::cells::Partition;
use super::local::{Divider, LocalCells};
use super::positions::{PositionMap, PositionStore};
use crate::concept::ConceptId;
use crate::error::{Error, Result};
use crate::formula::Atom;
use crate::probe::{Annotation, AnnotationSource, Grid, Neighbors};

/// More columns than this are refused: 16 bits number them. Rows of the co-occurrence matrix, 4 bytes a column, are kept for the
/// columns that searches ask for.
const MAX_COLUMNS: usize = 65_535;

/// Examples divided at once before they are added in order; large enough to keep threads busy, small enough for memory.
const WINDOW: usize = 256;

/// Builds a partition, example after example.
///
/// Cells are numbered in the order in which examples first have them. So the result does not depend on how the work is
/// divided: building all examples at once gives the same as merging the partitions of consecutive ranges ([`merge`]).
pub struct PartitionBuilder {
    grid: Grid,
    cell_of_set: HashMap<Box<[u32]>, u32>,
    sets: Vec<Box<[u32]>>,
    sizes: Vec<u64>,
    concepts: BTreeSet<u32>,
    offsets: Vec<u32>,
    local_cells: Vec<u32>,
    local_sizes: Vec<u32>,
    store: Box<dyn PositionStore>,
}

impl PartitionBuilder {
    /// A builder for examples of one grid; `store` receives the position map.
    pub fn new(grid: Grid, store: Box<dyn PositionStore>) -> Self {
        Self {
            grid,
            cell_of_set: HashMap::new(),
            sets: Vec::new(),
            sizes: Vec::new(),
            concepts: BTreeSet::new(),
            offsets: vec![0],
            local_cells: Vec::new(),
            local_sizes: Vec::new(),
            store,
        }
    }

    /// Makes columns of these concepts even if no position has them.
    pub fn declare(&mut self, concepts: impl IntoIterator<Item = ConceptId>) {
        self.concepts.extend(concepts.into_iter().map(|c| c.0));
    }

    /// Adds all examples of a source, in parallel. Calls `progress` with the number of examples done.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the source or its grid is empty, if its grid is not the builder's, or if a layer does not fill
    /// the grid. An error of [`AnnotationSource::annotate`] or [`PositionStore::append`] is passed on.
    pub fn add_all(&mut self, source: &dyn AnnotationSource, progress: &dyn Fn(usize)) -> Result<()> {
        let (n, positions) = (source.n_examples(), self.grid.positions());
        if n == 0 || positions == 0 {
            return Err(Error::mismatch(
                "positions of the probe set",
                format!("{n} examples of {positions}"),
                "at least one",
            ));
        }
        if source.grid() != self.grid {
            return Err(Error::mismatch(
                "grid of the annotations",
                format!("{:?}", source.grid()),
                format!("{:?}", self.grid),
            ));
        }
        self.declare(source.declared());
        for first in (0..n).step_by(WINDOW) {
            let examples = first..n.min(first + WINDOW);
            let divided: Vec<(LocalCells, Vec<u32>)> = examples
                .clone()
                .into_par_iter()
                .map_init(
                    || (Divider::default(), Annotation::default()),
                    |(divider, annotation), example| {
                        annotation.clear();
                        source.annotate(example, annotation)?;
                        let mut ids = vec![0; positions];
                        Ok((divider.divide(annotation, &mut ids)?, ids))
                    },
                )
                .collect::<Result<_>>()?;
            for (cells, ids) in divided {
                self.add(cells.sets.into_iter().zip(cells.sizes))?;
                self.store.append(&ids)?;
            }
            progress(examples.end);
        }
        Ok(())
    }

    /// Adds one example's cells, given by their sorted concept ids and their sizes.
    fn add(&mut self, cells: impl Iterator<Item = (Box<[u32]>, u32)>) -> Result<()> {
        for (set, size) in cells {
            let cell = self.cell(set);
            self.sizes[cell as usize] += u64::from(size);
            self.local_cells.push(cell);
            self.local_sizes.push(size);
        }
        self.offsets.push(narrow(self.local_cells.len() as u64, "cells of all examples")?);
        Ok(())
    }

    fn cell(&mut self, set: Box<[u32]>) -> u32 {
        if let Some(cell) = self.cell_of_set.get(&set) {
            return *cell;
        }
        let cell = self.sets.len() as u32;
        self.concepts.extend(set.iter().copied());
        self.sets.push(set.clone());
        self.sizes.push(0);
        self.cell_of_set.insert(set, cell);
        cell
    }

    /// The partition of all examples added, with columns for the NEIGHBORS that `neighbors` lists, and its position map.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the universe has 2^32 positions or more, or if there are more than 65,535 columns.
    pub fn finish(self, neighbors: &Neighbors) -> Result<(Partition, PositionMap)> {
        let n_examples = self.offsets.len() - 1;
        narrow(n_examples as u64 * self.grid.positions() as u64, "positions of the probe set")?;
        let mut columns: Vec<Atom> = self.concepts.iter().map(|c| Atom::concept(ConceptId(*c))).collect();
        let n_concepts = columns.len();
        check_columns(n_concepts)?;
        let column_of: HashMap<u32, u16> = self.concepts.iter().zip(0u16..).map(|(c, i)| (*c, i)).collect();
        let cells: Vec<Vec<u16>> = self.sets.iter().map(|set| set.iter().map(|c| column_of[c]).collect()).collect();

        let mut postings = invert(&cells, n_concepts);
        let mut neighbors_column: Vec<u16> = (0..n_concepts as u16).collect();
        for concept in neighbors.keys() {
            let Some(&own) = column_of.get(&concept.0) else { continue };
            let atom = Atom::neighbors(*concept);
            let of_any = atom.any_of(neighbors).filter_map(|c| column_of.get(&c.0));
            let union: BTreeSet<u32> = of_any.flat_map(|c| &postings[usize::from(*c)]).copied().collect();
            if union.len() > postings[usize::from(own)].len() {
                neighbors_column[usize::from(own)] = columns.len() as u16;
                columns.push(atom);
                check_columns(columns.len())?;
                postings.push(union.into_iter().collect());
            }
        }

        let mut rows = cells;
        let concept_counts: Vec<usize> = rows.iter().map(Vec::len).collect();
        for (column, posting) in postings.iter().enumerate().skip(n_concepts) {
            for cell in posting {
                rows[*cell as usize].push(column as u16);
            }
        }
        let (starts, incidences) = flatten(&rows)?;
        let concept_ends = starts.iter().zip(&concept_counts).map(|(s, n)| s + *n as u32).collect();
        let sizes: Vec<u32> = self.sizes.iter().map(|s| *s as u32).collect();
        let area = |posting: &Vec<u32>| posting.iter().map(|c| sizes[*c as usize]).sum();
        let areas = postings.iter().map(area).collect();
        let (posting_starts, postings) = flatten(&postings)?;
        let partition = Partition {
            n_examples,
            grid: self.grid,
            n_concepts,
            neighbors: neighbors_column,
            sizes,
            starts,
            concept_ends,
            incidences,
            posting_starts,
            postings,
            areas,
            rows: columns.iter().map(|_| OnceLock::new()).collect(),
            sets: columns.iter().map(|_| OnceLock::new()).collect(),
            columns,
        };
        let map = PositionMap {
            grid: self.grid,
            offsets: self.offsets,
            cells: self.local_cells,
            sizes: self.local_sizes,
            store: Arc::from(self.store),
        };
        Ok((partition, map))
    }
}

/// Merges the partitions of disjoint ranges of examples, in their order; `store` receives the merged position map.
///
/// # Errors
/// [`Error::Mismatch`] if there are no parts, if grids differ, or if the whole is too large for
/// [`PartitionBuilder::finish`]. An error of a position store is passed on.
pub fn merge(
    parts: &[(&Partition, &PositionMap)],
    neighbors: &Neighbors,
    store: Box<dyn PositionStore>,
) -> Result<(Partition, PositionMap)> {
    let Some((first, _)) = parts.first() else {
        return Err(Error::mismatch("partitions to merge", 0, "at least one"));
    };
    let positions = first.grid.positions();
    let mut builder = PartitionBuilder::new(first.grid, store);
    let mut ids = vec![0; positions];
    for (partition, map) in parts {
        if partition.grid != first.grid {
            return Err(Error::mismatch(
                "grid of a merged partition",
                format!("{:?}", partition.grid),
                format!("{:?}", first.grid),
            ));
        }
        builder.declare(partition.columns[..partition.n_concepts].iter().map(|a| a.concept));
        let set = |cell: u32| -> Box<[u32]> {
            partition.concepts_of(cell).iter().map(|c| partition.columns[usize::from(*c)].concept.0).collect()
        };
        for example in 0..map.n_examples() {
            let cells = map.cells_of(example).iter().map(|c| set(*c));
            builder.add(cells.zip(map.sizes_of(example).iter().copied()))?;
            map.read_local(example, &mut ids)?;
            builder.store.append(&ids)?;
        }
    }
    builder.finish(neighbors)
}

/// Turns rows of columns into, for each column, the rows that hold it.
fn invert(rows: &[Vec<u16>], n_columns: usize) -> Vec<Vec<u32>> {
    let mut counts = vec![0usize; n_columns];
    for c in rows.iter().flatten() {
        counts[usize::from(*c)] += 1;
    }
    let mut inverse: Vec<Vec<u32>> = counts.into_iter().map(Vec::with_capacity).collect();
    for (i, row) in rows.iter().enumerate() {
        for c in row {
            inverse[usize::from(*c)].push(i as u32);
        }
    }
    inverse
}

/// Concatenates lists. Also returns the start of each, and the end of the last.
fn flatten<T: Copy>(lists: &[Vec<T>]) -> Result<(Vec<u32>, Vec<T>)> {
    let mut starts = Vec::with_capacity(lists.len() + 1);
    let mut items = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    starts.push(0);
    for list in lists {
        items.extend_from_slice(list);
        starts.push(narrow(items.len() as u64, "concepts of all cells")?);
    }
    Ok((starts, items))
}

fn narrow(n: u64, what: &str) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::mismatch(what, n, "fewer than 2^32; use fewer examples, or coarser masks"))
}

fn check_columns(n: usize) -> Result<()> {
    if n > MAX_COLUMNS {
        return Err(Error::mismatch(
            "concepts (with NEIGHBORS)",
            n,
            format!("at most {MAX_COLUMNS}; choose fewer features"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::positions::MemoryPositions;
    use super::*;

    /// Random annotations of small grids; layers repeat concepts, and share them with scalars.
    #[derive(Clone, Debug)]
    struct Examples(Grid, Vec<Annotation>);

    impl AnnotationSource for Examples {
        fn n_examples(&self) -> usize {
            self.1.len()
        }
        fn grid(&self) -> Grid {
            self.0
        }
        fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
            into.clone_from(&self.1[example]);
            Ok(())
        }
    }

    fn examples() -> impl Strategy<Value = Examples> {
        let entry = prop_oneof![2 => Just(Annotation::NONE), 3 => 0u32..5];
        let annotation = (0usize..8).prop_flat_map(move |layers| {
            (proptest::collection::vec(entry.clone(), layers * 6), proptest::collection::vec(0u32..7, 0..3))
                .prop_map(|(layers, scalars)| Annotation { layers, scalars })
        });
        proptest::collection::vec(annotation, 1..6).prop_map(|a| Examples(Grid { height: 2, width: 3 }, a))
    }

    fn build(examples: &Examples, neighbors: &Neighbors) -> (Partition, PositionMap) {
        let mut builder = PartitionBuilder::new(examples.0, Box::new(MemoryPositions::new(examples.0)));
        builder.add_all(examples, &|_| ()).unwrap();
        builder.finish(neighbors).unwrap()
    }

    fn sets(p: &Partition) -> Vec<Vec<Atom>> {
        (0..p.n_cells() as u32)
            .map(|c| p.columns_of(c).iter().map(|i| p.columns()[usize::from(*i)]).collect())
            .collect()
    }

    fn neighbors() -> Neighbors {
        Neighbors::from([(ConceptId(1), vec![ConceptId(2), ConceptId(3)]), (ConceptId(4), vec![ConceptId(6)])])
    }

    proptest! {
        #[test]
        fn every_position_lies_in_the_cell_of_its_concepts(e in examples()) {
            let (p, map) = build(&e, &Neighbors::new());
            let (sets, mut ids, mut sizes) = (sets(&p), vec![0; 6], vec![0; p.n_cells()]);
            for (i, a) in e.1.iter().enumerate() {
                map.read_local(i, &mut ids).unwrap();
                for (position, id) in ids.iter().enumerate() {
                    let cell = map.cells_of(i)[*id as usize];
                    let mut expected: Vec<u32> = a.scalars.clone();
                    expected.extend(a.layers.chunks(6).map(|l| l[position]).filter(|v| *v != Annotation::NONE));
                    expected.sort();
                    expected.dedup();
                    let found: Vec<u32> = sets[cell as usize].iter().map(|a| a.concept.0).collect();
                    prop_assert_eq!(found, expected);
                    sizes[cell as usize] += 1;
                }
            }
            prop_assert_eq!(&sizes, p.sizes());
            let mut distinct = sets.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), sets.len(), "cells are distinct");
        }

        #[test]
        fn merged_ranges_equal_the_whole(e in examples(), cut in 0usize..6) {
            let cut = cut.min(e.1.len());
            let (whole, map) = build(&e, &neighbors());
            let parts: Vec<_> = [&e.1[..cut], &e.1[cut..]]
                .into_iter()
                .filter(|r| !r.is_empty())
                .map(|r| build(&Examples(e.0, r.to_vec()), &Neighbors::new()))
                .collect();
            let parts: Vec<_> = parts.iter().map(|(p, m)| (p, m)).collect();
            let (merged, merged_map) = merge(&parts, &neighbors(), Box::new(MemoryPositions::new(e.0))).unwrap();
            prop_assert_eq!(sets(&merged), sets(&whole));
            prop_assert_eq!(merged.sizes(), whole.sizes());
            let (mut a, mut b) = (vec![0; e.1.len() * 6], vec![0; e.1.len() * 6]);
            map.read_local(0, &mut a).unwrap();
            merged_map.read_local(0, &mut b).unwrap();
            prop_assert_eq!(a, b);
            prop_assert_eq!(map.cells, merged_map.cells);
        }

        #[test]
        fn counts_of_columns_agree_with_cells(e in examples()) {
            let (p, _) = build(&e, &neighbors());
            for column in 0..p.columns().len() {
                let atom = p.columns()[column];
                let carries = |cell: &u32| -> bool {
                    let ids: Vec<u32> = p.concepts_of(*cell).iter().map(|c| p.columns()[usize::from(*c)].concept.0).collect();
                    let also = neighbors().get(&atom.concept).cloned().unwrap_or_default();
                    ids.contains(&atom.concept.0) || atom.neighbors && also.iter().any(|n| ids.contains(&n.0))
                };
                let cells: Vec<u32> = (0..p.n_cells() as u32).filter(carries).collect();
                prop_assert_eq!(p.cells_with(column), &cells[..]);
                prop_assert_eq!(p.set_of(column).iter().collect::<Vec<_>>(), cells.clone());
                prop_assert_eq!(u64::from(p.area(column)), p.area_of(p.set_of(column)));
                for other in 0..p.columns().len() {
                    let both: u32 = cells.iter().filter(|c| p.set_of(other).contains(**c)).map(|c| p.sizes()[*c as usize]).sum();
                    prop_assert_eq!(p.cooccurrence(column)[other], both);
                }
            }
        }
    }

    #[test]
    fn an_empty_probe_set_is_refused() {
        let empty = Examples(Grid::SINGLE, vec![]);
        let mut builder = PartitionBuilder::new(Grid::SINGLE, Box::new(MemoryPositions::new(Grid::SINGLE)));
        let e = builder.add_all(&empty, &|_| ()).unwrap_err();
        assert!(e.to_string().contains("found 0 examples of 1, expected at least one"), "{e}");
    }

    #[test]
    fn more_concepts_than_columns_can_be_numbered_are_refused() {
        // The last is one more than 16 bits can count.
        for n in [MAX_COLUMNS as u32 + 1, MAX_COLUMNS as u32 + 2] {
            let examples: Vec<Annotation> =
                [0..n / 2, n / 2..n].map(|scalars| Annotation { layers: vec![], scalars: scalars.collect() }).into();
            let source = Examples(Grid::SINGLE, examples);
            let mut builder = PartitionBuilder::new(source.0, Box::new(MemoryPositions::new(source.0)));
            builder.add_all(&source, &|_| ()).unwrap();
            let Err(e) = builder.finish(&Neighbors::new()) else { panic!("{n} concepts are not refused") };
            let expected =
                format!("concepts (with NEIGHBORS): found {n}, expected at most 65535; choose fewer features");
            assert_eq!(e.to_string(), expected);
        }
        // NEIGHBORS are columns too.
        let n = MAX_COLUMNS as u32;
        let source = Examples(Grid::SINGLE, vec![Annotation { layers: vec![], scalars: (1..n).collect() }]);
        let mut builder = PartitionBuilder::new(source.0, Box::new(MemoryPositions::new(source.0)));
        builder.add_all(&source, &|_| ()).unwrap();
        builder.declare([ConceptId(0)]);
        let Err(e) = builder.finish(&Neighbors::from([(ConceptId(0), vec![ConceptId(1)])])) else {
            panic!("not refused")
        };
        assert!(e.to_string().contains("found 65536, expected at most 65535"), "{e}");
    }

    #[test]
    fn a_layer_that_does_not_fill_the_grid_is_refused() {
        let bad = Examples(Grid { height: 2, width: 3 }, vec![Annotation { layers: vec![1; 7], scalars: vec![] }]);
        let mut builder = PartitionBuilder::new(bad.0, Box::new(MemoryPositions::new(bad.0)));
        assert!(matches!(builder.add_all(&bad, &|_| ()), Err(Error::Mismatch { .. })));
    }
}
