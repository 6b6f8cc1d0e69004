//! Thumbnails: photographs as small files that browsers show.

use std::path::Path;

use jpeg_encoder::{ColorType, Encoder};

use crate::error::{Error, Result};
use crate::framing::Framing;
use crate::image::Image;

/// Files of up to this many bytes are not changed if their sides are not longer than requested.
const SMALL: usize = 16 << 10;

/// JPEG's quality, from 1 to 100.
const QUALITY: u8 = 76;

/// A small picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// A JPEG or PNG file.
    pub bytes: Vec<u8>,
    /// The ending of its name: `jpg` or `png`.
    pub extension: &'static str,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Makes a thumbnail of what `framing` leaves of the image file `bytes`, whose sides are at most `side` pixels (1 to 65,535):
/// the file itself if it is small and shown whole, else a JPEG file of the averages of pixels. Errors name the file `path`.
///
/// # Errors
/// `Error::Format` if the bytes are not a valid JPEG or PNG, or the image is too large ([`Image::decode`]); the errors of
/// [`Framing::frame`].
pub fn thumbnail(bytes: Vec<u8>, path: &Path, framing: Framing, side: usize) -> Result<Thumbnail> {
    let mut image = Image::decode(&bytes, path)?;
    let whole = framing == Framing::default();
    if !whole {
        image = framing.frame((image.height, image.width))?.cut(&image);
    }
    let (height, width) = (image.height, image.width);
    if whole && bytes.len() <= SMALL && height.max(width) <= side {
        let extension = if bytes.starts_with(&[0xff, 0xd8]) { "jpg" } else { "png" };
        return Ok(Thumbnail { bytes, extension, height, width });
    }
    let image = shrink(image, side);
    let (height, width) = (image.height, image.width);
    let mut bytes = Vec::new();
    let sides = [width, height].map(|n| u16::try_from(n).unwrap_or(u16::MAX));
    let encoded = Encoder::new(&mut bytes, QUALITY).encode(&image.rgb, sides[0], sides[1], ColorType::Rgb);
    encoded.map_err(|e| Error::format(path, "thumbnail", e.to_string(), "pixels that a JPEG file can hold"))?;
    Ok(Thumbnail { bytes, extension: "jpg", height, width })
}

/// The image with its longer side at `side`, each pixel the average of the original pixels that it covers; unchanged if
/// the image is not larger.
fn shrink(image: Image, side: usize) -> Image {
    let longer = image.height.max(image.width);
    if longer <= side {
        return image;
    }
    let scaled = |n: usize| (n * side).div_ceil(longer).clamp(1, side);
    let (height, width) = (scaled(image.height), scaled(image.width));
    let span = |i: usize, to: usize, from: usize| i * from / to..((i + 1) * from).div_ceil(to);
    let mut rgb = Vec::with_capacity(height * width * 3);
    for y in 0..height {
        for x in 0..width {
            let (mut sums, mut n) = ([0_u32; 3], 0);
            for row in span(y, height, image.height) {
                for column in span(x, width, image.width) {
                    let pixel = &image.rgb[(row * image.width + column) * 3..][..3];
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                    n += 1;
                }
            }
            rgb.extend(sums.map(|sum| ((sum + n / 2) / n) as u8));
        }
    }
    Image { height, width, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(height: usize, width: usize, rgb: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(rgb).unwrap();
        bytes
    }

    #[test]
    fn a_small_file_stays_as_it_is() {
        let bytes = png(2, 3, &[9; 18]);
        let made = thumbnail(bytes.clone(), Path::new("a.png"), Framing::default(), 8).unwrap();
        assert_eq!(made, Thumbnail { bytes, extension: "png", height: 2, width: 3 });
    }

    #[test]
    fn a_large_image_is_shrunk_in_proportion() {
        // Left half red, right half blue.
        let rgb: Vec<u8> = (0..300 * 100).flat_map(|p| if p % 300 < 150 { [200, 0, 0] } else { [0, 0, 200] }).collect();
        let made = thumbnail(png(100, 300, &rgb), Path::new("a.png"), Framing::default(), 60).unwrap();
        assert_eq!((made.extension, made.height, made.width), ("jpg", 20, 60));
        let read = Image::decode(&made.bytes, Path::new("a.jpg")).unwrap();
        assert_eq!((read.height, read.width), (20, 60));
        let pixel = |x: usize| [0, 1, 2].map(|c| i32::from(read.rgb[(10 * 60 + x) * 3 + c]));
        let near = |found: [i32; 3], expected: [i32; 3]| found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 12);
        assert!(near(pixel(5), [200, 0, 0]) && near(pixel(55), [0, 0, 200]), "{:?} {:?}", pixel(5), pixel(55));
    }

    #[test]
    fn a_framed_image_shows_the_middle() {
        // A red square in the middle of a small blue image.
        let rgb: Vec<u8> =
            (0..20 * 60).flat_map(|p| if (20..40).contains(&(p % 60)) { [200, 0, 0] } else { [0, 0, 200] }).collect();
        let framing = Framing { resize: None, crop: Some(20) };
        let made = thumbnail(png(20, 60, &rgb), Path::new("a.png"), framing, 60).unwrap();
        assert_eq!((made.extension, made.height, made.width), ("jpg", 20, 20));
        let read = Image::decode(&made.bytes, Path::new("a.jpg")).unwrap();
        assert!(read.rgb.chunks(3).all(|pixel| pixel[0] > 180 && pixel[2] < 20));
    }

    #[test]
    fn averages_are_of_the_pixels_under_a_pixel() {
        let image = Image { height: 1, width: 4, rgb: vec![0, 0, 0, 10, 10, 10, 100, 0, 0, 200, 0, 0] };
        assert_eq!(shrink(image, 2), Image { height: 1, width: 2, rgb: vec![5, 5, 5, 150, 0, 0] });
    }

    #[test]
    fn what_is_no_image_is_an_error() {
        let e = thumbnail(b"GIF89a".to_vec(), Path::new("a.gif"), Framing::default(), 8).unwrap_err();
        assert!(e.to_string().contains("a.gif"), "{e}");
    }
}
