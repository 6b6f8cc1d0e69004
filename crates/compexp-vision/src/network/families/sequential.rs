//! AlexNet and VGGs: convolutions one after the other (`features`), a pooling to a fixed size, and linear layers
//! (`classifier`). Where poolings and batch norms are follows from the numbers of the convolutions.

use candle_core::Device;
use compexp_kernels::conv::Window;

use super::super::{At, Builder, Kind, Moves};
use crate::error::Result;
use crate::resnet::Weights;

/// What the weights of a family do not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence {
    name: &'static str,
    /// The first convolution, where it is not as the others.
    first: Option<Moves>,
    pool: Window,
}

pub(super) const ALEXNET: Sequence = Sequence {
    name: "AlexNet",
    first: Some(Moves { kernel: 11, stride: 4, padding: 2, groups: false }),
    pool: Window { kernel: 3, stride: 2, padding: 0 },
};

pub(super) const VGG: Sequence =
    Sequence { name: "VGGs", first: None, pool: Window { kernel: 2, stride: 2, padding: 0 } };

/// The numbers `N` of the weights `{part}.N.weight` with `rank` sizes, ascending.
fn numbers(weights: &Weights, part: &str, rank: usize) -> Vec<usize> {
    let number = |name: &str| name.strip_prefix(part)?.strip_prefix('.')?.strip_suffix(".weight")?.parse().ok();
    let of_rank = weights.iter().filter(|(_, weight)| weight.dims().len() == rank);
    let mut all: Vec<usize> = of_rank.filter_map(|(name, _)| number(name)).collect();
    all.sort_unstable();
    all
}

/// The steps.
pub(super) fn build<'a>(sequence: Sequence, weights: &'a Weights, device: &'a Device) -> Result<Builder<'a>> {
    let (mut b, image) = Builder::new(weights, sequence.name, device);
    let x = features(&mut b, image, sequence, &numbers(weights, "features", 4))?;
    classifier(&mut b, x, &numbers(weights, "classifier", 2))?;
    Ok(b)
}

fn features(b: &mut Builder<'_>, image: At, sequence: Sequence, convs: &[usize]) -> Result<At> {
    let mut x = image;
    if convs.first() != Some(&0) {
        b.weight("features.0.weight", &[None, Some(3), None, None])?;
    }
    for (i, &number) in convs.iter().enumerate() {
        let name = format!("features.{number}");
        let kernel = b.dims(&format!("{name}.weight")).map_or(3, |dims| dims[2]);
        let moves = sequence.first.filter(|_| i == 0).unwrap_or(Moves::same(kernel, 1));
        x = b.conv(x, &name, moves)?;
        let mut at = number + 1;
        if b.has(&format!("features.{at}.running_mean")) {
            x = b.norm(x, &format!("features.{at}"))?;
            at += 1;
        }
        x = b.relu(x);
        b.name(x, format!("features.{at}"), Kind::Activation);
        at += 1;
        // A pooling, where the next convolution leaves a number free, and at the end.
        let next = convs.get(i + 1).copied().unwrap_or(at + 1);
        if next == at + 1 {
            x = b.max_pool(x, sequence.pool);
            b.name(x, format!("features.{at}"), Kind::Pooling);
        } else if next != at {
            let expected = format!("a convolution of number {at}, or {} after a pooling", at + 1);
            return Err(b.wrong(&format!("features.{next}.weight"), format!("the number {next}"), expected));
        }
    }
    b.name(x, "features", Kind::Stage);
    Ok(x)
}

fn classifier(b: &mut Builder<'_>, x: At, linears: &[usize]) -> Result<()> {
    let first = format!("classifier.{}.weight", linears.first().copied().unwrap_or(0));
    let inputs = b.dims(&first).and_then(|dims| dims.get(1)).copied().unwrap_or(0);
    // As many inputs as channels times the positions of the pooling before it.
    let side = (inputs / x.channels).isqrt();
    if side == 0 || x.channels * side * side != inputs {
        b.weight(&first, &[None, None])?;
        let expected = format!("{} channels times a square number of positions as inputs", x.channels);
        return Err(b.wrong(&first, format!("{inputs} inputs"), expected));
    }
    let pooled = b.adaptive(x, side);
    b.name(pooled, "avgpool", Kind::Pooling);
    let mut x = b.flatten(pooled, side * side);
    let mut at = 0;
    for (i, &number) in linears.iter().enumerate() {
        while at < number {
            b.name(x, format!("classifier.{at}"), Kind::Identity); // a dropout
            at += 1;
        }
        x = b.named_linear(x, &format!("classifier.{number}"))?;
        if i + 1 < linears.len() {
            x = b.relu(x);
            b.name(x, format!("classifier.{}", number + 1), Kind::Activation);
        }
        at = number + 2;
    }
    b.name(x, "classifier", Kind::Stage);
    Ok(())
}
