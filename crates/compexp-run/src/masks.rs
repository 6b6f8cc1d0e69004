//! Writing masks of units.

use std::path::Path;

use compexp_core::activation::MaskSource;
use compexp_files::NpyWriter;

use crate::error::Result;

/// The positions written at a time.
const BLOCK: usize = 1 << 20;

/// Writes the masks of a source as bool `[U, n, h, w]`, or `[U, n]` of one position an example, unit after unit, whole or
/// not at all; `progress` is told the number of units done.
///
/// # Errors
/// [`compexp_files::Error::Io`] where the file cannot be written; the errors of the source.
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
    Ok(file.finish()?)
}

#[cfg(test)]
mod tests {
    use compexp_core::probe::Grid;
    use compexp_tests::files::Scratch;

    use super::*;
    use crate::activations::MaskFile;

    /// Unit `u` fires on position `p` of example `e` where `u + 3 e + p` is a multiple of 5.
    struct Fives;

    impl MaskSource for Fives {
        fn n_units(&self) -> usize {
            4
        }
        fn n_examples(&self) -> usize {
            700
        }
        fn grid(&self) -> Grid {
            Grid { height: 40, width: 50 }
        }
        fn read(&self, unit: usize, first: usize, out: &mut [bool]) -> compexp_core::Result<()> {
            let fires = |i: usize| (unit + 3 * (first + i / 2_000) + i % 2_000).is_multiple_of(5);
            out.iter_mut().enumerate().for_each(|(i, out)| *out = fires(i));
            Ok(())
        }
    }

    #[test]
    fn masks_are_read_back_in_any_block() {
        let scratch = Scratch::new();
        let path = scratch.path("masks.npy");
        write_masks(&path, &Fives, &|_| ()).unwrap();
        let file = MaskFile::open(&path, None).unwrap();
        assert_eq!((file.n_units(), file.n_examples(), file.grid()), (4, 700, Fives.grid()));
        for (unit, first, n) in [(0, 0, 700), (3, 699, 1), (2, 511, 30)] {
            let (mut found, mut expected) = (vec![false; n * 2_000], vec![true; n * 2_000]);
            file.read(unit, first, &mut found).unwrap();
            Fives.read(unit, first, &mut expected).unwrap();
            assert!(found == expected, "unit {unit} from example {first}");
        }
    }
}
