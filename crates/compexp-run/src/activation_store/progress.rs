//! How far a store of activations is, with the hash of every part, so that only what is right is kept on resumption.

use std::io::Write;
use std::path::Path;

use compexp_files::{ContentHash, GrowingFile, NpyElement};

use crate::error::Result;

/// The bytes of a record: the example after the part (u64, little endian), and a hash.
const RECORD: usize = 8 + 32;

/// Hexadecimal digits of a hash that are kept: the first 32, as text.
const KEPT: usize = 32;

/// The file of records, one for each part of a store.
#[derive(Debug)]
pub(super) struct Progress {
    file: GrowingFile,
    /// Where the records end.
    end: u64,
    next: usize,
}

impl Progress {
    /// Opens the records at `path`, and cuts off those that do not fit: `whole` examples are in the arrays, and `read` gives
    /// the bytes of each array for the examples from the first number to the second.
    ///
    /// # Errors
    /// `Error::File`
    pub(super) fn open(path: &Path, whole: usize, read: impl Fn(usize, usize) -> Result<Vec<Vec<u8>>>) -> Result<Self> {
        let file = GrowingFile::open(path)?;
        // No more records than examples count.
        let most = (whole as u64).saturating_mul(RECORD as u64);
        let mut records = vec![0; file.bytes()?.min(most) as usize];
        file.read_at(&mut records, 0)?;
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
        file.cut(kept)?;
        Ok(Self { file, end: kept, next })
    }

    /// The first example that is not there.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// Records that the examples before `end` are there; `parts` are the values that each array got.
    ///
    /// # Errors
    /// `Error::File`; the part can then be recorded again.
    pub(super) fn append(&mut self, end: usize, parts: &[&[f32]]) -> Result<()> {
        let bytes: Vec<Vec<u8>> = parts
            .iter()
            .map(|part| {
                let mut bytes = Vec::with_capacity(part.len() * f32::SIZE);
                f32::append_bytes(part, &mut bytes);
                bytes
            })
            .collect();
        let mut record = (end as u64).to_le_bytes().to_vec();
        record.extend(hash(end, bytes.iter().map(Vec::as_slice)));
        let written = self.file.write_at(self.end, |to| to.write_all(&record));
        if written.is_err() {
            // Half a record would part those after it wrongly.
            let _ = self.file.cut(self.end);
        }
        written?;
        self.end += record.len() as u64;
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
