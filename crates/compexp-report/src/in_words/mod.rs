//! Formulas in words: `(form:this AND Number=Sing)` is "singular 'this'".
//!
//! Two formulas have the same words only if they mean the same. So that this holds, whatever is not in a fixed table stands in
//! quotes, and an operand that could be read in two ways stands in parentheses.

mod concepts;
mod tables;

use compexp_core::concept::Vocabulary;
use compexp_core::formula::{Atom, Formula};
use compexp_run::{FinishedRun, Result};

use concepts::Phrase;
pub(crate) use tables::penn_tag;

/// The form of annotation whose examples are words of sentences, in the record of a run.
const OF_WORDS: &str = "tokens";

/// What the concepts of formulas are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concepts {
    /// Words of sentences: their names are read as `compexp-text` makes them.
    OfWords,
    /// Anything else: concepts are called by their names.
    Other,
}

impl Concepts {
    /// Those of a run.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if the run is of another version of compexp.
    pub fn of(run: &FinishedRun) -> Result<Self> {
        let of_words = run.provenance()?.annotations().is_some_and(|made| made.kind == OF_WORDS);
        Ok(if of_words { Self::OfWords } else { Self::Other })
    }
}

/// The formula of the text `text` in words; none if it cannot be read.
///
/// ```
/// use compexp_report::in_words::{Concepts, in_words};
///
/// let words = |text| in_words(text, Concepts::OfWords).unwrap();
/// assert_eq!(words("(form:this AND Number=Sing)"), "singular 'this'");
/// assert_eq!(words("((PREV upos:DET) AND upos:NOUN)"), "after a determiner, a noun");
/// assert_eq!(words("(upos:NOUN AND (NOT (PREV upos:DET)))"), "a noun, but not after a determiner");
/// let names = |text| in_words(text, Concepts::Other).unwrap();
/// assert_eq!(names("((water OR river) AND (NOT blue-c))"), "(water or river), but not blue-c");
/// ```
pub fn in_words(text: &str, concepts: Concepts) -> Option<String> {
    let (formula, names) = Formula::read(text).ok()?;
    Some(Speaker { names: &names, concepts }.part(&formula).text)
}

/// Some words, and whether they can stand beside others without parentheses.
struct Part {
    text: String,
    plain: bool,
}

impl Part {
    fn operand(self) -> String {
        if self.plain { self.text } else { format!("({})", self.text) }
    }
}

struct Speaker<'a> {
    names: &'a Vocabulary,
    concepts: Concepts,
}

/// The operands of an AND, by what they are.
#[derive(Default)]
struct Conjunction<'a> {
    atoms: Vec<Atom>,
    choices: Vec<&'a Formula>,
    /// What must not hold.
    ruled_out: Vec<&'a Formula>,
}

impl<'a> Conjunction<'a> {
    fn add(&mut self, formula: &'a Formula) {
        match formula {
            Formula::Atom(atom) => self.atoms.push(*atom),
            Formula::And(a, b) => {
                self.add(a);
                self.add(b);
            }
            Formula::Or(..) => self.choices.push(formula),
            Formula::Not(inner) => self.rule_out(inner),
        }
    }

    /// Adds the opposite of a formula. By De Morgan's law the opposite of an OR is an AND.
    fn rule_out(&mut self, formula: &'a Formula) {
        match formula {
            Formula::Not(inner) => self.add(inner),
            Formula::Or(a, b) => {
                self.rule_out(a);
                self.rule_out(b);
            }
            Formula::Atom(_) | Formula::And(..) => self.ruled_out.push(formula),
        }
    }
}

impl Speaker<'_> {
    fn part(&self, formula: &Formula) -> Part {
        match formula {
            Formula::Or(..) => {
                let mut operands = Vec::new();
                self.alternatives(formula, &mut operands);
                Part { text: operands.join(" or "), plain: false }
            }
            Formula::Not(inner) => match &**inner {
                Formula::Not(inner) => self.part(inner),
                _ => self.conjunction(formula),
            },
            Formula::Atom(_) | Formula::And(..) => self.conjunction(formula),
        }
    }

    fn alternatives(&self, formula: &Formula, into: &mut Vec<String>) {
        match formula {
            Formula::Or(a, b) => {
                self.alternatives(a, into);
                self.alternatives(b, into);
            }
            other => into.push(self.part(other).operand()),
        }
    }

    fn conjunction(&self, formula: &Formula) -> Part {
        let mut all = Conjunction::default();
        all.add(formula);
        let mut operands = Vec::new();
        let alone = all.choices.is_empty();
        let mut plain = alone && all.ruled_out.is_empty();
        if !all.atoms.is_empty() {
            let together = self.together(&all.atoms);
            plain &= together.plain;
            operands.push(if alone { together.text } else { together.operand() });
        }
        operands.extend(all.choices.iter().map(|choice| self.part(choice).operand()));
        let mut text = operands.join(" and ");
        let ruled_out: Vec<String> = all.ruled_out.iter().map(|formula| self.absent(formula)).collect();
        let start = if text.is_empty() { "" } else { ", but " };
        match &ruled_out[..] {
            [] => {}
            [only] => text += &format!("{start}not {only}"),
            several => text += &format!("{start}neither {}", several.join(" nor ")),
        }
        Part { text, plain }
    }

    /// Concepts that all hold.
    fn together(&self, atoms: &[Atom]) -> Part {
        let mut atoms = atoms.to_vec();
        atoms.sort_unstable();
        atoms.dedup();
        match self.concepts {
            Concepts::OfWords => {
                // NEIGHBORS is no concept of words; a file may hold it all the same.
                let phrases = atoms.iter().map(|atom| match atom.neighbors {
                    false => Phrase::of(&self.names.name(atom.concept)),
                    true => Phrase::Clause(format!("near {}", concepts::quoted(&self.names.name(atom.concept)))),
                });
                let (text, plain) = concepts::noun_phrase(phrases.collect());
                Part { text, plain }
            }
            Concepts::Other => {
                let mut names: Vec<String> = atoms.iter().map(|atom| self.name(*atom)).collect();
                names.sort_unstable();
                Part { text: names.join(" and "), plain: names.len() == 1 }
            }
        }
    }

    /// What must not hold, behind "not", "neither" or "nor".
    fn absent(&self, formula: &Formula) -> String {
        match (formula, self.concepts) {
            (Formula::Atom(Atom { neighbors: false, concept }), Concepts::OfWords) => {
                Phrase::of(&self.names.name(*concept)).alone()
            }
            _ => self.part(formula).operand(),
        }
    }

    /// A concept by its name, which stands in quotes if it could be taken for something else.
    fn name(&self, atom: Atom) -> String {
        let name = self.names.name(atom.concept);
        let connective = |word: &str| ["and", "or", "not", "but", "neither", "nor", "neighbour"].contains(&word);
        let clear = !name.is_empty()
            && name.split(' ').all(|word| !word.is_empty() && !connective(word))
            && !name.contains(|c: char| matches!(c, '(' | ')' | ',' | '"' | '\'' | '\\') || c.is_control());
        let name = if clear { name.into_owned() } else { concepts::quoted(&name) };
        if atom.neighbors { format!("a neighbour of {name}") } else { name }
    }
}

#[cfg(test)]
mod tests;
