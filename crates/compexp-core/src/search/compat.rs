//! The reference implementation's search, equal to the last tie and bit. Formulas of one mask each take a place in the beam,
//! the formula inserted first wins a tie, and scores are f64 with the reference's small constants.

use std::rc::Rc;

use super::chain::Op;
use super::config::SearchConfig;
use super::member::{Member, UnitView, count_all};
use super::result::{Found, SearchResult, Status};
use super::scan::{Candidates, Extension};
use crate::formula::Atom;
use crate::partition::Partition;
use crate::probe::Variant;
use crate::profile::Profile;
use crate::score::{Counts, Metric};

/// A factor that leaves room for the rounding of the fast comparison.
const SLACK: f64 = 1.0 - 1e-14;

pub(super) fn search(partition: &Partition, profile: &Profile, config: &SearchConfig) -> SearchResult {
    let view = UnitView::new(partition, profile, partition.n_concepts());
    let (mut ranked, both_of_neighbors) = primitives(&view, profile, config);
    // Stable: of equal values the first inserted stays first.
    ranked.sort_by(|a, b| b.value.total_cmp(&a.value));
    if ranked.first().is_none_or(|best| best.value == 0.0) {
        return SearchResult::nothing(Status::NoOverlap);
    }
    let candidates = candidates(&view, &ranked, &both_of_neighbors, config);
    if config.variant == Variant::Vision {
        ranked.retain(|s| s.value > 0.0);
    }
    let mut beam = Top { size: config.beam, scored: Vec::new() };
    beam.scored = ranked.into_iter().take(config.beam).collect();
    let mut result = SearchResult::nothing(Status::Explained);
    report(&beam, config, &mut result);
    let mut before = Vec::new();
    for _ in 1..config.length {
        let members: Vec<Rc<Member>> = beam.scored.iter().map(|s| s.member.clone()).collect();
        count_all(&view, &members, &before);
        for member in &members {
            extend(&view, member, &candidates, config, &mut beam);
        }
        before = members;
        report(&beam, config, &mut result);
    }
    result
}

/// A formula with the value that the reference gives it.
#[derive(Clone)]
struct Scored {
    member: Rc<Member>,
    value: f64,
}

/// The best so far in stable order.
struct Top {
    size: usize,
    scored: Vec<Scored>,
}

impl Top {
    /// The value that a formula must exceed to be taken in.
    fn worst(&self) -> f64 {
        if self.scored.len() < self.size {
            f64::NEG_INFINITY
        } else {
            self.scored.last().map_or(f64::NEG_INFINITY, |s| s.value)
        }
    }

    fn insert(&mut self, scored: Scored) {
        let at = self.scored.partition_point(|s| s.value >= scored.value);
        self.scored.insert(at, scored);
        self.scored.truncate(self.size);
    }
}

/// The metric as the reference computes it: IoU with a small constant in the denominator.
fn metric(config: &SearchConfig, counts: Counts) -> f64 {
    let small = match config.variant {
        Variant::Vision => 1e-10,
        Variant::Nli => f64::from(f32::MIN_POSITIVE),
    };
    match config.metric {
        Metric::Iou => counts.both as f64 / (counts.union() as f64 + small),
        other => other.of(counts),
    }
}

fn penalty(config: &SearchConfig, reference_length: usize) -> f64 {
    config.penalty.powf((reference_length - 1) as f64)
}

/// Every primitive in the order of insertion, and for NLI `|U and NEIGHBORS(f)|` of every concept.
fn primitives(view: &UnitView<'_>, profile: &Profile, config: &SearchConfig) -> (Vec<Scored>, Vec<u32>) {
    let partition = view.partition;
    let scored = |atom: Atom, column: usize, both: u32| {
        let counts = view.counts(u64::from(partition.area(column)), u64::from(both));
        // The reference penalises NEIGHBORS primitives, whose length it counts as 2.
        let value = metric(config, counts) * penalty(config, 1 + usize::from(atom.neighbors));
        Scored { member: Rc::new(Member::literal(atom, column, counts)), value }
    };
    let concepts = &partition.columns()[..partition.n_concepts()];
    let leaf = |c: usize| scored(concepts[c], c, view.both[c]);
    if config.variant == Variant::Vision {
        return ((0..concepts.len()).map(leaf).collect(), Vec::new());
    }
    let mut both = vec![0; partition.columns().len()];
    for (cell, hits) in profile.cells.iter().zip(&profile.hits) {
        for c in partition.columns_of(*cell) {
            both[usize::from(*c)] += hits;
        }
    }
    let both_of_neighbors: Vec<u32> = (0..concepts.len()).map(|c| both[partition.neighbors_column(c)]).collect();
    let neighbors =
        |c: usize| scored(Atom::neighbors(concepts[c].concept), partition.neighbors_column(c), both_of_neighbors[c]);
    let primitives = (0..concepts.len()).flat_map(|c| [leaf(c), neighbors(c)]).collect();
    (primitives, both_of_neighbors)
}

/// The literals that extend formulas. Vision: every concept. NLI: every concept of positive IoU, and again every concept
/// whose NEIGHBORS has a positive IoU. With a beam limit: the concepts of the best primitives, in their order.
fn candidates(view: &UnitView<'_>, ranked: &[Scored], both_of_neighbors: &[u32], config: &SearchConfig) -> Candidates {
    let areas = view.partition.areas();
    let concepts = 0..view.partition.n_concepts();
    if let Some(limit) = config.beam_limit {
        let best = ranked.iter().filter(|s| config.variant == Variant::Vision || s.value > 0.0).take(limit);
        let own = best.filter_map(|s| view.partition.column(Atom::concept(s.member.chain.first.concept)));
        return Candidates::new(own.map(|c| c as u16).collect(), None, areas, &view.both);
    }
    if config.variant == Variant::Vision {
        return Candidates::new(concepts.map(|c| c as u16).collect(), None, areas, &view.both);
    }
    let copies = |c: usize| u8::from(view.both[c] > 0) + u8::from(both_of_neighbors[c] > 0);
    let columns: Vec<u16> = concepts.filter(|c| copies(*c) > 0).map(|c| c as u16).collect();
    let copies = columns.iter().map(|c| copies(usize::from(*c))).collect();
    Candidates::new(columns, Some(copies), areas, &view.both)
}

fn extend(view: &UnitView<'_>, member: &Rc<Member>, candidates: &Candidates, config: &SearchConfig, beam: &mut Top) {
    let length = member.chain.reference_length() + 1;
    let penalties = Op::ALL.map(|op| penalty(config, length + usize::from(op == Op::AndNot)));
    let cuts = |beam: &Top| match beam.worst() {
        worst if worst > 0.0 => penalties.map(|p| worst / p * SLACK),
        _ => [-1.0; 3],
    };
    let visit = |beam: &mut Top, e: Extension| {
        let counts = view.counts(e.size, e.both);
        let value = metric(config, counts) * penalties[e.op as usize];
        if value > beam.worst() {
            let column = usize::from(candidates.columns[e.candidate]);
            let extended = Member::extended(member, e.op, view.partition.columns()[column], column, counts);
            beam.insert(Scored { member: Rc::new(extended), value });
        }
    };
    candidates.scan(&member.counted(), view.counts(0, 0), config.metric.form(), beam, cuts, visit);
}

fn report(beam: &Top, config: &SearchConfig, result: &mut SearchResult) {
    let iou = SearchConfig { metric: Metric::Iou, ..config.clone() };
    let best = &beam.scored[0];
    result.by_length.push(Found {
        formula: best.member.chain.formula(),
        counts: best.member.counts,
        iou: metric(&iou, best.member.counts),
        score: best.value,
    });
    result.beams.push(beam.scored.iter().map(|s| (s.member.chain.formula(), s.value)).collect());
}
