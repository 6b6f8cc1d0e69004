//! Formulas: AND / OR / NOT / NEIGHBORS trees over concepts, their text, their order and their meaning.

#[cfg(test)]
pub(crate) mod arbitrary;
mod logic;
mod text;
mod tree;

pub use logic::Meaning;
pub use text::{DisplayFormula, escape_for_terminal, names_in, write_name};
pub use tree::{Atom, Formula};
