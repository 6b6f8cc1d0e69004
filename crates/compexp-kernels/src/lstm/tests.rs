//! The LSTM against its definition in f64, one sequence and one number at a time.

use candle_core::Device;

use super::*;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() as f32 / (1u64 << 30) as f32 - 1.0) * 0.6).collect()
    }
}

struct Owned {
    ih: Vec<f32>,
    hh: Vec<f32>,
    b1: Vec<f32>,
    b2: Vec<f32>,
}

impl Owned {
    fn new(random: &mut Random, inputs: usize, hidden: usize) -> Self {
        let wide = 4 * hidden;
        Self {
            ih: random.floats(wide * inputs),
            hh: random.floats(wide * hidden),
            b1: random.floats(wide),
            b2: random.floats(wide),
        }
    }

    fn weights(&self) -> DirectionWeights {
        let wide = self.b1.len();
        DirectionWeights {
            weight_ih: matrix(&self.ih, self.ih.len() / wide),
            weight_hh: matrix(&self.hh, wide / 4),
            bias_ih: Tensor::from_slice(&self.b1, wide, &Device::Cpu).unwrap(),
            bias_hh: Tensor::from_slice(&self.b2, wide, &Device::Cpu).unwrap(),
        }
    }

    /// The equations of torch.nn.LSTM's documentation.
    fn slow<'a>(&self, inputs: impl Iterator<Item = &'a [f32]>, hidden: usize) -> Vec<f64> {
        let (mut h, mut c) = (vec![0.0f64; hidden], vec![0.0f64; hidden]);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for x in inputs {
            let gate = |j: usize| {
                let input: f64 = x.iter().zip(&self.ih[j * x.len()..]).map(|(a, b)| f64::from(a * b)).sum();
                let state: f64 = h.iter().zip(&self.hh[j * hidden..]).map(|(a, &b)| a * f64::from(b)).sum();
                input + state + f64::from(self.b1[j]) + f64::from(self.b2[j])
            };
            let gates: Vec<f64> = (0..4 * hidden).map(gate).collect();
            for j in 0..hidden {
                let [i, f, g, o] = std::array::from_fn(|gate| gates[gate * hidden + j]);
                c[j] = sigmoid(f) * c[j] + sigmoid(i) * g.tanh();
                h[j] = sigmoid(o) * c[j].tanh();
            }
        }
        h
    }
}

/// Row-major values as a matrix of so many columns.
fn matrix(values: &[f32], columns: usize) -> Tensor {
    Tensor::from_slice(values, (values.len() / columns, columns), &Device::Cpu).unwrap()
}

/// The final states as values.
fn finals(lstm: &Lstm, sequences: &Sequences, x: &Tensor) -> Vec<f32> {
    lstm.forward(sequences, x).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Sequences of mixed lengths, an empty one and one of a single step among them.
fn batch(random: &mut Random, n_rows: u64) -> Sequences {
    let lengths = [3, 0, 7, 1, 7, 12, 2, 5, 5, 1];
    let sequences: Vec<Vec<u32>> =
        lengths.iter().map(|&n| (0..n).map(|_| (random.next() % n_rows) as u32).collect()).collect();
    Sequences::new(sequences.iter().map(Vec::as_slice))
}

#[test]
fn both_directions_equal_their_equations() {
    let mut random = Random(1);
    for (inputs, hidden) in [(1, 1), (5, 3), (20, 33)] {
        let (ahead, back) = (Owned::new(&mut random, inputs, hidden), Owned::new(&mut random, inputs, hidden));
        let sequences = batch(&mut random, 9);
        let x = random.floats(9 * inputs);
        let lstm = Lstm::new(inputs, hidden, vec![ahead.weights(), back.weights()]).unwrap();
        let found = finals(&lstm, &sequences, &matrix(&x, inputs));
        for s in 0..sequences.len() {
            let row = |&row: &u32| &x[row as usize * inputs..][..inputs];
            let mut expected = ahead.slow(sequences.get(s).iter().map(row), hidden);
            expected.extend(back.slow(sequences.get(s).iter().rev().map(row), hidden));
            for (j, (f, e)) in found[s * 2 * hidden..].iter().zip(expected).enumerate() {
                assert!((f64::from(*f) - e).abs() < 2e-6, "{inputs} to {hidden}, {s}, {j}: {f}, expected {e}");
            }
        }
    }
}

#[test]
fn a_sequence_is_the_same_bits_alone_in_a_batch_and_with_any_number_of_threads() {
    let mut random = Random(2);
    let (inputs, hidden) = (7, 40);
    let weights = Owned::new(&mut random, inputs, hidden);
    let sequences = batch(&mut random, 30);
    let x = matrix(&random.floats(30 * inputs), inputs);
    let lstm = Lstm::new(inputs, hidden, vec![weights.weights()]).unwrap();
    let run = |threads: usize, batch: &Sequences| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| finals(&lstm, batch, &x))
    };
    let expected = run(1, &sequences);
    for threads in [2, 3, 7] {
        assert_eq!(run(threads, &sequences), expected, "{threads} threads");
    }
    for s in 0..sequences.len() {
        let alone = run(2, &Sequences::new([sequences.get(s)]));
        assert_eq!(alone, expected[s * hidden..][..hidden], "sequence {s}");
    }
}

#[test]
fn weights_and_inputs_of_another_size_are_refused() {
    let mut random = Random(3);
    let weights = Owned::new(&mut random, 3, 2);
    let message = |result: Result<Lstm>| result.unwrap_err().to_string();
    assert!(message(Lstm::new(4, 2, vec![weights.weights()])).contains("weight_ih: found [8, 3], expected [8, 4]"));
    assert!(message(Lstm::new(3, 2, vec![])).contains("found 0, expected 1 or 2"));
    assert!(message(Lstm::new(0, 2, vec![weights.weights()])).contains("at least 1"));
    let lstm = Lstm::new(3, 2, vec![weights.weights()]).unwrap();
    let error = |batch: &[u32], x: &Tensor| lstm.forward(&Sequences::new([batch]), x).unwrap_err().to_string();
    assert!(error(&[0], &matrix(&[0.0; 4], 2)).contains("found [2, 2], expected [_, 3]"));
    assert!(error(&[0, 2], &matrix(&[0.0; 6], 3)).contains("found 2, expected one of 2"));
    let none = lstm.forward(&Sequences::default(), &matrix(&[0.0; 6], 3)).unwrap();
    assert_eq!(none.dims(), [0, 2]);
}

#[test]
fn weights_that_are_trained_and_those_that_are_not_give_the_same_bits() {
    let mut random = Random(4);
    let (inputs, hidden) = (7, 40);
    let sequences = batch(&mut random, 30);
    let (ahead, back) = (Owned::new(&mut random, inputs, hidden), Owned::new(&mut random, inputs, hidden));
    let x = matrix(&random.floats(30 * inputs), inputs);
    let trained = |weights: DirectionWeights| {
        let var = |t: Tensor| candle_core::Var::from_tensor(&t).unwrap().into_inner();
        let DirectionWeights { weight_ih, weight_hh, bias_ih, bias_hh } = weights;
        let (weight_ih, weight_hh) = (var(weight_ih), var(weight_hh));
        DirectionWeights { weight_ih, weight_hh, bias_ih: var(bias_ih), bias_hh: var(bias_hh) }
    };
    let fixed = Lstm::new(inputs, hidden, vec![ahead.weights(), back.weights()]).unwrap();
    let varying = Lstm::new(inputs, hidden, vec![trained(ahead.weights()), trained(back.weights())]).unwrap();
    assert_eq!(finals(&varying, &sequences, &x), finals(&fixed, &sequences, &x));
}
