//! Values that stand in one file in no order of units: a matrix of scipy, or coordinates and values.
//!
//! The file is read once to count the values of each unit, and once for each block of units.

use std::ops::Range;
use std::path::{Path, PathBuf};

use compexp_files::TensorFile;

use super::{CHUNK, MAX_UNITS, all_integers, open_integers, open_values};
use crate::error::{Error, Result};

/// The most values of a block, unless one unit has more.
const BLOCK: u64 = 1 << 25;

/// Values of positions and units in one file.
#[derive(Debug)]
pub(super) struct Stream {
    path: PathBuf,
    n_rows: usize,
    n_units: usize,
    values: TensorFile,
    order: Order,
    blocks: Vec<Range<usize>>,
}

/// Where the coordinates of a value are.
#[derive(Debug)]
enum Order {
    /// Value `i` is of row or column `k` where `starts[k] <= i < starts[k + 1]`; `others` has the other coordinate.
    Compressed { starts: Vec<u64>, others: TensorFile, by_row: bool },
    /// Both coordinates are in the file.
    Free { rows: TensorFile, units: TensorFile },
}

impl Stream {
    /// A matrix of `scipy.sparse`, whose file states `format`.
    pub(super) fn matrix(path: &Path, format: &str) -> Result<Self> {
        let by_row = match format {
            "csr" => true,
            "csc" => false,
            other => {
                let expected = "csr or csc: convert the matrix with `.tocsr()`";
                return Err(Error::format(path, "format of the sparse matrix", other, expected));
            }
        };
        let (values, others) = (open_values(path, "data")?, open_integers(path, "indices")?);
        let (n_rows, n_units) = shape(path)?;
        let starts = all_integers(&open_integers(path, "indptr")?)?;
        let n = values.elements();
        let lines = if by_row { n_rows } else { n_units };
        let ascending = starts.is_sorted() && starts.first() == Some(&0) && starts.last() == Some(&(n as i64));
        if starts.len() != lines + 1 || !ascending || others.shape() != [n] {
            let found = format!("{} numbers up to {}", starts.len(), starts.last().copied().unwrap_or(-1));
            let expected = format!("{} ascending numbers from 0 to {n}, beside as many indices", lines + 1);
            return Err(Error::format(path, "indptr", found, expected));
        }
        let starts = starts.into_iter().map(|start| start as u64).collect();
        Self::counted(path, (n_rows, n_units), values, Order::Compressed { starts, others, by_row })
    }

    /// Coordinates and values.
    pub(super) fn triples(path: &Path) -> Result<Self> {
        let (rows, units) = (open_integers(path, "positions")?, open_integers(path, "units")?);
        let values = open_values(path, "values")?;
        let sizes = [rows.elements(), units.elements(), values.elements()];
        if sizes.iter().any(|size| *size != sizes[2]) {
            let found = format!("{sizes:?} positions, units and values");
            return Err(Error::format(path, "sizes", found, "as many of each"));
        }
        Self::counted(path, shape(path)?, values, Order::Free { rows, units })
    }

    /// Counts the values of each unit, and checks all coordinates.
    fn counted(path: &Path, (n_rows, n_units): (usize, usize), values: TensorFile, order: Order) -> Result<Self> {
        let mut this = Self { path: path.to_owned(), n_rows, n_units, values, order, blocks: Vec::new() };
        let mut counts = vec![0u64; n_units];
        this.each(&mut |unit, _, _| counts[unit as usize] += 1)?;
        let (mut first, mut held) = (0, 0);
        for (unit, count) in counts.iter().enumerate() {
            if held > 0 && held + count > BLOCK {
                this.blocks.push(first..unit);
                (first, held) = (unit, 0);
            }
            held += count;
        }
        this.blocks.push(first..n_units);
        Ok(this)
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(super) fn n_units(&self) -> usize {
        self.n_units
    }

    pub(super) fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    /// Calls `add` with the unit, row and value of every entry of these units.
    pub(super) fn read(&self, units: &Range<usize>, add: &mut dyn FnMut(u32, u32, f32)) -> Result<()> {
        self.each(&mut |unit, row, value| {
            if units.contains(&(unit as usize)) {
                add(unit, row, value);
            }
        })
    }

    /// Calls `add` with the unit, row and value of every entry.
    fn each(&self, add: &mut dyn FnMut(u32, u32, f32)) -> Result<()> {
        let n = self.values.elements();
        let (mut values, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new());
        let mut line = 0;
        for first in (0..n).step_by(CHUNK) {
            let count = CHUNK.min(n - first);
            values.resize(count, 0.0);
            a.resize(count, 0);
            b.resize(count, 0);
            self.values.read_f32(first, &mut values)?;
            match &self.order {
                Order::Free { rows, units } => {
                    rows.read_i64(first, &mut a)?;
                    units.read_i64(first, &mut b)?;
                }
                Order::Compressed { starts, others, by_row } => {
                    let (of_line, other) = if *by_row { (&mut a, &mut b) } else { (&mut b, &mut a) };
                    others.read_i64(first, other)?;
                    for (i, of_line) in of_line.iter_mut().enumerate() {
                        while starts[line + 1] <= (first + i) as u64 {
                            line += 1;
                        }
                        *of_line = line as i64;
                    }
                }
            }
            for (i, ((row, unit), value)) in a.iter().zip(&b).zip(&values).enumerate() {
                let within = |at: i64, size: usize| usize::try_from(at).is_ok_and(|at| at < size);
                if !within(*row, self.n_rows) || !within(*unit, self.n_units) {
                    let found = format!("position {row} and unit {unit}");
                    let expected = format!("below {} and {}", self.n_rows, self.n_units);
                    return Err(Error::format(&self.path, format!("value {}", first + i), found, expected));
                }
                add(*unit as u32, *row as u32, *value);
            }
        }
        Ok(())
    }
}

/// The numbers of positions and of units that a file states.
fn shape(path: &Path) -> Result<(usize, usize)> {
    let found = all_integers(&open_integers(path, "shape")?)?;
    let size = |n: i64| u32::try_from(n).ok().filter(|n| *n > 0).map(|n| n as usize);
    match found[..] {
        [rows, units] if size(rows).is_some() && size(units).is_some_and(|units| units < MAX_UNITS) => {
            Ok((rows as usize, units as usize))
        }
        _ => Err(Error::format(path, "shape", format!("{found:?}"), "positions and units, 1 or more of each")),
    }
}
