//! 3 x 3 convolutions of stride 1 by Winograd's F(4 x 4, 3 x 3): 36 products instead of the 144 of the plain sum.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): a tile of 4 x 4 outputs is
//! `Aᵀ [ (G g Gᵀ) ∘ (Bᵀ d B) ] A` of its 6 x 6 inputs `d` and the 3 x 3 weights `g`. Summed over input channels, the
//! element-wise product is one matrix product for each of the 36 elements. Weights are transformed once, in f64. Images
//! are (h, w, channels), so that every transform runs over channels, which are contiguous in memory and fit SIMD
//! registers.
//!
//! Against PyTorch, a trained ResNet-18's logits (up to 6.5) differ by 4e-6 and its `layer4` (up to 7.4) by 9e-6.

use std::ops::Range;

use rayon::prelude::*;

use crate::gemm::{Epilogue, Left, Packed, product};
use crate::simd::{Simd, WithSimd, dispatch, load, relu, store};

/// Outputs along a side of a tile.
const OUT: usize = 4;
/// Inputs along a side of a tile.
const IN: usize = OUT + 2;
/// Elements of a transformed tile.
const POINTS: usize = IN * IN;

/// Floats of transformed tiles that one thread works on at a time: with their products they fill half of a typical
/// second-level cache.
const BLOCK: usize = 1 << 17;
/// Weights beyond this many floats do not stay in a core's cache from block to block: then each of the 36 products
/// takes all tiles at once, so that the weights are read once.
const RESIDENT: usize = 1 << 20;
/// Tiles of one such pass, which bounds its memory.
const PASS: usize = 512;

/// The interpolation points are 0, `±A`, `±B` and infinity. The usual 1 and 2 lose five times as much to rounding;
/// these are close to the best pair, and all their needed powers and products are exact in f32.
const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// The weights' transform `G`, in f64.
fn weight_matrix() -> [[f64; 3]; IN] {
    let (a, b) = (f64::from(A), f64::from(B));
    let (a2, b2) = (a * a, b * b);
    let at = |point: f64, scale: f64| [1.0 / scale, point / scale, point * point / scale];
    let (scale_a, scale_b) = (2.0 * a2 * (a2 - b2), 2.0 * b2 * (b2 - a2));
    [at(0.0, a2 * b2), at(a, scale_a), at(-a, scale_a), at(b, scale_b), at(-b, scale_b), [0.0, 0.0, 1.0]]
}

/// The weights of a 3 x 3 convolution, transformed.
#[derive(Debug, Clone)]
pub(crate) struct Winograd {
    c_in: usize,
    c_out: usize,
    padding: usize,
    /// One matrix `(c_in, c_out)` for each element of a transformed tile.
    weights: Vec<Packed>,
}

/// One row of tiles of one image: its place, and the place of its outputs.
struct Strip<'a> {
    image: usize,
    /// First output row.
    y: usize,
    /// `(rows, w_out, c_out)` with at most 4 rows.
    out: &'a mut [f32],
    residual: Option<&'a [f32]>,
}

/// The sizes of one run.
#[derive(Clone, Copy)]
struct Sizes {
    h: usize,
    w: usize,
    w_out: usize,
    /// Tiles in a strip.
    tiles: usize,
}

impl Winograd {
    /// Whether these channel counts can be run: whole SIMD registers of any width up to 16 floats.
    pub(crate) fn fits(c_in: usize, c_out: usize) -> bool {
        c_in.is_multiple_of(16) && c_out.is_multiple_of(16)
    }

    /// Transforms `weights (c_out, c_in, 3, 3)`.
    pub(crate) fn new(weights: &[f32], c_out: usize, c_in: usize, padding: usize) -> Self {
        assert!(Self::fits(c_in, c_out) && weights.len() == c_out * c_in * 9, "shape of the weights");
        let g_matrix = weight_matrix();
        let mut transformed = vec![0f32; POINTS * c_in * c_out]; // (36, c_in, c_out)
        for o in 0..c_out {
            for i in 0..c_in {
                let g = &weights[(o * c_in + i) * 9..][..9];
                for y in 0..IN {
                    let rows: [f64; 3] =
                        std::array::from_fn(|x| (0..3).map(|t| g_matrix[y][t] * f64::from(g[t * 3 + x])).sum());
                    for x in 0..IN {
                        let sum: f64 = (0..3).map(|t| g_matrix[x][t] * rows[t]).sum();
                        transformed[((y * IN + x) * c_in + i) * c_out + o] = sum as f32;
                    }
                }
            }
        }
        let weights = transformed
            .chunks_exact(c_in * c_out)
            .map(|m| Packed::from_fn(c_in, c_out, |i, o| m[i * c_out + o]))
            .collect();
        Self { c_in, c_out, padding, weights }
    }

    /// Convolves `x (images, h, w, c_in)` into `out (images, h_out, w_out, c_out)`; `epilogue`'s residual is of the
    /// shape of `out`.
    pub(crate) fn run(&self, x: &[f32], (h, w): (usize, usize), out: &mut [f32], epilogue: Epilogue<'_>) {
        let (h_out, w_out) = (h + 2 * self.padding - 2, w + 2 * self.padding - 2);
        let sizes = Sizes { h, w, w_out, tiles: w_out.div_ceil(OUT) };
        let mut strips = self.strips(out, h_out, w_out, epilogue.residual);
        if POINTS * self.c_in * self.c_out <= RESIDENT {
            let per_block = (BLOCK / (POINTS * (self.c_in + self.c_out) * sizes.tiles)).max(1);
            strips.par_chunks_mut(per_block).for_each_init(
                || (Vec::new(), Vec::new()),
                |(tiles, products), strips| self.block(x, sizes, strips, epilogue, tiles, products),
            );
        } else {
            let (mut tiles, mut products) = (Vec::new(), Vec::new());
            for strips in strips.chunks_mut((PASS / sizes.tiles).max(1)) {
                self.pass(x, sizes, strips, epilogue, &mut tiles, &mut products);
            }
        }
    }

    fn strips<'a>(
        &self,
        out: &'a mut [f32],
        h_out: usize,
        w_out: usize,
        residual: Option<&'a [f32]>,
    ) -> Vec<Strip<'a>> {
        let image = h_out * w_out * self.c_out;
        let strip = OUT * w_out * self.c_out;
        let mut strips = Vec::new();
        for (i, out) in out.chunks_exact_mut(image).enumerate() {
            for (s, out) in out.chunks_mut(strip).enumerate() {
                let residual = residual.map(|r| &r[i * image + s * strip..][..out.len()]);
                strips.push(Strip { image: i, y: s * OUT, out, residual });
            }
        }
        strips
    }

    /// Few tiles from inputs to outputs, on one thread.
    fn block(
        &self,
        x: &[f32],
        sizes: Sizes,
        strips: &mut [Strip<'_>],
        epilogue: Epilogue<'_>,
        tiles: &mut Vec<f32>,
        products: &mut Vec<f32>,
    ) {
        let count = strips.len() * sizes.tiles;
        let (v_step, m_step) = (step(count * self.c_in), step(count * self.c_out));
        tiles.resize(POINTS * v_step, 0.0);
        products.resize(POINTS * m_step, 0.0);
        let mut points: Vec<&mut [f32]> = tiles.chunks_exact_mut(v_step).collect();
        dispatch(Forward { conv: self, x, sizes, strips, points: &mut points });
        let pairs = tiles.chunks_exact(v_step).zip(products.chunks_exact_mut(m_step));
        for (weights, (v, m)) in self.weights.iter().zip(pairs) {
            let (a, out) = (&v[..count * self.c_in], &mut m[..count * self.c_out]);
            product(Left::Direct(a), weights, out, Epilogue::default());
        }
        dispatch(Backward { conv: self, products, m_step, first: 0, sizes, strips, epilogue });
    }

    /// Many tiles, in three rounds over all threads: transform, multiply, transform back.
    fn pass(
        &self,
        x: &[f32],
        sizes: Sizes,
        strips: &mut [Strip<'_>],
        epilogue: Epilogue<'_>,
        tiles: &mut Vec<f32>,
        products: &mut Vec<f32>,
    ) {
        let count = strips.len() * sizes.tiles;
        let (v_step, m_step) = (step(count * self.c_in), step(count * self.c_out));
        tiles.resize(POINTS * v_step, 0.0);
        products.resize(POINTS * m_step, 0.0);

        let mut rests: Vec<&mut [f32]> = tiles.chunks_exact_mut(v_step).collect();
        let per_strip = sizes.tiles * self.c_in;
        let jobs: Vec<(&Strip<'_>, Vec<&mut [f32]>)> = strips
            .iter()
            .map(|strip| {
                (strip, rests.iter_mut().map(|rest| rest.split_off_mut(..per_strip).unwrap_or_default()).collect())
            })
            .collect();
        jobs.into_par_iter().for_each(|(strip, mut points)| {
            let strips = std::slice::from_ref(strip);
            dispatch(Forward { conv: self, x, sizes, strips, points: &mut points });
        });
        let pairs = tiles.par_chunks_exact(v_step).zip(products.par_chunks_exact_mut(m_step));
        self.weights.par_iter().zip(pairs).for_each(|(weights, (v, m))| {
            let (a, out) = (&v[..count * self.c_in], &mut m[..count * self.c_out]);
            product(Left::Direct(a), weights, out, Epilogue::default());
        });
        strips.par_iter_mut().enumerate().for_each(|(s, strip)| {
            let (first, strips) = (s * sizes.tiles, std::slice::from_mut(strip));
            dispatch(Backward { conv: self, products, m_step, first, sizes, strips, epilogue });
        });
    }
}

/// Floats from one point's matrix to the next: not a multiple of a memory page, or the 36 of them would compete for the
/// same few cache lines.
fn step(floats: usize) -> usize {
    floats.next_multiple_of(1024) + 16
}

/// `Bᵀ d B` of the tiles of some strips.
struct Forward<'a, 'b, 's> {
    conv: &'a Winograd,
    x: &'a [f32],
    sizes: Sizes,
    strips: &'a [Strip<'s>],
    /// 36 matrices `(tiles, c_in)`.
    points: &'a mut [&'b mut [f32]],
}

impl WithSimd for Forward<'_, '_, '_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, x, sizes: Sizes { h, w, tiles, .. }, strips, points } = self;
        let (c_in, padding) = (conv.c_in, conv.padding);
        let lanes = S::F32_LANES;
        let image = h * w * c_in;
        for (s, strip) in strips.iter().enumerate() {
            let x = &x[strip.image * image..][..image];
            let ys = inside(strip.y, padding, h);
            for tile in 0..tiles {
                let xs = inside(tile * OUT, padding, w);
                let at = (s * tiles + tile) * c_in;
                let corner = |y: usize, i: usize| ((strip.y + y - padding) * w + tile * OUT + i - padding) * c_in;
                for c in (0..c_in).step_by(lanes) {
                    let zero = simd.splat_f32s(0.0);
                    let mut d = [[zero; IN]; IN];
                    for i in 0..IN {
                        let mut column = [zero; IN];
                        if xs.contains(&i) {
                            for (y, value) in column.iter_mut().enumerate() {
                                if ys.contains(&y) {
                                    *value = load(simd, &x[corner(y, i) + c..][..lanes]);
                                }
                            }
                        }
                        let column = forward(simd, column);
                        for (row, value) in d.iter_mut().zip(column) {
                            row[i] = value;
                        }
                    }
                    for (y, row) in d.into_iter().enumerate() {
                        for (i, value) in forward(simd, row).into_iter().enumerate() {
                            store(simd, &mut points[y * IN + i][at + c..][..lanes], value);
                        }
                    }
                }
            }
        }
    }
}

/// The rows (or columns) of the tile whose first output is `first` that lie inside of `0..size`.
fn inside(first: usize, padding: usize, size: usize) -> Range<usize> {
    padding.saturating_sub(first)..(size + padding).saturating_sub(first).min(IN)
}

/// `Bᵀ d`.
#[inline(always)]
fn forward<S: Simd>(simd: S, d: [S::f32s; IN]) -> [S::f32s; IN] {
    let times = |k: f32, a, b| simd.mul_add_e_f32s(simd.splat_f32s(k), a, b);
    let (even_a, odd_a) = (times(-B2, d[2], d[4]), simd.mul_f32s(simd.splat_f32s(A), times(-B2, d[1], d[3])));
    let (even_b, odd_b) = (times(-A2, d[2], d[4]), simd.mul_f32s(simd.splat_f32s(B), times(-A2, d[1], d[3])));
    [
        times(A2 * B2, d[0], times(-A2 - B2, d[2], d[4])),
        simd.add_f32s(even_a, odd_a),
        simd.sub_f32s(even_a, odd_a),
        simd.add_f32s(even_b, odd_b),
        simd.sub_f32s(even_b, odd_b),
        times(A2 * B2, d[1], times(-A2 - B2, d[3], d[5])),
    ]
}

/// `Aᵀ m A` of the tiles of some strips, and the epilogue.
struct Backward<'a, 's> {
    conv: &'a Winograd,
    /// 36 matrices `(tiles, c_out)`, `m_step` floats apart.
    products: &'a [f32],
    m_step: usize,
    /// The first tile of the strips.
    first: usize,
    sizes: Sizes,
    strips: &'a mut [Strip<'s>],
    epilogue: Epilogue<'a>,
}

impl WithSimd for Backward<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, products, m_step, first, sizes: Sizes { w_out, tiles, .. }, strips, epilogue } = self;
        let c_out = conv.c_out;
        let lanes = S::F32_LANES;
        let zero = simd.splat_f32s(0.0);
        for (s, strip) in strips.iter_mut().enumerate() {
            let rows = strip.out.len() / (w_out * c_out);
            for tile in 0..tiles {
                let columns = OUT.min(w_out - tile * OUT);
                let from = (first + s * tiles + tile) * c_out;
                for c in (0..c_out).step_by(lanes) {
                    let mut m = [[zero; IN]; OUT];
                    for i in 0..IN {
                        let column: [S::f32s; IN] =
                            std::array::from_fn(|y| load(simd, &products[(y * IN + i) * m_step + from + c..][..lanes]));
                        for (row, value) in m.iter_mut().zip(backward(simd, column)) {
                            row[i] = value;
                        }
                    }
                    let bias = epilogue.bias.map(|bias| load(simd, &bias[c..][..lanes]));
                    for (y, row) in m.into_iter().enumerate().take(rows) {
                        for (i, mut value) in backward(simd, row).into_iter().enumerate() {
                            if i >= columns {
                                break;
                            }
                            let to = (y * w_out + tile * OUT + i) * c_out + c;
                            if let Some(bias) = bias {
                                value = simd.add_f32s(value, bias);
                            }
                            if let Some(residual) = strip.residual {
                                value = simd.add_f32s(value, load(simd, &residual[to..][..lanes]));
                            }
                            if epilogue.relu {
                                value = relu(simd, value);
                            }
                            store(simd, &mut strip.out[to..][..lanes], value);
                        }
                    }
                }
            }
        }
    }
}

/// `Aᵀ m`.
#[inline(always)]
fn backward<S: Simd>(simd: S, m: [S::f32s; IN]) -> [S::f32s; OUT] {
    let times = |k: f32, a, b| simd.mul_add_e_f32s(simd.splat_f32s(k), a, b);
    let scaled = |k: f32, a| simd.mul_f32s(simd.splat_f32s(k), a);
    let (sum_a, difference_a) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (sum_b, difference_b) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(m[0], simd.add_f32s(sum_a, sum_b)),
        times(A, difference_a, scaled(B, difference_b)),
        times(A2, sum_a, scaled(B2, sum_b)),
        simd.add_f32s(times(A2 * A, difference_a, scaled(B2 * B, difference_b)), m[5]),
    ]
}
