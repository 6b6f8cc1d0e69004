//! Two-dimensional convolutions: our own kernels on the CPU, candle's on other devices.
//!
//! candle's CPU `conv2d` is several times slower than it need be. Here 3 x 3 convolutions of stride 1 go through
//! Winograd's minimal filtering, all others through one matrix product over copied rows, with bias, residual and ReLU
//! applied while a result is still in a register. Weights are laid out once, when a [`Conv`] is made.
//!
//! Tensors are `(n, c, h, w)` for the caller, and of any layout; results are laid out channels last in memory (a view,
//! not a copy), which the next [`Conv`] takes as it is. The result for one image is the same bits whatever other images
//! are in the batch and however many threads there are.

mod layout;
mod pool;
mod rows;
mod winograd;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor, bail};

use crate::error::{Error, Result};
use crate::gemm::Epilogue;

pub use layout::channels_first;
pub use pool::max_pool;

use layout::{channels_last, floats};
use rows::Rows;
use winograd::Winograd;

/// A convolution with its weights laid out for the device they are on.
#[derive(Debug, Clone)]
pub struct Conv {
    c_in: usize,
    c_out: usize,
    kernel: (usize, usize),
    stride: usize,
    padding: usize,
    plan: Plan,
}

#[derive(Debug, Clone)]
enum Plan {
    Winograd { kernel: Winograd, bias: Option<Vec<f32>> },
    Rows { kernel: Rows, bias: Option<Vec<f32>> },
    Device { weight: Tensor, bias: Option<Tensor> },
}

impl Conv {
    /// A convolution by `weight (c_out, c_in, kernel rows, kernel columns)` and `bias (c_out,)`, both f32, with the same
    /// stride and zero padding along both axes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the shapes do not belong together or the stride is 0; [`Error::Candle`] for other
    /// dtypes.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, stride: usize, padding: usize) -> Result<Self> {
        let (c_out, c_in, kh, kw) = weight.dims4()?;
        if let Some(bias) = bias.filter(|bias| bias.dims() != [c_out]) {
            return Err(Error::mismatch("shape of a convolution's bias", format!("{:?}", bias.dims()), c_out));
        }
        if weight.elem_count() == 0 || stride == 0 {
            let found = format!("weights {:?} with stride {stride}", weight.dims());
            return Err(Error::mismatch("convolution", found, "sizes and a stride of at least 1"));
        }
        let plan = if weight.device().is_cpu() {
            let bias = bias.map(Tensor::to_vec1::<f32>).transpose()?;
            let weight = weight.flatten_all()?.to_vec1::<f32>()?;
            if (kh, kw, stride) == (3, 3, 1) && Winograd::fits(c_in, c_out) {
                Plan::Winograd { kernel: Winograd::new(&weight, c_out, c_in, padding), bias }
            } else {
                Plan::Rows { kernel: Rows::new(&weight, (c_out, c_in, kh, kw), stride, padding), bias }
            }
        } else {
            Plan::Device { weight: weight.clone(), bias: bias.cloned() }
        };
        Ok(Self { c_in, c_out, kernel: (kh, kw), stride, padding, plan })
    }

    /// `relu(conv(x) + bias + residual)` of `x (n, c_in, h, w)`, f32, without the parts that are not asked for:
    /// `(n, c_out, h_out, w_out)`, channels last in memory on the CPU. `residual` has the shape of the result.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where `x` has other channels, is smaller than the kernel, or `residual` has another shape.
    pub fn forward(&self, x: &Tensor, residual: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        let (n, c, h, w) = x.dims4()?;
        let (kh, kw) = self.kernel;
        if c != self.c_in {
            return Err(Error::mismatch("channels of a convolution's input", c, self.c_in));
        }
        if h + 2 * self.padding < kh || w + 2 * self.padding < kw {
            let expected = format!("at least the kernel's {kh} x {kw}, padding included; give larger images");
            return Err(Error::mismatch("size of a convolution's input", format!("{h} x {w}"), expected));
        }
        let (h_out, w_out) = self.out_size(h, w);
        let shape = [n, self.c_out, h_out, w_out];
        if let Some(residual) = residual.filter(|residual| residual.dims() != shape) {
            return Err(Error::mismatch("shape of a residual", format!("{:?}", residual.dims()), format!("{shape:?}")));
        }
        if let Plan::Device { weight, bias } = &self.plan {
            let mut y = x.contiguous()?.conv2d(weight, self.padding, self.stride, 1, 1)?;
            if let Some(bias) = bias {
                y = y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
            }
            if let Some(residual) = residual {
                y = (y + residual)?;
            }
            return Ok(if relu { y.relu()? } else { y });
        }
        let x = channels_last(x)?;
        let run = Run { conv: self, relu };
        let y = match residual {
            Some(residual) => x.apply_op2_no_bwd(&channels_last(residual)?, &run)?,
            None => x.apply_op1_no_bwd(&run)?,
        };
        Ok(y.permute((0, 3, 1, 2))?) // (n, c_out, h_out, w_out)
    }

    /// The convolution of `x (n, h, w, c_in)` on the CPU, without bias: `(n, h_out, w_out, c_out)`.
    ///
    /// # Errors
    /// candle's, where the weights are on another device.
    pub fn channels_last(&self, x: &[f32], n: usize, (h, w): (usize, usize)) -> candle_core::Result<Vec<f32>> {
        self.run(x, n, (h, w), None, false)
    }

    /// `relu(conv(x) + bias + residual)` of `x (n, h, w, c_in)` on the CPU.
    fn run(
        &self,
        x: &[f32],
        n: usize,
        (h, w): (usize, usize),
        residual: Option<&[f32]>,
        relu: bool,
    ) -> candle_core::Result<Vec<f32>> {
        let (h_out, w_out) = self.out_size(h, w);
        let mut out = vec![0f32; n * h_out * w_out * self.c_out];
        let (Plan::Winograd { bias, .. } | Plan::Rows { bias, .. }) = &self.plan else {
            bail!("the weights of this convolution are on another device than its input")
        };
        let epilogue = Epilogue { bias: bias.as_deref(), residual, relu, ..Epilogue::default() };
        match &self.plan {
            Plan::Winograd { kernel, .. } => kernel.run(x, (h, w), &mut out, epilogue),
            Plan::Rows { kernel, .. } => kernel.run(x, (h, w), (h_out, w_out), &mut out, epilogue),
            Plan::Device { .. } => {}
        }
        Ok(out)
    }

    /// The size of the result for images of `h x w`.
    pub fn out_size(&self, h: usize, w: usize) -> (usize, usize) {
        let along = |size: usize, kernel: usize| (size + 2 * self.padding - kernel) / self.stride + 1;
        (along(h, self.kernel.0), along(w, self.kernel.1))
    }
}

/// One application of a [`Conv`] to contiguous `(n, h, w, c)` tensors.
struct Run<'a> {
    conv: &'a Conv,
    relu: bool,
}

impl Run<'_> {
    fn run(&self, x: &[f32], layout: &Layout, residual: Option<&[f32]>) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, _) = layout.shape().dims4()?;
        let (h_out, w_out) = self.conv.out_size(h, w);
        let out = self.conv.run(x, n, (h, w), residual, self.relu)?;
        Ok((CpuStorage::F32(out), Shape::from((n, h_out, w_out, self.conv.c_out))))
    }
}

impl CustomOp1 for Run<'_> {
    fn name(&self) -> &'static str {
        "conv2d-channels-last"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        self.run(floats(storage, layout)?, layout, None)
    }
}

impl CustomOp2 for Run<'_> {
    fn name(&self) -> &'static str {
        "conv2d-channels-last-residual"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.run(floats(storage, layout)?, layout, Some(floats(residual, residual_layout)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use proptest::prelude::*;

    use super::*;

    /// Values in -1..1 that look random, from `seed`.
    pub(crate) fn noise(shape: &[usize], seed: u64) -> Tensor {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn bits(t: &Tensor) -> Vec<u32> {
        channels_first(t)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .map(|v| v.to_bits())
            .collect()
    }

    /// The largest difference of ours from candle's plain convolution in f64, over the largest value.
    fn error(x: &Tensor, weight: &Tensor, stride: usize, padding: usize, residual: bool, relu: bool) -> f64 {
        let f64 = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
        let bias = noise(&[weight.dims()[0]], 3);
        let plain = f64(x).contiguous().unwrap().conv2d(&f64(weight), padding, stride, 1, 1).unwrap();
        let residual = residual.then(|| noise(plain.dims(), 4));
        let mut expected = plain.broadcast_add(&f64(&bias).reshape((1, (), 1, 1)).unwrap()).unwrap();
        if let Some(residual) = &residual {
            expected = (expected + f64(residual)).unwrap();
        }
        if relu {
            expected = expected.relu().unwrap();
        }
        let conv = Conv::new(weight, Some(&bias), stride, padding).unwrap();
        let found = conv.forward(x, residual.as_ref(), relu).unwrap();
        assert_eq!(found.dims(), expected.dims());
        let largest = |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
        largest(&(f64(&found) - &expected).unwrap()) / largest(&expected).max(1.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn any_shape_agrees_with_the_plain_convolution(
            (n, c_in, c_out) in (1usize..4, 1usize..20, 1usize..70),
            (h, w) in (1usize..13, 1usize..13),
            (kh, kw) in (1usize..6, 1usize..6),
            (stride, padding) in (1usize..4, 0usize..4),
            (residual, relu) in (any::<bool>(), any::<bool>()),
        ) {
            prop_assume!(h + 2 * padding >= kh && w + 2 * padding >= kw);
            let (x, weight) = (noise(&[n, c_in, h, w], 1), noise(&[c_out, c_in, kh, kw], 2));
            let found = error(&x, &weight, stride, padding, residual, relu);
            prop_assert!(found < 2e-6, "{found}");
        }

        #[test]
        fn winograd_agrees_with_the_plain_convolution(
            (n, c_in, c_out) in (1usize..4, 1usize..4, 1usize..6),
            (h, w, padding) in (1usize..15, 1usize..15, 0usize..3),
            (residual, relu) in (any::<bool>(), any::<bool>()),
        ) {
            prop_assume!(h + 2 * padding >= 3 && w + 2 * padding >= 3);
            let (c_in, c_out) = (16 * c_in, 16 * c_out);
            let (x, weight) = (noise(&[n, c_in, h, w], 1), noise(&[c_out, c_in, 3, 3], 2));
            let found = error(&x, &weight, 1, padding, residual, relu);
            prop_assert!(found < 1e-5, "{found}");
        }
    }

    #[test]
    fn wide_layers_take_all_tiles_at_once_and_agree_too() {
        let (x, weight) = (noise(&[3, 256, 7, 7], 1), noise(&[256, 256, 3, 3], 2));
        let found = error(&x, &weight, 1, 1, true, true);
        assert!(found < 3e-5, "{found}");
    }

    #[test]
    fn inputs_of_any_layout_are_read_right() {
        let weight = noise(&[32, 16, 3, 3], 2);
        let conv = Conv::new(&weight, None, 1, 1).unwrap();
        let x = noise(&[2, 16, 9, 11], 1);
        let expected = bits(&conv.forward(&x, None, false).unwrap());
        let last = x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap().permute((0, 3, 1, 2)).unwrap();
        let turned = x.t().unwrap().contiguous().unwrap().t().unwrap();
        let wide = Tensor::cat(&[&noise(&[2, 16, 9, 4], 9), &x], 3).unwrap().narrow(3, 4, 11).unwrap();
        for (name, other) in [("channels last", last), ("transposed", turned), ("narrowed", wide)] {
            assert_eq!(bits(&conv.forward(&other, None, false).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn an_image_gives_the_same_bits_alone_and_in_a_batch_on_any_number_of_threads() {
        for (c_in, c_out, kernel, stride, size) in
            [(16, 48, 3, 1, 13), (256, 256, 3, 1, 7), (3, 64, 7, 2, 33), (64, 40, 1, 1, 9), (20, 33, 3, 2, 9)]
        {
            let conv = Conv::new(&noise(&[c_out, c_in, kernel, kernel], 2), None, stride, kernel / 2).unwrap();
            let x = noise(&[7, c_in, size, size], 1);
            let run = |x: &Tensor, threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                bits(&pool.install(|| conv.forward(x, None, true)).unwrap())
            };
            let whole = run(&x, 1);
            assert_eq!(run(&x, 3), whole, "{c_in} to {c_out}, {kernel} x {kernel}");
            let alone: Vec<u32> = (0..7).flat_map(|i| run(&x.narrow(0, i, 1).unwrap(), 2)).collect();
            assert_eq!(alone, whole, "{c_in} to {c_out}, {kernel} x {kernel}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_shapes() {
        let conv = Conv::new(&noise(&[4, 3, 5, 5], 1), None, 1, 0).unwrap();
        let message = |x: &[usize]| conv.forward(&noise(x, 1), None, false).unwrap_err().to_string();
        assert_eq!(message(&[1, 2, 9, 9]), "channels of a convolution's input: found 2, expected 3");
        assert!(message(&[1, 3, 9, 4]).starts_with("size of a convolution's input: found 9 x 4, expected at least"));
        let residual = noise(&[1, 4, 5, 4], 1);
        let error = conv.forward(&noise(&[1, 3, 9, 9], 1), Some(&residual), false).unwrap_err();
        assert_eq!(error.to_string(), "shape of a residual: found [1, 4, 5, 4], expected [1, 4, 5, 5]");
        assert!(Conv::new(&noise(&[4, 3, 5, 5], 1), None, 0, 0).is_err());
        assert!(Conv::new(&noise(&[4, 3, 5, 5], 1), Some(&noise(&[3], 1)), 1, 0).is_err());
    }

    #[test]
    fn nan_is_not_hidden_by_a_relu_or_a_pool() {
        for (c, kernel) in [(16, 3), (3, 3), (5, 1)] {
            let conv = Conv::new(&noise(&[16, c, kernel, kernel], 1), None, 1, kernel / 2).unwrap();
            let x = noise(&[1, c, 6, 6], 1).affine(f64::NAN, 0.0).unwrap();
            let y = max_pool(&conv.forward(&x, None, true).unwrap()).unwrap();
            assert!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| v.is_nan()));
        }
    }

    #[test]
    fn an_empty_batch_gives_an_empty_result() {
        let conv = Conv::new(&noise(&[16, 16, 3, 3], 1), None, 1, 1).unwrap();
        let x = Tensor::zeros((0, 16, 8, 8), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(conv.forward(&x, None, true).unwrap().dims(), [0, 16, 8, 8]);
    }
}
