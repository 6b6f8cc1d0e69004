//! Training.

pub mod config;
mod rng;
mod tape;
