//! A lock on a folder: one process at a time writes there.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::growing::open_own;
use crate::place::{beside, make_folder, whole_path};
use crate::write::remove_partials;
use crate::{Error, Result};

/// How often a new holder is waited for that has not yet written who it is, 5 ms each.
const TRIES: usize = 20;

/// The lock of a folder. It lies beside the folder, as `.NAME.lock`, and names its holder. It ends with the process, however
/// that ends; a file that a killed process left is free to take.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
}

impl FolderLock {
    /// Takes the lock of `folder`, which need not exist; the folder above it is made.
    ///
    /// # Errors
    /// `Error::Locked` if another process (or another lock of this one) holds it, `Error::Io` if the lock file cannot be
    /// made.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = beside(&whole_path(folder)?, "lock")?;
        loop {
            let mut file = open_own(&path).map_err(Error::io("lock", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked { folder: folder.to_owned(), holder: holder(&path) });
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path)(e)),
            }
            // The last holder may have removed the file between opening and locking it.
            if !is_at(&file, &path) {
                continue;
            }
            let written = file.set_len(0).and_then(|()| writeln!(file, "process {} on {}", std::process::id(), host()));
            written.map_err(Error::io("write", &path))?;
            return Ok(Self { file, path });
        }
    }
}

/// Makes `folder` where there is none, takes its lock, and removes the partial files that killed processes left in it.
///
/// # Errors
/// `Error::Locked` if another process holds the lock, `Error::Io` if the folder cannot be made or read.
pub fn claim_folder(folder: &Path) -> Result<FolderLock> {
    let lock = FolderLock::take(folder)?;
    make_folder(folder)?;
    remove_partials(folder)?;
    Ok(lock)
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // While it is locked, so that nobody else has it. Where this fails an unlocked file stays, which is free to take.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |m: &std::fs::Metadata| (m.dev(), m.ino());
    matches!((file.metadata(), std::fs::symlink_metadata(path)), (Ok(a), Ok(b)) if place(&a) == place(&b))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Who holds the lock, as it wrote itself.
fn holder(path: &Path) -> String {
    for _ in 0..TRIES {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(512).read_to_string(&mut text));
        if read.is_ok() && text.ends_with('\n') {
            return text.trim_end().to_owned();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    "another process".to_owned()
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "this host".into())
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn one_holds_it_and_the_other_is_told_whom_to_wait_for() {
        let scratch = Scratch::new();
        let folder = scratch.path("run");
        let lock = FolderLock::take(&folder).unwrap();
        let e = FolderLock::take(&folder).unwrap_err();
        assert!(matches!(e, Error::Locked { .. }), "{e}");
        let text = e.to_string();
        assert!(text.contains(&format!("process {} on ", std::process::id())), "{text}");
        assert!(text.contains("run`"), "{text}");
        FolderLock::take(&scratch.path("other")).unwrap();
        drop(lock);
        assert_eq!(scratch.names(), [""; 0], "nothing is left");
        scratch.write(".run.lock", b"process 1 on elsewhere\n");
        FolderLock::take(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_its_folder_have_one_lock_and_links_are_not_written_through() {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.path("run")).unwrap();
        std::os::unix::fs::symlink("run", scratch.path("link")).unwrap();
        let lock = FolderLock::take(&scratch.path("run")).unwrap();
        assert!(matches!(FolderLock::take(&scratch.path("link")).unwrap_err(), Error::Locked { .. }));
        drop(lock);
        let thesis = scratch.write("thesis", b"years");
        std::os::unix::fs::symlink("thesis", scratch.path(".run.lock")).unwrap();
        assert!(matches!(FolderLock::take(&scratch.path("run")).unwrap_err(), Error::Io { op: "lock", .. }));
        assert_eq!(std::fs::read(thesis).unwrap(), b"years");
    }
}
