//! Convolutions against candle's plain ones in f64, and the laws about their bits.

use candle_core::{DType, Device, Var};
use proptest::prelude::*;

use super::*;
use crate::noise;

fn bits(t: &Tensor) -> Vec<u32> {
    channels_first(t).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()
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
    fn groups_agree_with_the_plain_convolution(
        (n, groups, c_in, c_out) in (1usize..4, 2usize..6, 1usize..5, 1usize..8),
        (h, w, kernel) in (3usize..9, 3usize..9, 1usize..4),
        (stride, residual, relu) in (1usize..3, any::<bool>(), any::<bool>()),
    ) {
        let (x, weight) = (noise(&[n, groups * c_in, h, w], 1), noise(&[groups * c_out, c_in, kernel, kernel], 2));
        let f64 = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
        let bias = noise(&[groups * c_out], 3);
        let plain = f64(&x).conv2d(&f64(&weight), kernel / 2, stride, 1, groups).unwrap();
        let residual = residual.then(|| noise(plain.dims(), 4));
        let mut expected = plain.broadcast_add(&f64(&bias).reshape((1, (), 1, 1)).unwrap()).unwrap();
        if let Some(residual) = &residual {
            expected = (expected + f64(residual)).unwrap();
        }
        if relu {
            expected = expected.relu().unwrap();
        }
        let conv = Conv::grouped(&weight, Some(&bias), stride, kernel / 2, groups).unwrap();
        let found = conv.forward(&x, residual.as_ref(), relu).unwrap();
        let off = (f64(&found) - &expected).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        prop_assert!(off.to_scalar::<f64>().unwrap() < 1e-5);
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
        let y = max_pool(&conv.forward(&x, None, true).unwrap(), Window { kernel: 3, stride: 2, padding: 1 }).unwrap();
        assert!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| v.is_nan()));
    }
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let conv = Conv::new(&noise(&[16, 16, 3, 3], 1), None, 1, 1).unwrap();
    let x = Tensor::zeros((0, 16, 8, 8), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(conv.forward(&x, None, true).unwrap().dims(), [0, 16, 8, 8]);
}

/// The convolution of `x (n, h, w, c_in)` as a sum over the kernel's places, by operations of candle that have gradients.
fn by_places(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> candle_core::Result<Tensor> {
    let x = x.pad_with_zeros(1, padding, padding)?.pad_with_zeros(2, padding, padding)?;
    let ((n, tall, wide, c_in), (c_out, _, kernel, _)) = (x.dims4()?, weight.dims4()?);
    let (h, w) = ((tall - kernel) / stride + 1, (wide - kernel) / stride + 1);
    let along =
        |first: usize, count: usize| Tensor::from_iter((0..count).map(|i| (first + i * stride) as u32), &Device::Cpu);
    let mut y = Tensor::zeros((n * h * w, c_out), x.dtype(), &Device::Cpu)?;
    for (dy, dx) in (0..kernel * kernel).map(|place| (place / kernel, place % kernel)) {
        let inputs = x.index_select(&along(dy, h)?, 1)?.index_select(&along(dx, w)?, 2)?;
        let weight = weight.narrow(2, dy, 1)?.narrow(3, dx, 1)?.reshape((c_out, c_in))?;
        y = (y + inputs.reshape((n * h * w, c_in))?.matmul(&weight.t()?)?)?;
    }
    y.reshape((n, h, w, c_out))
}

/// The gradients of `sum(conv(x) * dy)` by ours and by automatic ones in f64, `x` and the result channels last. Of
/// candle's own `conv2d` where it has them: its gradient fails where a stride leaves other rows than columns over.
fn gradients(
    (n, h, w): (usize, usize, usize),
    (c_in, c_out, kernel): (usize, usize, usize),
    stride: usize,
    padding: usize,
) -> [(Tensor, Tensor); 2] {
    let x = Var::from_tensor(&noise(&[n, h, w, c_in], 1)).unwrap();
    let weight = Var::from_tensor(&noise(&[c_out, c_in, kernel, kernel], 2)).unwrap();
    let y = conv2d_channels_last(&x, &weight, stride, padding).unwrap();
    let dy = noise(y.dims(), 3);
    let found = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();

    let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    let (x64, weight64) = (Var::from_tensor(&wide(&x)).unwrap(), Var::from_tensor(&wide(&weight)).unwrap());
    let y64 = if h == w {
        let first = x64.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        first.conv2d(&weight64, padding, stride, 1, 1).unwrap().permute((0, 2, 3, 1)).unwrap()
    } else {
        by_places(&x64, &weight64, stride, padding).unwrap()
    };
    assert!(difference(&(y, y64.contiguous().unwrap())) < 2e-5);
    let expected = (y64 * wide(&dy)).unwrap().sum_all().unwrap().backward().unwrap();
    [(&x, &x64), (&weight, &weight64)]
        .map(|(ours, theirs)| (found.get(ours).unwrap().clone(), expected.get(theirs).unwrap().contiguous().unwrap()))
}

/// The largest difference over the largest value.
fn difference((found, expected): &(Tensor, Tensor)) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let largest = |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
    let found = found.to_dtype(DType::F64).unwrap();
    largest(&(found - expected).unwrap()) / largest(expected).max(1.0)
}

#[test]
fn gradients_of_the_networks_own_kernels_are_candles() {
    for (kernel, stride, padding) in
        [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (7, 2, 3), (3, 1, 0), (5, 3, 2), (2, 1, 1)]
    {
        for (c_in, c_out) in [(3, 16), (16, 32), (32, 16), (5, 7)] {
            for (h, w) in [(8, 8), (9, 7), (7, 10)] {
                let found = gradients((6, h, w), (c_in, c_out, kernel), stride, padding);
                let [x, weight] = found.each_ref().map(difference);
                let what = format!("{kernel} x {kernel} / {stride}, {padding}, {c_in} to {c_out}, {h} x {w}");
                assert!(x < 2e-5 && weight < 5e-6, "{what}: {x} {weight}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn gradients_of_any_shape_are_candles(
        (n, c_in, c_out) in (1usize..7, 1usize..20, 1usize..40),
        (h, w) in (1usize..13, 1usize..13),
        (kernel, stride, padding) in (1usize..6, 1usize..4, 0usize..5),
    ) {
        prop_assume!(padding < kernel && h + 2 * padding >= kernel && w + 2 * padding >= kernel);
        let found = gradients((n, h, w), (c_in, c_out, kernel), stride, padding);
        let [x, weight] = found.each_ref().map(difference);
        prop_assert!(x < 2e-5 && weight < 5e-6, "{} {}", x, weight);
    }
}

#[test]
fn gradients_are_the_same_bits_on_any_number_of_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| gradients((9, 9, 9), (16, 32, 3), 1, 1))
            .map(|(found, _)| found.flatten_all().unwrap().to_vec1::<f32>().unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, weight) = (noise(&[2, 5, 5, 3], 1), Var::from_tensor(&noise(&[4, 3, 3, 3], 2)).unwrap());
    let y = conv2d_channels_last(&x, &weight, 1, 1).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).is_none() && gradients.get(&weight).is_some());
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let message = |x: &[usize], weight: &[usize], stride, padding| {
        conv2d_channels_last(&noise(x, 1), &noise(weight, 2), stride, padding).unwrap_err().to_string()
    };
    assert!(message(&[1, 5, 5, 3], &[4, 3, 3, 2], 1, 1).starts_with("kernel of a convolution with gradients"));
    assert!(message(&[1, 5, 5, 3], &[4, 3, 3, 3], 1, 3).starts_with("padding of a convolution with gradients"));
    assert!(message(&[1, 5, 5, 3], &[4, 2, 3, 3], 1, 1).starts_with("channels of a convolution's input"));
    assert!(message(&[1, 2, 5, 3], &[4, 3, 3, 3], 1, 0).starts_with("size of a convolution's input"));
    assert!(message(&[1, 5, 5, 3], &[4, 3, 3, 3], 0, 0).starts_with("convolution: found"));
}
