//! Sentence pairs: from raw text to features, and classifiers whose units are explained by them.

pub mod error;
pub mod feats;
pub mod features;
mod lines;
pub mod model;
pub mod tagger;
pub mod text;
pub mod tokenizer;
pub mod train;

pub use error::{Error, Result};
