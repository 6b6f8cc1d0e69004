//! Photographs from JPEG and PNG files, as RGB bytes in the size they are stored in.

use std::io::Cursor;
use std::path::Path;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::{Error, Result};

/// Largest width and height that are read, in pixels.
pub const MAX_SIDE: usize = 16_384;
/// Largest number of pixels that are read: above those of most cameras, and as many as a network's input of 300 MB.
pub const MAX_PIXELS: usize = 24 << 20;
/// What a JPEG file must be.
const WHOLE_JPEG: &str = "a whole baseline or progressive JPEG file";

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

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

impl Image {
    /// Reads a JPEG or PNG file, recognised by its first bytes. Grey and palette images become RGB, 16-bit samples lose
    /// their low byte, an alpha channel is dropped, and the orientation tag is not applied.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`] if it has another
    /// format, is damaged, or is larger than [`MAX_SIDE`] or [`MAX_PIXELS`]. The size is read from the header before
    /// any pixel is decoded.
    pub fn read(path: &Path) -> Result<Self> {
        Self::decode(&compexp_files::read_bytes(path, MAX_BYTES)?, path)
    }

    /// Decodes the bytes of a JPEG or PNG file; Errors name the file `path`.
    ///
    /// # Errors
    /// The errors of [`Image::read`].
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        match bytes {
            [0xff, 0xd8, ..] => decode_jpeg(bytes, path),
            [0x89, b'P', b'N', b'G', ..] => decode_png(bytes, path),
            [] => Err(Error::format(path, "image", "an empty file", "a JPEG or PNG file")),
            _ => {
                let start = &bytes[..bytes.len().min(4)];
                Err(Error::format(path, "image", format!("first bytes {start:02x?}"), "a JPEG or PNG file"))
            }
        }
    }

    /// The height and width that [`Self::read`] gives, from the file's header.
    ///
    /// # Errors
    /// As [`Image::read`], but pixels are not looked at.
    pub fn size(path: &Path) -> Result<(usize, usize)> {
        let bytes = compexp_files::read_bytes(path, MAX_BYTES)?;
        let (width, height) = match &bytes[..] {
            [0xff, 0xd8, ..] => jpeg_header(&bytes, path)?.1,
            [0x89, b'P', b'N', b'G', ..] => png_header(&bytes, path)?.1,
            _ => return Self::decode(&bytes, path).map(|image| (image.height, image.width)),
        };
        Ok((height, width))
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
        written
            .map_err(|e| Error::mismatch("pixels of an image", e, format!("{} x {} x 3", self.height, self.width)))?;
        Ok(bytes)
    }
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
type Header<D> = (D, (usize, usize));

fn jpeg_header<'a>(bytes: &'a [u8], path: &Path) -> Result<Header<JpegDecoder<ZCursor<&'a [u8]>>>> {
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

fn png_header<'a>(bytes: &'a [u8], path: &Path) -> Result<Header<png::Decoder<Cursor<&'a [u8]>>>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 40, 50, 60]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Image> {
        Image::decode(bytes, Path::new("photo"))
    }

    #[test]
    fn every_kind_of_png_becomes_rgb() {
        use png::{BitDepth::*, ColorType::*};
        let cases: [(&str, Vec<u8>, &[u8]); 7] = [
            ("rgb", png(2, 1, Rgb, Eight, &[1, 2, 3, 4, 5, 6]), &[1, 2, 3, 4, 5, 6]),
            ("rgba", png(2, 1, Rgba, Eight, &[1, 2, 3, 0, 4, 5, 6, 255]), &[1, 2, 3, 4, 5, 6]),
            ("grey", png(2, 1, Grayscale, Eight, &[7, 9]), &[7, 7, 7, 9, 9, 9]),
            ("grey and alpha", png(2, 1, GrayscaleAlpha, Eight, &[7, 0, 9, 255]), &[7, 7, 7, 9, 9, 9]),
            ("one bit", png(2, 1, Grayscale, One, &[0b0100_0000]), &[0, 0, 0, 255, 255, 255]),
            ("palette", png(2, 1, Indexed, Eight, &[1, 0]), &[40, 50, 60, 1, 2, 3]),
            ("16 bits", png(1, 1, Rgb, Sixteen, &[1, 255, 2, 255, 3, 0]), &[1, 2, 3]),
        ];
        for (name, bytes, expected) in cases {
            let image = decode(&bytes).unwrap();
            assert_eq!(image.rgb, expected, "{name}");
            assert_eq!(image.width * image.height * 3, expected.len(), "{name}");
        }
    }

    #[test]
    fn absurd_sizes_are_refused_from_the_header() {
        let mut bytes = png(1, 1, png::ColorType::Grayscale, png::BitDepth::Eight, &[0]);
        bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]); // 65536 x 65536
        let crc = crc(&bytes[12..29]).to_be_bytes();
        bytes[29..33].copy_from_slice(&crc);
        let message = decode(&bytes).unwrap_err().to_string();
        assert!(message.starts_with("`photo`: image size: found 65536 x 65536, expected 1 to 16384"), "{message}");

        bytes[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]); // 8192 x 8192
        let crc = self::crc(&bytes[12..29]).to_be_bytes();
        bytes[29..33].copy_from_slice(&crc);
        let message = decode(&bytes).unwrap_err().to_string();
        assert!(
            message.contains("found 8192 x 8192, expected 1 to 16384 pixels a side and at most 25165824"),
            "{message}"
        );

        let mut jpeg = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3];
        jpeg.extend([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
        jpeg.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0xff, 0xd9]);
        let message = decode(&jpeg).unwrap_err().to_string();
        assert!(message.contains("image size: found 65535 x 65535"), "{message}");
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &b| {
            (0..8).fold(crc ^ u32::from(b), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
        })
    }

    #[test]
    fn what_is_no_image_is_named() {
        for bytes in [&b""[..], b"GIF89a", &[0xff, 0xd8], &[0xff, 0xd8, 0xff], b"\x89PNG\r\n\x1a\n"] {
            let error = decode(bytes).unwrap_err();
            assert!(matches!(&error, Error::File(compexp_files::Error::Format { .. })), "{error}");
            assert!(error.to_string().starts_with("`photo`: "), "{error}");
        }
        let whole = png(64, 64, png::ColorType::Rgb, png::BitDepth::Eight, &[5; 64 * 64 * 3]);
        for end in [20, whole.len() / 2, whole.len() - 16] {
            assert!(
                matches!(decode(&whole[..end]), Err(Error::File(compexp_files::Error::Format { .. }))),
                "cut at {end}"
            );
        }
        for kind in [false, true] {
            let mut jpeg = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
            encoder.set_progressive(kind);
            encoder.set_restart_interval(if kind { 0 } else { 4 });
            let pixels: Vec<u8> = (0..64 * 64 * 3_u32).map(|i| (i * i % 251) as u8).collect();
            encoder.encode(&pixels, 64, 64, jpeg_encoder::ColorType::Rgb).unwrap();
            decode(&jpeg).unwrap();
            for end in [jpeg.len() / 3, jpeg.len() / 2, jpeg.len() - 2, jpeg.len() - 1] {
                let e = decode(&jpeg[..end]).unwrap_err().to_string();
                assert!(e.starts_with("`photo`: JPEG: found "), "cut at {end}: {e}");
            }
            // What stands behind the end is not looked at.
            decode(&[&jpeg[..], b"more"].concat()).unwrap();
        }
        assert!(matches!(
            Image::read(Path::new("no such file")),
            Err(Error::File(compexp_files::Error::Io { op: "open", .. }))
        ));
    }
}
