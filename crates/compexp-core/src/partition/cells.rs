//! The cells of a probe set, with the columns that formulas are made of.

use std::sync::OnceLock;

use super::bits::CellSet;
use crate::formula::{Atom, Formula};
use crate::probe::Grid;

/// The cells of a probe set, with the *columns* that formulas are made of: first its concepts, ascending by id, then
/// NEIGHBORS of every concept to which its neighbours add a position.
///
/// Sizes and areas are numbers of positions; a universe has fewer than 2^32 of them.
pub struct Partition {
    pub(super) n_examples: usize,
    pub(super) grid: Grid,
    pub(super) n_concepts: usize,
    pub(super) columns: Vec<Atom>,
    /// For each concept the column of its NEIGHBORS, itself if neighbours add nothing.
    pub(super) neighbors: Vec<u16>,
    pub(super) sizes: Vec<u32>,
    /// The columns of cell `i` are `incidences[starts[i]..starts[i + 1]]`, those of concepts before `concept_ends[i]`.
    pub(super) starts: Vec<u32>,
    pub(super) concept_ends: Vec<u32>,
    pub(super) incidences: Vec<u16>,
    /// The cells of column `c` are `postings[posting_starts[c]..posting_starts[c + 1]]`.
    pub(super) posting_starts: Vec<u32>,
    pub(super) postings: Vec<u32>,
    pub(super) areas: Vec<u32>,
    /// Computed when first needed, by any thread.
    pub(super) rows: Vec<OnceLock<Box<[u32]>>>,
    pub(super) sets: Vec<OnceLock<CellSet>>,
}

impl Partition {
    /// The number of examples.
    pub fn n_examples(&self) -> usize {
        self.n_examples
    }

    /// The grid of each example.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The size of the universe: examples times positions.
    pub fn n_positions(&self) -> u64 {
        (self.n_examples * self.grid.positions()) as u64
    }

    /// The number of cells.
    pub fn n_cells(&self) -> usize {
        self.sizes.len()
    }

    /// The number of cells of a single position. If most cells are, some formula matches almost any mask.
    pub fn n_singleton_cells(&self) -> usize {
        self.sizes.iter().filter(|s| **s == 1).count()
    }

    /// The number of columns that are concepts; they come first.
    pub fn n_concepts(&self) -> usize {
        self.n_concepts
    }

    /// The atom of each column.
    pub fn columns(&self) -> &[Atom] {
        &self.columns
    }

    /// The column of an atom; none if no position carries its concept. NEIGHBORS of a concept to which neighbours add
    /// nothing has the concept's own column.
    pub fn column(&self, atom: Atom) -> Option<usize> {
        let concept = self.columns[..self.n_concepts].binary_search_by_key(&atom.concept, |a| a.concept).ok()?;
        Some(if atom.neighbors { self.neighbors_column(concept) } else { concept })
    }

    /// The column of NEIGHBORS of the concept in column `concept`.
    pub(crate) fn neighbors_column(&self, concept: usize) -> usize {
        usize::from(self.neighbors[concept])
    }

    /// The number of positions that carry a column's atom.
    pub fn area(&self, column: usize) -> u32 {
        self.areas[column]
    }

    /// The areas of all columns.
    pub fn areas(&self) -> &[u32] {
        &self.areas
    }

    /// The number of positions of each cell.
    pub fn sizes(&self) -> &[u32] {
        &self.sizes
    }

    /// The columns of a cell: its concepts, ascending, then those of NEIGHBORS.
    #[inline]
    pub fn columns_of(&self, cell: u32) -> &[u16] {
        &self.incidences[self.starts[cell as usize] as usize..self.starts[cell as usize + 1] as usize]
    }

    /// The columns of a cell that are concepts.
    #[inline]
    pub fn concepts_of(&self, cell: u32) -> &[u16] {
        &self.incidences[self.starts[cell as usize] as usize..self.concept_ends[cell as usize] as usize]
    }

    /// The cells that carry a column's atom, ascending.
    pub(crate) fn cells_with(&self, column: usize) -> &[u32] {
        &self.postings[self.posting_starts[column] as usize..self.posting_starts[column + 1] as usize]
    }

    /// The cells that carry a column's atom, as a set.
    pub fn set_of(&self, column: usize) -> &CellSet {
        self.sets[column].get_or_init(|| CellSet::from_cells(self.n_cells(), self.cells_with(column).iter().copied()))
    }

    /// A row of the co-occurrence matrix: for every column the number of positions that carry both atoms.
    pub fn cooccurrence(&self, column: usize) -> &[u32] {
        self.rows[column].get_or_init(|| {
            let mut row = vec![0u32; self.columns.len()];
            for cell in self.cells_with(column) {
                let size = self.sizes[*cell as usize];
                for c in self.columns_of(*cell) {
                    row[usize::from(*c)] += size;
                }
            }
            row.into()
        })
    }

    /// The cells on which a formula is true. An atom that no position carries is false everywhere.
    pub fn evaluate(&self, formula: &Formula) -> CellSet {
        match formula {
            Formula::Atom(atom) => match self.column(*atom) {
                Some(column) => self.set_of(column).clone(),
                None => CellSet::empty(self.n_cells()),
            },
            Formula::Not(f) => CellSet::full(self.n_cells()).combine(&self.evaluate(f), |all, f| all & !f),
            Formula::And(a, b) => self.evaluate(a).combine(&self.evaluate(b), |a, b| a & b),
            Formula::Or(a, b) => self.evaluate(a).combine(&self.evaluate(b), |a, b| a | b),
        }
    }

    /// The number of positions in a set of cells.
    pub fn area_of(&self, set: &CellSet) -> u64 {
        set.iter().map(|c| u64::from(self.sizes[c as usize])).sum()
    }
}
