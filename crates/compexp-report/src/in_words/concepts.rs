//! What one concept of words says, and several together.

use compexp_core::formula::context_of;

use super::tables::{FEATURES, PARTS_OF_SPEECH, RELATIONS, penn_tag};

/// What a concept says of a word, by its place in a phrase.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phrase {
    /// "after a determiner"
    Near(String),
    /// "singular"
    Adjective(String),
    /// "noun"
    Noun(String),
    /// "form of 'be'"
    Lemma(String),
    /// "'this'"
    Form(String),
    /// "that is the subject"
    Clause(String),
    /// "whose head is a verb": behind the others, so that none of them seems to be about the head.
    Elsewhere(String),
}

/// The word itself in quotes: single ones, or double ones if it holds a single one.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        if c == quote || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push(quote);
    out
}

fn find(table: &[(&'static str, &'static str)], key: &str) -> Option<String> {
    table.iter().find(|(known, _)| *known == key).map(|(_, words)| (*words).to_owned())
}

impl Phrase {
    /// What the concept of this name says.
    pub(super) fn of(name: &str) -> Self {
        match context_of(name) {
            Some((operator, inner)) => Self::in_context(operator, inner),
            None => Self::own(name),
        }
    }

    /// What a concept about the word itself says.
    fn own(name: &str) -> Self {
        let clause = |text: String| Self::Clause(text);
        let Some((family, value)) = name.split_once(':').filter(|(family, _)| !family.contains('=')) else {
            return match find(FEATURES, name) {
                Some(adjective) => Self::Adjective(adjective),
                None => clause(format!("with the feature {}", quoted(name))),
            };
        };
        let exact = quoted(value);
        match family {
            "form" => Self::Form(exact),
            "lemma" => Self::Lemma(format!("form of {exact}")),
            "upos" => match find(PARTS_OF_SPEECH, value) {
                Some(noun) => Self::Noun(noun),
                None => clause(format!("with the part of speech {exact}")),
            },
            // Other tag sets have tags of the same name with other cases.
            "xpos" => match penn_tag(value).filter(|_| value == value.to_uppercase()) {
                Some(words) => clause(format!("with the tag {exact} ({words})")),
                None => clause(format!("with the tag {exact}")),
            },
            "rel" => match find(RELATIONS, value) {
                Some(role) => clause(format!("that is {role}")),
                None => clause(format!("in the relation {exact}")),
            },
            "position" => clause(place(value).unwrap_or_else(|| format!("at the position {exact}"))),
            "prefix" => clause(format!("that begins with {exact}")),
            "suffix" => clause(format!("that ends in {exact}")),
            "shape" => match value {
                "capitalised" => Self::Adjective("capitalised".into()),
                "upper" => Self::Adjective("all-capitals".into()),
                "digit" => clause("with a digit".into()),
                "punctuation" => clause("made of punctuation marks".into()),
                _ => clause(format!("of the shape {exact}")),
            },
            "list" => clause(format!("in the list {exact}")),
            "regex" => clause(format!("that matches {exact}")),
            "label" => clause(format!("in a sentence labelled {exact}")),
            _ => clause(format!("with the concept {}", quoted(name))),
        }
    }

    /// What a concept about another word of the sentence says.
    fn in_context(operator: &str, inner: &str) -> Self {
        // A file may hold a name of any depth.
        let other = match context_of(inner) {
            Some(_) => format!("a word with the concept {}", quoted(inner)),
            None => noun_phrase(vec![Self::own(inner)]).0,
        };
        match operator {
            "PREV" => Self::Near(format!("after {other}")),
            "NEXT" => Self::Near(format!("before {other}")),
            "HEAD" => Self::Elsewhere(format!("whose head is {other}")),
            "CHILD" => Self::Elsewhere(format!("with a dependent that is {other}")),
            operator => {
                let k = operator.rsplit('-').next().unwrap_or_default();
                Self::Near(format!("up to {k} words after {other}"))
            }
        }
    }

    /// The concept by itself, as what a word is not.
    pub(super) fn alone(self) -> String {
        match self {
            Self::Near(text) | Self::Adjective(text) | Self::Form(text) => text,
            Self::Noun(text) | Self::Lemma(text) => with_article(&text),
            Self::Clause(text) | Self::Elsewhere(text) => format!("one {text}"),
        }
    }
}

/// A place in the sentence.
fn place(value: &str) -> Option<String> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match value {
        "first" => Some("at the start of its sentence".into()),
        "last" => Some("at the end of its sentence".into()),
        _ => match (value.split_once('-'), value.strip_suffix('+')) {
            (Some((from, to)), _) if number(from) && number(to) => {
                Some(format!("in places {from} to {to} of its sentence"))
            }
            (_, Some(from)) if number(from) => Some(format!("from place {from} of its sentence onward")),
            _ => None,
        },
    }
}

fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// Phrases that are all true of one word, and whether the whole can stand beside other words without parentheses.
pub(super) fn noun_phrase(mut phrases: Vec<Phrase>) -> (String, bool) {
    phrases.sort();
    phrases.dedup();
    let (mut near, mut core, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    let (mut noun, mut form) = (false, false);
    for phrase in phrases {
        match phrase {
            Phrase::Near(text) => near.push(text),
            Phrase::Clause(text) | Phrase::Elsewhere(text) => behind.push(text),
            Phrase::Adjective(text) => core.push(text),
            Phrase::Noun(text) | Phrase::Lemma(text) => {
                noun = true;
                core.push(text);
            }
            Phrase::Form(text) => {
                form = true;
                core.push(text);
            }
        }
    }
    let bare = core.is_empty();
    if !noun && !form {
        core.push("word".into());
    }
    let core = core.join(" ");
    let core = if form { core } else { with_article(&core) };
    // By itself the place stands behind: "a word after a determiner".
    if bare && behind.is_empty() && !near.is_empty() {
        return (format!("{core} {}", near.join(", ")), false);
    }
    let plain = near.is_empty() && behind.is_empty();
    near.push(core);
    let mut text = near.join(", ");
    for (i, clause) in behind.into_iter().enumerate() {
        text += if i == 0 { " " } else { ", " };
        text += &clause;
    }
    (text, plain)
}
