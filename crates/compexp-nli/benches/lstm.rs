//! The LSTM's forward pass and a training step of the whole classifier, at the published sizes and batches of 100: ours
//! against the same in candle's own operations.
//!
//! `cargo bench -p compexp-nli --bench lstm`. The ratios are of medians of runs taken in turn, so that a busy machine
//! slows both alike. `RAYON_NUM_THREADS=1` sets ours to one thread.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use compexp_kernels::lstm::{DirectionWeights, Lstm, Sequences};
use compexp_nli::model::{Config, Weights};
use compexp_nli::text::WordTable;
use compexp_nli::train::{Example, Progress, Setup, TrainConfig, initial_weights, train};
use criterion::{Criterion, criterion_group, criterion_main};

const BATCH: usize = 100;
const WORDS: usize = 12_000;

/// A repeatable sequence of numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A word number; as in texts, the share of a word falls with the inverse of its rank.
    fn word(&mut self) -> u32 {
        let unit = self.next() as f64 / (1u64 << 31) as f64;
        2 + ((WORDS - 3) as f64).powf(unit) as u32
    }

    /// A sentence of up to twice so many words.
    fn sentence(&mut self, mean: u64) -> Vec<u32> {
        (0..1 + self.next() % (2 * mean)).map(|_| self.word()).collect()
    }
}

fn examples(n: usize) -> Vec<Example> {
    let mut random = Random(1);
    (0..n)
        .map(|i| Example { premise: random.sentence(14), hypothesis: random.sentence(8), label: (i % 3) as u8 })
        .collect()
}

fn words() -> WordTable {
    let words: Vec<_> = (2..WORDS).map(|i| format!("w{i}")).collect();
    WordTable::from_tokens(words.iter().map(String::as_str))
}

/// The classifier in candle's operations; sentences are sorted by length, and each step takes those that still run.
struct Candle {
    vars: Vec<(String, Var)>,
}

impl Candle {
    fn new(weights: &Weights, model: &Config) -> Result<Self> {
        let shapes = model.shapes(WORDS).into_iter();
        let var = |(name, shape): (String, Vec<usize>)| {
            let var = Var::from_slice(&weights[&name], shape, &Device::Cpu)?;
            Ok((name, var))
        };
        Ok(Self { vars: shapes.map(var).collect::<Result<_>>()? })
    }

    fn get(&self, name: &str) -> &Tensor {
        self.vars.iter().find(|(n, _)| n == name).expect("a weight of the classifier").1.as_tensor()
    }

    /// `(n, hidden)` from sentences' vectors, `(n, steps, embedding)` padded, longest first.
    fn encode(&self, x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let (n, steps, e) = x.dims3()?;
        let ih = self.get("encoder.rnn.weight_ih_l0").t()?;
        let hh = self.get("encoder.rnn.weight_hh_l0").t()?;
        let bias = (self.get("encoder.rnn.bias_ih_l0") + self.get("encoder.rnn.bias_hh_l0"))?;
        let projected = x.transpose(0, 1)?.contiguous()?.reshape((steps * n, e))?.matmul(&ih)?.broadcast_add(&bias)?;
        let hidden = hh.dim(0)?;
        let mut h = Tensor::zeros((n, hidden), DType::F32, &Device::Cpu)?;
        let mut c = h.clone();
        let mut done = Vec::new();
        for t in 0..steps {
            let running = lengths.iter().filter(|&&length| length > t).count();
            if running < h.dim(0)? {
                done.push(h.narrow(0, running, h.dim(0)? - running)?);
                (h, c) = (h.narrow(0, 0, running)?, c.narrow(0, 0, running)?);
            }
            let gates = (projected.narrow(0, t * n, running)? + h.contiguous()?.matmul(&hh)?)?;
            let gate = |i: usize| gates.narrow(1, i * hidden, hidden)?.contiguous();
            let [i, f, o] = [0, 1, 3].map(|i| gate(i).and_then(|g| candle_nn::ops::sigmoid(&g)));
            c = ((f? * c)? + (i? * gate(2)?.tanh()?)?)?;
            h = (o? * c.tanh()?)?;
        }
        done.push(h);
        done.reverse();
        Tensor::cat(&done, 0) // longest first
    }

    fn sentences(&self, sentences: &[&[u32]]) -> Result<Tensor> {
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(sentences[i].len()));
        let lengths: Vec<_> = order.iter().map(|&i| sentences[i].len()).collect();
        let padded = |&i: &usize| sentences[i].iter().copied().chain(std::iter::repeat(1)).take(lengths[0]);
        let ids: Vec<u32> = order.iter().flat_map(padded).collect();
        let ids = Tensor::from_vec(ids, order.len() * lengths[0], &Device::Cpu)?;
        let x = self.get("encoder.emb.weight").index_select(&ids, 0)?.reshape((order.len(), lengths[0], ()))?;
        let mut places = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(place, &i)| places[i] = place as u32);
        let places = Tensor::from_vec(places, order.len(), &Device::Cpu)?;
        self.encode(&x, &lengths)?.index_select(&places, 0)
    }

    fn loss(&self, examples: &[Example]) -> Result<Tensor> {
        let p = self.sentences(&examples.iter().map(|e| e.premise.as_slice()).collect::<Vec<_>>())?;
        let h = self.sentences(&examples.iter().map(|e| e.hypothesis.as_slice()).collect::<Vec<_>>())?;
        let x = Tensor::cat(&[&p, &h, &(&p - &h)?, &(&p * &h)?], 1)?;
        let x = x.broadcast_sub(&x.mean_keepdim(0)?)?;
        let x = x.broadcast_div(&(x.sqr()?.mean_keepdim(0)? + 1e-5)?.sqrt()?)?;
        let x = x.broadcast_mul(self.get("bn.weight"))?.broadcast_add(self.get("bn.bias"))?;
        let x = candle_nn::ops::dropout(&x, 0.1)?;
        let x = x.matmul(&self.get("mlp.0.weight").t()?)?.broadcast_add(self.get("mlp.0.bias"))?.relu()?;
        let x = candle_nn::ops::dropout(&x, 0.1)?;
        let logits = x.matmul(&self.get("mlp.3.weight").t()?)?.broadcast_add(self.get("mlp.3.bias"))?;
        let labels: Vec<u32> = examples.iter().map(|e| u32::from(e.label)).collect();
        candle_nn::loss::cross_entropy(&logits, &Tensor::from_vec(labels, examples.len(), &Device::Cpu)?)
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}

fn report(what: &str, ours: Vec<Duration>, candle: Vec<Duration>) {
    let (ours, candle) = (median(ours), median(candle));
    println!("{what}: ours {ours:.1} ms, candle {candle:.1} ms, ratio {:.2}", candle / ours);
}

fn forward(criterion: &mut Criterion) {
    let model = Config::default();
    let weights = initial_weights(&model, &words(), None, 1).expect("weights");
    let candle = Candle::new(&weights, &model).expect("candle's weights");
    let weight = |name: &str| candle.get(&format!("encoder.rnn.{name}_l0")).detach();
    let direction = DirectionWeights {
        weight_ih: weight("weight_ih"),
        weight_hh: weight("weight_hh"),
        bias_ih: weight("bias_ih"),
        bias_hh: weight("bias_hh"),
    };
    let lstm = Lstm::new(model.embedding, model.hidden, vec![direction]).expect("an LSTM");
    // Every step has an input of its own: nothing is shared.
    let mut lengths: Vec<usize> = (0..BATCH).map(|i| 5 + i * 7919 % 20).collect();
    lengths.sort_unstable_by_key(|&length| std::cmp::Reverse(length));
    let mut next = 0;
    let sequences: Vec<Vec<u32>> = lengths
        .iter()
        .map(|&length| {
            next += length as u32;
            (next - length as u32..next).collect()
        })
        .collect();
    let sequences = Sequences::new(sequences.iter().map(Vec::as_slice));
    let mut random = Random(2);
    let x: Vec<f32> =
        (0..next as usize * model.embedding).map(|_| random.next() as f32 / (1u64 << 31) as f32 - 0.5).collect();
    let mut padded = vec![0.0; BATCH * lengths[0] * model.embedding];
    let mut from = x.as_slice();
    for (to, length) in padded.chunks_exact_mut(lengths[0] * model.embedding).zip(&lengths) {
        let (own, rest) = from.split_at(length * model.embedding);
        to[..own.len()].copy_from_slice(own);
        from = rest;
    }
    let rows = Tensor::from_vec(x, (next as usize, model.embedding), &Device::Cpu).expect("inputs");
    let padded = Tensor::from_vec(padded, (BATCH, lengths[0], model.embedding), &Device::Cpu).expect("inputs");
    let ours = || lstm.forward(&sequences, black_box(&rows)).expect("our forward pass");
    let theirs = || candle.encode(black_box(&padded), &lengths).expect("candle's forward pass");
    let values = |t: Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
    let off = values(ours()).into_iter().zip(values(theirs())).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-5, "our states and candle's differ by {off}");

    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        a.push(timed(ours));
        b.push(timed(theirs));
    }
    report(&format!("LSTM 300 to 512, {BATCH} sequences of {next} steps, forward"), a, b);
    criterion.bench_function("LSTM forward, batch 100", |bencher| bencher.iter(ours));
}

fn training(_: &mut Criterion) {
    const STEPS: usize = 8;
    let (model, words) = (Config::default(), words());
    let config = TrainConfig { epochs: 1, batch: BATCH, save_every: None, ..TrainConfig::default() };
    let examples = examples(STEPS * BATCH);
    let (train_on, dev, device) = (&examples, &examples[..1], &Device::Cpu);
    let setup = Setup { model: &model, config: &config, words: &words, vectors: None, train: train_on, dev, device };
    let weights = initial_weights(&model, &words, None, 1).expect("weights");
    let candle = Candle::new(&weights, &model).expect("candle's weights");
    let vars = candle.vars.iter().filter(|(name, _)| !name.contains("running")).map(|(_, var)| var.clone()).collect();
    let rates = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(vars, rates).expect("an optimiser");

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut start = Instant::now();
    let mut batches = examples.chunks_exact(BATCH);
    train(&setup, None, |news| {
        if let Progress::Step { done, .. } = news {
            // The first step also asks for memory that the others have.
            if done > 1 {
                ours.push(start.elapsed());
            }
            if let Some(batch) = batches.next() {
                theirs.push(timed(|| {
                    let loss = candle.loss(batch).expect("a loss");
                    adam.backward_step(&loss).expect("a step");
                }));
            }
        }
        start = Instant::now();
        ControlFlow::Continue(())
    })
    .expect("a training");
    report("training step of the classifier, batch 100", ours, theirs);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = forward, training
}
criterion_main!(benches);
