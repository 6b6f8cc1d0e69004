//! The errors about a checkpoint, one variant for each kind, so that a caller can react to it.

use std::path::{Path, PathBuf};

/// Why a checkpoint could not be read. Every message names what was found, what was expected and, if possible, a fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A problem with a file, with its path; [`Error::problem`] returns the inner error.
    #[error("{}: {problem}", path.display())]
    InFile {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<Error>,
    },
    /// The operating system could not open or read the file.
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    /// The content is something other than a checkpoint (a web page, a pointer file, a tar archive).
    #[error("expected a PyTorch or safetensors checkpoint, found {found}; {hint}")]
    NotACheckpoint {
        /// What the content looks like.
        found: &'static str,
        /// A hint at the fix.
        hint: &'static str,
    },
    /// The file ends inside `what`.
    #[error(
        "the file ends early: {what} at byte {at} needs {needed} bytes, {left} are left; is the download complete?"
    )]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it starts, in bytes from the start of the pickle's file or entry.
        at: u64,
        /// The number of bytes that are needed.
        needed: u64,
        /// The number of bytes that are left.
        left: u64,
    },
    /// The pickle breaks the rules of its format.
    #[error("malformed pickle at byte {at}: {what}")]
    Pickle {
        /// Where, in bytes from the start of the pickle's file or entry.
        at: u64,
        /// What was found and expected.
        what: String,
    },
    /// A pickle instruction that no checkpoint needs.
    #[error("unsupported pickle opcode 0x{opcode:02x} at byte {at}; {hint}")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Its position.
        at: u64,
        /// Its meaning, or a hint at the fix.
        hint: &'static str,
    },
    /// The pickle names a class or function outside the allow-list. Nothing was executed.
    #[error(
        "the pickle at byte {at} asks for `{name}`, which is not on the list of what a checkpoint needs (nothing was \
         executed); {}",
        hint(name)
    )]
    Global {
        /// Module and name, joined by a dot.
        name: String,
        /// The position at which it is named.
        at: u64,
    },
    /// A storage or tensor of an element type this crate does not read (complex, quantised, 8-bit floats).
    #[error(
        "unsupported element type `{found}`; expected bool, u8, i8, i16, i32, i64, f16, bf16, f32 or f64: convert the \
         tensor before saving"
    )]
    Dtype {
        /// The element type's name in the file.
        found: String,
    },
    /// The content would expand to much more than the size of the file: the file is damaged, or made to exhaust memory.
    #[error("{what}: {found} is over the limit of {limit}; the file is damaged or hostile")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its size, as far as it was counted.
        found: u64,
        /// The largest allowed size.
        limit: u64,
    },
    /// A list or dict contains itself.
    #[error("`{name}` holds itself; a checkpoint is a tree")]
    Cyclic {
        /// The path of the container, its keys joined by `/`.
        name: String,
    },
    /// A value is not allowed at its place (a function as a value, a list as a key).
    #[error("`{name}`: {what}")]
    Value {
        /// The path of the value, its keys joined by `/`.
        name: String,
        /// What was found and expected.
        what: String,
    },
    /// A tensor does not fit its storage, or is not a tensor.
    #[error("tensor `{name}`: {what}")]
    Tensor {
        /// The path of the tensor, its keys joined by `/`.
        name: String,
        /// What was found and expected.
        what: String,
    },
    /// A storage is missing, or its size is not what the pickle says.
    #[error("storage `{key}`: {what}")]
    Storage {
        /// The storage's key.
        key: String,
        /// What was found and expected.
        what: String,
    },
    /// The zip archive is damaged, or does not have the layout of a checkpoint.
    #[error("zip archive: {0}")]
    Archive(String),
    /// The header of a safetensors file is damaged.
    #[error("safetensors header: {0}")]
    Safetensors(String),
    /// The file was written on a big-endian machine.
    #[error(
        "the checkpoint is {found}, expected little-endian; load and save it again with PyTorch on a common machine"
    )]
    ByteOrder {
        /// The byte order as the file states it.
        found: String,
    },
    /// The checkpoint was read, but has no state dict in any of the usual places.
    #[error(
        "no state dict: found {found}, expected a dict of tensors, or one under `state_dict`, `model_state_dict` or `model`"
    )]
    NoStateDict {
        /// The content of the checkpoint.
        found: String,
    },
    /// The state dict lacks a tensor, or has it in another shape.
    #[error("state dict entry `{name}`: found {found}, expected {expected}")]
    Entry {
        /// The tensor's name.
        name: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
}

/// What to do about a class that a pickle asks for.
fn hint(class: &str) -> &'static str {
    match class {
        "collections.defaultdict" | "collections.Counter" | "types.MappingProxyType" => {
            "save the table as a plain dict instead: `dict(...)`"
        }
        _ if class.starts_with("numpy") => "save numbers and arrays as torch tensors or plain numbers instead",
        _ if class.starts_with("torchtext") => "save the words as a plain dict of words and numbers instead",
        _ => "save plain dicts, texts, numbers and tensors (as a state_dict has them) instead",
    }
}

impl From<compexp_files::Error> for Error {
    fn from(error: compexp_files::Error) -> Self {
        match error {
            // The outer error names the path.
            compexp_files::Error::Io { source, .. } => Self::Io(source),
            other => Self::Io(std::io::Error::other(other)),
        }
    }
}

impl Error {
    /// The problem itself, without the file it is in.
    pub fn problem(&self) -> &Error {
        match self {
            Error::InFile { problem, .. } => problem.problem(),
            other => other,
        }
    }

    /// The same error, with the file that it is about.
    pub fn in_file(self, path: &Path) -> Self {
        Error::InFile { path: path.to_path_buf(), problem: Box::new(self) }
    }
}
