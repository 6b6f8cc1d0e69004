//! Language: annotation (words, tags and lemmas from raw text) and the layers of language models, without Python.
//!
//! - [`tokenizer`]: spaCy's English rules, read from a model folder: raw text to words;
//! - [`tagger`]: the tagging network of a spaCy model: words to tags, parts of speech and lemmas;
//! - [`feats`]: sentences annotated elsewhere, `.feats` and CoNLL-U;
//! - [`sentences`]: sentences in files of any form; texts are annotated;
//! - [`align`]: a language model's tokens, and which of them stand on which word;
//! - [`encoder`]: transformers (BERT, GPT-2, GPT-NeoX): tokens to the values of their layers;
//! - [`word_layers`]: the values of these layers at the words of sentences;
//! - [`sae`]: sparse autoencoders: the values of a layer to the few latents that fire;
//! - [`conllu`]: treebanks: words, tags, features and syntax;
//! - [`tokens`]: probe sets of the words of annotated sentences;
//! - [`vectors`]: word vectors, and the nearest words by cosine;
//! - [`words`]: the words that a model knows, with their numbers;
//! - [`lines`]: text files line by line, within limits.
//!
//! # What it does not know
//! The crate has no code for sentence pairs, classifiers, images or the search.
#![forbid(unsafe_code)]

pub mod align;
pub mod conllu;
pub mod encoder;
pub mod error;
pub mod feats;
pub mod lines;
mod model_folder;
mod msgpack;
pub mod sae;
pub mod sentences;
pub mod tagger;
pub mod tokenizer;
pub mod tokens;
pub mod vectors;
pub mod word_layers;
pub mod words;

pub use align::{Alignment, ModelTokenizer, Tokens};
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use sae::{Sae, SparseRows};
pub use word_layers::{WordTokens, word_values};
