//! Thumbnails: photographs as small files that browsers show.

use std::path::Path;

use image::ImageFormat;
use image::metadata::Orientation;
use jpeg_encoder::{ColorType, Encoder};

use crate::error::{Error, Result};
use crate::framing::Framing;
use crate::image::{Header, Image, known_format};
use crate::photo::Photo;

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

/// Makes a thumbnail of what `framing` leaves of `photo`, whose file holds `bytes`. Its sides are at most `side` pixels (1 to 65,535):
/// it is the file itself if that is small, is shown whole and has no orientation tag, else a JPEG file of the averages of pixels.
///
/// # Errors
/// `Error::Format` if the bytes are no valid image, or the image is too large ([`Photo::decode`]); the errors of
/// [`Framing::frame`].
pub fn thumbnail(bytes: Vec<u8>, photo: &Photo, framing: Framing, side: usize) -> Result<Thumbnail> {
    let path = &photo.path;
    let mut image = photo.decode(&bytes)?;
    let whole = framing == Framing::default();
    if !whole {
        image = framing.frame((image.height, image.width))?.cut(&image);
    }
    let (height, width) = (image.height, image.width);
    if whole
        && bytes.len() <= SMALL
        && height.max(width) <= side
        && let Some(extension) = as_it_is(&bytes, path)?
    {
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

/// The ending of the name of a file that a browser shows as it was read, which is why one with an orientation tag is not.
fn as_it_is(bytes: &[u8], path: &Path) -> Result<Option<&'static str>> {
    let ending = match known_format(bytes) {
        Some(ImageFormat::Jpeg) => "jpg",
        Some(ImageFormat::Png) => "png",
        _ => return Ok(None),
    };
    let untagged = Header::decode(bytes, path)?.orientation == Orientation::NoTransforms;
    Ok(untagged.then_some(ending))
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
        let made = thumbnail(bytes.clone(), &Photo::stored("a.png"), Framing::default(), 8).unwrap();
        assert_eq!(made, Thumbnail { bytes, extension: "png", height: 2, width: 3 });
    }

    #[test]
    fn a_large_image_is_shrunk_in_proportion() {
        // Left half red, right half blue.
        let rgb: Vec<u8> = (0..300 * 100).flat_map(|p| if p % 300 < 150 { [200, 0, 0] } else { [0, 0, 200] }).collect();
        let made = thumbnail(png(100, 300, &rgb), &Photo::stored("a.png"), Framing::default(), 60).unwrap();
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
        let made = thumbnail(png(20, 60, &rgb), &Photo::stored("a.png"), framing, 60).unwrap();
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
        let e = thumbnail(b"GIF89a".to_vec(), &Photo::stored("a.gif"), Framing::default(), 8).unwrap_err();
        assert!(e.to_string().contains("a.gif"), "{e}");
    }
}
