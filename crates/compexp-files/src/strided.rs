//! Arrays whose elements do not follow each other row by row in their file.

/// Copies the elements of an array out of `bytes`, in row-major order. `bytes` starts with the first element; `dims` are size
/// and stride of each dimension, outermost first, strides in elements of `size` bytes.
///
/// # Panics
/// If the last element is beyond `bytes`: [`reach`] says how far it is.
pub fn gather(bytes: &[u8], dims: &[(u64, u64)], size: usize) -> Vec<u8> {
    let n_elements: u64 = dims.iter().map(|dim| dim.0).product();
    let mut out = Vec::with_capacity(n_elements as usize * size);
    if n_elements == 0 {
        return out;
    }
    let (&(inner, inner_stride), outer) = dims.split_last().unwrap_or((&(1, 1), &[]));
    let (inner, step) = (inner as usize, inner_stride as usize * size);
    let mut index = vec![0u64; outer.len()];
    loop {
        let offset: u64 = index.iter().zip(outer).map(|(i, dim)| i * dim.1).sum();
        let row = offset as usize * size;
        if step == size {
            out.extend_from_slice(&bytes[row..row + inner * size]);
        } else {
            for at in (0..inner).map(|i| row + i * step) {
                out.extend_from_slice(&bytes[at..at + size]);
            }
        }
        // The next row: count up, the innermost index first.
        let Some(d) = (0..outer.len()).rev().find(|&d| index[d] + 1 < outer[d].0) else { return out };
        index[d] += 1;
        index[d + 1..].fill(0);
    }
}

/// The distance from the first to the last element, in elements; `None` if it overflows. No size is 0.
pub fn reach(dims: &[(u64, u64)]) -> Option<u64> {
    dims.iter().try_fold(0u64, |reach, &(size, stride)| reach.checked_add((size - 1).checked_mul(stride)?))
}

/// Whether the elements follow each other in row-major order.
pub fn is_row_major(dims: &[(u64, u64)]) -> bool {
    let mut expected = 1;
    dims.iter().rev().all(|&(size, stride)| {
        let fits = size == 1 || stride == expected;
        expected *= size;
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slow reference implementation: one element at a time.
    fn slowly(bytes: &[u8], dims: &[(u64, u64)]) -> Vec<u8> {
        let n: u64 = dims.iter().map(|d| d.0).product();
        let element = |flat: u64| {
            let (mut rest, mut at) = (flat, 0);
            for &(size, stride) in dims.iter().rev() {
                at += rest % size * stride;
                rest /= size;
            }
            bytes[at as usize * 2..][..2].to_vec()
        };
        (0..n).flat_map(element).collect()
    }

    #[test]
    fn gathering_equals_indexing_for_any_strides() {
        let bytes: Vec<u8> = (0..=255).collect();
        for dims in [
            &[][..],
            &[(5, 1)],
            &[(5, 3)],
            &[(4, 0)],
            &[(4, 1), (6, 4)],
            &[(3, 7), (2, 1)],
            &[(2, 60), (3, 1), (4, 15), (5, 3)],
            &[(1, 99), (3, 2), (1, 77)],
        ] {
            let end = (reach(dims).unwrap() as usize + 1) * 2;
            assert_eq!(gather(&bytes[..end], dims, 2), slowly(&bytes, dims), "{dims:?}");
        }
        assert_eq!(gather(&bytes, &[(3, 1), (0, 1)], 2), [0; 0]);
    }

    #[test]
    fn only_row_major_strides_are_row_major() {
        assert!(is_row_major(&[]));
        assert!(is_row_major(&[(2, 3), (3, 1)]));
        assert!(is_row_major(&[(2, 3), (1, 99), (3, 1)]));
        assert!(!is_row_major(&[(2, 1), (3, 2)]));
        assert!(!is_row_major(&[(2, 4), (3, 1)]));
        assert!(!is_row_major(&[(2, 0)]));
    }
}
