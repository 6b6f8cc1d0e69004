//! `compexp sae`: sparse autoencoders.

pub(crate) mod check;
pub(crate) mod encode;
pub(crate) mod train;
