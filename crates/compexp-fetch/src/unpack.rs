//! Archives: unpacked into a folder, and nowhere else, within limits.
//!
//! An archive may be hostile. A name that leads out of the folder, a link, a device, a name that comes twice and an entry that
//! inflates beyond the limits are errors. Sizes that an archive states are not believed: what comes out is counted.

use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use compexp_files::{GrowingFile, SourceFile, is_there, make_folder};
use flate2::read::GzDecoder;
use serde::Deserialize;
use zip::ZipArchive;

use crate::error::{Error, Result};

/// What may stand behind the last entry of a tar archive: it is filled up to a whole record.
const REST: u64 = 1 << 20;

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Form {
    /// `.zip`, `.whl`
    #[serde(rename = "zip")]
    Zip,
    /// `.tar.gz`, `.tgz`
    #[serde(rename = "tar.gz")]
    TarGz,
}

/// What an archive may come to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The bytes of all that is unpacked.
    pub bytes: u64,
    /// The entries of the archive.
    pub entries: u64,
    /// How many times as long as the archive all that is unpacked may be. The first mebibyte is free.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, entries: 2_000_000, ratio: 100 }
    }
}

/// What is taken from an archive, and what it is called then.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// A file or folder of the archive.
    pub from: String,
    /// Its path in the folder that it is unpacked into.
    pub to: String,
}

/// The bytes that an archive says it comes to; none where it does not say.
///
/// # Errors
/// `Error::Archive` if it is broken; `Error::Files` if it cannot be read.
pub(crate) fn stated(path: &Path, form: Form, takes: &[Take]) -> Result<Option<u64>> {
    if form == Form::TarGz {
        return Ok(None);
    }
    let file = SourceFile::open(path)?;
    let mut archive = ZipArchive::new(file.reader()).map_err(|e| broken(path, e))?;
    let mut bytes = 0_u64;
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(|e| broken(path, e))?;
        let name = entry.name().map_err(|e| broken(path, e))?.into_owned();
        if place(&name, takes).is_some() {
            bytes = bytes.saturating_add(entry.size());
        }
    }
    Ok(Some(bytes))
}

/// Unpacks what `takes` name into `folder`, which exists and is empty. Returns the number of files.
///
/// # Errors
/// `Error::Archive` for an archive that is broken, hostile, too large, or lacks something; `Error::Files` if a file cannot be
/// read or written.
pub fn unpack(
    path: &Path,
    form: Form,
    takes: &[Take],
    folder: &Path,
    limits: Limits,
    watch: &mut dyn FnMut(u64),
) -> Result<u64> {
    let file = SourceFile::open(path)?;
    let room = limits.bytes.min(file.len().saturating_mul(limits.ratio).saturating_add(1 << 20));
    let mut work =
        Work { path, takes, folder, room, entries: limits.entries, files: 0, taken: vec![false; takes.len()], watch };
    match form {
        Form::Zip => zip(&file, &mut work)?,
        Form::TarGz => tar(&file, &mut work)?,
    }
    match takes.iter().zip(&work.taken).find(|(_, taken)| !**taken) {
        Some((take, _)) => Err(Error::archive(path, "entries", "none of this name", format!("`{}`", take.from))),
        None => Ok(work.files),
    }
}

fn zip(file: &SourceFile, work: &mut Work<'_>) -> Result<()> {
    let mut archive = ZipArchive::new(file.reader()).map_err(|e| broken(work.path, e))?;
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(|e| broken(work.path, e))?;
        let name = entry.name().map_err(|e| broken(work.path, e))?.into_owned();
        let kind = match entry.unix_mode().map(|mode| mode & 0o170_000) {
            Some(0o120_000) => Kind::Other("a link"),
            _ if name.ends_with('/') => Kind::Folder,
            Some(0o100_000 | 0) | None => Kind::File,
            Some(_) => Kind::Other("a device, a pipe or something else"),
        };
        work.entry(&name, kind, &mut entry)?;
    }
    Ok(())
}

fn tar(file: &SourceFile, work: &mut Work<'_>) -> Result<()> {
    let path = work.path;
    let cut = |e: io::Error| Error::archive(path, "tar", e.to_string(), "a whole archive: is the download complete?");
    let mut archive = tar::Archive::new(GzDecoder::new(file.reader()));
    for entry in archive.entries().map_err(cut)? {
        let mut entry = entry.map_err(cut)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| Error::archive(path, "name", "bytes that are not UTF-8", "UTF-8"))?;
        let kind = match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File,
            tar::EntryType::Directory => Kind::Folder,
            tar::EntryType::XGlobalHeader => continue,
            tar::EntryType::Symlink | tar::EntryType::Link => Kind::Other("a link"),
            _ => Kind::Other("a device, a pipe or something else"),
        };
        work.entry(&name, kind, &mut entry)?;
    }
    // The checksum stands behind the last entry.
    let mut rest = archive.into_inner().take(REST + 1);
    match io::copy(&mut rest, &mut io::sink()).map_err(cut)? {
        ..=REST => Ok(()),
        _ => Err(Error::archive(path, "the end", "more after the last entry", "nothing")),
    }
}

/// What an entry is.
enum Kind {
    File,
    Folder,
    Other(&'static str),
}

/// What is done, and what is left.
struct Work<'a> {
    path: &'a Path,
    takes: &'a [Take],
    folder: &'a Path,
    /// The bytes that may still be written.
    room: u64,
    /// The entries that may still come.
    entries: u64,
    files: u64,
    taken: Vec<bool>,
    watch: &'a mut dyn FnMut(u64),
}

impl Work<'_> {
    fn entry(&mut self, name: &str, kind: Kind, content: &mut dyn Read) -> Result<()> {
        let fail = |found: String, expected: &str| Err(Error::archive(self.path, format!("`{name}`"), found, expected));
        if self.entries == 0 {
            return fail("one entry too many".to_owned(), "an archive within the limit of entries");
        }
        self.entries -= 1;
        if !is_inside(name) {
            return fail("a name that leads out of the folder".to_owned(), "a path below it");
        }
        if let Kind::Other(what) = kind {
            return fail(what.to_owned(), "files and folders");
        }
        let Some((index, below)) = place(name, self.takes) else { return Ok(()) };
        let to = self.folder.join(below);
        if matches!(kind, Kind::Folder) {
            return Ok(make_folder(&to)?);
        }
        if is_there(&to)? {
            return fail("a name that comes twice".to_owned(), "each name once");
        }
        if let Some(parent) = to.parent() {
            make_folder(parent)?;
        }
        // One more than there is room for, to tell that there is more.
        let mut content = content.take(self.room.saturating_add(1));
        let mut broken = None;
        GrowingFile::open(&to)?.write_at(0, |file| {
            let mut buffer = vec![0; 1 << 16];
            loop {
                match content.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(n) => file.write_all(&buffer[..n])?,
                    Err(e) => {
                        broken = Some(e);
                        return Ok(());
                    }
                }
            }
        })?;
        let written = self.room.saturating_add(1) - content.limit();
        if let Some(e) = broken {
            return fail(e.to_string(), "its content as it was packed: is the download complete?");
        }
        if written > self.room {
            return fail("more bytes than the limits allow".to_owned(), "an archive that is no bomb");
        }
        self.room -= written;
        self.files += 1;
        self.taken[index] = true;
        (self.watch)(written);
        Ok(())
    }
}

/// Which of the takes an entry belongs to, and where it goes.
fn place(name: &str, takes: &[Take]) -> Option<(usize, PathBuf)> {
    let name = name.trim_start_matches("./");
    takes.iter().enumerate().find_map(|(index, take)| {
        let below = name.strip_prefix(take.from.trim_end_matches('/'))?;
        match below.strip_prefix('/') {
            Some(below) => Some((index, Path::new(&take.to).join(below))),
            None if below.is_empty() => Some((index, PathBuf::from(&take.to))),
            None => None,
        }
    })
}

/// Whether a name stays below the folder that it is joined to, on every system.
pub(crate) fn is_inside(name: &str) -> bool {
    let strange = |c: char| c == '\\' || c == ':' || c.is_control();
    !name.is_empty()
        && !name.contains(strange)
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn broken(path: &Path, error: zip::result::ZipError) -> Error {
    Error::archive(path, "zip", error.to_string(), "a whole archive: is the download complete?")
}

#[cfg(test)]
mod tests;
