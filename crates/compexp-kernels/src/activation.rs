//! The logistic function and the hyperbolic tangent, in a form that compilers turn into vector instructions.
//!
//! The functions of the standard library call the C library for each number, and take longer than the matrix products
//! before them.

/// `e^x`, to 2 units in the last place from -87 to 88, with the value at these ends beyond them; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding this rounds to an integer and leaves it in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
    // ln 2 in two parts, the first short enough that its multiples are exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LOW, n.mul_add(-HIGH, x));
    // The polynomial of Cephes' expf on |r| <= ln(2) / 2.
    let mut p = 1.987_569_1e-4f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let p = (p * r).mul_add(r, r) + 1.0;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(power)
}

/// `1 / (1 + e^-x)`, to 1.2e-7.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, to 1.8e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    2.0f32.mul_add(sigmoid(2.0 * x), -1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_agree_with_double_precision() {
        for i in -200_000..=200_000i32 {
            let x = i as f32 * 5e-4; // -100 ..= 100
            let wide = f64::from(x);
            if (-87.0..=88.0).contains(&x) {
                let expected = wide.exp();
                assert!((f64::from(exp(x)) / expected - 1.0).abs() < 2.5e-7, "exp({x}) is {}", exp(x));
            }
            let expected = 1.0 / (1.0 + (-wide).exp());
            assert!((f64::from(sigmoid(x)) - expected).abs() < 1.2e-7, "sigmoid({x}) is {}", sigmoid(x));
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 1.8e-7, "tanh({x}) is {}", tanh(x));
        }
    }

    #[test]
    fn infinities_saturate_and_nan_stays() {
        assert_eq!((sigmoid(f32::INFINITY), tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, 1.0, -1.0));
        assert!(sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }
}
