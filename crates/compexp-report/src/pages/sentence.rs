//! A text example with the words that a formula speaks of marked.

use std::collections::HashMap;

use compexp_core::exemplar::Exemplar;
use compexp_core::explanation::Explanation;
use compexp_core::formula::{Atom, Formula};
use maud::{Markup, html};

use super::plain;
use crate::Result;
use crate::material::{Material, formula_of};

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

/// The text of an example, with the words that make literals of the unit's formula true or false, and the literals.
pub(super) fn markup(material: &Material<'_>, unit: &Explanation, exemplar: &Exemplar) -> Result<Markup> {
    let text = &material.examples[exemplar.example as usize].text;
    let literals = literals(unit);
    let pair = text.split_once(BETWEEN);
    let sides: Vec<(&str, &str, &str)> = match pair {
        Some((premise, hypothesis)) => {
            vec![(SIDES[0].0, SIDES[0].1, premise), (SIDES[1].0, SIDES[1].1, hypothesis)]
        }
        None => vec![("", "", text)],
    };
    let present = material.concepts_of(exemplar.example as usize)?;
    let holds = |l: &Literal| Some(present.as_ref()?.has(&l.name, l.neighbors) == l.positive);
    Ok(html! {
        div.sentences {
            @for (side, prefix, sentence) in &sides {
                p.sentence dir="auto" {
                    @if !side.is_empty() { span.side { (side) } " " }
                    (words(material, sentence, prefix, &literals))
                }
            }
            @if present.is_some() && !literals.is_empty() {
                ul.literals aria-label="Literals of the formula on this example" {
                    @for literal in &literals {
                        @let holds = holds(literal) == Some(true);
                        li.holds[holds] {
                            (if holds { "✓ " } else { "✗ " })
                            @if !literal.positive { span.op { "NOT " } }
                            @if literal.neighbors { span.op { "NEIGHBORS " } }
                            bdi { (plain(&literal.name)) }
                        }
                    }
                }
            }
        }
    })
}

/// What marks mean.
pub(super) fn legend() -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            li { mark.asked { "word" } " the formula asks for it" }
            li { mark.ruled-out { "word" } " the formula rules it out" }
            li { "✓ ✗: whether a literal is true of the pair. Tags and overlap belong to no single word, so that only their literals show them." }
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

/// A sentence's words, those marked that literals of its side name.
fn words(material: &Material<'_>, sentence: &str, prefix: &str, literals: &[Literal]) -> Markup {
    let mut marked: HashMap<String, (&Literal, bool)> = HashMap::new();
    for literal in literals.iter().filter(|_| !prefix.is_empty()) {
        let names = if literal.neighbors { material.neighbors(&literal.name) } else { vec![literal.name.clone()] };
        for name in names {
            let own = name == literal.name;
            if let Some(word) = name.strip_prefix(prefix) {
                marked.entry(word.to_owned()).or_insert((literal, own));
            }
        }
    }
    let find = |word: &str| {
        let lower = word.to_lowercase();
        marked.get(&lower).or_else(|| marked.get(lower.trim_matches(|c: char| !c.is_alphanumeric())))
    };
    html! {
        @for word in sentence.split_whitespace() {
            @match find(word) {
                Some((literal, own)) => {
                    @let why = format!(
                        "{}{}{}",
                        if literal.positive { "asked for by " } else { "ruled out by NOT " },
                        if *own { "" } else { "NEIGHBORS " },
                        plain(&literal.name)
                    );
                    mark class=(if literal.positive { "asked" } else { "ruled-out" }) title=(why) { (plain(word)) }
                }
                None => { (plain(word)) }
            }
            " "
        }
    }
}
