//! The integration tests of `compexp-core`, one binary.

mod engine;
mod exact;
mod golden_numeric;
mod golden_search;
mod oracle;
