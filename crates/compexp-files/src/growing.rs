//! Files that grow while a long command works, and from which the next command goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::place::rename;
use crate::source_file::read_exact_at;
use crate::{Error, Result};

/// A file that is read and written at any place. It is there under its name while it is incomplete: whoever opens it must be
/// able to tell how much of it is right, and keep other processes away.
#[derive(Debug)]
pub struct GrowingFile {
    path: PathBuf,
    file: File,
}

impl GrowingFile {
    /// Opens the file, or makes an empty one.
    ///
    /// # Errors
    /// `Error::Io`, also if something else than a plain file is there; links are not followed.
    pub fn open(path: &Path) -> Result<Self> {
        let file = open_own(path).map_err(Error::io("open", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Its length in bytes.
    ///
    /// # Errors
    /// `Error::Io`
    pub fn bytes(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(Error::io("read", &self.path))?.len())
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `Error::Io`, also if the file ends before.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        read_exact_at(&self.file, buf, offset).map_err(Error::io("read", &self.path))
    }

    /// Writes, by means of `write`, from `offset` on. Where that fails, a part may be written.
    ///
    /// # Errors
    /// `Error::Io`
    pub fn write_at(&mut self, offset: u64, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| write(&mut self.file));
        written.map_err(Error::io("write", &self.path))
    }

    /// Makes it `bytes` long: cuts off what is more, and fills with zeros what is missing.
    ///
    /// # Errors
    /// `Error::Io`
    pub fn cut(&self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).map_err(Error::io("write", &self.path))
    }

    /// Waits until everything is on the disk, closes the file, and gives it another name.
    ///
    /// # Errors
    /// `Error::Io`
    pub fn finish(self, name: &Path) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.path))?;
        drop(self.file);
        rename(&self.path, name)
    }
}

/// Opens a plain file for reading and writing, or makes it. A link of this name would lead the writing elsewhere, and a pipe
/// would block.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits() as i32);
    }
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn a_file_grows_is_cut_and_gets_its_name() {
        let scratch = Scratch::new();
        let path = scratch.path("a.partial");
        let mut file = GrowingFile::open(&path).unwrap();
        file.write_at(0, |to| to.write_all(b"abcdef")).unwrap();
        file.cut(4).unwrap();
        drop(file);
        let mut file = GrowingFile::open(&path).unwrap();
        assert_eq!(file.bytes().unwrap(), 4);
        file.write_at(3, |to| to.write_all(b"xyz")).unwrap();
        let mut found = [0; 4];
        file.read_at(&mut found, 2).unwrap();
        assert_eq!(&found, b"cxyz");
        assert!(matches!(file.read_at(&mut found, 3), Err(Error::Io { op: "read", .. })));
        file.finish(&scratch.path("a")).unwrap();
        assert_eq!(
            (scratch.names(), std::fs::read(scratch.path("a")).unwrap()),
            (vec!["a".into()], b"abcxyz".to_vec())
        );
        assert!(GrowingFile::open(scratch.dir()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_refused() {
        let scratch = Scratch::new();
        let thesis = scratch.write("thesis", b"years");
        std::os::unix::fs::symlink("thesis", scratch.path("link")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(scratch.path("pipe")).status().unwrap().success());
        for name in ["link", "pipe"] {
            assert!(matches!(GrowingFile::open(&scratch.path(name)), Err(Error::Io { op: "open", .. })), "{name}");
        }
        assert_eq!(std::fs::read(thesis).unwrap(), b"years");
    }
}
