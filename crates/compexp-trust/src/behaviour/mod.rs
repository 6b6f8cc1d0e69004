//! From explanation to behaviour: how units contribute to the classes that a model predicts, and how its predictions change
//! without them.
//!
//! A model's last layer is a [`Head`], a linear map from features (one value a unit and example) to logits (one value a
//! class and example). With the head neither measure runs the model again.

pub mod ablation;
pub mod contribution;
mod head;
pub mod layers;
mod pairs;
pub mod trial;

pub use head::{Features, Head};
