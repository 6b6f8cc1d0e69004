//! Two-dimensional convolutions: our own kernels on the CPU, candle's on other devices.
//!
//! candle's CPU `conv2d` is several times slower than possible. Here 3 x 3 convolutions of stride 1 go through
//! Winograd's minimal filtering, all others through one matrix product over copied rows, with bias, residual and ReLU
//! applied while a result is still in a register. Weights are laid out once, when a [`Conv`] is made.
//!
//! Tensors are `(n, c, h, w)` for the caller, and of any layout; results are laid out channels last in memory (a view,
//! not a copy), which the next [`Conv`] takes as it is. The result for one image is the same to the bit in any batch
//! and with any number of threads.

mod channels;
mod gradient;
mod groups;
mod layout;
mod pool;
mod rows;
mod winograd;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor, bail};

use crate::error::{Error, Result};
use crate::gemm::Epilogue;

pub use channels::{gelu, scale_shift};
pub use gradient::conv2d_channels_last;
pub use layout::channels_first;
pub use pool::{Window, max_pool};

use crate::storage::floats;
use layout::channels_last;
use rows::Rows;
use winograd::Winograd;

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    c_in: usize,
    c_out: usize,
    /// Rows and columns.
    kernel: (usize, usize),
    stride: usize,
    padding: usize,
    groups: usize,
}

impl Sizes {
    /// The geometry of a convolution by `weight (c_out, c_in, kernel rows, kernel columns)`.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the weights are empty or the stride is 0.
    fn new(weight: &Tensor, stride: usize, padding: usize) -> Result<Self> {
        let (c_out, c_in, kh, kw) = weight.dims4()?;
        if weight.elem_count() == 0 || stride == 0 {
            let found = format!("weights {:?} with stride {stride}", weight.dims());
            return Err(Error::mismatch("convolution", found, "sizes and a stride of at least 1"));
        }
        Ok(Self { c_in, c_out, kernel: (kh, kw), stride, padding, groups: 1 })
    }

    /// Those of one group.
    fn of_group(self) -> Self {
        Self { c_in: self.c_in / self.groups, c_out: self.c_out / self.groups, groups: 1, ..self }
    }

    /// Refuses an input of `c` channels and `h x w` that cannot be convolved.
    fn check(&self, c: usize, h: usize, w: usize) -> Result<()> {
        let (kh, kw) = self.kernel;
        if c != self.c_in {
            return Err(Error::mismatch("channels of a convolution's input", c, self.c_in));
        }
        if h + 2 * self.padding < kh || w + 2 * self.padding < kw {
            let expected = format!("at least the kernel's {kh} x {kw}, padding included; give larger images");
            return Err(Error::mismatch("size of a convolution's input", format!("{h} x {w}"), expected));
        }
        Ok(())
    }

    /// The size of the result for images of `h x w`.
    fn out_size(&self, h: usize, w: usize) -> (usize, usize) {
        let along = |size: usize, kernel: usize| (size + 2 * self.padding - kernel) / self.stride + 1;
        (along(h, self.kernel.0), along(w, self.kernel.1))
    }
}

/// The weights of a convolution on the CPU, laid out for the faster of the two methods.
#[derive(Debug, Clone)]
enum Kernel {
    Winograd(Winograd),
    Rows(Rows),
}

impl Kernel {
    /// The convolution by `weight (c_out, c_in, kernel rows, kernel columns)`.
    fn new(sizes: Sizes, weight: &[f32]) -> Self {
        let Sizes { c_in, c_out, kernel, stride, padding, .. } = sizes;
        if (kernel, stride) == ((3, 3), 1) && Winograd::fits(c_in, c_out) {
            Self::Winograd(Winograd::new(weight, c_out, c_in, padding))
        } else {
            Self::Rows(Rows::new(weight, (c_out, c_in, kernel.0, kernel.1), stride, padding))
        }
    }

    /// The convolution of `x (n, h, w, c_in)`: `(n, h_out, w_out, c_out)`.
    fn run(&self, sizes: Sizes, x: &[f32], n: usize, (h, w): (usize, usize), epilogue: Epilogue<'_>) -> Vec<f32> {
        let (h_out, w_out) = sizes.out_size(h, w);
        let mut out = vec![0f32; n * h_out * w_out * sizes.c_out];
        match self {
            Self::Winograd(kernel) => kernel.run(x, (h, w), &mut out, epilogue),
            Self::Rows(kernel) => kernel.run(x, (h, w), (h_out, w_out), &mut out, epilogue),
        }
        out
    }
}

/// A convolution with its weights laid out for the device they are on.
#[derive(Debug, Clone)]
pub struct Conv {
    sizes: Sizes,
    plan: Plan,
}

#[derive(Debug, Clone)]
enum Plan {
    /// A kernel a group.
    Cpu {
        kernels: Vec<Kernel>,
        bias: Option<Vec<f32>>,
    },
    Device {
        weight: Tensor,
        bias: Option<Tensor>,
    },
}

impl Conv {
    /// A convolution by `weight (c_out, c_in, kernel rows, kernel columns)` and `bias (c_out,)`, both f32, with the same
    /// stride and zero padding along both axes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the shapes do not belong together or the stride is 0; [`Error::Candle`] for other dtypes.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, stride: usize, padding: usize) -> Result<Self> {
        Self::grouped(weight, bias, stride, padding, 1)
    }

    /// As [`Self::new`], in `groups` that share no channels: the input has `groups` times the channels that `weight` states,
    /// and the outputs of a group are next to each other.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Mismatch`] if the outputs cannot be divided into the groups.
    pub fn grouped(
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: usize,
        padding: usize,
        groups: usize,
    ) -> Result<Self> {
        let each = Sizes::new(weight, stride, padding)?;
        if groups == 0 || !each.c_out.is_multiple_of(groups) {
            let found = format!("{groups} for {} outputs", each.c_out);
            return Err(Error::mismatch("groups of a convolution", found, "a number that divides the outputs"));
        }
        let c_in = each.c_in.checked_mul(groups);
        let c_in = c_in.ok_or_else(|| Error::mismatch("groups of a convolution", groups, "a smaller number"))?;
        let sizes = Sizes { c_in, groups, ..each };
        if let Some(bias) = bias.filter(|bias| bias.dims() != [sizes.c_out]) {
            return Err(Error::mismatch("shape of a convolution's bias", format!("{:?}", bias.dims()), sizes.c_out));
        }
        let plan = if weight.device().is_cpu() {
            let bias = bias.map(Tensor::to_vec1::<f32>).transpose()?;
            let (weight, of_group) = (weight.flatten_all()?.to_vec1::<f32>()?, sizes.of_group());
            let kernels = weight.chunks_exact(weight.len() / groups).map(|weight| Kernel::new(of_group, weight));
            Plan::Cpu { kernels: kernels.collect(), bias }
        } else {
            Plan::Device { weight: weight.clone(), bias: bias.cloned() }
        };
        Ok(Self { sizes, plan })
    }

    /// `relu(conv(x) + bias + residual)` of `x (n, c_in, h, w)`, f32, without the optional parts that are not given:
    /// `(n, c_out, h_out, w_out)`, channels last in memory on the CPU. `residual` has the shape of the result. It has
    /// no gradient.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if `x` has other channels, is smaller than the kernel, or `residual` has another shape.
    pub fn forward(&self, x: &Tensor, residual: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        let (n, c, h, w) = x.dims4()?;
        self.sizes.check(c, h, w)?;
        let (h_out, w_out) = self.sizes.out_size(h, w);
        let shape = [n, self.sizes.c_out, h_out, w_out];
        if let Some(residual) = residual.filter(|residual| residual.dims() != shape) {
            return Err(Error::mismatch("shape of a residual", format!("{:?}", residual.dims()), format!("{shape:?}")));
        }
        if let Plan::Device { weight, bias } = &self.plan {
            let mut y = x.contiguous()?.conv2d(weight, self.sizes.padding, self.sizes.stride, 1, self.sizes.groups)?;
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
}

/// One application of a [`Conv`] to contiguous `(n, h, w, c)` tensors.
struct Run<'a> {
    conv: &'a Conv,
    relu: bool,
}

impl Run<'_> {
    fn run(&self, x: &[f32], layout: &Layout, residual: Option<&[f32]>) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, _) = layout.shape().dims4()?;
        let Conv { sizes, plan: Plan::Cpu { kernels, bias } } = self.conv else {
            bail!("the weights of this convolution are on another device than its input")
        };
        let (h_out, w_out) = sizes.out_size(h, w);
        let epilogue = Epilogue { bias: bias.as_deref(), residual, relu: self.relu, ..Epilogue::default() };
        let out = match kernels.as_slice() {
            [kernel] => kernel.run(*sizes, x, n, (h, w), epilogue),
            kernels => groups::run(kernels, *sizes, x, n, (h, w), epilogue),
        };
        Ok((CpuStorage::F32(out), Shape::from((n, h_out, w_out, sizes.c_out))))
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
mod tests;
