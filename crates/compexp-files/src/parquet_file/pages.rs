//! The bytes of a Parquet file, within limits: what the header of a page claims is checked before memory is allocated for it.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::SourceFile;

/// A page may come to this many bytes, whatever its size in the file.
const FREE: u64 = 16 << 20;
/// Beyond that, to this many times its size in the file. Text comes to 10 times, runs of equal values within [`FREE`].
const RATIO: u64 = 100;

/// The bytes of a file, as the `parquet` crate asks for them.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    pub(super) file: Arc<SourceFile>,
    /// Whether a reader from a position on begins with the header of a page.
    pub(super) pages: bool,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        if self.pages {
            self.check_header(start)?;
        }
        Ok(BufReader::with_capacity(4096, Rest { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // Before memory is allocated.
        if start.checked_add(length as u64).is_none_or(|end| end > self.file.len()) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start}, of {} in all", self.file.len())));
        }
        let mut bytes = vec![0; length];
        self.file.read_at(&mut bytes, start).map_err(|e| ParquetError::External(Box::new(e)))?;
        Ok(bytes.into())
    }
}

impl Chunks {
    /// Refuses a page that claims to be far larger than its bytes: the decoder allocates what the header claims.
    ///
    /// A header is a Thrift struct in the compact form. It begins with three numbers: the kind, the size of the contents, and
    /// the size in the file.
    fn check_header(&self, start: u64) -> Result<()> {
        let mut bytes = [0; 24];
        let n = bytes.len().min(self.file.len().saturating_sub(start) as usize);
        self.file.read_at(&mut bytes[..n], start).map_err(|e| ParquetError::External(Box::new(e)))?;
        let mut rest = &bytes[..n];
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = field(&mut rest).ok_or_else(|| refused(format!("header of the page at {start}")))?;
        }
        let [_, whole, stored] = numbers.map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        if whole > FREE.max(RATIO.saturating_mul(stored)) || stored > self.file.len() {
            return Err(refused(format!("page of {whole} bytes made from {stored} bytes at {start}")));
        }
        Ok(())
    }
}

/// The next field of a Thrift struct, if it is the next in number and an `i32`.
fn field(bytes: &mut &[u8]) -> Option<i64> {
    let (&kind, mut rest) = bytes.split_first()?;
    if kind != 0x15 {
        return None;
    }
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            *bytes = rest;
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn refused(what: String) -> ParquetError {
    ParquetError::General(format!("implausible {what}"))
}

/// The file from a position on.
#[derive(Debug)]
pub(super) struct Rest {
    file: Arc<SourceFile>,
    at: u64,
}

impl Read for Rest {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.file.len().saturating_sub(self.at) as usize);
        self.file.read_at(&mut buf[..n], self.at).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}
