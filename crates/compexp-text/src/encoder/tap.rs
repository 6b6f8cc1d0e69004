//! The places of a model whose values can be read.

use std::fmt;

/// A kind of place within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// The neurons of the MLP, after the activation function.
    Mlp,
    /// The block's output: the residual stream, in BERT after its layer norm.
    Resid,
    /// The output of the attention's last linear layer, before it is added to the residual stream.
    Attn,
}

/// A place: the site in a block, counted from 0. Printed as `mlp.3`, `resid.0`, `attn.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tap {
    /// The site.
    pub site: Site,
    /// The block, counted from 0.
    pub layer: usize,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mlp, Self::Resid, Self::Attn];
}

impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = match self.site {
            Site::Mlp => "mlp",
            Site::Resid => "resid",
            Site::Attn => "attn",
        };
        write!(f, "{site}.{}", self.layer)
    }
}
