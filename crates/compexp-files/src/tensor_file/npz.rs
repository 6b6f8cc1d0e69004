//! Arrays in `.npz` archives of NumPy: zip files whose entries are `.npy` files, stored as they are or deflated.

use std::io::{self, Read};
use std::sync::Arc;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::TensorFile;
use crate::source_file::{SourceFile, SourceReader};
use crate::{Error, Result, listed};

/// What the names of entries end with.
const SUFFIX: &str = ".npy";

/// Deflate makes at most this many bytes of one.
const MAX_RATIO: u64 = 1032;

/// The bytes of a file that are an array with its header.
pub(super) enum Content {
    /// A run of them.
    Section {
        /// The first one.
        start: u64,
        /// How many they are.
        len: u64,
    },
    /// They were unpacked.
    Memory(Vec<u8>),
}

/// Whether a file is a zip archive of `.npy` files. A file that is no whole archive is not one.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read.
pub fn is_npz(file: &SourceFile) -> Result<bool> {
    match ZipArchive::new(file.reader()) {
        Ok(archive) => Ok(archive.file_names().any(|name| name.ok().is_some_and(|name| name.ends_with(SUFFIX)))),
        Err(ZipError::Io(e)) if e.kind() != io::ErrorKind::UnexpectedEof => Err(Error::io("read", file.path())(e)),
        Err(_) => Ok(false),
    }
}

/// The text in an entry that NumPy writes for a byte string, such as `format` of a matrix of `scipy.sparse.save_npz`; none if
/// there is no such entry, or it holds something else.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read.
pub fn npz_text(file: &SourceFile, name: &str) -> Result<Option<String>> {
    let Ok(mut archive) = ZipArchive::new(file.reader()) else { return Ok(None) };
    let Ok(entry) = archive.by_name(&format!("{name}{SUFFIX}")) else { return Ok(None) };
    let mut bytes = Vec::new();
    match entry.take(1 << 12).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => return Ok(None),
        Err(e) => return Err(Error::io("read", file.path())(e)),
    }
    // Version 1 has the length of the header in bytes 8 and 9; the type is `|S3` for three bytes.
    let Some(&[low, high]) = bytes.get(8..10) else { return Ok(None) };
    let end = 10 + usize::from(u16::from_le_bytes([low, high]));
    let Some((header, text)) = bytes.split_at_checked(end) else { return Ok(None) };
    let is_text = header.windows(3).any(|part| part == b"'|S");
    Ok(std::str::from_utf8(text).ok().filter(|_| is_text).map(|text| text.trim_end_matches('\0').to_owned()))
}

/// Opens the array of this name, with or without `.npy`; none for the only one. A stored array is read by position; a deflated
/// one is inflated into memory. All bytes are read once, to compare the checksum.
pub(super) fn open(file: Arc<SourceFile>, name: Option<&str>, dtypes: &str) -> Result<TensorFile> {
    let shared = file.clone();
    let error = |field: &str, found: String, expected: String| Error::format(shared.path(), field, found, expected);
    let broken = |e: ZipError| match e {
        ZipError::Io(e) => Error::io("read", shared.path())(e),
        e => error("archive", e.to_string(), "a whole .npz file: is the download complete?".to_owned()),
    };
    let mut archive = ZipArchive::new(shared.reader()).map_err(broken)?;
    let mut entries = Vec::new();
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(broken)?;
        if let Some(name) = entry.name().map_err(broken)?.strip_suffix(SUFFIX) {
            entries.push((name.to_owned(), i));
        }
    }
    let names: Vec<&str> = entries.iter().map(|entry| &*entry.0).collect();
    let wanted = match (name, &names[..]) {
        (Some(name), _) => name.strip_suffix(SUFFIX).unwrap_or(name),
        (None, [only]) => only,
        (None, _) => {
            let expected = format!("a single array, or the name of one after `#`: {}", listed(&names));
            return Err(error("arrays", names.len().to_string(), expected));
        }
    };
    let Some(&(_, at)) = entries.iter().find(|entry| entry.0 == wanted) else {
        return Err(error("array name", format!("`{wanted}`"), format!("one of {}", listed(&names))));
    };
    let content = read_entry(&mut archive, at, &shared, wanted)?;
    TensorFile::open_npy(file, Some(wanted.to_owned()), content, dtypes)
}

/// Where the array of an entry is, after a look at its checksum; its bytes, if it is compressed.
fn read_entry(
    archive: &mut ZipArchive<io::BufReader<SourceReader<'_>>>,
    at: usize,
    file: &SourceFile,
    name: &str,
) -> Result<Content> {
    let error = |field: &str, found: String, expected: &str| {
        Error::format(file.path(), format!("{field} of array `{name}`"), found, expected)
    };
    let damaged = |e: ZipError| error("content", e.to_string(), "an entry that zip archives have");
    let entry = archive.by_index_raw(at).map_err(damaged)?;
    let (method, start) = (entry.compression(), entry.data_start().unwrap_or(u64::MAX));
    let (packed, len) = (entry.compressed_size(), entry.size());
    if entry.encrypted() || !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
        let found = if entry.encrypted() { "encryption".to_owned() } else { method.to_string() };
        return Err(error("compression", found, "none, or that of `numpy.savez_compressed`"));
    }
    let stored = method == CompressionMethod::Stored;
    drop(entry);
    if packed > file.len().saturating_sub(start) || (stored && packed != len) || len / MAX_RATIO > packed {
        let found = format!("{len} bytes in {packed} from byte {start} on");
        return Err(error("length", found, &format!("what fits the file of {} bytes", file.len())));
    }
    let mut entry = archive.by_index(at).map_err(damaged)?;
    let read = |read: io::Result<u64>| match read {
        Ok(found) if found == len => Ok(()),
        Ok(found) => Err(error("length", format!("{found} bytes"), &format!("{len} bytes"))),
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => Err(error(
            "content",
            e.to_string(),
            "bytes with the checksum of the entry: the file is damaged, get it again",
        )),
        Err(e) => Err(Error::io("read", file.path())(e)),
    };
    if stored {
        read(io::copy(&mut entry, &mut io::sink()))?;
        return Ok(Content::Section { start, len });
    }
    let mut bytes = Vec::new();
    let reserved = usize::try_from(len).is_ok_and(|len| bytes.try_reserve_exact(len).is_ok());
    if !reserved {
        let expected = "an array that fits in memory: save it with `numpy.savez`, which does not compress";
        return Err(error("length", format!("{len} bytes, compressed"), expected));
    }
    read(entry.take(len).read_to_end(&mut bytes).map(|n| n as u64))?;
    Ok(Content::Memory(bytes))
}
