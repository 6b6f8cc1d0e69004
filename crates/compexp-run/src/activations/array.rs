//! An array that is in one piece, or in batches that follow each other along the first axis.

use std::path::{Path, PathBuf};

use compexp_files::{Dtype, Error, TensorFile, excerpt};

use crate::error::Result;

/// An array in one file or several, read in blocks in row-major order.
#[derive(Debug)]
pub(super) struct Array {
    /// The file or folder that was given.
    path: PathBuf,
    /// All files that it is in, in their order.
    files: Vec<PathBuf>,
    /// The batches, none of them empty; one without elements if all are.
    batches: Vec<Batch>,
    shape: Vec<usize>,
    elements: usize,
}

/// A part of an array.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) tensor: TensorFile,
    /// Its number in its file, where that holds a list.
    pub(super) number: Option<usize>,
    /// The number of its first element in the whole array.
    first: usize,
}

impl Batch {
    pub(super) fn new(tensor: TensorFile, number: Option<usize>) -> Self {
        Self { tensor, number, first: 0 }
    }

    fn field(&self, what: &str) -> String {
        match self.number {
            Some(i) => format!("{what} of batch {i}"),
            None => what.to_owned(),
        }
    }
}

impl Array {
    /// The array of these batches, of which there is at least one; `files` are all that it was read from.
    ///
    /// # Errors
    /// [`Error::Format`] if the batches differ in their type, or in a size other than the first.
    pub(super) fn joined(path: &Path, files: Vec<PathBuf>, mut batches: Vec<Batch>) -> Result<Self> {
        let (mut rows, mut elements) = (0usize, 0usize);
        for i in 0..batches.len() {
            let (first, batch) = (&batches[0], &batches[i]);
            let as_first = || match (first.tensor.path() == batch.tensor.path(), first.tensor.path().file_name()) {
                (false, Some(name)) => format!("as {} has", excerpt(&name.to_string_lossy())),
                _ => "as batch 0 has".to_owned(),
            };
            if batch.tensor.shape().is_empty() && batch.number.is_some() {
                let expected = "an array whose first axis is of examples";
                return Err(batch.tensor.error(&batch.field("shape"), "[]", expected).into());
            }
            let inner = |batch: &Batch| batch.tensor.shape().iter().skip(1).copied().collect::<Vec<_>>();
            let expected = inner(first);
            if inner(batch) != expected {
                let expected = format!("{expected:?} after the first axis, {}", as_first());
                return Err(batch
                    .tensor
                    .error(&batch.field("shape"), format!("{:?}", batch.tensor.shape()), expected)
                    .into());
            }
            if batch.tensor.dtype() != first.tensor.dtype() {
                let expected = format!("{}, {}", first.tensor.dtype(), as_first());
                return Err(batch
                    .tensor
                    .error(&batch.field("dtype"), batch.tensor.dtype().to_string(), expected)
                    .into());
            }
            rows = rows.saturating_add(batch.tensor.shape().first().copied().unwrap_or(1));
            let batch = &mut batches[i];
            batch.first = elements;
            elements = elements.saturating_add(batch.tensor.elements());
        }
        let mut shape = batches[0].tensor.shape().to_vec();
        if let Some(first) = shape.first_mut() {
            *first = rows;
        }
        if elements > 0 {
            batches.retain(|batch| batch.tensor.elements() > 0);
        }
        Ok(Self { path: path.to_owned(), files, batches, shape, elements })
    }

    /// The file or folder that was given, without a tensor's name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All files that it is in.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    /// Its batches, in their order; at least one.
    pub(super) fn batches(&self) -> impl Iterator<Item = &TensorFile> {
        self.batches.iter().map(|batch| &batch.tensor)
    }

    /// The same, if its elements have one of these types: `expected` is their list in words.
    ///
    /// # Errors
    /// [`Error::Format`] if they have another type.
    pub(super) fn of_type(mut self, dtypes: &[Dtype], expected: &str) -> Result<Self> {
        // All batches have the type of the first.
        let first = self.batches.remove(0);
        let tensor = first.tensor.of_type(dtypes, expected)?;
        self.batches.insert(0, Batch { tensor, ..first });
        Ok(self)
    }

    /// Reads elements as [`TensorFile::read_f32`] does.
    ///
    /// # Errors
    /// Those of [`TensorFile::read_f32`].
    pub(super) fn read_f32(&self, first: usize, out: &mut [f32]) -> Result<()> {
        self.read(first, out, TensorFile::read_f32)
    }

    /// Reads elements as [`TensorFile::read_bool`] does.
    ///
    /// # Errors
    /// Those of [`TensorFile::read_bool`].
    pub(super) fn read_bool(&self, first: usize, out: &mut [bool]) -> Result<()> {
        self.read(first, out, TensorFile::read_bool)
    }

    /// The file of the element of this number, and the element as it stands there.
    ///
    /// # Errors
    /// Those of [`TensorFile::element`].
    pub(super) fn element(&self, at: usize) -> Result<(&Path, String)> {
        let batch = &self.batches[self.batch_of(at)];
        Ok((batch.tensor.path(), batch.tensor.element(at - batch.first)?))
    }

    /// An error about `field` of this array.
    pub(super) fn error(&self, field: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        match &self.batches[..] {
            [only] => only.tensor.error(field, found, expected),
            _ => Error::format(&self.path, field, found, expected),
        }
    }

    /// The batch that the element of this number is in; the last one beyond the end.
    fn batch_of(&self, at: usize) -> usize {
        self.batches.partition_point(|batch| batch.first <= at).saturating_sub(1)
    }

    fn read<T>(
        &self,
        mut first: usize,
        mut out: &mut [T],
        read: impl Fn(&TensorFile, usize, &mut [T]) -> compexp_files::Result<()>,
    ) -> Result<()> {
        let mut batch = self.batch_of(first);
        loop {
            let Batch { tensor, first: start, .. } = &self.batches[batch];
            let is_last = batch + 1 == self.batches.len();
            // What is beyond the array is an error of its last batch.
            let here = if is_last { out.len() } else { out.len().min(start + tensor.elements() - first) };
            let (part, rest) = out.split_at_mut(here);
            read(tensor, first - start, part)?;
            if rest.is_empty() {
                return Ok(());
            }
            (first, out, batch) = (first + here, rest, batch + 1);
        }
    }
}
