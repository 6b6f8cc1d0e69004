//! Products against their definition in f64, and the laws about their bits.

use super::*;
use crate::simd::Simd;

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

/// `a (m, k) · b (k, n)` by its definition, in f64.
fn slow(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize)) -> Vec<f32> {
    let at = |i: usize, j: usize| (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(b[x * n + j])).sum::<f64>();
    (0..m * n).map(|x| at(x / n, x % n) as f32).collect()
}

fn transpose(a: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..a.len()).map(|x| a[(x % rows) * columns + x / rows]).collect()
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < 1e-4, "{what}: value {i} is {f}, expected {e}");
    }
}

const SIZES: [(usize, usize, usize); 8] =
    [(1, 1, 1), (5, 7, 3), (6, 64, 64), (13, 300, 130), (20, 1100, 70), (3, 0, 4), (7, 5, 65), (9, 600, 17)];

#[test]
fn products_equal_their_definition() {
    let mut packed = Packed::default();
    for (m, k, n) in SIZES {
        let (a, b) = (noise(m * k, 1), noise(k * n, 2));
        let expected = slow(&a, &b, (m, k, n));
        let what = format!("{m} x {k} x {n}");

        let mut out = vec![9.0; m * n];
        let weights = Packed::transposed(k, n, &transpose(&b, k, n));
        product_parallel(&a, &weights, &mut out, Epilogue::default());
        close(&out, &expected, &what);

        // One packing is used for all sizes: nothing of an earlier one may remain.
        packed.set_rows(k, n, |i| &b[i * n..][..n]);
        product_parallel(&a, &packed, &mut out, Epilogue::ADD);
        let twice: Vec<_> = expected.iter().map(|e| 2.0 * e).collect();
        close(&out, &twice, &what);

        let mut out = vec![9.0; m * n];
        let weights = Packed::from_fn(k, n, |i, j| b[i * n + j]);
        product(Left::Direct(&a), &weights, &mut out, Epilogue::default());
        close(&out, &expected, &what);

        let mut out = vec![0.0; m * n];
        add_transposed_product(&transpose(&a, m, k), m, &packed, &mut out);
        close(&out, &expected, &what);
    }
}

#[test]
fn epilogues_come_after_the_whole_sum() {
    for (m, k, n) in SIZES {
        let (a, b) = (noise(m * k, 1), noise(k * n, 2));
        let (bias, residual, before) = (noise(n, 3), noise(m * n, 4), noise(m * n, 5));
        let weights = Packed::from_fn(k, n, |i, j| b[i * n + j]);
        let sums = slow(&a, &b, (m, k, n));
        for (accumulate, relu) in [(false, false), (false, true), (true, false), (true, true)] {
            let expected: Vec<f32> = (0..m * n)
                .map(|x| sums[x] + bias[x % n] + residual[x] + if accumulate { before[x] } else { 0.0 })
                .map(|value| if relu { value.max(0.0) } else { value })
                .collect();
            let epilogue = Epilogue { accumulate, bias: Some(&bias), residual: Some(&residual), relu };
            for left in [Left::Direct(&a), Left::Rows(&a)] {
                let mut out = before.clone();
                product(left, &weights, &mut out, epilogue);
                close(&out, &expected, &format!("{m} x {k} x {n}, {accumulate}, {relu}"));
            }
            let mut out = before.clone();
            product_parallel(&a, &weights, &mut out, epilogue);
            close(&out, &expected, &format!("{m} x {k} x {n}, {accumulate}, {relu}, in parallel"));
        }
    }
}

#[test]
fn a_row_is_the_same_bits_alone_and_among_others() {
    let (m, k, n) = (17, 700, 100);
    let a = noise(m * k, 3);
    let w = Packed::transposed(k, n, &noise(k * n, 4));
    for left in [Left::Direct, Left::Rows] {
        let mut all = vec![0.0; m * n];
        product(left(&a), &w, &mut all, Epilogue::default());
        for row in 0..m {
            let mut one = vec![0.0; n];
            product(left(&a[row * k..][..k]), &w, &mut one, Epilogue::default());
            assert_eq!(one, all[row * n..][..n], "row {row}");
        }
    }
}

#[test]
fn both_ways_of_reading_the_left_side_give_the_same_bits_within_a_stretch() {
    let (m, k, n) = (17, 512, 100);
    let (a, w) = (noise(m * k, 3), Packed::transposed(k, n, &noise(k * n, 4)));
    let run = |left| {
        let mut out = vec![0.0; m * n];
        product(left, &w, &mut out, Epilogue::default());
        out
    };
    assert_eq!(run(Left::Direct(&a)), run(Left::Rows(&a)));
    let columns = transpose(&a, m, k);
    assert_eq!(run(Left::Columns { values: &columns, stride: m, first: 0 }), run(Left::Rows(&a)));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn processors_with_narrower_registers_give_the_same_bits() {
    let Some(simd) = pulp::x86::V3::try_new() else { return };
    for (m, k, n, width) in [(15, 600, 39, 16), (8, 90, 7, 8)] {
        let (a, b) = (noise(m * k, 5), noise(k * n, 6));
        let packed = Packed::from_fn(k, n, |i, j| b[i * n + j]);
        let narrow = packed.with_width(width); // registers of eight
        let blocks = in_blocks(Left::Rows(&a), m, k);
        for (left, source) in [(Left::Rows(&a), Source::Blocks(&blocks)), (Left::Direct(&a), Source::Direct(&a))] {
            let mut expected = vec![0.0; m * n];
            product(left, &packed, &mut expected, Epilogue::default());
            let mut found = vec![0.0; m * n];
            let run = Run { a: source, w: &narrow, rows: m, out: &mut found, epilogue: Epilogue::default() };
            Simd::vectorize(simd, run);
            assert_eq!(found, expected);
        }
    }
}
