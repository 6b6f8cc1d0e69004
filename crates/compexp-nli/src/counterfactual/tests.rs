//! Cases on a classifier of which everything can be worked out by hand: its LSTM counts dogs.

use compexp_core::concept::ConceptId;
use ndarray::Array2;

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
        let case = Case::run(subject, lexicon, units, rows, candidate, &Config::default()).unwrap();
        let (tested, control) = (case.effect.tested, case.effect.control);
        // Before the noun, at the end, and in the noun's place, on 9 pairs.
        assert_eq!((tested.trials, tested.success), (27, 27));
        assert_eq!((control.trials, control.success, control.partial), (27, 0, 0));
        assert_eq!((case.effect.examples, case.effect.success.value), (9, 1.0));
        for edited in &case.edited {
            let pair = &subject.pairs[edited.pair];
            let after = edited.edit.apply(pair, &edited.edit.word);
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
        let case = Case::run(subject, lexicon, units, rows, &candidates[1], &Config::default()).unwrap();
        assert_eq!((case.effect.tested.success, case.effect.control.success), (0, 0));
        let again = Case::run(subject, lexicon, units, rows, &candidates[1], &Config::default()).unwrap();
        assert_eq!((case.effect, case.edited), (again.effect, again.edited));
    });
}

#[test]
fn forbidden_words_are_replaced_and_neighbours_are_inserted() {
    let formulas = ["(NOT hyp:tok:man)", "(NEIGHBORS hyp:tok:cat)", "(hyp:tok:dog AND pre:tok:man)"];
    with_subject(&formulas, |subject, units, lexicon, rows| {
        let run = |at: usize| {
            let candidate = subject.candidate(units, rows, at, 0).unwrap();
            Case::run(subject, lexicon, units, rows, &candidate, &Config::default()).unwrap()
        };
        let away = run(0);
        assert_eq!((away.effect.examples, away.effect.control.success), (3, 0));
        for edited in &away.edited {
            assert_eq!((edited.edit.how, edited.edit.at, edited.edit.tag.as_str()), (How::Substitute, 1, "NN"));
            assert!(edited.edit.word != "man" && edited.control.at != 1, "{edited:?}");
            assert_eq!(edited.classes[1] == 0, edited.edit.word == "dog");
        }
        let words: std::collections::BTreeSet<_> = run(1).edited.into_iter().map(|e| e.edit.word).collect();
        assert_eq!(words.into_iter().collect::<Vec<_>>(), ["cat", "dog"]);
        let both = run(2);
        for edited in &both.edited {
            let after = edited.edit.apply(&subject.pairs[edited.pair], &edited.edit.word);
            let has = |s: &Sentence, word: &str| s.words.iter().any(|w| w == word);
            assert!(has(&after.hypothesis, "dog") && has(&after.premise, "man"), "{after:?}");
        }
        assert!(!both.edited.is_empty());
    });
}

#[test]
fn cases_that_cannot_be_are_refused() {
    with_subject(&["oth:overlap:overlap25", "(hyp:tok:dog OR hyp:tok:man)"], |subject, units, lexicon, rows| {
        let fails = |at: usize, to: usize| {
            let candidate = Candidate { at, to, weight: 1.0, gain: 1.0 };
            let done = Case::run(subject, lexicon, units, rows, &candidate, &Config::default());
            done.map(|case| case.effect).unwrap_err().to_string()
        };
        assert!(fails(0, 0).contains("words in the unit's formula: found 0"));
        let all_none = fails(1, 1);
        assert!(
            all_none.contains("not predicted as `none` and on which the unit's formula is false: found 0"),
            "{all_none}"
        );
    });
    let unknown = Formula::concept(ConceptId(0));
    with_subject(&[], |subject, _, lexicon, _| assert!(lexicon.wants(subject, &unknown).len() <= 1));
}
