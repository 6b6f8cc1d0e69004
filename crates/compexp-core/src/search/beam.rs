//! The default beam search: formulas of distinct masks, compared exactly, with NEIGHBORS among the literals.

use std::cmp::Ordering;
use std::rc::Rc;

use super::chain::Op;
use super::config::SearchConfig;
use super::member::{Member, UnitView, count_all};
use super::order::{Order, Standing};
use super::result::{Found, SearchResult, Status};
use super::scan::{Candidates, Extension};
use crate::partition::Partition;
use crate::profile::Profile;
use crate::score::Metric;

/// A factor that leaves room for rounding where an f64 stands for an exact fraction.
const SLACK: f64 = 1.0 - 1e-14;

/// Below every score.
const NO_CUT: f64 = -2.0;

pub(super) fn search(partition: &Partition, profile: &Profile, config: &SearchConfig) -> SearchResult {
    let n_columns = partition.columns().len();
    let view = UnitView::new(partition, profile, n_columns);
    let ranking = Ranking { view: &view, config, order: Order::of(config) };
    let literals: Vec<Rc<Member>> = (0..n_columns)
        .filter(|c| partition.area(*c) > 0)
        .map(|c| {
            let counts = view.counts(u64::from(partition.area(c)), u64::from(view.both[c]));
            Rc::new(Member::literal(partition.columns()[c], c, counts))
        })
        .collect();
    let mut beam = Beam::default();
    let hitting = || literals.iter().filter(|l| l.counts.both > 0);
    for literal in hitting() {
        beam.offer(literal.clone(), &ranking);
    }
    let first = hitting().filter(|l| !l.counts.is_constant()).min_by(|a, b| ranking.cmp(a, b));
    let Some(mut answer) = first.cloned() else { return SearchResult::nothing(Status::NoOverlap) };
    let candidates = Candidates::new(columns(partition, literals, &ranking), None, partition.areas(), &view.both);
    let mut result = SearchResult::nothing(Status::Explained);
    ranking.report(&beam, &mut answer, &mut result);
    let mut before = Vec::new();
    for _ in 1..config.length {
        count_all(&view, &beam.members, &before);
        before = beam.members.clone();
        for member in &before {
            ranking.extend(member, &candidates, &mut beam);
        }
        ranking.report(&beam, &mut answer, &mut result);
    }
    result
}

/// The columns by which formulas are extended: all that occur, or under a limit those of the best literals.
fn columns(partition: &Partition, mut literals: Vec<Rc<Member>>, ranking: &Ranking<'_>) -> Vec<u16> {
    if let Some(limit) = ranking.config.beam_limit {
        literals.sort_by(|a, b| ranking.cmp(a, b));
        literals.truncate(limit);
    }
    let mut columns: Vec<u16> =
        literals.iter().filter_map(|l| partition.column(l.chain.first)).map(|c| c as u16).collect();
    columns.sort_unstable();
    columns
}

/// Ranks the formulas for one unit, and extends them.
struct Ranking<'a> {
    view: &'a UnitView<'a>,
    config: &'a SearchConfig,
    order: Order,
}

impl Ranking<'_> {
    /// Best first.
    fn cmp(&self, a: &Member, b: &Member) -> Ordering {
        self.order.cmp(a.standing(), b.standing(), || [a.ordered_formula(), b.ordered_formula()])
    }

    fn score(&self, member: &Member) -> f64 {
        self.order.score(member.standing())
    }

    fn extend(&self, member: &Rc<Member>, candidates: &Candidates, beam: &mut Beam) {
        let length = member.chain.length() + 1;
        let cuts = |beam: &Beam| match beam.members.last() {
            Some(worst) if beam.members.len() >= self.config.beam => {
                let cut = self.order.metric_for(self.score(worst), length);
                // An MCC may be below 0.
                [if cut > 0.0 { cut * SLACK } else { cut / SLACK }; 3]
            }
            _ => [NO_CUT; 3],
        };
        let visit = |beam: &mut Beam, e: Extension| {
            let same_as_a_part = match e.op {
                Op::Or | Op::And => e.overlap == e.area || e.overlap == member.counts.formula,
                Op::AndNot => e.overlap == 0,
            };
            // The shorter formula of the same mask is in the beam, or was outranked there.
            if e.both == 0 || same_as_a_part {
                return;
            }
            let counts = self.view.counts(e.size, e.both);
            if let Some(worst) = beam.members.last().filter(|_| beam.members.len() >= self.config.beam)
                && self.order.by_score(Standing { counts, length }, worst.standing()).is_gt()
            {
                return;
            }
            let column = usize::from(candidates.columns[e.candidate]);
            let atom = self.view.partition.columns()[column];
            beam.offer(Rc::new(Member::extended(member, e.op, atom, column, counts)), self);
        };
        candidates.scan(&member.counted(), self.view.counts(0, 0), self.config.metric.form(), beam, cuts, visit);
    }

    /// Adds the beam and the best formula so far that is not constant to the result.
    fn report(&self, beam: &Beam, answer: &mut Rc<Member>, result: &mut SearchResult) {
        if let Some(best) = beam.members.iter().find(|m| !m.counts.is_constant())
            && self.cmp(best, answer).is_lt()
        {
            *answer = best.clone();
        }
        let found = |m: &Member| Found {
            formula: m.ordered_formula().clone(),
            counts: m.counts,
            iou: Metric::Iou.of(m.counts),
            score: self.score(m),
        };
        result.by_length.push(found(answer));
        result.beams.push(beam.members.iter().map(|m| (m.ordered_formula().clone(), self.score(m))).collect());
    }
}

/// The best formulas so far, no two of one mask, best first.
#[derive(Default)]
struct Beam {
    members: Vec<Rc<Member>>,
}

impl Beam {
    /// Inserts a formula at its rank.
    ///
    /// Of formulas with one mask the better ranked one stays: the shorter one, or the first in canonical order. A formula that
    /// falls out at the end has a full beam of better distinct masks before it, which later offers can only improve. So the
    /// result does not depend on the order of the offers.
    fn offer(&mut self, member: Rc<Member>, ranking: &Ranking<'_>) {
        let at = self.members.partition_point(|m| ranking.cmp(m, &member).is_lt());
        if at >= ranking.config.beam {
            return;
        }
        let twin = self.members.iter().position(|m| m.same_mask(&member, ranking.view));
        match twin {
            Some(twin) if twin < at => return,
            Some(twin) if ranking.cmp(&self.members[twin], &member).is_le() => return,
            Some(twin) => {
                self.members.remove(twin);
            }
            None => {}
        }
        self.members.insert(at, member);
        self.members.truncate(ranking.config.beam);
    }
}
