//! How far a store of activations is, with the hash of every part, so that only what is right is kept on resumption.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use compexp_files::{ContentHash, write_elements};

use crate::error::{Error, Result};

/// The bytes of a record: the example after the part (u64, little endian), and a hash.
const RECORD: usize = 8 + 32;

/// Hexadecimal digits of a hash that are kept: the first 32, as text.
const KEPT: usize = 32;

/// The file of records, one for each part of a store.
#[derive(Debug)]
pub(crate) struct Progress {
    file: File,
    path: PathBuf,
    next: usize,
}

impl Progress {
    /// Opens the records at `path`, and cuts off those that do not fit: `whole` examples are in the arrays, and `read` gives
    /// the bytes of each array for the examples from the first number to the second.
    ///
    /// # Errors
    /// `Error::File`
    pub(crate) fn open(path: &Path, whole: usize, read: impl Fn(usize, usize) -> Result<Vec<Vec<u8>>>) -> Result<Self> {
        let fail = |op| Error::io(op, path);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(fail("open"))?;
        let mut records = Vec::new();
        // No more records than examples count.
        let most = (whole as u64).saturating_mul(RECORD as u64);
        (&mut file).take(most).read_to_end(&mut records).map_err(fail("read"))?;
        let (mut next, mut kept) = (0, 0_u64);
        for record in records.chunks_exact(RECORD) {
            let (end, expected) = record.split_at(8);
            let end = end.try_into().map_or(0, u64::from_le_bytes);
            let Some(end) = usize::try_from(end).ok().filter(|end| (next + 1..=whole).contains(end)) else { break };
            let parts = read(next, end)?;
            if hash(end, parts.iter().map(Vec::as_slice)) != expected {
                break;
            }
            (next, kept) = (end, kept + RECORD as u64);
        }
        file.set_len(kept).and_then(|()| file.seek(SeekFrom::End(0))).map_err(fail("write"))?;
        Ok(Self { file, path: path.to_owned(), next })
    }

    /// The first example that is not there.
    pub(crate) fn next(&self) -> usize {
        self.next
    }

    /// Records that the examples before `end` are there; `parts` are the values that each array got.
    ///
    /// # Errors
    /// `Error::File`; the part can then be recorded again.
    pub(crate) fn append(&mut self, end: usize, parts: &[&[f32]]) -> Result<()> {
        let mut bytes = Vec::new();
        for part in parts {
            let mut of_part = Vec::with_capacity(part.len() * 4);
            write_elements(&mut of_part, part).map_err(Error::io("write", &self.path))?;
            bytes.push(of_part);
        }
        let mut record = (end as u64).to_le_bytes().to_vec();
        record.extend(hash(end, bytes.iter().map(Vec::as_slice)));
        let at = self.file.stream_position().map_err(Error::io("write", &self.path))?;
        let written = self.file.write_all(&record);
        if written.is_err() {
            // Half a record would part those after it wrongly.
            let _ = self.file.set_len(at).and_then(|()| self.file.seek(SeekFrom::Start(at)));
        }
        written.map_err(Error::io("write", &self.path))?;
        self.next = end;
        Ok(())
    }
}

fn hash<'a>(end: usize, parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut hash = ContentHash::new("part");
    hash.field("end", &(end as u64).to_le_bytes());
    for part in parts {
        hash.field("values", part);
    }
    hash.finish().as_bytes()[..KEPT].to_vec()
}
