//! The tagger against spaCy's own output, and on damaged models.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const MODEL: &str = "spacy/en_core_web_sm-3.8.0";

fn tagger() -> Option<Tagger> {
    Some(Tagger::load(&compexp_tests::data(MODEL)?, None).unwrap())
}

#[test]
fn tags_equal_spacys_on_every_token_of_the_development_set() {
    let (Some(tagger), Some(feats)) = (tagger(), compexp_tests::data("snli/snli_1.0_dev.feats")) else { return };
    let text = fs::read_to_string(feats).unwrap();
    let (mut sentences, mut expected) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let fields = line.split(' ').map(|token| token.split('|').collect::<Vec<_>>());
        let (words, tags): (Vec<&str>, Vec<&str>) = fields.map(|f| (f[0], f[2])).unzip();
        sentences.push(words);
        expected.push(tags);
    }
    let sentences: Vec<&[&str]> = sentences.iter().map(Vec::as_slice).collect();
    let found = tagger.tag_all(&sentences);
    assert_eq!(found.len(), 20_000);
    let mut n = 0;
    for ((words, found), expected) in sentences.iter().zip(&found).zip(&expected) {
        assert_eq!(found, expected, "{words:?}");
        n += found.len();
    }
    assert_eq!(n, 237_304);
}

#[test]
fn parts_of_speech_and_lemmas_equal_spacys() {
    let (Some(model), Some(expected)) = (compexp_tests::data(MODEL), compexp_tests::data("spacy/expected_tags.tsv"))
    else {
        return;
    };
    let annotator = Annotator::load(&model, None).unwrap();
    let text = fs::read_to_string(expected).unwrap();
    let sentences: Vec<Vec<Vec<&str>>> =
        text.trim_end().split("\n\n").map(|s| s.lines().map(|line| line.split('\t').collect()).collect()).collect();
    let words: Vec<Vec<&str>> = sentences.iter().map(|s| s.iter().map(|fields| fields[0]).collect()).collect();
    let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
    let (mut n, mut wrong) = (0, Vec::new());
    for (sentence, found) in sentences.iter().zip(annotator.annotate_all(&words).unwrap()) {
        for (fields, found) in sentence.iter().zip(found) {
            n += 1;
            if fields[1..] != [found.tag, found.pos, &found.lemma] {
                wrong.push(format!("{fields:?}, found {found:?}"));
            }
        }
    }
    assert_eq!((sentences.len(), n), (2_000, 24_199));
    assert!(wrong.is_empty(), "{} differ: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

#[test]
fn a_sentence_is_tagged_alone_as_among_others_on_any_number_of_threads() {
    let Some(tagger) = tagger() else { return };
    let sentences: [&[&str]; 4] =
        [&["Two", "women", "are", "embracing"], &[], &["Hello"], &["The", "man", "is", "outside"]];
    let all = tagger.tag_all(&sentences);
    assert_eq!(all, sentences.map(|sentence| tagger.tag(sentence)));
    assert_eq!(all[0], ["CD", "NNS", "VBP", "VBG"]);
    assert_eq!(all[3], ["DT", "NN", "VBZ", "RB"]);
    let many: Vec<&[&str]> = sentences.iter().copied().cycle().take(9000).collect();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| tagger.tag_all(&many));
        assert!(found.iter().enumerate().all(|(i, tags)| *tags == all[i % 4]), "{threads} threads");
    }
}

#[test]
fn words_of_any_characters_are_tagged() {
    let Some(tagger) = tagger() else { return };
    let long = "é".repeat(5000);
    assert_eq!(tagger.tag(&["", " ", "\u{0}", "🦀", "½", &long]).len(), 6);
}

/// A copy of the files that the tagger reads.
fn copy(model: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("model");
    for file in ["tok2vec/model", "tagger/model", "tagger/cfg", "vocab/lookups.bin"] {
        fs::create_dir_all(copy.join(file).parent().unwrap()).unwrap();
        fs::copy(model.join(file), copy.join(file)).unwrap();
    }
    (folder, copy)
}

#[test]
fn damaged_models_are_refused_with_the_file() {
    let Some(model) = compexp_tests::data(MODEL) else { return };
    let (_folder, copy) = copy(&model);
    for file in ["tok2vec/model", "tagger/model", "tagger/cfg", "vocab/lookups.bin"] {
        let path = copy.join(file);
        let whole = fs::read(&path).unwrap();
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            let error = Tagger::load(&copy, None).err().expect("a cut file").to_string();
            assert!(error.contains(file), "{file} cut to {cut}: {error}");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(Tagger::load(&copy, None), Err(Error::File(compexp_files::Error::Io { .. }))), "{file}");
        fs::write(&path, whole).unwrap();
    }
    let cfg = copy.join("tagger/cfg");
    for (labels, what) in [("[]", "labels"), ("[\"NN\"]", "shape [50, 96]")] {
        fs::write(&cfg, format!("{{\"labels\": {labels}}}")).unwrap();
        let error = Tagger::load(&copy, None).err().expect("too few labels").to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn altered_bytes_never_panic() {
    let Some(model) = compexp_tests::data(MODEL) else { return };
    let (_folder, copy) = copy(&model);
    // The parameters of the output layer are small: much of its file is structure.
    let path = copy.join("tagger/model");
    let whole = fs::read(&path).unwrap();
    for i in 0..400 {
        let mut bytes = whole.clone();
        bytes[i * 13 % 700] ^= 1 << (i % 8);
        fs::write(&path, &bytes).unwrap();
        if let Ok(tagger) = Tagger::load(&copy, None) {
            assert_eq!(tagger.tag(&["a", "dog"]).len(), 2);
        }
    }
}
