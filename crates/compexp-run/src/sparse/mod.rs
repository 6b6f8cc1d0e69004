//! Sparse activations in files: values with their coordinates, absent ones being 0.
//!
//! | form | content |
//! |---|---|
//! | folder of splits | files `{first}_{last}.safetensors` of ranges of units, as delphi writes them: `locations` u16, u32 or i64 `[n, 3]` = context, position, unit minus `first`; `activations` `[n]`; `tokens` integers `[contexts, length]`, 0 = padding |
//! | `.npz` | a matrix of `scipy.sparse.save_npz`, csr or csc: rows are positions, columns are units |
//! | `.safetensors` | `positions` and `units`, integers `[n]`; `values` `[n]`; `shape`, integers `[2]`: the numbers of positions and of units |
//!
//! The unit of a position is given once at most. Values are read in blocks of units; no form is kept in memory whole.

mod delphi;
mod stream;
#[cfg(test)]
mod tests;
mod write;

use std::ops::Range;
use std::path::{Path, PathBuf};

use compexp_core::probe::Grid;
use compexp_core::sparse::{Entries, SparseSource};
use compexp_files::{Dtype, Place, SourceFile, TensorFile, is_npz, npz_text};

use crate::error::{Error, Result};
use delphi::Splits;
use stream::Stream;
pub use write::SparseWriter;

/// Sparse activations in a file or folder.
#[derive(Debug)]
pub struct SparseFile {
    path: PathBuf,
    form: Form,
    rows: Rows,
    grid: Grid,
}

#[derive(Debug)]
enum Form {
    Splits(Splits),
    Stream(Box<Stream>),
}

/// Which rows of the file are examples.
#[derive(Debug)]
enum Rows {
    /// All rows are; the number of examples, which have as many rows as positions.
    All(usize),
    /// Pairs of a row and the example that has its values, sorted; and the number of examples.
    Chosen(Vec<(u32, u32)>, usize),
}

impl SparseFile {
    /// Opens sparse activations; none if the file or folder is of another form.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where a file of such a form breaks a rule of it: splits
    /// that overlap or leave gaps, coordinates beyond the sizes.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let form = match Place::behind(path)? {
            Place::Folder => Splits::open(path)?.map(Form::Splits),
            Place::File(_) => Self::open_file(path)?.map(|stream| Form::Stream(Box::new(stream))),
            _ => None,
        };
        let Some(form) = form else { return Ok(None) };
        let n_rows = match &form {
            Form::Splits(splits) => splits.n_rows(),
            Form::Stream(stream) => stream.n_rows(),
        };
        Ok(Some(Self { path: path.to_owned(), form, rows: Rows::All(n_rows), grid: Grid::SINGLE }))
    }

    fn open_file(path: &Path) -> Result<Option<Stream>> {
        let file = SourceFile::open(path)?;
        if file.len() >= 4 && is_npz(&file)? {
            return match npz_text(&file, "format")? {
                Some(format) => Stream::matrix(path, &format).map(Some),
                None => Ok(None),
            };
        }
        let mut head = [0; 9];
        let len = head.len().min(file.len() as usize);
        file.read_at(&mut head[..len], 0)?;
        if head[8] != b'{' || open_integers(path, "units").is_err() {
            return Ok(None);
        }
        Stream::triples(path).map(Some)
    }

    /// The same, of which example `i` is the row `rows[i]`; a row may be several examples.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] for a row that the file does not have.
    pub fn of_rows(self, rows: &[u32]) -> Result<Self> {
        let n_rows = self.n_rows();
        if let Some(row) = rows.iter().find(|row| **row as usize >= n_rows) {
            let what = format!("row of the sparse activations `{}`", self.path.display());
            return Err(Error::mismatch(what, row, format!("less than {n_rows}")));
        }
        let mut chosen: Vec<(u32, u32)> = rows.iter().copied().zip(0..).collect();
        chosen.sort_unstable();
        Ok(Self { rows: Rows::Chosen(chosen, rows.len()), grid: Grid::SINGLE, ..self })
    }

    /// The same, whose rows are the positions of maps: those of an example follow each other, row by row of its map.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the rows are no whole maps.
    pub fn on_grid(self, grid: Grid) -> Result<Self> {
        let (n_rows, positions) = (self.n_rows(), grid.positions());
        if positions == 0 || !n_rows.is_multiple_of(positions) {
            let what = format!("rows of the sparse activations `{}`", self.path.display());
            let expected =
                format!("a multiple of {positions}, the positions of maps of {} x {}", grid.height, grid.width);
            return Err(Error::mismatch(what, n_rows, expected));
        }
        Ok(Self { rows: Rows::All(n_rows / positions), grid, ..self })
    }

    /// The number of rows of the file: contexts times positions of a context, or positions.
    pub fn n_rows(&self) -> usize {
        match &self.form {
            Form::Splits(splits) => splits.n_rows(),
            Form::Stream(stream) => stream.n_rows(),
        }
    }

    /// The tokens of the contexts, `(contexts, length)`, row by row, and their length; none where the form has none.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], [`compexp_files::Error::Format`] where they cannot be read.
    pub fn tokens(&self) -> Result<Option<(Vec<i64>, usize)>> {
        match &self.form {
            Form::Splits(splits) => splits.tokens(),
            Form::Stream(_) => Ok(None),
        }
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All its files.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.form {
            Form::Splits(splits) => splits.files(),
            Form::Stream(_) => vec![self.path.clone()],
        }
    }
}

impl SparseSource for SparseFile {
    fn n_examples(&self) -> usize {
        match &self.rows {
            Rows::All(n) | Rows::Chosen(_, n) => *n,
        }
    }

    fn n_units(&self) -> usize {
        match &self.form {
            Form::Splits(splits) => splits.n_units(),
            Form::Stream(stream) => stream.n_units(),
        }
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        match &self.form {
            Form::Splits(splits) => splits.blocks(),
            Form::Stream(stream) => stream.blocks().to_vec(),
        }
    }

    fn read(&self, block: usize) -> compexp_core::Result<Entries> {
        let units = self.blocks()[block].clone();
        let mut entries = Vec::new();
        let mut add = |unit: u32, row: u32, value: f32| match &self.rows {
            Rows::All(_) => entries.push((unit, row, value)),
            Rows::Chosen(chosen, _) => {
                let first = chosen.partition_point(|(of, _)| *of < row);
                let here = chosen[first..].iter().take_while(|(of, _)| *of == row);
                entries.extend(here.map(|(_, example)| (unit, *example, value)));
            }
        };
        match &self.form {
            Form::Splits(splits) => splits.read(block, &mut add)?,
            Form::Stream(stream) => stream.read(&units, &mut add)?,
        }
        let entries = Entries::new(units.clone(), entries);
        for unit in units {
            let (rows, _) = entries.of(unit);
            if let Some(pair) = rows.windows(2).find(|pair| pair[0] == pair[1]) {
                let what = format!("values of unit {unit} at position {} in `{}`", pair[0], self.path.display());
                return Err(compexp_core::Error::mismatch(what, "two or more", "one"));
            }
        }
        Ok(entries)
    }
}

/// A layer has fewer units.
const MAX_UNITS: usize = 1 << 24;

/// Elements read at once.
const CHUNK: usize = 1 << 20;

/// Opens a tensor of whole numbers in a file of several.
fn open_integers(path: &Path, name: &str) -> Result<TensorFile> {
    let dtypes = [Dtype::U8, Dtype::U16, Dtype::U32, Dtype::I32, Dtype::I64];
    Ok(TensorFile::open_of(named(path, name), &dtypes, "u8, u16, u32, i32 or i64")?)
}

/// Opens a tensor of values in a file of several.
fn open_values(path: &Path, name: &str) -> Result<TensorFile> {
    let dtypes = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];
    Ok(TensorFile::open_of(named(path, name), &dtypes, "f16, bf16, f32 or f64")?)
}

/// `FILE#NAME`.
fn named(path: &Path, name: &str) -> PathBuf {
    let mut spec = path.as_os_str().to_owned();
    spec.push("#");
    spec.push(name);
    spec.into()
}

/// A whole tensor of whole numbers of 0 or more.
fn all_integers(tensor: &TensorFile) -> Result<Vec<i64>> {
    let mut values = vec![0; tensor.elements()];
    tensor.read_i64(0, &mut values)?;
    Ok(values)
}
