//! Cases on a classifier of which everything can be worked out by hand: its LSTM counts dogs.

use compexp_core::concept::ConceptId;
use ndarray::Array2;

use super::Direction::{Break as BREAK, Fulfil as FULFIL};
use super::*;
use crate::features::{FeatureConfig, Sentence, probe_set};
use crate::model::{Config as Sizes, Kind, Model};
use crate::text::WordTable;

const WORDS: [&str; 11] = ["UNK", "PAD", "dog", "cat", "man", "bird", "runs", "sits", "eats", "the", "."];

/// Unit 0 is tanh of the dogs in the hypothesis, unit 1 of those in the premise; `some` is said where a dog is in the
/// hypothesis, else `none`, and never `never`.
fn model() -> Model {
    let config = Sizes { kind: Kind::Bowman, embedding: 1, hidden: 1, bidirectional: false, features: 2, classes: 3 };
    let value = |name: &str, n: usize| -> Vec<f32> {
        match name {
            "encoder.emb.weight" => (0..n).map(|i| f32::from(u8::from(i == 2))).collect(),
            // Input, forget, new value, output.
            "encoder.rnn.weight_ih_l0" => vec![0.0, 0.0, 10.0, 0.0],
            "encoder.rnn.bias_ih_l0" => vec![20.0, 20.0, 0.0, 20.0],
            "bn.weight" | "bn.running_var" => vec![1.0; n],
            // Of premise, hypothesis, difference and product.
            "mlp.0.weight" => vec![0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            "mlp.3.weight" => vec![4.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            "mlp.3.bias" => vec![0.0, 1.0, -9.0],
            _ => vec![0.0; n],
        }
    };
    let shapes = config.shapes(WORDS.len()).into_iter();
    let weights = shapes.map(|(name, shape)| (name.clone(), value(&name, shape.iter().product()))).collect();
    Model { config, words: WordTable::new(WORDS.map(String::from).into()).unwrap(), weights }
}

fn sentence(text: &str) -> Sentence {
    let tag = |word: &str| match word {
        "dog" | "cat" | "man" | "bird" => "NN",
        "runs" | "sits" | "eats" => "VBZ",
        "the" => "DT",
        _ => ".",
    };
    let words: Vec<String> = text.split(' ').map(String::from).collect();
    Sentence { tags: words.iter().map(|word| tag(word).to_owned()).collect(), words }
}

/// 12 pairs; the hypotheses of the first 3 have a dog.
fn pairs() -> Vec<SplitPair> {
    let (things, verbs) = (["dog", "cat", "man", "bird"], ["runs", "sits", "eats"]);
    (0..12)
        .map(|i| SplitPair {
            premise: sentence(&format!("the {} {} .", things[i % 4], verbs[i % 3])),
            hypothesis: sentence(&format!("the {} {} .", things[i / 3], verbs[i % 3])),
        })
        .collect()
}

fn with_subject(formulas: &[&str], test: impl Fn(&Subject<'_>, &[Unit], &Lexicon, &[Vec<u32>])) {
    let (model, pairs, config) = (model(), pairs(), FeatureConfig::default());
    let classifier = Classifier::new(&model).unwrap();
    let set = probe_set(&pairs, None, None, &config).unwrap();
    let numbers = |s: &Sentence| model.words.encode(&s.words);
    let numbered: Vec<_> = pairs.iter().map(|p| (numbers(&p.premise), numbers(&p.hypothesis))).collect();
    let numbered: Vec<Pair<'_>> = numbered.iter().map(|(premise, hypothesis)| Pair { premise, hypothesis }).collect();
    let output = classifier.forward(&numbered).unwrap();
    let features = Features::new(Array2::from_shape_vec((12, 2), output.features).unwrap()).unwrap();
    let find = |name: &str| set.vocabulary.find(name).unwrap();
    let neighbors = Neighbors::from([(find("hyp:tok:cat"), vec![find("hyp:tok:dog")])]);
    let subject = Subject {
        classifier: &classifier,
        pairs: &pairs,
        annotator: &Annotator { vocabulary: &set.vocabulary, known: None, config: &config },
        neighbors: &neighbors,
        head: &model.head(["some", "none", "never"].map(String::from).into()).unwrap(),
        features: &features,
        logits: &output.logits,
    };
    let parse = |text: &&str| Formula::parse(text, &set.vocabulary).unwrap();
    let units: Vec<Unit> = formulas.iter().map(|text| Unit { unit: 0, formula: parse(text) }).collect();
    test(&subject, &units, &Lexicon::new(&subject), &subject.annotate());
}

#[test]
fn a_word_that_decides_flips_every_prediction_and_controls_none() {
    with_subject(&["hyp:tok:dog", "pre:tok:cat", "oth:overlap:overlap25"], |subject, units, lexicon, rows| {
        let candidates = subject.candidates(units, rows);
        let found: Vec<_> = candidates.iter().map(|c| (c.at, c.to)).collect();
        assert_eq!(found, [(0, 0), (1, 0)], "overlap is above 25% everywhere");
        let candidate = &candidates[0];
        assert!((candidate.weight - 8.0 / 3.0).abs() < 1e-6 && (candidate.gain - 1f64.tanh()).abs() < 1e-3);
        let case = Case::run(subject, lexicon, units, rows, candidate, FULFIL, &Config::default()).unwrap();
        let (tested, control) = (case.effect.tested, case.effect.control);
        // Before the noun, at the end, and in the noun's place, on 9 pairs.
        assert_eq!((tested.trials, tested.success), (27, 27));
        assert_eq!((control.trials, control.success, control.partial), (27, 0, 0));
        assert_eq!((case.effect.examples, case.effect.success.value), (9, 1.0));
        for edited in &case.edited {
            let pair = &subject.pairs[edited.pair];
            let after = edited.edit.apply(pair);
            assert_eq!(after.hypothesis.words[edited.edit.at], "dog");
            assert_eq!((edited.edit.side, edited.classes), (Side::Hypothesis, [1, 0, 1]));
            assert_eq!(after.hypothesis.words.len(), after.hypothesis.tags.len());
            assert_eq!(after.hypothesis.tags, sentence(&after.hypothesis.words.join(" ")).tags, "{after:?}");
            assert_eq!(after.hypothesis.words.last().unwrap(), ".", "{after:?}");
            assert!(["cat", "man", "bird"].contains(&edited.control.word.as_str()), "{edited:?}");
            assert!((edited.values[1] - 1f64.tanh()).abs() < 1e-3 && edited.values[2].abs() < 1e-3);
        }
        let ways: std::collections::BTreeSet<_> =
            case.edited.iter().map(|e| (e.edit.how == How::Insert, e.edit.at)).collect();
        assert_eq!(ways.into_iter().collect::<Vec<_>>(), [(false, 1), (true, 1), (true, 3)]);
        // A word that changes nothing.
        let case = Case::run(subject, lexicon, units, rows, &candidates[1], FULFIL, &Config::default()).unwrap();
        assert_eq!((case.effect.tested.success, case.effect.control.success), (0, 0));
        let again = Case::run(subject, lexicon, units, rows, &candidates[1], FULFIL, &Config::default()).unwrap();
        assert_eq!((case.effect, case.edited), (again.effect, again.edited));
    });
}

#[test]
fn forbidden_words_are_replaced_and_neighbours_are_inserted() {
    let formulas = ["(NOT hyp:tok:man)", "(NEIGHBORS hyp:tok:cat)", "(hyp:tok:dog AND pre:tok:man)"];
    with_subject(&formulas, |subject, units, lexicon, rows| {
        let run = |at: usize| {
            let candidate = subject.candidate(units, rows, at, 0).unwrap();
            Case::run(subject, lexicon, units, rows, &candidate, FULFIL, &Config::default()).unwrap()
        };
        let away = run(0);
        assert_eq!((away.effect.examples, away.effect.control.success), (3, 0));
        for edited in &away.edited {
            let Edited { edit, control, .. } = edited;
            assert_eq!((edit.at, edit.replaced.as_str(), edit.tag.as_str()), (1, "man", "NN"));
            assert_eq!(edit.how == How::Delete, edit.word.is_empty());
            assert!(edit.word != "man" && control.at != 1 && control.how == edit.how, "{edited:?}");
            assert_eq!(edited.classes[1] == 0, edit.word == "dog");
        }
        assert_eq!(away.edited.iter().filter(|edited| edited.edit.how == How::Delete).count(), 3);
        let words: std::collections::BTreeSet<_> = run(1).edited.into_iter().map(|e| e.edit.word).collect();
        assert_eq!(words.into_iter().collect::<Vec<_>>(), ["cat", "dog"]);
        let both = run(2);
        for edited in &both.edited {
            let after = edited.edit.apply(&subject.pairs[edited.pair]);
            let has = |s: &Sentence, word: &str| s.words.iter().any(|w| w == word);
            assert!(has(&after.hypothesis, "dog") && has(&after.premise, "man"), "{after:?}");
        }
        assert!(!both.edited.is_empty());
    });
}

/// What F is by the words and tags alone, without the annotator.
type Truth = fn(&SplitPair) -> bool;

fn has(sentence: &Sentence, word: &str) -> bool {
    sentence.words.iter().any(|w| w.eq_ignore_ascii_case(word))
}

/// Whether more than half of as many words are on both sides as on one only.
fn overlaps(pair: &SplitPair) -> bool {
    let words = |sentence: &Sentence| sentence.words.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    let (premise, hypothesis) = (words(&pair.premise), words(&pair.hypothesis));
    2 * premise.intersection(&hypothesis).count() > premise.symmetric_difference(&hypothesis).count()
}

#[test]
fn every_edit_turns_the_formula_and_no_control_does() {
    let formulas: [(&str, Truth); 5] = [
        ("hyp:tok:dog", |p| has(&p.hypothesis, "dog")),
        ("(hyp:tok:dog AND (NOT pre:tok:man))", |p| has(&p.hypothesis, "dog") && !has(&p.premise, "man")),
        ("((NEIGHBORS hyp:tok:cat) OR pre:tok:bird)", |p| {
            has(&p.hypothesis, "cat") || has(&p.hypothesis, "dog") || has(&p.premise, "bird")
        }),
        ("((NOT hyp:tok:sits) AND hyp:tag:vbz)", |p| {
            !has(&p.hypothesis, "sits") && p.hypothesis.tags.iter().any(|tag| tag == "VBZ")
        }),
        ("(hyp:tok:dog AND oth:overlap:overlap50)", |p| has(&p.hypothesis, "dog") && overlaps(p)),
    ];
    with_subject(&formulas.map(|(text, _)| text), |subject, units, lexicon, rows| {
        let (mut turned, mut ways) = ([0; 2], [0; 3]);
        for (at, (text, truth)) in formulas.iter().enumerate() {
            for (to, direction) in [(0, FULFIL), (0, BREAK), (1, FULFIL), (1, BREAK)] {
                let candidate = subject.candidate(units, rows, at, to).unwrap();
                let config = Config { edits: 20, ..Config::default() };
                let Ok(case) = Case::run(subject, lexicon, units, rows, &candidate, direction, &config) else {
                    continue;
                };
                for edited in &case.edited {
                    let before = &subject.pairs[edited.pair];
                    let (after, control) = (edited.edit.apply(before), edited.control.apply(before));
                    let found = [before, &after, &control].map(truth);
                    let is_true = direction == BREAK;
                    assert_eq!(found, [is_true, !is_true, is_true], "{text}, {direction:?}: {edited:?}");
                    // The model by hand: `some` with a dog in the hypothesis.
                    let said = [before, &after, &control].map(|pair| usize::from(!has(&pair.hypothesis, "dog")));
                    assert_eq!(edited.classes, said, "{text}: {edited:?}");
                    assert_eq!(edited.classes[0] == to, direction == BREAK);
                    for edit in [&edited.edit, &edited.control] {
                        let sentence = edit.side.of(before);
                        let there = sentence.words.get(edit.at).map_or("", String::as_str);
                        assert_eq!(edit.replaced, if edit.how == How::Insert { "" } else { there }, "{edit:?}");
                    }
                    assert_eq!((edited.edit.how, edited.edit.side), (edited.control.how, edited.control.side));
                    turned[usize::from(is_true)] += 1;
                    ways[edited.edit.how as usize] += 1;
                }
                let reached = case.edited.iter().filter(|e| (e.classes[1] == to) == (direction == FULFIL)).count();
                assert_eq!(case.effect.tested.success, reached, "{text}, {direction:?}");
                assert_eq!(case.effect.tested.trials, case.edited.len());
            }
        }
        assert!(turned.iter().chain(&ways).all(|n| *n > 0), "{turned:?} {ways:?}");
    });
}

#[test]
fn the_word_that_decides_leads_away_where_it_is_taken_away() {
    with_subject(&["hyp:tok:dog"], |subject, units, lexicon, rows| {
        let candidate = subject.candidate(units, rows, 0, 0).unwrap();
        let case = Case::run(subject, lexicon, units, rows, &candidate, BREAK, &Config::default()).unwrap();
        // The dog of 3 hypotheses, replaced and deleted; the same done to another word leaves the dog.
        let (tested, control) = (case.effect.tested, case.effect.control);
        assert_eq!((tested.trials, tested.success, control.trials, control.failure), (6, 6, 6, 6));
        assert_eq!((case.effect.examples, case.effect.success.value), (3, 1.0));
        assert!(case.effect.change.value > 0.5, "the probability of the class falls: {:?}", case.effect);
        for edited in &case.edited {
            assert!(edited.probabilities[1] < edited.probabilities[0] && edited.classes == [0, 1, 0], "{edited:?}");
            assert!((edited.values[0] - 1f64.tanh()).abs() < 1e-3 && edited.values[1].abs() < 1e-3, "{edited:?}");
        }
    });
}

#[test]
fn controls_of_taking_away_are_of_the_same_tag_and_frequency_where_the_sentence_has_such_words() {
    with_subject(&["hyp:tok:dog"], |subject, units, lexicon, _| {
        let pairs = [SplitPair {
            premise: sentence("the man runs ."),
            hypothesis: sentence("the dog eats the cat and the bird ."),
        }];
        let subject = Subject { pairs: &pairs, ..*subject };
        let goal = BREAK.goal(&units[0].formula);
        let wants = lexicon.wants(&subject, &goal);
        let edits = lexicon.edits(&subject, &goal, &wants, 0, 10, &mut Random::new(0, Purpose::Edits, 0));
        assert_eq!(edits.len(), 2);
        for (edit, control) in edits {
            assert_eq!((edit.replaced.as_str(), control.how), ("dog", edit.how));
            assert!(["cat", "bird"].contains(&control.replaced.as_str()), "{control:?}");
            let marked = edit.marked(&pairs[0]);
            assert_eq!(marked, format!("the [{}] eats the cat and the bird .", edit.word));
        }
    });
}

#[test]
fn cases_that_cannot_be_are_refused() {
    with_subject(&["oth:overlap:overlap25", "(hyp:tok:dog OR hyp:tok:man)"], |subject, units, lexicon, rows| {
        let fails = |at: usize, to: usize, direction| {
            let candidate = Candidate { at, to, weight: 1.0, gain: 1.0 };
            let done = Case::run(subject, lexicon, units, rows, &candidate, direction, &Config::default());
            done.map(|case| case.effect).unwrap_err().to_string()
        };
        assert!(fails(0, 0, FULFIL).contains("words in the unit's formula: found 0"));
        let never = fails(1, 2, BREAK);
        assert!(
            never.contains("pairs that are predicted as `never` and on which the unit's formula is true"),
            "{never}"
        );
        let all_none = fails(1, 1, FULFIL);
        assert!(
            all_none.contains("not predicted as `none` and on which the unit's formula is false: found 0"),
            "{all_none}"
        );
    });
    let unknown = Formula::concept(ConceptId(0));
    with_subject(&[], |subject, _, lexicon, _| assert!(lexicon.wants(subject, &unknown).len() <= 1));
}
