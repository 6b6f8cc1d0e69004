//! Activations and masks in array files.

use std::path::{Path, PathBuf};

use compexp_core::activation::{ActivationSource, MaskSource};
use compexp_core::probe::Grid;
use compexp_files::Dtype;
use compexp_files::TensorFile;

use crate::blocks::CheckedFile;
use crate::error::{Error, Result};

/// The activations of a layer: an array of f32 (f16, bf16 and f64 are converted), `(n_examples, n_units, height, width)`
/// or `(n_examples, n_units)`.
#[derive(Debug)]
pub struct ActivationFile {
    tensor: TensorFile,
    n_examples: usize,
    n_units: usize,
    grid: Grid,
    /// What its blocks must be, where that is known.
    checked: Option<CheckedFile>,
    /// What to do about a value that is not finite.
    advice: &'static str,
}

impl ActivationFile {
    /// Opens the array that `spec` names, as [`TensorFile::open`] does.
    ///
    /// # Errors
    /// Those of [`TensorFile::open`], and [`compexp_files::Error::Format`] where the array is not of activations, or is empty.
    pub fn open(spec: impl AsRef<Path>) -> Result<Self> {
        let floats = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];
        let tensor = TensorFile::open_of(spec, &floats, "f32, f16, bf16 or f64")?;
        let ([n_examples, n_units], grid) =
            dimensions(&tensor, "[examples, units, height, width] or [examples, units]")?;
        let advice = "check the model's input, or export the layer again";
        Ok(Self { tensor, n_examples, n_units, grid, checked: None, advice })
    }

    /// The same, which is a run's own.
    pub(crate) fn of_run(self) -> Self {
        Self { advice: "make the run again: give its probing command with --force", ..self }
    }

    /// The same, whose blocks are checked as they are read.
    pub(crate) fn checked(self, file: CheckedFile) -> Self {
        Self { checked: Some(file), ..self }
    }

    /// The file's path, without a tensor's name.
    pub fn path(&self) -> &Path {
        self.tensor.path()
    }

    /// Whether the array has a map for each unit and example, and not a single value.
    pub fn has_maps(&self) -> bool {
        self.tensor.shape().len() == 4
    }

    pub(crate) fn tensor(&self) -> &TensorFile {
        &self.tensor
    }
}

impl ActivationSource for ActivationFile {
    fn n_examples(&self) -> usize {
        self.n_examples
    }

    fn n_units(&self) -> usize {
        self.n_units
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn read(&self, first: usize, out: &mut [f32]) -> compexp_core::Result<()> {
        let per_example = self.n_units * self.grid.positions();
        let start = block_start(first, out.len(), self.n_examples, per_example)?;
        self.tensor.read_f32(start, out).map_err(Error::from)?;
        if let Some(file) = &self.checked {
            let bytes = |elements: usize| self.tensor.offset() + (elements * self.tensor.dtype().size()) as u64;
            file.check(bytes(start), bytes(start + out.len()))?;
        }
        match out.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self.not_finite(start + at)),
            None => Ok(()),
        }
    }
}

/// An activation that is no finite f32.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}`: activation of unit {unit} on example {example} is {value}{place}: expected a finite number{within}; {advice}",
    path.display()
)]
struct NotFinite {
    path: PathBuf,
    unit: usize,
    example: usize,
    value: String,
    /// The position in the map, where there is a map.
    place: String,
    within: &'static str,
    advice: &'static str,
}

impl ActivationFile {
    /// The error about the element of this number.
    fn not_finite(&self, at: usize) -> compexp_core::Error {
        let value = match self.tensor.element(at) {
            Ok(value) => value,
            Err(error) => return Error::from(error).into(),
        };
        let positions = self.grid.positions();
        let (map, position) = (at / positions, at % positions);
        let place = match positions {
            1 => String::new(),
            _ => format!(" at row {}, column {}", position / self.grid.width, position % self.grid.width),
        };
        let within = if value.parse::<f64>().is_ok_and(f64::is_finite) { " within f32" } else { "" };
        let (unit, example) = (map % self.n_units, map / self.n_units);
        compexp_core::Error::source(NotFinite {
            path: self.path().to_owned(),
            unit,
            example,
            value,
            place,
            within,
            advice: self.advice,
        })
    }
}

/// Ready masks of units: an array of bool or u8 (all but 0 are true), `(n_units, n_examples, height, width)` or
/// `(n_units, n_examples)`.
#[derive(Debug)]
pub struct MaskFile {
    tensor: TensorFile,
    n_units: usize,
    n_examples: usize,
    grid: Grid,
}

impl MaskFile {
    /// Opens the array that `spec` names, as [`TensorFile::open`] does.
    ///
    /// # Errors
    /// Those of [`TensorFile::open`], and [`compexp_files::Error::Format`] where the array is not of masks, or is empty.
    pub fn open(spec: impl AsRef<Path>) -> Result<Self> {
        let tensor = TensorFile::open_of(spec, &[Dtype::Bool, Dtype::U8], "bool or u8")?;
        let ([n_units, n_examples], grid) =
            dimensions(&tensor, "[units, examples, height, width] or [units, examples]")?;
        Ok(Self { tensor, n_units, n_examples, grid })
    }

    /// The file's path, without a tensor's name.
    pub fn path(&self) -> &Path {
        self.tensor.path()
    }
}

impl MaskSource for MaskFile {
    fn n_units(&self) -> usize {
        self.n_units
    }

    fn n_examples(&self) -> usize {
        self.n_examples
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn read(&self, unit: usize, first_example: usize, out: &mut [bool]) -> compexp_core::Result<()> {
        if unit >= self.n_units {
            return Err(Error::mismatch("unit of the masks", unit, format!("less than {}", self.n_units)).into());
        }
        let positions = self.grid.positions();
        let start = block_start(first_example, out.len(), self.n_examples, positions)?;
        Ok(self.tensor.read_bool(unit * self.n_examples * positions + start, out).map_err(Error::from)?)
    }
}

/// The first two dimensions of an array of two or four, and the grid of the others; none of them is 0.
fn dimensions(tensor: &TensorFile, expected: &str) -> Result<([usize; 2], Grid)> {
    let (first, grid) = match *tensor.shape() {
        [a, b] => ([a, b], Grid::SINGLE),
        [a, b, height, width] => ([a, b], Grid { height, width }),
        _ => return Err(tensor.error("shape", format!("{:?}", tensor.shape()), expected).into()),
    };
    if tensor.elements() == 0 {
        let hint = format!("{expected}, no dimension of them 0");
        return Err(tensor.error("shape", format!("{:?}", tensor.shape()), hint).into());
    }
    Ok((first, grid))
}

/// Where the block of `len` elements starts, which are whole examples from `first` on, of `n_examples`.
fn block_start(first: usize, len: usize, n_examples: usize, per_example: usize) -> Result<usize> {
    let end = first.checked_add(len / per_example);
    if !len.is_multiple_of(per_example) {
        let expected = format!("whole examples of {per_example}");
        return Err(Error::mismatch("elements of a block", len, expected));
    }
    if end.is_none_or(|end| end > n_examples) {
        let found = format!("{} from example {first} on", len / per_example);
        return Err(Error::mismatch("examples of a block", found, format!("examples below {n_examples}")));
    }
    Ok(first * per_example)
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::{Scratch, npy};

    use super::*;

    fn floats(n: usize) -> Vec<u8> {
        (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect()
    }

    #[test]
    fn blocks_are_whole_examples_of_all_units() {
        let scratch = Scratch::new();
        let path = scratch.write("a.npy", &npy("<f4", false, &[3, 2, 2, 2], &floats(24)));
        let file = ActivationFile::open(&path).unwrap();
        assert_eq!((file.n_examples(), file.n_units(), file.grid()), (3, 2, Grid { height: 2, width: 2 }));
        let mut out = [0.0; 16];
        file.read(1, &mut out).unwrap();
        assert_eq!(out, std::array::from_fn(|i| i as f32 + 8.0));
        for (first, len) in [(0, 7), (2, 16), (usize::MAX, 8), (3, 8)] {
            let e = file.read(first, &mut vec![0.0; len]).unwrap_err();
            assert!(matches!(e, compexp_core::Error::Mismatch { .. }), "{e}");
        }
        let pairs = scratch.write("b.npy", &npy("<f4", false, &[3, 4], &floats(12)));
        let file = ActivationFile::open(pairs).unwrap();
        assert_eq!((file.n_examples(), file.n_units(), file.grid()), (3, 4, Grid::SINGLE));
        let mut out = [0.0; 4];
        file.read(2, &mut out).unwrap();
        assert_eq!(out, [8.0, 9.0, 10.0, 11.0]);
    }

    #[test]
    fn masks_are_read_unit_by_unit() {
        let scratch = Scratch::new();
        // Of unit u, example n, position p: one true value, at p = (u + n) % 4.
        let bits: Vec<u8> = (0..24).map(|i| u8::from(i % 4 == (i / 12 + i / 4 % 3) % 4) * 7).collect();
        for descr in ["|b1", "|u1"] {
            let path = scratch.write("m.npy", &npy(descr, false, &[2, 3, 2, 2], &bits));
            let file = MaskFile::open(&path).unwrap();
            assert_eq!((file.n_units(), file.n_examples(), file.grid()), (2, 3, Grid { height: 2, width: 2 }));
            for (unit, example) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let mut out = [false; 8];
                file.read(unit, example, &mut out).unwrap();
                let expected = std::array::from_fn(|i| i % 4 == (unit + example + i / 4) % 4);
                assert_eq!(out, expected, "{descr} unit {unit} from example {example}");
            }
            for (unit, example, len) in [(2, 0, 4), (0, 3, 4), (0, 0, 3), (0, 2, 8)] {
                let e = file.read(unit, example, &mut vec![false; len]).unwrap_err();
                assert!(matches!(e, compexp_core::Error::Mismatch { .. }), "{e}");
            }
        }
        let file = MaskFile::open(scratch.write("n.npy", &npy("|u1", false, &[2, 12], &bits))).unwrap();
        assert_eq!((file.n_units(), file.n_examples(), file.grid()), (2, 12, Grid::SINGLE));
    }

    #[test]
    fn other_types_and_shapes_are_refused() {
        let scratch = Scratch::new();
        for (descr, shape, size, field) in [
            ("<f4", vec![24], 4, "shape: found [24], expected [examples, units, height, width] or"),
            ("<f4", vec![2, 3, 4], 4, "shape: found [2, 3, 4]"),
            ("<f4", vec![1, 1, 1, 1, 1], 4, "shape"),
            ("<f4", vec![0, 3], 4, "shape: found [0, 3], expected"),
            ("<f4", vec![2, 3, 0, 4], 4, "shape"),
            ("<f4", vec![], 4, "shape: found []"),
            ("<i4", vec![2, 3], 4, "dtype: found i32, expected f32"),
            ("|b1", vec![2, 3], 1, "dtype: found bool"),
        ] {
            let data = vec![0; shape.iter().product::<usize>() * size];
            let path = scratch.write("a.npy", &npy(descr, false, &shape, &data));
            let e = ActivationFile::open(&path).unwrap_err().to_string();
            assert!(e.contains(field) && e.contains("a.npy"), "{e}");
            if descr != "|b1" {
                let e = MaskFile::open(&path).unwrap_err().to_string();
                assert!(e.contains("expected bool or u8"), "{e}");
            }
        }
        let e =
            MaskFile::open(scratch.write("m.npy", &npy("|b1", false, &[2, 3, 4], &[0; 24]))).unwrap_err().to_string();
        assert!(e.contains("[units, examples, height, width]"), "{e}");
    }
}
