//! The position map: for every example, the cell of each of its positions.

use std::sync::Arc;

use crate::error::Result;
use crate::probe::Grid;

/// A store for the local cells of positions: in memory, or in a file if they are many.
///
/// Entries are numbered from 0: `example * positions + position`. They are written once, in order, and read in blocks.
/// A store in a file should read by position and not map the file: a file that shrinks is then an error and not a crash.
pub trait PositionStore: Send + Sync {
    /// Appends entries.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source) if the store cannot be written.
    fn append(&mut self, entries: &[u32]) -> Result<()>;

    /// Reads the entries from `first` on into `out`.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source) if the store cannot be read.
    fn read(&self, first: u64, out: &mut [u32]) -> Result<()>;
}

/// A store in memory: two bytes per position, or four if a grid has more than 65,536 positions.
#[derive(Debug)]
pub enum MemoryPositions {
    /// For grids of at most 65,536 positions.
    Narrow(Vec<u16>),
    /// For larger grids.
    Wide(Vec<u32>),
}

impl MemoryPositions {
    /// An empty store for examples of this grid.
    pub fn new(grid: Grid) -> Self {
        if grid.positions() <= 1 << 16 { Self::Narrow(Vec::new()) } else { Self::Wide(Vec::new()) }
    }
}

impl PositionStore for MemoryPositions {
    fn append(&mut self, entries: &[u32]) -> Result<()> {
        match self {
            Self::Narrow(v) => v.extend(entries.iter().map(|e| *e as u16)),
            Self::Wide(v) => v.extend_from_slice(entries),
        }
        Ok(())
    }

    fn read(&self, first: u64, out: &mut [u32]) -> Result<()> {
        let first = first as usize;
        match self {
            Self::Narrow(v) => {
                for (o, e) in out.iter_mut().zip(&v[first..]) {
                    *o = u32::from(*e);
                }
            }
            Self::Wide(v) => out.copy_from_slice(&v[first..first + out.len()]),
        }
        Ok(())
    }
}

/// For every example, the cell of each of its positions.
///
/// A position's entry is a *local* cell, numbered within its example; [`PositionMap::cells_of`] turns it into a cell of
/// the partition.
#[derive(Clone)]
pub struct PositionMap {
    pub(super) grid: Grid,
    /// Where the local cells of each example begin; one more at the end.
    pub(super) offsets: Vec<u32>,
    pub(super) cells: Vec<u32>,
    pub(super) sizes: Vec<u32>,
    pub(super) store: Arc<dyn PositionStore>,
}

impl PositionMap {
    /// The number of examples.
    pub fn n_examples(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The grid of each example.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The cells that occur in an example, by local number.
    pub fn cells_of(&self, example: usize) -> &[u32] {
        &self.cells[self.range(example)]
    }

    /// The positions of the example in each of [`PositionMap::cells_of`].
    pub fn sizes_of(&self, example: usize) -> &[u32] {
        &self.sizes[self.range(example)]
    }

    /// Reads the local cells of the positions of whole examples from `first` on: `(examples, positions)`.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source) if the store cannot be read.
    pub fn read_local(&self, first: usize, out: &mut [u32]) -> Result<()> {
        self.store.read(first as u64 * self.grid.positions() as u64, out)
    }

    /// Reads the local cells of consecutive positions of one example, from `position` on.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source) if the store cannot be read.
    pub(crate) fn read_within(&self, example: usize, position: usize, out: &mut [u32]) -> Result<()> {
        self.store.read((example * self.grid.positions() + position) as u64, out)
    }

    fn range(&self, example: usize) -> std::ops::Range<usize> {
        self.offsets[example] as usize..self.offsets[example + 1] as usize
    }
}
