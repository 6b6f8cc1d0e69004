//! Features of small pairs by hand, and of the development set against plain sets.

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::text::read_pairs;

fn pair(premise: &str, hypothesis: &str) -> SplitPair {
    let sentence = |text: &str| {
        let (words, tags) = text.split_whitespace().map(|t| t.split_once('/').unwrap()).unzip::<_, _, Vec<_>, Vec<_>>();
        Sentence {
            words: words.into_iter().map(String::from).collect(),
            tags: tags.into_iter().map(String::from).collect(),
        }
    };
    SplitPair { premise: sentence(premise), hypothesis: sentence(hypothesis) }
}

fn row(probe: &ProbeSet, example: usize) -> BTreeSet<String> {
    let mut annotation = Annotation::default();
    probe.source.annotate(example, &mut annotation).unwrap();
    assert!(annotation.layers.is_empty() && annotation.scalars.is_sorted());
    annotation.scalars.iter().map(|&id| probe.vocabulary.name(ConceptId(id)).into_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| String::from(*name)).collect()
}

#[test]
fn features_are_words_and_tags_by_side_and_overlap() {
    let pairs = [pair("The/DT Dog/NN sees/VBZ a/DT dog/NN", "A/DT dog/NN runs/VBZ"), pair("man/NN ./.", "cats/NNS")];
    let config = FeatureConfig { n_words: 3, ..FeatureConfig::default() };
    let probe = probe_set(&pairs, None, None, &config).unwrap();
    let names: Vec<&str> = probe.vocabulary.concepts().iter().map(|c| c.name.as_str()).collect();
    let expected = [
        ["pre:tok:dog", "pre:tok:cats", "pre:tok:man", "pre:tag:nn", "pre:tag:dt", "pre:tag:vbz"],
        ["pre:tag:.", "pre:tag:nns", "hyp:tok:dog", "hyp:tok:cats", "hyp:tok:man", "hyp:tag:nn"],
        ["hyp:tag:dt", "hyp:tag:vbz", "hyp:tag:.", "hyp:tag:nns", "oth:overlap:overlap25", "oth:overlap:overlap50"],
    ];
    assert_eq!(names[..18], expected.concat());
    assert_eq!(names[18..], ["oth:overlap:overlap75"]);
    assert_eq!(probe.source.declared().len(), 19);
    // {the dog sees a} and {a dog runs}: 2 of both, 3 of one side.
    let first = ["pre:tok:dog", "hyp:tok:dog", "pre:tag:nn", "pre:tag:dt", "pre:tag:vbz", "hyp:tag:nn", "hyp:tag:dt"];
    let first = [&first[..], &["hyp:tag:vbz", "oth:overlap:overlap25", "oth:overlap:overlap50"]].concat();
    assert_eq!(row(&probe, 0), set(&first));
    assert_eq!(row(&probe, 1), set(&["pre:tok:man", "hyp:tok:cats", "pre:tag:nn", "pre:tag:.", "hyp:tag:nns"]));
    assert_eq!(probe.examples[1].text, "man . => cats");
    assert_eq!((&*probe.examples[0].group, probe.variant), ("The Dog sees a dog", Variant::Nli));
    assert!(probe.source.annotate(2, &mut Annotation::default()).is_err());
}

#[test]
fn families_can_be_left_out_and_unknown_words_are_no_features() {
    let pairs = [pair("dog/NN cat/NN", "cat/NN")];
    let names = |known: Option<&WordTable>, config: FeatureConfig| -> Result<Vec<String>> {
        let probe = probe_set(&pairs, known, None, &config)?;
        Ok(probe.vocabulary.concepts().iter().map(|c| c.name.clone()).collect())
    };
    let none = FeatureConfig { tokens: false, tags: false, overlap: false, ..FeatureConfig::default() };
    let tokens = FeatureConfig { tokens: true, ..none.clone() };
    assert_eq!(names(None, tokens.clone()).unwrap(), ["pre:tok:cat", "pre:tok:dog", "hyp:tok:cat", "hyp:tok:dog"]);
    let known = WordTable::from_tokens(["dog"]);
    assert_eq!(names(Some(&known), tokens).unwrap(), ["pre:tok:dog", "hyp:tok:dog"]);
    let tags = FeatureConfig { tags: true, ..none.clone() };
    assert_eq!(names(None, tags).unwrap(), ["pre:tag:nn", "hyp:tag:nn"]);
    assert_eq!(names(None, FeatureConfig { overlap: true, ..none.clone() }).unwrap().len(), 3);
    assert!(names(None, none).unwrap_err().to_string().contains("features"));
    let untagged = [SplitPair { premise: Sentence { words: vec!["a".into()], tags: vec![] }, ..SplitPair::default() }];
    let error = probe_set(&untagged, None, None, &FeatureConfig::default()).err().unwrap().to_string();
    assert!(error.contains("tags of premise 0"), "{error}");
}

#[test]
fn neighbors_are_the_nearest_words_of_the_file_that_are_features_on_the_same_side() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vec");
    std::fs::write(&path, "dog 1 0\npuppy 10 1\ncat 5 1\nhouse 0 1\nwolf 9 1\n").unwrap();
    let vectors = WordVectors::read(&path).unwrap();
    let pairs = [pair("dog/NN cat/NN", "house/NN")];
    let config = FeatureConfig { tags: false, overlap: false, neighbors: 3, ..FeatureConfig::default() };
    let probe = probe_set(&pairs, None, Some(&vectors), &config).unwrap();
    let named = |name: &str| {
        let neighbors = probe.neighbors.get(&probe.vocabulary.find(name).unwrap());
        neighbors.map(|ids| ids.iter().map(|&id| probe.vocabulary.name(id).into_owned()).collect::<Vec<_>>())
    };
    // The three nearest of `dog` are puppy, wolf and cat; those of `cat` are wolf, puppy and dog.
    assert_eq!(named("pre:tok:dog").unwrap(), ["pre:tok:cat"]);
    assert_eq!(named("hyp:tok:cat").unwrap(), ["hyp:tok:dog"]);
    assert_eq!(named("pre:tok:house").unwrap(), ["pre:tok:cat"]);
    let two = FeatureConfig { neighbors: 2, ..config };
    assert_eq!(probe_set(&pairs, None, Some(&vectors), &two).unwrap().neighbors.len(), 2, "only house sees cat");
}

#[test]
fn the_development_set_has_the_published_kind_of_features() {
    let (Some(path), Some(vectors)) =
        (compexp_tests::data("snli/snli_1.0_dev.feats"), compexp_tests::data("snli/snli_1.0_dev.vec"))
    else {
        return;
    };
    let pairs = pairs_from_feats(&Feats::read(&path).unwrap()).unwrap();
    let vectors = WordVectors::read(&vectors).unwrap();
    let probe = probe_set(&pairs, None, Some(&vectors), &FeatureConfig::default()).unwrap();
    assert_eq!(probe.source.n_examples(), 10_000);
    // 2,000 words and 44 tags on either side, and 3 shares.
    assert_eq!(probe.vocabulary.concepts().len(), 2 * 2_000 + 2 * 44 + 3);
    for (i, pair) in pairs.iter().enumerate().step_by(37) {
        let mut expected = BTreeSet::new();
        let sets = [("pre", &pair.premise), ("hyp", &pair.hypothesis)].map(|(side, sentence)| {
            let words: HashSet<String> = sentence.words.iter().map(|w| w.to_lowercase()).collect();
            expected.extend(words.iter().map(|w| format!("{side}:tok:{w}")));
            expected.extend(sentence.tags.iter().map(|t| format!("{side}:tag:{}", t.to_lowercase())));
            words
        });
        let one = sets[0].symmetric_difference(&sets[1]).count() as f64;
        let share = sets[0].intersection(&sets[1]).count() as f64 / (one + 1e-5);
        for percent in [25, 50, 75] {
            if share > f64::from(percent) / 100.0 {
                expected.insert(format!("oth:overlap:overlap{percent}"));
            }
        }
        expected.retain(|name| probe.vocabulary.find(name).is_some());
        assert_eq!(row(&probe, i), expected, "pair {i}");
    }
    let man = &probe.neighbors[&probe.vocabulary.find("hyp:tok:man").unwrap()];
    let names: Vec<_> = man.iter().map(|&id| probe.vocabulary.name(id)).collect();
    assert!(names.contains(&"hyp:tok:woman".into()), "{names:?}");
}

#[test]
fn padding_alone_turns_overlap25_for_1284_pairs() {
    let Some(path) = compexp_tests::data("snli/snli_1.0_dev.tok") else { return };
    let pairs = split_pairs(&read_pairs(&path).unwrap(), None, None);
    let plain = FeatureConfig { tokens: false, tags: false, ..FeatureConfig::default() };
    let padded = FeatureConfig { padded_batch: Some(16), ..plain.clone() };
    let rows = [plain, padded].map(|config| {
        let probe = probe_set(&pairs, None, None, &config).unwrap();
        (0..pairs.len()).map(|i| row(&probe, i).contains("oth:overlap:overlap25")).collect::<Vec<_>>()
    });
    let turned = rows[0].iter().zip(&rows[1]).filter(|(a, b)| a != b).count();
    assert_eq!(turned, 1_284);
}

#[test]
fn raw_pairs_are_split_and_tagged_as_their_tokenised_ones() {
    let Some(model) = compexp_tests::data("spacy/en_core_web_sm-3.8.0") else { return };
    let (tokenizer, tagger) = (Tokenizer::load(&model).unwrap(), Tagger::load(&model, None).unwrap());
    let pair =
        |premise: &str| Pair { label: None, premise: premise.into(), hypothesis: "Two women aren't here .".into() };
    let raw = split_pairs(&[pair("A man, outside.")], Some(&tokenizer), Some(&tagger));
    let tokenised = Pair { hypothesis: "Two women are n't here .".into(), ..pair("A man , outside .") };
    assert_eq!(raw, split_pairs(&[tokenised], None, Some(&tagger)));
    assert_eq!(raw[0].hypothesis.tags, ["CD", "NNS", "VBP", "RB", "RB", "."]);
}
