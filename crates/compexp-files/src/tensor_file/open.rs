//! Opening an array: which file and tensor, what its header says, and its elements in row-major order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;

use super::{BLOCK, TensorFile};
use crate::dtype::Dtype;
use crate::npy;
use crate::place::Place;
use crate::source_file::SourceFile;
use crate::{Error, Result};

/// The longest header of a safetensors file that is read: some 100,000 tensors. The format itself allows 100 MB, which
/// parsed would take a multiple of that.
const MAX_SAFETENSORS_HEADER: u64 = 16 << 20;

impl TensorFile {
    /// Opens the array that `spec` names: the path of a `.npy` or `.safetensors` file, told apart by their content. A
    /// safetensors file of several tensors needs the name of one after a `#`, as in `acts.safetensors#layer4`; a `#`
    /// within the path of an existing file is part of the path.
    ///
    /// Only the header is read, unless the array is in column-major (Fortran) order: then all of it is read, and kept
    /// in row-major order.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] where the header is broken, the element type is none of [`Dtype`], the
    /// file's length is not what the shape asks for, or the tensor is not in the file (the names are listed).
    pub fn open(spec: impl AsRef<Path>) -> Result<Self> {
        Self::open_any(spec.as_ref(), "bool, u8, i8, u16, i16, u32, i32, i64, f16, bf16, f32 or f64")
    }

    /// The same, of these element types: `expected` is their list in words.
    ///
    /// # Errors
    /// The errors of [`Self::open`]; `Error::Format` if the elements have another type.
    pub fn open_of(spec: impl AsRef<Path>, dtypes: &[Dtype], expected: &str) -> Result<Self> {
        Self::open_any(spec.as_ref(), expected)?.of_type(dtypes, expected)
    }

    /// The same array, if its elements have one of these types: `expected` is their list in words.
    ///
    /// # Errors
    /// `Error::Format` if the elements have another type.
    pub fn of_type(self, dtypes: &[Dtype], expected: &str) -> Result<Self> {
        if dtypes.contains(&self.dtype) { Ok(self) } else { Err(self.wrong_dtype(expected)) }
    }

    /// An array that another reader took from `file`: all elements, little-endian and in row-major order. `name` is the
    /// tensor's name in the file.
    ///
    /// # Errors
    /// `Error::Format` if the bytes do not fill the shape.
    pub fn in_memory(
        file: SourceFile,
        name: Option<String>,
        dtype: Dtype,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    ) -> Result<Self> {
        let elements = count_elements(&file, &shape, dtype)?;
        if elements * dtype.size() != bytes.len() {
            let (found, expected) = (format!("{} bytes", bytes.len()), format!("{shape:?} of {dtype}"));
            return Err(Error::format(file.path(), "elements", found, expected));
        }
        let (metadata, reordered) = (HashMap::new(), Some(bytes));
        Ok(Self { file, name, metadata, dtype, big_endian: false, shape, elements, offset: 0, reordered })
    }

    fn open_any(spec: &Path, dtypes: &str) -> Result<Self> {
        let (path, name) = split_spec(spec)?;
        let file = SourceFile::open(&path)?;
        let mut magic = [0; 9];
        let len = magic.len().min(file.len() as usize);
        file.read_at(&mut magic[..len], 0)?;
        if magic.starts_with(npy::MAGIC) {
            match name {
                Some(name) => Err(Error::format(
                    &path,
                    "tensor name",
                    format!("`{name}`"),
                    format!("no name: an .npy file holds a single array; give the path without `#{name}`"),
                )),
                None => Self::open_npy(file, dtypes),
            }
        } else if magic[8] == b'{' {
            Self::open_safetensors(file, name.as_deref(), dtypes)
        } else {
            let found = match &magic {
                [b'P', b'K', ..] => "a zip archive (.npz or .pt)".into(),
                _ if len == 0 => "an empty file".into(),
                _ => format!("`{}`", magic[..len].escape_ascii()),
            };
            let expected = "the start of an .npy or .safetensors file: write one with `numpy.save` or \
                            `safetensors.numpy.save_file`";
            Err(Error::format(&path, "first bytes", found, expected))
        }
    }

    fn open_npy(file: SourceFile, dtypes: &str) -> Result<Self> {
        let npy::Header { dtype, big_endian, fortran_order, shape, offset } = npy::read_header(&file, dtypes)?;
        let elements = count_elements(&file, &shape, dtype)?;
        check_length(&file, offset, (elements * dtype.size()) as u64)?;
        let metadata = HashMap::new();
        let mut this = Self { file, name: None, metadata, dtype, big_endian, shape, elements, offset, reordered: None };
        if fortran_order && this.shape.iter().filter(|d| **d > 1).count() > 1 {
            this.reordered = Some(this.read_column_major()?);
        }
        Ok(this)
    }

    fn open_safetensors(file: SourceFile, name: Option<&str>, dtypes: &str) -> Result<Self> {
        let error =
            |field: String, found: String, expected: String| Err(Error::format(file.path(), field, found, expected));
        let mut len = [0; 8];
        file.read_at(&mut len, 0)?;
        let len = u64::from_le_bytes(len);
        if len > MAX_SAFETENSORS_HEADER || len > file.len() - 8 {
            let limit = MAX_SAFETENSORS_HEADER.min(file.len() - 8);
            return error("header length".into(), format!("{len} bytes"), format!("at most {limit} bytes"));
        }
        let mut header = vec![0; len as usize];
        file.read_at(&mut header, 8)?;
        let parsed: Metadata = match serde_json::from_slice(&header) {
            Ok(parsed) => parsed,
            Err(e) => return error("header".into(), e.to_string(), "the header of a safetensors file".into()),
        };
        check_length(&file, 8 + len, parsed.data_len() as u64)?;

        let mut names = parsed.offset_keys();
        names.sort();
        let name = match name {
            Some(name) => name.to_owned(),
            None if names.len() == 1 => names[0].clone(),
            None => {
                let hint = format!("a single tensor, or the name of one after `#`: {}", list(&names));
                return error("tensors".into(), names.len().to_string(), hint);
            }
        };
        let Some(info) = parsed.info(&name) else {
            return error("tensor name".into(), format!("`{name}`"), format!("one of {}", list(&names)));
        };
        let Some(dtype) = Dtype::from_safetensors(info.dtype) else {
            let expected = format!("{dtypes}: convert the tensor before saving");
            return error(format!("dtype of tensor `{name}`"), info.dtype.to_string(), expected);
        };
        // The header's reader has checked that the offsets agree with shape and type.
        let (shape, offset) = (info.shape.clone(), 8 + len + info.data_offsets.0 as u64);
        let elements = count_elements(&file, &shape, dtype)?;
        let metadata = parsed.metadata().clone().unwrap_or_default();
        let (name, big_endian) = (Some(name), false);
        Ok(Self { file, name, metadata, dtype, big_endian, shape, elements, offset, reordered: None })
    }

    /// All elements of a file in column-major order, in row-major order.
    fn read_column_major(&self) -> Result<Vec<u8>> {
        let (size, total) = (self.dtype.size(), self.elements * self.dtype.size());
        let mut all = Vec::new();
        all.try_reserve_exact(total)
            .map_err(|_| self.error("order", format!("a column-major array of {total} bytes"), ROW_MAJOR))?;
        all.resize(total, 0);
        // How far apart neighbours along each axis are in row-major order, in bytes.
        let mut strides = vec![size; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        let mut index = vec![0; self.shape.len()];
        let mut to = 0;
        let mut block = vec![0; BLOCK.min(total)];
        for start in (0..total).step_by(BLOCK) {
            let block = &mut block[..BLOCK.min(total - start)];
            self.file.read_at(block, self.offset + start as u64)?;
            for element in block.chunks_exact(size) {
                all[to..to + size].copy_from_slice(element);
                for axis in 0..index.len() {
                    index[axis] += 1;
                    to += strides[axis];
                    if index[axis] < self.shape[axis] {
                        break;
                    }
                    to -= strides[axis] * self.shape[axis];
                    index[axis] = 0;
                }
            }
        }
        Ok(all)
    }
}

/// What to do about an array in an order that cannot be held in memory.
const ROW_MAJOR: &str = "row-major order, or one that fits in memory: save it with `numpy.ascontiguousarray`";

/// The path and the tensor's name of `spec`, which may have a name after a `#`; a `#` within the path of an existing file
/// is part of the path.
///
/// # Errors
/// [`Error::Io`] if what stands at the path cannot be told.
pub fn split_spec(spec: &Path) -> Result<(PathBuf, Option<String>)> {
    let whole = (spec.to_owned(), None);
    let Some(text) = spec.to_str().filter(|text| text.contains('#')) else { return Ok(whole) };
    if Place::behind(spec)? != Place::Nothing {
        return Ok(whole);
    }
    let parts =
        || text.rmatch_indices('#').map(|(at, _)| (PathBuf::from(&text[..at]), Some(text[at + 1..].to_owned())));
    for (path, name) in parts() {
        if matches!(Place::behind(&path)?, Place::File(_)) {
            return Ok((path, name));
        }
    }
    Ok(parts().next().unwrap_or(whole))
}

/// The number of elements of `shape`, whose size in bytes fits a `usize` (and so do the sizes of all its parts).
fn count_elements(file: &SourceFile, shape: &[usize], dtype: Dtype) -> Result<usize> {
    let product = shape.iter().filter(|d| **d > 0).try_fold(dtype.size(), |p, d| p.checked_mul(*d));
    match product {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(if shape.contains(&0) { 0 } else { bytes / dtype.size() }),
        _ => Err(Error::format(
            file.path(),
            "shape",
            format!("{shape:?} of {dtype}"),
            format!("an array that fits its file of {} bytes", file.len()),
        )),
    }
}

/// Checks that a file has nothing but a header that ends at `start`, and `data` bytes.
fn check_length(file: &SourceFile, start: u64, data: u64) -> Result<()> {
    let expected = start.checked_add(data);
    if expected == Some(file.len()) {
        return Ok(());
    }
    let found = format!("{} bytes", file.len());
    let expected = format!("{start} bytes of header and {data} of data: the file is cut off, or not what it says");
    Err(Error::format(file.path(), "length", found, expected))
}

/// At most the first twenty of `names`, in backticks.
fn list(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(20).map(|n| format!("`{n}`")).collect();
    let more = if names.len() > 20 { format!(" and {} more", names.len() - 20) } else { String::new() };
    if names.is_empty() { "none (the file holds no tensor)".into() } else { shown.join(", ") + &more }
}
