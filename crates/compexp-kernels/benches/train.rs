//! Forward and back through the layers of a narrow ResNet-18 on 112 x 112 images, batch 32: a convolution and its batch
//! norm with ReLU, ours against candle's `conv2d` and candle-nn's `BatchNorm`, side by side.
//!
//! `cargo bench -p compexp-kernels --bench train`. The table is made of medians of runs taken in turn, so that a busy
//! machine slows both alike.

use std::hint::black_box;
use std::time::Instant;

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{BatchNorm, ModuleT};
use compexp_kernels::conv::conv2d_channels_last;
use compexp_kernels::norm::Norm;

const BATCH: usize = 32;

/// (side of the input, channels in, channels out, stride).
const LAYERS: [(usize, usize, usize, usize); 5] =
    [(112, 3, 16, 2), (56, 16, 16, 1), (56, 16, 32, 2), (28, 32, 32, 1), (14, 64, 64, 1)];

/// Values in -0.5..0.5 that look random.
fn noise(shape: &[usize]) -> Result<Tensor> {
    let mut state = 1u64;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Milliseconds of going forward and back.
fn timed(run: impl FnOnce() -> Result<Tensor>) -> Result<f64> {
    let start = Instant::now();
    black_box(run()?.sum_all()?.backward()?);
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() -> Result<()> {
    for (side, c_in, c_out, stride) in LAYERS {
        let x = Var::from_tensor(&noise(&[BATCH, side, side, c_in])?)?;
        let first = Var::from_tensor(&x.permute((0, 3, 1, 2))?.contiguous()?)?;
        let weight = Var::from_tensor(&noise(&[c_out, c_in, 3, 3])?)?;
        let y = conv2d_channels_last(&x, &weight, stride, 1).map_err(candle_core::Error::wrap)?;
        let y = Var::from_tensor(&y)?;
        let y_first = Var::from_tensor(&y.permute((0, 3, 1, 2))?.contiguous()?)?;
        let gain = Var::from_tensor(&noise(&[c_out])?)?;
        let bias = Var::from_tensor(&noise(&[c_out])?)?;
        let theirs = BatchNorm::new(
            c_out,
            bias.as_detached_tensor(),
            bias.as_detached_tensor().sqr()?,
            gain.as_tensor().clone(),
            bias.as_tensor().clone(),
            1e-5,
        )?;
        let norm = Norm { epsilon: 1e-5, relu: true };
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..7 {
            times[0].push(timed(|| conv2d_channels_last(&x, &weight, stride, 1).map_err(candle_core::Error::wrap))?);
            times[1].push(timed(|| first.conv2d(&weight, 1, stride, 1, 1))?);
            times[2].push(timed(|| Ok(norm.forward(&y, &gain, &bias, None).map_err(candle_core::Error::wrap)?.0))?);
            times[3].push(timed(|| theirs.forward_t(&y_first, true)?.relu())?);
        }
        let [conv, their_conv, norm, their_norm] = times.map(median);
        println!(
            "{side:>3} px {c_in:>2} -> {c_out:>2} / {stride}: convolution {conv:7.2} ms, candle {their_conv:7.2} ms, \
             ratio {:5.2}; batch norm {norm:6.2} ms, candle-nn {their_norm:6.2} ms, ratio {:5.2}",
            their_conv / conv,
            their_norm / norm
        );
    }
    Ok(())
}
