//! A text example with the words that a formula speaks of marked.

use compexp_core::exemplar::Exemplar;
use compexp_core::explanation::Explanation;
use compexp_core::formula::{Atom, Formula};
use maud::{Markup, html};

use super::{plain, words};
use crate::Result;
use crate::material::{Material, Present, formula_of};

/// What stands between premise and hypothesis in an example's text.
const BETWEEN: &str = " => ";

/// A literal of a formula.
struct Literal {
    name: String,
    neighbors: bool,
    /// Not behind an odd number of NOTs.
    positive: bool,
}

/// The sides of a pair, and how names of words on each begin.
const SIDES: [(&str, &str); 2] = [("Premise", "pre:tok:"), ("Hypothesis", "hyp:tok:")];

/// The signs that a page uses, which a legend explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// A word that the formula asks for.
    asked: bool,
    /// A word that the formula rules out.
    ruled_out: bool,
    /// Whether literals are true.
    literals: bool,
    /// Such a literal that belongs to no word.
    wordless: bool,
}

/// The text of an example, with the words that make literals of the unit's formula true or false, and the literals.
pub(super) fn markup(
    material: &Material<'_>,
    unit: &Explanation,
    exemplar: &Exemplar,
    signs: &mut Signs,
) -> Result<Markup> {
    let text = &material.examples[exemplar.example as usize].text;
    let literals = literals(unit);
    // Only a pair of a run on pairs has two sides: another text may hold the sign between them.
    let paired = material.concept_names().any(|name| SIDES.iter().any(|(_, prefix)| name.starts_with(prefix)));
    let sides: Vec<(&str, &str, &str)> = match text.split_once(BETWEEN).filter(|_| paired) {
        Some((premise, hypothesis)) => {
            vec![(SIDES[0].0, SIDES[0].1, premise), (SIDES[1].0, SIDES[1].1, hypothesis)]
        }
        None => vec![("", "", text)],
    };
    let present = material.concepts_of(exemplar.example as usize)?;
    let holds = |l: &Literal| Some(present.as_ref()?.has(&l.name, l.neighbors) == l.positive);
    let chips = present.is_some() && !literals.is_empty();
    signs.literals |= chips;
    signs.wordless |= chips && literals.iter().any(|l| words::in_words(&l.name).is_some() && !l.name.contains(":tok:"));
    let sentences: Vec<Markup> = sides
        .iter()
        .map(|(_, prefix, sentence)| marked(sentence, &phrases(material, prefix, &literals, present.as_ref()), signs))
        .collect();
    Ok(html! {
        div.sentences {
            @for ((side, ..), sentence) in sides.iter().zip(&sentences) {
                p.sentence dir="auto" {
                    @if !side.is_empty() { span.side { (side) } " " }
                    (sentence)
                }
            }
            @if chips {
                ul.literals aria-label="Literals of the formula on this example" {
                    @for literal in &literals {
                        @let holds = holds(literal) == Some(true);
                        li.holds[holds] title=[words::in_words(&literal.name).map(|_| plain(&literal.name))] {
                            (if holds { "✓ " } else { "✗ " })
                            @if !literal.positive { span.op { "NOT " } }
                            @if literal.neighbors { span.op { "NEIGHBORS " } }
                            bdi { (plain(&words::shown(&literal.name))) }
                        }
                    }
                }
            }
        }
    })
}

/// What the signs of a page mean.
pub(super) fn legend(signs: Signs) -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            @if signs.asked { li { mark.asked { "word" } " the formula asks for it" } }
            @if signs.ruled_out { li { mark.ruled-out { "word" } " the formula rules it out" } }
            @if signs.literals {
                li {
                    "✓ ✗: whether a literal is true of the text."
                    @if signs.wordless { " Tags and overlap belong to no single word, so that only their literals show them." }
                }
            }
        }
    }
}

fn literals(unit: &Explanation) -> Vec<Literal> {
    let Some((formula, names)) = formula_of(unit) else { return Vec::new() };
    let mut found = Vec::new();
    collect(&formula, true, &mut |Atom { neighbors, concept }, positive| {
        found.push(Literal { name: names.name(concept).into_owned(), neighbors, positive });
    });
    found
}

fn collect(formula: &Formula, positive: bool, each: &mut impl FnMut(Atom, bool)) {
    match formula {
        Formula::Atom(atom) => each(*atom, positive),
        Formula::Not(f) => collect(f, !positive, each),
        Formula::And(a, b) | Formula::Or(a, b) => {
            collect(a, positive, each);
            collect(b, positive, each);
        }
    }
}

/// The words of a concept's name, the literal that it belongs to, and whether it is the literal's own concept.
struct Phrase<'a> {
    words: Vec<String>,
    literal: &'a Literal,
    own: bool,
}

/// What is marked in a sentence whose words have names that begin with `prefix`; without a prefix a concept is marked where
/// its name stands in the text, unless the example is known not to have it.
fn phrases<'a>(
    material: &Material<'_>,
    prefix: &str,
    literals: &'a [Literal],
    present: Option<&Present<'_>>,
) -> Vec<Phrase<'a>> {
    let mut found: Vec<Phrase<'a>> = Vec::new();
    for literal in literals {
        let names = if literal.neighbors { material.neighbors(&literal.name) } else { vec![literal.name.clone()] };
        for name in names {
            let own = name == literal.name;
            let absent = prefix.is_empty() && present.is_some_and(|present| !present.has(&name, false));
            let Some(word) = name.strip_prefix(prefix).filter(|_| !absent) else { continue };
            // A word of a side is one word, whatever signs it holds.
            let words: Vec<String> = match prefix.is_empty() {
                false => vec![word.to_lowercase()],
                true => word.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect(),
            };
            if !words.is_empty() && !found.iter().any(|phrase| phrase.words == words) {
                found.push(Phrase { words, literal, own });
            }
        }
    }
    found
}

/// A word without capitals and without the signs around it.
fn bare(word: &str) -> String {
    word.to_lowercase().trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

/// A sentence, with the words marked that phrases name.
fn marked(sentence: &str, phrases: &[Phrase<'_>], signs: &mut Signs) -> Markup {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let is = |word: &str, wanted: &String| word.to_lowercase() == *wanted || bare(word) == *wanted;
    let at = |i: usize| {
        let fits = |phrase: &&Phrase<'_>| {
            let rest = words.get(i..i + phrase.words.len());
            rest.is_some_and(|rest| rest.iter().zip(&phrase.words).all(|(word, wanted)| is(word, wanted)))
        };
        phrases.iter().find(fits)
    };
    let mut parts = Vec::new();
    let mut i = 0;
    while i < words.len() {
        let phrase = at(i);
        let n = phrase.map_or(1, |phrase| phrase.words.len());
        let text = plain(&words[i..i + n].join(" "));
        parts.push(match phrase {
            Some(Phrase { literal, own, .. }) => {
                signs.asked |= literal.positive;
                signs.ruled_out |= !literal.positive;
                let why = format!(
                    "{}{}{}",
                    if literal.positive { "asked for by " } else { "ruled out by NOT " },
                    if *own { "" } else { "NEIGHBORS " },
                    plain(&literal.name)
                );
                let class = if literal.positive { "asked" } else { "ruled-out" };
                html! { mark class=(class) title=(why) { (text) } " " }
            }
            None => html! { (text) " " },
        });
        i += n;
    }
    html! { @for part in &parts { (part) } }
}
