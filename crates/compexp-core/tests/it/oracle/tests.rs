//! The oracle against hand-worked cases, a position-by-position recount of what it prints, and exhaustive search.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::beam::{compare, fraction};
use super::bits::{Counts, Join};
use super::formula::{Chain, Literal};
use super::*;

fn mask(text: &str) -> Vec<bool> {
    text.bytes().map(|byte| byte == b'1').collect()
}

fn problem(concepts: &[(u32, &str)], unit: &str, neighbors: &[(u32, &[u32])]) -> Problem {
    Problem {
        concepts: concepts.iter().map(|(id, text)| (*id, mask(text))).collect(),
        unit: mask(unit),
        neighbors: neighbors.iter().map(|(id, others)| (*id, others.to_vec())).collect(),
    }
}

fn settings(length: usize, beam: usize) -> Settings {
    Settings { length, beam, ..Settings::default() }
}

fn formulas(beam: &[(String, f64)]) -> Vec<&str> {
    beam.iter().map(|(formula, _)| formula.as_str()).collect()
}

/// Evaluates a printed formula position by position: an independent path from text to counts.
fn evaluate(problem: &Problem, formula: &str) -> Vec<bool> {
    let spaced = formula.replace('(', "( ").replace(')', " )");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let (mask, rest) = parse(problem, &tokens);
    assert!(rest.is_empty(), "{formula}: left over {rest:?}");
    mask
}

fn parse<'a>(problem: &Problem, tokens: &'a [&'a str]) -> (Vec<bool>, &'a [&'a str]) {
    let concept = |text: &str| {
        let id: u32 = text.parse().unwrap();
        problem.concepts.iter().find(|(other, _)| *other == id).unwrap_or_else(|| panic!("concept {id}")).1.clone()
    };
    let (mask, rest) = match tokens {
        ["(", "NOT", rest @ ..] => {
            let (mask, rest) = parse(problem, rest);
            (mask.iter().map(|on| !on).collect(), rest)
        }
        ["(", "NEIGHBORS", id, rest @ ..] => {
            let others = problem.neighbors.get(&id.parse().unwrap()).cloned().unwrap_or_default();
            let mut mask = concept(id);
            for other in others {
                mask = mask.iter().zip(concept(&other.to_string())).map(|(a, b)| *a || b).collect();
            }
            (mask, rest)
        }
        ["(", rest @ ..] => {
            let (left, rest) = parse(problem, rest);
            let (right, after) = parse(problem, &rest[1..]);
            let join = |(a, b): (&bool, bool)| if rest[0] == "AND" { *a && b } else { *a || b };
            assert!(["AND", "OR"].contains(&rest[0]), "{}", rest[0]);
            (left.iter().zip(right).map(join).collect(), after)
        }
        [id, rest @ ..] => return (concept(id), rest),
        [] => panic!("formula ends early"),
    };
    assert_eq!(rest[0], ")");
    (mask, &rest[1..])
}

fn recount(problem: &Problem, formula: &str) -> Counts {
    let mask = evaluate(problem, formula);
    let area = |mask: &[bool]| mask.iter().filter(|on| **on).count() as u64;
    let both = mask.iter().zip(&problem.unit).filter(|(a, b)| **a && **b).count() as u64;
    Counts { universe: mask.len() as u64, formula: area(&mask), unit: area(&problem.unit), both }
}

#[test]
fn vision_breaks_exact_ties_by_what_it_adds_to_the_union() {
    let problem = problem(&[(1, "10000"), (2, "11110")], "11000", &[]);
    let found = vision_compat(&problem, &settings(1, 2));
    assert_eq!(found.beams, [[("2".to_owned(), 2.0 / (4.0 + 1e-10)), ("1".to_owned(), 1.0 / (2.0 + 1e-10))]]);
    assert_eq!(formulas(&nli_compat(&problem, &settings(1, 2)).beams[0]), ["1", "(NEIGHBORS 1)"]);
    let found = default_beam(&problem, &settings(1, 2));
    assert_eq!(found.beams, [[("1".to_owned(), 0.5), ("2".to_owned(), 0.5)]]);
}

#[test]
fn vision_keeps_copies_in_order_of_insertion() {
    let problem = problem(&[(1, "1000"), (2, "0100")], "1100", &[]);
    let found = vision_compat(&problem, &settings(2, 6));
    assert_eq!(formulas(&found.beams[0]), ["1", "2"]);
    assert_eq!(formulas(&found.beams[1]), ["(1 OR 2)", "(2 OR 1)", "1", "2", "(1 OR 1)", "(1 AND 1)"]);
    assert_eq!((found.intersection, found.union), (2, 2));
    assert_eq!(found.by_length[1], (2.0 / (2.0 + 1e-10), "(1 OR 2)".to_owned()));
}

#[test]
fn vision_joins_concepts_without_overlap_but_does_not_start_from_them() {
    let problem = problem(&[(3, "1110"), (5, "0110"), (9, "0000")], "1000", &[]);
    let found = vision_compat(&problem, &settings(2, 4));
    assert_eq!(formulas(&found.beams[0]), ["3"]);
    assert_eq!(formulas(&found.beams[1]), ["(3 AND (NOT 5))", "3", "(3 OR 3)", "(3 AND 3)"]);
}

#[test]
fn vision_limit_walks_primitives_in_rank_order() {
    let problem = problem(&[(1, "1000"), (2, "0110")], "1110", &[]);
    let limited = |beam_limit| vision_compat(&problem, &Settings { beam_limit, ..settings(2, 6) });
    let (all, two, one) = (limited(None), limited(Some(2)), limited(Some(1)));
    let (both, same) = (["(2 OR 1)", "(1 OR 2)", "2"], ["(2 OR 2)", "(2 AND 2)"]);
    assert_eq!(formulas(&all.beams[1]), [&both[..], &["(2 AND (NOT 1))"], &same].concat());
    assert_eq!(formulas(&two.beams[1]), [&both[..], &same, &["(2 AND (NOT 1))"]].concat());
    assert_eq!(formulas(&one.beams[1])[..4], ["(1 OR 2)", "2", "(2 OR 2)", "(2 AND 2)"]);
}

#[test]
fn negation_costs_one_more_in_compat_and_nothing_by_default() {
    let problem = problem(&[(1, "1100"), (2, "0100")], "1000", &[]);
    let settings = Settings { penalty: 0.9, ..settings(2, 3) };
    let found = vision_compat(&problem, &settings);
    assert_eq!((found.formula.as_str(), found.score), ("(1 AND (NOT 2))", 1.0 / (1.0 + 1e-10) * 0.9f64.powf(2.0)));
    assert_eq!(found.primitive, ("1".to_owned(), 1.0 / (2.0 + 1e-10)));
    let found = default_beam(&problem, &settings);
    assert_eq!((found.formula.as_str(), found.score), ("(1 AND (NOT 2))", 0.9));
}

#[test]
fn nli_joins_every_leaf_twice_and_never_neighbors() {
    let problem = problem(&[(0, "1000"), (1, "0100")], "1100", &[]);
    let found = nli_compat(&problem, &settings(2, 8));
    assert_eq!(formulas(&found.beams[0]), ["0", "(NEIGHBORS 0)", "1", "(NEIGHBORS 1)"]);
    let [a, b, c, d] = ["(0 OR 1)", "((NEIGHBORS 0) OR 1)", "(1 OR 0)", "((NEIGHBORS 1) OR 0)"];
    assert_eq!(formulas(&found.beams[1]), [a, a, b, b, c, c, d, d]);
    let limited = nli_compat(&problem, &Settings { beam_limit: Some(2), ..settings(2, 4) });
    assert_eq!(formulas(&limited.beams[1]), [c, c, d, d]);
    // An odd limit cuts between a leaf and its copy.
    let limited = nli_compat(&problem, &Settings { beam_limit: Some(3), ..settings(2, 8) });
    assert_eq!(formulas(&limited.beams[1])[..6], [a, b, c, c, d, d]);
}

#[test]
fn nli_first_beam_holds_zeros_and_neighbors_lend_their_leaf() {
    let problem = problem(&[(0, "0011"), (1, "1000")], "1100", &[(0, &[1])]);
    let found = nli_compat(&problem, &settings(2, 5));
    assert_eq!(found.beams[0].iter().map(|(_, score)| *score).collect::<Vec<_>>(), [0.5, 0.5, 0.25, 0.0]);
    assert_eq!(formulas(&found.beams[0]), ["1", "(NEIGHBORS 1)", "(NEIGHBORS 0)", "0"]);
    assert_eq!(formulas(&found.beams[1]), ["1", "(NEIGHBORS 1)", "(1 AND (NOT 0))", "(1 OR 1)", "(1 AND 1)"]);
}

#[test]
fn nli_penalty_falls_on_neighbors_primitives() {
    let problem = problem(&[(0, "0011"), (1, "1000")], "1100", &[(0, &[1])]);
    let found = nli_compat(&problem, &Settings { penalty: 0.5, ..settings(1, 4) });
    let expected = [("1", 0.5), ("(NEIGHBORS 1)", 0.25), ("(NEIGHBORS 0)", 0.125), ("0", 0.0)];
    assert_eq!(found.beams[0], expected.map(|(formula, score)| (formula.to_owned(), score)));
}

#[test]
fn unexplained_units_say_why() {
    let concepts: &[(u32, &str)] = &[(1, "0011"), (2, "0001")];
    let found = |unit: &str, min_activations| {
        let (problem, settings) = (problem(concepts, unit, &[]), Settings { min_activations, ..settings(2, 2) });
        [vision_compat, nli_compat, default_beam].map(|search| {
            let found = search(&problem, &settings);
            assert_eq!((found.score, found.intersection), (0.0, 0));
            (found.status, found.formula)
        })
    };
    let all = |status, formulas: [&str; 3]| formulas.map(|formula| (status, formula.to_owned()));
    assert_eq!(found("0000", 1), all(Status::Silent, ["NONE", "0", "NONE"]));
    assert_eq!(found("0010", 2), all(Status::TooFew, ["NONE", "0", "NONE"]));
    assert_eq!(found("1100", 2), all(Status::NoOverlap, ["NONE", "1", "NONE"]));
}

#[test]
fn chains_print_their_runs_sorted() {
    use Join::{And, AndNot, Or};
    use Literal::{Concept as C, Neighbors as N};
    let check = |first, rest: &[(Join, Literal)], expected: &str| {
        let chain = rest.iter().fold(Chain::new(first), |chain, (join, literal)| chain.join(*join, *literal));
        assert_eq!(chain.print(), expected);
    };
    check(C(7), &[], "7");
    check(C(3), &[(AndNot, C(1)), (And, C(2))], "((2 AND 3) AND (NOT 1))");
    check(
        N(3),
        &[(AndNot, N(1)), (And, C(9)), (AndNot, C(8))],
        "(((9 AND (NEIGHBORS 3)) AND (NOT 8)) AND (NOT (NEIGHBORS 1)))",
    );
    check(N(1), &[(Or, C(10)), (Or, C(9))], "((9 OR 10) OR (NEIGHBORS 1))");
    check(
        C(2),
        &[(Or, C(1)), (AndNot, C(4)), (And, C(3)), (Or, C(6)), (Or, C(5))],
        "(((((1 OR 2) AND 3) AND (NOT 4)) OR 5) OR 6)",
    );
}

#[test]
fn canonical_order_goes_by_kind_then_operands() {
    use Join::{And, AndNot, Or};
    let chain = |first: u32, rest: &[(Join, u32)]| {
        let first = Chain::new(Literal::Concept(first));
        rest.iter().fold(first, |chain, (join, id)| chain.join(*join, Literal::Concept(*id)))
    };
    let order = [
        chain(9, &[]),
        Chain::new(Literal::Neighbors(1)),
        chain(3, &[(And, 2)]),
        chain(2, &[(AndNot, 1)]),
        chain(1, &[(Or, 3)]),
        chain(3, &[(And, 2), (And, 1)]),
        chain(1, &[(AndNot, 3), (And, 2)]),
        chain(1, &[(Or, 2), (And, 1)]),
        chain(3, &[(And, 4), (Or, 1)]),
        chain(3, &[(And, 4), (Or, 2)]),
    ];
    for pair in order.windows(2) {
        assert_eq!(pair[0].key().cmp(&pair[1].key()), Ordering::Less, "{} / {}", pair[0].print(), pair[1].print());
    }
    assert_eq!(chain(1, &[(And, 2)]).key(), chain(2, &[(And, 1)]).key());
    assert_eq!(chain(1, &[(Or, 2), (AndNot, 3)]).key(), chain(2, &[(Or, 1), (AndNot, 3)]).key());
}

#[test]
fn default_search_represents_a_mask_by_its_shortest_then_first_formula() {
    // 4 equals 2, NEIGHBORS 3 equals 1, and 1 equals (2 OR 3).
    let concepts: &[(u32, &str)] = &[(1, "11100"), (2, "11000"), (3, "00100"), (4, "11000")];
    let problem = problem(concepts, "11110", &[(3, &[4]), (2, &[4])]);
    let found = default_beam(&problem, &settings(3, 10));
    assert_eq!(formulas(&found.beams[0]), ["1", "2", "3"]);
    assert_eq!(formulas(&found.beams[2]), ["1", "2", "3"]);
    assert_eq!((found.intersection, found.union, found.formula_area, found.unit_area), (3, 4, 3, 4));
}

#[test]
fn default_search_joins_neighbors_on_the_right_and_negated() {
    let concepts: &[(u32, &str)] = &[(0, "1111110"), (1, "1000000"), (2, "0100000"), (3, "0010000")];
    let neighbors: &[(u32, &[u32])] = &[(1, &[2, 3])];
    let found = default_beam(&problem(concepts, "0001110", neighbors), &settings(2, 3));
    assert_eq!((found.formula.as_str(), found.score), ("(0 AND (NOT (NEIGHBORS 1)))", 1.0));
    let concepts: &[(u32, &str)] = &[(0, "000110"), (1, "100000"), (2, "010000"), (3, "001000")];
    let found = default_beam(&problem(concepts, "111110", neighbors), &settings(2, 3));
    assert_eq!((found.formula.as_str(), found.score), ("(0 OR (NEIGHBORS 1))", 1.0));
}

#[test]
fn metrics_are_shares_of_the_formula_and_of_the_unit() {
    let counts = Counts { universe: 9, formula: 6, unit: 4, both: 2 };
    let all = [Metric::Iou, Metric::Precision, Metric::Recall, Metric::F1].map(|metric| fraction(counts, metric));
    assert_eq!(all, [(2, 8), (2, 6), (2, 4), (4, 10)]);
    let problem = problem(&[(1, "1110"), (2, "1000")], "1100", &[]);
    let best = |metric| {
        let settings = Settings { metric, ..settings(1, 1) };
        [vision_compat, nli_compat, default_beam].map(|search| search(&problem, &settings).primitive)
    };
    assert_eq!(best(Metric::Precision), [(); 3].map(|()| ("2".to_owned(), 1.0)));
    assert_eq!(best(Metric::Recall), [(); 3].map(|()| ("1".to_owned(), 1.0)));
    assert_eq!(best(Metric::F1), [(); 3].map(|()| ("1".to_owned(), 0.8)));
}

#[test]
fn concepts_by_position_are_sorted_sets() {
    let problem = problem(&[(7, "110"), (2, "011"), (5, "000")], "000", &[]);
    assert_eq!(problem.concepts_by_position(), [vec![7], vec![2, 7], vec![2]]);
}

#[test]
fn random_problems_hold_every_degenerate_case() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let problem = random_problem(seed, 12, 60, seed % 2 == 0);
        let again = random_problem(seed, 12, 60, seed % 2 == 0);
        assert_eq!((&problem.concepts, &problem.unit), (&again.concepts, &again.unit), "seed {seed}");
        for (index, (_, a)) in problem.concepts.iter().enumerate() {
            let area = a.iter().filter(|on| **on).count();
            seen.extend((area == 0).then_some("empty"));
            seen.extend((area == 60).then_some("universal"));
            for (_, b) in problem.concepts[..index].iter().filter(|_| area > 0 && area < 60) {
                let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
                seen.extend((a == b).then_some("equal"));
                seen.extend((a != b && both == area).then_some("nested"));
                seen.extend((both == 0).then_some("disjoint"));
            }
        }
        let status = default_beam(&problem, &settings(1, 1)).status;
        seen.insert(match status {
            Status::Explained => "explained",
            Status::Silent => "silent",
            Status::NoOverlap => "no overlap",
            Status::TooFew | Status::Uncorrelated => panic!("neither was asked for"),
        });
        seen.extend((!problem.neighbors.is_empty()).then_some("neighbors"));
    }
    let all = ["empty", "universal", "equal", "nested", "disjoint", "explained", "silent", "no overlap", "neighbors"];
    assert_eq!(seen, BTreeSet::from(all));
}

/// Problems from tiny (many ties) to a few words of mask, with and without neighbours.
fn problems(concepts: std::ops::Range<usize>) -> impl Strategy<Value = Problem> {
    (any::<u64>(), concepts, 1usize..200, any::<bool>())
        .prop_map(|(seed, concepts, positions, neighbors)| random_problem(seed, concepts, positions, neighbors))
}

fn metrics() -> impl Strategy<Value = Metric> {
    prop_oneof![Just(Metric::Iou), Just(Metric::Precision), Just(Metric::Recall), Just(Metric::F1)]
}

/// Those of the default search.
fn all_metrics() -> impl Strategy<Value = Metric> {
    prop_oneof![metrics(), Just(Metric::Mcc)]
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn printed_formulas_have_the_reported_counts_and_scores(
        problem in problems(1..10), metric in metrics(), length in 1usize..4, beam in 1usize..8,
    ) {
        let settings = Settings { metric, ..settings(length, beam) };
        for search in [vision_compat, nli_compat, default_beam] {
            let found = search(&problem, &settings);
            prop_assert_eq!(found.beams.len(), if found.beams.is_empty() { 0 } else { length });
            for beam in &found.beams {
                prop_assert!(beam.len() <= settings.beam && beam.windows(2).all(|pair| pair[0].1 >= pair[1].1));
                for (formula, score) in beam {
                    let (part, whole) = fraction(recount(&problem, formula), metric);
                    prop_assert!((part as f64 / whole as f64 - score).abs() < 1e-9, "{} {}", formula, score);
                }
            }
            if found.status == Status::Explained {
                let counts = recount(&problem, &found.formula);
                let universe = problem.unit.len() as u64;
                prop_assert_eq!(counts, Counts { universe, formula: found.formula_area, unit: found.unit_area, both: found.intersection });
                prop_assert_eq!(counts.union(), found.union);
            }
        }
    }

    #[test]
    fn default_beams_hold_distinct_masks_in_strict_order(
        problem in problems(1..10), metric in all_metrics(), length in 1usize..4, beam in 1usize..12,
    ) {
        let found = default_beam(&problem, &Settings { metric, ..settings(length, beam) });
        for beam in &found.beams {
            let masks: BTreeSet<Vec<bool>> = beam.iter().map(|(formula, _)| evaluate(&problem, formula)).collect();
            prop_assert_eq!(masks.len(), beam.len());
            let literals = |formula: &str| formula.chars().filter(|c| *c == ' ').count()
                - formula.matches("NOT").count() - formula.matches("NEIGHBORS").count();
            for pair in beam.windows(2) {
                let of = |formula: &str| fraction(recount(&problem, formula), metric);
                let order = compare(of(&pair[1].0), of(&pair[0].0));
                prop_assert!(order.then(literals(&pair[0].0).cmp(&literals(&pair[1].0))).is_le(), "{:?}", pair);
            }
        }
    }

    #[test]
    fn vision_compat_reaches_no_more_than_exhaustive_search(
        problem in problems(1..5), length in 1usize..4, beam in 1usize..6,
    ) {
        // Vision joins plain concepts only; the exhaustive search may also use NEIGHBORS.
        let best = brute_force_with_constants(&problem, length, Metric::Iou);
        let found = vision_compat(&problem, &settings(length, beam));
        if found.status == Status::Explained {
            let best = best.expect("a primitive overlaps");
            prop_assert!(compare((found.intersection.into(), found.union.into()), best.fraction).is_le());
        }
    }

    #[test]
    fn default_beam_with_room_for_everything_is_optimal(
        problem in problems(1..4), metric in all_metrics(), length in 1usize..4, narrow in 1usize..6,
    ) {
        let best = brute_force(&problem, length, metric);
        let wide = default_beam(&problem, &Settings { metric, ..settings(length, usize::MAX) });
        let narrow = default_beam(&problem, &Settings { metric, ..settings(length, narrow) });
        let Some(best) = best else {
            prop_assert!(wide.status != Status::Explained && narrow.status != Status::Explained);
            return Ok(());
        };
        let of = |formula: &str| fraction(recount(&problem, formula), metric);
        prop_assert!(compare(of(&wide.formula), best.fraction).is_eq(), "{} / {}", wide.formula, best.formula);
        prop_assert!(narrow.status == Status::Uncorrelated || compare(of(&narrow.formula), best.fraction).is_le());
        let counts = recount(&problem, &best.formula);
        prop_assert_eq!((counts.both, counts.union()), (best.intersection, best.union));
        if length <= 2 {
            prop_assert_eq!(wide.formula, best.formula);
        }
    }

    #[test]
    fn a_limit_as_large_as_the_vocabulary_changes_nothing_by_default(problem in problems(1..8), length in 1usize..4) {
        let limited = Settings { beam_limit: Some(1000), ..settings(length, 4) };
        prop_assert_eq!(default_beam(&problem, &limited), default_beam(&problem, &settings(length, 4)));
    }

    #[test]
    fn nli_without_neighbors_scores_as_vision_where_all_primitives_overlap(problem in problems(1..8), length in 1usize..3) {
        // With a beam that holds everything both searches see the same masks, however often.
        let plain = Problem { neighbors: BTreeMap::new(), ..problem };
        let [vision, nli] = [vision_compat, nli_compat].map(|search| search(&plain, &settings(length, 100_000)));
        let overlapping = |(_, mask): &(u32, Vec<bool>)| mask.iter().zip(&plain.unit).any(|(a, b)| *a && *b);
        if plain.concepts.iter().all(overlapping) {
            prop_assert!(compare((vision.intersection.into(), vision.union.into()), (nli.intersection.into(), nli.union.into())).is_eq());
        }
    }
}
