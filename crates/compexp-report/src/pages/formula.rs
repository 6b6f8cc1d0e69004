//! Formulas set for reading: operators apart from concepts, and no more parentheses than it takes.

use compexp_core::concept::Vocabulary;
use compexp_core::explanation::Explanation;
use compexp_core::formula::{Atom, Formula};
use maud::{Markup, html};

use super::{plain, words};
use crate::material::{Material, formula_of};

/// A unit's formula, or why it has none.
pub(super) fn of_unit(material: &Material<'_>, unit: &Explanation) -> Markup {
    match &unit.formula {
        Some(text) => markup(material, text),
        None => html! { span.none { "no formula: " (super::status_text(unit.status)) } },
    }
}

/// A formula from its text; the text itself where it cannot be read.
pub(super) fn markup(material: &Material<'_>, text: &str) -> Markup {
    match Formula::read(text) {
        Ok((formula, names)) => html! { span.formula { (Typeset { material, names: &names }.part(&formula, false)) } },
        Err(_) => html! { code { (plain(text)) } },
    }
}

/// What makes an example a near miss of a unit's formula, as a sentence.
pub(super) fn near_miss(material: &Material<'_>, unit: &Explanation, fires: &str) -> Option<Markup> {
    let (formula, names) = formula_of(unit)?;
    let near = formula.near_miss()?;
    // The literal that was turned into its opposite stands last.
    let Formula::And(rest, turned) = last_and(&near) else { return None };
    let set = Typeset { material, names: &names };
    let rest = match rest.length() {
        1 | 2 => html! { span.formula { (set.part(rest, false)) } },
        _ => html! { "The rest of the formula" },
    };
    Some(match &**turned {
        Formula::Not(missing) => html! {
            (rest) " holds here, but " span.formula { (set.part(missing, true)) }
            " is missing, which the formula asks for; " (fires) "."
        },
        present => html! {
            (rest) " holds here, but so does " span.formula { (set.part(present, true)) }
            ", which the formula rules out; " (fires) "."
        },
    })
}

/// The AND whose second operand is the last literal.
fn last_and(formula: &Formula) -> &Formula {
    match formula {
        Formula::And(_, b) if matches!(**b, Formula::And(..) | Formula::Or(..)) => last_and(b),
        other => other,
    }
}

/// A concept in words; its key and its category are told under the pointer.
pub(super) fn concept(name: &str, category: &str) -> Markup {
    let words = words::in_words(name);
    let told: Vec<&str> = words.iter().map(|_| name).chain(Some(category).filter(|c| !c.is_empty())).collect();
    let title = (!told.is_empty()).then(|| plain(&told.join(" · ")));
    html! { bdi.concept title=[title] { (plain(words.as_deref().unwrap_or(name))) } }
}

struct Typeset<'a> {
    material: &'a Material<'a>,
    names: &'a Vocabulary,
}

impl Typeset<'_> {
    /// `inner`: whether the formula is an operand of another one.
    fn part(&self, formula: &Formula, inner: bool) -> Markup {
        match formula {
            Formula::Atom(Atom { neighbors, concept }) => {
                let name = self.names.name(*concept);
                let shown = self::concept(&name, self.material.category(&name));
                html! {
                    @if *neighbors { span.op title="any concept of the set of those nearest in meaning" { "NEIGHBORS" } " " }
                    (shown)
                }
            }
            Formula::Not(a) => {
                let group = matches!(**a, Formula::And(..) | Formula::Or(..));
                html! { span.op.not { "NOT" } " " (self.part(a, group)) }
            }
            Formula::And(a, b) => self.joined("AND", a, b, matches!(**a, Formula::And(..)), inner, formula),
            Formula::Or(a, b) => self.joined("OR", a, b, matches!(**a, Formula::Or(..)), inner, formula),
        }
    }

    /// A run of one connective needs no parentheses inside.
    fn joined(&self, op: &str, a: &Formula, b: &Formula, run: bool, inner: bool, whole: &Formula) -> Markup {
        let same = matches!((whole, b), (Formula::And(..), Formula::And(..)) | (Formula::Or(..), Formula::Or(..)));
        let class = if op == "AND" { "op and" } else { "op or" };
        html! {
            @if inner { span.paren { "(" } }
            (self.part(a, !run)) " " span class=(class) { (op) } " " (self.part(b, !same))
            @if inner { span.paren { ")" } }
        }
    }
}
