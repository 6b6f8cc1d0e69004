//! Pasting: segments cut out of one image by a mask, scaled, and blended into another.

use compexp_core::probe::Grid;
use compexp_core::resize::Resizer;

use crate::error::{Error, Result};
use crate::image::Image;

/// A segment: a part of an image with soft edges.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    height: usize,
    width: usize,
    /// `(3, height, width)`: red, green, blue, 0 to 255.
    planes: [Vec<f32>; 3],
    /// `(height, width)`: the share of each pixel that is pasted, 0 to 1.
    alpha: Vec<f32>,
}

impl Segment {
    /// Cuts the positions of `mask`, one entry for each position of `grid`, out of `image`; the mask is scaled to pixels
    /// bilinearly, so that its edges are soft. None if the mask is empty.
    pub fn cut(image: &Image, grid: Grid, mask: &[bool]) -> Option<Self> {
        let of = Grid { height: image.height, width: image.width };
        let mask: Vec<f32> = mask.iter().map(|there| f32::from(u8::from(*there))).collect();
        let mut alpha = vec![0.0; of.positions()];
        Resizer::new(grid, of).resize(&mask, &mut alpha);
        let there = |at: &usize| alpha[*at] > 0.0;
        let rows = (0..of.positions()).filter(there).map(|at| at / of.width);
        let (top, bottom) = (rows.clone().min()?, rows.max()?);
        let columns = (0..of.positions()).filter(there).map(|at| at % of.width);
        let (left, right) = (columns.clone().min()?, columns.max()?);
        let (height, width) = (bottom + 1 - top, right + 1 - left);
        let places = || (top..=bottom).flat_map(move |y| (left..=right).map(move |x| y * of.width + x));
        let planes = [0, 1, 2].map(|c| places().map(|at| f32::from(image.rgb[3 * at + c])).collect());
        Some(Self { height, width, planes, alpha: places().map(|at| alpha[at]).collect() })
    }

    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// Pixels that are pasted, those of the edges by their share.
    pub fn area(&self) -> f64 {
        self.alpha.iter().map(|a| f64::from(*a)).sum()
    }

    /// Its size when scaled to an area of `area` pixels.
    pub fn size_at(&self, area: f64) -> (usize, usize) {
        let factor = (area / self.area()).sqrt();
        let scaled = |side: usize| ((side as f64 * factor).round() as usize).max(1);
        (scaled(self.height), scaled(self.width))
    }

    /// The same scaled to an area of about `area` pixels: its sides are whole pixels.
    pub fn scaled(&self, area: f64) -> Self {
        let (height, width) = self.size_at(area);
        let resizer = Resizer::new(Grid { height: self.height, width: self.width }, Grid { height, width });
        let resized = |map: &Vec<f32>| {
            let mut out = vec![0.0; height * width];
            resizer.resize(map, &mut out);
            out
        };
        Self { height, width, planes: self.planes.each_ref().map(resized), alpha: resized(&self.alpha) }
    }

    /// Blends it into `image` with its upper left corner at (`top`, `left`), which may lie outside; parts outside the
    /// image are ignored.
    pub fn paste(&self, image: &mut Image, top: isize, left: isize) {
        for y in 0..self.height {
            for x in 0..self.width {
                let (Some(row), Some(column)) = (y.checked_add_signed(top), x.checked_add_signed(left)) else {
                    continue;
                };
                if row >= image.height || column >= image.width {
                    continue;
                }
                let (from, to) = (y * self.width + x, 3 * (row * image.width + column));
                let alpha = self.alpha[from];
                for (channel, plane) in self.planes.iter().enumerate() {
                    let under = f32::from(image.rgb[to + channel]);
                    image.rgb[to + channel] = (under + alpha * (plane[from] - under)).round() as u8;
                }
            }
        }
    }
}

/// A place in an image: `row` and `column` of a square grid of `of` places a side, from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// Row of the grid, from 0.
    pub row: usize,
    /// Column of the grid, from 0.
    pub column: usize,
}

/// All places of a grid of `of` a side, row by row.
pub fn places(of: usize) -> impl Iterator<Item = Place> {
    (0..of * of).map(move |at| Place { row: at / of, column: at % of })
}

impl Place {
    /// Where the upper left corner of something of `size` goes in an image of `within` (rows and columns each), so that
    /// the outermost places of the grid touch the image's edges; the middle if there is one place.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if it is larger than the image.
    pub fn corner(self, of: usize, size: (usize, usize), within: (usize, usize)) -> Result<(usize, usize)> {
        if size.0 > within.0 || size.1 > within.1 {
            let found = format!("{} x {} pixels (height x width)", size.0, size.1);
            let expected = format!("at most {} x {}, the image; paste it smaller", within.0, within.1);
            return Err(Error::mismatch("size of a pasted segment", found, expected));
        }
        let at = |nth: usize, room: usize| match of {
            0 | 1 => room / 2,
            _ => room * nth / (of - 1),
        };
        Ok((at(self.row, within.0 - size.0), at(self.column, within.1 - size.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(height: usize, width: usize, rgb: [u8; 3]) -> Image {
        Image { height, width, rgb: rgb.repeat(height * width) }
    }

    fn pixel(image: &Image, y: usize, x: usize) -> &[u8] {
        &image.rgb[3 * (y * image.width + x)..][..3]
    }

    #[test]
    fn a_segment_at_full_resolution_is_pasted_as_it_was() {
        let mut source = flat(4, 5, [9, 9, 9]);
        for (i, value) in source.rgb.iter_mut().enumerate() {
            *value = i as u8;
        }
        let grid = Grid { height: 4, width: 5 };
        let mask: Vec<bool> = (0..20).map(|at| [6, 7, 12].contains(&at)).collect();
        let segment = Segment::cut(&source, grid, &mask).unwrap();
        assert_eq!((segment.size(), segment.area()), ((2, 2), 3.0));
        let mut target = flat(3, 3, [200, 100, 50]);
        segment.paste(&mut target, 1, 0);
        assert_eq!(pixel(&target, 1, 0), pixel(&source, 1, 1));
        assert_eq!(pixel(&target, 1, 1), pixel(&source, 1, 2));
        assert_eq!(pixel(&target, 2, 1), pixel(&source, 2, 2));
        for (y, x) in [(0, 0), (0, 1), (1, 2), (2, 0), (2, 2)] {
            assert_eq!(pixel(&target, y, x), [200, 100, 50], "{y} {x}");
        }
        assert_eq!(Segment::cut(&source, grid, &[false; 20]), None);
    }

    #[test]
    fn edges_blend_by_their_share() {
        // The left half of a 1 x 4 image, by a mask of two positions: Pillow's weights are 1, 3/4, 1/4, 0.
        let source = flat(1, 4, [255, 0, 100]);
        let segment = Segment::cut(&source, Grid { height: 1, width: 2 }, &[true, false]).unwrap();
        assert_eq!((segment.size(), segment.area()), ((1, 3), 2.0));
        let mut target = flat(1, 4, [0, 100, 100]);
        segment.paste(&mut target, 0, 1);
        assert_eq!(target.rgb, [0, 100, 100, 255, 0, 100, 191, 25, 100, 64, 75, 100]);
    }

    #[test]
    fn what_falls_outside_is_left_out() {
        let segment = Segment::cut(&flat(3, 3, [255; 3]), Grid { height: 3, width: 3 }, &[true; 9]).unwrap();
        let white = |top, left| {
            let mut target = flat(4, 4, [0; 3]);
            segment.paste(&mut target, top, left);
            (0..16).filter(|at| target.rgb[3 * at] == 255).collect::<Vec<_>>()
        };
        assert_eq!(white(-2, -1), [0, 1]);
        assert_eq!(white(3, 2), [14, 15]);
        assert!(white(4, 0).is_empty() && white(0, -3).is_empty() && white(isize::MIN, isize::MAX).is_empty());
    }

    #[test]
    fn scaling_gives_the_area_asked_for() {
        let grid = Grid { height: 16, width: 16 };
        let mask: Vec<bool> = (0..256).map(|at| (at / 16 + at % 16) < 12 && at / 16 > 1).collect();
        let segment = Segment::cut(&flat(32, 32, [10, 20, 30]), grid, &mask).unwrap();
        for area in [60.0, 200.0, 900.0] {
            let scaled = segment.scaled(area);
            assert!((scaled.area() / area - 1.0).abs() < 0.08, "{area}: {}", scaled.area());
            assert_eq!(scaled.size(), segment.size_at(area));
            assert!(scaled.planes[1].iter().all(|v| (v - 20.0).abs() < 1e-3), "colours stay");
        }
    }

    #[test]
    fn places_reach_from_edge_to_edge() {
        let corners: Vec<_> = places(3).map(|p| p.corner(3, (4, 6), (10, 10)).unwrap()).collect();
        assert_eq!(corners[..4], [(0, 0), (0, 2), (0, 4), (3, 0)]);
        assert_eq!(corners[8], (6, 4));
        assert_eq!(Place { row: 0, column: 0 }.corner(1, (4, 6), (10, 10)).unwrap(), (3, 2));
        let e = Place { row: 0, column: 0 }.corner(3, (11, 6), (10, 10)).unwrap_err().to_string();
        assert!(e.contains("found 11 x 6 pixels") && e.contains("at most 10 x 10, the image"), "{e}");
    }
}
