//! The format of `torch.save` since version 1.6: a zip archive with `<root>/data.pkl` and the storages as
//! `<root>/data/<key>`, all stored without compression, so that each is a run of bytes of the file.
//!
//! The checksum of every entry that is used is verified, unless it is 0: PyTorch can be told to leave checksums out.

use crate::pickle::{Source, run};
use crate::storage::{Extent, Plan, Storages, read_at};
use crate::tree::unfold;
use crate::{Error, Value};
use compexp_files::SourceFile;
use std::io;
use zip::{CompressionMethod, ZipArchive};

/// The places of the required entries.
struct Index {
    storages: Storages,
    pickle: Extent,
    byte_order: Option<Extent>,
}

/// Reads a file whose content begins like a zip archive: all but the elements of its tensors, and where these are.
pub(crate) fn read(file: &SourceFile) -> Result<(Value, Vec<Plan>), Error> {
    let index = index(file)?;
    if let Some(extent) = index.byte_order {
        let found = read_at(file, extent.start, extent.len.min(16))?;
        if found != b"little" {
            return Err(Error::ByteOrder { found: format!("{}-endian", String::from_utf8_lossy(&found)) });
        }
    }
    let program = read_at(file, index.pickle.start, index.pickle.len)?;
    let graph = run(&mut Source::new(program.as_slice(), 0, index.pickle.len))?;
    drop(program);
    unfold(&graph, &index.storages)
}

fn index(file: &SourceFile) -> Result<Index, Error> {
    let broken = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => Error::Io(error),
        other => Error::Archive(format!("{other}; is the download complete?")),
    };
    let mut archive = ZipArchive::new(file.reader()).map_err(broken)?;
    let mut entries = Vec::with_capacity(archive.len());
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        let stored = entry.compression() == CompressionMethod::Stored && entry.compressed_size() == entry.size();
        let extent = Extent { start: entry.data_start().unwrap_or(u64::MAX), len: entry.size() };
        entries.push((name, extent, stored && !entry.encrypted(), entry.crc32() != 0));
    }
    let roots = entries.iter().filter_map(|entry| entry.0.strip_suffix("data.pkl"));
    let roots: Vec<_> = roots.filter(|root| root.ends_with('/') && root.find('/') == Some(root.len() - 1)).collect();
    let root = match roots.as_slice() {
        [root] => root.to_string(),
        [] => return Err(Error::Archive("found no `<root>/data.pkl`; is this a checkpoint?".into())),
        [a, b, ..] => return Err(Error::Archive(format!("found both `{a}data.pkl` and `{b}data.pkl`, expected one"))),
    };

    let (mut storages, mut pickle, mut byte_order) = (Storages::default(), None, None);
    let mut checked = Vec::new();
    for (i, (name, extent, stored, has_checksum)) in entries.into_iter().enumerate() {
        let Some(inner) = name.strip_prefix(&root) else { continue };
        let key = inner.strip_prefix("data/").filter(|key| !key.is_empty());
        if key.is_none() && !matches!(inner, "data.pkl" | "byteorder" | "constants.pkl") {
            continue;
        }
        if inner == "constants.pkl" {
            return Err(Error::NotACheckpoint {
                found: "a TorchScript program",
                hint: "save its state_dict: torch.save(torch.jit.load(file).state_dict(), other)",
            });
        }
        if !stored {
            return Err(Error::Archive(format!(
                "found `{name}` compressed or encrypted, expected it stored as torch.save does"
            )));
        }
        let left = file.len().saturating_sub(extent.start);
        if extent.len > left {
            return Err(Error::Truncated { what: "an archive entry", at: extent.start, needed: extent.len, left });
        }
        match (inner, key) {
            (_, Some(key)) => storages.insert(key.to_string(), extent, file.len())?,
            ("data.pkl", _) => pickle = Some(extent),
            _ => byte_order = Some(extent),
        }
        if has_checksum {
            checked.push((i, name));
        }
    }
    // The entry is read here, after the check that all entries together are not longer than the file. Reading an entry
    // to its end compares its checksum.
    for (i, name) in checked {
        io::copy(&mut archive.by_index(i).map_err(broken)?, &mut io::sink()).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => {
                Error::Archive(format!("`{name}` does not have its checksum: the file is damaged; get it again"))
            }
            _ => Error::Io(e),
        })?;
    }
    let pickle = pickle.ok_or_else(|| Error::Archive("found no `data.pkl`".into()))?;
    Ok(Index { storages, pickle, byte_order })
}
