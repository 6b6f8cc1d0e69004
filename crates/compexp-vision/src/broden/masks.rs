//! Label PNGs: RGB images whose pixels are the label numbers R + 256 G.

use std::path::{Path, PathBuf};

use compexp_core::probe::{Annotation, AnnotationSource, Grid};
use compexp_files::SourceFile;
use png::{BitDepth, ColorType, Decoder, DecodingError, Limits};

use super::index::Cells;
use super::labels::Labels;
use super::table::missing;
use crate::error::{Error, Result};

/// The annotations of a Broden folder, read from its label PNGs when needed.
pub(super) struct Masks {
    pub(super) image_root: PathBuf,
    pub(super) grid: Grid,
    pub(super) labels: Labels,
    /// Example by example.
    pub(super) cells: Vec<Cells>,
}

impl AnnotationSource for Masks {
    fn n_examples(&self) -> usize {
        self.cells.len()
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        let cells = self.cells.get(example).ok_or_else(|| {
            let expected = format!("less than {}", self.cells.len());
            compexp_core::Error::mismatch("example of the probe set", example, expected)
        })?;
        into.clear();
        into.scalars.extend_from_slice(&cells.scalars);
        let mut pixels = Vec::new();
        for name in &cells.masks {
            read_layer(&self.image_root.join(&**name), self.grid, &self.labels, &mut pixels, &mut into.layers)
                .map_err(|e| compexp_core::Error::Annotation { example, source: Box::new(e) })?;
        }
        Ok(())
    }
}

/// Appends the labels of a PNG of `grid`'s size to `layers`, row by row.
///
/// The blue channel, and alpha if there is one, is not looked at, as in the reference. `pixels` is scratch memory.
///
/// # Errors
/// [`compexp_files::Error::Io`] for a missing file; [`compexp_files::Error::Format`] for a file that is corrupt or cut off, of another size than
/// `grid`, neither RGB nor RGBA of 8 bits, or with a number that `labels` lacks.
fn read_layer(path: &Path, grid: Grid, labels: &Labels, pixels: &mut Vec<u8>, layers: &mut Vec<u32>) -> Result<()> {
    let file = SourceFile::open(path).map_err(|e| missing("the index names it", e))?;
    let broken = |e| decoding(path, e);
    // Beside the output, a decoder needs a few rows and the 32 KiB window of deflate.
    let limits = Limits { bytes: (1 << 20) + 16 * grid.width };
    let mut decoder = Decoder::new_with_limits(file.reader(), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    let size = (header.height as usize, header.width as usize);
    if size != (grid.height, grid.width) {
        let found = format!("{} x {} (height x width)", size.0, size.1);
        let expected = format!("{} x {}, as `sh` and `sw` of the index say", grid.height, grid.width);
        return Err(Error::format(path, "size", found, expected));
    }
    let channels = match (header.color_type, header.bit_depth) {
        (ColorType::Rgb, BitDepth::Eight) => 3,
        (ColorType::Rgba, BitDepth::Eight) => 4,
        (color, depth) => {
            let found = format!("{color:?} of {} bits", depth as u8);
            return Err(Error::format(path, "colour type", found, "RGB of 8 bits, where label = R + 256 G"));
        }
    };
    let mut reader = decoder.read_info().map_err(broken)?;
    pixels.clear();
    pixels.resize(grid.positions() * channels, 0); // (height, width, channels)
    let frame = reader.next_frame(pixels).map_err(broken)?;
    if frame.buffer_size() != pixels.len() {
        return Err(Error::format(path, "first frame", "a part of the image", "the whole image"));
    }
    reader.finish().map_err(broken)?;

    layers.reserve(grid.positions());
    let mut last = 0;
    for (at, pixel) in pixels.chunks_exact(channels).enumerate() {
        let label = u32::from(pixel[0]) | u32::from(pixel[1]) << 8;
        if label != last && label != 0 && !labels.contains(label) {
            let field = format!("row {}, column {} (from 0)", at / grid.width, at % grid.width);
            return Err(Error::format(path, field, format!("label {label}"), "a number that label.csv lists, or 0"));
        }
        last = label;
        layers.push(if label == 0 { Annotation::NONE } else { label });
    }
    Ok(())
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
