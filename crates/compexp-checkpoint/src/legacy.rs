//! The format of `torch.save` before version 1.6, still that of most `.pth.tar` files: one after the other
//!
//! 1. pickles of the magic number, the protocol version (1001) and facts about the machine that wrote the file,
//! 2. the pickle of the object, in which a storage is named by key,
//! 3. the pickle of the list of keys,
//! 4. for each key in that order, the number of elements (i64, little-endian) and the elements.

use crate::pickle::{Graph, Source, run};
use crate::storage::{Extent, Plan, Storages, read_at};
use crate::tree::unfold;
use crate::{Dtype, Error, Value};
use compexp_files::SourceFile;
use std::collections::HashMap;

const MAGIC: &str = "119547037146038801333356";
const PROTOCOL_VERSION: i64 = 1001;

/// Reads a file whose content begins like a pickle: all but the elements of its tensors, and where these are.
pub(crate) fn read(file: &SourceFile) -> Result<(Value, Vec<Plan>), Error> {
    // The buffer reads ahead, so the end of the pickles is the position of the source, not of the file.
    let mut source = Source::new(file.reader(), 0, file.len());
    let magic = plain(&run(&mut source)?)?;
    if magic != Value::BigInt(MAGIC.into()) {
        return Err(Error::NotACheckpoint {
            found: "a pickle without PyTorch's magic number",
            hint: "save it with torch.save, not pickle.dump",
        });
    }
    let version = plain(&run(&mut source)?)?;
    if version != Value::Int(PROTOCOL_VERSION) {
        let what = format!("found format version {version:?}, expected {PROTOCOL_VERSION}");
        return Err(Error::Pickle { at: source.at(), what });
    }
    let machine = plain(&run(&mut source)?)?;
    if machine.get("little_endian").and_then(Value::as_bool) == Some(false) {
        return Err(Error::ByteOrder { found: "big-endian".into() });
    }
    let graph = run(&mut source)?;
    let keys = plain(&run(&mut source)?)?;
    let at = source.at();

    unfold(&graph, &locate(file, at, &graph, &keys)?)
}

/// A pickle without tensors.
fn plain(graph: &Graph) -> Result<Value, Error> {
    unfold(graph, &Storages::default()).map(|(value, _)| value)
}

/// Walks over the storages, which begin at byte `at`, without reading their elements.
fn locate(file: &SourceFile, mut at: u64, graph: &Graph, keys: &Value) -> Result<Storages, Error> {
    // Only the pickle of the object knows the element types.
    let mut dtypes: HashMap<&str, Dtype> = HashMap::new();
    for storage in &graph.heap.storages {
        let key = graph.heap.texts[storage.key as usize].as_str();
        let dtype = *dtypes.entry(key).or_insert(storage.dtype);
        if dtype != storage.dtype {
            let what = format!("found both {} and {}", dtype.torch_name(), storage.dtype.torch_name());
            return Err(Error::Storage { key: key.into(), what });
        }
    }
    let malformed = |what: String| Error::Pickle { at, what };
    let keys = keys.as_list().ok_or_else(|| malformed(format!("expected storage keys, found {}", keys.describe())))?;
    let keys = keys.iter().map(|key| key.as_str().ok_or_else(|| malformed("expected text as storage key".into())));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;

    let mut storages = Storages::default();
    for key in keys {
        let wrong = |what: String| Error::Storage { key: key.into(), what };
        let dtype = dtypes.get(key).ok_or_else(|| wrong("no tensor says its element type".into()))?;
        let left = file.len() - at;
        if left < 8 {
            return Err(Error::Truncated { what: "the size of a storage", at, needed: 8, left });
        }
        let mut count = [0; 8];
        count.copy_from_slice(&read_at(file, at, 8)?);
        let count = i64::from_le_bytes(count);
        let len = u64::try_from(count).ok().and_then(|n| n.checked_mul(dtype.size() as u64));
        let len = len.ok_or_else(|| wrong(format!("found a size of {count} elements")))?;
        storages.insert(key.into(), Extent { start: at + 8, len }, file.len())?;
        at += 8 + len;
    }
    Ok(storages)
}
