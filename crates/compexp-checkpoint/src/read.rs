//! Reads a checkpoint from a path; the content determines the format.

use crate::storage::{Plan, fill, read_at};
use crate::{Error, Value, archive, legacy, safe};
use compexp_files::SourceFile;
use std::path::Path;

/// The number of bytes that contain a tar header's magic.
pub(crate) const HEAD: u64 = 512;

/// Reads a checkpoint: PyTorch's zip format, its older pickle format, or safetensors. The name of the file does not
/// matter (`.pth.tar` files are not tar archives).
///
/// # Errors
/// [`Error::InFile`], with the path and the problem, if the file cannot be read, is not a checkpoint, is damaged, needs
/// a class outside the allow-list, or would take too much memory for its size.
pub fn read(path: &Path) -> Result<Value, Error> {
    read_file(path).map_err(|error| error.in_file(path))
}

fn read_file(path: &Path) -> Result<Value, Error> {
    let file = SourceFile::open(path)?;
    let head = read_at(&file, 0, HEAD.min(file.len()))?;
    if safe::looks_right(&head) {
        return safe::read(&file);
    }
    let (mut value, plans) = read_torch(&file, &head)?;
    fill(&file, &mut value, &plans)?;
    Ok(value)
}

/// Reads one of PyTorch's formats, all but the elements of its tensors; the plans say where these are, in the order of
/// [`Value::visit_tensors`]. `head` is the beginning of the file.
pub(crate) fn read_torch(file: &SourceFile, head: &[u8]) -> Result<(Value, Vec<Plan>), Error> {
    match head {
        [b'P', b'K', ..] => archive::read(file),
        head if is_tar(head) => Err(Error::NotACheckpoint {
            found: "a tar archive",
            hint: "unpack it and give the checkpoint inside; a tar written by torch.save before 2017 must be saved again",
        }),
        [0x80, ..] => legacy::read(file),
        head if head.starts_with(b"L119547") => legacy::read(file),
        head => Err(foreign(head)),
    }
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Recognises the files that are most often given instead of checkpoints.
fn foreign(head: &[u8]) -> Error {
    let (found, hint) = match head.trim_ascii_start() {
        [] => ("an empty file", "download it again"),
        text if text.starts_with(b"version https://git-lfs") => {
            ("a Git LFS pointer", "fetch the file it stands for with `git lfs pull`")
        }
        [b'<', ..] => ("a web page", "the download went wrong: check the address, and whether it asks for a login"),
        [0x1f, 0x8b, ..] => ("a gzip file", "unpack it first"),
        [0x89, b'H', b'D', b'F', ..] => ("an HDF5 file", "convert it to safetensors"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => ("a NumPy array", "convert it to safetensors"),
        _ => ("an unknown format", "check that this is the right file"),
    };
    Error::NotACheckpoint { found, hint }
}
