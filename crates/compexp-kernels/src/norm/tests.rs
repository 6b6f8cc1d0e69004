//! The batch norm against candle-nn's, and gradients against candle's own in f64.

use candle_core::{Device, Var};
use candle_nn::ModuleT;

use super::*;
use crate::noise;

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn close(found: &Tensor, expected: &Tensor, bound: f64, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let largest = values(expected).iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for (i, (f, e)) in values(found).iter().zip(values(expected)).enumerate() {
        assert!((f - e).abs() <= bound * largest, "{what}: value {i} is {f}, expected {e}");
    }
}

fn var(shape: &[usize], seed: u64) -> Var {
    Var::from_tensor(&noise(shape, seed)).unwrap()
}

#[test]
fn results_and_moments_are_those_of_candle_nn() {
    for shape in [[4, 5, 6, 16], [1, 3, 1, 7], [2, 1, 1, 1], [3, 9, 2, 33]] {
        let c = shape[3];
        let (x, gain, bias) = (noise(&shape, 1), noise(&[c], 2), noise(&[c], 3));
        let zeros = Tensor::zeros(c, DType::F32, &Device::Cpu).unwrap();
        let theirs = candle_nn::BatchNorm::new_with_momentum(
            c,
            zeros.clone(),
            zeros.ones_like().unwrap(),
            gain.clone(),
            bias.clone(),
            1e-5,
            1.0,
        )
        .unwrap();
        let first = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        let expected = theirs.forward_t(&first, true).unwrap().permute((0, 2, 3, 1)).unwrap();
        let norm = Norm { epsilon: 1e-5, relu: false };
        let (found, moments) = norm.forward(&x, &gain, &bias, None).unwrap();
        close(&found, &expected, 1e-5, "result");
        close(&moments.mean, theirs.running_mean(), 1e-6, "mean");
        let count = (shape[0] * shape[1] * shape[2]) as f64;
        let unbiased = (moments.variance * (count / (count - 1.0))).unwrap();
        close(&unbiased, theirs.running_var(), 1e-6, "variance");
    }
}

#[test]
fn gradients_are_those_of_candles_own_operations_in_f64() {
    let shape = [3, 4, 5, 16];
    for (relu, with_residual) in [(false, false), (true, false), (false, true), (true, true)] {
        let vars = [var(&shape, 1), var(&[16], 2), var(&[16], 3), var(&shape, 4)];
        let weights = noise(&shape, 5);
        let norm = Norm { epsilon: 1e-5, relu };
        let run = |vars: &[Tensor; 4], plain: bool| {
            let [x, gain, bias, residual] = vars;
            let residual = with_residual.then_some(residual);
            let y = if plain { norm.on_device(x, gain, bias, residual) } else { norm.forward(x, gain, bias, residual) };
            let y = y.unwrap().0;
            let weights = weights.to_dtype(y.dtype()).unwrap();
            let gradients = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
            (y, gradients)
        };
        let (found, gradients) = run(&vars.clone().map(|v| v.as_tensor().clone()), false);
        let wide = vars.clone().map(|v| Var::from_tensor(&v.to_dtype(DType::F64).unwrap()).unwrap());
        let (expected, expected_gradients) = run(&wide.clone().map(|v| v.as_tensor().clone()), true);
        close(&found, &expected, 1e-5, "result");
        let count = if with_residual { 4 } else { 3 };
        for (i, (var, wide)) in vars.iter().zip(&wide).enumerate().take(count) {
            let found = gradients.get(var).unwrap();
            close(
                found,
                expected_gradients.get(wide).unwrap(),
                1e-5,
                &format!("gradient {i}, {relu}, {with_residual}"),
            );
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let shape = [7, 6, 5, 20];
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let vars = [var(&shape, 1), var(&[20], 2), var(&[20], 3)];
            let norm = Norm { epsilon: 1e-5, relu: true };
            let (y, _) = norm.forward(&vars[0], &vars[1], &vars[2], Some(&noise(&shape, 4))).unwrap();
            let gradients = (&y * noise(&shape, 5)).unwrap().sum_all().unwrap().backward().unwrap();
            let bits = |t: &Tensor| -> Vec<u64> { values(t).into_iter().map(f64::to_bits).collect() };
            let mut all = vec![bits(&y)];
            all.extend(vars.iter().map(|var| bits(gradients.get(var).unwrap())));
            all
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_does_not_fit_is_refused() {
    let norm = Norm { epsilon: 1e-5, relu: false };
    let (x, c) = (noise(&[2, 3, 3, 4], 1), noise(&[4], 2));
    let message = |x: &Tensor, gain: &Tensor, bias: &Tensor, residual: Option<&Tensor>| {
        norm.forward(x, gain, bias, residual).unwrap_err().to_string()
    };
    assert_eq!(message(&x, &noise(&[3], 1), &c, None), "shape of a batch norm's gain: found [3], expected 4");
    assert!(message(&x, &c, &noise(&[5], 1), None).starts_with("shape of a batch norm's bias"));
    assert!(message(&x, &c, &c, Some(&noise(&[2, 3, 4, 3], 1))).starts_with("shape of a batch norm's residual"));
    let empty = Tensor::zeros((0, 3, 3, 4), DType::F32, &Device::Cpu).unwrap();
    assert!(message(&empty, &c, &c, None).starts_with("maps of a batch norm"));
    assert!(norm.forward(&x.to_dtype(DType::F64).unwrap(), &c, &c, None).is_err());
}
