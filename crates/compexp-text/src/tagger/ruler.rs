//! spaCy's attribute ruler: patterns over tags and words that determine the universal part of speech, morphology and
//! some lemmas.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fancy_regex::Regex;

use super::lexeme::is_space;
use crate::error::Result;
use crate::msgpack::{Packed, Value};
use crate::tokenizer::rules::gave_up;

/// The values that the patterns give a word; `None` if no pattern gives one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes<'a> {
    pub(crate) tag: Option<&'a str>,
    pub(crate) pos: Option<&'a str>,
    /// Features as `Number=Sing|Person=3`; empty for none.
    pub(crate) morph: Option<&'a str>,
    pub(crate) lemma: Option<&'a str>,
}

/// A test of a text.
enum Test {
    Is(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Matches(Box<Regex>),
}

impl Test {
    fn accepts(&self, text: &str) -> Result<bool, GaveUp> {
        Ok(match self {
            Self::Is(expected) => text == expected,
            Self::In(list) => list.iter().any(|item| item == text),
            Self::NotIn(list) => !list.iter().any(|item| item == text),
            Self::Matches(regex) => regex.is_match(text).map_err(|e| Box::new((text.to_owned(), e)))?,
        })
    }
}

/// A text on which a regular expression failed, and the reason.
type GaveUp = Box<(String, fancy_regex::Error)>;

/// Whether a test, if there is one, accepts a text.
fn accepts(test: &Option<Test>, text: &str) -> Result<bool, GaveUp> {
    test.as_ref().map_or(Ok(true), |test| test.accepts(text))
}

/// The tests of one word of a pattern.
#[derive(Default)]
struct Slot {
    tag: Option<Test>,
    lower: Option<Test>,
    /// The test of the dependency relation, which is unknown here, so it sees the empty text.
    dep: Option<Test>,
    is_space: Option<bool>,
}

impl Slot {
    fn accepts(&self, word: &Word<'_>) -> Result<bool, GaveUp> {
        Ok(accepts(&self.tag, word.tag)?
            && accepts(&self.lower, word.lower)?
            && accepts(&self.dep, "")?
            && self.is_space.is_none_or(|expected| expected == is_space(word.lower)))
    }
}

/// A word in the form for patterns.
pub(crate) struct Word<'a> {
    pub(crate) tag: &'a str,
    /// The word in lower case.
    pub(crate) lower: &'a str,
}

struct Pattern {
    /// Which rule it belongs to: later rules override earlier ones.
    rule: usize,
    slots: Vec<Slot>,
}

/// The values that a rule sets, and the word of the match that gets them.
#[derive(Default)]
struct Rule {
    index: usize,
    tag: Option<String>,
    pos: Option<String>,
    morph: Option<String>,
    lemma: Option<String>,
}

pub(crate) struct Ruler {
    /// The file of the rules, for messages.
    path: PathBuf,
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    /// The patterns whose first word must have this tag: almost all of them.
    by_tag: HashMap<String, Vec<usize>>,
    /// All others.
    others: Vec<usize>,
}

impl Ruler {
    /// Reads `attribute_ruler/patterns` of a model folder.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let packed = Packed::open(path)?;
        let value = packed.value()?;
        let list = value.list().ok_or_else(|| packed.missing("content", "a list of rules"))?;
        let mut ruler = Self {
            path: path.to_owned(),
            rules: Vec::new(),
            patterns: Vec::new(),
            by_tag: HashMap::new(),
            others: Vec::new(),
        };
        for (i, rule) in list.iter().enumerate() {
            ruler.add(rule).map_err(|(found, expected)| packed.error(format!("rule {i}"), found, expected))?;
        }
        Ok(ruler)
    }

    fn add(&mut self, value: &Value<'_>) -> Result<(), (String, &'static str)> {
        let number = self.rules.len();
        let patterns = value.get("patterns").and_then(Value::list);
        let patterns = patterns.ok_or_else(|| ("no patterns".into(), "a list of patterns"))?;
        let mut shortest = usize::MAX;
        for pattern in patterns {
            let slots = pattern.list().ok_or_else(|| ("no list of words".into(), "a list of tests, one a word"))?;
            let slots = slots.iter().map(slot).collect::<Result<Vec<_>, _>>()?;
            shortest = shortest.min(slots.len());
            let place = match slots.first() {
                None => return Err(("a pattern of no words".into(), "at least one")),
                Some(Slot { tag: Some(Test::Is(tag)), .. }) => self.by_tag.entry(tag.clone()).or_default(),
                Some(_) => &mut self.others,
            };
            place.push(self.patterns.len());
            self.patterns.push(Pattern { rule: number, slots });
        }
        let index = value.get("index").and_then(Value::size).filter(|&index| index < shortest);
        let index = index.ok_or_else(|| ("an index outside the pattern".into(), "an index of one of its words"))?;
        let mut rule = Rule { index, ..Rule::default() };
        let attributes = value.get("attrs").and_then(Value::map);
        for (name, value) in attributes.ok_or_else(|| ("no attributes".into(), "a map of attributes"))? {
            let (Some(name), Some(value)) = (name.text(), value.text()) else {
                return Err(("an attribute that is no text".into(), "names and values that are texts"));
            };
            match name {
                "TAG" => rule.tag = Some(value.into()),
                "POS" => rule.pos = Some(value.into()),
                "MORPH" => rule.morph = Some(if value == "_" { String::new() } else { value.into() }),
                "LEMMA" => rule.lemma = Some(value.into()),
                "DEP" => {}
                _ => return Err((format!("the attribute {}", super::excerpt(name)), "TAG, POS, MORPH, LEMMA or DEP")),
            }
        }
        self.rules.push(rule);
        Ok(())
    }

    /// The values of the rules for every word of a sentence.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if a regular expression of the model fails on a word.
    pub(crate) fn apply(&self, words: &[Word<'_>]) -> Result<Vec<Attributes<'_>>> {
        // All patterns see the sentence before any rule acts. The rules act in their order, independent of the position
        // of the match.
        let mut matches = Vec::new();
        for (first, word) in words.iter().enumerate() {
            let of_tag = self.by_tag.get(word.tag).into_iter().flatten();
            for pattern in of_tag.chain(&self.others).map(|&i| &self.patterns[i]) {
                let Some(words) = words.get(first..first + pattern.slots.len()) else { continue };
                if self.fits(pattern, words)? {
                    matches.push((pattern.rule, first));
                }
            }
        }
        matches.sort_unstable();
        let mut found = vec![Attributes::default(); words.len()];
        for (rule, first) in matches {
            let rule = &self.rules[rule];
            let found = &mut found[first + rule.index];
            found.tag = rule.tag.as_deref().or(found.tag);
            found.pos = rule.pos.as_deref().or(found.pos);
            found.morph = rule.morph.as_deref().or(found.morph);
            found.lemma = rule.lemma.as_deref().or(found.lemma);
        }
        Ok(found)
    }

    /// Whether every word passes the tests of its slot.
    fn fits(&self, pattern: &Pattern, words: &[Word<'_>]) -> Result<bool> {
        for (slot, word) in pattern.slots.iter().zip(words) {
            let accepted = slot.accepts(word).map_err(|gave| {
                let (text, error) = *gave;
                gave_up(&self.path, &format!("rule {}", pattern.rule), &text, &error)
            })?;
            if !accepted {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn slot(value: &Value<'_>) -> Result<Slot, (String, &'static str)> {
    const FORM: &str = "a text, or IN, NOT_IN or REGEX";
    let mut slot = Slot::default();
    for (name, value) in value.map().ok_or_else(|| ("a word without tests".into(), "a map of tests"))? {
        let name = name.text().unwrap_or_default();
        if let ("IS_SPACE", Value::Bool(expected)) = (name, value) {
            slot.is_space = Some(*expected);
            continue;
        }
        let place = match name {
            "TAG" => &mut slot.tag,
            "LOWER" => &mut slot.lower,
            "DEP" => &mut slot.dep,
            _ => return Err((format!("the test {}", super::excerpt(name)), "TAG, LOWER, DEP or IS_SPACE")),
        };
        let texts = |value: &Value<'_>| -> Option<Vec<String>> {
            value.list()?.iter().map(|item| item.text().map(String::from)).collect()
        };
        *place = Some(match (value, value.map()) {
            (Value::Text(text), _) => Test::Is((*text).into()),
            (_, Some([(kind, value)])) => match kind.text() {
                Some("IN") => Test::In(texts(value).ok_or_else(|| ("no list".into(), FORM))?),
                Some("NOT_IN") => Test::NotIn(texts(value).ok_or_else(|| ("no list".into(), FORM))?),
                Some("REGEX") => {
                    let regex = value.text().and_then(|text| Regex::new(text).ok());
                    Test::Matches(Box::new(regex.ok_or_else(|| ("no regular expression".into(), FORM))?))
                }
                _ => return Err(("another test".into(), FORM)),
            },
            _ => return Err(("another test".into(), FORM)),
        });
    }
    Ok(slot)
}

/// The value of a feature in `Number=Sing|Person=3`.
pub(crate) fn feature<'a>(morph: &'a str, name: &str) -> Option<&'a str> {
    morph.split('|').find_map(|feature| feature.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Vec<u8> {
        let mut bytes = vec![0xd9, value.len() as u8];
        bytes.extend(value.as_bytes());
        bytes
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0x80 | entries.len() as u8];
        for (key, value) in entries {
            bytes.extend(text(key));
            bytes.extend(value);
        }
        bytes
    }

    fn list(items: &[Vec<u8>]) -> Vec<u8> {
        [vec![0x90 | items.len() as u8], items.concat()].concat()
    }

    fn rule(slots: &[Vec<u8>], attributes: &[(&str, &str)], index: u8) -> Vec<u8> {
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, text(value))).collect();
        map(&[("patterns", list(&[list(slots)])), ("attrs", map(&attributes)), ("index", vec![index])])
    }

    fn load(rules: &[Vec<u8>]) -> Result<Ruler> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patterns");
        std::fs::write(&path, list(rules)).unwrap();
        Ruler::load(&path)
    }

    #[test]
    fn later_rules_override_and_see_the_words_as_they_were() {
        let tag = |tag: &str| map(&[("TAG", text(tag))]);
        let ruler = load(&[
            rule(&[tag("VB")], &[("POS", "VERB"), ("MORPH", "VerbForm=Inf")], 0),
            rule(
                &[map(&[("TAG", text("VB")), ("LOWER", map(&[("IN", list(&[text("be"), text("do")]))]))])],
                &[("POS", "AUX")],
                0,
            ),
            rule(
                &[map(&[("LOWER", text("gon"))]), map(&[("LOWER", map(&[("REGEX", text("^n[ao]$"))]))])],
                &[("LEMMA", "to")],
                1,
            ),
            rule(&[map(&[("DEP", map(&[("NOT_IN", list(&[text("")]))]))])], &[("POS", "X")], 0),
            rule(&[map(&[("IS_SPACE", vec![0xc3])])], &[("TAG", "VB"), ("MORPH", "_")], 0),
        ])
        .unwrap();
        let words = [("VB", "be"), ("VB", "go"), ("VB", "gon"), ("TO", "na"), ("_SP", " ")];
        let words = words.map(|(tag, lower)| Word { tag, lower });
        let found = ruler.apply(&words).unwrap();
        let expected = |pos, morph, lemma| Attributes { tag: None, pos, morph, lemma };
        assert_eq!(found[0], expected(Some("AUX"), Some("VerbForm=Inf"), None));
        assert_eq!(found[1], expected(Some("VERB"), Some("VerbForm=Inf"), None));
        assert_eq!(found[3], expected(None, None, Some("to")));
        assert_eq!(found[4], Attributes { tag: Some("VB"), morph: Some(""), ..Attributes::default() });
    }

    #[test]
    fn a_regular_expression_that_gives_up_is_an_error() {
        // The look-behind needs the backtracking engine, which takes exponential time here.
        let test = map(&[("LOWER", map(&[("REGEX", text("^(a|a|aa)+(?<!b)$"))]))]);
        let ruler = load(&[rule(&[test], &[("POS", "X")], 0)]).unwrap();
        assert_eq!(ruler.apply(&[Word { tag: "NN", lower: "aaa" }]).unwrap()[0].pos, Some("X"));
        let long = "a".repeat(200) + "c";
        let error = ruler.apply(&[Word { tag: "NN", lower: &long }]).unwrap_err().to_string();
        assert!(error.contains("patterns`: rule 0: found a search in `aaaa"), "{error}");
        assert!(error.contains("that gave up"), "{error}");
    }

    #[test]
    fn unknown_rules_are_refused() {
        let slot = map(&[("TAG", text("VB"))]);
        for (rule, what) in [
            (rule(&[map(&[("ORTH", text("a"))])], &[], 0), "`ORTH`"),
            (rule(std::slice::from_ref(&slot), &[("HEAD", "0")], 0), "`HEAD`"),
            (rule(std::slice::from_ref(&slot), &[("POS", "X")], 1), "index"),
            (rule(&[], &[("POS", "X")], 0), "no words"),
            (rule(&[map(&[("TAG", map(&[("REGEX", text("("))]))])], &[], 0), "regular expression"),
            (text("x"), "no patterns"),
        ] {
            let error = load(&[rule]).err().unwrap().to_string();
            assert!(error.contains("rule 0") && error.contains(what), "{error}");
        }
    }

    #[test]
    fn features_are_found_by_their_whole_name() {
        let morph = "Number=Sing|Person=3|VerbForm=Fin";
        assert_eq!(
            ["Number", "Person", "Form", "Tense"].map(|n| feature(morph, n)),
            [Some("Sing"), Some("3"), None, None]
        );
    }
}
