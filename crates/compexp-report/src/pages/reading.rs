//! How to read the report: what its colours, scores and formulas mean. It stands on the landing page of a run.

use maud::{Markup, html};

use super::{anchor, legend};
use crate::material::Material;

/// The section, with what this run has.
pub(super) fn section(material: &Material<'_>) -> Markup {
    let units = &material.explanations().units;
    let has = |tested: fn(&compexp_core::explanation::Explanation) -> bool| units.iter().any(tested);
    let texts = material.examples.iter().any(|e| !e.text.is_empty());
    let names = |end: &str| material.concept_names().any(|name| name.ends_with(end));
    let keys = material.concept_names().any(|name| super::words::in_words(name).is_some());
    html! {
        section #reading {
            h2 { "How to read this page" (anchor("reading")) }
            p.sub {
                "A unit is one neuron or channel of the network. It " b { "fires" } " where its activation is above a \
                 threshold. Its " b { "formula" } " is true on some examples or positions; the better these are the same as \
                 those where the unit fires, the better the formula explains the unit. No formula is a cause: the scores say \
                 how well two masks match."
            }
            @if !texts { (legend(material.grid())) }
            dl.glossary {
                (term("IoU", "intersection over union", "Positions in both masks, divided by positions in either. 1 is a perfect \
                    match. A unit that fires often reaches a high IoU with almost any formula that is often true: compare it \
                    with the firing rate."))
                (term("MCC", "Matthews correlation coefficient", "The correlation of the two masks. 1 is a perfect match, 0 is \
                    independence, whatever the firing rate; below 0 they exclude each other."))
                (term("firing rate", "", "The share of all positions on which the unit fires. It is the IoU of a formula that is \
                    true everywhere."))
                (term("lift", "", "How many times as often as anywhere the unit fires where the formula is true. 1 is no more often."))
                (term("literal", "", "A concept in a formula, or its negation. The length of a formula is its number of literals."))
                (term("AND, OR, NOT", "", "A AND B is true where both are, A OR B where at least one is, NOT A where A is not."))
                (term("alternatives", "", "What OR joins. They are related where word vectors (lexical coherence) or the company that \
                    concepts keep (perceptual coherence) link them, and unrelated otherwise: the unit is polysemantic. A formula \
                    of several concepts joined by AND and AND NOT is a specialised concept (specialisation)."))
                @if has(|u| u.formula.as_ref().is_some_and(|f| f.contains("NEIGHBORS"))) || texts {
                    (term("NEIGHBORS", "", "NEIGHBORS A is true where A or any of the words nearest to it in meaning is."))
                }
                (term("chance", "", "What the same search finds when the unit's maps are dealt out to other examples. A score is \
                    worth what it has above that. A chance-corrected score is 0 at the median of these draws, 1 for a perfect match."))
                (term("p and q", "false discovery rate", "p is how often chance does as well as the unit. q is the share that is \
                    expected to be chance among the units with a p as small as this (Benjamini-Hochberg)."))
                (term("held-out", "", "A score on examples that the search never saw. Where it is much lower than the score of the \
                    search, the formula fits these examples, not the unit."))
                @if names("-c") {
                    (term("names that end in -c", "", "Colours of the Broden annotations: grey-c is true where a position is grey."))
                }
                @if names("-s") {
                    (term("names that end in -s", "", "Scenes of the Broden annotations: street-s is true on every position of an image \
                        of a street."))
                }
                @if keys {
                    (term("premise: …, hypothesis: …", "", "The sentence of the pair has this word, or a word with this tag of the \
                        Penn Treebank. The pointer shows the key that files and commands use."))
                }
            }
        }
    }
}

fn term(name: &str, long: &str, meaning: &str) -> Markup {
    html! { div { dt { (name) @if !long.is_empty() { span { " " (long) } } } dd { (meaning) } } }
}
