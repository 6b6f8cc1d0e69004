//! Small checkpoints, honest and hostile, read as if they were files.

use compexp_checkpoint::{Error, Value, read};
use std::io::Write;

pub(crate) use compexp_tests::torch::{archive, int, legacy, tensor, text};

/// Reads bytes as if they were a file.
pub(crate) fn read_bytes(bytes: &[u8]) -> Result<Value, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read(file.path())
}

/// The problem with a file that must not be readable.
pub(crate) fn problem(bytes: &[u8]) -> String {
    match read_bytes(bytes) {
        Ok(value) => panic!("read as {value:?}"),
        Err(Error::InFile { problem, .. }) => problem.to_string(),
        Err(other) => panic!("{other} names no file"),
    }
}
