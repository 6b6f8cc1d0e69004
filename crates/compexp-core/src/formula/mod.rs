//! Formulas: AND / OR / NOT / NEIGHBORS trees over concepts, their text, their order and their meaning.

#[cfg(test)]
pub(crate) mod arbitrary;
mod logic;
mod text;
mod tree;

pub use logic::Meaning;
pub use text::{DisplayFormula, context_of, escape_for_terminal, in_context, names_in, write_name};
pub use tree::{Atom, Formula};
