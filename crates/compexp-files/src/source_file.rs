//! Files read by position, which notice that they change under the reader's hands.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, Result};

/// The longest text that is read whole.
const MAX_TEXT: u64 = 1 << 30;

/// A file open for positioned reads, with its length and time of change as they were when it was opened.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    file: File,
    len: u64,
    modified: Option<SystemTime>,
}

impl SourceFile {
    /// Opens a regular file; anything else could block, or has no length.
    pub fn open(path: &Path) -> Result<Self> {
        let kind = std::fs::metadata(path).map_err(Error::io("open", path))?;
        if !kind.is_file() {
            let what = if kind.is_dir() { "this is a folder, not a file" } else { "this is not a regular file" };
            return Err(Error::io("open", path)(io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        let meta = file.metadata().map_err(Error::io("open", path))?;
        Ok(Self { path: path.to_owned(), file, len: meta.len(), modified: meta.modified().ok() })
    }

    /// Its path, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length in bytes when the file was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] where the file is not what it was when it was opened.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let read = read_exact_at(&self.file, buf, offset);
        if let Err(e) = &read
            && e.kind() != io::ErrorKind::UnexpectedEof
        {
            return read.map_err(Error::io("read", &self.path));
        }
        // Looked at after the read, so that what was read is of the file that was opened.
        let now = self.file.metadata().map_err(Error::io("read", &self.path))?;
        if now.len() != self.len {
            return Err(self.changed("length", format!("{} bytes", now.len()), format!("{} bytes", self.len)));
        }
        if now.modified().ok() != self.modified {
            return Err(self.changed("time of change", "a later one".into(), "the one it was opened with".into()));
        }
        read.map_err(Error::io("read", &self.path))
    }

    /// The whole file, without the byte order mark that some editors put before a text.
    pub fn read_text(&self) -> Result<Vec<u8>> {
        if self.len > MAX_TEXT {
            let found = format!("{} bytes", self.len);
            return Err(Error::format(&self.path, "length", found, format!("a text of at most {MAX_TEXT} bytes")));
        }
        let mut text = vec![0; self.len as usize];
        self.read_at(&mut text, 0)?;
        if text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        Ok(text)
    }

    fn changed(&self, field: &str, found: String, expected: String) -> Error {
        let hint = "the file changed while it was being read; run again when it is complete";
        Error::format(&self.path, field, found, format!("{expected}: {hint}"))
    }
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buf, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
