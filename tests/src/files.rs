//! Files for tests: a temporary folder, and arrays written byte by byte.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A temporary folder.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// A new one.
    #[allow(clippy::new_without_default, reason = "a folder is made on purpose")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Its path.
    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file, and gives its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// An `.npy` file with this text as its header.
pub fn npy_with_header(version: u8, text: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

/// An `.npy` file of version 1.0. The header's length is odd, so that no element is aligned.
pub fn npy(descr: &str, fortran_order: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let dims: String = shape.iter().map(|d| format!("{d},")).collect();
    let order = if fortran_order { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({dims}), }}");
    if text.len().is_multiple_of(2) {
        text.push(' ');
    }
    npy_with_header(1, &text, data)
}

/// A safetensors file of tensors given as name, type, shape and data.
pub fn safetensors(tensors: &[(&str, &str, &[usize], &[u8])]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        let info = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
        header.insert((*name).to_owned(), info);
        data.extend(*bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// An `.npz` archive of arrays given as name and `.npy` file.
pub fn npz(arrays: &[(&str, &[u8])], compressed: bool) -> Vec<u8> {
    let named: Vec<_> = arrays.iter().map(|(name, bytes)| (format!("{name}.npy"), *bytes)).collect();
    let entries: Vec<_> = named.iter().map(|(name, bytes)| (&**name, *bytes)).collect();
    zip_file(&entries, if compressed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored })
}

/// A zip file of these entries.
pub fn zip_file(entries: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
