//! From strided views of storages to contiguous tensors.
//!
//! In both PyTorch formats a storage is one run of bytes of the file, so nothing is read before it is known which
//! tensors need it. A contiguous tensor is read directly into its memory. Only for other strides a storage is in memory
//! beside its tensors, one at a time.

use crate::pickle::SLACK;
use crate::{Dtype, Error, Value};
use compexp_files::SourceFile;
use compexp_files::strided::{gather, is_row_major, reach};
use std::collections::HashMap;

/// All tensors together may take this many times the bytes of all storages. Ties and views share a storage (factor 2
/// or 3 in practice); a stride of 0 could repeat one element without limit.
const TENSOR_FACTOR: u64 = 8;

/// A run of bytes of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// Where the storages are in the file, by key.
#[derive(Debug, Default)]
pub(crate) struct Storages {
    extents: HashMap<String, Extent>,
    n_bytes: u64,
}

/// How to fill one tensor.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The whole storage.
    pub(crate) storage: Extent,
    /// First byte of the tensor, from the start of the storage.
    pub(crate) first: u64,
    /// Size and stride (in elements) of every dimension.
    pub(crate) dims: Box<[(u64, u64)]>,
    pub(crate) dtype: Dtype,
    /// Bytes of the finished tensor.
    pub(crate) n_bytes: u64,
}

impl Storages {
    /// Adds a storage. Refuses a key that is used twice, a run outside the file's `file_len` bytes, and storages that
    /// together are longer than the file (archive entries can overlap, and reading all of them would take too long).
    pub(crate) fn insert(&mut self, key: String, extent: Extent, file_len: u64) -> Result<(), Error> {
        let left = file_len.saturating_sub(extent.start);
        if extent.len > left {
            return Err(Error::Truncated { what: "a storage", at: extent.start, needed: extent.len, left });
        }
        self.n_bytes += extent.len;
        if self.n_bytes > file_len {
            return Err(Error::Limit { what: "bytes of all storages", found: self.n_bytes, limit: file_len });
        }
        if self.extents.contains_key(&key) {
            return Err(Error::Storage { key, what: "found twice".into() });
        }
        self.extents.insert(key, extent);
        Ok(())
    }

    pub(crate) fn get(&self, key: &str) -> Option<Extent> {
        self.extents.get(key).copied()
    }

    /// Bytes that all tensors together may take.
    pub(crate) fn tensor_limit(&self) -> u64 {
        self.n_bytes.saturating_mul(TENSOR_FACTOR).saturating_add(SLACK)
    }
}

impl Plan {
    /// The number of elements, `None` if it overflows. Sizes of 0 do not hide other sizes that are too large.
    pub(crate) fn n_elements(dims: &[(u64, u64)]) -> Option<u64> {
        let product = dims.iter().filter(|dim| dim.0 > 0).try_fold(1u64, |n, dim| n.checked_mul(dim.0))?;
        let product = if product > i64::MAX as u64 / 8 { return None } else { product };
        Some(if dims.iter().any(|dim| dim.0 == 0) { 0 } else { product })
    }

    /// One past the tensor's last byte, from the start of the storage. No size is 0, and the plan was checked.
    fn end(&self) -> u64 {
        self.first + (reach(&self.dims).unwrap_or(0) + 1) * self.dtype.size() as u64
    }
}

/// Reads the bytes of every tensor of `value`; `plans` are in the order of [`Value::visit_tensors`].
pub(crate) fn fill(file: &SourceFile, value: &mut Value, plans: &[Plan]) -> Result<(), Error> {
    let mut data: Vec<Vec<u8>> = vec![Vec::new(); plans.len()];
    let mut order: Vec<usize> = (0..plans.len()).filter(|&i| plans[i].n_bytes > 0).collect();
    order.sort_by_key(|&i| (plans[i].storage, plans[i].first));
    for group in order.chunk_by(|&a, &b| plans[a].storage == plans[b].storage) {
        let start = plans[group[0]].storage.start;
        let (contiguous, strided): (Vec<usize>, Vec<usize>) =
            group.iter().partition(|&&i| is_row_major(&plans[i].dims));
        for i in contiguous {
            data[i] = read_at(file, start + plans[i].first, plans[i].n_bytes)?;
        }
        let low = strided.iter().map(|&i| plans[i].first).min().unwrap_or(0);
        let high = strided.iter().map(|&i| plans[i].end()).max().unwrap_or(0);
        let bytes = read_at(file, start + low, high - low)?;
        for i in strided {
            data[i] = gather(&bytes[(plans[i].first - low) as usize..], &plans[i].dims, plans[i].dtype.size());
        }
    }
    let mut data = data.into_iter();
    value.visit_tensors(&mut |tensor| tensor.data = data.next().unwrap_or_default());
    Ok(())
}

/// Reads `n` bytes of the file.
pub(crate) fn read_at(file: &SourceFile, start: u64, n: u64) -> Result<Vec<u8>, Error> {
    let left = file.len().saturating_sub(start);
    if n > left {
        return Err(Error::Truncated { what: "a tensor", at: start, needed: n, left });
    }
    let mut bytes = vec![0; n as usize];
    file.read_at(&mut bytes, start)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_sizes_are_not_hidden_by_a_zero() {
        assert_eq!(Plan::n_elements(&[(0, 1), (3, 1)]), Some(0));
        assert_eq!(Plan::n_elements(&[(1 << 40, 1), (1 << 40, 1)]), None);
        assert_eq!(Plan::n_elements(&[(1 << 40, 1), (1 << 40, 1), (0, 1)]), None);
    }

    #[test]
    fn storages_must_lie_in_the_file_once() {
        let mut storages = Storages::default();
        let at = |start, len| Extent { start, len };
        storages.insert("a".into(), at(10, 50), 100).unwrap();
        assert!(matches!(storages.insert("b".into(), at(60, 41), 100), Err(Error::Truncated { left: 40, .. })));
        assert!(matches!(storages.insert("b".into(), at(u64::MAX, 1), 100), Err(Error::Truncated { .. })));
        assert!(matches!(storages.insert("a".into(), at(60, 1), 100), Err(Error::Storage { .. })));
        assert!(matches!(storages.insert("b".into(), at(0, 60), 100), Err(Error::Limit { .. })));
    }
}
