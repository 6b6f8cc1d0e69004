//! What stands at a path; folders: listing, making, moving and removing; and the hidden names beside a folder.
//!
//! "Nothing" is an answer; a system that cannot tell is an error, which names the path.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is nothing of this name.
    Nothing,
    /// A plain file of this many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// Something else: a pipe, a socket, a device; a link, where links are not followed.
    Other,
}

impl Place {
    /// What stands at the path itself: a link is [`Place::Other`].
    ///
    /// # Errors
    /// `Error::Io` if the system cannot tell.
    pub fn at(path: &Path) -> Result<Self> {
        Self::of(path, fs::symlink_metadata(path))
    }

    /// What the path leads to, through links. A link that leads nowhere is [`Place::Nothing`].
    ///
    /// # Errors
    /// `Error::Io` if the system cannot tell.
    pub fn behind(path: &Path) -> Result<Self> {
        Self::of(path, fs::metadata(path))
    }

    /// What the path leads to, through links, where nothing is an error.
    ///
    /// # Errors
    /// `Error::Io` if there is nothing, or the system cannot tell.
    pub fn required(path: &Path) -> Result<Self> {
        match Self::behind(path)? {
            Self::Nothing => Err(Error::io("open", path)(io::ErrorKind::NotFound.into())),
            found => Ok(found),
        }
    }

    fn of(path: &Path, found: io::Result<fs::Metadata>) -> Result<Self> {
        use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
        match found {
            Ok(meta) if meta.is_file() => Ok(Self::File(meta.len())),
            Ok(meta) if meta.is_dir() => Ok(Self::Folder),
            Ok(_) => Ok(Self::Other),
            // Nothing is below a plain file, or has a name longer than the system allows.
            Err(e) if matches!(e.kind(), NotFound | NotADirectory | InvalidFilename) => Ok(Self::Nothing),
            Err(e) => Err(Error::io("open", path)(e)),
        }
    }
}

/// Whether there is anything of this name, be it a link that leads nowhere: opening it then says what is wrong.
///
/// # Errors
/// `Error::Io` if the system cannot tell.
pub fn is_there(path: &Path) -> Result<bool> {
    Ok(Place::at(path)? != Place::Nothing)
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the folder.
    pub name: OsString,
    /// Its path: the folder's with the name.
    pub path: PathBuf,
    /// What it is; links are not followed.
    pub place: Place,
}

impl Entry {
    /// Its name, if that is text.
    pub fn text(&self) -> Option<&str> {
        self.name.to_str()
    }
}

/// What is in a folder, sorted by name.
///
/// # Errors
/// `Error::Io` if the folder cannot be read, or the system cannot tell what is in it.
pub fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let path = entry.path();
        // What goes meanwhile was not there.
        match Place::at(&path)? {
            Place::Nothing => {}
            place => all.push(Entry { name: entry.file_name(), path, place }),
        }
    }
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Makes a folder with those above it, where they are not there yet.
///
/// # Errors
/// `Error::Io`
pub fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

/// Moves a file or folder to another name on the same disk; a file that is there is replaced.
///
/// # Errors
/// `Error::Io`
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("rename", from))
}

/// Gives a file a second name, or copies it where the disk has no second names. Neither must be written to afterwards.
///
/// # Errors
/// `Error::Io`
pub fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(_) => fs::copy(from, to).map(drop).map_err(Error::io("copy", from)),
    }
}

/// Makes a link at `link` that leads to `target`, seen from the link's folder; where the system has no links, a second name or a
/// copy. A link that is there is replaced.
///
/// # Errors
/// `Error::Io`, also if something else than a link is there.
pub fn point_to(target: &Path, link: &Path) -> Result<()> {
    if Place::at(link)? == Place::Other {
        remove_tree(link)?;
    }
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(target, link).map_err(Error::io("link", link));
    #[cfg(not(unix))]
    let made = link_or_copy(&link.with_file_name("").join(target), link);
    made
}

/// The bytes that may still be written to the disk that `folder` is on; none where the system does not tell.
///
/// # Errors
/// `Error::Io` if there is no such folder.
pub fn free_space(folder: &Path) -> Result<Option<u64>> {
    #[cfg(unix)]
    {
        let found = rustix::fs::statvfs(folder).map_err(|e| Error::io("open", folder)(e.into()))?;
        Ok(Some(found.f_bavail.saturating_mul(found.f_frsize)))
    }
    #[cfg(not(unix))]
    Place::required(folder).map(|_| None)
}

/// Removes a file, or a folder with all that is in it; links are removed and not followed. Nothing there is no error.
///
/// # Errors
/// `Error::Io`
pub fn remove_tree(path: &Path) -> Result<()> {
    let removed = match Place::at(path)? {
        Place::Nothing => return Ok(()),
        Place::Folder => fs::remove_dir_all(path),
        Place::File(_) | Place::Other => fs::remove_file(path),
    };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// The path of what is there without any link in it.
///
/// # Errors
/// `Error::Io`, also if there is nothing.
pub fn real_path(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(Error::io("open", path))
}

/// The folder's path without links, so that two names of one folder are one. The folder need not exist; the one above it is
/// made.
///
/// # Errors
/// `Error::Io`
pub fn whole_path(folder: &Path) -> Result<PathBuf> {
    match fs::canonicalize(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        found => return found.map_err(Error::io("open", folder)),
    }
    let whole = std::path::absolute(folder).map_err(Error::io("find", folder))?;
    let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(nameless(folder));
    };
    make_folder(parent)?;
    Ok(real_path(parent)?.join(name))
}

/// The hidden name `.NAME.KIND` beside `place`.
///
/// # Errors
/// `Error::Io` if `place` has no name, as `/`.
pub fn beside(place: &Path, kind: &str) -> Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(place.file_name().ok_or_else(|| nameless(place))?);
    name.push(".");
    name.push(kind);
    Ok(place.with_file_name(name))
}

fn nameless(folder: &Path) -> Error {
    Error::io("write", folder)(io::Error::new(io::ErrorKind::InvalidInput, "the folder has no name"))
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn a_place_is_told_and_links_are_followed_only_if_asked() {
        let scratch = Scratch::new();
        let file = scratch.write("file", b"four");
        assert_eq!(Place::at(&file).unwrap(), Place::File(4));
        assert_eq!(Place::at(scratch.dir()).unwrap(), Place::Folder);
        let long = "x".repeat(300);
        for nothing in ["none", "none/below", "file/below", &long] {
            assert_eq!(Place::at(&scratch.path(nothing)).unwrap(), Place::Nothing, "{nothing}");
            assert_eq!(Place::behind(&scratch.path(nothing)).unwrap(), Place::Nothing, "{nothing}");
            assert!(!is_there(&scratch.path(nothing)).unwrap());
            assert!(matches!(Place::required(&scratch.path(nothing)), Err(Error::Io { op: "open", .. })));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            let [good, bad] = ["good", "bad"].map(|name| scratch.path(name));
            symlink("file", &good).unwrap();
            symlink("nowhere", &bad).unwrap();
            assert_eq!((Place::at(&good).unwrap(), Place::behind(&good).unwrap()), (Place::Other, Place::File(4)));
            assert_eq!((Place::at(&bad).unwrap(), Place::behind(&bad).unwrap()), (Place::Other, Place::Nothing));
            assert!(is_there(&bad).unwrap());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_system_that_cannot_tell_is_an_error_and_not_nothing() {
        let scratch = Scratch::new();
        let [a, b] = ["a", "b"].map(|name| scratch.path(name));
        std::os::unix::fs::symlink("b", &a).unwrap();
        std::os::unix::fs::symlink("a", &b).unwrap();
        let path = a.join("below");
        for found in [Place::at(&path), Place::behind(&path), Place::required(&path)] {
            assert!(matches!(found, Err(Error::Io { op: "open", .. })), "{}: {found:?}", path.display());
        }
        assert!(is_there(&path).is_err() && remove_tree(&path).is_err());
    }

    #[test]
    fn entries_are_sorted_by_name_and_say_what_they_are() {
        let scratch = Scratch::new();
        for name in ["b", "a", "\u{e4}"] {
            scratch.write(name, b"12");
        }
        make_folder(&scratch.path("folder/below")).unwrap();
        let all = entries(scratch.dir()).unwrap();
        let found: Vec<_> = all.iter().map(|e| (e.text().unwrap(), e.place)).collect();
        let file = Place::File(2);
        assert_eq!(found, [("a", file), ("b", file), ("folder", Place::Folder), ("\u{e4}", file)]);
        assert_eq!(all[0].path, scratch.path("a"));
        assert!(matches!(entries(&scratch.path("none")), Err(Error::Io { op: "read", .. })));
        assert!(matches!(entries(&scratch.path("a")), Err(Error::Io { op: "read", .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_its_target_and_replaces_links_only() {
        let scratch = Scratch::new();
        make_folder(&scratch.path("blobs")).unwrap();
        make_folder(&scratch.path("names")).unwrap();
        let link = scratch.path("names/a");
        for name in ["old", "new"] {
            scratch.write(&format!("blobs/{name}"), name.as_bytes());
            point_to(&Path::new("../blobs").join(name), &link).unwrap();
            assert_eq!(fs::read(&link).unwrap(), name.as_bytes());
        }
        let file = scratch.write("names/b", b"mine");
        assert!(matches!(point_to(Path::new("../blobs/new"), &file), Err(Error::Io { op: "link", .. })));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn a_disk_has_room_and_a_folder_that_is_not_there_has_no_disk() {
        let scratch = Scratch::new();
        assert!(free_space(scratch.dir()).unwrap().is_none_or(|bytes| bytes > 1 << 20));
        assert!(matches!(free_space(&scratch.path("none")), Err(Error::Io { op: "open", .. })));
    }

    #[test]
    fn files_are_moved_linked_and_removed() {
        let scratch = Scratch::new();
        let [from, to, second] = ["from", "to", "second"].map(|name| scratch.path(name));
        scratch.write("from", b"text");
        scratch.write("to", b"old");
        rename(&from, &to).unwrap();
        link_or_copy(&to, &second).unwrap();
        assert_eq!(fs::read(&second).unwrap(), b"text");
        for path in [&to, &second, &second] {
            remove_tree(path).unwrap();
        }
        assert_eq!(scratch.names(), [""; 0]);
        assert!(matches!(rename(&from, &to), Err(Error::Io { op: "rename", .. })));
        assert!(matches!(link_or_copy(&from, &to), Err(Error::Io { op: "copy", .. })));
    }
}
