//! Writing masks of units.

use std::path::Path;

use super::write::NpyWriter;
use crate::activation::MaskSource;
use crate::error::Result;

/// The positions written at a time.
const BLOCK: usize = 1 << 20;

/// Writes the masks of a source as bool `[U, n, h, w]`, or `[U, n]` of one position an example, unit after unit, whole or
/// not at all; `progress` is told the number of units done.
///
/// # Errors
/// [`crate::Error::Io`], and those of the source.
pub fn write_masks(path: &Path, source: &dyn MaskSource, progress: &dyn Fn(usize)) -> Result<()> {
    let (units, n, grid) = (source.n_units(), source.n_examples(), source.grid());
    let mut shape = vec![units, n];
    if grid.positions() > 1 {
        shape.extend([grid.height, grid.width]);
    }
    let mut file = NpyWriter::create(path, &shape)?;
    let block = (BLOCK / grid.positions().max(1)).max(1);
    let mut mask = Vec::new();
    for unit in 0..units {
        for first in (0..n).step_by(block) {
            mask.resize(block.min(n - first) * grid.positions(), false);
            source.read(unit, first, &mut mask)?;
            file.append(&mask)?;
        }
        progress(unit + 1);
    }
    file.finish()
}
