//! The paper's kinds of explanations: one concept, related concepts, unrelated concepts.
//!
//! # The rule
//!
//! Only concepts that are not negated count, since a negated one says where a unit does not fire; NEIGHBORS of a concept
//! counts as the concept. Two concepts are *linked* where
//!
//! - AND joins them: the unit fires where both are; or
//! - their word vectors have a cosine of at least [`SIMILAR`]; or
//! - they keep the same company: their correlations with all other concepts, over examples, have a cosine of at least
//!   [`ALIKE`] ([`compexp_core::relation::Relation::context`]).
//!
//! A formula of at most one such concept is of *one* concept. One whose concepts are all connected by links, directly or
//! through others, is of *related* concepts. The rest are of *unrelated* ones: the unit is polysemantic, as far as these
//! annotations show.
//!
//! Company is compared and not mere co-occurrence, because alternatives often exclude each other and still look alike: a
//! photograph shows one scene, but a baseball field and a playground both come with grass, sky and people.
//!
//! The rule sees what is annotated, and no more; its cut-offs are choices. Both lie in the upper part of what pairs within
//! formulas reach, so that a pair is linked only if it stands out. On 3,873 annotated photographs the quartiles of 913 pairs'
//! company were 0.05, 0.21 and 0.43: [`ALIKE`] links cemetery and driveway (0.48) and leaves apart phone booth and boxing ring
//! (0.05). On 10,000 sentence pairs with GloVe's vectors of 50 numbers the median cosine of 2,880 pairs of words was 0.48,
//! frequent words being alike in use, and one pair in ten reached 0.71: hence [`SIMILAR`].

use compexp_core::concept::ConceptId;
use compexp_core::formula::Formula;
use serde::Serialize;

use super::Records;

/// The least cosine of word vectors that links two concepts.
pub const SIMILAR: f64 = 0.7;

/// The least cosine of two concepts' company that links them.
pub const ALIKE: f64 = 0.4;

/// What kind of explanation a formula is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// At most one concept that is not negated.
    One,
    /// Several, all connected.
    Related,
    /// Several, in at least two groups without a link.
    Unrelated,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::One, Self::Related, Self::Unrelated];

    /// A name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one concept",
            Self::Related => "related concepts",
            Self::Unrelated => "unrelated concepts",
        }
    }
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
    /// The concepts that are not negated, linked ones together: `[["river", "water"], ["car"]]`.
    pub groups: Vec<Vec<String>>,
}

/// The kinds of all explained units, in their order.
pub fn kinds(records: &Records) -> Vec<KindRow> {
    let mut links: Vec<[&str; 2]> = Vec::new();
    for relation in &records.relations {
        let reaches = |value: Option<f64>, least: f64| value.is_some_and(|v| v >= least);
        if reaches(relation.similarity, SIMILAR) || reaches(relation.context, ALIKE) {
            links.push([&relation.first, &relation.second]);
        }
    }
    links.sort_unstable();
    let linked = |a: &str, b: &str| links.binary_search(&[a, b]).is_ok() || links.binary_search(&[b, a]).is_ok();
    let name = |id: ConceptId| records.vocabulary().name(id).into_owned();
    let row = |(_, unit, formula): (usize, &compexp_core::explanation::Explanation, &Formula)| {
        let mut groups = Groups::default();
        groups.walk(formula, true);
        groups.merge_where(|a, b| linked(&name(a), &name(b)));
        let named = |group: &Vec<ConceptId>| group.iter().map(|id| name(*id)).collect();
        let kind = match groups.0.len() {
            0 => Kind::One,
            1 if groups.0[0].len() == 1 => Kind::One,
            1 => Kind::Related,
            _ => Kind::Unrelated,
        };
        let groups = groups.0.iter().map(named).collect();
        KindRow { unit: unit.unit, kind, iou: unit.iou, formula: unit.formula.clone().unwrap_or_default(), groups }
    };
    records.explained().map(row).collect()
}

/// Groups of linked concepts, each ascending, in the order of their first concepts.
#[derive(Default)]
struct Groups(Vec<Vec<ConceptId>>);

impl Groups {
    /// Adds the concepts of a subformula that are not negated, and joins those that AND joins; gives them.
    fn walk(&mut self, formula: &Formula, positive: bool) -> Vec<ConceptId> {
        match formula {
            Formula::Atom(atom) if positive => {
                if !self.0.iter().any(|g| g.contains(&atom.concept)) {
                    self.0.push(vec![atom.concept]);
                }
                vec![atom.concept]
            }
            Formula::Atom(_) => vec![],
            Formula::Not(f) => self.walk(f, !positive),
            Formula::And(a, b) | Formula::Or(a, b) => {
                let (mut left, right) = (self.walk(a, positive), self.walk(b, positive));
                // By De Morgan, under NOT an OR joins as AND does.
                if matches!(formula, Formula::And(..)) == positive {
                    self.merge_where(|a, b| {
                        left.contains(&a) && right.contains(&b) || left.contains(&b) && right.contains(&a)
                    });
                }
                left.extend(right);
                left
            }
        }
    }

    /// Joins groups with concepts that are linked, until none are.
    fn merge_where(&mut self, linked: impl Fn(ConceptId, ConceptId) -> bool) {
        let joined = |a: &[ConceptId], b: &[ConceptId]| a.iter().any(|a| b.iter().any(|b| linked(*a, *b)));
        let mut done: Vec<Vec<ConceptId>> = Vec::new();
        for mut group in std::mem::take(&mut self.0) {
            let (near, far): (Vec<_>, Vec<_>) = done.into_iter().partition(|other| joined(&group, other));
            group.extend(near.into_iter().flatten());
            group.sort_unstable();
            done = far;
            done.push(group);
        }
        done.sort();
        self.0 = done;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::records;
    use super::*;

    fn sorted(formula: &str) -> (Kind, Vec<Vec<String>>) {
        // a, b and c keep the same company in a chain; d is by itself.
        let relations = [("a", "b", 0.6), ("b", "c", ALIKE), ("a", "c", 0.1), ("a", "d", 0.39), ("c", "d", -0.9)];
        let run = records("abcde", &[(formula, &[0.1], &[])], &relations, &[]);
        let row = kinds(&run).remove(0);
        (row.kind, row.groups)
    }

    #[test]
    fn formulas_are_sorted_by_the_links_of_their_positive_concepts() {
        use Kind::{One, Related, Unrelated};
        for (formula, kind, groups) in [
            ("a", One, "a"),
            ("((a AND (NOT d)) AND (NOT e))", One, "a"),
            ("(NOT a)", One, ""),
            ("(a OR (NEIGHBORS a))", One, "a"),
            ("(a OR b)", Related, "ab"),
            ("(b OR a)", Related, "ab"),
            ("(a AND d)", Related, "ad"),
            ("((a OR b) OR c)", Related, "abc"),
            ("(a OR c)", Unrelated, "a c"),
            ("(a OR d)", Unrelated, "a d"),
            ("((a OR d) AND e)", Related, "ade"),
            ("((a AND d) OR e)", Unrelated, "ad e"),
            ("((a OR e) OR (d AND b))", Unrelated, "abd e"),
            ("(NOT ((NOT a) OR (NOT d)))", Related, "ad"),
            ("(NOT ((NOT a) AND (NOT d)))", Unrelated, "a d"),
        ] {
            let (found, names) = sorted(formula);
            let names: Vec<String> = names.iter().map(|g| g.concat()).collect();
            assert_eq!((found, names.join(" ")), (kind, groups.to_owned()), "{formula}");
        }
    }

    #[test]
    fn word_vectors_link_too() {
        let mut run = records("ab", &[("(a OR b)", &[0.1], &[])], &[("a", "b", -1.0)], &[]);
        assert_eq!(kinds(&run)[0].kind, Kind::Unrelated);
        run.relations[0].similarity = Some(SIMILAR);
        assert_eq!(kinds(&run)[0].kind, Kind::Related);
    }
}
