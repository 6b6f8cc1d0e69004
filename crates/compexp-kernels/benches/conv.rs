//! Convolutions of ResNet-18 at 224 x 224, batch 8: ours against candle's own, side by side.
//!
//! `cargo bench -p compexp-kernels --bench conv`. The table is made of medians of runs taken in turn, so that a busy
//! machine slows both alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use compexp_kernels::conv::Conv;

const BATCH: usize = 8;

/// (image side, channels in, channels out, kernel, stride, how often in the network).
const LAYERS: [(usize, usize, usize, usize, usize, usize); 11] = [
    (224, 3, 64, 7, 2, 1),
    (56, 64, 64, 3, 1, 4),
    (56, 64, 128, 3, 2, 1),
    (56, 64, 128, 1, 2, 1),
    (28, 128, 128, 3, 1, 3),
    (28, 128, 256, 3, 2, 1),
    (28, 128, 256, 1, 2, 1),
    (14, 256, 256, 3, 1, 3),
    (14, 256, 512, 3, 2, 1),
    (14, 256, 512, 1, 2, 1),
    (7, 512, 512, 3, 1, 3),
];

/// Values in -0.5..0.5 that look random.
fn noise(shape: &[usize]) -> Tensor {
    let mut state = 1u64;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a shape that fits its values")
}

fn timed(run: impl FnOnce() -> Tensor) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn layers() {
    let (mut all_ours, mut all_theirs) = (0.0, 0.0);
    for (side, c_in, c_out, kernel, stride, times) in LAYERS {
        let (x, weight) = (noise(&[BATCH, c_in, side, side]), noise(&[c_out, c_in, kernel, kernel]));
        let conv = Conv::new(&weight, None, stride, kernel / 2).expect("a convolution");
        let last = x.permute((0, 2, 3, 1)).and_then(|x| x.contiguous()).and_then(|x| x.permute((0, 3, 1, 2)));
        let last = last.expect("channels last");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            ours.push(timed(|| conv.forward(&last, None, false).expect("our convolution")));
            theirs.push(timed(|| x.conv2d(&weight, kernel / 2, stride, 1, 1).expect("candle's convolution")));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "{side:>3} px {c_in:>3} -> {c_out:>3}, {kernel} x {kernel} / {stride}: ours {ours:7.2} ms, \
             candle {theirs:7.2} ms, ratio {:5.2}",
            theirs / ours
        );
        all_ours += ours * times as f64;
        all_theirs += theirs * times as f64;
    }
    println!(
        "all convolutions of a forward pass: ours {all_ours:.1} ms, candle {all_theirs:.1} ms, ratio {:.2}",
        all_theirs / all_ours
    );
}

fn main() {
    layers();
}
