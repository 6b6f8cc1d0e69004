//! The speed of the tagger on the development set of SNLI, in words per second of one thread.
//!
//! `COMPEXP_DATA=... cargo bench -p compexp-nli --bench text`. The best of several runs is shown, because the others share
//! the processor with whatever else the machine does.

use std::path::Path;
use std::time::Instant;

use compexp_nli::tagger::Tagger;
use compexp_nli::text::read_pairs;

const RUNS: usize = 7;

fn main() {
    let Some(data) = std::env::var_os("COMPEXP_DATA") else {
        println!("COMPEXP_DATA is not set: nothing to measure");
        return;
    };
    let data = Path::new(&data);
    let tagger = Tagger::load(&data.join("spacy/en_core_web_sm-3.8.0"), None).expect("a tagger");
    let pairs = read_pairs(&data.join("snli/snli_1.0_dev.tok")).expect("sentences");
    let texts = pairs.iter().flat_map(|pair| [&pair.premise, &pair.hypothesis]);
    let sentences: Vec<Vec<&str>> = texts.map(|text| text.split(' ').collect()).collect();
    let sentences: Vec<&[&str]> = sentences.iter().map(Vec::as_slice).collect();
    let n_words: usize = sentences.iter().map(|sentence| sentence.len()).sum();

    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let words_per_second = |run: &(dyn Fn() + Sync)| {
        let seconds = || {
            let start = Instant::now();
            pool.install(run);
            start.elapsed().as_secs_f64()
        };
        n_words as f64 / (0..RUNS).map(|_| seconds()).fold(f64::INFINITY, f64::min)
    };
    println!("tags: {:.0} words a second and thread", words_per_second(&|| drop(tagger.tag_all(&sentences))));
}
