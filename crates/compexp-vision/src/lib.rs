//! Vision: probe sets of annotated images, preprocessing, networks and their activations.
//!
//! This crate does not know sentences, and it does not search: it turns images and a checkpoint into the activations and
//! probe sets that `compexp-core` works on.

pub mod broden;
pub mod classes;
pub mod conv;
pub mod error;
pub mod eval;
pub mod extract;
pub mod image;
pub mod model;
pub mod preprocess;
pub mod resnet;

pub use error::{Error, Result};
