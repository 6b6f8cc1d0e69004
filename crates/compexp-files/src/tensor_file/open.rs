//! Opening an array: which file and tensor, what its header says, and its elements in row-major order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::Metadata;

use super::npz::{self, Content};
use super::{BLOCK, TensorFile};
use crate::dtype::Dtype;
use crate::npy;
use crate::place::Place;
use crate::source_file::SourceFile;
use crate::strided::{gather, is_row_major, reach};
use crate::{Error, Result, listed};

/// The longest header of a safetensors file that is read: some 100,000 tensors. The format itself allows 100 MB, which
/// parsed would take a multiple of that.
const MAX_SAFETENSORS_HEADER: u64 = 16 << 20;

/// Where an array is within a file: little-endian elements, not necessarily in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The type of the elements.
    pub dtype: Dtype,
    /// The sizes, outermost first.
    pub shape: Vec<usize>,
    /// How far apart neighbours are along each axis, in elements.
    pub strides: Vec<u64>,
    /// Where the first element is, in bytes.
    pub offset: u64,
}

impl TensorFile {
    /// Opens the array that `spec` names: the path of a `.npy`, `.npz` or `.safetensors` file, told apart by their content. A
    /// file of several arrays needs the name of one after a `#`, as in `acts.safetensors#layer4`; a `#` within the path of an
    /// existing file is part of the path.
    ///
    /// Only the header is kept in memory, unless the array is in column-major (Fortran) order, or compressed: then all of it
    /// is, in row-major order.
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

    /// The array that another reader found in `file`; `name` is the tensor's name there. It is read by position, unless rows
    /// along its first axis do not lie one after the other: then all of it is read, and kept in row-major order.
    ///
    /// # Errors
    /// `Error::Format` if an element lies outside the file, or an array that must be held does not fit the memory; the errors
    /// of [`SourceFile::read_at`].
    pub fn view(file: Arc<SourceFile>, name: Option<String>, view: View) -> Result<Self> {
        let View { dtype, shape, strides, offset } = view;
        let elements = count_elements(&file, &shape, dtype)?;
        let dims: Vec<(u64, u64)> = shape.iter().map(|d| *d as u64).zip(strides.iter().copied()).collect();
        let bytes = |reach: u64| (reach + 1).checked_mul(dtype.size() as u64);
        let span = if elements == 0 { Some(0) } else { reach(&dims).and_then(bytes) };
        let end = span.and_then(|span| span.checked_add(offset));
        if strides.len() != shape.len() || end.is_none_or(|end| end > file.len()) {
            let found = format!("{shape:?} of {dtype} with strides {strides:?} from byte {offset} on");
            let expected = format!("an array within the file's {} bytes", file.len());
            return Err(Error::format(file.path(), "elements", found, expected));
        }
        let metadata = HashMap::new();
        let mut this = Self {
            file,
            name,
            metadata,
            dtype,
            big_endian: false,
            shape,
            elements,
            offset,
            strides: None,
            in_memory: None,
        };
        if elements == 0 || is_row_major(&dims) {
            return Ok(this);
        }
        if dims.len() > 1 && reach(&dims[1..]).is_some_and(|reach| reach < dims[0].1) {
            this.strides = Some(strides);
            return Ok(this);
        }
        let mut all = this.reserve(span.unwrap_or(0))?;
        this.file.read_at(&mut all, offset)?;
        this.in_memory = Some(gather(&all, &dims, dtype.size()));
        Ok(this)
    }

    fn open_any(spec: &Path, dtypes: &str) -> Result<Self> {
        let (path, name) = split_spec(spec)?;
        Self::open_in(SourceFile::open(&path)?, name.as_deref(), dtypes)
    }

    /// Opens the array of this name in an open file. `dtypes` are the element types that the caller takes, in words.
    ///
    /// # Errors
    /// The errors of [`Self::open`].
    pub fn open_in(file: SourceFile, name: Option<&str>, dtypes: &str) -> Result<Self> {
        let file = Arc::new(file);
        let mut magic = [0; 9];
        let len = magic.len().min(file.len() as usize);
        file.read_at(&mut magic[..len], 0)?;
        if magic.starts_with(npy::MAGIC) {
            match name {
                Some(name) => Err(Error::format(
                    file.path(),
                    "tensor name",
                    format!("`{name}`"),
                    format!("no name: an .npy file holds a single array; give the path without `#{name}`"),
                )),
                None => {
                    let content = Content::Section { start: 0, len: file.len() };
                    Self::open_npy(file, None, content, dtypes)
                }
            }
        } else if magic[8] == b'{' {
            Self::open_safetensors(file, name, dtypes)
        } else if magic.starts_with(b"PK") && npz::is_npz(&file)? {
            npz::open(file, name, dtypes)
        } else {
            let found = match &magic {
                [b'P', b'K', ..] => "a zip archive that is no whole .npz (a .pt, or cut off)".into(),
                _ if len == 0 => "an empty file".into(),
                _ => format!("`{}`", magic[..len].escape_ascii()),
            };
            let expected = "the start of an .npy, .npz or .safetensors file: write one with `numpy.save` or \
                            `safetensors.numpy.save_file`";
            Err(Error::format(file.path(), "first bytes", found, expected))
        }
    }

    /// Opens the `.npy` file that is `content` of `file`.
    pub(super) fn open_npy(
        file: Arc<SourceFile>,
        name: Option<String>,
        content: Content,
        dtypes: &str,
    ) -> Result<Self> {
        let (start, len, mut in_memory) = match content {
            Content::Section { start, len } => (start, len, None),
            Content::Memory(bytes) => (0, bytes.len() as u64, Some(bytes)),
        };
        let read_at = |buf: &mut [u8], at: u64| match &in_memory {
            Some(bytes) => {
                buf.copy_from_slice(&bytes[at as usize..at as usize + buf.len()]);
                Ok(())
            }
            None => file.read_at(buf, start + at),
        };
        let mut magic = [0; npy::MAGIC.len()];
        read_at(&mut magic[..npy::MAGIC.len().min(len as usize)], 0)?;
        if magic != *npy::MAGIC {
            let found = format!("`{}`", magic.escape_ascii());
            return Err(Error::format(file.path(), "first bytes of the array", found, "those of an .npy file"));
        }
        let header = npy::read_header(file.path(), len, &read_at, dtypes)?;
        let npy::Header { dtype, big_endian, fortran_order, shape, offset } = header;
        let elements = count_elements(&file, &shape, dtype)?;
        check_length(&file, len, offset, (elements * dtype.size()) as u64)?;
        if let Some(bytes) = &mut in_memory {
            bytes.drain(..offset as usize);
        }
        let (metadata, strides, offset) = (HashMap::new(), None, start + offset);
        let mut this = Self { file, name, metadata, dtype, big_endian, shape, elements, offset, strides, in_memory };
        if fortran_order && this.shape.iter().filter(|d| **d > 1).count() > 1 {
            this.in_memory = Some(this.read_column_major()?);
        }
        Ok(this)
    }

    fn open_safetensors(file: Arc<SourceFile>, name: Option<&str>, dtypes: &str) -> Result<Self> {
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
        check_length(&file, file.len(), 8 + len, parsed.data_len() as u64)?;

        let mut names = parsed.offset_keys();
        names.sort();
        let name = match name {
            Some(name) => name.to_owned(),
            None if names.len() == 1 => names[0].clone(),
            None => {
                let hint = format!("a single tensor, or the name of one after `#`: {}", listed(&names));
                return error("tensors".into(), names.len().to_string(), hint);
            }
        };
        let Some(info) = parsed.info(&name) else {
            return error("tensor name".into(), format!("`{name}`"), format!("one of {}", listed(&names)));
        };
        let Some(dtype) = Dtype::from_safetensors(info.dtype) else {
            let expected = format!("{dtypes}: convert the tensor before saving");
            return error(format!("dtype of tensor `{name}`"), info.dtype.to_string(), expected);
        };
        // The header's reader has checked that the offsets agree with shape and type.
        let (shape, offset) = (info.shape.clone(), 8 + len + info.data_offsets.0 as u64);
        let elements = count_elements(&file, &shape, dtype)?;
        let metadata = parsed.metadata().clone().unwrap_or_default();
        let (name, big_endian, strides, in_memory) = (Some(name), false, None, None);
        Ok(Self { file, name, metadata, dtype, big_endian, shape, elements, offset, strides, in_memory })
    }

    /// So many bytes of 0, if there is memory for them.
    fn reserve(&self, total: u64) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let reserved = usize::try_from(total).is_ok_and(|total| all.try_reserve_exact(total).is_ok());
        if !reserved {
            let found = format!("an array of {total} bytes that is not in row-major order");
            return Err(self.error("order", found, ROW_MAJOR));
        }
        all.resize(total as usize, 0);
        Ok(all)
    }

    /// All elements of a file in column-major order, in row-major order.
    fn read_column_major(&self) -> Result<Vec<u8>> {
        let (size, total) = (self.dtype.size(), self.elements * self.dtype.size());
        let mut all = self.reserve(total as u64)?;
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
            match &self.in_memory {
                Some(bytes) => block.copy_from_slice(&bytes[start..start + block.len()]),
                None => self.file.read_at(block, self.offset + start as u64)?,
            }
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
const ROW_MAJOR: &str =
    "row-major order, or one that fits in memory: save it with `numpy.ascontiguousarray`, or `.contiguous()`";

/// The path and the tensor's name of `spec`, which may have a name after a `#`; a `#` within the path of an existing file or
/// folder is part of the path.
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
        if matches!(Place::behind(&path)?, Place::File(_) | Place::Folder) {
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

/// Checks that `len` bytes of a file are nothing but a header of `start` bytes, and `data` bytes.
fn check_length(file: &SourceFile, len: u64, start: u64, data: u64) -> Result<()> {
    let expected = start.checked_add(data);
    if expected == Some(len) {
        return Ok(());
    }
    let found = format!("{len} bytes");
    let expected = format!("{start} bytes of header and {data} of data: the file is cut off, or not what it says");
    Err(Error::format(file.path(), "length", found, expected))
}
