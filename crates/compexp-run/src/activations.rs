//! Activations and masks in array files.

mod array;
mod axes;
mod file;
mod names;
mod placed;
mod source;

use std::path::{Path, PathBuf};

use compexp_core::activation::{ActivationSource, MaskSource};
use compexp_core::probe::{Example, Grid};
use compexp_files::Dtype;

use crate::blocks::CheckedFile;
use crate::error::{Error, Result};
use crate::saev;
use array::Array;
use axes::Dimensions;
pub use axes::{Axes, Known};
pub use placed::PlacedActivations;

/// The activations of a layer: an array of f32 (f16, bf16 and f64 are converted), `(n_examples, n_units, height, width)`
/// or `(n_examples, n_units)`, or one whose [`Axes`] are known to stand in another order.
#[derive(Debug)]
pub struct ActivationFile {
    array: Array,
    dimensions: Dimensions,
    /// What its blocks must be, where that is known.
    checked: Option<CheckedFile>,
    /// What to do about a value that is not finite.
    advice: &'static str,
}

impl ActivationFile {
    /// Opens the array that `spec` names: as [`compexp_files::TensorFile::open`] does; in a file of `torch.save` a tensor, one
    /// of a dict (`acts.pt#layer4`), or a list of batches; all files of batches in a folder, in the natural order of their
    /// names; a tensor in the shards of an index, which is given as a file or by its folder (`model#layer4`); or a layer in the
    /// shards of saev, by their folder (`shards#11`), which is `Axes::Ntu`.
    ///
    /// # Errors
    /// Those of [`compexp_files::TensorFile::open`], and [`compexp_files::Error::Format`] where the array is not of activations,
    /// or is empty, or has a shape of two readings between which nothing that is `known` decides.
    pub fn open(spec: impl AsRef<Path>, known: Known) -> Result<Self> {
        let floats = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];
        let array = source::open(spec.as_ref(), &floats, "f32, f16, bf16 or f64")?;
        let known = match known.axes {
            // saev has the positions in one axis.
            None if saev::is_folder(array.path())? => Known { axes: Some(Axes::Ntu), ..known },
            _ => known,
        };
        let dimensions = Dimensions::of(&array, known)?;
        let advice = "check the model's input, or export the layer again";
        Ok(Self { array, dimensions, checked: None, advice })
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
        self.array.path()
    }

    /// All files that the array is in.
    pub fn files(&self) -> &[PathBuf] {
        self.array.files()
    }

    /// Whether the array has a map for each unit and example, and not a single value.
    pub fn has_maps(&self) -> bool {
        self.array.shape().len() > 2
    }

    /// What its axes are; [`Axes::Nchw`] also for `(n_examples, n_units)`.
    pub fn axes(&self) -> Axes {
        self.dimensions.axes
    }

    /// Compares the examples with the names that stand with the array: in the entry `names` of a safetensors file's metadata,
    /// a JSON list, else in a file `names.txt` beside it, one a line. Returns a warning if the names are of another number of
    /// examples.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] naming the first example with another name, or if the names are no list;
    /// [`compexp_files::Error::Io`] if `names.txt` cannot be read.
    pub fn compare_names(&self, examples: &[Example]) -> Result<Option<String>> {
        names::compare(&self.array, examples)
    }

    /// The sizes of the array as they are in the file.
    pub(crate) fn shape(&self) -> &[usize] {
        self.array.shape()
    }
}

impl ActivationSource for ActivationFile {
    fn n_examples(&self) -> usize {
        self.dimensions.examples
    }

    fn n_units(&self) -> usize {
        self.dimensions.units
    }

    fn grid(&self) -> Grid {
        self.dimensions.grid
    }

    fn read(&self, first: usize, out: &mut [f32]) -> compexp_core::Result<()> {
        let per_example = self.n_units() * self.grid().positions();
        let start = block_start(first, out.len(), self.n_examples(), per_example)?;
        match self.dimensions.axes {
            Axes::Nchw => self.array.read_f32(start, out)?,
            Axes::Nhwc | Axes::Ntu => self.read_units_last(start, out)?,
        }
        // A run's own file holds the array in one piece.
        if let (Some(file), Some(tensor)) = (&self.checked, self.array.batches().next()) {
            let bytes = |elements: usize| tensor.offset() + (elements * tensor.dtype().size()) as u64;
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
    /// Reads whole examples, whose units stand last in the file, from the element numbered `start` on.
    fn read_units_last(&self, start: usize, out: &mut [f32]) -> Result<()> {
        let (units, positions) = (self.dimensions.units, self.dimensions.grid.positions());
        let mut example = vec![0.0; units * positions];
        for (i, out) in out.chunks_exact_mut(units * positions).enumerate() {
            self.array.read_f32(start + i * example.len(), &mut example)?;
            for (position, values) in example.chunks_exact(units).enumerate() {
                for (unit, value) in values.iter().enumerate() {
                    out[unit * positions + position] = *value;
                }
            }
        }
        Ok(())
    }

    /// The error about the value of this number, where units stand before positions.
    fn not_finite(&self, at: usize) -> compexp_core::Error {
        let Dimensions { axes, units, grid, .. } = self.dimensions;
        let positions = grid.positions();
        let (map, position) = (at / positions, at % positions);
        let (unit, example) = (map % units, map / units);
        let in_file = match axes {
            Axes::Nchw => at,
            Axes::Nhwc | Axes::Ntu => (example * positions + position) * units + unit,
        };
        let (path, value) = match self.array.element(in_file) {
            Ok(found) => found,
            Err(error) => return error.into(),
        };
        let place = match positions {
            1 => String::new(),
            _ => format!(" at row {}, column {}", position / grid.width, position % grid.width),
        };
        let within = if value.parse::<f64>().is_ok_and(f64::is_finite) { " within f32" } else { "" };
        compexp_core::Error::source(NotFinite {
            path: path.to_owned(),
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
    array: Array,
    n_units: usize,
    n_examples: usize,
    grid: Grid,
}

impl MaskFile {
    /// Opens the array that `spec` names, as [`ActivationFile::open`] does. `n_units_known` is the number of its units, where
    /// that is known.
    ///
    /// # Errors
    /// Those of [`ActivationFile::open`] where the array cannot be read, and [`compexp_files::Error::Format`] where it is not of
    /// masks, is empty, or has another number of units.
    pub fn open(spec: impl AsRef<Path>, n_units_known: Option<usize>) -> Result<Self> {
        let array = source::open(spec.as_ref(), &[Dtype::Bool, Dtype::U8], "bool or u8")?;
        let ([n_units, n_examples], grid) = mask_dimensions(&array)?;
        axes::check_units(&array, n_units, n_units_known)?;
        Ok(Self { array, n_units, n_examples, grid })
    }

    /// The file's path, without a tensor's name.
    pub fn path(&self) -> &Path {
        self.array.path()
    }

    /// All files that the array is in.
    pub fn files(&self) -> &[PathBuf] {
        self.array.files()
    }

    /// Compares the examples with the names that stand with the array, as [`ActivationFile::compare_names`] does.
    ///
    /// # Errors
    /// Those of [`ActivationFile::compare_names`].
    pub fn compare_names(&self, examples: &[Example]) -> Result<Option<String>> {
        names::compare(&self.array, examples)
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
        Ok(self.array.read_bool(unit * self.n_examples * positions + start, out)?)
    }
}

/// Units and examples of an array of masks, and the grid; none of them is 0.
fn mask_dimensions(array: &Array) -> Result<([usize; 2], Grid)> {
    let expected = "[units, examples, height, width] or [units, examples]";
    let (first, grid) = match *array.shape() {
        [a, b] => ([a, b], Grid::SINGLE),
        [a, b, height, width] => ([a, b], Grid { height, width }),
        _ => return Err(array.error("shape", format!("{:?}", array.shape()), expected).into()),
    };
    if array.elements() == 0 {
        let hint = format!("{expected}, no dimension of them 0");
        return Err(array.error("shape", format!("{:?}", array.shape()), hint).into());
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
    use ndarray::Array4;

    use super::*;

    fn floats(n: usize) -> Vec<u8> {
        (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect()
    }

    #[test]
    fn blocks_are_whole_examples_of_all_units() {
        let scratch = Scratch::new();
        let path = scratch.write("a.npy", &npy("<f4", false, &[3, 2, 2, 2], &floats(24)));
        let file = ActivationFile::open(&path, Known::default()).unwrap();
        assert_eq!((file.n_examples(), file.n_units(), file.grid()), (3, 2, Grid { height: 2, width: 2 }));
        let mut out = [0.0; 16];
        file.read(1, &mut out).unwrap();
        assert_eq!(out, std::array::from_fn(|i| i as f32 + 8.0));
        for (first, len) in [(0, 7), (2, 16), (usize::MAX, 8), (3, 8)] {
            let e = file.read(first, &mut vec![0.0; len]).unwrap_err();
            assert!(matches!(e, compexp_core::Error::Mismatch { .. }), "{e}");
        }
        let pairs = scratch.write("b.npy", &npy("<f4", false, &[3, 4], &floats(12)));
        let file = ActivationFile::open(pairs, Known::default()).unwrap();
        assert_eq!((file.n_examples(), file.n_units(), file.grid()), (3, 4, Grid::SINGLE));
        let mut out = [0.0; 4];
        file.read(2, &mut out).unwrap();
        assert_eq!(out, [8.0, 9.0, 10.0, 11.0]);
    }

    /// All values of a file, read in blocks of two examples and one.
    fn values(file: &ActivationFile) -> Vec<f32> {
        let per_example = file.n_units() * file.grid().positions();
        let mut all = vec![0.0; file.n_examples() * per_example];
        for (block, out) in all.chunks_mut(2 * per_example).enumerate() {
            file.read(2 * block, out).unwrap();
        }
        all
    }

    #[test]
    fn other_layouts_hold_the_values_of_a_transposed_copy() {
        let scratch = Scratch::new();
        let array = Array4::from_shape_fn((5, 3, 4, 6), |(n, h, w, c)| (n * 1000 + h * 100 + w * 10 + c) as f32);
        let bytes: Vec<u8> = array.iter().flat_map(|v| v.to_le_bytes()).collect();
        let copy: Vec<f32> = array.permuted_axes([0, 3, 1, 2]).iter().copied().collect();
        let nhwc = scratch.write("nhwc.npy", &npy("<f4", false, &[5, 3, 4, 6], &bytes));
        let ntu = scratch.write("ntu.npy", &npy("<f4", false, &[5, 12, 6], &bytes));
        let (of, map) = (|axes, grid| Known { axes: Some(axes), grid, units: Some(6) }, Grid { height: 3, width: 4 });
        for (path, known) in [(&nhwc, of(Axes::Nhwc, None)), (&ntu, of(Axes::Ntu, Some(map)))] {
            let file = ActivationFile::open(path, known).unwrap();
            assert_eq!((file.n_examples(), file.n_units(), file.grid(), file.has_maps()), (5, 6, map, true));
            assert_eq!(values(&file), copy);
        }
        let guessed = ActivationFile::open(&nhwc, Known { units: Some(6), ..Known::default() }).unwrap();
        assert_eq!((guessed.axes(), values(&guessed)), (Axes::Nhwc, copy));
        let square = scratch.write("square.npy", &npy("<f4", false, &[10, 9, 4], &bytes));
        let file = ActivationFile::open(square, Known { axes: Some(Axes::Ntu), ..Known::default() }).unwrap();
        assert_eq!(file.grid(), Grid { height: 3, width: 3 });
    }

    #[test]
    fn a_value_that_is_not_finite_is_named_by_its_unit_in_any_layout() {
        let scratch = Scratch::new();
        let mut all: Vec<f32> = (0..2 * 2 * 3 * 4).map(|i| i as f32).collect();
        all[24 + (3 + 2) * 4 + 1] = f32::NAN; // example 1, row 1, column 2, unit 1
        let bytes: Vec<u8> = all.iter().flat_map(|v| v.to_le_bytes()).collect();
        let path = scratch.write("a.npy", &npy("<f4", false, &[2, 2, 3, 4], &bytes));
        let file = ActivationFile::open(path, Known { axes: Some(Axes::Nhwc), ..Known::default() }).unwrap();
        let e = file.read(0, &mut [0.0; 48]).unwrap_err().to_string();
        assert!(e.contains("activation of unit 1 on example 1 is NaN at row 1, column 2"), "{e}");
    }

    #[test]
    fn a_shape_of_two_readings_is_questioned() {
        let scratch = Scratch::new();
        let open = |shape: &[usize], known: Known| {
            let bytes = floats(shape.iter().product());
            ActivationFile::open(scratch.write("a.npy", &npy("<f4", false, shape, &bytes)), known)
        };
        let refusal = |shape: &[usize], known| open(shape, known).unwrap_err().to_string();
        let none = Known::default();
        let units = |units| Known { units: Some(units), ..none };
        let axes = |axes| Known { axes: Some(axes), ..none };
        for (shape, known, parts) in [
            (
                &[2, 7, 7, 5][..],
                none,
                &["--layout nchw, if it is 7 units on maps of 7 x 5", "--layout nhwc, if it is 5 units"][..],
            ),
            (
                &[2, 9, 5],
                none,
                &[
                    "if it is 5 units on 9 positions, add --layout ntu",
                    "if it is 9 units, save it as [2, 9, height, width]",
                ],
            ),
            (&[2, 9, 5], units(9), &["add --layout ntu"]),
            (&[2, 8, 5], axes(Axes::Ntu), &["a square number of positions", "how 8 of them form a map", "class token"]),
            (
                &[2, 8, 5],
                Known { grid: Some(Grid { height: 2, width: 3 }), ..axes(Axes::Ntu) },
                &["6 positions in the second", "--grid 2x3"],
            ),
            (&[2, 8, 5], axes(Axes::Nhwc), &["[examples, height, width, units], as --layout nhwc says"]),
            (&[2, 7, 7, 5], axes(Axes::Ntu), &["[examples, positions, units], as --layout ntu says"]),
            (&[2, 7, 7, 5], units(6), &["found 7 units in [2, 7, 7, 5], expected 6 units, as --units-expected says"]),
            (&[2, 5], units(6), &["found 5 units in [2, 5]"]),
            (&[2, 5], axes(Axes::Nhwc), &["as --layout nhwc says"]),
        ] {
            let e = refusal(shape, known);
            assert!(parts.iter().all(|part| e.contains(part)), "{shape:?}: {e}");
        }
        for (shape, known, n_units) in [
            (&[2, 7, 7, 5][..], units(5), 5),
            (&[2, 7, 7, 5], units(7), 7),
            (&[2, 7, 7, 5], axes(Axes::Nchw), 7),
            (&[2, 7, 7, 5], Known::OF_COMPEXP, 7),
            (&[2, 7, 7, 7], none, 7),
            (&[2, 5, 7, 7], none, 5),
            (&[2, 5, 7, 7], units(5), 5),
            (&[2, 9, 5], units(5), 5),
            (&[2, 5], Known::OF_COMPEXP, 5),
        ] {
            let file = open(shape, known).unwrap_or_else(|e| panic!("{shape:?}, {known:?}: {e}"));
            assert_eq!(file.n_units(), n_units, "{shape:?}, {known:?}");
        }
    }

    #[test]
    fn masks_are_read_unit_by_unit() {
        let scratch = Scratch::new();
        // Of unit u, example n, position p: one true value, at p = (u + n) % 4.
        let bits: Vec<u8> = (0..24).map(|i| u8::from(i % 4 == (i / 12 + i / 4 % 3) % 4) * 7).collect();
        for descr in ["|b1", "|u1"] {
            let path = scratch.write("m.npy", &npy(descr, false, &[2, 3, 2, 2], &bits));
            let file = MaskFile::open(&path, None).unwrap();
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
        let file = MaskFile::open(scratch.write("n.npy", &npy("|u1", false, &[2, 12], &bits)), None).unwrap();
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
            let e = ActivationFile::open(&path, Known::default()).unwrap_err().to_string();
            assert!(e.contains(field) && e.contains("a.npy"), "{e}");
            if descr != "|b1" {
                let e = MaskFile::open(&path, None).unwrap_err().to_string();
                assert!(e.contains("expected bool or u8"), "{e}");
            }
        }
        let e = MaskFile::open(scratch.write("m.npy", &npy("|b1", false, &[2, 3, 4], &[0; 24])), None)
            .unwrap_err()
            .to_string();
        assert!(e.contains("[units, examples, height, width]"), "{e}");
    }
}
