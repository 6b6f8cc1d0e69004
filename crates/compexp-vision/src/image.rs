//! Images from files, as RGB bytes in the size they are stored in.

use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::{Error, Result};

mod other;
#[cfg(test)]
pub(crate) mod tests;

/// Largest width and height that are read, in pixels.
pub const MAX_SIDE: usize = 16_384;
/// Largest number of pixels that are read: above those of most cameras, and as many as a network's input of 300 MB.
pub const MAX_PIXELS: usize = 24 << 20;
/// What a JPEG file must be.
const WHOLE_JPEG: &str = "a whole baseline or progressive JPEG file";

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// How the names of images' files end, in lower case.
pub const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "gif", "tif", "tiff", "webp"];

/// What a file must be.
pub(crate) const FORMATS: &str = "a JPEG, PNG, BMP, GIF, TIFF or WebP file";

/// An image of 8-bit RGB pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `(height, width, 3)`: red, green, blue.
    pub rgb: Vec<u8>,
}

/// What the header of a file says of its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Rows, as stored.
    pub height: usize,
    /// Columns, as stored.
    pub width: usize,
    /// How the stored pixels are turned to stand upright. Without a tag, or with a damaged one, they stand upright.
    pub orientation: Orientation,
}

impl Header {
    /// Reads the header of an image's file. No pixel is decoded.
    ///
    /// # Errors
    /// As [`Image::read`], as far as the header shows it.
    pub fn read(path: &Path) -> Result<Self> {
        Self::decode(&read_file(path)?, path)
    }

    /// The header of these bytes; errors name the file `path`.
    ///
    /// # Errors
    /// The errors of [`Self::read`].
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let of_exif = |exif: Option<&[u8]>| exif.and_then(Orientation::from_exif_chunk);
        let ((width, height), orientation) = match format_of(bytes, path)? {
            ImageFormat::Jpeg => {
                let (decoder, size) = jpeg_header(bytes, path)?;
                (size, of_exif(decoder.exif().map(Vec::as_slice)))
            }
            ImageFormat::Png => {
                let (decoder, size) = png_header(bytes, path)?;
                // A tag behind the pixels is none of the header.
                let reader = decoder.read_info().map_err(|e| damaged_png(path, &e))?;
                (size, of_exif(reader.info().exif_metadata.as_deref()))
            }
            other => other::header(bytes, path, other)?,
        };
        Ok(Self { height, width, orientation: orientation.unwrap_or(Orientation::NoTransforms) })
    }

    /// The height and width of the stored pixels.
    pub fn stored(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The height and width of the pixels when they are turned upright.
    pub fn upright(&self) -> (usize, usize) {
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (self.width, self.height),
            _ => self.stored(),
        }
    }
}

impl Image {
    /// Reads a JPEG, PNG, BMP, GIF, TIFF or WebP file, recognised by its first bytes. Of several frames or pages the first is
    /// read. Grey and palette images become RGB, 16-bit samples lose their low byte, an alpha channel is dropped, and the
    /// orientation tag is not applied: [`Photo`](crate::photo::Photo) does that.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`] if it has another
    /// format, is damaged or cut off, or is larger than [`MAX_SIDE`] or [`MAX_PIXELS`]. The size is read from the header before
    /// any pixel is decoded.
    pub fn read(path: &Path) -> Result<Self> {
        Self::decode(&read_file(path)?, path)
    }

    /// Decodes the bytes of a file; errors name the file `path`.
    ///
    /// # Errors
    /// The errors of [`Image::read`].
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        match format_of(bytes, path)? {
            ImageFormat::Jpeg => decode_jpeg(bytes, path),
            ImageFormat::Png => decode_png(bytes, path),
            other => other::decode(bytes, path, other),
        }
    }

    /// The image turned as `orientation` says.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the pixels are not as many as the sizes say.
    pub fn turned(self, orientation: Orientation) -> Result<Self> {
        if orientation == Orientation::NoTransforms {
            return Ok(self);
        }
        let (height, width, found) = (self.height, self.width, self.rgb.len());
        let image = image::RgbImage::from_raw(width as u32, height as u32, self.rgb);
        let image = image.ok_or_else(|| wrong_pixels(found, height, width))?;
        let mut image = DynamicImage::ImageRgb8(image);
        image.apply_orientation(orientation);
        let (height, width) = (image.height() as usize, image.width() as usize);
        Ok(Self { height, width, rgb: image.into_bytes() })
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the pixels are not as many as the sizes say, or there are none.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.rgb));
        written.map_err(|e| wrong_pixels(e, self.height, self.width))?;
        Ok(bytes)
    }
}

/// The bytes of an image's file.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read or is too long.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    Ok(compexp_files::read_bytes(path, MAX_BYTES)?)
}

fn wrong_pixels(found: impl ToString, height: usize, width: usize) -> Error {
    Error::mismatch("pixels of an image", found, format!("{height} x {width} x 3"))
}

/// The format of a file that begins with these bytes: one of those that are read.
pub(crate) fn known_format(bytes: &[u8]) -> Option<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    image::guess_format(bytes).ok().filter(|format| matches!(format, Jpeg | Png | Bmp | Gif | Tiff | WebP))
}

/// The same, or an error that names the file `path`.
///
/// # Errors
/// [`compexp_files::Error::Format`]
fn format_of(bytes: &[u8], path: &Path) -> Result<ImageFormat> {
    known_format(bytes).ok_or_else(|| {
        let found = match bytes {
            [] => "an empty file".to_owned(),
            _ => format!("first bytes {:02x?}", &bytes[..bytes.len().min(4)]),
        };
        Error::format(path, "image", found, FORMATS)
    })
}

/// Refuses an image that is larger than any that is read, or has no pixel.
///
/// # Errors
/// [`compexp_files::Error::Format`]
pub(crate) fn check_size(path: &Path, width: usize, height: usize) -> Result<()> {
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        let expected = format!("1 to {MAX_SIDE} pixels a side and at most {MAX_PIXELS} in all");
        return Err(Error::format(path, "image size", format!("{width} x {height}"), expected));
    }
    Ok(())
}

/// A decoder that has read the header, and the width and height that it states.
type Opened<D> = (D, (usize, usize));

fn jpeg_header<'a>(bytes: &'a [u8], path: &Path) -> Result<Opened<JpegDecoder<ZCursor<&'a [u8]>>>> {
    // The decoder's own limits are a pixel apart from ours, so that ours give the message.
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| damaged_jpeg(path, &e))?;
    let (width, height) = decoder.info().map_or((0, 0), |info| (usize::from(info.width), usize::from(info.height)));
    check_size(path, width, height)?;
    Ok((decoder, (width, height)))
}

fn damaged_jpeg(path: &Path, error: &zune_jpeg::errors::DecodeErrors) -> Error {
    Error::format(path, "JPEG", error.to_string(), WHOLE_JPEG)
}

fn decode_jpeg(bytes: &[u8], path: &Path) -> Result<Image> {
    let (mut decoder, (width, height)) = jpeg_header(bytes, path)?;
    // Where pixels are missing, the decoder makes them up.
    if !has_end(bytes) {
        return Err(Error::format(path, "JPEG", "a file without its end: it was cut off", WHOLE_JPEG));
    }
    let rgb = decoder.decode().map_err(|e| damaged_jpeg(path, &e))?;
    if rgb.len() != width * height * 3 {
        let found = format!("{} bytes of pixels", rgb.len());
        return Err(Error::format(path, "JPEG", found, format!("{width} x {height} x 3; convert the image to RGB")));
    }
    Ok(Image { height, width, rgb })
}

/// Whether the parts of a JPEG file follow each other up to its end marker.
fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, kind]) = bytes.get(at..at + 2) {
        match (first, kind) {
            (0xff, 0xd9) => return true,
            // Bytes between the parts, fill bytes, escaped bytes and restarts within a scan.
            (0xff, 0xff) | (0..0xff, _) => at += 1,
            (0xff, 0 | 1 | 0xd0..=0xd8) => at += 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
    }
    false
}

fn damaged_png(path: &Path, error: &png::DecodingError) -> Error {
    Error::format(path, "PNG", error.to_string(), "a whole and undamaged PNG file")
}

fn png_header<'a>(bytes: &'a [u8], path: &Path) -> Result<Opened<png::Decoder<Cursor<&'a [u8]>>>> {
    let limits = png::Limits { bytes: 4 * MAX_PIXELS };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(|e| damaged_png(path, &e))?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(path, width, height)?;
    Ok((decoder, (width, height)))
}

fn decode_png(bytes: &[u8], path: &Path) -> Result<Image> {
    let damaged = |e: png::DecodingError| damaged_png(path, &e);
    let (decoder, (width, height)) = png_header(bytes, path)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let size = reader.output_buffer_size().filter(|&size| size <= 4 * MAX_PIXELS);
    let size = size.ok_or_else(|| Error::format(path, "PNG", "too many bytes of pixels", "at most 4 a pixel"))?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels).map_err(damaged)?;
    pixels.truncate(info.buffer_size());
    let rgb: Vec<u8> = match info.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        png::ColorType::Grayscale => pixels.iter().flat_map(|&p| [p; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        other => return Err(Error::format(path, "PNG", format!("pixels of type {other:?}"), "grey, palette or RGB")),
    };
    if rgb.len() != width * height * 3 {
        let found = format!("{} values", rgb.len());
        return Err(Error::format(path, "PNG", found, format!("{width} x {height} x 3")));
    }
    Ok(Image { height, width, rgb })
}
