//! Concepts of words against small sentences by hand, and against their definition.

use std::collections::BTreeSet;

use compexp_core::probe::Annotation;
use compexp_tests::data;
use compexp_tests::files::Scratch;
use proptest::prelude::*;

use super::*;
use crate::conllu::{Word, read};

/// `the old dogs bark .` and `Old 2 !`, by hand.
fn two() -> Vec<Sentence> {
    let word = |(form, lemma, upos, features, head, relation): (&str, &str, &str, &[&str], usize, &str)| Word {
        form: form.into(),
        lemma: lemma.into(),
        upos: upos.into(),
        xpos: String::new(),
        features: features.iter().map(|f| (*f).to_owned()).collect(),
        head: head.checked_sub(1),
        relation: relation.into(),
    };
    let first = [
        ("The", "the", "DET", &["Definite=Def"][..], 3, "det"),
        ("old", "old", "ADJ", &[], 3, "amod"),
        ("dogs", "dog", "NOUN", &["Number=Plur"], 4, "nsubj"),
        ("bark", "bark", "VERB", &[], 0, "root"),
        (".", ".", "PUNCT", &[], 4, "punct"),
    ];
    let second = [
        ("Old", "old", "ADJ", &[][..], 0, "root"),
        ("42", "42", "NUM", &[], 1, "dep"),
        ("USA", "USA", "PROPN", &[], 1, "dep"),
    ];
    let sentence =
        |id: &str, words: Vec<Word>| Sentence { id: id.into(), document: "d".into(), words, ..Sentence::default() };
    vec![sentence("a", first.map(word).to_vec()), sentence("b", second.map(word).to_vec())]
}

/// The names of the concepts of each word, sorted.
fn names(set: &ProbeSet) -> Vec<BTreeSet<String>> {
    let mut annotation = Annotation::default();
    let mut of = |example| {
        annotation.clear();
        set.source.annotate(example, &mut annotation).unwrap();
        annotation.scalars.iter().map(|id| set.vocabulary.name(ConceptId(*id)).into_owned()).collect()
    };
    (0..set.source.n_examples()).map(&mut of).collect()
}

fn context(text: &str) -> Context {
    text.parse().unwrap()
}

fn set(families: &[Family], contexts: &[&str], min_count: usize) -> ProbeSet {
    let contexts = contexts.iter().map(|text| context(text)).collect();
    let options = Options { families: families.to_vec(), contexts, min_count };
    probe_set(&two(), &options, &Given::default()).unwrap()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(' ').map(|name| name.replace('_', " ")).collect()
}

#[test]
fn words_have_the_values_of_their_families() {
    let set = set(&Family::ALL, &[], 1);
    let found = names(&set);
    assert_eq!(
        found[0],
        words("form:the lemma:the upos:DET Definite=Def rel:det position:first position:1-4 shape:capitalised"),
    );
    assert_eq!(found[2], words("form:dogs lemma:dog upos:NOUN Number=Plur rel:nsubj position:1-4 prefix:do suffix:gs"),);
    assert_eq!(found[4], words("form:. lemma:. upos:PUNCT rel:punct position:last position:5-9 shape:punctuation"),);
    assert_eq!(found[6], words("form:42 lemma:42 upos:NUM rel:dep position:1-4 shape:digit"));
    assert_eq!(
        found[7],
        words("form:usa lemma:USA upos:PROPN rel:dep position:1-4 position:last shape:upper shape:capitalised"),
    );
    let examples = &set.examples;
    assert_eq!((examples[2].name.as_str(), examples[2].text.as_str()), ("a:3", "The old «dogs» bark ."));
    assert_eq!((examples[5].group.as_str(), examples[5].document.as_str()), ("b", "d"));
}

#[test]
fn contexts_look_elsewhere_in_the_sentence() {
    let found = names(&set(&[Family::Upos], &["prev", "next", "head", "child", "before-2"], 1));
    assert_eq!(found[0], words("upos:DET NEXT_upos:ADJ HEAD_upos:NOUN"));
    assert_eq!(
        found[2],
        words(
            "upos:NOUN PREV_upos:ADJ NEXT_upos:VERB HEAD_upos:VERB CHILD_upos:DET CHILD_upos:ADJ BEFORE-2_upos:DET BEFORE-2_upos:ADJ"
        )
    );
    assert_eq!(
        found[3],
        words(
            "upos:VERB PREV_upos:NOUN NEXT_upos:PUNCT CHILD_upos:NOUN CHILD_upos:PUNCT BEFORE-2_upos:ADJ BEFORE-2_upos:NOUN"
        )
    );
    assert_eq!(
        found[5],
        words("upos:ADJ NEXT_upos:NUM CHILD_upos:NUM CHILD_upos:PROPN"),
        "no word is before the first"
    );
    let lexical = names(&set(&[Family::Upos, Family::Lemma], &["prev", "prev:lemma"], 1));
    assert_eq!(lexical[1], words("lemma:old upos:ADJ PREV_lemma:the PREV_upos:DET"));
    let lexical = names(&set(&[Family::Upos, Family::Lemma], &["prev"], 1));
    assert_eq!(lexical[1], words("lemma:old upos:ADJ PREV_upos:DET"));
}

#[test]
fn rare_concepts_are_left_out() {
    let found = names(&set(&[Family::Form, Family::Relation], &["prev"], 2));
    assert_eq!(
        [&found[1], &found[5], &found[6]],
        [&words("form:old"), &words("form:old rel:root"), &words("rel:dep PREV_rel:root")]
    );
    let options = Options { families: vec![Family::Form], min_count: 3, ..Options::default() };
    let Err(e) = probe_set(&two(), &options, &Given::default()) else { panic!("no concepts are not refused") };
    assert!(e.to_string().contains("at least one that 3 words have"), "{e}");
}

#[test]
fn what_is_given_becomes_concepts() {
    let scratch = Scratch::new();
    scratch.write("animals.txt", b"Dogs\ncats\n\n");
    scratch.write("short.txt", b"old\r\nusa\nold\n");
    scratch.write("notes.md", b"dogs");
    let patterns = scratch.write("patterns", b"# years\nnumber ^[0-9]+$\nof-o o\n");
    let labels = scratch.write("labels", b"true\n\n");
    let given = Given {
        lists: WordLists::read(scratch.dir()).unwrap(),
        patterns: Patterns::read(&patterns).unwrap(),
        labels: read_labels(&labels).unwrap(),
    };
    let options = Options {
        families: vec![Family::List, Family::Regex, Family::Label],
        contexts: vec![context("prev:list")],
        min_count: 1,
    };
    let found = names(&probe_set(&two(), &options, &given).unwrap());
    assert_eq!(found[2], words("list:animals regex:of-o label:true PREV_list:short"));
    assert_eq!([&found[6], &found[7]], [&words("regex:number PREV_list:short"), &words("list:short")]);
    let few = Given { labels: vec!["a".into()], ..Given::default() };
    let Err(e) = probe_set(&two(), &options, &few) else { panic!("missing labels are not refused") };
    assert!(e.to_string().contains("found 1, expected 2, one a sentence"), "{e}");
}

#[test]
fn expressions_that_are_wrong_or_explode_are_refused() {
    let scratch = Scratch::new();
    for (text, message) in [
        ("a (", "unclosed group"),
        ("a ((x{100}){100}){100}", "size limit"),
        ("alone", "a name and a regular expression"),
        ("a b\na c", "the name `a` again"),
    ] {
        let e = Patterns::read(&scratch.write("patterns", text.as_bytes())).unwrap_err().to_string();
        assert!(e.contains("line ") && e.contains(message), "{e}");
    }
    // Time grows with the square of the word's length at most: a search that goes back would not end.
    let path = scratch.write("patterns", b"slow ^(a|a)*(a|aa)*$");
    let word = "a".repeat(2000) + "b";
    assert_eq!(Patterns::read(&path).unwrap().names_of(&word).count(), 0);
    assert!(WordLists::read(scratch.dir()).unwrap_err().to_string().contains("none that ends in .txt"));
}

#[test]
fn names_of_contexts_and_families_are_read_back() {
    for text in ["prev", "next:lemma", "head:feature", "child", "before-12:upos"] {
        assert_eq!(context(text).to_string(), text);
    }
    for text in ["before", "before-0", "before-1000", "prev:", "prev:pos", "PREV", ""] {
        assert!(text.parse::<Context>().is_err(), "{text}");
    }
}

#[test]
fn two_sentences_of_one_id_are_refused() {
    let mut sentences = two();
    sentences[1].id = "a".into();
    let Err(e) = probe_set(&sentences, &Options::default(), &Given::default()) else { panic!("not refused") };
    assert!(e.to_string().contains("sentences with the id a"), "{e}");
}

proptest! {
    #[test]
    fn contexts_follow_from_the_concepts_at_their_places(
        lengths in proptest::collection::vec(1usize..9, 1..6), seed in any::<u64>(), k in 1usize..5,
    ) {
        let mut state = seed;
        let mut random = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let sentences: Vec<Sentence> = lengths.iter().enumerate().map(|(i, n)| {
            // A head is one of the words before: a tree.
            let word = |at: usize| Word {
                form: "x".into(),
                upos: ["A", "B", "C"][random(3)].into(),
                head: (at > 0).then(|| random(at)),
                ..Word::default()
            };
            Sentence { id: i.to_string(), words: (0..*n).map(word).collect(), ..Sentence::default() }
        }).collect();
        let contexts = vec![context("prev"), context("next"), context("head"), context("child"), context(&format!("before-{k}"))];
        let options = Options { families: vec![Family::Upos], contexts, min_count: 1 };
        let found = names(&probe_set(&sentences, &options, &Given::default()).unwrap());
        let mut first = 0;
        for sentence in &sentences {
            let n = sentence.words.len();
            for at in 0..n {
                let mut expected = BTreeSet::from([format!("upos:{}", sentence.words[at].upos)]);
                for other in 0..n {
                    let upos = &sentence.words[other].upos;
                    let head = |of: usize, is: usize| sentence.words[of].head == Some(is);
                    let holds = [
                        ("PREV", other + 1 == at),
                        ("NEXT", at + 1 == other),
                        ("HEAD", head(at, other)),
                        ("CHILD", head(other, at)),
                        (&format!("BEFORE-{k}"), other < at && at - other <= k),
                    ];
                    expected.extend(holds.iter().filter(|(_, holds)| *holds).map(|(o, _)| format!("{o} upos:{upos}")));
                }
                prop_assert_eq!(&found[first + at], &expected);
            }
            first += n;
        }
    }
}

#[test]
fn the_treebank_of_the_data_folder_becomes_a_probe_set() {
    let Some(path) = data("ud-ewt/ewt.conllu.gz") else { return };
    let sentences = read(&path).unwrap();
    let options = Options { contexts: vec![context("prev")], ..Options::default() };
    let set = probe_set(&sentences, &options, &Given::default()).unwrap();
    assert_eq!(set.source.n_examples(), 59_936);
    let id = set.vocabulary.find("PREV upos:DET").unwrap();
    let mut annotation = Annotation::default();
    let mut found = 0;
    for example in 0..set.source.n_examples() {
        annotation.clear();
        set.source.annotate(example, &mut annotation).unwrap();
        found += usize::from(annotation.scalars.contains(&id.0));
    }
    let after = |s: &Sentence| s.words.windows(2).filter(|w| w[0].upos == "DET").count();
    assert_eq!(found, sentences.iter().map(after).sum::<usize>());
}
