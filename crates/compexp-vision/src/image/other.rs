//! BMP, GIF, TIFF and WebP, by the crate `image`.

use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{Image, MAX_PIXELS, check_size};
use crate::error::{Error, Result};

/// The most memory that a decoder may use, in bytes: twice that of 16-bit RGBA.
const MAX_MEMORY: u64 = 16 * MAX_PIXELS as u64;

/// The width and height of an image, and its orientation if a tag states it.
///
/// # Errors
/// [`compexp_files::Error::Format`]
pub(super) fn header(bytes: &[u8], path: &Path, format: ImageFormat) -> Result<((usize, usize), Option<Orientation>)> {
    let (mut decoder, size) = open(bytes, path, format)?;
    // A tag that cannot be read is as none.
    Ok((size, decoder.orientation().ok()))
}

/// Decodes an image.
///
/// # Errors
/// [`compexp_files::Error::Format`]
pub(super) fn decode(bytes: &[u8], path: &Path, format: ImageFormat) -> Result<Image> {
    let (decoder, (width, height)) = open(bytes, path, format)?;
    let wide = match decoder.color_type() {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => false,
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => true,
        other => {
            let found = format!("pixels of type {other:?}");
            return Err(Error::format(path, name(format), found, "samples of at most 16 bits, whole numbers"));
        }
    };
    let decoded = DynamicImage::from_decoder(decoder).map_err(|e| damaged(path, format, &e))?;
    let rgb = match wide {
        false => decoded.into_rgb8().into_raw(),
        true => decoded.into_rgb16().into_raw().into_iter().map(|v| (v >> 8) as u8).collect(),
    };
    Ok(Image { height, width, rgb })
}

/// A decoder that has read the header, and the width and height that it states.
fn open<'a>(
    bytes: &'a [u8],
    path: &Path,
    format: ImageFormat,
) -> Result<(impl ImageDecoder + use<'a>, (usize, usize))> {
    if format == ImageFormat::WebP {
        check_length(bytes, path)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Sides have our own limit, which gives the message.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| damaged(path, format, &e))?;
    let (width, height) = decoder.dimensions();
    let size = (width as usize, height as usize);
    check_size(path, size.0, size.1)?;
    Ok((decoder, size))
}

/// Refuses a WebP file that is shorter than it says. Its decoder looks no further than the pixels, and tags stand behind them.
fn check_length(bytes: &[u8], path: &Path) -> Result<()> {
    let stated = bytes.get(4..8).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
    let expected = u64::from(stated) + 8;
    if (bytes.len() as u64) < expected {
        let found = format!("{} bytes: it was cut off", bytes.len());
        return Err(Error::format(path, name(ImageFormat::WebP), found, format!("{expected} bytes, as it states")));
    }
    Ok(())
}

fn damaged(path: &Path, format: ImageFormat, error: &ImageError) -> Error {
    let name = name(format);
    let expected = format!("a whole and undamaged {name} file");
    Error::format(path, name, error.to_string(), expected)
}

/// The name of a format, for errors.
fn name(format: ImageFormat) -> String {
    format.extensions_str().first().map(|ending| ending.to_uppercase()).unwrap_or_default()
}
