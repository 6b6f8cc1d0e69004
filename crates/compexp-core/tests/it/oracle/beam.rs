//! The default search: distinct masks, exact fractions, NEIGHBORS literals everywhere.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::bits::{Bits, Concept, Counts, Join, Space, Unit};
use super::formula::{Chain, Literal};
use super::{Found, Metric, Settings, Status, refused};

/// The metric as a fraction, the square of a correlation with its sign; 0 / 0 is 0 / 1.
pub(crate) fn fraction(counts: Counts, metric: Metric) -> (i128, i128) {
    let [n, f, u, i] = [counts.universe, counts.formula, counts.unit, counts.both].map(i128::from);
    let (part, whole) = match metric {
        Metric::Iou => (i, f + u - i),
        Metric::Precision => (i, f),
        Metric::Recall => (i, u),
        Metric::F1 => (2 * i, f + u),
        Metric::Mcc => ((i * n - f * u) * (i * n - f * u).abs(), f * (n - f) * u * (n - u)),
    };
    (part, whole.max(1))
}

/// `a` against `b` by cross-multiplication.
pub(crate) fn compare(a: (i128, i128), b: (i128, i128)) -> Ordering {
    (a.0 * b.1).cmp(&(b.0 * a.1))
}

/// The score without a penalty.
pub(crate) fn value(counts: Counts, metric: Metric) -> f64 {
    let (part, whole) = fraction(counts, metric);
    if metric == Metric::Mcc {
        let [n, f, u, i] = [counts.universe, counts.formula, counts.unit, counts.both].map(|n| n as f64);
        return if part == 0 { 0.0 } else { (i * n - f * u) / ((f * (n - f)) * (u * (n - u))).sqrt() };
    }
    part as f64 / whole as f64
}

/// A literal that may be joined, with the mask of its positive form.
struct Joinable {
    literal: Literal,
    mask: Bits,
}

/// How to form a candidate's mask again: thousands of masks are not kept.
#[derive(Clone, Copy)]
enum Recipe {
    Beam(usize),
    Literal(usize),
    Joined { parent: usize, join: Join, literal: usize },
}

struct Candidate {
    chain: Chain,
    counts: Counts,
    recipe: Recipe,
}

/// A formula of the beam: the representative of its mask.
struct Entry {
    chain: Chain,
    counts: Counts,
    mask: Bits,
}

/// The penalised score; exactly the metric's division without a penalty.
fn score(counts: Counts, length: usize, settings: &Settings) -> f64 {
    let (value, penalty) = (value(counts, settings.metric), settings.penalty.powf((length - 1) as f64));
    if value < 0.0 { value / penalty } else { value * penalty }
}

/// Best first: score (exact without a penalty), length, canonical order.
fn better(a: (&Chain, Counts), b: (&Chain, Counts), settings: &Settings) -> Ordering {
    let by_score = if settings.penalty == 1.0 {
        compare(fraction(b.1, settings.metric), fraction(a.1, settings.metric))
    } else {
        score(b.1, b.0.length(), settings).total_cmp(&score(a.1, a.0.length(), settings))
    };
    by_score.then_with(|| a.0.key().cmp(&b.0.key()))
}

impl Space {
    /// See [`super::default_beam`].
    pub(crate) fn default_beam(&self, unit: &Unit, settings: &Settings) -> Found {
        let unit_area = unit.area;
        if let Some(status) = refused(unit_area, settings) {
            return Found::nothing(status, "NONE", unit_area);
        }
        let literals = self.joinable();
        let joined = limited(&literals, unit, settings);
        let mut beam: Vec<Entry> = Vec::new();
        let mut beams = Vec::new();
        let mut answers: Vec<(Chain, Counts)> = Vec::new();
        for _ in 0..settings.length {
            let mut pool: Vec<Candidate> = Vec::new();
            for (index, literal) in literals.iter().enumerate() {
                let counts = literal.mask.counts(unit);
                pool.push(Candidate { chain: Chain::new(literal.literal), counts, recipe: Recipe::Literal(index) });
            }
            for (parent, entry) in beam.iter().enumerate() {
                let recipe = Recipe::Beam(parent);
                pool.push(Candidate { chain: entry.chain.clone(), counts: entry.counts, recipe });
                for &literal in &joined {
                    for join in Join::ALL {
                        let counts = entry.mask.joined_counts(join, &literals[literal].mask, unit);
                        let chain = entry.chain.join(join, literals[literal].literal);
                        pool.push(Candidate { chain, counts, recipe: Recipe::Joined { parent, join, literal } });
                    }
                }
            }
            beam = select(pool, &beam, &literals, settings);
            // The best so far that is not true everywhere; at first it may be a literal beyond the beam.
            let mut possible: Vec<(Chain, Counts)> = beam.iter().map(|e| (e.chain.clone(), e.counts)).collect();
            match answers.last() {
                Some(answer) => possible.push(answer.clone()),
                None => possible.extend(literals.iter().map(|l| (Chain::new(l.literal), l.mask.counts(unit)))),
            }
            possible.retain(|(_, counts)| counts.both > 0 && !counts.is_everything());
            possible.sort_by(|a, b| better((&a.0, a.1), (&b.0, b.1), settings));
            let Some(answer) = possible.first() else {
                return Found::nothing(Status::NoOverlap, "NONE", unit_area);
            };
            answers.push(answer.clone());
            let listing = |e: &Entry| (e.chain.print(), score(e.counts, e.chain.length(), settings));
            beams.push(beam.iter().map(listing).collect::<Vec<_>>());
        }
        let told = |(chain, counts): &(Chain, Counts)| (score(*counts, chain.length(), settings), chain.print());
        let by_length: Vec<(f64, String)> = answers.iter().map(told).collect();
        let (chain, counts) = &answers[answers.len() - 1];
        if settings.metric == Metric::Mcc && fraction(*counts, Metric::Mcc).0 <= 0 {
            return Found::nothing(Status::Uncorrelated, "NONE", unit_area);
        }
        Found {
            status: Status::Explained,
            formula: chain.print(),
            score: score(*counts, chain.length(), settings),
            intersection: counts.both,
            union: counts.union(),
            formula_area: counts.formula,
            unit_area,
            primitive: (by_length[0].1.clone(), by_length[0].0),
            by_length,
            beams,
        }
    }

    /// Present concepts, and NEIGHBORS where they add a position, in canonical order.
    fn joinable(&self) -> Vec<Joinable> {
        let leaf = |c: &Concept| Joinable { literal: Literal::Concept(c.id), mask: c.mask.clone() };
        let near = |c: &Concept| Joinable { literal: Literal::Neighbors(c.id), mask: c.near().clone() };
        let leaves = self.concepts.iter().filter(|c| !c.mask.is_empty()).map(leaf);
        leaves.chain(self.concepts.iter().filter(|c| *c.near() != c.mask).map(near)).collect()
    }

    /// The literals that formulas are built from, with their masks, for the exhaustive search.
    pub(crate) fn literals(&self) -> Vec<(Literal, Bits)> {
        self.joinable().into_iter().map(|joinable| (joinable.literal, joinable.mask)).collect()
    }
}

/// Indices of the literals to join: all, or the best of `beam_limit`.
fn limited(literals: &[Joinable], unit: &Unit, settings: &Settings) -> Vec<usize> {
    let mut order: Vec<usize> = (0..literals.len()).collect();
    if let Some(limit) = settings.beam_limit {
        let of = |index: usize| (Chain::new(literals[index].literal), literals[index].mask.counts(unit));
        order.sort_by(|a, b| {
            let (a, b) = (of(*a), of(*b));
            better((&a.0, a.1), (&b.0, b.1), settings)
        });
        order.truncate(limit);
    }
    order
}

/// The best of the distinct masks in the pool, each by its representative.
fn select(pool: Vec<Candidate>, beam: &[Entry], literals: &[Joinable], settings: &Settings) -> Vec<Entry> {
    let mask = |recipe: Recipe| match recipe {
        Recipe::Beam(index) => beam[index].mask.clone(),
        Recipe::Literal(index) => literals[index].mask.clone(),
        Recipe::Joined { parent, join, literal } => beam[parent].mask.join(join, &literals[literal].mask),
    };
    // Equal masks have equal counts, so only candidates of equal counts need their masks compared.
    let mut by_counts: HashMap<Counts, Vec<Candidate>> = HashMap::new();
    for candidate in pool {
        if candidate.counts.both > 0 {
            by_counts.entry(candidate.counts).or_default().push(candidate);
        }
    }
    let mut representatives: Vec<Candidate> = Vec::new();
    for mut group in by_counts.into_values() {
        group.sort_by_cached_key(|candidate| candidate.chain.key());
        let mut masks: Vec<Bits> = Vec::new();
        for candidate in group {
            let mask = mask(candidate.recipe);
            if !masks.contains(&mask) {
                masks.push(mask);
                representatives.push(candidate);
            }
        }
    }
    representatives.sort_by(|a, b| better((&a.chain, a.counts), (&b.chain, b.counts), settings));
    representatives.truncate(settings.beam);
    let entry = |c: Candidate| Entry { mask: mask(c.recipe), chain: c.chain, counts: c.counts };
    representatives.into_iter().map(entry).collect()
}
