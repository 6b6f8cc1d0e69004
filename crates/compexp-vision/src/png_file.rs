//! PNG files of annotations: whole, of a size that is checked before memory is allocated, and of the pixel type expected.

use std::path::Path;

use compexp_files::SourceFile;
use png::{BitDepth, ColorType, Decoder, DecodingError, Info, Limits};

use crate::error::{Error, Result, missing};

/// The pixels of a PNG.
pub(crate) struct Pixels {
    /// Rows.
    pub(crate) height: usize,
    /// Columns.
    pub(crate) width: usize,
    /// Bytes a pixel.
    pub(crate) channels: usize,
    /// `(height, width, channels)`
    pub(crate) bytes: Vec<u8>,
}

/// Reads a PNG of RGB, or RGBA, of 8 bits. `hint` is part of the error if the file is missing; `check` sees the height and
/// width first.
///
/// # Errors
/// [`compexp_files::Error::Io`] for a missing file; [`compexp_files::Error::Format`] for a file that is corrupt, cut off, or of
/// another pixel type; the error of `check`.
pub(crate) fn read_colours(path: &Path, hint: &str, check: impl FnOnce(usize, usize) -> Result<()>) -> Result<Pixels> {
    read(path, hint, "RGB of 8 bits, where a colour is a number", check, |color, depth| match (color, depth) {
        (ColorType::Rgb, BitDepth::Eight) => Some(3),
        (ColorType::Rgba, BitDepth::Eight) => Some(4),
        _ => None,
    })
}

/// Reads a PNG whose pixels are numbers below 256: the indices of a palette, not its colours, or grey values. The result has
/// one byte a pixel.
///
/// # Errors
/// As [`read_colours`].
pub(crate) fn read_indices(path: &Path, hint: &str, check: impl FnOnce(usize, usize) -> Result<()>) -> Result<Pixels> {
    let expected = "palette or grey of at most 8 bits, where a value is the number of a class";
    let kind = |color, depth| {
        (matches!(color, ColorType::Indexed | ColorType::Grayscale) && depth != BitDepth::Sixteen).then_some(1)
    };
    read(path, hint, expected, check, kind)
}

/// Refuses a picture of another height and width than `expected`, which `says` says.
///
/// # Errors
/// [`compexp_files::Error::Format`]
pub(crate) fn same_size(path: &Path, found: (usize, usize), expected: (usize, usize), says: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let found = format!("{} x {} (height x width)", found.0, found.1);
    Err(Error::format(path, "size", found, format!("{} x {}, {says}", expected.0, expected.1)))
}

fn read(
    path: &Path,
    hint: &str,
    expected: &str,
    check: impl FnOnce(usize, usize) -> Result<()>,
    channels: impl FnOnce(ColorType, BitDepth) -> Option<usize>,
) -> Result<Pixels> {
    let file = SourceFile::open(path).map_err(|e| missing(hint, e))?;
    let broken = |e| decoding(path, e);
    // Beside the output, a decoder needs a few rows and the 32 KiB window of deflate.
    let limits = Limits { bytes: 2 << 20 };
    let mut decoder = Decoder::new_with_limits(file.reader(), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let &Info { width, height, color_type, bit_depth, .. } = decoder.read_header_info().map_err(broken)?;
    let (height, width) = (height as usize, width as usize);
    check(height, width)?;
    let Some(channels) = channels(color_type, bit_depth) else {
        let found = format!("{color_type:?} of {} bits", bit_depth as u8);
        return Err(Error::format(path, "colour type", found, expected));
    };
    let mut reader = decoder.read_info().map_err(broken)?;
    let bits = bit_depth as usize;
    let row = (width * channels * bits).div_ceil(8);
    let mut bytes = vec![0; row * height]; // (height, row)
    let frame = reader.next_frame(&mut bytes).map_err(broken)?;
    if frame.buffer_size() != bytes.len() {
        return Err(Error::format(path, "first frame", "a part of the image", "the whole image"));
    }
    reader.finish().map_err(broken)?;
    if bits < 8 {
        // Pixels begin at the upper bits of a byte, and each row at a byte.
        let pixel = |row: &[u8], x: usize| row[x * bits / 8] >> (8 - bits - x * bits % 8) & ((1 << bits) - 1);
        bytes = bytes.chunks_exact(row).flat_map(|row| (0..width).map(move |x| pixel(row, x))).collect();
    }
    Ok(Pixels { height, width, channels, bytes })
}

fn decoding(path: &Path, error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::io("read", path)(source)
        }
        DecodingError::IoError(_) => Error::format(path, "contents", "an early end", "a whole PNG file"),
        other => Error::format(path, "contents", other.to_string(), "a valid PNG file"),
    }
}
