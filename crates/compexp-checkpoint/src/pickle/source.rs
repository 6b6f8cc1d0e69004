//! Bytes of a pickle, taken one after the other and never past their end.

use crate::Error;
use std::io::{BufRead, Read};

/// A reader that knows how many bytes are left, so that every declared length is checked before it is used.
pub(crate) struct Source<R> {
    inner: R,
    at: u64,
    end: u64,
}

impl<R: BufRead> Source<R> {
    /// Reads from `inner`, which is at byte `at` and ends at byte `end`.
    pub(crate) fn new(inner: R, at: u64, end: u64) -> Self {
        Source { inner, at, end }
    }

    /// The present position, counted like the constructor's `at`.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.check("a pickle instruction", N as u64)?;
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    pub(crate) fn bytes(&mut self, n: u64) -> Result<Vec<u8>, Error> {
        self.check("a string in the pickle", n)?;
        let mut bytes = Vec::with_capacity(n as usize);
        if (&mut self.inner).take(n).read_to_end(&mut bytes)? as u64 != n {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        self.at += n;
        Ok(bytes)
    }

    /// The bytes up to the next newline, without it.
    pub(crate) fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        let left = self.end - self.at;
        (&mut self.inner).take(left).read_until(b'\n', &mut line)?;
        let at = self.at;
        self.at += line.len() as u64;
        if line.pop() != Some(b'\n') {
            return Err(Error::Truncated { what: "a line of the pickle", at, needed: left + 1, left });
        }
        Ok(line)
    }

    fn check(&self, what: &'static str, needed: u64) -> Result<(), Error> {
        let left = self.end - self.at;
        if needed > left {
            return Err(Error::Truncated { what, at: self.at, needed, left });
        }
        Ok(())
    }
}
