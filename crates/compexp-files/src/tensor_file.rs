//! Arrays in files, read in blocks.

mod npz;
mod open;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};

use crate::dtype::Dtype;
use crate::source_file::SourceFile;
use crate::strided::{gather, reach};
use crate::{Error, Result};
pub use npz::{is_npz, npz_text};
pub use open::{View, split_spec};

/// The bytes read and converted at a time: they stay in the cache between the two.
const BLOCK: usize = 1 << 16;

/// An array in a file, of which blocks of elements are read in row-major (C) order.
#[derive(Debug)]
pub struct TensorFile {
    file: Arc<SourceFile>,
    /// The tensor's name in a file that holds several.
    name: Option<String>,
    /// The free-form texts in the header of a safetensors file.
    metadata: HashMap<String, String>,
    dtype: Dtype,
    big_endian: bool,
    shape: Vec<usize>,
    elements: usize,
    /// Where the first element is, in bytes.
    offset: u64,
    /// How far apart neighbours are along each axis, in elements, where rows of other elements lie between.
    strides: Option<Vec<u64>>,
    /// All elements in row-major order, where the file has another or cannot be read by position.
    in_memory: Option<Vec<u8>>,
}

impl TensorFile {
    /// Where the first element is in the file, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The file's path, without the tensor's name.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The text of this name in the metadata of a safetensors file.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str)
    }

    /// The type of the elements in the file.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Reads elements of f16, bf16, f32 or f64, from the one numbered `first` in row-major order, as f32. Values of f64
    /// are rounded to the nearest f32, those beyond its range to infinity.
    ///
    /// # Errors
    /// [`Error::Format`] where the elements have another type or the file has changed since it was opened,
    /// [`Error::Mismatch`] where they are not all in the array, [`Error::Io`].
    pub fn read_f32(&self, first: usize, out: &mut [f32]) -> Result<()> {
        match self.dtype {
            Dtype::F16 => self.read(first, out, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::Bf16 => self.read(first, out, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F32 => self.read(first, out, f32::from_le_bytes),
            Dtype::F64 => self.read(first, out, |b| f64::from_le_bytes(b) as f32),
            _ => Err(self.wrong_dtype("f32, f16, bf16 or f64")),
        }
    }

    /// Reads elements of u8, u16 or u32, from the one numbered `first` in row-major order.
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    pub fn read_u32(&self, first: usize, out: &mut [u32]) -> Result<()> {
        match self.dtype {
            Dtype::U8 => self.read(first, out, |[b]| u32::from(b)),
            Dtype::U16 => self.read(first, out, |b| u32::from(u16::from_le_bytes(b))),
            Dtype::U32 => self.read(first, out, u32::from_le_bytes),
            _ => Err(self.wrong_dtype("u8, u16 or u32")),
        }
    }

    /// Reads elements of i8, i16 or i32, from the one numbered `first` in row-major order.
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    pub fn read_i32(&self, first: usize, out: &mut [i32]) -> Result<()> {
        match self.dtype {
            Dtype::I8 => self.read(first, out, |b| i32::from(i8::from_le_bytes(b))),
            Dtype::I16 => self.read(first, out, |b| i32::from(i16::from_le_bytes(b))),
            Dtype::I32 => self.read(first, out, i32::from_le_bytes),
            _ => Err(self.wrong_dtype("i8, i16 or i32")),
        }
    }

    /// Reads whole numbers of any type but bool, from the one numbered `first` in row-major order.
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    pub fn read_i64(&self, first: usize, out: &mut [i64]) -> Result<()> {
        match self.dtype {
            Dtype::U8 => self.read(first, out, |[b]| i64::from(b)),
            Dtype::U16 => self.read(first, out, |b| i64::from(u16::from_le_bytes(b))),
            Dtype::U32 => self.read(first, out, |b| i64::from(u32::from_le_bytes(b))),
            Dtype::I8 => self.read(first, out, |b| i64::from(i8::from_le_bytes(b))),
            Dtype::I16 => self.read(first, out, |b| i64::from(i16::from_le_bytes(b))),
            Dtype::I32 => self.read(first, out, |b| i64::from(i32::from_le_bytes(b))),
            Dtype::I64 => self.read(first, out, i64::from_le_bytes),
            _ => Err(self.wrong_dtype("u8, u16, u32, i8, i16, i32 or i64")),
        }
    }

    /// Reads elements of bool or u8, from the one numbered `first` in row-major order; all but 0 are true.
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    pub fn read_bool(&self, first: usize, out: &mut [bool]) -> Result<()> {
        match self.dtype {
            Dtype::Bool | Dtype::U8 => self.read(first, out, |[b]| b != 0),
            _ => Err(self.wrong_dtype("bool or u8")),
        }
    }

    /// The element numbered `at` in row-major order as it stands in the file, for errors.
    ///
    /// # Errors
    /// The errors of [`Self::read_f32`].
    pub fn element(&self, at: usize) -> Result<String> {
        let (mut wide, mut narrow) = ([0.0; 1], [0.0; 1]);
        if self.dtype == Dtype::F64 {
            self.read(at, &mut wide, f64::from_le_bytes)?;
            return Ok(format!("{:e}", wide[0]).replace("e0", ""));
        }
        self.read_f32(at, &mut narrow)?;
        Ok(narrow[0].to_string())
    }

    /// An error about `field` of this array.
    pub fn error(&self, field: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        let field = match &self.name {
            Some(name) => format!("{field} of tensor `{name}`"),
            None => field.to_owned(),
        };
        Error::format(self.path(), field, found, expected)
    }

    fn wrong_dtype(&self, expected: &str) -> Error {
        self.error("dtype", self.dtype.to_string(), format!("{expected}: convert the array with `.astype(...)`"))
    }

    /// Reads `out.len()` elements of `N` bytes each, given to `convert` in little-endian order.
    fn read<const N: usize, T>(&self, first: usize, out: &mut [T], convert: impl Fn([u8; N]) -> T) -> Result<()> {
        if first.checked_add(out.len()).is_none_or(|end| end > self.elements) {
            let found = format!("{} from element {first} on", out.len());
            return Err(Error::mismatch(
                format!("elements read of `{}`", self.path().display()),
                found,
                format!("no more than the array has: {}", self.elements),
            ));
        }
        let convert_all = |bytes: &[u8], out: &mut [T]| {
            let elements = bytes.as_chunks().0;
            if self.big_endian {
                for (o, &b) in out.iter_mut().zip(elements) {
                    let mut b: [u8; N] = b;
                    b.reverse();
                    *o = convert(b);
                }
            } else {
                for (o, b) in out.iter_mut().zip(elements) {
                    *o = convert(*b);
                }
            }
        };
        if let Some(all) = &self.in_memory {
            convert_all(&all[first * N..(first + out.len()) * N], out);
            return Ok(());
        }
        if let Some(strides) = &self.strides {
            return self.read_rows(strides, first, out, convert_all);
        }
        let mut scratch = vec![0; (out.len() * N).min(BLOCK)];
        let mut at = self.offset + (first * N) as u64;
        for out in out.chunks_mut(BLOCK / N) {
            let scratch = &mut scratch[..out.len() * N];
            self.file.read_at(scratch, at)?;
            at += scratch.len() as u64;
            convert_all(scratch, out);
        }
        Ok(())
    }

    /// Reads elements of an array whose rows, along its first axis, lie one after the other: the part of the file that a row
    /// spans is read at once, and its elements are gathered.
    fn read_rows<T>(
        &self,
        strides: &[u64],
        mut first: usize,
        mut out: &mut [T],
        convert_all: impl Fn(&[u8], &mut [T]),
    ) -> Result<()> {
        let size = self.dtype.size();
        let dims: Vec<(u64, u64)> = self.shape.iter().map(|d| *d as u64).zip(strides.iter().copied()).collect();
        let (outer, inner) = dims.split_at(1);
        let row_len: usize = self.shape[1..].iter().product();
        // It was checked when the array was opened.
        let span = reach(inner).unwrap_or(0) + 1;
        let mut bytes = vec![0; span as usize * size];
        while !out.is_empty() {
            let (row, from) = (first / row_len, first % row_len);
            self.file.read_at(&mut bytes, self.offset + row as u64 * outer[0].1 * size as u64)?;
            let (part, rest) = out.split_at_mut(out.len().min(row_len - from));
            convert_all(&gather(&bytes, inner, size)[from * size..(from + part.len()) * size], part);
            first += part.len();
            out = rest;
        }
        Ok(())
    }
}
