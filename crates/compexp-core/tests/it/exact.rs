//! The exact search against brute force.

use std::collections::{BTreeMap, HashSet};

use compexp_core::concept::Vocabulary;
use compexp_core::formula::{Atom, Formula};
use compexp_core::probe::Variant;
use compexp_core::score;
use compexp_core::search::{ExactConfig, Grammar, Mode, SearchConfig, SearchResult, Status, search, without_vacuous};

use crate::engine::{config, partition, profile};
use crate::oracle::{Metric, Problem, Settings, brute_force, random_problem};

fn exact(problem: &Problem, settings: &Settings) -> SearchResult {
    let (partition, map) = partition(problem, 1, Variant::Nli);
    let profile = profile(&partition, &map, &problem.unit);
    search(&partition, &profile, &config(settings, Mode::Exact, Variant::Nli)).unwrap()
}

#[test]
fn the_optimum_is_that_of_brute_force_to_the_formula() {
    let mut beaten = 0;
    for seed in 0..8000u64 {
        let (n_concepts, n_positions) = (2 + seed as usize % 7, [6, 20, 80, 200][seed as usize / 7 % 4]);
        let mut problem = random_problem(seed, n_concepts, n_positions, seed % 3 == 1);
        if seed % 4 == 3 {
            // A unit that fires often.
            problem.unit.iter_mut().for_each(|on| *on = !*on);
        }
        let metric = [Metric::Iou, Metric::Mcc, Metric::Mcc, Metric::F1, Metric::Mcc][seed as usize % 5];
        let aim = if metric == Metric::F1 { Metric::Iou } else { metric };
        let settings =
            Settings { length: 1 + seed as usize % 3, beam: 1 + seed as usize % 4, metric, ..Settings::default() };
        let outcome = exact(&problem, &settings);
        let best = brute_force(&problem, settings.length, aim);
        let name = format!("seed {seed}, {settings:?}");
        let (Some(found), Some(best)) = (outcome.best().cloned(), &best) else {
            assert_ne!(outcome.status, Status::Explained, "{name}");
            assert_eq!(best, None, "{name}: {:?}", outcome.status);
            continue;
        };
        assert!(outcome.optimal.iter().all(|o| o.certified), "{name}: {:?}", outcome.optimal);
        let text = found.formula.display(&Vocabulary::default()).to_string();
        assert_eq!(
            (found.counts.both, found.counts.union()),
            (best.intersection, best.union),
            "{name}: {text}, {best:?}"
        );
        assert_eq!(text, best.formula, "{name}");
        beaten += usize::from(settings.beam == 1);
    }
    assert!(beaten > 100);
}

/// Positions as bits.
type Words = [u64; 4];

/// A problem of at most 256 positions as dense masks, written once more: nothing of it is shared with the engine.
struct Dense {
    unit: Words,
    everything: Words,
    /// The masks of concepts, and those of their NEIGHBORS.
    literals: BTreeMap<(u32, bool), Words>,
}

impl Dense {
    fn new(problem: &Problem) -> Self {
        let words = |mask: &[bool]| {
            let mut words = [0; 4];
            mask.iter().enumerate().filter(|(_, on)| **on).for_each(|(p, _)| words[p / 64] |= 1 << (p % 64));
            words
        };
        let concepts: BTreeMap<u32, Words> = problem.concepts.iter().map(|(id, mask)| (*id, words(mask))).collect();
        let near = |(id, mask): (&u32, &Words)| {
            let others = problem.neighbors.get(id).into_iter().flatten();
            ((*id, true), others.fold(*mask, |mask, other| join(&mask, &concepts[other], |a, b| a | b)))
        };
        let own = concepts.iter().map(|(id, mask)| ((*id, false), *mask));
        let everything = words(&vec![true; problem.unit.len()]);
        Self { unit: words(&problem.unit), everything, literals: own.chain(concepts.iter().map(near)).collect() }
    }

    /// Whether a mask holds every position.
    fn is_everything(&self, mask: &Words) -> bool {
        *mask == self.everything
    }

    /// Positions in both masks, and in either.
    fn overlap(&self, mask: &Words) -> (u64, u64) {
        let count = |words: Words| words.iter().map(|word| u64::from(word.count_ones())).sum();
        (count(join(mask, &self.unit, |a, b| a & b)), count(join(mask, &self.unit, |a, b| a | b)))
    }

    fn mask(&self, formula: &Formula) -> Words {
        match formula {
            Formula::Atom(atom) => self.literals[&(atom.concept.0, atom.neighbors)],
            // Bits beyond the universe are set too, but every formula of the searches joins them with a concept by AND.
            Formula::Not(f) => self.mask(f).map(|word| !word),
            Formula::And(a, b) => join(&self.mask(a), &self.mask(b), |a, b| a & b),
            Formula::Or(a, b) => join(&self.mask(a), &self.mask(b), |a, b| a | b),
        }
    }

    /// Entry `k` is the best overlap of all left-deep chains of at most `k + 1` literals that are not true everywhere. Chains
    /// of one mask are extended once, from the shortest.
    fn optima(&self, length: usize) -> Vec<(u64, u64)> {
        let literals: HashSet<Words> = self.literals.values().copied().collect();
        let (mut seen, mut newest): (HashSet<Words>, Vec<Words>) =
            (literals.clone(), literals.iter().copied().collect());
        let (mut best, mut optima) = ((0, 1), Vec::new());
        for k in 1..=length {
            for mask in newest.iter().filter(|mask| !self.is_everything(mask)) {
                let found = self.overlap(mask);
                best = if found.0 * best.1 > best.0 * found.1 { found } else { best };
            }
            optima.push(best);
            if k < length {
                let extended = newest.iter().flat_map(|mask| {
                    let ops: [fn(u64, u64) -> u64; 3] = [|a, b| a & b, |a, b| a | b, |a, b| a & !b];
                    literals.iter().flat_map(move |literal| ops.map(|op| join(mask, literal, op)))
                });
                newest = extended.filter(|mask| seen.insert(*mask)).collect();
            }
        }
        optima
    }
}

fn join(a: &Words, b: &Words, op: impl Fn(u64, u64) -> u64) -> Words {
    std::array::from_fn(|i| op(a[i], b[i]))
}

/// Compares the optimum of every length with brute force, and what is told of each formula with its mask. Gives how often
/// a beam of width 1 was beaten, and the beginnings of chains of more than three literals that were looked at.
fn check(name: &str, problem: &Problem, examples: usize, length: usize) -> [u64; 2] {
    let (partition, map) = partition(problem, examples, Variant::Nli);
    let profile = profile(&partition, &map, &problem.unit);
    let settings = config(&Settings { length, beam: 1, ..Settings::default() }, Mode::Exact, Variant::Nli);
    let found = search(&partition, &profile, &settings).unwrap();
    let dense = Dense::new(problem);
    let optima = dense.optima(length);
    if found.status != Status::Explained {
        let divides = |mask: &Words| !dense.is_everything(mask) && dense.overlap(mask).0 > 0;
        assert!(!dense.literals.values().any(divides), "{name}: {:?}, but there is an overlap", found.status);
        return [0; 2];
    }
    assert_eq!(found.by_length.len(), length, "{name}");
    let mut beaten = 0;
    for (k, ((one, optimal), best)) in found.by_length.iter().zip(&found.optimal).zip(optima).enumerate() {
        let text = one.formula.display(&Vocabulary::default()).to_string();
        let (both, union) = dense.overlap(&dense.mask(&one.formula));
        assert_eq!((one.counts.both, one.counts.union()), (both, union), "{name}, length {}: {text}", k + 1);
        assert_eq!(one.iou, both as f64 / union as f64, "{name}, length {}: {text}", k + 1);
        assert!(
            both * best.1 == best.0 * union,
            "{name}, length {}: {text} has {both} of {union}, not {best:?}",
            k + 1
        );
        assert!(one.formula.length() <= k + 1, "{name}, length {}: {text}", k + 1);
        // The bounds on longer chains hold for what is true everywhere too.
        let everywhere = problem.unit.iter().filter(|on| **on).count() as f64 / problem.unit.len() as f64;
        let proven = optimal.certified && optimal.upper_bound == one.iou;
        let bounded = k >= 3 && everywhere > one.iou && optimal.upper_bound >= one.iou;
        assert!(proven || bounded, "{name}, length {}: {optimal:?}", k + 1);
        beaten += u64::from(optimal.beam.is_some_and(|beam| beam < one.iou));
    }
    // A search that may stop early proves less: what it bounds and what it gives must still hold.
    let gap = 0.05;
    let exact = ExactConfig { gap, ..settings.exact };
    let near = search(&partition, &profile, &SearchConfig { exact, ..settings }).unwrap();
    for (k, ((one, optimal), best)) in near.by_length.iter().zip(&near.optimal).zip(&found.by_length).enumerate() {
        let bound = optimal.upper_bound;
        assert!(bound >= best.iou, "{name}, length {}, gap {gap}: {bound} is below {}", k + 1, best.iou);
        assert!(one.iou >= best.iou - gap, "{name}, length {}: {} is not within {gap} of {}", k + 1, one.iou, best.iou);
    }
    [beaten, found.optimal[length - 1].nodes]
}

#[test]
fn optima_of_every_length_are_those_of_brute_force() {
    let (mut beaten, mut longer) = (0, 0);
    for seed in 0..5000u64 {
        let at = seed as usize;
        let (n_concepts, n_positions) = (2 + at % 7, [8, 20, 60, 120, 200][at / 7 % 5]);
        let with_neighbors = n_concepts <= 4 && seed % 5 == 0;
        let mut problem = random_problem(seed, n_concepts, n_positions, with_neighbors);
        let examples = [1, 2, 4][at / 35 % 3];
        if examples > 1 {
            // A concept that an example has everywhere or nowhere.
            let (_, mask) = &mut problem.concepts[0];
            let width = n_positions / examples;
            mask.chunks_mut(width).for_each(|example| example.fill(example[0]));
        }
        let length = match n_concepts {
            _ if with_neighbors => 4,
            ..=3 => 6,
            ..=6 if seed % 4 == 0 => 5,
            _ => 4,
        };
        let [b, nodes] = check(&format!("seed {seed}"), &problem, examples, length);
        (beaten, longer) = (beaten + b, longer + u64::from(nodes > 1));
    }
    assert!(
        beaten > 1000 && longer > 500,
        "a beam was beaten {beaten} times, {longer} searches went beyond 3 literals"
    );
}

/// Intersection and union of a formula's mask with the unit's, position by position.
fn overlap(problem: &Problem, formula: &Formula) -> (u64, u64) {
    let sets = problem.concepts_by_position();
    let has = |p: usize| formula.holds(&|atom: Atom| sets[p].contains(&atom.concept.0));
    (0..problem.unit.len()).fold((0, 0), |(both, union), p| {
        let (f, u) = (has(p), problem.unit[p]);
        (both + u64::from(f && u), union + u64::from(f || u))
    })
}

#[test]
fn the_full_grammar_has_the_best_function_of_up_to_three_concepts() {
    let mut beyond_chains = 0;
    for seed in 0..600u64 {
        let (n_concepts, n_positions) = (3 + seed as usize % 4, [8, 20, 60][seed as usize / 4 % 3]);
        let problem = random_problem(seed, n_concepts, n_positions, false);
        let (partition, map) = partition(&problem, 1, Variant::Nli);
        let profile = profile(&partition, &map, &problem.unit);
        let settings = Settings { beam: 2, ..Settings::default() };
        let chains = config(&settings, Mode::Exact, Variant::Nli);
        let exact = ExactConfig { grammar: Grammar::Full, ..chains.exact };
        let settings = SearchConfig { exact, ..chains.clone() };
        let found = search(&partition, &profile, &settings).unwrap();
        let Some(best) = found.best() else { continue };
        let (kept, _) = without_vacuous(&partition, &settings, found.clone());
        assert_eq!(kept.best().unwrap().iou, best.iou, "seed {seed}: what has more literals than concepts is kept");
        let counts = overlap(&problem, &best.formula);
        assert_eq!(counts, (best.counts.both, best.counts.union()), "seed {seed}");
        let (both, union) = best_function(&problem);
        let same = u128::from(counts.0) * u128::from(union) == u128::from(both) * u128::from(counts.1);
        assert!(same, "seed {seed}: found {counts:?}, the best is {:?}", (both, union));
        let of_chains = search(&partition, &profile, &chains).unwrap();
        beyond_chains += usize::from(of_chains.best().unwrap().iou < best.iou);
    }
    assert!(beyond_chains > 50, "{beyond_chains}");
}

/// The best overlap of all Boolean functions of up to three concepts, tried one by one; those aside that are true everywhere.
fn best_function(problem: &Problem) -> (u64, u64) {
    let masks: Vec<&Vec<bool>> = problem.concepts.iter().map(|(_, m)| m).filter(|m| m.contains(&true)).collect();
    let mut best = (0u64, 1u64);
    for (a, b, c) in
        (0..masks.len().pow(3)).map(|i| (i % masks.len(), i / masks.len() % masks.len(), i / masks.len().pow(2)))
    {
        for table in 1u32..255 {
            let (mut both, mut union, mut formula) = (0, 0, 0);
            for (p, unit) in problem.unit.iter().enumerate() {
                let row = usize::from(masks[a][p]) + 2 * usize::from(masks[b][p]) + 4 * usize::from(masks[c][p]);
                let holds = table >> row & 1 == 1;
                both += u64::from(holds && *unit);
                union += u64::from(holds || *unit);
                formula += usize::from(holds);
            }
            if formula == problem.unit.len() {
                continue;
            }
            if a != b && a != c && b != c
                || table & 15 == table >> 4 && (a != b || [0b1010, 0b0101].contains(&(table & 15)))
            {
                best = if both * best.1 > best.0 * union { (both, union) } else { best };
            }
        }
    }
    best
}

#[test]
fn degenerate_concepts_and_units_have_proven_optima() {
    let whole = vec![true; 12];
    let none = vec![false; 12];
    let half: Vec<bool> = (0..12).map(|p| p < 6).collect();
    let quarter: Vec<bool> = (0..12).map(|p| p < 3).collect();
    let odd: Vec<bool> = (0..12).map(|p| p % 2 == 1).collect();
    let concepts = [&whole, &none, &half, &half, &quarter, &odd];
    let concepts: Vec<(u32, Vec<bool>)> = (1..).zip(concepts.map(Clone::clone)).collect();
    for (unit, iou, text) in [
        (half.clone(), 1.0, "3"),
        // A concept that is everywhere is no answer, but may be a part of one.
        (whole.clone(), 10.0 / 12.0, "((1 AND (NOT 5)) OR 6)"),
        (half.iter().map(|on| !on).collect(), 1.0, "(1 AND (NOT 3))"),
        ((0..12).map(|p| (3..6).contains(&p)).collect(), 1.0, "(3 AND (NOT 5))"),
        ((0..12).map(|p| p == 7).collect(), 1.0 / 3.0, "(6 AND (NOT 3))"),
    ] {
        let problem = Problem { concepts: concepts.clone(), unit: unit.clone(), neighbors: Default::default() };
        // The bound on chains of four literals holds for what is true everywhere.
        for length in [3, 4].into_iter().filter(|length| *length == 3 || unit != whole) {
            let found = exact(&problem, &Settings { length, beam: 1, ..Settings::default() });
            let best = found.best().unwrap();
            assert_eq!(best.formula.display(&Vocabulary::default()).to_string(), text);
            assert_eq!((best.iou, found.optimal[length - 1].certified), (iou, true), "{text}");
        }
    }
}

#[test]
fn degenerate_concepts_and_units_have_the_optima_of_brute_force() {
    let of = |on: &dyn Fn(usize) -> bool| (0..24).map(on).collect::<Vec<bool>>();
    // Universal, empty, equal, nested, disjoint, complementary; the first, second, fifth and sixth are all or nothing in each
    // of four examples.
    let masks = [
        of(&|_| true),
        of(&|_| false),
        of(&|p| p < 9),
        of(&|p| p < 9),
        of(&|p| p < 6),
        of(&|p| p >= 6),
        of(&|p| p < 3),
        of(&|p| p % 4 == 1),
    ];
    let concepts: Vec<(u32, Vec<bool>)> = (1..).zip(masks.clone()).collect();
    let mut units = vec![of(&|p| p == 0), of(&|p| p == 23), of(&|p| p != 5), of(&|p| (4..8).contains(&p))];
    for a in &masks {
        for b in &masks {
            // Every concept, its complement, and what two make: ties of many formulas.
            units.push(a.iter().zip(b).map(|(a, b)| *a && *b).collect());
            units.push(a.iter().zip(b).map(|(a, b)| *a != *b).collect());
        }
    }
    for (i, unit) in units.into_iter().enumerate() {
        for examples in [1, 4] {
            let problem = Problem { concepts: concepts.clone(), unit: unit.clone(), neighbors: Default::default() };
            check(&format!("unit {i}, {examples} examples"), &problem, examples, 4);
        }
    }
}

#[test]
fn little_time_gives_a_formula_and_a_bound_above_it() {
    let problem = random_problem(5, 12, 400, false);
    let (partition, map) = partition(&problem, 1, Variant::Nli);
    let profile = profile(&partition, &map, &problem.unit);
    let chains = config(&Settings { length: 7, ..Settings::default() }, Mode::Exact, Variant::Nli);
    let exact = ExactConfig { seconds: Some(1e-9), ..chains.exact };
    let found = search(&partition, &profile, &SearchConfig { exact, ..chains }).unwrap();
    let mut before = 0.0;
    for (found, optimal) in found.by_length.iter().zip(&found.optimal) {
        assert!(optimal.upper_bound >= found.iou && optimal.upper_bound >= before, "{found:?} {optimal:?}");
        assert_eq!(optimal.certified, optimal.upper_bound == found.iou);
        before = optimal.upper_bound;
    }
    assert!(found.optimal[..3].iter().all(|o| o.certified), "up to 3 time does not matter");
}

#[test]
fn what_cannot_be_proven_is_refused() {
    let exact = SearchConfig { mode: Mode::Exact, ..SearchConfig::default() };
    assert!(exact.check().is_ok());
    let with = |exact_config: ExactConfig| SearchConfig { exact: exact_config, ..exact.clone() };
    let full = ExactConfig { grammar: Grammar::Full, ..ExactConfig::default() };
    let refused = [
        (
            SearchConfig { metric: score::Metric::Precision, ..exact.clone() },
            "metric of an exact search: found precision",
        ),
        (SearchConfig { metric: score::Metric::Recall, ..exact.clone() }, "metric of an exact search: found recall"),
        (SearchConfig { penalty: 0.9, ..exact.clone() }, "complexity penalty of an exact search: found 0.9"),
        (SearchConfig { beam_limit: Some(5), ..exact.clone() }, "beam limit of an exact search: found 5"),
        (
            with(ExactConfig { seconds: Some(0.0), ..ExactConfig::default() }),
            "time per unit of an exact search: found 0",
        ),
        (
            with(ExactConfig { seconds: Some(f64::NAN), ..ExactConfig::default() }),
            "time per unit of an exact search: found NaN",
        ),
        (with(ExactConfig { gap: -0.1, ..ExactConfig::default() }), "gap of an exact search: found -0.1"),
        (SearchConfig { length: 4, exact: full, ..exact.clone() }, "formula length of an exact search: found 4"),
    ];
    for (config, text) in refused {
        let error = config.check().unwrap_err().to_string();
        assert!(error.starts_with(text), "found `{error}`, expected `{text}`");
    }
}
