//! What can be wrong with a checkpoint, each kind told apart so that a caller can react to it.

use std::path::{Path, PathBuf};

/// Why a checkpoint could not be read. Every message names what was found, what was expected, and where it can, the
/// way on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A problem with a file, which this names; [`Error::problem`] gets at what is inside.
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
        /// How to go on.
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
        /// How many bytes it takes.
        needed: u64,
        /// How many there are.
        left: u64,
    },
    /// The pickle does not follow its own rules.
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
        /// Where it stands.
        at: u64,
        /// What it stands for, or how to go on.
        hint: &'static str,
    },
    /// The pickle names a class or function outside the allow-list. Nothing was executed.
    #[error(
        "the pickle at byte {at} asks for `{name}`, which is not on the list of what a checkpoint needs (nothing was \
         executed); save the plain state_dict instead"
    )]
    Global {
        /// Module and name, joined by a dot.
        name: String,
        /// Where it is asked for.
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
    /// The content would unfold to far more than the file holds: it is damaged or built to exhaust memory.
    #[error("{what}: {found} is over the limit of {limit}; the file is damaged or hostile")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// How large it is, as far as it was counted.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A list or dict holds itself.
    #[error("`{name}` holds itself; a checkpoint is a tree")]
    Cyclic {
        /// The path of the container, its keys joined by `/`.
        name: String,
    },
    /// A value that may be built but not stand where it stands (a function as a value, a list as a key).
    #[error("`{name}`: {what}")]
    Value {
        /// The path of the value, its keys joined by `/`.
        name: String,
        /// What was found and expected.
        what: String,
    },
    /// A tensor does not fit its storage, or is no tensor.
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
    /// The zip archive is damaged or laid out as no checkpoint is.
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
    /// The checkpoint was read but holds no state dict where one is looked for.
    #[error(
        "no state dict: found {found}, expected a dict of tensors, or one under `state_dict`, `model_state_dict` or `model`"
    )]
    NoStateDict {
        /// What the checkpoint holds.
        found: String,
    },
    /// The state dict lacks a tensor, or has it in another shape.
    #[error("state dict entry `{name}`: found {found}, expected {expected}")]
    Entry {
        /// The tensor's name.
        name: String,
        /// What there is.
        found: String,
        /// What is needed.
        expected: String,
    },
}

impl From<compexp_files::Error> for Error {
    fn from(error: compexp_files::Error) -> Self {
        match error {
            // The path is named around it.
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
