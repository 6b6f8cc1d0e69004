//! `compexp text`: from sentences and a language model.

mod extraction;
pub(crate) mod layers;
pub(crate) mod probe;
