//! The kinds of explanations: one concept, related alternatives, a specialised concept, unrelated alternatives.
//!
//! # The rule
//!
//! | kind | formula | the paper's words |
//! |---|---|---|
//! | [`Kind::Single`] | one concept: `a`, `NOT a`, `a OR NEIGHBORS a` | |
//! | [`Kind::Coherent`] | alternatives, all linked: `river OR sea` | lexical or perceptual coherence |
//! | [`Kind::Specialised`] | no alternatives: `street AND night`, `water AND NOT blue` | specialisation |
//! | [`Kind::Polysemantic`] | alternatives without a link: `cup OR street` | polysemanticity |
//!
//! *Alternatives* are what OR joins (under NOT, what AND joins). Each stands for its concepts that are not negated, since a
//! negated one says where a unit does not fire; NEIGHBORS of a concept counts as the concept. An alternative that has all the
//! concepts of another is a special case of it and no alternative of its own. Two alternatives are *linked* where a concept
//! that only the one has and a concept that only the other has
//!
//! - have word vectors with a cosine of at least [`SIMILAR`], which is lexical coherence; or
//! - keep the same company: their correlations with all other concepts, over examples, have a cosine of at least [`ALIKE`]
//!   ([`compexp_core::relation::Relation::context`]), which is perceptual coherence.
//!
//! The alternatives of an OR are related if links connect them all, directly or through others. A concept that both have is no
//! link: in `(cup AND blue) OR (street AND blue)`, and in `(cup OR street) AND blue`, cup and street need one. A formula is
//! coherent if the alternatives of every OR in it are related. The paper's people judged by eye; this rule sees what is
//! annotated, and no more.
//!
//! Company is compared and not mere co-occurrence, because alternatives often exclude each other and still look alike: a
//! photograph shows one scene, but a baseball field and a playground both come with grass, sky and people.
//!
//! The cut-offs are choices. Both lie in the upper part of what pairs within
//! formulas reach, so that a pair is linked only if it stands out. On 3,873 annotated photographs the quartiles of 913 pairs'
//! company were 0.05, 0.21 and 0.43: [`ALIKE`] links cemetery and driveway (0.48) and leaves apart phone booth and boxing ring
//! (0.05). On 10,000 sentence pairs with GloVe's vectors of 50 numbers the median cosine of 2,880 pairs of words was 0.48,
//! frequent words being alike in use, and one pair in ten reached 0.71: hence [`SIMILAR`].

use std::collections::BTreeSet;

use compexp_core::concept::ConceptId;
use compexp_core::explanation::Explanation;
use compexp_core::formula::Formula;
use serde::{Deserialize, Serialize};

use super::{Records, makeup};

/// The least cosine of word vectors that links two concepts.
pub const SIMILAR: f64 = 0.7;

/// The least cosine of two concepts' company that links them.
pub const ALIKE: f64 = 0.4;

/// What kind of explanation a formula is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One concept.
    Single,
    /// Alternatives that links connect.
    Coherent,
    /// Several concepts without alternatives: joined by AND and AND NOT.
    Specialised,
    /// Alternatives without a link.
    Polysemantic,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Single, Self::Coherent, Self::Specialised, Self::Polysemantic];

    /// A name for programs, as files have it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Coherent => "coherent",
            Self::Specialised => "specialised",
            Self::Polysemantic => "polysemantic",
        }
    }

    /// A name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "one concept",
            Self::Coherent => "related alternatives",
            Self::Specialised => "a specialised concept",
            Self::Polysemantic => "unrelated alternatives",
        }
    }

    /// The same with the paper's word, where that is another.
    pub fn name_with_paper(self) -> String {
        match self {
            Self::Single => self.name().into(),
            Self::Coherent => format!("{} (coherence)", self.name()),
            Self::Specialised => format!("{} (specialisation)", self.name()),
            Self::Polysemantic => format!("{} (polysemantic)", self.name()),
        }
    }
}

/// What links the alternatives of a coherent formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coherence {
    /// Word vectors alone connect them.
    Lexical,
    /// They are connected only by the company that concepts keep.
    Perceptual,
}

/// The kind of a unit's explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindRow {
    /// The unit.
    pub unit: usize,
    /// Its kind.
    pub kind: Kind,
    /// The best IoU.
    pub iou: f64,
    /// The formula.
    pub formula: String,
    /// Concepts that are not negated. Of unrelated alternatives those of an OR, the concepts of linked ones together:
    /// `[["river", "water"], ["car"]]`; else all in one group.
    pub groups: Vec<Vec<String>>,
    /// What links the alternatives of a coherent formula.
    pub coherence: Option<Coherence>,
}

/// The kinds of all explained units, in their order.
pub fn kinds(records: &Records) -> Vec<KindRow> {
    let (mut near, mut links): (Vec<[&str; 2]>, Vec<[&str; 2]>) = (Vec::new(), Vec::new());
    for relation in &records.relations {
        let pair = [&relation.first[..], &relation.second[..]];
        let reaches = |value: Option<f64>, least: f64| value.is_some_and(|v| v >= least);
        if reaches(relation.similarity, SIMILAR) {
            near.push(pair);
        }
        if reaches(relation.similarity, SIMILAR) || reaches(relation.context, ALIKE) {
            links.push(pair);
        }
    }
    near.sort_unstable();
    links.sort_unstable();
    let name = |id: ConceptId| records.vocabulary().name(id).into_owned();
    let within = |pairs: &[[&str; 2]], a: ConceptId, b: ConceptId| {
        let (a, b) = (name(a), name(b));
        pairs.binary_search(&[&a[..], &b]).is_ok() || pairs.binary_search(&[&b[..], &a]).is_ok()
    };
    let row = |(_, unit, formula): (usize, &Explanation, &Formula)| {
        let linked = |a, b| within(&links, a, b);
        let mut walk = Walk::new(&linked);
        let positive = walk.concepts(formula, true);
        let all: BTreeSet<ConceptId> = makeup::literals(formula).iter().map(|(atom, _)| atom.concept).collect();
        let kind = match &walk.apart {
            Some(_) => Kind::Polysemantic,
            None if walk.alternatives => Kind::Coherent,
            None if all.len() > 1 => Kind::Specialised,
            None => Kind::Single,
        };
        let coherence = (kind == Kind::Coherent).then(|| {
            let linked = |a, b| within(&near, a, b);
            let mut walk = Walk::new(&linked);
            walk.concepts(formula, true);
            if walk.apart.is_none() { Coherence::Lexical } else { Coherence::Perceptual }
        });
        let groups = walk.apart.unwrap_or_else(|| vec![positive]);
        let named = |group: &BTreeSet<ConceptId>| group.iter().map(|id| name(*id)).collect::<Vec<_>>();
        let groups = groups.iter().filter(|group| !group.is_empty()).map(named).collect();
        let formula = unit.formula.clone().unwrap_or_default();
        KindRow { unit: unit.unit, kind, iou: unit.iou, formula, groups, coherence }
    };
    records.explained().map(row).collect()
}

/// What a walk through a formula finds.
struct Walk<'a> {
    linked: &'a dyn Fn(ConceptId, ConceptId) -> bool,
    /// Whether any OR has several alternatives.
    alternatives: bool,
    /// The groups of linked alternatives of the last OR that has several such groups.
    apart: Option<Vec<BTreeSet<ConceptId>>>,
}

impl<'a> Walk<'a> {
    fn new(linked: &'a dyn Fn(ConceptId, ConceptId) -> bool) -> Self {
        Self { linked, alternatives: false, apart: None }
    }

    /// The concepts that are not negated, after every OR within was looked at.
    fn concepts(&mut self, formula: &Formula, positive: bool) -> BTreeSet<ConceptId> {
        match formula {
            Formula::Atom(atom) if positive => BTreeSet::from([atom.concept]),
            Formula::Atom(_) => BTreeSet::new(),
            Formula::Not(f) => self.concepts(f, !positive),
            Formula::And(a, b) | Formula::Or(a, b) if is_or(formula) != positive => {
                let left = self.concepts(a, positive);
                &left | &self.concepts(b, positive)
            }
            Formula::And(..) | Formula::Or(..) => {
                let mut found = Vec::new();
                alternatives(formula, positive, &mut found);
                let sets: Vec<_> = found.into_iter().map(|(f, positive)| self.concepts(f, positive)).collect();
                self.compare(&sets);
                sets.into_iter().flatten().collect()
            }
        }
    }

    /// Looks at the alternatives of an OR.
    fn compare(&mut self, sets: &[BTreeSet<ConceptId>]) {
        let mut least: Vec<&BTreeSet<ConceptId>> = Vec::new();
        for (i, set) in sets.iter().enumerate() {
            // One with negated concepts only is a special case of nothing, and nothing is one of it.
            let special = |(j, other): (usize, &BTreeSet<ConceptId>)| {
                let within = other.is_subset(set) && other.is_empty() == set.is_empty();
                j != i && within && (other != set || j < i)
            };
            if !sets.iter().enumerate().any(special) {
                least.push(set);
            }
        }
        if least.len() < 2 {
            return;
        }
        self.alternatives = true;
        let linked = |x: &BTreeSet<ConceptId>, y: &BTreeSet<ConceptId>| {
            x.difference(y).any(|a| y.difference(x).any(|b| (self.linked)(*a, *b)))
        };
        let mut groups: Vec<Vec<&BTreeSet<ConceptId>>> = Vec::new();
        for set in least {
            let (near, far): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|group| group.iter().any(|other| linked(set, other)));
            groups = far;
            groups.push(near.into_iter().flatten().chain([set]).collect());
        }
        if groups.len() > 1 {
            let union = |group: &Vec<&BTreeSet<ConceptId>>| group.iter().copied().flatten().copied().collect();
            let mut groups: Vec<BTreeSet<ConceptId>> = groups.iter().map(union).collect();
            groups.sort();
            self.apart = Some(groups);
        }
    }
}

fn is_or(formula: &Formula) -> bool {
    matches!(formula, Formula::Or(..))
}

/// What OR joins in a formula, however it is bracketed; by De Morgan, under NOT an AND joins as OR does.
fn alternatives<'f>(formula: &'f Formula, positive: bool, into: &mut Vec<(&'f Formula, bool)>) {
    match formula {
        Formula::Not(f) => alternatives(f, !positive, into),
        Formula::And(a, b) | Formula::Or(a, b) if is_or(formula) == positive => {
            alternatives(a, positive, into);
            alternatives(b, positive, into);
        }
        _ => into.push((formula, positive)),
    }
}

#[cfg(test)]
mod tests;
