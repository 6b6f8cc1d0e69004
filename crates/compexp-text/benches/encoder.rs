//! The speed of a sentence encoder: sentences a second through a BERT of MiniLM's size (6 layers, width 384, 1,536 neurons) with
//! generated weights, on one thread and on all.
//!
//! `cargo bench -p compexp-text --bench encoder`. The best of several runs is shown; on one thread by the time that it had a
//! processor for, where the system tells that (Linux does), on two by the time that passed. The sentences have the lengths of
//! `benches/peers/encoder.py`, which does the same work in PyTorch.

use std::path::Path;
use std::time::Instant;

use candle_core::Device;
use compexp_core::random::Stream;
use compexp_tests::files::{Scratch, safetensors};
use compexp_text::Encoder;

const RUNS: usize = 5;
const SENTENCES: usize = 504;
const VOCABULARY: usize = 30_522;
const POSITIONS: usize = 512;
const LAYERS: usize = 6;
const WIDTH: usize = 384;
const INNER: usize = 1536;
/// Model tokens of sentences, spread as in an English treebank (quantiles, 19 on average).
const LENGTHS: [usize; 14] = [17, 5, 28, 12, 40, 8, 18, 22, 14, 33, 10, 20, 16, 25];

fn main() {
    let scratch = Scratch::new();
    write_model(scratch.dir());
    let encoder = Encoder::open(scratch.dir(), &Device::Cpu).expect("a model");
    let random = Stream::new(1, 0u64, 0);
    let sentence = |i: usize| {
        let token = |t: usize| random.below(VOCABULARY, (100 * i + t) as u64) as u32;
        (0..LENGTHS[i % LENGTHS.len()]).map(token).collect()
    };
    let texts: Vec<Vec<u32>> = (0..SENTENCES).map(sentence).collect();
    let tap = encoder.layer("resid.5").expect("a layer").tap;
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let once = || {
            let (start, cpu) = (Instant::now(), cpu_seconds());
            drop(encoder.run(&texts, &[tap]).expect("values"));
            let passed = start.elapsed().as_secs_f64();
            cpu.zip(cpu_seconds()).filter(|_| threads == 1).map_or(passed, |(before, after)| after - before)
        };
        let best = (0..RUNS).map(|_| pool.install(once)).fold(f64::INFINITY, f64::min);
        println!("{threads} threads: {:6.1} sentences/s", SENTENCES as f64 / best);
    }
}

/// The time that this thread has had a processor for.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// Writes `config.json` and `model.safetensors` with random weights.
fn write_model(folder: &Path) {
    let config = serde_json::json!({
        "model_type": "bert", "vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS, "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS, "num_attention_heads": 12, "intermediate_size": INNER, "hidden_act": "gelu",
    });
    std::fs::write(folder.join("config.json"), config.to_string()).expect("a file");
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![VOCABULARY, WIDTH]),
        ("embeddings.position_embeddings.weight".into(), vec![POSITIONS, WIDTH]),
        ("embeddings.token_type_embeddings.weight".into(), vec![2, WIDTH]),
    ];
    let mut add = |name: String, outputs: usize, inputs: Option<usize>| {
        shapes.push((format!("{name}.weight"), std::iter::once(outputs).chain(inputs).collect()));
        shapes.push((format!("{name}.bias"), vec![outputs]));
    };
    add("embeddings.LayerNorm".into(), WIDTH, None);
    for layer in 0..LAYERS {
        let name = format!("encoder.layer.{layer}");
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            add(format!("{name}.attention.{part}"), WIDTH, Some(WIDTH));
        }
        add(format!("{name}.attention.output.LayerNorm"), WIDTH, None);
        add(format!("{name}.intermediate.dense"), INNER, Some(WIDTH));
        add(format!("{name}.output.dense"), WIDTH, Some(INNER));
        add(format!("{name}.output.LayerNorm"), WIDTH, None);
    }
    let values = |(at, (name, shape)): (usize, &(String, Vec<usize>))| -> Vec<u8> {
        let random = Stream::new(2, 0u64, at as u64);
        let center = f32::from(u8::from(name.ends_with("LayerNorm.weight")));
        let n: usize = shape.iter().product();
        (0..n as u64).flat_map(|i| (center + random.within(0.07, i)).to_le_bytes()).collect()
    };
    let bytes: Vec<Vec<u8>> = shapes.iter().enumerate().map(values).collect();
    let tensors: Vec<_> =
        shapes.iter().zip(&bytes).map(|((name, shape), bytes)| (&**name, "F32", &shape[..], &bytes[..])).collect();
    std::fs::write(folder.join("model.safetensors"), safetensors(&tensors)).expect("a file");
}
