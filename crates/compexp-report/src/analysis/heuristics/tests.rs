//! Tests of words and labels against a plain computation.

use compexp_core::random::Random;

use super::super::tests::records;
use super::*;
use crate::random::Purpose;

const LETTERS: &str = "abcdefgh";

/// A run of sentence pairs whose concepts are words of hypotheses (`a` to `e`), of premises (`f`, `g`) and a tag (`h`).
fn run(formulas: &[&str], words: PairWords) -> Records {
    let name = |letter: char| match letter {
        'a'..='e' => format!("hyp:tok:{letter}"),
        'f' | 'g' => format!("pre:tok:{letter}"),
        _ => format!("hyp:tag:{letter}"),
    };
    let plain: Vec<(&str, &[f64], &[usize])> = formulas.iter().map(|f| (*f, &[0.5][..], &[][..])).collect();
    let run = records(LETTERS, &plain, &[], &[]);
    let (mut explanations, mut concepts) = (run.explanations, run.concepts);
    for unit in &mut explanations.units {
        let text = unit.formula.take();
        let renamed = |c: char| if c.is_ascii_lowercase() { name(c) } else { c.to_string() };
        unit.formula = text.map(|text| text.chars().map(renamed).collect());
    }
    for concept in &mut concepts {
        concept.name = concept.name.chars().map(name).collect();
    }
    let activity = vec![0; 0];
    let run = Records::new(explanations, concepts, vec![], activity, None).unwrap();
    Records { words: Some(words), ..run }
}

fn table(labels: usize, pairs: &[&[u64]], supports: &[(usize, usize)]) -> PairWords {
    PairWords {
        labels: ["entailment", "neutral", "contradiction"][..labels].iter().map(|l| (*l).to_owned()).collect(),
        words: (1..).zip(pairs).map(|(id, pairs)| (ConceptId(id), pairs.to_vec())).collect(),
        supports: supports.iter().copied().collect(),
    }
}

#[test]
fn information_units_and_uses_are_those_of_a_plain_computation() {
    for case in 0..50 {
        let mut random = Random::new(5, Purpose::Ablation, case);
        let pairs: Vec<Vec<u64>> = (0..7).map(|_| (0..3).map(|_| random.below(60) as u64).collect()).collect();
        let pairs: Vec<&[u64]> = pairs.iter().map(Vec::as_slice).collect();
        let letters: Vec<char> = LETTERS.chars().collect();
        // Two literals, the second negated or not; a unit without a label now and then.
        let made: Vec<(char, char, bool, Option<usize>)> = (0..12)
            .map(|_| {
                let (a, b) = (letters[random.below(8)], letters[random.below(8)]);
                (a, b, random.below(2) == 0, [None, Some(0), Some(1), Some(2)][random.below(4)])
            })
            .collect();
        let texts: Vec<String> = made
            .iter()
            .map(|(a, b, negated, _)| if *negated { format!("({a} AND (NOT {b}))") } else { format!("({a} OR {b})") })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let supports: Vec<_> =
            made.iter().enumerate().filter_map(|(unit, (.., label))| Some((unit + 10, (*label)?))).collect();
        let found = heuristics(&run(&texts, table(3, &pairs, &supports))).unwrap();

        let has = |unit: usize, letter: char| {
            let (a, b, negated, _) = made[unit];
            a == letter || !negated && b == letter
        };
        for (side, of_side) in [(Side::Hypothesis, 0..5), (Side::Premise, 5..7)] {
            let count = |word: usize, label: usize| pairs[word][label] as f64 + 10.0;
            let total: f64 = of_side.clone().map(|w| (0..3).map(|l| count(w, l)).sum::<f64>()).sum();
            let pmi = |word: usize, label: usize| {
                let of_word: f64 = (0..3).map(|l| count(word, l)).sum();
                let of_label: f64 = of_side.clone().map(|w| count(w, label)).sum();
                (count(word, label) / total / (of_word / total) / (of_label / total)).ln()
            };
            let favoured = |word: usize| {
                let values = [pmi(word, 0), pmi(word, 1), pmi(word, 2)];
                values.iter().position(|v| *v == values.iter().copied().fold(f64::MIN, f64::max)).unwrap()
            };
            let (mut uses, mut hits, mut words, mut units) = (0.0, 0.0, [0.0; 3], [0.0; 3]);
            for word in of_side.clone() {
                let row = &found.words[word];
                assert_eq!((&row.word, row.side), (&letters[word].to_string(), side));
                for (label, of_label) in units.iter_mut().enumerate() {
                    assert!((row.pmi[label] - pmi(word, label)).abs() < 1e-12);
                    let with = (0..12).filter(|u| has(*u, letters[word]) && made[*u].3 == Some(label)).count();
                    assert_eq!(row.supporting[label], with);
                    uses += with as f64;
                    *of_label += with as f64;
                    words[favoured(word)] += with as f64;
                    hits += if favoured(word) == label { with as f64 } else { 0.0 };
                }
                assert_eq!(row.units, (0..12).filter(|u| has(*u, letters[word])).count());
            }
            let row = found.uses.iter().find(|row| row.side == side);
            assert_eq!(row.is_some(), uses > 0.0);
            if let Some(row) = row {
                let chance: f64 = (0..3).map(|l| words[l] / uses * units[l] / uses).sum();
                assert_eq!(row.uses as f64, uses);
                assert!((row.share - hits / uses).abs() < 1e-12 && (row.chance - chance).abs() < 1e-12);
                let [low, high] = row.interval;
                assert!((0.0..=1.0).contains(&low) && low <= row.share && row.share <= high && high <= 1.0, "{row:?}");
            }
        }
    }
}

#[test]
fn the_sentence_says_whether_units_use_the_artefacts() {
    let pairs: [&[u64]; 4] = [&[90, 0], &[80, 10], &[0, 90], &[10, 70]];
    let texts: Vec<&str> = ["a", "b", "c", "d"].into_iter().cycle().take(40).collect();
    let sentence = |supports: &dyn Fn(usize) -> usize| {
        let supports: Vec<_> = (0..40).map(|unit| (unit + 10, supports(unit))).collect();
        heuristics(&run(&texts, table(2, &pairs, &supports))).unwrap().uses[0].sentence()
    };
    let found = sentence(&|unit| usize::from(unit % 4 > 1));
    let expected = "Of 40 uses of hypothesis words in formulas, 100.0% [100.0%, 100.0%] are in a unit that supports the label \
                    which the word goes with most, 50.0% by chance: units use words that go with their label.";
    assert_eq!(found, expected);
    assert!(sentence(&|unit| usize::from(unit % 4 <= 1)).ends_with("units use words that go with other labels."));
    assert!(sentence(&|unit| unit / 4 % 2).ends_with("50.0% by chance: no more than chance."));
}

#[test]
fn a_run_without_words_or_uses_says_so() {
    assert_eq!(heuristics(&records("a", &[("a", &[0.5], &[])], &[], &[])), None);
    let pairs: [&[u64]; 1] = [&[1, 2]];
    let found = heuristics(&run(&["h", "(NOT a)"], table(2, &pairs, &[(10, 0), (11, 1)]))).unwrap();
    assert_eq!((found.uses.len(), found.words.len(), found.words[0].units), (0, 1, 0));
}
