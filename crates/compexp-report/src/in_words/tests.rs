//! Words by hand, and by their law: the same words, the same meaning.

use std::collections::HashMap;

use compexp_core::concept::{Concept, ConceptId};
use compexp_core::formula::write_name;
use proptest::prelude::*;

use super::*;

fn words(text: &str) -> String {
    in_words(text, Concepts::OfWords).unwrap()
}

fn name(text: &str) -> String {
    let mut out = String::new();
    write_name(&mut out, text).unwrap();
    out
}

#[test]
fn every_family_of_concepts_has_words() {
    for (concept, expected) in [
        ("form:this", "'this'"),
        ("form:'s", "\"'s\""),
        ("form:\"", "'\"'"),
        ("form:\\'\"", "\"\\\\'\\\"\""),
        ("lemma:be", "a form of 'be'"),
        ("upos:NOUN", "a noun"),
        ("upos:ADJ", "an adjective"),
        ("upos:FOO", "a word with the part of speech 'FOO'"),
        ("xpos:NNS", "a word with the tag 'NNS' (plural noun)"),
        ("xpos:nns", "a word with the tag 'nns'"),
        ("xpos:QQ", "a word with the tag 'QQ'"),
        ("Number=Sing", "a singular word"),
        ("Style=Coll", "a word with the feature 'Style=Coll'"),
        ("Case[gram]=x:y", "a word with the feature 'Case[gram]=x:y'"),
        ("rel:nsubj", "a word that is the subject"),
        ("rel:nsubj:pass", "a word that is the passive subject"),
        ("rel:own", "a word in the relation 'own'"),
        ("position:first", "a word at the start of its sentence"),
        ("position:last", "a word at the end of its sentence"),
        ("position:5-9", "a word in places 5 to 9 of its sentence"),
        ("position:40+", "a word from place 40 of its sentence onward"),
        ("position:x", "a word at the position 'x'"),
        ("prefix:un", "a word that begins with 'un'"),
        ("suffix:ing", "a word that ends in 'ing'"),
        ("shape:capitalised", "a capitalised word"),
        ("shape:upper", "an all-capitals word"),
        ("shape:digit", "a word with a digit"),
        ("shape:punctuation", "a word made of punctuation marks"),
        ("list:colours", "a word in the list 'colours'"),
        ("regex:year", "a word that matches 'year'"),
        ("label:spam", "a word in a sentence labelled 'spam'"),
        ("other:x", "a word with the concept 'other:x'"),
        ("PREV upos:DET", "a word after a determiner"),
        ("NEXT Number=Sing", "a word before a singular word"),
        ("HEAD rel:root", "a word whose head is a word that is the root of its sentence"),
        ("CHILD upos:DET", "a word with a dependent that is a determiner"),
        ("BEFORE-3 form:the", "a word up to 3 words after 'the'"),
        ("PREV PREV x", "a word after a word with the concept 'PREV x'"),
    ] {
        assert_eq!(words(&name(concept)), expected, "{concept}");
    }
}

#[test]
fn formulas_read_as_a_person_says_them() {
    for (formula, expected) in [
        ("(form:this AND Number=Sing)", "singular 'this'"),
        ("((PREV upos:DET) AND upos:NOUN)", "after a determiner, a noun"),
        ("(upos:NOUN OR form:it)", "a noun or 'it'"),
        ("((PREV upos:DET) OR form:it)", "(a word after a determiner) or 'it'"),
        ("(upos:VERB AND (NOT Tense=Past))", "a verb, but not past-tense"),
        (
            "(upos:VERB AND (NOT (rel:root OR (NEXT upos:ADP))))",
            "a verb, but neither one that is the root of its sentence nor before a preposition",
        ),
        ("((form:a OR form:an) AND (NEXT upos:NOUN))", "(a word before a noun) and ('a' or 'an')"),
        ("(NOT upos:NOUN)", "not a noun"),
        ("((NOT upos:NOUN) OR form:it)", "(not a noun) or 'it'"),
        ("(NOT (upos:NOUN AND Number=Sing))", "not a singular noun"),
        ("(NOT (NOT upos:NOUN))", "a noun"),
        ("((upos:NOUN AND rel:nsubj) AND (HEAD upos:VERB))", "a noun that is the subject, whose head is a verb"),
        ("((upos:DET AND form:this) AND Number=Sing)", "singular determiner 'this'"),
        ("(lemma:be AND upos:VERB)", "a verb form of 'be'"),
        // As docs/tokens.md has them.
        ("(lemma:eat OR lemma:food)", "a form of 'eat' or a form of 'food'"),
        ("(upos:NOUN AND (NOT (PREV upos:DET)))", "a noun, but not after a determiner"),
        ("((HEAD upos:VERB) AND rel:nsubj)", "a word that is the subject, whose head is a verb"),
        (
            "(upos:VERB AND (NOT (rel:root OR Tense=Past)))",
            "a verb, but neither one that is the root of its sentence nor past-tense",
        ),
    ] {
        assert_eq!(words(formula), expected, "{formula}");
    }
    let names = |text| in_words(text, Concepts::Other).unwrap();
    assert_eq!(
        names("((water AND \"night table\") OR (NEIGHBORS sky))"),
        "(night table and water) or a neighbour of sky"
    );
    assert_eq!(names("(\"bread and butter\" AND \"a, but not b\")"), "'a, but not b' and 'bread and butter'");
    assert_eq!(in_words("(a AND", Concepts::Other), None);
}

/// Every formula of at most three concepts of `names`, with NOT before any part.
fn formulas(names: usize) -> Vec<Formula> {
    let signed = |all: Vec<Formula>| -> Vec<Formula> { all.into_iter().flat_map(|f| [f.clone(), f.not()]).collect() };
    let join = |a: &[Formula], b: &[Formula]| -> Vec<Formula> {
        let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
        pairs.flat_map(|(a, b)| [a.clone().and(b.clone()), a.clone().or(b.clone())]).collect()
    };
    let one = signed((0..names).map(|i| Formula::concept(ConceptId(i as u32))).collect());
    let two = signed(join(&one, &one));
    let three = signed([join(&two, &one), join(&one, &two)].concat());
    [one, two, three].concat()
}

#[test]
fn formulas_of_the_same_words_mean_the_same() {
    let sets = [
        ["form:this", "Number=Sing", "upos:NOUN"],
        ["PREV upos:DET", "upos:NOUN", "rel:nsubj"],
        ["HEAD rel:nsubj", "rel:nsubj", "HEAD upos:VERB"],
        ["NEXT upos:NOUN", "PREV suffix:ing", "suffix:ing"],
        ["form:x' or 'y", "form:x", "form:y"],
        ["CHILD upos:DET", "upos:DET", "xpos:IN"],
        ["list:a, but not b", "form:or", "label:nor"],
    ];
    for names in sets {
        let concept = |(i, name): (usize, &&str)| Concept {
            id: ConceptId(i as u32),
            name: (*name).into(),
            category: String::new(),
        };
        let vocabulary = Vocabulary::new(names.iter().enumerate().map(concept).collect()).unwrap();
        for concepts in [Concepts::OfWords, Concepts::Other] {
            let mut seen: HashMap<String, Formula> = HashMap::new();
            for formula in formulas(names.len()) {
                let text = formula.display(&vocabulary).to_string();
                let said = in_words(&text, concepts).unwrap();
                let first = seen.entry(said.clone()).or_insert_with(|| formula.clone());
                assert_eq!(
                    first.equivalent(&formula),
                    Some(true),
                    "`{said}`: {text} and {}",
                    first.display(&vocabulary)
                );
            }
            assert!(seen.len() > 100, "{}", seen.len());
        }
    }
}

/// Concepts of every table and family, and all of them in context.
fn every_concept() -> Vec<String> {
    let keys = |prefix: &str, table: &[(&str, &str)]| -> Vec<String> {
        table.iter().map(|(key, _)| format!("{prefix}{key}")).collect()
    };
    let mut names = [
        keys("upos:", tables::PARTS_OF_SPEECH),
        keys("", tables::FEATURES),
        keys("rel:", tables::RELATIONS),
        ["form:noun", "lemma:noun", "xpos:NN", "xpos:IN", "position:first", "position:1-4", "prefix:no", "suffix:un"]
            .map(str::to_owned)
            .to_vec(),
        ["shape:upper", "shape:capitalised", "shape:digit", "list:a", "regex:a", "label:a", "upos:A", "A=a", "rel:a"]
            .map(str::to_owned)
            .to_vec(),
    ]
    .concat();
    let operators = ["PREV", "NEXT", "HEAD", "CHILD", "BEFORE-2"];
    let contexts = operators.iter().flat_map(|operator| names.iter().map(move |name| format!("{operator} {name}")));
    let contexts: Vec<String> = contexts.step_by(3).collect();
    names.extend(contexts);
    names
}

#[test]
fn no_two_sets_of_concepts_have_the_same_phrase() {
    let phrases: Vec<Phrase> = every_concept().iter().map(|name| Phrase::of(name)).collect();
    let mut seen = HashMap::new();
    let mut check = |which: Vec<usize>| {
        let (said, _) = concepts::noun_phrase(which.iter().map(|i| phrases[*i].clone()).collect());
        if let Some(other) = seen.insert(said.clone(), which.clone()) {
            panic!("`{said}`: {other:?} and {which:?}: {:?}", which.iter().map(|i| &phrases[*i]).collect::<Vec<_>>());
        }
    };
    for a in 0..phrases.len() {
        check(vec![a]);
        for b in 0..a {
            check(vec![a, b]);
        }
    }
    let alone: std::collections::BTreeSet<String> = phrases.iter().map(|p| p.clone().alone()).collect();
    assert_eq!(alone.len(), phrases.len());
    for table in [tables::PARTS_OF_SPEECH, tables::FEATURES, tables::RELATIONS] {
        for (_, words) in table {
            let connectives = ["and", "or", "but", "nor", "not", "neither"];
            assert!(
                words.split(' ').all(|word| !connectives.contains(&word)) && !words.contains([',', '(', '\'']),
                "{words}"
            );
        }
    }
}

proptest! {
    #[test]
    fn names_of_any_characters_have_words_of_their_own(
        a in "(form:|lemma:|list:|upos:|PREV form:)?[a-c'\"\\\\ ,()=:-]{0,8}", b in "(form:|lemma:|list:|upos:|PREV form:)?[a-c'\"\\\\ ,()=:-]{0,8}",
    ) {
        prop_assume!(a != b);
        for concepts in [Concepts::OfWords, Concepts::Other] {
            let [a, b] = [&a, &b].map(|text| in_words(&name(text), concepts).unwrap());
            prop_assert_ne!(a, b);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}") {
        let _ = in_words(&text, Concepts::OfWords);
    }
}
