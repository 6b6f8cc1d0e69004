//! Latents of a sparse autoencoder on the tokens of a large corpus: time and peak memory of explaining all of them.
//!
//! Tokens are of 20,000 types, which follow Zipf's law. A token has its form and its lemma, where its type is frequent, two tags, a place in its sentence, and the
//! tag of the token before it. How many tokens a latent fires on is spread as for the latents of a trained autoencoder: of log-normal
//! numbers, with 64 latents a token on average. Most of its tokens are of a few types of its own. Values are generated
//! whenever they are read, which is part of the time. Each size runs in a process of its own, since peak memory is of a process.

#[path = "../../compexp-core/benches/common/mod.rs"]
mod common;

use std::ops::Range;
use std::process::Command;
use std::time::Instant;

use common::random::{Random, Zipf};
use common::table::{Table, peak};
use compexp_core::concept::Vocabulary;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Observed, Silent, explain};
use compexp_core::formula::Formula;
use compexp_core::probe::{Annotation, AnnotationSource, Grid, Neighbors};
use compexp_core::search::SearchConfig;
use compexp_core::sparse::{Entries, SparseSource};
use compexp_core::threshold::ThresholdRule;
use rayon::prelude::*;

/// The size of a process that measures one size.
const SIZE: &str = "COMPEXP_BENCH_TOKENS";

const LATENTS: usize = 16_384;
const PER_TOKEN: usize = 64;
const BLOCK: usize = 256;

const TYPES: usize = 20_000;
/// The most frequent types, whose forms and lemmas are concepts; the others are too rare, as `--min-count` has it.
const NAMED: u32 = 3_000;
const SENTENCE: usize = 20;

/// The ids of each kind of concept.
const FORMS: Range<u32> = 0..NAMED;
const LEMMAS: Range<u32> = FORMS.end..FORMS.end + NAMED / 2;
const TAGS: Range<u32> = LEMMAS.end..LEMMAS.end + 12;
const FINE: Range<u32> = TAGS.end..TAGS.end + 40;
const PLACES: Range<u32> = FINE.end..FINE.end + 5;
const BEFORE: Range<u32> = PLACES.end..PLACES.end + 12;

/// Tokens by their types.
struct Corpus {
    types: Vec<u16>,
    /// The tokens of each type, ascending.
    tokens: Vec<Vec<u32>>,
}

impl Corpus {
    fn new(n: usize) -> Self {
        let zipf = Zipf::new(TYPES, 2.7, 1.0);
        let types: Vec<u16> =
            (0..n as u64).into_par_iter().map(|token| zipf.draw(&mut Random::new(20, token)) as u16).collect();
        let mut tokens = vec![Vec::new(); TYPES];
        (0u32..).zip(&types).for_each(|(token, of)| tokens[usize::from(*of)].push(token));
        Self { types, tokens }
    }

    fn concepts(&self, token: usize) -> Vec<u32> {
        let of = u32::from(self.types[token]);
        let tag = |of: u32| of.wrapping_mul(2_654_435_761) >> 16;
        let place = match token % SENTENCE {
            0 => 0,
            at if at + 1 == SENTENCE => 1,
            at => 2 + (at / 7) as u32,
        };
        let mut concepts = vec![TAGS.start + tag(of) % 12, FINE.start + tag(of) % 40, PLACES.start + place];
        if of < NAMED {
            concepts.extend([FORMS.start + of, LEMMAS.start + of / 2]);
        }
        if place > 0 {
            concepts.push(BEFORE.start + tag(u32::from(self.types[token - 1])) % 12);
        }
        concepts
    }
}

impl AnnotationSource for Corpus {
    fn n_examples(&self) -> usize {
        self.types.len()
    }

    fn grid(&self) -> Grid {
        Grid::SINGLE
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        into.scalars.extend(self.concepts(example));
        Ok(())
    }
}

/// The latents on a corpus.
struct Latents<'a> {
    corpus: &'a Corpus,
    zipf: Zipf,
}

impl Latents<'_> {
    /// The tokens on which a latent fires, ascending.
    fn tokens(&self, latent: usize) -> Vec<u32> {
        let random = &mut Random::new(21, latent as u64);
        // The mean of exp(s z) is exp(s * s / 2).
        let spread = 0.75f32;
        let normal = (0..12).map(|_| random.unit()).sum::<f32>() - 6.0;
        let mean = (self.corpus.types.len() * PER_TOKEN) as f32 / LATENTS as f32;
        let wanted = (mean * (spread * normal - spread * spread / 2.0).exp()) as usize;
        let mut found = Vec::with_capacity(wanted);
        while found.len() < wanted * 4 / 5 {
            let of = &self.corpus.tokens[self.zipf.draw(random)];
            let share = (0.1 + 0.9 * random.unit()).min((wanted - found.len()) as f32 / of.len().max(1) as f32);
            found.extend(of.iter().filter(|_| random.chance(share)));
        }
        found.extend((0..wanted / 5).map(|_| random.below(self.corpus.types.len()) as u32));
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl SparseSource for Latents<'_> {
    fn n_examples(&self) -> usize {
        self.corpus.types.len()
    }

    fn n_units(&self) -> usize {
        LATENTS
    }

    fn grid(&self) -> Grid {
        Grid::SINGLE
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        (0..LATENTS).step_by(BLOCK).map(|first| first..first + BLOCK).collect()
    }

    fn read(&self, block: usize) -> compexp_core::Result<Entries> {
        let units = self.blocks()[block].clone();
        let tokens: Vec<Vec<u32>> = units.clone().into_par_iter().map(|latent| self.tokens(latent)).collect();
        let mut entries = Entries { first_unit: units.start, starts: vec![0], ..Entries::default() };
        for tokens in tokens {
            entries.values.extend(tokens.iter().map(|token| 0.1 + (token.wrapping_mul(2_654_435_761) >> 20) as f32));
            entries.positions.extend(tokens);
            entries.starts.push(entries.positions.len());
        }
        Ok(entries)
    }
}

fn main() {
    if let Ok(n) = std::env::var(SIZE) {
        return one(n.parse().expect("a number of tokens"));
    }
    let sizes: &[usize] = if common::measuring() { &[1_000_000, 3_000_000, 10_000_000] } else { &[2_000] };
    let me = std::env::current_exe().expect("the path of this program");
    for n in sizes {
        let status = Command::new(&me).arg("--bench").env(SIZE, n.to_string()).status().expect("this program again");
        assert!(status.success(), "{n} tokens: {status}");
    }
}

/// Explains all latents on `n` tokens.
fn one(n: usize) {
    let corpus = Corpus::new(n);
    let start = Instant::now();
    let (partition, map) = common::build(&corpus, &Neighbors::new());
    let built = start.elapsed().as_secs_f64();
    let latents = Latents { corpus: &corpus, zipf: Zipf::new(TYPES, 30.0, 0.8) };
    let all: Vec<usize> = (0..LATENTS).collect();
    let config =
        ExplainConfig { exemplars: 20, ..ExplainConfig::new(ThresholdRule::Positive, SearchConfig::default()) };
    let names = Vocabulary::default();
    let firing = Firing::Sparse(&latents);
    let observed = Observed { partition: &partition, map: &map, vocabulary: &names, firing, similarity: None };
    let found = explain(observed, &all, &config, &Silent).expect("generated inputs fit");
    let seconds = start.elapsed().as_secs_f64();
    let entries: u64 = found.explanations.units.iter().map(|unit| unit.unit_area).sum();

    // Twenty latents once more, token by token: the mask of the formula, from the concepts of every token.
    let random = &mut Random::new(22, 0);
    for _ in 0..20 {
        let latent = random.below(LATENTS);
        let record = &found.explanations.units[latent];
        let mut mask = vec![false; n];
        latents.tokens(latent).into_iter().for_each(|token| mask[token as usize] = true);
        let formula = found.results[latent].best().map(|best| &best.formula);
        let truth = |token: usize| formula.is_some_and(|f| holds(f, &corpus.concepts(token)));
        let counts = (0..n).into_par_iter().map(|token| match (mask[token], truth(token)) {
            (true, true) => [1, 1u64],
            (false, false) => [0, 0],
            _ => [0, 1],
        });
        let [both, either] = counts.reduce(|| [0, 0], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let expected = formula.map(|_| (both, either));
        assert_eq!(record.intersection.zip(record.union), expected, "latent {latent}");
    }

    let mut table = Table::new();
    table.row("values that are not 0", format!("{:.0} million", entries as f64 / 1e6), "");
    table.row("concepts, cells", format!("{}, {}", partition.n_concepts(), partition.n_cells()), "");
    table.row("annotations divided into cells, wall", format!("{built:.1} s"), "");
    table.row("all of it, wall", format!("{seconds:.0} s"), "<= 1800 s for 10 M tokens");
    table.row("a million values", format!("{:.3} s", seconds / (entries as f64 / 1e6)), "the same for all sizes");
    table.row("peak memory", peak(), "<= 8 GiB");
    table.print(&format!("{LATENTS} latents on {n} tokens, N=3 B=10, 20 checked token by token"), "all");
}

fn holds(formula: &Formula, concepts: &[u32]) -> bool {
    match formula {
        Formula::Atom(atom) => concepts.contains(&atom.concept.0),
        Formula::Not(f) => !holds(f, concepts),
        Formula::And(a, b) => holds(a, concepts) && holds(b, concepts),
        Formula::Or(a, b) => holds(a, concepts) || holds(b, concepts),
    }
}
