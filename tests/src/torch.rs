//! Files of `torch.save` for tests, honest and hostile, from hand-made pickles.

use crate::files::zip_file;

/// A legacy file: the object's pickle, and the storages as key, number of elements and bytes.
pub fn legacy(object: &[u8], storages: &[(&str, i64, &[u8])]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec();
    out.extend_from_slice(b"\x80\x02}X\x0d\0\0\0little_endian\x88s.");
    out.extend_from_slice(object);
    out.extend_from_slice(b"\x80\x02](");
    for (key, _, _) in storages {
        out.extend_from_slice(&text(key));
    }
    out.extend_from_slice(b"e.");
    for (_, n, bytes) in storages {
        out.extend_from_slice(&n.to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

/// A zip file of stored entries.
pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zip_file(entries, zip::CompressionMethod::Stored)
}

/// A text (BINUNICODE).
pub fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// An integer (LONG1).
pub fn int(value: i64) -> Vec<u8> {
    [&b"\x8a\x08"[..], &value.to_le_bytes()].concat()
}

fn tuple(values: &[i64]) -> Vec<u8> {
    let items: Vec<u8> = values.iter().flat_map(|&value| int(value)).collect();
    [b"(", &items[..], b"t"].concat()
}

/// A tensor: `_rebuild_tensor_v2` of a storage of `n` elements of the given type and key.
pub fn tensor(storage: &str, key: &str, n: i64, offset: i64, size: &[i64], stride: &[i64]) -> Vec<u8> {
    let id =
        [&b"("[..], &text("storage"), format!("ctorch\n{storage}\n").as_bytes(), &text(key), &text("cpu")].concat();
    let rest = [&int(offset)[..], &tuple(size), &tuple(stride), b"\x89ccollections\nOrderedDict\n)Rt"].concat();
    [b"ctorch._utils\n_rebuild_tensor_v2\n(", &id[..], &int(n), b"tQ", &rest, b"R"].concat()
}
