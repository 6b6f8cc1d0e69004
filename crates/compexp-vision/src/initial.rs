//! The weights of a network before any training.

use candle_core::{Device, Tensor};
use compexp_core::random::Random;

use crate::error::Result;
use crate::random::Purpose;
use crate::resnet::{Config, Weights};

/// What the gain of a block's last batch norm is before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastGain {
    /// 0, so that a block begins as its shortcut (Goyal et al., 2017): for training.
    Zero,
    /// 1, as torchvision's networks have it by default: for a random network to compare with.
    One,
}

/// The initial weights of a network, which follow from `seed`: convolutions normal with the variance of He et al. (2015)
/// over their outputs, the last layer uniform within the root of the inverse number of inputs, other gains and variances 1,
/// biases and means 0. f32 on the CPU.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if `config` describes no network.
pub fn initial_weights(config: &Config, classes: usize, seed: u64, last_gain: LastGain) -> Result<Weights> {
    let shapes = config.weights(classes)?.into_iter().enumerate();
    let drawn = shapes.map(|(round, (name, shape))| {
        let values = initial(Random::new(seed, Purpose::Weights, round as u64), &name, &shape, last_gain);
        Ok((name, Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?))
    });
    drawn.collect()
}

/// Random weights of the names and shapes of `like`, by the rules of [`initial_weights`]; embeddings of positions are normal
/// with a deviation of 0.02, a class token is 0. Counters of batches stay. f32 on the CPU.
///
/// # Errors
/// [`crate::Error::Candle`] if a tensor cannot be made.
pub fn random_weights(like: &Weights, seed: u64) -> Result<Weights> {
    let drawn = like.iter().enumerate().map(|(round, (name, weight))| {
        if weight.dims().is_empty() {
            return Ok((name.clone(), weight.clone()));
        }
        let values = initial(Random::new(seed, Purpose::Weights, round as u64), name, weight.dims(), LastGain::One);
        Ok((name.clone(), Tensor::from_vec(values, weight.dims(), &Device::Cpu)?))
    });
    drawn.collect()
}

fn initial(mut random: Random, name: &str, shape: &[usize], last_gain: LastGain) -> Vec<f32> {
    let n: usize = shape.iter().product();
    if shape.len() == 4 {
        let deviation = (2.0 / (shape[0] * shape[2] * shape[3]) as f32).sqrt();
        (0..n).map(|_| random.near_normal() * deviation).collect()
    } else if shape.len() == 3 {
        let deviation = if name.ends_with("class_token") { 0.0 } else { 0.02 };
        (0..n).map(|_| random.near_normal() * deviation).collect()
    } else if shape.len() == 2 {
        let bound = 1.0 / (shape[1] as f32).sqrt();
        (0..n).map(|_| random.between(-bound, bound)).collect()
    } else if name.ends_with("bias")
        || name.ends_with("running_mean")
        || (name.ends_with(".bn2.weight") && last_gain == LastGain::Zero)
    {
        vec![0.0; n]
    } else {
        vec![1.0; n]
    }
}
