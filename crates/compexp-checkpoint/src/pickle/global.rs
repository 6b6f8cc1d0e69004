//! The allow-list: every class and function a checkpoint may name, and nothing else.

use crate::{Dtype, Error};

/// A known class or function. Naming one runs nothing: the machine has its own code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// `collections.OrderedDict`, empty or of a list of pairs.
    OrderedDict,
    /// `torch._utils._rebuild_tensor` and its successors, by version.
    RebuildTensor(u8),
    /// `torch._utils._rebuild_parameter`, with or without state.
    RebuildParameter,
    /// `torch.FloatStorage` and its kin.
    Storage(Dtype),
    /// `torch.float32` and its kin.
    Dtype(Dtype),
    /// `torch.Size`.
    Size,
    /// `_codecs.encode`: how Python 3 writes bytes for Python 2.
    Encode,
    /// `numpy.dtype`.
    NumpyDtype,
    /// `numpy.core.multiarray.scalar`.
    NumpyScalar,
    /// `argparse.Namespace`, the options of a training script: read as an empty dict.
    Namespace,
}

impl Global {
    /// The global of that name, which the pickle names at byte `at`.
    pub(crate) fn find(module: &str, name: &str, at: u64) -> Result<Self, Error> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor") => Global::RebuildTensor(1),
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor(2),
            ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTensor(3),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::RebuildParameter,
            ("torch", "Size") => Global::Size,
            ("_codecs", "encode") => Global::Encode,
            ("numpy", "dtype") => Global::NumpyDtype,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::NumpyScalar,
            ("argparse", "Namespace") => Global::Namespace,
            // Counted in bytes.
            ("torch" | "torch.storage", "UntypedStorage") => Global::Storage(Dtype::U8),
            // Old files have `torch.cuda` for storages on a GPU.
            ("torch" | "torch.cuda", name) if name.ends_with("Storage") => {
                Global::Storage(storage_dtype(name).ok_or_else(|| Error::Dtype { found: format!("{module}.{name}") })?)
            }
            _ => match Dtype::from_torch(name).filter(|_| module == "torch") {
                Some(dtype) => Global::Dtype(dtype),
                None => return Err(Error::Global { name: format!("{module}.{name}"), at }),
            },
        };
        Ok(known)
    }

    /// The name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Global::OrderedDict => "collections.OrderedDict",
            Global::RebuildTensor(_) => "torch._utils._rebuild_tensor",
            Global::RebuildParameter => "torch._utils._rebuild_parameter",
            Global::Storage(_) => "torch.Storage",
            Global::Dtype(dtype) => dtype.torch_name(),
            Global::Size => "torch.Size",
            Global::Encode => "_codecs.encode",
            Global::NumpyDtype => "numpy.dtype",
            Global::NumpyScalar => "numpy.core.multiarray.scalar",
            Global::Namespace => "argparse.Namespace",
        }
    }
}

fn storage_dtype(name: &str) -> Option<Dtype> {
    Some(match name.strip_suffix("Storage")? {
        "Bool" => Dtype::Bool,
        "Byte" => Dtype::U8,
        "Char" => Dtype::I8,
        "Short" => Dtype::I16,
        "Int" => Dtype::I32,
        "Long" => Dtype::I64,
        "Half" => Dtype::F16,
        "BFloat16" => Dtype::Bf16,
        "Float" => Dtype::F32,
        "Double" => Dtype::F64,
        _ => return None,
    })
}
