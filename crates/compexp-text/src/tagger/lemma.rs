//! spaCy's rule lemmatizer: exceptions first, then rules that replace an ending if the result is a known word.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::lexeme::Lexicon;
use super::ruler::feature;
use crate::error::Result;
use crate::msgpack::{Packed, Value};

/// The tables for one universal part of speech.
#[derive(Default)]
struct Tables {
    /// Endings and what replaces them.
    rules: Vec<(String, String)>,
    exceptions: HashMap<String, Vec<String>>,
    index: HashSet<String>,
}

pub(crate) struct Lemmatizer {
    /// By the number of the part of speech's lower-cased name.
    tables: HashMap<u64, Tables>,
}

impl Lemmatizer {
    /// Reads `lemmatizer/lookups/lookups.bin` of a model folder.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let packed = Packed::open(path)?;
        let value = packed.value()?;
        let mut tables: HashMap<u64, Tables> = HashMap::new();
        for name in ["lemma_rules", "lemma_exc", "lemma_index"] {
            let table = value.get(name).and_then(Value::map);
            let table = table.ok_or_else(|| packed.missing(name, "a table of the rule lemmatizer"))?;
            for (pos, content) in table {
                let read = pos.hash().and_then(|pos| {
                    let tables = tables.entry(pos).or_default();
                    match name {
                        "lemma_rules" => tables.rules = rules(content)?,
                        "lemma_exc" => tables.exceptions = exceptions(content)?,
                        _ => tables.index = texts(content)?.into_iter().collect(),
                    }
                    Some(())
                });
                read.ok_or_else(|| packed.missing(format!("an entry of {name}"), "a part of speech and its words"))?;
            }
        }
        Ok(Self { tables })
    }

    /// The lemma of a word with a universal part of speech and morphological features.
    pub(crate) fn lemma(&self, lexicon: &Lexicon, word: &str, pos: &str, morph: &str) -> String {
        let lower = word.to_lowercase();
        if matches!(pos, "" | "EOL" | "SPACE") || is_base_form(pos, morph) {
            return lower;
        }
        let Some(tables) = self.tables.get(&lexicon.id(&pos.to_lowercase())) else {
            return if pos == "PROPN" { word.to_owned() } else { lower };
        };
        // Of the forms that are known words, that of the last rule comes first (as in spaCy 3.8.18; 3.8.7 took that of
        // the first rule: `singing` was of `singe`); then those that are no plain words, which no index can know.
        let (mut known, mut odd, mut unknown) = (None, None, None);
        let mut given = Vec::new();
        for (old, new) in &tables.rules {
            let Some(stem) = lower.strip_suffix(old.as_str()) else { continue };
            let form = format!("{stem}{new}");
            if form.is_empty() {
                continue;
            }
            if tables.index.contains(&form) {
                known = Some(form.clone());
            } else if !form.chars().all(char::is_alphabetic) {
                odd.get_or_insert(form.clone());
            } else {
                unknown.get_or_insert(form);
                continue;
            }
            given.push(form);
        }
        // Of several exceptions the last that the rules did not give stands before all.
        let exceptions = tables.exceptions.get(&lower).map_or(&[][..], Vec::as_slice);
        let exception = exceptions.iter().rfind(|form| !given.contains(form)).cloned();
        exception.or(known).or(odd).or(unknown).unwrap_or_else(|| word.to_owned())
    }
}

/// Whether the features say that the word is not inflected.
fn is_base_form(pos: &str, morph: &str) -> bool {
    let is = |name, value| feature(morph, name) == Some(value);
    (pos == "NOUN" && is("Number", "Sing"))
        || (pos == "VERB" && is("VerbForm", "Fin") && is("Tense", "Pres") && feature(morph, "Number").is_none())
        || is("VerbForm", "Inf")
        || is("VerbForm", "None")
        || is("Degree", "Pos")
}

fn texts(value: &Value<'_>) -> Option<Vec<String>> {
    value.list()?.iter().map(|item| item.text().map(String::from)).collect()
}

fn rules(value: &Value<'_>) -> Option<Vec<(String, String)>> {
    let rule = |rule: &Value<'_>| match rule.list()? {
        [old, new] => Some((old.text()?.to_owned(), new.text()?.to_owned())),
        _ => None,
    };
    value.list()?.iter().map(rule).collect()
}

fn exceptions(value: &Value<'_>) -> Option<HashMap<String, Vec<String>>> {
    value.map()?.iter().map(|(word, forms)| Some((word.text()?.to_owned(), texts(forms)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lemmatizer(lexicon: &Lexicon) -> Lemmatizer {
        let pairs = |rules: &[(&str, &str)]| rules.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        let words = |words: &[&str]| words.iter().map(|w| String::from(*w)).collect();
        let noun = Tables {
            rules: pairs(&[("s", ""), ("ses", "s"), ("ies", "y")]),
            exceptions: HashMap::from([("geese".into(), vec!["goose".into()])]),
            index: words(&["dog", "bus", "lady"]),
        };
        let verb = Tables { rules: pairs(&[("ing", "e"), ("ing", "")]), ..Tables::default() };
        let verb = Tables { index: words(&["make", "walk", "sing", "singe"]), ..verb };
        Lemmatizer { tables: HashMap::from([(lexicon.id("noun"), noun), (lexicon.id("verb"), verb)]) }
    }

    #[test]
    fn lemmas_follow_exceptions_then_known_words_then_the_first_rule() {
        let Some(lookups) = compexp_tests::data("spacy/en_core_web_sm-3.8.0/vocab/lookups.bin") else { return };
        let lexicon = Lexicon::load(&lookups, None).unwrap();
        let l = lemmatizer(&lexicon);
        for (word, pos, morph, expected) in [
            ("Dogs", "NOUN", "Number=Plur", "dog"),
            ("buses", "NOUN", "Number=Plur", "bus"),
            ("ladies", "NOUN", "Number=Plur", "lady"),
            ("geese", "NOUN", "Number=Plur", "goose"),
            ("Bus", "NOUN", "Number=Sing", "bus"),
            ("blorbs", "NOUN", "Number=Plur", "blorb"),
            ("t-shirts", "NOUN", "Number=Plur", "t-shirt"),
            ("Sheep", "NOUN", "Number=Plur", "Sheep"),
            ("making", "VERB", "VerbForm=Part", "make"),
            ("walking", "VERB", "VerbForm=Part", "walk"),
            ("singing", "VERB", "VerbForm=Part", "sing"),
            ("Making", "VERB", "VerbForm=Inf", "making"),
            ("London", "PROPN", "Number=Sing", "London"),
            ("The", "DET", "", "the"),
            ("\n", "SPACE", "", "\n"),
        ] {
            assert_eq!(l.lemma(&lexicon, word, pos, morph), expected, "{word} {pos} {morph}");
        }
    }
}
