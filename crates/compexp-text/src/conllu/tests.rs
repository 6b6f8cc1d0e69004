//! Treebanks: what is read, and what is refused.

use std::collections::BTreeSet;

use compexp_tests::data;
use compexp_tests::files::Scratch;

use super::*;

const TWO: &str = "\
# newdoc id = d1
# sent_id = s1
# text = Don't stop.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVBP\tMood=Imp|VerbForm=Fin\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tstop\tstop\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
3.1\tghost\t_\t_\t_\t_\t_\t_\t_\t_
4\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

1\tUn\tun\tDET\t_\t_\t_\t_\t_\t_
";

fn read_text(text: &str) -> Result<Vec<Sentence>> {
    let scratch = Scratch::new();
    read(&scratch.write("a.conllu", text.as_bytes()))
}

#[test]
fn words_tokens_and_syntax_are_read() {
    let found = read_text(TWO).unwrap();
    let first = &found[0];
    assert_eq!((first.id.as_str(), first.document.as_str(), first.line), ("s1", "d1", 1));
    assert_eq!(first.words.iter().map(|w| w.head).collect::<Vec<_>>(), [Some(2), Some(2), None, Some(2)]);
    assert_eq!(first.words[0].features, ["Mood=Imp", "VerbForm=Fin"]);
    assert_eq!(first.surface.len(), 3);
    assert_eq!(first.spans().unwrap(), [0..5, 0..5, 6..10, 10..11]);
    let second = &found[1];
    assert_eq!((second.id.as_str(), second.words[0].head, second.words[0].relation.as_str()), ("2", None, ""));
    assert_eq!((second.written().as_str(), &second.spans().unwrap()[0]), ("Un", &(0..2)));
}

#[test]
fn a_text_is_put_together_from_its_tokens() {
    let without = TWO.replace("# text = Don't stop.\n", "");
    assert_eq!(read_text(&without).unwrap()[0].written(), "Don't stop.");
    let other = TWO.replace("# text = Don't", "# text = Do not");
    let e = read_text(&other).unwrap()[0].spans().unwrap_err().to_string();
    assert!(e.contains("the sentence `s1` (line 1)") && e.contains("Don't"), "{e}");
}

#[test]
fn broken_treebanks_are_refused_with_their_line() {
    for (from, to, line, message) in [
        ("3\tstop", "4\tstop", 7, "expected the word 3"),
        ("\t0\troot", "\t5\troot", 7, "found the head 5, expected at most 4"),
        ("\t0\troot", "\t1\troot", 5, "form a circle"),
        ("\t0\troot", "\t3\troot", 7, "form a circle"),
        ("\t0\troot", "\tx\troot", 7, "the head `x`"),
        ("1-2\t", "2-3\t", 4, "begins with 1"),
        ("1-2\t", "1-9\t", 1, "up to the word 9"),
        ("3.1\t", "3.x\t", 8, "the id `3.x`"),
        ("Mood=Imp", "Mood", 5, "the feature `Mood`"),
        ("\tSpaceAfter=No", "", 7, "9 fields"),
    ] {
        let e = read_text(&TWO.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(e.contains(&format!("line {line}:")) && e.contains(message), "{e}");
    }
    let e = read_text("# sent_id = a\n\n").unwrap_err().to_string();
    assert!(e.contains("a sentence without words"), "{e}");
    assert_eq!(read_text("# global.columns = ID\n\n").unwrap(), []);
}

#[test]
fn the_treebank_of_the_data_folder_has_the_counts_that_it_states() {
    let Some(path) = data("ud-ewt/ewt.conllu.gz") else { return };
    let found = read(&path).unwrap();
    let words = || found.iter().flat_map(|s| &s.words);
    let distinct = |of: fn(&Word) -> String| words().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!((found.len(), words().count()), (3905, 59_936));
    assert_eq!(found.iter().map(|s| s.surface.len()).sum::<usize>(), 59_239);
    assert_eq!(found.iter().map(|s| &s.document).collect::<BTreeSet<_>>().len(), 294);
    assert_eq!(distinct(|w| w.form.clone()), 9433);
    assert_eq!(distinct(|w| w.form.to_lowercase()), 8237);
    assert_eq!(distinct(|w| w.lemma.clone()), 6984);
    assert_eq!((distinct(|w| w.upos.clone()), distinct(|w| w.xpos.clone())), (17, 49));
    assert_eq!(distinct(|w| w.relation.clone()), 50);
    assert_eq!(words().flat_map(|w| &w.features).collect::<BTreeSet<_>>().len(), 61);
    for sentence in &found {
        let text: Vec<char> = sentence.written().chars().collect();
        for (span, surface) in
            sentence.spans().unwrap().iter().zip(sentence.surface.iter().flat_map(|s| s.words.clone().map(move |_| s)))
        {
            assert_eq!(text[span.clone()].iter().collect::<String>(), surface.form);
        }
    }
}
