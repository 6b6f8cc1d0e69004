//! The speed of the text half on SNLI, on one thread: words per CPU second of the tokenizer, the tagger and the
//! lemmatizer, and CPU seconds for the features of the development set and their neighbours.
//!
//! `COMPEXP_DATA=... cargo bench -p compexp-nli --bench text`. The best of several runs is shown. Where the system
//! does not tell the time that a thread had a processor for (Linux does), it is the time that passed.

use std::path::Path;
use std::time::Instant;

use compexp_nli::features::{FeatureConfig, WordVectors, probe_set, split_pairs};
use compexp_nli::text::read_pairs;
use compexp_text::tagger::Annotator;
use compexp_text::tokenizer::Tokenizer;

const RUNS: usize = 5;

/// The time that this thread has had a processor for.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

fn main() {
    let Some(data) = std::env::var_os("COMPEXP_DATA") else {
        println!("COMPEXP_DATA is not set: nothing to measure");
        return;
    };
    let data = Path::new(&data);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let seconds = |run: &(dyn Fn() + Sync)| {
        let once = || {
            pool.install(|| {
                let (start, cpu) = (Instant::now(), cpu_seconds());
                run();
                let passed = start.elapsed().as_secs_f64();
                cpu.zip(cpu_seconds()).map_or(passed, |(before, after)| after - before)
            })
        };
        (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min)
    };

    let model = data.join("spacy/en_core_web_sm-3.8.0");
    let tokenizer = Tokenizer::load(&model).expect("a tokenizer");
    let train = read_pairs(&data.join("snli/train.tsv")).expect("sentences");
    let texts: Vec<&str> = train.iter().flat_map(|pair| [&*pair.premise, &*pair.hypothesis]).collect();
    let n_tokens: usize = tokenizer.tokenize_all(&texts).expect("tokens").iter().map(Vec::len).sum();
    let per_second = |n: usize, seconds: f64| n as f64 / seconds;
    println!("tokenizer:     {:9.0} tokens/s", per_second(n_tokens, seconds(&|| drop(tokenizer.tokenize_all(&texts)))));

    let annotator = Annotator::load(&model, None).expect("a tagger");
    let pairs = split_pairs(&read_pairs(&data.join("snli/snli_1.0_dev.tok")).expect("sentences"), None, None)
        .expect("no rules");
    let sentences: Vec<&[String]> = pairs.iter().flat_map(|p| [&*p.premise.words, &*p.hypothesis.words]).collect();
    let n: usize = sentences.iter().map(|sentence| sentence.len()).sum();
    let tagger = annotator.tagger();
    println!("tags:          {:9.0} words/s", per_second(n, seconds(&|| drop(tagger.tag_all(&sentences)))));
    println!("and lemmas:    {:9.0} words/s", per_second(n, seconds(&|| drop(annotator.annotate_all(&sentences)))));

    let config = FeatureConfig { tags: false, ..FeatureConfig::default() };
    println!("features:      {:9.3} s", seconds(&|| drop(probe_set(&pairs, None, None, &config))));
    let vectors = data.join("snli/glove.6B.50d.vocab.txt");
    println!("vectors, read: {:9.3} s", seconds(&|| drop(WordVectors::read(&vectors))));
    let vectors = WordVectors::read(&vectors).expect("vectors");
    let words: Vec<String> = std::fs::read_to_string(data.join("snli/glove.6B.50d.vocab.txt"))
        .expect("vectors")
        .lines()
        .filter_map(|line| line.split(' ').next().map(String::from))
        .take(2000)
        .collect();
    println!(
        "neighbors:     {:9.3} s for 2,000 of {} words",
        seconds(&|| drop(vectors.nearest(&words, 5))),
        vectors.len()
    );
}
