//! Opening an array in one file, by position wherever the file allows it.

use std::sync::Arc;

use compexp_checkpoint::{Outline, TensorPlace, Value};
use compexp_files::{Dtype, SourceFile, TensorFile, View, excerpt, is_npz, listed};

use super::array::Batch;
use crate::error::Result;

/// What a file of `torch.save` may hold.
const FORM: &str = "a tensor, a dict of tensors, or a list of batches, written by `torch.save`, or a whole .npz";

/// The batches of a file; more than one only of a list. `dtypes` are the element types that the caller takes, in words.
///
/// # Errors
/// Those of [`TensorFile::open_in`]; [`compexp_files::Error::Format`] if a file of `torch.save` is damaged, asks for code,
/// lacks the tensor (the names are listed), or holds anything else.
pub(super) fn open(file: SourceFile, name: Option<&str>, dtypes: &str) -> Result<Vec<Batch>> {
    if is_of_torch(&file)? {
        return open_torch(file, name);
    }
    Ok(vec![Batch::new(TensorFile::open_in(file, name, dtypes)?, None)])
}

/// The first bytes of a file, as many as tell its format; 0 beyond its end.
pub(super) fn head(file: &SourceFile) -> Result<[u8; 9]> {
    let mut head = [0; 9];
    let len = head.len().min(file.len() as usize);
    file.read_at(&mut head[..len], 0)?;
    Ok(head)
}

/// Whether a file begins as a pickle does, or as a zip archive that is no .npz. The first bytes of a safetensors file, a length,
/// may be the same.
fn is_of_torch(file: &SourceFile) -> Result<bool> {
    let head = head(file)?;
    Ok(head[8] != b'{' && (head[0] == 0x80 || (head.starts_with(b"PK") && !is_npz(file)?)))
}

/// The tensor, or the batches of a list, in a file of `torch.save`; they stay in the file.
fn open_torch(file: SourceFile, name: Option<&str>) -> Result<Vec<Batch>> {
    let error = |field: &str, found: String, expected: String| {
        compexp_files::Error::format(file.path(), field, found, expected)
    };
    let content = Outline::read(&file).map_err(|e| error("content", e.problem().to_string(), FORM.to_owned()))?;
    let (content, name) = select(content, name, &error)?;
    let is_list = match &content.value {
        Value::Tensor(_) => false,
        Value::List(items) | Value::Tuple(items) => {
            if let Some(i) = items.iter().position(|item| item.as_tensor().is_none()) {
                let found = items[i].describe();
                return Err(error(&format!("content of batch {i}"), found, "a tensor".to_owned()).into());
            }
            true
        }
        other => return Err(error("content", other.describe(), FORM.to_owned()).into()),
    };
    if content.places.is_empty() {
        return Err(error("content", "an empty list".to_owned(), "a list of at least one batch".to_owned()).into());
    }
    let file = Arc::new(file);
    let batch = |(i, place): (usize, TensorPlace)| {
        let tensor = TensorFile::view(file.clone(), name.clone(), view(&place))?;
        Ok(Batch::new(tensor, is_list.then_some(i)))
    };
    content.places.into_iter().enumerate().map(batch).collect()
}

/// The value of this name in a dict, or the only one; a file without a dict has no names.
fn select(
    content: Outline,
    name: Option<&str>,
    error: &dyn Fn(&str, String, String) -> compexp_files::Error,
) -> Result<(Outline, Option<String>)> {
    let Value::Dict(entries) = &content.value else {
        return match name {
            None => Ok((content, None)),
            Some(name) => {
                let expected = format!("no name: the file holds {}", content.value.describe());
                Err(error("tensor name", excerpt(name), expected).into())
            }
        };
    };
    let names: Vec<String> = entries.iter().filter_map(|(key, _)| key.as_str()).map(str::to_owned).collect();
    let wanted = match name {
        Some(name) => name.to_owned(),
        None if names.len() == 1 && entries.len() == 1 => names[0].clone(),
        None => {
            let expected = format!("a single tensor, or the name of one after `#`: {}", listed(&names));
            return Err(error("tensors", entries.len().to_string(), expected).into());
        }
    };
    match content.entry(&wanted) {
        Some(entry) => Ok((entry, Some(wanted))),
        None => Err(error("tensor name", format!("`{wanted}`"), format!("one of {}", listed(&names))).into()),
    }
}

fn view(place: &TensorPlace) -> View {
    View {
        dtype: dtype_of(place.dtype),
        shape: place.dims.iter().map(|dim| dim.0 as usize).collect(),
        strides: place.dims.iter().map(|dim| dim.1).collect(),
        offset: place.offset,
    }
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
