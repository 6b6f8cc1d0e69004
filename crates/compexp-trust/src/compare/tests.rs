//! Tests of comparisons.

use compexp_core::explanation::{Universe, VERSION as RECORD};
use compexp_core::formula::Atom;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const EXACT: Tolerances = Tolerances { iou: 0.0, accuracy: 0.0, allow: Allowance::Units(0) };

/// Random formulas over the concepts 0..6, at most 4 deep.
fn any_formula() -> impl Strategy<Value = Formula> {
    let atom =
        (any::<bool>(), 0u32..6).prop_map(|(neighbors, id)| Formula::Atom(Atom { neighbors, concept: ConceptId(id) }));
    atom.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(Formula::not),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner).prop_map(|(a, b)| a.or(b)),
        ]
    })
}

fn unit(unit: usize, formula: &str, iou: f64) -> Explanation {
    let formula = (!formula.is_empty()).then_some(formula);
    let status = if formula.is_none() { "silent" } else { "explained" };
    let record = json!({
        "unit": unit, "status": status, "formula": formula, "length": null, "iou": iou, "score": iou, "unit_area": 1,
    });
    serde_json::from_value(record).unwrap()
}

fn run(units: Vec<Explanation>) -> Explanations {
    let universe = Universe { examples: 2, positions: 9, cells: 4, singleton_cells: 1 };
    let config = json!({ "inputs": { "annotations": { "hash": "a" } } });
    Explanations { version: RECORD, config, universe, held_out: None, units, ranges: vec![], concepts: None }
}

fn side(explanations: &Explanations) -> Side<'_> {
    Side { explanations, accuracy: None, headline: Headline::Iou }
}

fn check(base: &Explanations, run: &Explanations, tolerances: Tolerances) -> Comparison {
    compare(side(base), side(run), tolerances, &["inputs.annotations"]).unwrap()
}

fn refused(base: &Explanations, run: &Explanations) -> String {
    compare(side(base), side(run), EXACT, &[]).unwrap_err().to_string()
}

/// The verdict of one unit whose formula and IoU went from `base` to `run`, with an IoU tolerance of 0.1.
fn verdict(base: (&str, f64), after: (&str, f64)) -> Verdict {
    let tolerances = Tolerances { iou: 0.1, ..EXACT };
    let found = check(&run(vec![unit(7, base.0, base.1)]), &run(vec![unit(7, after.0, after.1)]), tolerances);
    let drifts = !matches!(found.units[0].verdict, Verdict::Same | Verdict::Equivalent);
    assert_eq!((found.drift, found.units[0].drift, found.units[0].unit), (drifts, drifts, 7));
    assert_eq!((found.totals[&found.units[0].verdict], found.totals.values().sum::<usize>()), (1, 1));
    found.units[0].verdict
}

#[test]
fn each_change_of_a_unit_has_its_verdict() {
    for (base, after, expected) in [
        (("a", 0.5), ("a", 0.55), Verdict::Same),
        (("", 0.0), ("", 0.0), Verdict::Same),
        (("a", 0.5), ("a", 0.7), Verdict::IouMoved),
        (("a", 0.7), ("a", 0.5), Verdict::IouMoved),
        (("(a OR b)", 0.5), ("(b OR a)", 0.5), Verdict::Equivalent),
        (("(a OR b)", 0.5), ("(b OR a)", 0.8), Verdict::IouMoved),
        (("(a OR b)", 0.5), ("(a AND b)", 0.5), Verdict::ChangedWithinTolerance),
        (("(a OR b)", 0.5), ("(a AND b)", 0.3), Verdict::FormulaChanged),
        (("a", 0.5), ("", 0.0), Verdict::StatusChanged),
        (("", 0.0), ("a", 0.05), Verdict::StatusChanged),
    ] {
        assert_eq!(verdict(base, after), expected, "{base:?} to {after:?}");
    }
    let (mut silent, mut none) = (unit(0, "", 0.0), unit(0, "", 0.0));
    (silent.status, none.status) = (Status::Silent, Status::NoOverlap);
    assert_eq!(check(&run(vec![silent]), &run(vec![none]), EXACT).units[0].verdict, Verdict::StatusChanged);
}

#[test]
fn formulas_that_mean_the_same_are_equivalent() {
    for (base, after) in [
        ("((a AND b) AND c)", "(c AND (b AND a))"),
        ("(NOT (a AND b))", "((NOT a) OR (NOT b))"),
        ("((NOT a) AND (NOT b))", "(NOT (a OR b))"),
        ("(a AND (b OR c))", "((a AND b) OR (a AND c))"),
        ("((NEIGHBORS x) OR \"night table\")", "(\"night table\" OR (NEIGHBORS x))"),
        ("(NOT (NOT 7))", "7"),
        ("(a OR (a AND b))", "a"),
    ] {
        assert_eq!(verdict((base, 0.5), (after, 0.5)), Verdict::Equivalent, "{base} and {after}");
    }
    for (base, after) in [("x", "(NEIGHBORS x)"), ("7", "8"), ("(a OR b)", "(a OR \"b \")"), ("A", "a")] {
        let found = verdict((base, 0.5), (after, 0.5));
        assert_eq!(found, Verdict::ChangedWithinTolerance, "{base} and {after}");
    }
}

#[test]
fn formulas_too_long_for_a_truth_table_are_the_same_if_reordered() {
    let chain = |names: &mut dyn Iterator<Item = u32>| names.map(|i| format!("c{i}")).collect::<Vec<_>>().join(" OR ");
    let (up, down) = (chain(&mut (0..30)), chain(&mut (0..30).rev()));
    assert_eq!(verdict((&up, 0.5), (&down, 0.5)), Verdict::Equivalent);
    assert_eq!(verdict((&up, 0.5), (&chain(&mut (1..31)), 0.5)), Verdict::ChangedWithinTolerance);
}

#[test]
fn near_ties_are_drift_only_beyond_the_allowance() {
    let base = run((0..10).map(|i| unit(i, "a", 0.5)).collect());
    let after = run((0..10).map(|i| unit(i, if i < 2 { "b" } else { "a" }, 0.5)).collect());
    for (allow, allowed, drift) in [
        (Allowance::Units(0), 0, true),
        (Allowance::Units(1), 1, true),
        (Allowance::Units(2), 2, false),
        (Allowance::Share(0.19), 1, true),
        (Allowance::Share(0.2), 2, false),
        (Allowance::Share(1.0), 10, false),
    ] {
        let found = check(&base, &after, Tolerances { allow, ..EXACT });
        assert_eq!((found.allowed, found.drift), (allowed, drift), "{allow:?}");
        assert!(found.units.iter().all(|u| u.drift == (drift && u.unit < 2)), "{allow:?}");
        assert_eq!((found.totals[&Verdict::ChangedWithinTolerance], found.totals[&Verdict::Same]), (2, 8));
    }
    let mut moved = after.clone();
    moved.units[9].iou = 0.6;
    let found = check(&base, &moved, Tolerances { allow: Allowance::Share(1.0), ..EXACT });
    assert!(found.drift && found.units[9].drift && !found.units[0].drift, "an allowance is for near ties only");
}

#[test]
fn units_gained_and_lost_are_drift_and_stand_in_order() {
    let base = run(vec![unit(0, "a", 0.5), unit(3, "a", 0.5)]);
    let after = run(vec![unit(5, "", 0.0), unit(3, "a", 0.5)]);
    let found = check(&base, &after, Tolerances { allow: Allowance::Units(9), ..EXACT });
    let verdicts: Vec<_> = found.units.iter().map(|u| (u.unit, u.verdict, u.drift)).collect();
    assert_eq!(verdicts, [(0, Verdict::Lost, true), (3, Verdict::Same, false), (5, Verdict::Gained, true)]);
    assert!(found.drift && found.units[0].run.is_none() && found.units[2].base.is_none());
    assert_eq!((found.base.explained, found.run.explained, found.run.units), (2, 1, 2));
}

#[test]
fn accuracies_are_compared_where_the_base_has_one() {
    let same = run(vec![unit(0, "a", 0.5)]);
    for (before, after, moved) in [
        (Some(0.5), Some(0.55), false),
        (Some(0.5), Some(0.75), true),
        (Some(0.75), Some(0.5), true),
        (Some(0.5), None, true),
        (None, Some(0.5), false),
        (None, None, false),
    ] {
        let [base, after] =
            [before, after].map(|accuracy| Side { explanations: &same, accuracy, headline: Headline::Iou });
        let found = compare(base, after, Tolerances { accuracy: 0.1, ..EXACT }, &[]).unwrap();
        assert_eq!((found.accuracy_moved, found.drift), (moved, moved), "{base:?} to {after:?}");
    }
}

#[test]
fn other_probe_sets_are_drift_and_other_settings_are_told() {
    let base = run(vec![unit(0, "a", 0.5)]);
    let mut other = base.clone();
    other.config = json!({ "inputs": { "annotations": { "hash": "b" }, "checkpoint": "c" }, "compexp": "2" });
    let found = check(&base, &other, EXACT);
    let fields = |list: &[Difference]| list.iter().map(|d| d.field.clone()).collect::<Vec<_>>();
    assert_eq!(fields(&found.probe_set), ["inputs.annotations.hash"]);
    assert_eq!(fields(&found.settings), ["compexp", "inputs.checkpoint"]);
    assert!(found.drift && !found.units[0].drift);

    let mut told = other.clone();
    told.config["inputs"]["annotations"]["hash"] = "a".into();
    assert!(!check(&base, &told, EXACT).drift, "another checkpoint that is explained alike is no drift");
    told.universe.cells += 1;
    let found = check(&base, &told, EXACT);
    assert_eq!((fields(&found.probe_set), found.drift), (vec!["universe.cells".to_owned()], true));
}

#[test]
fn what_is_no_run_is_refused_with_the_unit_and_the_side() {
    let good = run(vec![unit(4, "a", 0.5)]);
    let with = |change: &dyn Fn(&mut Vec<Explanation>)| {
        let mut bad = good.clone();
        change(&mut bad.units);
        bad
    };
    for (bad, message) in [
        (with(&|u| u[0].iou = f64::NAN), "IoU of unit 4 of the base: found NaN, expected a number from 0 to 1"),
        (with(&|u| u[0].iou = f64::INFINITY), "IoU of unit 4 of the base: found inf"),
        (with(&|u| u[0].iou = -0.1), "IoU of unit 4 of the base: found -0.1"),
        (with(&|u| u[0].formula = None), "formula of unit 4 of the base: found none"),
        (with(&|u| u.push(unit(4, "b", 0.1))), "records of unit 4 of the base: found two or more, expected one"),
        (with(&|u| u[0].formula = Some("a AND".into())), "formula of unit 4 of the base: found cannot read formula"),
        (with(&|u| u[0].formula = Some("\"a".into())), "formula of unit 4 of the base: found cannot read formula"),
    ] {
        let e = refused(&bad, &good);
        assert!(e.contains(message), "{e}");
        let e = refused(&good, &bad);
        assert!(e.contains(&message.replace("base", "run")), "{e}");
    }
    let e = refused(&with(&|u| u[0].formula = Some("a AND".into())), &with(&|u| u[0].formula = Some("a AND".into())));
    assert!(e.contains("formula of unit 4"), "equal texts are read too: {e}");
}

#[test]
fn tolerances_and_accuracies_that_are_no_shares_are_refused() {
    let good = run(vec![]);
    for bad in [f64::NAN, -0.1, 1.5] {
        for tolerances in [
            Tolerances { iou: bad, ..EXACT },
            Tolerances { accuracy: bad, ..EXACT },
            Tolerances { allow: Allowance::Share(bad), ..EXACT },
        ] {
            let e = compare(side(&good), side(&good), tolerances, &[]).unwrap_err().to_string();
            assert!(e.contains("expected a number from 0 to 1"), "{e}");
        }
        let odd = Side { explanations: &good, accuracy: Some(bad), headline: Headline::Iou };
        let e = compare(side(&good), odd, EXACT, &[]).unwrap_err().to_string();
        assert!(e.contains("accuracy of the run"), "{e}");
    }
}

#[test]
fn a_comparison_is_read_back_from_json() {
    let base = run(vec![unit(0, "a", 0.5), unit(1, "", 0.0)]);
    let found = check(&base, &run(vec![unit(0, "b", 0.1)]), Tolerances { allow: Allowance::Share(0.5), ..EXACT });
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), found);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&value["units"][0]["verdict"], &value["totals"]["formula_changed"]),
        (&"formula_changed".into(), &1.into())
    );
    assert_eq!((&value["tolerances"]["allow"], &value["version"]), (&json!({ "share": 0.5 }), &1.into()));
}

/// The formula with the operands of its connectives swapped where `swaps` says so, a bit a connective.
fn swapped(formula: &Formula, swaps: &mut u64) -> Formula {
    let swap = *swaps & 1 == 1;
    let mut parts = |a: &Formula, b: &Formula| {
        *swaps >>= 1;
        let (a, b) = (swapped(a, swaps), swapped(b, swaps));
        if swap { (b, a) } else { (a, b) }
    };
    match formula {
        Formula::Atom(_) => formula.clone(),
        Formula::Not(a) => swapped(a, swaps).not(),
        Formula::And(a, b) => {
            let (a, b) = parts(a, b);
            a.and(b)
        }
        Formula::Or(a, b) => {
            let (a, b) = parts(a, b);
            a.or(b)
        }
    }
}

/// The same formula over concepts that are numbered the other way round, as [`names`] with `reversed` has them.
fn renumbered(formula: &Formula) -> Formula {
    match formula {
        Formula::Atom(atom) => Formula::Atom(Atom { concept: ConceptId(5 - atom.concept.0), ..*atom }),
        Formula::Not(a) => renumbered(a).not(),
        Formula::And(a, b) => renumbered(a).and(renumbered(b)),
        Formula::Or(a, b) => renumbered(a).or(renumbered(b)),
    }
}

fn names(reversed: bool) -> Vocabulary {
    let id = |i: u32| ConceptId(if reversed { 5 - i } else { i });
    let names = (0..).zip(["wall", "night table", "AND", "7", "", "hyp:tok:\"man"]);
    Vocabulary::new(names.map(|(i, n)| Concept { id: id(i), name: n.into(), category: String::new() }).collect())
        .unwrap()
}

fn any_units() -> impl Strategy<Value = Vec<(Option<Formula>, f64)>> {
    proptest::collection::vec((proptest::option::of(any_formula()), 0.0..=1.0_f64), 0..6)
}

fn written<'a>(units: impl Iterator<Item = (Option<Formula>, &'a f64)>, vocabulary: &Vocabulary) -> Explanations {
    let one = |(i, (f, iou)): (usize, (Option<Formula>, &f64))| match f {
        Some(f) => unit(i, &f.display(vocabulary).to_string(), *iou),
        None => unit(i, "", 0.0),
    };
    run(units.enumerate().map(one).collect())
}

proptest! {
    #[test]
    fn a_run_never_drifts_from_itself(units in any_units(), accuracy in proptest::option::of(0.0..=1.0_f64)) {
        let all = written(units.iter().map(|(f, iou)| (f.clone(), iou)), &names(false));
        let one = Side { explanations: &all, accuracy, headline: Headline::Iou };
        let found = compare(one, one, EXACT, &["inputs"]).unwrap();
        prop_assert!(!found.drift);
        prop_assert_eq!(found.totals[&Verdict::Same], units.len());
    }

    #[test]
    fn permuted_operands_and_renumbered_concepts_never_drift(units in any_units(), swaps in any::<u64>()) {
        let base = written(units.iter().map(|(f, iou)| (f.clone(), iou)), &names(false));
        let other = |f: &Formula| renumbered(&swapped(f, &mut swaps.clone()));
        let after = written(units.iter().map(|(f, iou)| (f.as_ref().map(other), iou)), &names(true));
        let found = check(&base, &after, EXACT);
        prop_assert!(!found.drift, "{:?}", found.units);
    }

    #[test]
    fn the_negation_of_a_negation_never_drifts_and_a_negation_always(units in any_units()) {
        let base = written(units.iter().map(|(f, iou)| (f.clone(), iou)), &names(false));
        let twice = written(units.iter().map(|(f, iou)| (f.as_ref().map(|f| f.negation().not()), iou)), &names(false));
        prop_assert!(!check(&base, &twice, EXACT).drift);
        let once = written(units.iter().map(|(f, iou)| (f.as_ref().map(Formula::negation), iou)), &names(false));
        prop_assert_eq!(check(&base, &once, EXACT).drift, units.iter().any(|(f, _)| f.is_some()));
    }

    #[test]
    fn drift_is_symmetric_and_wider_tolerances_never_add_any(
        a in any_units(), b in any_units(), tight in 0.0..0.5_f64, more in 0.0..0.5_f64
    ) {
        let [a, b] = [a, b].map(|u| written(u.iter().map(|(f, iou)| (f.clone(), iou)), &names(false)));
        let tolerances = |iou| Tolerances { iou, ..EXACT };
        prop_assert_eq!(check(&a, &b, tolerances(tight)).drift, check(&b, &a, tolerances(tight)).drift);
        prop_assert!(check(&a, &b, tolerances(tight)).drift || !check(&a, &b, tolerances(tight + more)).drift);
    }
}
