//! Activations that are being extracted from a model, kept so that a killed run can go on.
//!
//! A store is a folder of its own. Complete, it holds
//!
//! | file | content |
//! |---|---|
//! | `activations.npy` | f32 `[n, U, h, w]` |
//! | `logits.npy` | f32 `[n, classes]`; absent where there are none |
//! | `activations.json` | `version` (1), `key` (the hash of what the activations were made from), and the fields of [`StoreShape`] |
//!
//! and before that the same files as `*.partial`, the arrays with fewer examples than their headers say. The lengths
//! of these files are the only record of progress: examples that are whole in both are there, what follows is cut off
//! on resumption. That is safe against a killed process; against a power failure only once the store is complete,
//! since waiting for the disk at every block would cost more than extracting the layer again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use compexp_core::probe::Grid;
use compexp_files::npy;
use compexp_files::{read_json, write_json};
use compexp_files::{sync_folder, write_elements};
use serde::{Deserialize, Serialize};

use crate::activations::ActivationFile;
use crate::error::{Error, Result};

const VERSION: u32 = 1;

/// The shape of a store's arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreShape {
    /// The number of examples.
    pub n_examples: usize,
    /// The number of units.
    pub n_units: usize,
    /// The map of a unit on one example.
    pub grid: Grid,
    /// Whether the activations are maps, `[n, U, h, w]`; else they are single values, `[n, U]`.
    #[serde(default = "maps", skip_serializing_if = "Clone::clone")]
    pub maps: bool,
    /// The logits of an example; 0 where the model has none.
    pub n_classes: usize,
}

/// Stores of earlier versions hold maps.
fn maps() -> bool {
    true
}

impl StoreShape {
    /// The activations of an example.
    pub fn activations(&self) -> usize {
        self.n_units * self.grid.positions()
    }

    /// Whether the arrays have elements, and as many as a machine can address.
    fn is_possible(&self) -> bool {
        let bytes = [self.n_examples, self.n_units, self.grid.height, self.grid.width, 4];
        let logits = [self.n_examples, self.n_classes, 4];
        let product = |dims: &[usize]| dims.iter().try_fold(1_usize, |p, d| p.checked_mul(*d));
        (self.maps || self.grid == Grid::SINGLE)
            && product(&bytes).is_some_and(|b| b > 0 && b <= isize::MAX as usize)
            && product(&logits).is_some_and(|b| b <= isize::MAX as usize)
    }
}

/// What a store's folder holds for a key.
#[derive(Debug)]
pub enum ActivationStore {
    /// All activations.
    Complete(ActivationFile),
    /// Those of the examples before [`ActivationWriter::next_example`]; the others are to be appended.
    Partial(ActivationWriter),
}

impl ActivationStore {
    /// Opens the store in `dir` for activations of `shape` made from what `key` is the hash of (inputs and
    /// configuration), and makes the folder where there is none. A store that is there for another key or shape is
    /// removed; other files in the folder are left alone.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], and [`compexp_core::Error::Mismatch`] where `shape` is empty or beyond memory, or another process (or another
    /// writer of this one) is writing to the store.
    pub fn open_or_resume(dir: &Path, key: &str, shape: StoreShape) -> Result<Self> {
        if !shape.is_possible() {
            return Err(Error::mismatch("shape of the activations", format!("{shape:?}"), "no 0, and sizes that fit"));
        }
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let meta = Meta { version: VERSION, key: key.to_owned(), shape };
        if let Some(complete) = open_complete(dir, &meta) {
            return Ok(Self::Complete(complete));
        }
        let lock = lock_folder(dir)?;
        // Once more: another run may have completed it in the meantime.
        if let Some(complete) = open_complete(dir, &meta) {
            return Ok(Self::Complete(complete));
        }
        let partial_meta = dir.join(PARTIAL_META);
        if read_json::<Meta>(&partial_meta).ok().as_ref() != Some(&meta) {
            // The metadata first: without them the arrays mean nothing, whenever this is cut short.
            for name in [META, PARTIAL_META, ACTIVATIONS, LOGITS, PARTIAL_ACTIVATIONS, PARTIAL_LOGITS] {
                remove(&dir.join(name))?;
            }
            write_json(&partial_meta, &meta)?;
        }
        let StoreShape { n_examples, n_units, grid: Grid { height, width }, maps, n_classes } = shape;
        let activations = [n_examples, n_units, height, width];
        let activations = if maps { &activations[..] } else { &activations[..2] };
        let activations = PartialArray::open(dir, ACTIVATIONS, PARTIAL_ACTIVATIONS, activations)?;
        let logits = match n_classes {
            0 => None,
            _ => Some(PartialArray::open(dir, LOGITS, PARTIAL_LOGITS, &[n_examples, n_classes])?),
        };
        let next = activations.whole.min(logits.as_ref().map_or(n_examples, |l| l.whole));
        for array in std::iter::once(&activations).chain(&logits) {
            array.cut(next)?;
        }
        Ok(Self::Partial(ActivationWriter { dir: dir.to_owned(), shape, next, activations, logits, _lock: lock }))
    }

    /// The path of the logits of a complete store in `dir`: f32 `[n, classes]`.
    pub fn logits_path(dir: &Path) -> PathBuf {
        dir.join(LOGITS)
    }
}

/// Appends examples to a store.
#[derive(Debug)]
pub struct ActivationWriter {
    dir: PathBuf,
    shape: StoreShape,
    next: usize,
    activations: PartialArray,
    logits: Option<PartialArray>,
    /// Held until the writer is dropped.
    _lock: Option<File>,
}

impl ActivationWriter {
    /// The first example that is not in the store yet; as many as there are examples where only
    /// [`Self::finish`] is missing.
    pub fn next_example(&self) -> usize {
        self.next
    }

    /// Appends the activations `(m, n_units, height, width)` and logits `(m, n_classes)` of the examples
    /// `first_example..first_example + m`. After an error (a full disk) the same block can be appended again.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], and [`compexp_core::Error::Mismatch`] where `first_example` is not [`Self::next_example`], or the blocks are
    /// not of the same whole examples, or of too many.
    pub fn append(&mut self, first_example: usize, activations: &[f32], logits: &[f32]) -> Result<()> {
        if first_example != self.next {
            return Err(Error::mismatch("first example of a block", first_example, self.next));
        }
        let examples = activations.len() / self.shape.activations();
        if !activations.len().is_multiple_of(self.shape.activations()) {
            let expected = format!("whole examples of {}", self.shape.activations());
            return Err(Error::mismatch("activations of a block", activations.len(), expected));
        }
        if logits.len() != examples * self.shape.n_classes {
            let expected = format!("{} for each of {examples} examples", self.shape.n_classes);
            return Err(Error::mismatch("logits of a block", logits.len(), expected));
        }
        if examples > self.shape.n_examples - self.next {
            let expected = format!("at most {}", self.shape.n_examples - self.next);
            return Err(Error::mismatch("examples of a block", examples, expected));
        }
        self.activations.write(self.next, activations)?;
        if let Some(array) = &mut self.logits {
            array.write(self.next, logits)?;
        }
        self.next += examples;
        Ok(())
    }

    /// Completes the store.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], and [`compexp_core::Error::Mismatch`] where examples are missing.
    pub fn finish(self) -> Result<ActivationFile> {
        if self.next < self.shape.n_examples {
            return Err(Error::mismatch("examples in the store", self.next, self.shape.n_examples));
        }
        let Self { dir, activations, logits, .. } = self;
        for array in std::iter::once(activations).chain(logits) {
            array.finish()?;
        }
        // The metadata last: they say that the arrays are complete.
        sync_folder(&dir);
        rename(&dir.join(PARTIAL_META), &dir.join(META))?;
        sync_folder(&dir);
        ActivationFile::open(dir.join(ACTIVATIONS))
    }
}

const META: &str = "activations.json";
const PARTIAL_META: &str = "activations.json.partial";
const ACTIVATIONS: &str = "activations.npy";
const PARTIAL_ACTIVATIONS: &str = "activations.npy.partial";
const LOGITS: &str = "logits.npy";
const PARTIAL_LOGITS: &str = "logits.npy.partial";

/// What `activations.json` holds.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    version: u32,
    key: String,
    #[serde(flatten)]
    shape: StoreShape,
}

/// An array of f32 whose first examples are in a file.
#[derive(Debug)]
struct PartialArray {
    file: File,
    path: PathBuf,
    final_path: PathBuf,
    /// The length of the header.
    start: u64,
    /// The bytes of an example.
    row: u64,
    /// The examples that were in the file when it was opened.
    whole: usize,
}

impl PartialArray {
    fn open(dir: &Path, name: &str, partial: &str, shape: &[usize]) -> Result<Self> {
        let header = npy::header_bytes("<f4", shape);
        let start = header.len() as u64;
        let row = shape[1..].iter().product::<usize>() as u64 * 4;
        let final_path = dir.join(name);
        let path = dir.join(partial);
        if final_path.exists() && !path.exists() {
            // The run was killed between the renamings that complete the store.
            rename(&final_path, &path)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let mut found = Vec::new();
        (&mut file).take(start).read_to_end(&mut found).map_err(Error::io("read", &path))?;
        if found != header {
            file.set_len(0).map_err(Error::io("write", &path))?;
            file.rewind().and_then(|()| file.write_all(&header)).map_err(Error::io("write", &path))?;
        }
        let len = file.metadata().map_err(Error::io("read", &path))?.len();
        let whole = (((len - start) / row) as usize).min(shape[0]);
        Ok(Self { file, path, final_path, start, row, whole })
    }

    /// Cuts off what follows the first `examples`.
    fn cut(&self, examples: usize) -> Result<()> {
        self.file.set_len(self.start + examples as u64 * self.row).map_err(Error::io("write", &self.path))
    }

    fn write(&mut self, example: usize, values: &[f32]) -> Result<()> {
        let at = SeekFrom::Start(self.start + example as u64 * self.row);
        let written = self.file.seek(at).and_then(|_| write_elements(&mut self.file, values));
        written.map_err(Error::io("write", &self.path))
    }

    /// Waits for the disk, and gives the file its final name.
    fn finish(self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.path))?;
        drop(self.file);
        rename(&self.path, &self.final_path)
    }
}

/// The activations in `dir`, if they are complete and those of `meta`.
fn open_complete(dir: &Path, meta: &Meta) -> Option<ActivationFile> {
    // Whatever is wrong with a file here, it is made anew.
    let found: Meta = read_json(&dir.join(META)).ok()?;
    let file = ActivationFile::open(dir.join(ACTIVATIONS)).ok()?;
    let logits = || compexp_files::TensorFile::open(dir.join(LOGITS)).ok();
    let StoreShape { n_examples, n_units, grid, maps, n_classes } = meta.shape;
    let shape = [n_examples, n_units, grid.height, grid.width];
    let whole = file.tensor().shape() == if maps { &shape[..] } else { &shape[..2] }
        && (n_classes == 0 || logits()?.shape() == [n_examples, n_classes]);
    (whole && found == *meta).then_some(file)
}

/// Keeps other writers away from `dir` while the answer lives; nothing where the system locks no folders.
fn lock_folder(dir: &Path) -> Result<Option<File>> {
    let Ok(folder) = File::open(dir) else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Err(Error::mismatch(
            format!("writers of `{}`", dir.display()),
            "another run that is writing there",
            "one at a time: wait for it, or give this run another folder",
        )),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(Error::io("rename", from))
}

#[cfg(test)]
mod tests {
    use compexp_core::activation::ActivationSource;
    use compexp_files::TensorFile;
    use compexp_tests::files::Scratch;

    use super::*;

    const SHAPE: StoreShape =
        StoreShape { n_examples: 7, n_units: 3, grid: Grid { height: 2, width: 1 }, maps: true, n_classes: 2 };

    fn open(scratch: &Scratch, key: &str) -> ActivationStore {
        ActivationStore::open_or_resume(&scratch.path("store"), key, SHAPE).unwrap()
    }

    fn partial(store: ActivationStore) -> ActivationWriter {
        match store {
            ActivationStore::Partial(writer) => writer,
            ActivationStore::Complete(_) => panic!("the store is complete"),
        }
    }

    fn values(first: usize, n: usize, per_example: usize, salt: f32) -> Vec<f32> {
        (first * per_example..(first + n) * per_example).map(|i| i as f32 + salt).collect()
    }

    /// Appends `n` examples.
    fn append(writer: &mut ActivationWriter, n: usize) {
        let first = writer.next_example();
        let (activations, logits) = (values(first, n, 6, 0.25), values(first, n, 2, 1000.5));
        writer.append(first, &activations, &logits).unwrap();
    }

    fn complete(mut writer: ActivationWriter) -> ActivationFile {
        while writer.next_example() < SHAPE.n_examples {
            let n = (SHAPE.n_examples - writer.next_example()).min(2);
            append(&mut writer, n);
        }
        writer.finish().unwrap()
    }

    fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap())
            .map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_complete_store_is_read_back() {
        let scratch = Scratch::new();
        let mut writer = partial(open(&scratch, "key"));
        assert_eq!(writer.next_example(), 0);
        append(&mut writer, 3);
        let names: Vec<_> = contents(&scratch.path("store")).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["activations.json.partial", "activations.npy.partial", "logits.npy.partial"]);
        let file = complete(writer);
        assert_eq!((file.n_examples(), file.n_units(), file.grid()), (7, 3, Grid { height: 2, width: 1 }));
        for again in [false, true] {
            let file = match open(&scratch, "key") {
                ActivationStore::Complete(file) => file,
                ActivationStore::Partial(_) => panic!("the store is not complete"),
            };
            let mut out = vec![0.0; 42];
            file.read(0, &mut out).unwrap();
            assert_eq!(out, values(0, 7, 6, 0.25), "{again}");
        }
        let logits = TensorFile::open(ActivationStore::logits_path(&scratch.path("store"))).unwrap();
        let mut out = vec![0.0; 14];
        logits.read_f32(0, &mut out).unwrap();
        assert!(logits.shape() == [7, 2] && out == values(0, 7, 2, 1000.5));
    }

    #[test]
    fn a_store_cut_off_anywhere_is_resumed_to_the_same_bytes() {
        let whole = Scratch::new();
        complete(partial(open(&whole, "key")));
        let expected = contents(&whole.path("store"));
        let (header, row, logits_row) = (128, 24, 8);
        assert_eq!(expected[1].1.len(), header + 7 * row, "the lengths that this test counts on");

        // Around every boundary, and some in between; the logits are cut off elsewhere, and examples count where they
        // are whole in both.
        let end = header + 7 * row;
        for len in
            (0..=end).filter(|len| len % 23 == 0 || (header - 1..).contains(len) && (len + 25 - header) % row < 3)
        {
            for logits_len in [header + 7 * logits_row, header + (len * 5) % 57, len.min(header - 1)] {
                let scratch = Scratch::new();
                drop(partial(open(&scratch, "key")));
                let dir = scratch.path("store");
                std::fs::write(dir.join(PARTIAL_ACTIVATIONS), &expected[1].1[..len]).unwrap();
                std::fs::write(dir.join(PARTIAL_LOGITS), &expected[2].1[..logits_len]).unwrap();
                let writer = partial(open(&scratch, "key"));
                let next = (len.saturating_sub(header) / row).min(logits_len.saturating_sub(header) / logits_row);
                assert_eq!(writer.next_example(), next, "{len} and {logits_len} bytes");
                complete(writer);
                assert_eq!(contents(&dir), expected, "{len} and {logits_len} bytes");
            }
        }
    }

    #[test]
    fn a_run_killed_while_it_completes_the_store_is_resumed() {
        for renamed in 0..=2 {
            let scratch = Scratch::new();
            let dir = scratch.path("store");
            let mut writer = partial(open(&scratch, "key"));
            append(&mut writer, 7);
            drop(writer);
            for (from, to) in [(PARTIAL_ACTIVATIONS, ACTIVATIONS), (PARTIAL_LOGITS, LOGITS)].iter().take(renamed) {
                std::fs::rename(dir.join(from), dir.join(to)).unwrap();
            }
            let writer = partial(open(&scratch, "key"));
            assert_eq!(writer.next_example(), 7, "{renamed} files renamed");
            assert!(!dir.join(ACTIVATIONS).exists() && !dir.join(LOGITS).exists());
            writer.finish().unwrap();
            assert!(matches!(open(&scratch, "key"), ActivationStore::Complete(_)));
        }
    }

    #[test]
    fn another_key_or_shape_starts_anew() {
        let scratch = Scratch::new();
        let dir = scratch.path("store");
        complete(partial(open(&scratch, "key")));
        let writer = partial(open(&scratch, "other key"));
        assert_eq!(writer.next_example(), 0);
        assert!(!dir.join(ACTIVATIONS).exists() && !dir.join(META).exists(), "nothing of the old key is left");
        let mut writer = writer;
        append(&mut writer, 4);
        drop(writer);
        assert_eq!(partial(open(&scratch, "other key")).next_example(), 4);
        assert_eq!(partial(open(&scratch, "third key")).next_example(), 0);
        let other = StoreShape { n_classes: 0, ..SHAPE };
        let writer = partial(ActivationStore::open_or_resume(&dir, "third key", other).unwrap());
        assert_eq!(writer.next_example(), 0);
        assert!(!dir.join(PARTIAL_LOGITS).exists(), "a model without logits has no file of them");
        drop(writer);
        std::fs::write(dir.join(PARTIAL_META), "{").unwrap();
        assert_eq!(partial(open(&scratch, "third key")).next_example(), 0);
    }

    #[test]
    fn a_complete_store_that_was_damaged_starts_anew() {
        for name in [ACTIVATIONS, LOGITS, META] {
            for remove in [false, true] {
                let scratch = Scratch::new();
                complete(partial(open(&scratch, "key")));
                let path = scratch.path("store").join(name);
                let bytes = std::fs::read(&path).unwrap();
                match remove {
                    true => std::fs::remove_file(&path).unwrap(),
                    false => std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap(),
                }
                let writer = partial(open(&scratch, "key"));
                assert_eq!(writer.next_example(), 0, "{name} {remove}");
                complete(writer);
            }
        }
    }

    #[test]
    fn blocks_that_do_not_follow_are_refused() {
        let scratch = Scratch::new();
        let mut writer = partial(open(&scratch, "key"));
        append(&mut writer, 5);
        for (first, activations, logits) in
            [(4, 6, 2), (6, 6, 2), (5, 5, 2), (5, 6, 1), (5, 6, 4), (5, 18, 6), (5, 0, 2)]
        {
            let e = writer.append(first, &vec![0.0; activations], &vec![0.0; logits]).unwrap_err();
            assert!(matches!(e, Error::Core(compexp_core::Error::Mismatch { .. })), "{e}");
        }
        assert_eq!(writer.next_example(), 5);
        let e = writer.finish().unwrap_err().to_string();
        assert!(e.contains("examples in the store: found 5, expected 7"), "{e}");
        assert_eq!(partial(open(&scratch, "key")).next_example(), 5, "nothing is lost");
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let scratch = Scratch::new();
        let grid = |height, width| Grid { height, width };
        for shape in [
            StoreShape { n_examples: 0, ..SHAPE },
            StoreShape { n_units: 0, ..SHAPE },
            StoreShape { grid: grid(0, 1), ..SHAPE },
            StoreShape { n_units: usize::MAX, ..SHAPE },
            StoreShape { grid: grid(1 << 40, 1 << 40), ..SHAPE },
            StoreShape { n_classes: usize::MAX / 4, ..SHAPE },
        ] {
            let e = ActivationStore::open_or_resume(&scratch.path("store"), "key", shape).unwrap_err();
            assert!(matches!(e, Error::Core(compexp_core::Error::Mismatch { .. })), "{shape:?}: {e}");
        }
        let file = scratch.write("file", b"");
        assert!(matches!(
            ActivationStore::open_or_resume(&file, "key", SHAPE).unwrap_err(),
            Error::File(compexp_files::Error::Io { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn two_writers_of_a_store_are_kept_apart() {
        let scratch = Scratch::new();
        let writer = partial(open(&scratch, "key"));
        for key in ["key", "other key"] {
            let e = ActivationStore::open_or_resume(&scratch.path("store"), key, SHAPE).unwrap_err();
            assert!(e.to_string().contains("another run"), "{e}");
        }
        complete(writer);
        assert!(matches!(open(&scratch, "key"), ActivationStore::Complete(_)));
    }
}
