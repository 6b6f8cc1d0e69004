//! Concepts, and the units whose formulas have them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Records;
use super::makeup::literals;

/// A concept and the units whose best formulas have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConceptRow {
    /// The concept.
    pub concept: String,
    /// Its category.
    pub category: String,
    /// Positions with it.
    pub area: u64,
    /// Examples with such a position.
    pub examples: u64,
    /// Units whose formula has it, not negated.
    pub positive: usize,
    /// Units whose formula has it negated. A unit can be in both.
    pub negated: usize,
    /// The best IoU of the units that have it not negated.
    pub best_iou: Option<f64>,
}

/// All concepts of the probe set, those that most units have first, then by area, then by name.
pub fn concepts(records: &Records) -> Vec<ConceptRow> {
    let mut counts: BTreeMap<u32, ([usize; 2], Option<f64>)> = BTreeMap::new();
    for (_, unit, formula) in records.explained() {
        let mut all: Vec<(u32, bool)> = literals(formula).iter().map(|(atom, sign)| (atom.concept.0, *sign)).collect();
        all.sort_unstable();
        all.dedup();
        for (concept, positive) in all {
            let (units, best) = counts.entry(concept).or_default();
            units[usize::from(!positive)] += 1;
            if positive {
                *best = Some(best.unwrap_or(0.0).max(unit.iou));
            }
        }
    }
    let row = |c: &compexp_core::relation::Extent| {
        let ([positive, negated], best_iou) = counts.get(&c.id).copied().unwrap_or_default();
        let (concept, category) = (c.name.clone(), c.category.clone());
        ConceptRow { concept, category, area: c.area, examples: c.examples, positive, negated, best_iou }
    };
    let mut rows: Vec<ConceptRow> = records.concepts.iter().map(row).collect();
    rows.sort_by(|a, b| {
        let units = |r: &ConceptRow| r.positive + r.negated;
        units(b).cmp(&units(a)).then(b.area.cmp(&a.area)).then(a.concept.cmp(&b.concept))
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::super::tests::records;
    use super::*;

    #[test]
    fn units_count_once_for_each_sign() {
        let units: [(&str, &[f64], &[usize]); 3] = [
            ("((a OR (NEIGHBORS a)) AND (NOT b))", &[0.2], &[]),
            ("(a AND (NOT (a AND C)))", &[0.5], &[]),
            ("-", &[0.9], &[]),
        ];
        let rows = concepts(&records("abCd", &units, &[], &[]));
        let row = |concept: &str, id: u64, positive, negated, best_iou| ConceptRow {
            concept: concept.into(),
            category: if concept == "C" { "other" } else { "kind" }.into(),
            area: 10 * id,
            examples: 5 * id,
            positive,
            negated,
            best_iou,
        };
        let expected =
            [row("a", 1, 2, 1, Some(0.5)), row("C", 3, 0, 1, None), row("b", 2, 0, 1, None), row("d", 4, 0, 0, None)];
        assert_eq!(rows, expected);
    }
}
