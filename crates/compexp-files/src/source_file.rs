//! The one way to open a file for reading: plain files only, by position, within limits, and noticing that they change
//! under the reader's hands.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::text::text_of;
use crate::{Error, Result};

/// The longest text that is read whole, where the caller names no limit.
const MAX_TEXT: u64 = 1 << 30;

/// A file open for positioned reads, with its length and time of change as they were when it was opened.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    /// None if each read opens it anew.
    file: Option<File>,
    len: u64,
    modified: Option<SystemTime>,
}

impl SourceFile {
    /// Opens a plain file, or a link to one. A pipe could block for ever, and a device has no end.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no such file, it may not be read, or it is a folder, a pipe, a socket or a device.
    pub fn open(path: &Path) -> Result<Self> {
        // Looked at before it is opened, since opening a device may set it going, and after, since the path may lead
        // elsewhere by then.
        expect_plain(path, &std::fs::metadata(path).map_err(Error::io("open", path))?)?;
        Self::open_unseen(path)
    }

    /// Opens a path that nobody has looked at, and looks at what was opened.
    fn open_unseen(path: &Path) -> Result<Self> {
        let file = open_plain(path)?;
        let meta = file.metadata().map_err(Error::io("open", path))?;
        Ok(Self { path: path.to_owned(), file: Some(file), len: meta.len(), modified: meta.modified().ok() })
    }

    /// The same, which no longer holds the file open: each read opens it anew. For those that read more files than a process
    /// may have open.
    pub fn released(self) -> Self {
        Self { file: None, ..self }
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
        let opened;
        let file = match &self.file {
            Some(file) => file,
            None => {
                opened = open_plain(&self.path)?;
                &opened
            }
        };
        let read = read_exact_at(file, buf, offset);
        if let Err(e) = &read
            && e.kind() != io::ErrorKind::UnexpectedEof
        {
            return read.map_err(Error::io("read", &self.path));
        }
        // Looked at after the read, so that what was read is of the file that was opened.
        let now = file.metadata().map_err(Error::io("read", &self.path))?;
        if now.len() != self.len {
            return Err(self.changed("length", format!("{} bytes", now.len()), format!("{} bytes", self.len)));
        }
        if now.modified().ok() != self.modified {
            return Err(self.changed("time of change", "a later one".into(), "the one it was opened with".into()));
        }
        read.map_err(Error::io("read", &self.path))
    }

    /// The whole file, which may have at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Format`] where it is longer, and as [`Self::read_at`].
    pub fn read_all(&self, limit: u64) -> Result<Vec<u8>> {
        if self.len > limit {
            let (found, expected) = (format!("{} bytes", self.len), format!("at most {limit} bytes"));
            return Err(Error::format(&self.path, "length", found, expected));
        }
        let mut bytes = vec![0; self.len as usize];
        self.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// The text of the whole file of at most 1 GiB, which is UTF-8, without the byte order mark that some editors put
    /// before a text.
    ///
    /// # Errors
    /// `Error::Format` if the file is longer or not UTF-8; the errors of [`Self::read_at`].
    pub fn read_text(&self) -> Result<String> {
        text_of(&self.path, self.read_all(MAX_TEXT)?)
    }

    /// Reads the file in order, or from where [`Seek`] leads, through a buffer.
    pub fn reader(&self) -> BufReader<SourceReader<'_>> {
        BufReader::with_capacity(1 << 16, SourceReader { file: self, at: 0 })
    }

    fn changed(&self, field: &str, found: String, expected: String) -> Error {
        let hint = "the file changed while it was being read; run again when it is complete";
        Error::format(&self.path, field, found, format!("{expected}: {hint}"))
    }
}

/// Opens a path without waiting for anybody, and looks at what was opened.
fn open_plain(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe would wait for its writer; of a plain file nothing changes.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path).map_err(Error::io("open", path))?;
    expect_plain(path, &file.metadata().map_err(Error::io("open", path))?)?;
    Ok(file)
}

/// Reads a [`SourceFile`] in order: never beyond the length that it was opened with. Its errors are those of
/// [`SourceFile::read_at`] within an [`io::Error`].
#[derive(Debug)]
pub struct SourceReader<'a> {
    file: &'a SourceFile,
    at: u64,
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.file.len.saturating_sub(self.at);
        let n = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if n > 0 {
            self.file.read_at(&mut buf[..n], self.at).map_err(|e| match e {
                Error::Io { source, .. } => source,
                other => io::Error::other(other),
            })?;
            self.at += n as u64;
        }
        Ok(n)
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.file.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position before the file"))?;
        Ok(self.at)
    }
}

/// The bytes of a plain file of at most `limit` bytes.
///
/// # Errors
/// As [`SourceFile::open`] and [`SourceFile::read_all`].
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>> {
    SourceFile::open(path)?.read_all(limit)
}

/// The text of a plain UTF-8 file of at most `limit` bytes, without a byte order mark.
///
/// # Errors
/// `Error::Io` if it cannot be read; `Error::Format` if it is longer or not UTF-8, with the place of the first byte that is
/// not.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    text_of(path, read_bytes(path, limit)?)
}

fn expect_plain(path: &Path, meta: &std::fs::Metadata) -> Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    let what = if meta.is_dir() {
        "this is a folder, not a file"
    } else {
        "this is a pipe, a socket or a device, not a plain file"
    };
    Err(Error::io("open", path)(io::Error::new(io::ErrorKind::InvalidInput, what)))
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

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn a_reader_gives_the_bytes_of_the_file_from_anywhere() {
        let scratch = Scratch::new();
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let file = SourceFile::open(&scratch.write("a", &bytes)).unwrap();
        let mut all = Vec::new();
        file.reader().read_to_end(&mut all).unwrap();
        assert!(all == bytes);
        let mut reader = file.reader();
        for (to, at) in [(SeekFrom::Start(7), 7), (SeekFrom::End(-9), bytes.len() - 9), (SeekFrom::Current(-5), 0)] {
            let found = reader.seek(to).unwrap() as usize;
            assert!(found == at || matches!(to, SeekFrom::Current(_)));
            let mut four = [0; 4];
            reader.read_exact(&mut four).unwrap();
            assert_eq!(four, bytes[found..found + 4]);
        }
        assert!(reader.seek(SeekFrom::Current(-1_000_000)).is_err());
        assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn limits_and_encodings_are_checked() {
        let scratch = Scratch::new();
        let path = scratch.write("a", b"\xef\xbb\xbfab\n");
        assert_eq!(read_bytes(&path, 6).unwrap(), b"\xef\xbb\xbfab\n");
        assert_eq!(read_text(&path, 6).unwrap(), "ab\n");
        let e = read_bytes(&path, 5).unwrap_err().to_string();
        assert!(e.ends_with("a`: length: found 6 bytes, expected at most 5 bytes"), "{e}");
        let e = read_text(&scratch.write("b", b"a\nb\xff\n"), 99).unwrap_err().to_string();
        assert!(e.contains("b`: line 2: found an invalid byte at 1 (0xff), expected UTF-8 text"), "{e}");
    }

    #[test]
    fn only_plain_files_and_links_to_them_are_opened() {
        let scratch = Scratch::new();
        let e = SourceFile::open(scratch.dir()).unwrap_err();
        assert!(matches!(&e, Error::Io { op: "open", source, .. } if source.kind() == io::ErrorKind::InvalidInput));
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            let (pipe, link) = (scratch.path("pipe"), scratch.path("link"));
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            let _socket = std::os::unix::net::UnixListener::bind(scratch.path("socket")).unwrap();
            symlink("/dev/zero", &link).unwrap();
            for path in [&pipe, &scratch.path("socket"), &link] {
                let e = SourceFile::open(path).unwrap_err().to_string();
                assert!(e.ends_with(": this is a pipe, a socket or a device, not a plain file"), "{e}");
            }
            let to_plain = scratch.path("to plain");
            symlink(scratch.write("plain", b"text"), &to_plain).unwrap();
            assert_eq!(read_text(&to_plain, 4).unwrap(), "text");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_comes_between_looking_and_opening_does_not_block() {
        let scratch = Scratch::new();
        let pipe = scratch.path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(SourceFile::open_unseen(&pipe).unwrap_err().to_string()));
        let e = told.recv_timeout(std::time::Duration::from_secs(30)).expect("it does not wait for a writer");
        assert!(e.ends_with(": this is a pipe, a socket or a device, not a plain file"), "{e}");
    }

    #[test]
    fn a_file_that_grows_is_noticed_by_its_reader() {
        let scratch = Scratch::new();
        let path = scratch.write("a", b"one");
        let file = SourceFile::open(&path).unwrap();
        std::fs::write(&path, b"one and more").unwrap();
        let e = file.reader().read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(e.contains("length: found 12 bytes, expected 3 bytes: the file changed"), "{e}");
    }
}
