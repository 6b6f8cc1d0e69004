//! Reads the checkpoints of neural networks: PyTorch's zip format, its older pickle format, and safetensors.
//!
//! [`read()`] recognises the format by the content and returns the whole checkpoint as a tree of [`Value`]s.
//! [`state_dict()`] finds the named [`Tensor`]s in it, for the usual ways of storing them. [`Outline`] leaves the elements in
//! a PyTorch file and says where they are.
//!
//! ```
//! use compexp_checkpoint::{Value, read, state_dict};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("model.safetensors");
//! # let header = br#"{"module.fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
//! # let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
//! # bytes.extend_from_slice(header);
//! # bytes.extend([1.0f32, -2.5].map(f32::to_le_bytes).concat());
//! # std::fs::write(&path, bytes)?;
//! let checkpoint = read(&path)?;
//! let arch = checkpoint.get("arch").and_then(Value::as_str); // what stands beside the tensors
//! # assert_eq!(arch, None);
//! let state = state_dict(checkpoint)?;
//! let bias = state.require("fc.bias", &[2])?; // without the prefix `module.`
//! assert_eq!(bias.to_f32(), [1.0, -2.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not know
//! The crate does not use networks, layers, candle or any class of Python. It has its own code for the dozen globals
//! that tensors need (`collections.OrderedDict`, `torch._utils._rebuild_tensor_v2`, storages and element types, NumPy
//! scalars) and refuses every other by name. It writes nothing, and reads no whole-module files, TorchScript, sparse,
//! quantised or complex tensors.
//!
//! # Invariants
//! - Nothing in a file is executed, and nothing outside it is opened.
//! - Bad input gives an [`Error`], never a panic, in time and memory proportional to the file: every declared length is
//!   checked against the remaining bytes before memory is allocated, and repeated references to one object are counted.
//!   All tensors together take at most 8 times the bytes of all storages plus 64 KiB; all values at most 4 for each
//!   byte of pickle plus 65,536, nested at most 128 deep; a pickle at most 16,777,216 instructions, which bounds what
//!   its objects take at about 1.5 GB.
//! - A [`Tensor`] is contiguous, row-major and little-endian, for any strides and sharing in the file; its bytes are
//!   those of the file.

#![forbid(unsafe_code)]

mod archive;
mod error;
mod legacy;
mod outline;
mod pickle;
mod read;
mod safe;
mod state_dict;
mod storage;
mod tensor;
mod tree;
mod value;

pub use error::Error;
pub use outline::{Outline, TensorPlace};
pub use read::read;
pub use state_dict::{StateDict, absent, state_dict, state_dict_at};
pub use tensor::{Dtype, Tensor};
pub use value::Value;
