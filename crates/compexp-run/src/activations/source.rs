//! Opening an array: by position in `.npy` and `.safetensors` files, in memory from files of `torch.save`.

use std::path::Path;

use compexp_checkpoint::{Tensor, Value};
use compexp_files::{Dtype, SourceFile, TensorFile, excerpt, split_spec};

use crate::error::Result;

/// The names that an error lists at most.
const NAMES_SHOWN: usize = 20;

/// What a file of `torch.save` may hold.
const FORM: &str = "a tensor, a dict of tensors, or a list of batches, written by `torch.save`; the array of an .npz must be \
                    saved with `numpy.save`";

/// Opens the array that `spec` names, whose elements have one of `dtypes`; `expected` is their list in words.
///
/// # Errors
/// Those of [`TensorFile::open_of`]; [`compexp_files::Error::Format`] if a file of `torch.save` is damaged, asks for code,
/// lacks the tensor (the names are listed), or has batches that do not fit together.
pub(super) fn open(spec: &Path, dtypes: &[Dtype], expected: &str) -> Result<TensorFile> {
    let (path, name) = split_spec(spec)?;
    let file = SourceFile::open(&path)?;
    if !is_of_torch(&file)? {
        return Ok(TensorFile::open_of(spec, dtypes, expected)?);
    }
    let error =
        |field: &str, found: String, expected: String| compexp_files::Error::format(&path, field, found, expected);
    let content =
        compexp_checkpoint::read(&path).map_err(|e| error("content", e.problem().to_string(), FORM.to_owned()))?;
    let (value, name) = select(content, name, &error)?;
    let Tensor { dtype, shape, data } = joined(value, &error)?;
    Ok(TensorFile::in_memory(file, name, dtype_of(dtype), shape, data)?.of_type(dtypes, expected)?)
}

/// Whether a file begins as a zip archive or a pickle does. The first bytes of a safetensors file, a length, may be the same.
fn is_of_torch(file: &SourceFile) -> Result<bool> {
    let mut head = [0; 9];
    let len = head.len().min(file.len() as usize);
    file.read_at(&mut head[..len], 0)?;
    Ok(head[8] != b'{' && (head.starts_with(b"PK") || head[0] == 0x80))
}

/// The value of this name in a dict, or the only one; a file without a dict has no names.
fn select(
    content: Value,
    name: Option<String>,
    error: &dyn Fn(&str, String, String) -> compexp_files::Error,
) -> Result<(Value, Option<String>)> {
    let Value::Dict(mut entries) = content else {
        return match name {
            None => Ok((content, None)),
            Some(name) => {
                let expected = format!("no name: the file holds {}", content.describe());
                Err(error("tensor name", excerpt(&name), expected).into())
            }
        };
    };
    let names: Vec<String> = entries.iter().filter_map(|(key, _)| key.as_str()).map(str::to_owned).collect();
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len() - shown.len();
    let mut listed = shown.join(", ");
    if more > 0 {
        listed += &format!(" and {more} more");
    }
    let wanted = match name {
        Some(name) => name,
        None if names.len() == 1 && entries.len() == 1 => names[0].clone(),
        None => {
            let expected = format!("a single tensor, or the name of one after `#`: {listed}");
            return Err(error("tensors", entries.len().to_string(), expected).into());
        }
    };
    match entries.iter().position(|(key, _)| key.as_str() == Some(&wanted)) {
        Some(at) => Ok((entries.swap_remove(at).1, Some(wanted))),
        None => Err(error("tensor name", format!("`{wanted}`"), format!("one of {listed}")).into()),
    }
}

/// The tensor, or the batches of a list joined along their first axis.
fn joined(value: Value, error: &dyn Fn(&str, String, String) -> compexp_files::Error) -> Result<Tensor> {
    let batches = match value {
        Value::Tensor(tensor) => return Ok(tensor),
        Value::List(batches) | Value::Tuple(batches) => batches,
        other => return Err(error("content", other.describe(), FORM.to_owned()).into()),
    };
    let mut all: Option<Tensor> = None;
    for (i, batch) in batches.into_iter().enumerate() {
        let field = |what: &str| format!("{what} of batch {i}");
        let Value::Tensor(batch) = batch else {
            return Err(error(&field("content"), batch.describe(), "a tensor".to_owned()).into());
        };
        if batch.shape.is_empty() {
            let expected = "a tensor whose first axis is of examples".to_owned();
            return Err(error(&field("shape"), "[]".to_owned(), expected).into());
        }
        let Some(all) = &mut all else {
            all = Some(batch);
            continue;
        };
        if batch.shape[1..] != all.shape[1..] {
            let expected = format!("{:?} after the first axis, as batch 0 has", &all.shape[1..]);
            return Err(error(&field("shape"), format!("{:?}", batch.shape), expected).into());
        }
        if batch.dtype != all.dtype {
            let expected = format!("{}, as batch 0 has", all.dtype.torch_name());
            return Err(error(&field("dtype"), batch.dtype.torch_name().to_owned(), expected).into());
        }
        all.shape[0] = all.shape[0].saturating_add(batch.shape[0]);
        all.data.extend_from_slice(&batch.data);
    }
    all.ok_or_else(|| error("content", "an empty list".to_owned(), "a list of at least one batch".to_owned()).into())
}

fn dtype_of(dtype: compexp_checkpoint::Dtype) -> Dtype {
    use compexp_checkpoint::Dtype as Torch;
    match dtype {
        Torch::Bool => Dtype::Bool,
        Torch::U8 => Dtype::U8,
        Torch::I8 => Dtype::I8,
        Torch::I16 => Dtype::I16,
        Torch::I32 => Dtype::I32,
        Torch::I64 => Dtype::I64,
        Torch::F16 => Dtype::F16,
        Torch::Bf16 => Dtype::Bf16,
        Torch::F32 => Dtype::F32,
        Torch::F64 => Dtype::F64,
    }
}

#[cfg(test)]
mod tests;
