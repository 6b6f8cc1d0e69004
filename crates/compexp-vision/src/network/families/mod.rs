//! The families of networks, with torchvision's names of modules and weights.

mod densenet;
mod residual;
mod sequential;
mod vit;

use candle_core::Device;

use super::{Builder, Shape};
use crate::error::Result;
use crate::resnet::Weights;

/// A family of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// ResNets of basic blocks or bottlenecks, Wide ResNets and ResNeXts (He et al., 2016; Zagoruyko and Komodakis, 2016; Xie
    /// et al., 2017).
    ResNet,
    /// AlexNet (Krizhevsky, 2014).
    AlexNet,
    /// VGGs, with batch norm and without (Simonyan and Zisserman, 2015).
    Vgg,
    /// DenseNets (Huang et al., 2017).
    DenseNet,
    /// Vision transformers (Dosovitskiy et al., 2021).
    Vit,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ResNet, Self::AlexNet, Self::Vgg, Self::DenseNet, Self::Vit];

    /// Its name in files and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResNet => "resnet",
            Self::AlexNet => "alexnet",
            Self::Vgg => "vgg",
            Self::DenseNet => "densenet",
            Self::Vit => "vit",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

/// The steps of a network, and the size of its images if there is only one.
pub(super) fn build<'a>(
    family: Family,
    shape: &Shape,
    weights: &'a Weights,
    device: &'a Device,
) -> Result<(Builder<'a>, Option<usize>)> {
    match family {
        Family::ResNet => Ok((residual::build(shape.config.as_ref(), weights, device)?, None)),
        Family::AlexNet => Ok((sequential::build(sequential::ALEXNET, weights, device)?, None)),
        Family::Vgg => Ok((sequential::build(sequential::VGG, weights, device)?, None)),
        Family::DenseNet => Ok((densenet::build(weights, device)?, None)),
        Family::Vit => {
            let (builder, side) = vit::build(shape.heads, weights, device)?;
            Ok((builder, Some(side)))
        }
    }
}
