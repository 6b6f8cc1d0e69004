//! Which pixels of a picture the positions of a mask show.

use compexp_core::probe::Grid;

/// The pixel under the centre of each position of a mask, row by row and column by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pixels {
    /// For each row of the mask, a row of the picture.
    pub rows: Vec<usize>,
    /// For each column of the mask, a column of the picture.
    pub columns: Vec<usize>,
}

impl Pixels {
    /// Those of a mask of a picture of this size (height, width).
    pub fn new(mask: Grid, (height, width): (usize, usize)) -> Self {
        Self { rows: nearest(height, mask.height), columns: nearest(width, mask.width) }
    }
}

/// For each of `to` places on a side, the one of `from` that is under its centre.
fn nearest(from: usize, to: usize) -> Vec<usize> {
    (0..to).map(|at| (2 * at + 1) * from / (2 * to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_shows_the_pixel_under_its_centre() {
        assert_eq!(nearest(5, 5), [0, 1, 2, 3, 4]);
        assert_eq!(nearest(7, 3), [1, 3, 5]);
        assert_eq!(nearest(2, 5), [0, 0, 1, 1, 1], "a centre on the border belongs to the later pixel");
        for (from, to) in [(1, 9), (64, 32), (101, 112), (427, 112), (3, 2)] {
            let slow = (0..to).map(|at| ((at as f64 + 0.5) / to as f64 * from as f64).floor() as usize);
            assert_eq!(nearest(from, to), slow.collect::<Vec<_>>(), "{from} to {to}");
        }
    }
}
