//! A file of PyTorch whose tensors stay in the file: what it holds, and where the elements are.

use crate::read::{HEAD, read_torch};
use crate::storage::read_at;
use crate::{Dtype, Error, Value};
use compexp_files::SourceFile;

/// The content of a file of `torch.save` without the elements of its tensors.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The content; its tensors have type and shape, and no elements.
    pub value: Value,
    /// Where the elements of the tensors are, in the order in which `value` holds the tensors.
    pub places: Vec<TensorPlace>,
}

/// Where the elements of a tensor are in the file: little-endian, and all of them within the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPlace {
    /// The type of the elements.
    pub dtype: Dtype,
    /// Size and stride of each dimension, outermost first; strides are in elements.
    pub dims: Vec<(u64, u64)>,
    /// Where the first element is, in bytes from the start of the file.
    pub offset: u64,
}

impl Outline {
    /// Reads the outline of a file in one of PyTorch's formats. Of the elements no more is read than checksums need, a block
    /// at a time.
    ///
    /// # Errors
    /// As [`crate::read()`], safetensors files included, which are no files of PyTorch.
    pub fn read(file: &SourceFile) -> Result<Self, Error> {
        let outline = read_at(file, 0, HEAD.min(file.len())).and_then(|head| read_torch(file, &head));
        let (value, plans) = outline.map_err(|error| error.in_file(file.path()))?;
        let place = |plan: crate::storage::Plan| TensorPlace {
            dtype: plan.dtype,
            offset: plan.storage.start + plan.first,
            dims: plan.dims.into_vec(),
        };
        Ok(Self { value, places: plans.into_iter().map(place).collect() })
    }

    /// The entry of this name; `None` if the content is no dict or lacks it.
    pub fn entry(mut self, name: &str) -> Option<Self> {
        let Value::Dict(entries) = &mut self.value else { return None };
        let at = entries.iter().position(|(key, _)| key.as_str() == Some(name))?;
        let count = |value: &mut Value| {
            let mut n = 0;
            value.visit_tensors(&mut |_| n += 1);
            n
        };
        let before: usize = entries[..at].iter_mut().map(|(_, value)| count(value)).sum();
        let mut value = entries.swap_remove(at).1;
        let n = count(&mut value);
        let places = self.places.drain(before..before + n).collect();
        Some(Self { value, places })
    }
}
