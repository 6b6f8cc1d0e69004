//! Photographs as they come: cameras store what their sensor saw, and a tag that says how to turn it upright.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::image::{Header, Image, read_file};
use crate::png_file::same_size;

/// The file of a photograph, and whether its orientation tag is applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Photo {
    /// The file.
    pub path: PathBuf,
    /// Whether pixels are turned as the file's orientation tag says. Without such a tag, or with a damaged one, they stay as they
    /// are stored.
    pub upright: bool,
}

impl Photo {
    /// The photograph with its pixels as they are stored.
    pub fn stored(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), upright: false }
    }

    /// The photograph upright.
    pub fn upright(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), upright: true }
    }

    /// The photograph whose annotation is of this height and width: as it is stored if that has the size, else upright. Where
    /// both have it (squares, pictures that are mirrored or upside down), it is as it is stored.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if neither has the size, which `says` says; the errors of [`Header::read`].
    pub fn of_size(path: impl Into<PathBuf>, size: (usize, usize), says: &str) -> Result<Self> {
        let path = path.into();
        let header = Header::read(&path)?;
        Ok(Self { upright: upright_for(&path, header, size, says)?, path })
    }

    /// Reads and decodes it.
    ///
    /// # Errors
    /// The errors of [`Image::read`].
    pub fn read(&self) -> Result<Image> {
        self.decode(&read_file(&self.path)?)
    }

    /// Decodes its file, whose bytes are these.
    ///
    /// # Errors
    /// The errors of [`Image::decode`].
    pub fn decode(&self, bytes: &[u8]) -> Result<Image> {
        let image = Image::decode(bytes, &self.path)?;
        match self.upright {
            true => image.turned(Header::decode(bytes, &self.path)?.orientation),
            false => Ok(image),
        }
    }
}

/// Whether a photograph must be turned upright to have the height and width `size`.
///
/// # Errors
/// As [`Photo::of_size`].
pub(crate) fn upright_for(path: &Path, header: Header, size: (usize, usize), says: &str) -> Result<bool> {
    if header.stored() != size && header.upright() == size {
        return Ok(true);
    }
    same_size(path, header.stored(), size, says)?;
    Ok(false)
}
