//! Parquet files of pictures and masks, as data sets on the Hugging Face hub are: unpacked into folders of pictures and of masks,
//! which [`crate::annotations::mask_dir`] reads.

use std::path::{Path, PathBuf};

use compexp_core::explain::Progress;
use compexp_files::{Cell, ParquetFile, Place, StagedFolder, entries, make_folder, write_unsynced};
use image::ImageFormat;

use crate::error::{Error, Result};
use crate::image::{FORMATS, known_format};

/// The folder of the pictures within the folder that is written.
pub const IMAGES: &str = "images";
/// The folder of the masks.
pub const MASKS: &str = "masks";

/// The column of the pictures.
const IMAGE: &str = "image";
/// The columns that may hold the masks; the first that is there counts.
const MASK: [&str; 3] = ["annotation", "segmentation", "label"];
/// The longest part of a file's own name that is kept.
const MAX_STEM: usize = 80;

/// Writes the pictures and masks of `tables` into the folder `out`, in the order of the rows: `images/0000012-NAME.jpg` and
/// `masks/0000012-NAME.png`, numbered from 0, where `NAME` is that of the picture's file if the table has it. The bytes of the files
/// are not changed. A table is a Parquet file, or a folder of such files, which are taken in the order of their names. Returns the
/// number of pictures.
///
/// The folder appears when all files are written; what was there before goes.
///
/// # Errors
/// [`compexp_files::Error::Io`] if a file cannot be read or written; [`compexp_files::Error::Format`] if a table has no columns of
/// pictures and masks, a picture has a format that is not read, a mask is no PNG, or a row lacks one of the two.
pub fn unpack(tables: &[PathBuf], out: &Path, progress: &dyn Progress) -> Result<usize> {
    let mut shards = Vec::new();
    for table in tables {
        shards.extend(shards_of(table)?);
    }
    let files = shards.iter().map(|shard| ParquetFile::open(shard)).collect::<Result<Vec<_>, _>>()?;
    let total = files.iter().map(ParquetFile::n_rows).sum::<u64>();
    progress.stage("pictures", "pictures", usize::try_from(total).unwrap_or(usize::MAX));
    let folder = StagedFolder::create(out)?;
    let [images, masks] = [IMAGES, MASKS].map(|name| folder.path().join(name));
    make_folder(&images)?;
    make_folder(&masks)?;
    let mut n = 0;
    for (file, path) in files.iter().zip(&shards) {
        let mut columns = vec![file.column(&[IMAGE])?, file.column(&MASK)?];
        columns.extend(file.within(IMAGE, "path")?);
        file.for_each_row::<Error>(&columns, |row, cells| {
            let [image, mask, name @ ..] = cells else { return Ok(()) };
            let wrong = |what: &str, cell, expected: &str| {
                Error::format(path, format!("{what} of row {row} (from 0)"), found(cell), expected)
            };
            let format = format(image).ok_or_else(|| wrong("picture", image, FORMATS))?;
            let ending = format.extensions_str().first().copied().unwrap_or_default();
            let stem = format!("{n:07}{}", name.first().map(stem).unwrap_or_default());
            write_cell(&images.join(format!("{stem}.{ending}")), image)?;
            if self::format(mask) != Some(ImageFormat::Png) {
                return Err(wrong("mask", mask, "a PNG file"));
            }
            write_cell(&masks.join(format!("{stem}.png")), mask)?;
            n += 1;
            progress.done(n);
            Ok(())
        })?;
    }
    folder.finish()?;
    Ok(n)
}

/// The format of a picture in a cell, if it is one that is read.
fn format(cell: &Cell<'_>) -> Option<ImageFormat> {
    match cell {
        Cell::Bytes(bytes) => known_format(bytes),
        _ => None,
    }
}

/// The Parquet files of a table.
fn shards_of(table: &Path) -> Result<Vec<PathBuf>> {
    if Place::behind(table)? != Place::Folder {
        return Ok(vec![table.to_owned()]);
    }
    let is_shard = |path: &PathBuf| path.extension().is_some_and(|end| end == "parquet");
    let mut shards: Vec<PathBuf> = entries(table)?.into_iter().map(|entry| entry.path).filter(is_shard).collect();
    shards.sort();
    match shards.is_empty() {
        true => Err(Error::format(table, "tables", "none", "files `*.parquet`")),
        false => Ok(shards),
    }
}

/// What a cell holds that should be a picture.
fn found(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Int(value) => format!("the number {value}"),
        Cell::Bytes(bytes) => format!("first bytes {:02x?}", &bytes[..bytes.len().min(4)]),
    }
}

/// A part of a file's name from the path that a table states: plain letters, so that it leads nowhere.
fn stem(path: &Cell<'_>) -> String {
    let Cell::Bytes(path) = path else { return String::new() };
    let path = String::from_utf8_lossy(path);
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let stem: String = stem.chars().take(MAX_STEM).map(plain).collect();
    if stem.is_empty() { stem } else { format!("-{stem}") }
}

fn write_cell(path: &Path, cell: &Cell<'_>) -> Result<()> {
    let Cell::Bytes(bytes) = cell else { return Ok(()) };
    Ok(write_unsynced(path, bytes)?)
}
