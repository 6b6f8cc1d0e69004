//! Matrix products with weights that were packed once: `out = a · w + bias (+ residual), then ReLU where asked for`.
//!
//! A weight matrix `(k, n)` is cut into panels of a few SIMD registers' width, each stored `k` by width, so that the inner
//! loop reads it in order. The left side is used as it is, row by row: nothing is packed at run time, which is where a
//! general matrix product loses a third of its time on the short and narrow products of a ResNet's late layers.
//!
//! Every output is one sum over `k` in ascending order by fused multiply-adds, whatever the number of rows given at once:
//! results depend neither on how rows are grouped nor on the thread count.

use pulp::{Arch, Simd, WithSimd};

/// Rows that one run of the inner loop computes: 6 rows of 4 registers leave room for the panel and the broadcast in
/// 32 registers, 6 of 2 do so in 16.
const ROWS: usize = 6;

/// SIMD registers in the width of a panel of an `n` columns wide matrix: as many as there is room for, but no more than
/// a narrow matrix fills.
fn registers<S: Simd>(n: usize) -> usize {
    let most = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
    n.div_ceil(S::F32_LANES).next_power_of_two().min(most)
}

/// A weight matrix `(k, n)` in panels, f32.
#[derive(Debug, Clone)]
pub struct Packed {
    k: usize,
    n: usize,
    width: usize,
    /// `(panels, k, width)`, columns beyond `n` are zero.
    data: Vec<f32>,
}

impl Packed {
    /// Packs the `k x n` matrix whose element in row `i` and column `j` is `at(i, j)`.
    pub fn new(k: usize, n: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        struct Width(usize);
        impl WithSimd for Width {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES * registers::<S>(self.0)
            }
        }
        let width = Arch::new().dispatch(Width(n));
        let panels = n.div_ceil(width);
        let mut data = vec![0.0; panels * k * width];
        for panel in 0..panels {
            let first = panel * width;
            for i in 0..k {
                let row = &mut data[(panel * k + i) * width..][..width.min(n - first)];
                for (j, value) in row.iter_mut().enumerate() {
                    *value = at(i, first + j);
                }
            }
        }
        Self { k, n, width, data }
    }

    /// Rows of the matrix.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of the matrix.
    pub fn n(&self) -> usize {
        self.n
    }
}

/// What is done to a product before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added to every row, `(n,)`.
    pub bias: Option<&'a [f32]>,
    /// Added element by element, `(rows, n)`.
    pub residual: Option<&'a [f32]>,
    /// Negative results become 0.
    pub relu: bool,
}

/// `out (rows, n) = a (rows, k) · w (k, n)`, then `epilogue`. All are contiguous.
#[inline(always)]
pub fn product<S: Simd>(simd: S, a: &[f32], w: &Packed, out: &mut [f32], epilogue: Epilogue<'_>) {
    assert_eq!(w.width, S::F32_LANES * registers::<S>(w.n), "weights are packed for this processor");
    match registers::<S>(w.n) {
        4 => panels::<S, 4>(simd, a, w, out, epilogue),
        2 => panels::<S, 2>(simd, a, w, out, epilogue),
        _ => panels::<S, 1>(simd, a, w, out, epilogue),
    }
}

#[inline(always)]
fn panels<S: Simd, const NV: usize>(simd: S, a: &[f32], w: &Packed, out: &mut [f32], epilogue: Epilogue<'_>) {
    let (k, n) = (w.k, w.n);
    let rows = out.len() / n;
    assert!(a.len() == rows * k && out.len() == rows * n, "shapes of a matrix product");
    for (panel, columns) in w.data.chunks_exact(k * w.width).enumerate() {
        let first = panel * w.width;
        let mut row = 0;
        while row < rows {
            let left = rows - row;
            let mut at = Place { first, row, n, out: &mut *out, epilogue };
            let a = &a[row * k..];
            match left {
                1 => block::<S, 1, NV>(simd, a, k, columns, &mut at),
                2 => block::<S, 2, NV>(simd, a, k, columns, &mut at),
                3 => block::<S, 3, NV>(simd, a, k, columns, &mut at),
                4 => block::<S, 4, NV>(simd, a, k, columns, &mut at),
                5 => block::<S, 5, NV>(simd, a, k, columns, &mut at),
                _ => block::<S, ROWS, NV>(simd, a, k, columns, &mut at),
            }
            row += left.min(ROWS);
        }
    }
}

/// Where a block of results goes.
struct Place<'a> {
    first: usize,
    row: usize,
    n: usize,
    out: &'a mut [f32],
    epilogue: Epilogue<'a>,
}

#[inline(always)]
fn block<S: Simd, const MR: usize, const NV: usize>(simd: S, a: &[f32], k: usize, w: &[f32], at: &mut Place<'_>) {
    let lefts: [&[f32]; MR] = std::array::from_fn(|r| &a[r * k..][..k]);
    let (w, _) = S::as_simd_f32s(w);
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    for (i, w) in w.chunks_exact(NV).take(k).enumerate() {
        let w: [S::f32s; NV] = std::array::from_fn(|v| w[v]);
        for r in 0..MR {
            let left = simd.splat_f32s(lefts[r][i]);
            for v in 0..NV {
                sums[r][v] = simd.mul_add_e_f32s(left, w[v], sums[r][v]);
            }
        }
    }
    let lanes = S::F32_LANES;
    let columns = (NV * lanes).min(at.n - at.first);
    for (r, sums) in sums.iter().enumerate() {
        let start = (at.row + r) * at.n + at.first;
        for (v, &sum) in sums.iter().enumerate() {
            let here = v * lanes;
            if here >= columns {
                break;
            }
            let count = lanes.min(columns - here);
            let mut sum = sum;
            if let Some(bias) = at.epilogue.bias {
                sum = simd.add_f32s(sum, load(simd, &bias[at.first + here..][..count]));
            }
            if let Some(residual) = at.epilogue.residual {
                sum = simd.add_f32s(sum, load(simd, &residual[start + here..][..count]));
            }
            if at.epilogue.relu {
                sum = relu(simd, sum);
            }
            store(simd, &mut at.out[start + here..][..count], sum);
        }
    }
}

/// Negative values become 0; NaN stays, so that a broken input is seen at the end.
#[inline(always)]
pub fn relu<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_f32s(value, zero), zero, value)
}

/// One [`product`] on the widest registers there are.
pub struct Multiply<'a> {
    /// `(rows, k)`.
    pub a: &'a [f32],
    /// `(k, n)`.
    pub weights: &'a Packed,
    /// `(rows, n)`.
    pub out: &'a mut [f32],
    /// What is done to it.
    pub epilogue: Epilogue<'a>,
}

impl WithSimd for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        product(simd, self.a, self.weights, self.out, self.epilogue);
    }
}

/// A register of up to its width of values, zero beyond them. Whole ones need no mask, which costs a call.
#[inline(always)]
pub fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values) {
        ([whole], []) => *whole,
        _ => simd.partial_load_f32s(values),
    }
}

/// The reverse of [`load`].
#[inline(always)]
pub fn store<S: Simd>(simd: S, out: &mut [f32], values: S::f32s) {
    match S::as_mut_simd_f32s(out) {
        ([whole], []) => *whole = values,
        _ => simd.partial_store_f32s(out, values),
    }
}
