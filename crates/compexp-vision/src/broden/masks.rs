//! Label PNGs: RGB images whose pixels are the label numbers R + 256 G.

use std::path::{Path, PathBuf};

use compexp_core::probe::{Annotation, AnnotationSource, Grid};

use super::index::Cells;
use super::labels::Labels;
use crate::error::{Error, Result};
use crate::framing::Framing;
use crate::png_file;

/// The annotations of a Broden folder, read from its label PNGs when needed.
pub(super) struct Masks {
    pub(super) image_root: PathBuf,
    pub(super) grid: Grid,
    pub(super) labels: Labels,
    /// Example by example.
    pub(super) cells: Vec<Cells>,
    /// What is done to the photographs, of these heights and widths.
    pub(super) framing: Framing,
    pub(super) sizes: Vec<(usize, usize)>,
}

impl AnnotationSource for Masks {
    fn n_examples(&self) -> usize {
        self.cells.len()
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        let cells = self.cells.get(example).ok_or_else(|| {
            let expected = format!("less than {}", self.cells.len());
            compexp_core::Error::mismatch("example of the probe set", example, expected)
        })?;
        into.clear();
        into.scalars.extend_from_slice(&cells.scalars);
        for name in &cells.masks {
            read_layer(&self.image_root.join(&**name), self.grid, &self.labels, &mut into.layers)
                .map_err(|e| compexp_core::Error::Annotation { example, source: Box::new(e) })?;
        }
        if self.framing != Framing::default() {
            let frame = self.framing.frame(self.sizes[example]);
            let frame = frame.map_err(|e| compexp_core::Error::Annotation { example, source: Box::new(e) })?;
            let (rows, columns) = frame.under(self.grid, (self.grid.height, self.grid.width));
            let mut shown = Vec::with_capacity(into.layers.len());
            for layer in into.layers.chunks_exact(self.grid.positions()) {
                for row in &rows {
                    shown.extend(columns.iter().map(|column| layer[row * self.grid.width + column]));
                }
            }
            into.layers = shown;
        }
        Ok(())
    }
}

/// Appends the labels of a PNG of `grid`'s size to `layers`, row by row.
///
/// The blue channel, and alpha if there is one, is not looked at, as in the reference.
///
/// # Errors
/// Those of [`png_file::read_colours`]; [`compexp_files::Error::Format`] for a file of another size than `grid`, or with a
/// number that `labels` lacks.
fn read_layer(path: &Path, grid: Grid, labels: &Labels, layers: &mut Vec<u32>) -> Result<()> {
    let pixels = png_file::read_colours(path, "the index names it", |height, width| {
        let says = "as `sh` and `sw` of the index say";
        png_file::same_size(path, (height, width), (grid.height, grid.width), says)
    })?;
    layers.reserve(grid.positions());
    let mut last = 0;
    for (at, pixel) in pixels.bytes.chunks_exact(pixels.channels).enumerate() {
        let label = u32::from(pixel[0]) | u32::from(pixel[1]) << 8;
        if label != last && label != 0 && !labels.contains(label) {
            let field = format!("row {}, column {} (from 0)", at / grid.width, at % grid.width);
            return Err(Error::format(path, field, format!("label {label}"), "a number that label.csv lists, or 0"));
        }
        last = label;
        layers.push(if label == 0 { Annotation::NONE } else { label });
    }
    Ok(())
}
