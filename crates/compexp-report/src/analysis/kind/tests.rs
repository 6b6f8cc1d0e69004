//! Tests of the kinds of explanations.

use compexp_core::random::Random;

use super::super::tests::records;
use super::Kind::{Coherent, Polysemantic, Single, Specialised};
use super::*;
use crate::random::Purpose;

/// `a`, `b` and `c` keep the same company in a chain; `d` and `e` are by themselves.
const RELATIONS: [(&str, &str, f64); 5] =
    [("a", "b", 0.6), ("b", "c", ALIKE), ("a", "c", 0.1), ("a", "d", 0.39), ("c", "d", -0.9)];

fn sorted(formula: &str) -> (Kind, String) {
    let row = kinds(&records("abcde", &[(formula, &[0.1], &[])], &RELATIONS, &[])).remove(0);
    assert_eq!(row.coherence.is_some(), row.kind == Coherent);
    let groups: Vec<String> = row.groups.iter().map(|g| g.concat()).collect();
    (row.kind, groups.join(" "))
}

#[test]
fn formulas_are_sorted_by_the_links_of_their_alternatives() {
    for (formula, kind, groups) in [
        ("a", Single, "a"),
        ("(NOT a)", Single, ""),
        ("(a OR (NEIGHBORS a))", Single, "a"),
        // One concept made narrower.
        ("(a AND (NOT d))", Specialised, "a"),
        ("((a AND (NOT d)) AND (NOT e))", Specialised, "a"),
        ("(a AND d)", Specialised, "ad"),
        ("(NOT ((NOT a) OR (NOT d)))", Specialised, "ad"),
        ("((a OR (NEIGHBORS a)) AND d)", Specialised, "ad"),
        ("((NOT a) AND (NOT d))", Specialised, ""),
        // A special case of `a` is no alternative to it.
        ("(a OR (a AND d))", Specialised, "ad"),
        ("((a AND (NOT d)) OR (a AND e))", Specialised, "ae"),
        // Alternatives with a link, direct or through others.
        ("(a OR b)", Coherent, "ab"),
        ("(b OR a)", Coherent, "ab"),
        ("((a OR b) OR c)", Coherent, "abc"),
        ("((a OR c) OR b)", Coherent, "abc"),
        ("(NOT ((NOT a) AND (NOT b)))", Coherent, "ab"),
        ("((a OR b) AND d)", Coherent, "abd"),
        ("((a OR b) AND (NOT d))", Coherent, "ab"),
        ("((a AND d) OR b)", Coherent, "abd"),
        ("((a AND d) OR (b AND d))", Coherent, "abd"),
        ("((a OR b) OR (a AND e))", Coherent, "abe"),
        // Without one.
        ("(a OR c)", Polysemantic, "a c"),
        ("(a OR d)", Polysemantic, "a d"),
        ("((a OR b) OR d)", Polysemantic, "ab d"),
        ("(NOT ((NOT a) AND (NOT d)))", Polysemantic, "a d"),
        ("((a AND d) OR e)", Polysemantic, "ad e"),
        ("((a OR e) OR (d AND b))", Polysemantic, "abd e"),
        // A common conjunct is no link.
        ("((a OR d) AND e)", Polysemantic, "a d"),
        ("((a OR d) AND b)", Polysemantic, "a d"),
        ("((a AND e) OR (d AND e))", Polysemantic, "ae de"),
        ("((a AND b) OR (b AND d))", Polysemantic, "ab bd"),
        ("(((a AND b) OR a) OR d)", Polysemantic, "a d"),
        ("(((a OR d) AND e) OR (b AND d))", Polysemantic, "a d"),
        // What is not negated has no link with what is.
        ("(a OR (NOT d))", Polysemantic, "a"),
        ("((a AND (NOT b)) OR (d AND (NOT b)))", Polysemantic, "a d"),
    ] {
        assert_eq!(sorted(formula), (kind, groups.to_owned()), "{formula}");
    }
}

#[test]
fn word_vectors_link_too_and_alone_they_are_lexical_coherence() {
    let formulas: [(&str, &[f64], &[usize]); 2] = [("(a OR b)", &[0.1], &[]), ("((a OR b) OR c)", &[0.1], &[])];
    let mut run = records("abc", &formulas, &[("a", "b", -1.0), ("b", "c", ALIKE)], &[]);
    let found = |run: &Records| kinds(run).into_iter().map(|row| (row.kind, row.coherence)).collect::<Vec<_>>();
    assert_eq!(found(&run), [(Polysemantic, None), (Polysemantic, None)]);
    run.relations[0].similarity = Some(SIMILAR);
    let both = [(Coherent, Some(Coherence::Lexical)), (Coherent, Some(Coherence::Perceptual))];
    assert_eq!(found(&run), both);
    run.relations[0].similarity = Some(SIMILAR - 1e-9);
    assert_eq!(found(&run), [(Polysemantic, None), (Polysemantic, None)]);
}

#[test]
fn ids_are_those_of_files() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.id());
    }
}

/// The kind of `first op letter op letter ...`, bracketed from the left, by the rule of the module in other words: before
/// every stretch of ORs there is one alternative, which has all letters before it that are not negated.
fn slowly(letters: &[char], ops: &[&str], link: impl Fn(char, char) -> bool) -> Kind {
    let mut sorts = Vec::new();
    let (mut before, mut at) = (vec![letters[0]], 0);
    while at < ops.len() {
        let stretch = ops[at..].iter().take_while(|op| **op == "OR").count();
        let mut all = vec![before.clone()];
        all.extend(letters[at + 1..=at + stretch].iter().map(|letter| vec![*letter]));
        if stretch > 0 {
            let n = all.len();
            let mut reach = vec![vec![false; n]; n];
            for i in 0..n {
                for j in 0..n {
                    reach[i][j] = i == j || all[i].iter().any(|a| all[j].iter().any(|b| link(*a, *b)));
                }
            }
            for k in 0..n {
                for i in 0..n {
                    for j in 0..n {
                        reach[i][j] |= reach[i][k] && reach[k][j];
                    }
                }
            }
            sorts.push(reach.iter().flatten().all(|r| *r));
        }
        before = all.concat();
        at += stretch;
        if at < ops.len() {
            if ops[at] == "AND" {
                before.push(letters[at + 1]);
            }
            at += 1;
        }
    }
    match (sorts.contains(&false), sorts.is_empty(), ops.is_empty()) {
        (true, _, _) => Polysemantic,
        (false, false, _) => Coherent,
        (_, _, true) => Single,
        _ => Specialised,
    }
}

#[test]
fn chains_of_any_operators_agree_with_a_slow_sorting() {
    let letters = ['a', 'b', 'c', 'd', 'e', 'f'];
    let mut seen = [0; 4];
    for case in 0..2000 {
        let mut random = Random::new(11, Purpose::Ablation, case);
        let mut relations = Vec::new();
        for (i, a) in letters.iter().enumerate() {
            for b in &letters[i + 1..] {
                relations.push((a.to_string(), b.to_string(), if random.below(3) == 0 { 0.5 } else { 0.3 }));
            }
        }
        let relations: Vec<_> = relations.iter().map(|(a, b, context)| (&a[..], &b[..], *context)).collect();
        let link = |a: char, b: char| {
            let ends = [a.min(b).to_string(), a.max(b).to_string()];
            relations.iter().any(|(x, y, context)| [*x, *y] == [&ends[0][..], &ends[1]] && *context == 0.5)
        };
        let mut order = letters;
        (0..5).for_each(|i| order.swap(i, i + random.below(6 - i)));
        let ops: Vec<&str> = (0..random.below(6)).map(|_| ["OR", "AND", "AND NOT"][random.below(3)]).collect();
        let mut text = order[0].to_string();
        for (op, letter) in ops.iter().zip(&order[1..]) {
            text = match *op {
                "AND NOT" => format!("({text} AND (NOT {letter}))"),
                _ => format!("({text} {op} {letter})"),
            };
        }
        let run = records("abcdef", &[(&text, &[0.1], &[])], &relations, &[]);
        let (found, expected) = (kinds(&run)[0].kind, slowly(&order, &ops, link));
        assert_eq!(found, expected, "{text}, {relations:?}");
        seen[Kind::ALL.iter().position(|kind| *kind == found).unwrap()] += 1;
    }
    assert!(seen.iter().all(|n| *n > 100), "{seen:?}");
}
