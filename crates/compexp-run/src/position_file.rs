//! Position maps that are too large for memory.

use std::path::Path;

use compexp_core::partition::{MemoryPositions, PositionStore};
use compexp_core::probe::Grid;
use compexp_files::UnnamedFile;

use crate::error::{Error, Result};

/// The largest position map that [`position_store`] keeps in memory, in bytes.
const IN_MEMORY: u64 = 256 << 20;

/// The bytes that are written at a time.
const BUFFER: usize = 1 << 20;

/// Keeps the position map in a file without a name: two bytes a position, four where a grid has more than 65,536
/// positions.
///
/// The file has no name from the start, so that it is gone with the process however that ends (where a system has no
/// such files, when the store is dropped).
#[derive(Debug)]
pub struct PositionFile {
    file: UnnamedFile,
    wide: bool,
    /// The bytes in the file.
    written: u64,
    /// What follows them.
    buffer: Vec<u8>,
}

/// A store for the position map of `n_examples` of this grid: in memory up to 256 MiB, else in a temporary file in the
/// folder `dir`.
///
/// # Errors
/// Those of [`PositionFile::create`].
pub fn position_store(dir: &Path, grid: Grid, n_examples: usize) -> Result<Box<dyn PositionStore>> {
    let bytes = (n_examples as u64).saturating_mul(grid.positions() as u64).saturating_mul(entry_size(grid));
    if bytes <= IN_MEMORY {
        return Ok(Box::new(MemoryPositions::new(grid)));
    }
    Ok(Box::new(PositionFile::create(dir, grid)?))
}

fn entry_size(grid: Grid) -> u64 {
    if grid.positions() <= 1 << 16 { 2 } else { 4 }
}

impl PositionFile {
    /// An empty store for examples of this grid, in the folder `dir`.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]
    pub fn create(dir: &Path, grid: Grid) -> Result<Self> {
        let file = UnnamedFile::create(dir)?;
        let wide = entry_size(grid) == 4;
        Ok(Self { file, wide, written: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    fn size(&self) -> usize {
        if self.wide { 4 } else { 2 }
    }

    /// Turns entries of `N` bytes into numbers; they start at the byte `at`.
    fn read_entries<const N: usize>(&self, at: u64, out: &mut [u32], number: impl Fn([u8; N]) -> u32) -> Result<()> {
        let mut bytes = vec![0; (out.len() * N).min(BUFFER)];
        let mut at = at;
        for out in out.chunks_mut(BUFFER / N) {
            let bytes = &mut bytes[..out.len() * N];
            self.read_bytes(at, bytes)?;
            at += bytes.len() as u64;
            for (o, b) in out.iter_mut().zip(bytes.as_chunks().0) {
                *o = number(*b);
            }
        }
        Ok(())
    }

    /// Fills `out` from the byte `at` on, from the file and from what is not written yet.
    fn read_bytes(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let in_file = self.written.saturating_sub(at).min(out.len() as u64) as usize;
        let (file, buffer) = out.split_at_mut(in_file);
        if !file.is_empty() {
            self.file.read_at(file, at)?;
        }
        if !buffer.is_empty() {
            let first = (at + in_file as u64 - self.written) as usize;
            buffer.copy_from_slice(&self.buffer[first..first + buffer.len()]);
        }
        Ok(())
    }
}

impl PositionStore for PositionFile {
    fn append(&mut self, entries: &[u32]) -> compexp_core::Result<()> {
        if self.wide {
            self.buffer.extend(entries.iter().flat_map(|e| e.to_le_bytes()));
        } else {
            self.buffer.extend(entries.iter().flat_map(|e| (*e as u16).to_le_bytes()));
        }
        if self.buffer.len() >= BUFFER {
            self.file.append(&self.buffer).map_err(Error::from)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    fn read(&self, first: u64, out: &mut [u32]) -> compexp_core::Result<()> {
        let size = self.size() as u64;
        let entries = (self.written + self.buffer.len() as u64) / size;
        if first.checked_add(out.len() as u64).is_none_or(|end| end > entries) {
            let found = format!("{} from entry {first} on", out.len());
            let expected = format!("entries below {entries}");
            return Err(compexp_core::Error::mismatch("entries read of a position map", found, expected));
        }
        if self.wide {
            self.read_entries(first * size, out, u32::from_le_bytes)?;
        } else {
            self.read_entries(first * size, out, |b| u32::from(u16::from_le_bytes(b)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use compexp_core::concept::ConceptId;
    use compexp_core::partition::PartitionBuilder;
    use compexp_core::probe::{Annotation, AnnotationSource, Neighbors};
    use compexp_tests::files::Scratch;

    use super::*;

    const NARROW: Grid = Grid { height: 256, width: 256 };
    const WIDE: Grid = Grid { height: 257, width: 256 };

    /// Numbers without a pattern of a power of two, below `limit`.
    fn entries(n: usize, limit: u32) -> Vec<u32> {
        (0..n as u32).map(|i| i.wrapping_mul(2_654_435_761) % limit).collect()
    }

    #[test]
    fn entries_are_read_back_before_and_after_they_reach_the_file() {
        for (grid, limit) in [(NARROW, 1 << 16), (WIDE, 65_792)] {
            let scratch = Scratch::new();
            let mut file = PositionFile::create(scratch.dir(), grid).unwrap();
            let all = entries(1_700_001, limit);
            for block in all.chunks(60_007) {
                file.append(block).unwrap();
            }
            assert!(file.written > 0 && !file.buffer.is_empty(), "some are in each place");
            let border = file.written as usize / file.size();
            let ends =
                [(0, 10), (0, all.len()), (border - 3, border + 4), (border, border + 1), (all.len() - 1, all.len())];
            for (from, to) in ends {
                let mut out = vec![7; to - from];
                file.read(from as u64, &mut out).unwrap();
                assert!(out == all[from..to], "{grid:?}: {from}..{to}");
            }
            assert_eq!(scratch.names(), [""; 0], "the file has no name");
        }
    }

    #[test]
    fn what_was_never_written_is_refused() {
        let scratch = Scratch::new();
        let mut file = PositionFile::create(scratch.dir(), NARROW).unwrap();
        file.append(&[1, 2, 3]).unwrap();
        for (first, n) in [(3, 1), (0, 4), (u64::MAX, 2)] {
            let e = file.read(first, &mut vec![0; n]).unwrap_err();
            assert!(matches!(e, compexp_core::Error::Mismatch { .. }), "{e}");
        }
        file.read(3, &mut []).unwrap();
        let e = PositionFile::create(&scratch.path("missing"), NARROW).unwrap_err();
        assert!(matches!(e, Error::File(compexp_files::Error::Io { .. })), "{e}");
    }

    struct Stripes;

    impl AnnotationSource for Stripes {
        fn n_examples(&self) -> usize {
            9
        }

        fn grid(&self) -> Grid {
            Grid { height: 300, width: 200 }
        }

        fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
            let positions = self.grid().positions();
            into.layers.extend((0..positions).map(|p| (p / (example * 50 + 7)) as u32 % 11));
            into.scalars.push(ConceptId(20).0 + example as u32);
            Ok(())
        }
    }

    #[test]
    fn a_partition_is_the_same_wherever_its_positions_are() {
        let scratch = Scratch::new();
        let grid = Stripes.grid();
        let stores: [Box<dyn PositionStore>; 2] =
            [Box::new(PositionFile::create(scratch.dir(), grid).unwrap()), Box::new(MemoryPositions::new(grid))];
        let maps = stores.map(|store| {
            let mut builder = PartitionBuilder::new(grid, store);
            builder.add_all(&Stripes, &|_| ()).unwrap();
            builder.finish(&Neighbors::new()).unwrap().1
        });
        for first in [0, 3, 7] {
            let [a, b] = [0, 1].map(|m: usize| {
                let mut out = vec![0; 2 * grid.positions()];
                maps[m].read_local(first, &mut out).unwrap();
                out
            });
            assert!(a == b && a.iter().any(|cell| *cell > 0), "examples {first} and the next");
        }
    }

    #[test]
    fn only_large_maps_go_to_a_file() {
        let scratch = Scratch::new();
        // No file can be made in a folder that is not there: these stay in memory.
        let missing = scratch.path("missing");
        assert!(position_store(&missing, Grid { height: 112, width: 112 }, 10_699).is_ok());
        assert!(position_store(&missing, Grid { height: 112, width: 112 }, 10_700).is_err());
        assert!(position_store(&missing, WIDE, 1_020).is_ok());
        assert!(position_store(&missing, WIDE, 1_021).is_err());
        assert!(position_store(&missing, WIDE, usize::MAX).is_err());
    }
}
