//! The compexp command.
fn main() {}
