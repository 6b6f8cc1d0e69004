//! The steps of a network: what is computed, and from which earlier steps.

use candle_core::Tensor;
use compexp_kernels::conv::Window;

/// What a layer is, for people who look for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A convolution, before the batch norm that may follow it.
    Convolution,
    /// A fully connected layer.
    Linear,
    /// A batch norm or a layer norm.
    Norm,
    /// A ReLU or GELU.
    Activation,
    /// A pooling: of maxima or of means.
    Pooling,
    /// Self-attention with its projections.
    Attention,
    /// The hidden layers of a transformer's block.
    Mlp,
    /// A block, with its residual.
    Block,
    /// A sequence of blocks or layers.
    Stage,
    /// Nothing in evaluation: a dropout.
    Identity,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Convolution => "convolution",
            Self::Linear => "linear",
            Self::Norm => "norm",
            Self::Activation => "activation",
            Self::Pooling => "pooling",
            Self::Attention => "attention",
            Self::Mlp => "mlp",
            Self::Block => "block",
            Self::Stage => "stage",
            Self::Identity => "identity",
        })
    }
}

/// What a step computes. Values are `(n, c, h, w)`, of tokens `(n, c, tokens, 1)`.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// The images.
    Image,
    /// A convolution, or a linear layer as one of 1 x 1: `weight (c_out, c_in / groups, kernel, kernel)`.
    Conv {
        weight: Tensor,
        bias: Option<Tensor>,
        stride: usize,
        padding: usize,
        groups: usize,
        linear: bool,
    },
    /// A batch norm: `x * scale + shift`.
    Norm {
        scale: Vec<f64>,
        shift: Vec<f64>,
    },
    Relu,
    Gelu,
    /// The sum of two values.
    Add,
    /// Channels of several values, one after the other.
    Concat,
    MaxPool(Window),
    /// Means of windows of 2 x 2, with stride 2.
    MeanPool,
    /// Means of as many windows along each axis, which may overlap: PyTorch's adaptive pooling.
    Adaptive(usize),
    /// The mean over all positions.
    Mean,
    /// All values of an image as channels, channel by channel.
    Flatten,
    /// Positions as tokens after a class token, `(1, 1, c)`, with `positions (1, tokens, c)` added.
    Tokens {
        class: Tensor,
        positions: Tensor,
    },
    /// The class token alone.
    ClassToken,
    /// A layer norm over channels.
    LayerNorm {
        weight: Tensor,
        bias: Tensor,
    },
    /// Attention of several heads on queries, keys and values.
    Attention {
        heads: usize,
    },
}

/// A step.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) op: Op,
    /// The steps whose values it reads, all of them earlier.
    pub(super) inputs: Vec<usize>,
    /// Whether its values are tokens, the first of them the class token.
    pub(super) tokens: bool,
}
