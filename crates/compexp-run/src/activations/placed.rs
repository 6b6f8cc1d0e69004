//! Activations of which some rows are examples: those of words among all tokens.

use compexp_core::activation::ActivationSource;
use compexp_core::probe::Grid;

use super::ActivationFile;
use crate::error::{Error, Result};

/// An array of activations, of which example `i` is one row: a position of one of the array's own examples.
#[derive(Debug)]
pub struct PlacedActivations {
    file: ActivationFile,
    rows: Vec<u32>,
}

impl PlacedActivations {
    /// The rows are numbered through: example of the array times its positions, plus position. A row may be several
    /// examples.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] for a row that the array does not have.
    pub fn new(file: ActivationFile, rows: Vec<u32>) -> Result<Self> {
        let n_rows = file.n_examples() * file.grid().positions();
        match rows.iter().find(|row| **row as usize >= n_rows) {
            Some(row) => {
                let what = format!("row of the activations `{}`", file.path().display());
                Err(Error::mismatch(what, row, format!("less than {n_rows}")))
            }
            None => Ok(Self { file, rows }),
        }
    }

    /// The array.
    pub fn file(&self) -> &ActivationFile {
        &self.file
    }
}

impl ActivationSource for PlacedActivations {
    fn n_examples(&self) -> usize {
        self.rows.len()
    }

    fn n_units(&self) -> usize {
        self.file.n_units()
    }

    fn grid(&self) -> Grid {
        Grid::SINGLE
    }

    fn read(&self, first: usize, out: &mut [f32]) -> compexp_core::Result<()> {
        let (units, positions) = (self.n_units(), self.file.grid().positions());
        let rows = &self.rows[first..first + out.len() / units.max(1)];
        if positions == 1 {
            // Rows in a row are read at once.
            let mut rest = out;
            for run in rows.chunk_by(|a, b| a + 1 == *b) {
                let (here, behind) = rest.split_at_mut(run.len() * units);
                self.file.read(run[0] as usize, here)?;
                rest = behind;
            }
            return Ok(());
        }
        let mut example = vec![0.0; units * positions];
        let mut read = None;
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(units.max(1))) {
            let (of, at) = (*row as usize / positions, *row as usize % positions);
            if read != Some(of) {
                self.file.read(of, &mut example)?;
                read = Some(of);
            }
            out.iter_mut().zip(example.chunks_exact(positions)).for_each(|(out, map)| *out = map[at]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::{Scratch, npy};

    use super::super::{Axes, Known};
    use super::*;

    #[test]
    fn rows_are_read_in_any_order_and_more_than_once() {
        let scratch = Scratch::new();
        let values: Vec<f32> = (0..24).map(|v| v as f32).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let rows = [5, 0, 1, 2, 2, 7, 3];
        let expected: Vec<f32> = rows.iter().flat_map(|row| (0..3).map(move |unit| (row * 3 + unit) as f32)).collect();
        let flat = scratch.write("flat.npy", &npy("<f4", false, &[8, 3], &bytes));
        let texts = scratch.write("texts.npy", &npy("<f4", false, &[2, 4, 3], &bytes));
        let line = Known { axes: Some(Axes::Ntu), grid: Some(Grid { height: 1, width: 4 }), units: None };
        for (path, known) in [(flat, Known::default()), (texts, line)] {
            let open = || ActivationFile::open(&path, known).unwrap();
            let placed = PlacedActivations::new(open(), rows.to_vec()).unwrap();
            let mut found = vec![0.0; expected.len()];
            placed.read(0, &mut found).unwrap();
            assert_eq!(found, expected);
            placed.read(3, &mut found[..6]).unwrap();
            assert_eq!(found[..6], expected[9..15]);
            let e = PlacedActivations::new(open(), vec![0, 8]).unwrap_err().to_string();
            assert!(e.contains("found 8, expected less than 8"), "{e}");
        }
    }
}
