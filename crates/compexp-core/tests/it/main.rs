//! The integration tests of `compexp-core`, one binary.

mod golden_search;
mod oracle;
