//! Files that are whole or absent.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::npy;
use crate::place::{Place, entries, remove_tree};
use crate::{Error, Result};

/// What parts the name of a partial file from the letters behind it.
const PARTIAL: &str = ".partial-";

/// How many letters and digits these are.
const LETTERS: usize = 6;

/// A file that appears under its name only when it is complete.
///
/// It is written beside its place, as `.name.partial-` and some letters. [`Self::commit`] waits for the disk and then
/// renames it, replacing a file of that name; dropped before, it is removed. A killed process leaves the partial file, which
/// [`remove_partials`] removes.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Starts the file that will be at `path`, in a folder that exists.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn create(path: &Path) -> Result<Self> {
        let fail = |source| Error::io("create", path)(source);
        let name = path.file_name().ok_or_else(|| fail(io::Error::other("the path has no file name")))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(PARTIAL);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(LETTERS);
        #[cfg(unix)]
        {
            // As any other new file, less what the process masks out; a temporary file's default is private.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            builder.permissions(mode);
        }
        let file = builder.tempfile_in(folder).map_err(fail)?;
        Ok(Self { path: path.to_owned(), file: BufWriter::with_capacity(1 << 16, file) })
    }

    /// Completes the file, and gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`]; what was at the path before is then still there.
    pub fn commit(self) -> Result<()> {
        let Self { path, file } = self;
        let file = file.into_inner().map_err(|e| Error::io("write", &path)(e.into_error()))?;
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        file.persist(&path).map_err(|e| Error::io("create", &path)(e.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a whole file at once.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.commit()
}

/// Writes a file at once under its own name, and does not wait for the disk: for the many files of a folder that counts only
/// when it is complete.
///
/// # Errors
/// `Error::Io`; a part of the file may then be there.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(Error::io("write", path))
}

mod sealed {
    pub trait Sealed {}
}

/// The elements that can be written to an `.npy` file.
pub trait NpyElement: sealed::Sealed + Copy {
    /// NumPy's type string.
    const DESCR: &'static str;

    /// The bytes of an element.
    const SIZE: usize;

    /// Appends the bytes of `values`, in little-endian order.
    fn append_bytes(values: &[Self], to: &mut Vec<u8>);
}

macro_rules! npy_elements {
    ($($type:ty: $descr:literal, $bytes:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        impl NpyElement for $type {
            const DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$type>();

            fn append_bytes(values: &[Self], to: &mut Vec<u8>) {
                to.extend(values.iter().copied().flat_map($bytes));
            }
        }
    )*};
}

npy_elements! {
    bool: "|b1", |v| [u8::from(v)];
    u8: "|u1", |v| [v];
    u16: "<u2", u16::to_le_bytes;
    u32: "<u4", u32::to_le_bytes;
    i32: "<i4", i32::to_le_bytes;
    f32: "<f4", f32::to_le_bytes;
    f64: "<f8", f64::to_le_bytes;
}

/// The elements converted to bytes at a time.
const BLOCK: usize = 1 << 14;

/// Writes `values` to `to`, in little-endian order, in blocks.
pub fn write_elements<T: NpyElement>(to: &mut impl Write, values: &[T]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(values.len().min(BLOCK) * T::SIZE);
    for values in values.chunks(BLOCK) {
        bytes.clear();
        T::append_bytes(values, &mut bytes);
        to.write_all(&bytes)?;
    }
    Ok(())
}

/// An `.npy` file that is written block by block, in row-major order.
#[derive(Debug)]
pub struct NpyWriter<T> {
    file: AtomicFile,
    /// The elements that are still to come.
    missing: usize,
    element: PhantomData<T>,
}

impl<T: NpyElement> NpyWriter<T> {
    /// Starts the file that will be at `path`, an array of `shape`.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Mismatch`] where the shape is larger than any memory.
    pub fn create(path: &Path, shape: &[usize]) -> Result<Self> {
        let elements = shape.iter().try_fold(1_usize, |p, d| p.checked_mul(*d));
        let fits = elements.filter(|_| shape.len() <= 32);
        let missing = fits.ok_or_else(|| {
            Error::mismatch(format!("shape of `{}`", path.display()), format!("{shape:?}"), "an array of that size")
        })?;
        let mut file = AtomicFile::create(path)?;
        file.write_all(&npy::header_bytes(T::DESCR, shape)).map_err(Error::io("write", path))?;
        Ok(Self { file, missing, element: PhantomData })
    }

    /// Adds the next elements.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Mismatch`] where they are more than the shape has.
    pub fn append(&mut self, values: &[T]) -> Result<()> {
        let Some(missing) = self.missing.checked_sub(values.len()) else {
            return Err(self.mismatch(format!("{} more", values.len()), self.missing));
        };
        write_elements(&mut self.file, values).map_err(Error::io("write", &self.file.path))?;
        self.missing = missing;
        Ok(())
    }

    /// Completes the file, and gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Mismatch`] where elements are missing.
    pub fn finish(self) -> Result<()> {
        match self.missing {
            0 => self.file.commit(),
            missing => Err(self.mismatch("no more".into(), missing)),
        }
    }

    fn mismatch(&self, found: String, missing: usize) -> Error {
        Error::mismatch(format!("elements of `{}`", self.file.path.display()), found, format!("{missing} more"))
    }
}

/// Writes an array of `shape` to `path`, whole or not at all; `values` are in row-major order.
///
/// # Errors
/// [`Error::Io`], and [`Error::Mismatch`] where there are more or fewer values than the shape has.
pub fn write_npy<T: NpyElement>(path: &Path, shape: &[usize], values: &[T]) -> Result<()> {
    let mut file = NpyWriter::create(path, shape)?;
    file.append(values)?;
    file.finish()
}

/// Removes the partial files that killed processes left in `folder`. Nothing else may be writing there.
///
/// # Errors
/// [`Error::Io`]
pub fn remove_partials(folder: &Path) -> Result<()> {
    for entry in entries(folder)? {
        if matches!(entry.place, Place::File(_)) && is_partial(&entry.name.to_string_lossy()) {
            remove_tree(&entry.path)?;
        }
    }
    Ok(())
}

/// Whether this is the name of a partial file of an [`AtomicFile`].
pub fn is_partial(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|name| name.rsplit_once(PARTIAL));
    parts.is_some_and(|(name, letters)| {
        !name.is_empty() && letters.len() == LETTERS && letters.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Waits until the names in `folder` are on the disk, where the system can do that.
pub fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        // Not every file system syncs folders; the files themselves are synced, so nothing half-written can appear.
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;
    use crate::TensorFile;

    #[test]
    fn a_file_appears_when_it_is_committed() {
        let scratch = Scratch::new();
        let path = scratch.write("a.bin", b"old");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        file.flush().unwrap();
        let names = scratch.names();
        assert!(names.len() == 2 && names[0].starts_with(".a.bin.partial-"), "{names:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        file.commit().unwrap();
        assert_eq!(scratch.names(), ["a.bin"]);
        assert_eq!(std::fs::read(&path).unwrap(), [7; 100_000]);
    }

    #[test]
    fn a_file_that_is_dropped_leaves_nothing() {
        let scratch = Scratch::new();
        let mut file = AtomicFile::create(&scratch.path("a.bin")).unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        drop(file);
        assert_eq!(scratch.names(), [""; 0]);
    }

    #[test]
    fn what_killed_processes_left_is_removed_and_nothing_else() {
        let scratch = Scratch::new();
        let mut file = AtomicFile::create(&scratch.path("a.bin")).unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        // As if the process had been killed: nobody is left to remove it.
        file.file.get_mut().disable_cleanup(true);
        drop(file);
        let kept =
            [".a.bin.partial-", ".a.bin.partial-abcde", ".a.bin.partial-abc-ef", ".partial-abcdef", "a.partial-abcdef"];
        kept.iter().for_each(|name| drop(scratch.write(name, b"")));
        std::fs::create_dir(scratch.path(".b.partial-abcdef")).unwrap();
        assert_eq!(scratch.names().len(), 7, "{:?}", scratch.names());
        remove_partials(scratch.dir()).unwrap();
        let mut expected = kept.to_vec();
        expected.push(".b.partial-abcdef");
        expected.sort_unstable();
        assert_eq!(scratch.names(), expected);
        assert!(matches!(remove_partials(&scratch.path("none")).unwrap_err(), Error::Io { op: "read", .. }));
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_leaves_nothing() {
        let scratch = Scratch::new();
        let e = AtomicFile::create(&scratch.path("missing/a.bin")).unwrap_err();
        assert!(matches!(&e, Error::Io { op: "create", .. }), "{e}");
        for nameless in ["", "/", ".."] {
            assert!(AtomicFile::create(Path::new(nameless)).is_err());
        }
        std::fs::create_dir_all(scratch.path("folder/full")).unwrap();
        let file = AtomicFile::create(&scratch.path("folder")).unwrap();
        let e = file.commit().unwrap_err();
        assert!(matches!(&e, Error::Io { op: "create", .. }), "{e}");
        assert_eq!(scratch.names(), ["folder"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_is_written() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode();
        AtomicFile::create(&scratch.path("a")).unwrap().commit().unwrap();
        assert_eq!(mode(scratch.path("a")), mode(scratch.write("b", b"")), "as any other new file");
    }

    #[test]
    fn arrays_are_read_back() {
        let scratch = Scratch::new();
        let path = scratch.path("a.npy");
        let values: Vec<f32> = (0..60_000).map(|i| i as f32 * 0.1).collect();
        let mut file = NpyWriter::create(&path, &[200, 300]).unwrap();
        for block in values.chunks(17_001) {
            file.append(block).unwrap();
        }
        file.finish().unwrap();
        let tensor = TensorFile::open(&path).unwrap();
        let mut out = vec![0.0; 60_000];
        tensor.read_f32(0, &mut out).unwrap();
        assert!(tensor.shape() == [200, 300] && out == values);

        write_npy(&path, &[3], &[1_u16, 2, 65535]).unwrap();
        let mut out = [0; 3];
        TensorFile::open(&path).unwrap().read_u32(0, &mut out).unwrap();
        assert_eq!(out, [1, 2, 65535]);
        write_npy(&path, &[2, 1], &[-1_i32, 5]).unwrap();
        let mut out = [0; 2];
        TensorFile::open(&path).unwrap().read_i32(0, &mut out).unwrap();
        assert_eq!(out, [-1, 5]);
        write_npy(&path, &[2], &[true, false]).unwrap();
        let mut out = [false; 2];
        TensorFile::open(&path).unwrap().read_bool(0, &mut out).unwrap();
        assert_eq!(out, [true, false]);
        write_npy::<f64>(&path, &[0, 4], &[]).unwrap();
        assert_eq!(TensorFile::open(&path).unwrap().shape(), [0, 4]);
    }

    #[test]
    fn arrays_with_too_many_or_too_few_elements_never_appear() {
        let scratch = Scratch::new();
        let path = scratch.path("a.npy");
        for values in [&[1_u8, 2][..], &[1, 2, 3, 4]] {
            let e = write_npy(&path, &[3], values).unwrap_err();
            assert!(matches!(&e, Error::Mismatch { .. }), "{e}");
        }
        assert!(NpyWriter::<f32>::create(&path, &[usize::MAX, 2]).is_err());
        assert_eq!(scratch.names(), [""; 0]);
    }
}
