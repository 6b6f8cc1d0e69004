//! The safetensors format: the length of the header (u64), the header (JSON), the tensors.

use crate::storage::{Plan, read_at};
use crate::{Dtype, Error, Tensor, Value};
use compexp_files::SourceFile;
use safetensors::tensor::{Dtype as Stored, Metadata};

/// Longest header, as in the format's own library.
const MAX_HEADER: u64 = 100_000_000;

/// Whether a file that begins with these bytes can be a safetensors file.
pub(crate) fn looks_right(head: &[u8]) -> bool {
    header_len(head).is_some_and(|n| n <= MAX_HEADER) && head.get(8) == Some(&b'{')
}

/// Reads the tensors as a dict, in the order of the file; free-form metadata is its entry `__metadata__`.
pub(crate) fn read(file: &SourceFile) -> Result<Value, Error> {
    let n = header_len(&read_at(file, 0, 8)?).unwrap_or(0);
    let left = file.len().saturating_sub(8);
    if n > left {
        return Err(Error::Truncated { what: "the safetensors header", at: 8, needed: n, left });
    }
    let header = read_at(file, 8, n)?;
    // Checks that offsets follow each other without gaps and fit shapes and element types, without overflow.
    let header: Metadata = serde_json::from_slice(&header).map_err(|error| Error::Safetensors(error.to_string()))?;
    let (needed, left) = (header.data_len() as u64, left - n);
    if needed > left {
        return Err(Error::Truncated { what: "the tensors", at: 8 + n, needed, left });
    }
    if needed < left {
        return Err(Error::Safetensors(format!("found {left} bytes of tensors, expected {needed}")));
    }
    let mut entries = Vec::new();
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let (start, end) = info.data_offsets;
        // A size of 0 must not hide other sizes whose product overflows.
        let dims: Vec<_> = info.shape.iter().map(|&size| (size as u64, 0)).collect();
        if Plan::n_elements(&dims).is_none() {
            let what = format!("found shape {:?}, which no memory can hold", info.shape);
            return Err(Error::Tensor { name, what });
        }
        let data = read_at(file, 8 + n + start as u64, (end - start) as u64)?;
        let tensor = Tensor { dtype: dtype(info.dtype)?, shape: info.shape.clone(), data };
        entries.push((Value::Str(name), Value::Tensor(tensor)));
    }
    if let Some(metadata) = header.metadata() {
        let mut texts: Vec<_> = metadata.iter().map(|(k, v)| (Value::Str(k.clone()), Value::Str(v.clone()))).collect();
        texts.sort_by(|a, b| a.0.as_str().cmp(&b.0.as_str()));
        entries.push((Value::Str("__metadata__".into()), Value::Dict(texts)));
    }
    Ok(Value::Dict(entries))
}

fn header_len(head: &[u8]) -> Option<u64> {
    head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn dtype(stored: Stored) -> Result<Dtype, Error> {
    Ok(match stored {
        Stored::BOOL => Dtype::Bool,
        Stored::U8 => Dtype::U8,
        Stored::I8 => Dtype::I8,
        Stored::I16 => Dtype::I16,
        Stored::I32 => Dtype::I32,
        Stored::I64 => Dtype::I64,
        Stored::F16 => Dtype::F16,
        Stored::BF16 => Dtype::Bf16,
        Stored::F32 => Dtype::F32,
        Stored::F64 => Dtype::F64,
        other => return Err(Error::Dtype { found: format!("{other:?}") }),
    })
}
