//! What formulas are made of: categories and operators; how many differ in meaning.

use std::collections::{BTreeMap, HashMap};

use compexp_core::formula::{Atom, Formula};
use serde::Serialize;

use super::Records;

/// How often a category occurs in the best formulas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CategoryRow {
    /// The category, empty for concepts without one.
    pub category: String,
    /// Concepts of the probe set in it.
    pub concepts: usize,
    /// Units whose formula has a concept of it.
    pub units: usize,
    /// Those with one that is not negated.
    pub positive: usize,
    /// Literals of all formulas.
    pub literals: usize,
}

/// How often the categories occur, the most used first, then by name.
pub fn categories(records: &Records) -> Vec<CategoryRow> {
    let mut rows: BTreeMap<&str, CategoryRow> = BTreeMap::new();
    for concept in &records.concepts {
        let row = rows.entry(&concept.category).or_insert_with(|| CategoryRow {
            category: concept.category.clone(),
            concepts: 0,
            units: 0,
            positive: 0,
            literals: 0,
        });
        row.concepts += 1;
    }
    for (_, _, formula) in records.explained() {
        let mut met: BTreeMap<&str, bool> = BTreeMap::new();
        for (atom, positive) in literals(formula) {
            let category = records.vocabulary().category(atom.concept);
            *met.entry(category).or_default() |= positive;
            if let Some(row) = rows.get_mut(category) {
                row.literals += 1;
            }
        }
        for (category, positive) in met {
            if let Some(row) = rows.get_mut(category) {
                row.units += 1;
                row.positive += usize::from(positive);
            }
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.units));
    rows
}

/// The units whose best formulas use the same operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorRow {
    /// `single concept`, or the operators: `AND NOT + OR`.
    pub operators: String,
    /// Units.
    pub units: usize,
}

/// How many units use which operators, the most frequent mixture first. A literal negated behind AND is AND NOT;
/// NEIGHBORS is no operator here.
pub fn operators(records: &Records) -> Vec<OperatorRow> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, formula) in records.explained() {
        let used = Operators::of(formula);
        let names = [(used.and, "AND"), (used.and_not, "AND NOT"), (used.or, "OR")];
        let names: Vec<&str> = names.into_iter().filter(|(n, _)| *n > 0).map(|(_, name)| name).collect();
        let mix = if names.is_empty() { "single concept".into() } else { names.join(" + ") };
        *counts.entry(mix).or_default() += 1;
    }
    let mut rows: Vec<_> = counts.into_iter().map(|(operators, units)| OperatorRow { operators, units }).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.units));
    rows
}

/// How often a formula uses each operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Operators {
    /// AND between two operands neither of which is negated.
    pub and: usize,
    /// AND with a negated operand.
    pub and_not: usize,
    /// OR.
    pub or: usize,
    /// NEIGHBORS.
    pub neighbors: usize,
}

impl Operators {
    /// The operators of a formula.
    pub fn of(formula: &Formula) -> Self {
        let mut used = Self::default();
        used.count(formula);
        used
    }

    fn count(&mut self, formula: &Formula) {
        match formula {
            Formula::Atom(atom) => self.neighbors += usize::from(atom.neighbors),
            Formula::Not(f) => self.count(f),
            Formula::And(a, b) | Formula::Or(a, b) => {
                let negated = |f: &Formula| matches!(f, Formula::Not(_));
                match formula {
                    Formula::Or(..) => self.or += 1,
                    _ if negated(a) || negated(b) => self.and_not += 1,
                    _ => self.and += 1,
                }
                self.count(a);
                self.count(b);
            }
        }
    }
}

/// Units whose explanations mean the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedRow {
    /// One of the formulas: the first unit's.
    pub formula: String,
    /// The units, ascending.
    pub units: Vec<usize>,
}

/// The distinct explanations up to logical equivalence, those of most units first, then by their first unit.
pub fn distinct(records: &Records) -> Vec<SharedRow> {
    let mut groups: HashMap<_, SharedRow> = HashMap::new();
    for (_, unit, formula) in records.explained() {
        let text = unit.formula.clone().unwrap_or_default();
        // Too long for a truth table: equal only to its own text.
        let key = formula.meaning().ok_or_else(|| text.clone());
        groups.entry(key).or_insert_with(|| SharedRow { formula: text, units: vec![] }).units.push(unit.unit);
    }
    let mut rows: Vec<_> = groups.into_values().collect();
    rows.sort_by(|a, b| b.units.len().cmp(&a.units.len()).then(a.units.cmp(&b.units)));
    rows
}

/// The literals of a formula as they stand, and whether each is under an even number of NOTs.
pub fn literals(formula: &Formula) -> Vec<(Atom, bool)> {
    fn collect(formula: &Formula, positive: bool, into: &mut Vec<(Atom, bool)>) {
        match formula {
            Formula::Atom(atom) => into.push((*atom, positive)),
            Formula::Not(f) => collect(f, !positive, into),
            Formula::And(a, b) | Formula::Or(a, b) => {
                collect(a, positive, into);
                collect(b, positive, into);
            }
        }
    }
    let mut all = Vec::new();
    collect(formula, true, &mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::records;
    use super::*;

    fn run() -> Records {
        let units: [(&str, &[f64], &[usize]); 6] = [
            ("((a OR b) AND (NOT C))", &[0.1], &[]),
            ("((NOT C) AND (b OR a))", &[0.1], &[]),
            ("(a AND C)", &[0.1], &[]),
            ("((NEIGHBORS a) OR a)", &[0.1], &[]),
            ("b", &[0.1], &[]),
            ("-", &[], &[]),
        ];
        records("abC", &units, &[], &[])
    }

    #[test]
    fn categories_count_units_once_and_literals_each() {
        let row = |category: &str, concepts, units, positive, literals| CategoryRow {
            category: category.into(),
            concepts,
            units,
            positive,
            literals,
        };
        assert_eq!(categories(&run()), [row("kind", 2, 5, 5, 8), row("other", 1, 3, 1, 3)]);
    }

    #[test]
    fn operators_are_told_apart() {
        let rows: Vec<_> = operators(&run()).into_iter().map(|r| (r.operators, r.units)).collect();
        let expected = [("AND NOT + OR", 2), ("AND", 1), ("OR", 1), ("single concept", 1)];
        assert_eq!(rows, expected.map(|(name, n)| (name.to_owned(), n)));
        let neighbors: usize = run().explained().map(|(_, _, f)| Operators::of(f).neighbors).sum();
        assert_eq!(neighbors, 1);
    }

    #[test]
    fn formulas_of_one_meaning_are_one_explanation() {
        let rows = distinct(&run());
        assert_eq!(rows.iter().map(|r| &r.units[..]).collect::<Vec<_>>(), [&[10, 11][..], &[12], &[13], &[14]]);
        assert_eq!(rows[0].formula, "((a OR b) AND (NOT C))");
    }
}
