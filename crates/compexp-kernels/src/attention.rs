//! Self-attention with several heads (Vaswani et al., 2017), one image or text at a time.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::activation::exp;
use crate::error::{Error, Result};
use crate::gemm::{Epilogue, Left, Packed, product};
use crate::simd::{Simd, WithSimd, dispatch};
use crate::storage::{are_ours, floats};

/// `softmax(q · kᵀ / √width) · v` for each of `heads` heads, from `x (n, tokens, 3 d)`, which holds the queries, keys and values
/// of all heads side by side, each `d` wide; a head's are `d / heads` of them. The result is `(n, tokens, d)`.
///
/// On the CPU in f32 the result of an example does not depend on the other examples or on the number of threads.
///
/// # Errors
/// [`Error::Mismatch`] if `d` cannot be divided into the heads.
pub fn attention(x: &Tensor, heads: usize) -> Result<Tensor> {
    attend(x, heads, false)
}

/// [`attention`] in which a token sees itself and those before it only, as in a decoder. What follows a token does not change a
/// bit of its result on the CPU in f32.
///
/// # Errors
/// As [`attention`].
pub fn causal_attention(x: &Tensor, heads: usize) -> Result<Tensor> {
    attend(x, heads, true)
}

fn attend(x: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let (n, tokens, width) = x.dims3()?;
    if heads == 0 || !width.is_multiple_of(3 * heads) {
        let found = format!("{heads} for {width} values a token");
        return Err(Error::mismatch("heads of an attention", found, "a number that divides a third of the values"));
    }
    let d = width / 3;
    if are_ours(&[x]) {
        return Ok(x.contiguous()?.apply_op1_no_bwd(&Attention { heads, causal })?);
    }
    let split = |part: usize| -> Result<Tensor> {
        let part = x.narrow(2, part * d, d)?.reshape((n, tokens, heads, d / heads))?;
        Ok(part.transpose(1, 2)?.contiguous()?) // (n, heads, tokens, d / heads)
    };
    let mut scores = (split(0)?.matmul(&split(1)?.t()?)? / ((d / heads) as f64).sqrt())?; // (n, heads, tokens, tokens)
    if causal {
        let hidden = |at: usize| if at % tokens > at / tokens { f32::NEG_INFINITY } else { 0.0 };
        let hidden = Tensor::from_iter((0..tokens * tokens).map(hidden), x.device())?.reshape((tokens, tokens))?;
        scores = scores.broadcast_add(&hidden.to_dtype(x.dtype())?)?;
    }
    let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    let weights = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
    let y = weights.matmul(&split(2)?)?; // (n, heads, tokens, d / heads)
    Ok(y.transpose(1, 2)?.reshape((n, tokens, d))?)
}

struct Attention {
    heads: usize,
    causal: bool,
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, tokens, width) = layout.shape().dims3()?;
        let (x, heads, d) = (floats(storage, layout)?, self.heads, width / 3);
        let each = d / heads;
        // (n, heads, tokens, each)
        let mut by_head = vec![0f32; n * tokens * d];
        let mut out = vec![0f32; n * tokens * d];
        if !out.is_empty() {
            by_head.par_chunks_mut(tokens * each).enumerate().for_each(|(task, out)| {
                let (example, head) = (task / heads, task % heads);
                let x = &x[example * tokens * width..][..tokens * width];
                let first = |part: usize| part * d + head * each;
                let part = |part: usize| {
                    let mut values = Vec::with_capacity(tokens * each);
                    for row in x.chunks_exact(width) {
                        values.extend_from_slice(&row[first(part)..][..each]);
                    }
                    values
                };
                let scale = 1.0 / (each as f32).sqrt();
                let mut queries = part(0);
                queries.iter_mut().for_each(|q| *q *= scale);
                let mut weights = vec![0f32; tokens * tokens];
                let keys = Packed::transposed(each, tokens, &part(1));
                product(Left::Direct(&queries), &keys, &mut weights, Epilogue::default());
                dispatch(Softmax { weights: &mut weights, tokens, causal: self.causal });
                let values = first(2);
                let values = Packed::from_fn(tokens, each, |token, at| x[token * width + values + at]);
                product(Left::Direct(&weights), &values, out, Epilogue::default());
            });
            out.par_chunks_mut(d).enumerate().for_each(|(row, out)| {
                let (example, token) = (row / tokens, row % tokens);
                for (head, out) in out.chunks_exact_mut(each).enumerate() {
                    let from = ((example * heads + head) * tokens + token) * each;
                    out.copy_from_slice(&by_head[from..][..each]);
                }
            });
        }
        Ok((CpuStorage::F32(out), Shape::from((n, tokens, d))))
    }
}

/// The weights of each token, from its scores: shares that sum to 1, in the ratio of the exponentials. Compiled for the best
/// instructions found at run time: a call for each multiplication with addition would take as long as the products.
struct Softmax<'a> {
    /// `(tokens, tokens)`.
    weights: &'a mut [f32],
    tokens: usize,
    causal: bool,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (token, row) in self.weights.chunks_exact_mut(self.tokens).enumerate() {
            let (seen, hidden) = row.split_at_mut(if self.causal { token + 1 } else { self.tokens });
            let most = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for value in seen.iter_mut() {
                *value = exp(*value - most);
            }
            let sum: f32 = seen.iter().fold(0.0, |sum, value| sum + value);
            seen.iter_mut().for_each(|value| *value /= sum);
            hidden.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::noise;

    fn bits(x: &Tensor) -> Vec<u32> {
        x.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn heads_agree_with_candles_operations_in_double_precision() {
        for (n, tokens, d, heads) in [(1, 1, 1, 1), (2, 5, 12, 3), (3, 70, 40, 4), (1, 17, 64, 1)] {
            let x = (noise(&[n, tokens, 3 * d], 1) * 3.0).unwrap();
            let found = attention(&x, heads).unwrap();
            let expected = attention(&x.to_dtype(DType::F64).unwrap(), heads).unwrap();
            assert_eq!(found.dims(), [n, tokens, d]);
            let off = (found.to_dtype(DType::F64).unwrap() - expected).unwrap().abs().unwrap();
            let off = off.flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
            assert!(off < 2e-6, "{tokens} tokens, {heads} heads: off by {off}");
        }
    }

    #[test]
    fn an_example_gives_the_same_bits_among_others_and_with_any_number_of_threads() {
        let x = noise(&[4, 9, 36], 1);
        let all = attention(&x, 2).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let alone = pool.install(|| attention(&x.narrow(0, 2, 1).unwrap(), 2).unwrap());
            assert_eq!(bits(&alone), bits(&all.narrow(0, 2, 1).unwrap()), "{threads} threads");
        }
    }

    #[test]
    fn what_follows_a_token_changes_nothing_under_a_causal_mask() {
        let (tokens, width) = (23, 36);
        let x = (noise(&[1, tokens, width], 1) * 3.0).unwrap();
        let all = causal_attention(&x, 2).unwrap();
        let expected = causal_attention(&x.to_dtype(DType::F64).unwrap(), 2).unwrap();
        let off = (all.to_dtype(DType::F64).unwrap() - expected).unwrap().abs().unwrap();
        let off = off.flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
        assert!(off < 2e-6, "off by {off}");
        for first in 1..=tokens {
            let alone = causal_attention(&x.narrow(1, 0, first).unwrap(), 2).unwrap();
            assert_eq!(bits(&alone), bits(&all.narrow(1, 0, first).unwrap()), "{first} tokens");
        }
        assert_eq!(bits(&causal_attention(&x.narrow(1, 0, 1).unwrap(), 2).unwrap()), {
            let values = x.narrow(1, 0, 1).unwrap().narrow(2, 24, 12).unwrap();
            bits(&values.contiguous().unwrap())
        });
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_refused() {
        for heads in [0, 5] {
            let error = attention(&noise(&[1, 2, 36], 1), heads).unwrap_err().to_string();
            assert!(error.starts_with(&format!("heads of an attention: found {heads} for 36 values")), "{error}");
        }
    }
}
