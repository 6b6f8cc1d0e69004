//! Writing sparse activations in the plain form: coordinates and values in safetensors.

use std::io::Write;
use std::path::{Path, PathBuf};

use compexp_files::{AtomicFile, UnnamedFile};
use serde_json::json;

use super::MAX_UNITS;
use crate::error::{Error, Result};

/// Bytes of an array that are held before they go to the disk.
const BUFFER: usize = 1 << 20;

/// A file of sparse activations that is written row by row. Memory is bounded, however many rows there are: arrays grow in
/// temporary files, and are put one behind the other at the end.
#[derive(Debug)]
pub struct SparseWriter {
    path: PathBuf,
    n_rows: usize,
    n_units: usize,
    entries: u64,
    positions: Part,
    units: Part,
    values: Part,
}

impl SparseWriter {
    /// Starts the file that will be at `path`, of a layer with `n_units`.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the folder cannot be written to; [`compexp_core::Error::Mismatch`] if there are no units,
    /// or too many.
    pub fn create(path: &Path, n_units: usize) -> Result<Self> {
        if n_units == 0 || n_units >= MAX_UNITS {
            return Err(Error::mismatch("units of sparse activations", n_units, format!("1 to {}", MAX_UNITS - 1)));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let part = || Part::create(folder);
        let (positions, units, values) = (part()?, part()?, part()?);
        Ok(Self { path: path.to_owned(), n_rows: 0, n_units, entries: 0, positions, units, values })
    }

    /// Adds a row: the units that are not 0, and their values.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the disk is full; [`compexp_core::Error::Mismatch`] if there are more units than values,
    /// a unit is not one of the layer, or there are too many rows.
    pub fn append(&mut self, units: &[u32], values: &[f32]) -> Result<()> {
        if units.len() != values.len() {
            return Err(Error::mismatch("values of a row", values.len(), format!("{}, one a unit", units.len())));
        }
        if let Some(unit) = units.iter().find(|unit| **unit as usize >= self.n_units) {
            return Err(Error::mismatch("unit of a row", unit, format!("less than {}", self.n_units)));
        }
        let row = u32::try_from(self.n_rows).map_err(|_| Error::mismatch("rows", self.n_rows, "fewer than 2^32"))?;
        for (unit, value) in units.iter().zip(values) {
            self.positions.add(row.to_le_bytes())?;
            self.units.add(unit.to_le_bytes())?;
            self.values.add(value.to_le_bytes())?;
        }
        self.entries += units.len() as u64;
        self.n_rows += 1;
        Ok(())
    }

    /// Completes the file. Returns the number of values in it.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if it cannot be written; [`compexp_core::Error::Mismatch`] if there are no rows.
    pub fn finish(self) -> Result<u64> {
        let Self { path, n_rows, n_units, entries, positions, units, values } = self;
        if n_rows == 0 {
            return Err(Error::mismatch("rows of sparse activations", 0, "1 or more"));
        }
        // The sizes first, so that every array begins at a multiple of its elements.
        let (first, bytes) = (16, 4 * entries);
        let tensor = |dtype: &str, n: u64, from: u64, to: u64| json!({ "dtype": dtype, "shape": [n], "data_offsets": [from, to] });
        let header = json!({
            "shape": tensor("I64", 2, 0, first),
            "positions": tensor("U32", entries, first, first + bytes),
            "units": tensor("U32", entries, first + bytes, first + 2 * bytes),
            "values": tensor("F32", entries, first + 2 * bytes, first + 3 * bytes),
        });
        let mut header = header.to_string();
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        let mut file = AtomicFile::create(&path)?;
        let mut head = (header.len() as u64).to_le_bytes().to_vec();
        head.extend(header.as_bytes());
        head.extend((n_rows as u64).to_le_bytes());
        head.extend((n_units as u64).to_le_bytes());
        let failed = || compexp_files::Error::io("write", &path);
        file.write_all(&head).map_err(failed())?;
        for part in [positions, units, values] {
            part.each(&mut |bytes| file.write_all(bytes).map_err(failed()))?;
        }
        file.commit()?;
        Ok(entries)
    }
}

/// An array that grows in a temporary file.
#[derive(Debug)]
struct Part {
    file: UnnamedFile,
    /// The bytes in the file.
    written: u64,
    buffer: Vec<u8>,
}

impl Part {
    fn create(folder: &Path) -> Result<Self> {
        Ok(Self { file: UnnamedFile::create(folder)?, written: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    fn add(&mut self, element: [u8; 4]) -> Result<()> {
        self.buffer.extend(element);
        if self.buffer.len() >= BUFFER {
            self.file.append(&self.buffer)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Calls `f` with all bytes, block by block.
    fn each(self, f: &mut dyn FnMut(&[u8]) -> compexp_files::Result<()>) -> Result<()> {
        let mut block = vec![0; BUFFER];
        for first in (0..self.written).step_by(BUFFER) {
            let block = &mut block[..BUFFER.min((self.written - first) as usize)];
            self.file.read_at(block, first)?;
            f(block)?;
        }
        Ok(f(&self.buffer)?)
    }
}

#[cfg(test)]
mod tests {
    use compexp_core::sparse::SparseSource;
    use compexp_tests::files::Scratch;

    use super::super::SparseFile;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let scratch = Scratch::new();
        let path = scratch.path("latents.safetensors");
        // More than a buffer, and rows with nothing at the beginning and the end.
        let mut rows = vec![Vec::new()];
        rows.extend((0..BUFFER as u32 / 8).map(|row| vec![(row % 7, row as f32 + 0.5), (9, -1.0), (10, 2.0)]));
        rows.push(Vec::new());
        let mut writer = SparseWriter::create(&path, 12).unwrap();
        for row in &rows {
            let (units, values): (Vec<u32>, Vec<f32>) = row.iter().copied().unzip();
            writer.append(&units, &values).unwrap();
        }
        let entries = rows.iter().map(Vec::len).sum::<usize>();
        assert_eq!(writer.finish().unwrap(), entries as u64);
        assert_eq!(scratch.names(), ["latents.safetensors"]);
        let file = SparseFile::open(&path).unwrap().unwrap();
        assert_eq!((file.n_rows(), file.n_units()), (rows.len(), 12));
        let mut found = vec![Vec::new(); rows.len()];
        for (number, units) in file.blocks().into_iter().enumerate() {
            let block = file.read(number).unwrap();
            for unit in units {
                let (positions, values) = block.of(unit);
                positions.iter().zip(values).for_each(|(row, value)| found[*row as usize].push((unit as u32, *value)));
            }
        }
        assert!(found == rows);
    }

    #[test]
    fn layers_in_which_nothing_fires_are_written_too() {
        let scratch = Scratch::new();
        let path = scratch.path("latents.safetensors");
        let mut writer = SparseWriter::create(&path, 3).unwrap();
        writer.append(&[], &[]).unwrap();
        writer.finish().unwrap();
        let file = SparseFile::open(&path).unwrap().unwrap();
        assert_eq!((file.n_rows(), file.n_units()), (1, 3));
        assert!(file.read(0).unwrap().values.is_empty());
    }

    #[test]
    fn what_no_reader_takes_is_not_written() {
        let scratch = Scratch::new();
        let path = scratch.path("latents.safetensors");
        for n_units in [0, MAX_UNITS] {
            assert!(SparseWriter::create(&path, n_units).unwrap_err().to_string().contains("units of sparse"));
        }
        let mut writer = SparseWriter::create(&path, 3).unwrap();
        assert!(writer.append(&[3], &[1.0]).unwrap_err().to_string().contains("less than 3"));
        assert!(writer.append(&[1], &[]).unwrap_err().to_string().contains("one a unit"));
        assert!(writer.finish().unwrap_err().to_string().contains("1 or more"));
        assert_eq!(scratch.names(), [""; 0]);
    }
}
