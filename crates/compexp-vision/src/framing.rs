//! Photographs of any size, brought to the size that a network takes: the short side to a length, then the middle, as
//! torchvision's `Resize` and `CenterCrop` do it. Annotations follow ([`Frame`]).

use compexp_core::probe::Grid;
use compexp_core::resize::Resizer;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::{Image, MAX_PIXELS};
use crate::photo::Photo;

/// What errors are about.
const IMAGE_SIZE: &str = "image size";

/// What is done to photographs after they are decoded; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framing {
    /// The length of the short side after resizing; the other side keeps the proportion, cut off to whole pixels.
    pub resize: Option<usize>,
    /// The sides of the square that is cut out of the middle.
    pub crop: Option<usize>,
}

/// What a [`Framing`] is for a photograph of one size. Sizes are heights and widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The size after resizing.
    pub resized: (usize, usize),
    /// The first row and column of the resized photograph that is kept.
    pub corner: (usize, usize),
    /// The size of what is kept.
    pub size: (usize, usize),
}

impl Framing {
    /// The frame of a photograph of this height and width.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the photograph is smaller than what is to be cut out, or larger than any that is read
    /// after resizing.
    pub fn frame(self, (height, width): (usize, usize)) -> Result<Frame> {
        let short = height.min(width).max(1);
        let resized = match self.resize {
            Some(to) => (to * height / short, to * width / short),
            None => (height, width),
        };
        if resized.0.saturating_mul(resized.1) > MAX_PIXELS {
            let found = format!("{} x {} after resizing (height x width)", resized.0, resized.1);
            return Err(Error::mismatch(IMAGE_SIZE, found, format!("at most {MAX_PIXELS} pixels")));
        }
        let Some(side) = self.crop else { return Ok(Frame { resized, corner: (0, 0), size: resized }) };
        if side > resized.0 || side > resized.1 {
            let found = format!("{} x {} (height x width)", resized.0, resized.1);
            let expected = format!("at least {side} a side, to cut that out: give --resize");
            return Err(Error::mismatch(IMAGE_SIZE, found, expected));
        }
        let corner = (middle(resized.0 - side), middle(resized.1 - side));
        Ok(Frame { resized, corner, size: (side, side) })
    }

    /// Reads a photograph and brings it to its frame.
    ///
    /// # Errors
    /// The errors of [`Photo::read`] and of [`Self::frame`].
    pub fn read(self, photo: &Photo) -> Result<Image> {
        let image = photo.read()?;
        if self == Self::default() {
            return Ok(image);
        }
        let frame = self.frame((image.height, image.width)).map_err(|e| match e {
            Error::Core(compexp_core::Error::Mismatch { found, expected, .. }) => {
                Error::format(&photo.path, IMAGE_SIZE, found, expected)
            }
            other => other,
        })?;
        Ok(frame.cut(&image))
    }
}

/// Half of the room beside a square. Halves are rounded to even numbers, as Python does it.
fn middle(room: usize) -> usize {
    room / 2 + usize::from(room % 4 == 3)
}

impl Frame {
    /// The part of a photograph that it shows, resized as Pillow's bilinear filter does, but rounded once at the end.
    pub fn cut(&self, image: &Image) -> Image {
        let grid = |(height, width)| Grid { height, width };
        let (from, to) = (grid((image.height, image.width)), grid(self.resized));
        let (height, width) = self.size;
        let mut rgb = vec![0; 3 * height * width];
        let resizer = Resizer::new(from, to);
        let (mut plane, mut resized) = (vec![0.0; from.positions()], vec![0.0; to.positions()]);
        for channel in 0..3 {
            plane.iter_mut().zip(image.rgb.chunks_exact(3)).for_each(|(v, pixel)| *v = f32::from(pixel[channel]));
            resizer.resize(&plane, &mut resized);
            for row in 0..height {
                let line = &resized[(self.corner.0 + row) * to.width + self.corner.1..][..width];
                for (pixel, value) in rgb[3 * row * width..][..3 * width].chunks_exact_mut(3).zip(line) {
                    pixel[channel] = value.round() as u8;
                }
            }
        }
        Image { height, width, rgb }
    }

    /// For each row and column of a mask of this frame, that of an annotation of the whole photograph with the height and width
    /// `annotated`: the one under the centre of the position.
    pub fn under(&self, mask: Grid, annotated: (usize, usize)) -> (Vec<usize>, Vec<usize>) {
        let rows = under(mask.height, self.size.0, self.corner.0, self.resized.0, annotated.0);
        (rows, under(mask.width, self.size.1, self.corner.1, self.resized.1, annotated.1))
    }
}

/// For each of `n` places on the side `size` that begins at `corner` of `resized`, the one of `annotated` on the whole side.
fn under(n: usize, size: usize, corner: usize, resized: usize, annotated: usize) -> Vec<usize> {
    (0..n).map(|at| ((2 * at + 1) * size + 2 * n * corner) * annotated / (2 * n * resized)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(resize: Option<usize>, crop: Option<usize>, size: (usize, usize)) -> Result<Frame> {
        Framing { resize, crop }.frame(size)
    }

    #[test]
    fn frames_are_those_of_torchvision() {
        // `Resize(256)` and `CenterCrop(224)`: sides cut off to whole pixels, halves rounded to even.
        let found = frame(Some(256), Some(224), (480, 640)).unwrap();
        assert_eq!(found, Frame { resized: (256, 341), corner: (16, 58), size: (224, 224) });
        let found = frame(Some(256), Some(224), (427, 300)).unwrap();
        assert_eq!(found, Frame { resized: (364, 256), corner: (70, 16), size: (224, 224) });
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(middle), [0, 0, 1, 2, 2, 2, 3, 4]);
        assert_eq!(frame(None, None, (3, 5)).unwrap(), Frame { resized: (3, 5), corner: (0, 0), size: (3, 5) });
    }

    #[test]
    fn what_is_too_small_or_too_long_is_refused() {
        let e = frame(None, Some(224), (200, 300)).unwrap_err().to_string();
        assert!(e.contains("image size: found 200 x 300 (height x width), expected at least 224"), "{e}");
        assert!(e.contains("give --resize"), "{e}");
        let e = frame(Some(8000), None, (10, 40)).unwrap_err().to_string();
        assert!(e.contains("found 8000 x 32000 after resizing"), "{e}");
    }

    #[test]
    fn an_annotation_shows_what_the_photograph_shows() {
        // Each pixel's colour is its place, so that the cut photograph tells which pixel each position must have.
        let (height, width) = (60, 90);
        let place = |at: usize| [(at / width) as u8, (at % width) as u8, 0];
        let image = Image { height, width, rgb: (0..height * width).flat_map(place).collect() };
        let frame = frame(Some(40), Some(32), (height, width)).unwrap();
        let cut = frame.cut(&image);
        assert_eq!((cut.height, cut.width), (32, 32));
        let (rows, columns) = frame.under(Grid { height: 32, width: 32 }, (height, width));
        for (at, pixel) in cut.rgb.chunks_exact(3).enumerate() {
            let near = |found: usize, shown: u8| found.abs_diff(usize::from(shown)) <= 1;
            assert!(near(rows[at / 32], pixel[0]) && near(columns[at % 32], pixel[1]), "position {at}: {pixel:?}");
        }
        // An annotation of half the size.
        let (halves, _) = frame.under(Grid { height: 32, width: 32 }, (height / 2, width / 2));
        assert!(halves.iter().zip(&rows).all(|(half, row)| *half == row / 2));
    }

    #[test]
    fn a_position_of_a_whole_photograph_shows_the_pixel_under_its_centre() {
        let nearest = |from: usize, to: usize| under(to, from, 0, from, from);
        assert_eq!(nearest(7, 3), [1, 3, 5]);
        assert_eq!(nearest(2, 5), [0, 0, 1, 1, 1], "a centre on the border belongs to the later pixel");
        for (from, to) in [(5, 5), (1, 9), (64, 32), (101, 112), (427, 112), (3, 2)] {
            let slow = (0..to).map(|at| ((at as f64 + 0.5) / to as f64 * from as f64).floor() as usize);
            assert_eq!(nearest(from, to), slow.collect::<Vec<_>>(), "{from} to {to}");
        }
    }

    #[test]
    fn nothing_changes_without_settings() {
        let image = Image { height: 2, width: 3, rgb: (0..18).map(|v| v * 14).collect() };
        assert_eq!(frame(None, None, (2, 3)).unwrap().cut(&image), image);
        let half = frame(Some(1), None, (2, 4)).unwrap().cut(&Image { height: 2, width: 4, rgb: [9; 24].to_vec() });
        assert_eq!(half, Image { height: 1, width: 2, rgb: [9; 6].to_vec() });
    }
}
