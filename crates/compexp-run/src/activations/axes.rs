//! The axes of an array of activations: which are examples, units and positions.

use std::ffi::OsStr;
use std::path::Path;

use compexp_core::probe::Grid;
use serde::{Deserialize, Serialize};

use super::array::Array;
use crate::error::Result;
use crate::layout::ACTIVATIONS;
use crate::manifest::Manifest;

/// What the axes of an array of three or four dimensions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axes {
    /// `[examples, units, height, width]`, as PyTorch has them.
    Nchw,
    /// `[examples, height, width, units]`, as TensorFlow and JAX have them.
    Nhwc,
    /// `[examples, positions, units]`, as transformers have them.
    Ntu,
}

/// What is known of an array before it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What its axes are.
    pub axes: Option<Axes>,
    /// The map that the positions of [`Axes::Ntu`] form, row by row; none for a square.
    pub grid: Option<Grid>,
    /// The number of units.
    pub units: Option<usize>,
}

impl Known {
    /// Of arrays that compexp wrote.
    pub const OF_COMPEXP: Self = Self { axes: Some(Axes::Nchw), grid: None, units: None };
}

/// The dimensions of an array of activations, told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dimensions {
    pub(super) axes: Axes,
    pub(super) examples: usize,
    pub(super) units: usize,
    pub(super) grid: Grid,
}

/// The shapes that need no option.
const SHAPES: &str = "[examples, units, height, width] or [examples, units]";

impl Dimensions {
    /// Tells the dimensions of `array` apart.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if the array has another shape, if its shape has two readings and nothing decides
    /// between them, or if what is known of it is wrong.
    pub(super) fn of(array: &Array, known: Known) -> Result<Self> {
        let fail = |expected: String| -> Result<Self> {
            Err(array.error("shape", format!("{:?}", array.shape()), expected).into())
        };
        if array.elements() == 0 && matches!(array.shape().len(), 2..=4) {
            return fail(format!("{SHAPES}, no dimension of them 0"));
        }
        let found = match (array.shape(), known.axes) {
            (&[examples, units], None | Some(Axes::Nchw)) => {
                Self { axes: Axes::Nchw, examples, units, grid: Grid::SINGLE }
            }
            (&[examples, positions, units], Some(Axes::Ntu)) => {
                let grid = match known.grid.or_else(|| square(positions)) {
                    Some(grid) if grid.positions() == positions => grid,
                    Some(Grid { height, width }) => {
                        let all = height.saturating_mul(width);
                        return fail(format!(
                            "{all} positions in the second dimension, as --grid {height}x{width} says: leave out those \
                             that stand for no place, such as a class token"
                        ));
                    }
                    None => {
                        return fail(format!(
                            "a square number of positions in the second dimension, or --grid HxW, which says how \
                             {positions} of them form a map; leave out those that stand for no place, such as a class \
                             token"
                        ));
                    }
                };
                Self { axes: Axes::Ntu, examples, units, grid }
            }
            (&[examples, positions, units], None) => {
                if known.units == Some(units) && units != positions {
                    return Self::of(array, Known { axes: Some(Axes::Ntu), ..known });
                }
                return fail(format!(
                    "{SHAPES}; if it is {units} units on {positions} positions, add --layout ntu (with --grid HxW, unless they \
                     form a square); if it is {positions} units, save it as [{examples}, {positions}, height, width]"
                ));
            }
            (&[n, a, b, c], None | Some(Axes::Nchw | Axes::Nhwc)) => {
                let axes = match (known.axes, known.units) {
                    (Some(axes), _) => axes,
                    (None, Some(units)) if units == c && units != a => Axes::Nhwc,
                    (None, None) if a == b && b != c && !is_of_a_run(array.path()) => {
                        return fail(format!(
                            "--layout nchw, if it is {a} units on maps of {b} x {c}, or --layout nhwc, if it is {c} units \
                             on maps of {a} x {b}; --units-expected N decides too"
                        ));
                    }
                    (None, _) => Axes::Nchw,
                };
                match axes {
                    Axes::Nhwc => Self { axes, examples: n, units: c, grid: Grid { height: a, width: b } },
                    _ => Self { axes, examples: n, units: a, grid: Grid { height: b, width: c } },
                }
            }
            (_, Some(Axes::Nhwc)) => return fail("[examples, height, width, units], as --layout nhwc says".to_owned()),
            (_, Some(Axes::Ntu)) => return fail("[examples, positions, units], as --layout ntu says".to_owned()),
            (_, None | Some(Axes::Nchw)) => return fail(SHAPES.to_owned()),
        };
        check_units(array, found.units, known.units)?;
        Ok(found)
    }
}

/// Whether a run keeps this file as its activations, so that compexp wrote it.
fn is_of_a_run(path: &Path) -> bool {
    let folder = path.parent().filter(|_| path.file_name() == Some(OsStr::new(ACTIVATIONS)));
    let manifest = folder.map(Manifest::read);
    matches!(manifest, Some(Ok(Some(manifest))) if manifest.find(ACTIVATIONS).is_some())
}

/// Checks the number of units of an array against what is known of it.
///
/// # Errors
/// [`compexp_files::Error::Format`] if it is another.
pub(super) fn check_units(array: &Array, found: usize, known: Option<usize>) -> Result<()> {
    match known {
        Some(units) if units != found => {
            let found = format!("{found} units in {:?}", array.shape());
            Err(array.error("shape", found, format!("{units} units, as --units-expected says")).into())
        }
        _ => Ok(()),
    }
}

/// The square map of so many positions, where there is one.
fn square(positions: usize) -> Option<Grid> {
    let side = positions.isqrt();
    (side * side == positions).then_some(Grid { height: side, width: side })
}
