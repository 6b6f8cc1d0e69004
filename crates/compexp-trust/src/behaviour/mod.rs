//! From explanation to behaviour: how units bear on the classes that a model predicts, and what becomes of its
//! predictions without them.
//!
//! A model's last layer is a [`Head`], a linear map from features (one value a unit and example) to logits (one value a
//! class and example). With the head at hand neither measure needs the model again.

pub mod ablation;
pub mod contribution;
mod head;
pub mod layers;
mod pairs;
pub mod trial;

pub use head::{Features, Head};
