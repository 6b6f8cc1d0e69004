//! Stochastic gradient descent with Nesterov's momentum, as PyTorch takes a step; candle-nn's has no momentum.

use candle_core::backprop::GradStore;
use candle_core::{Result, Var};
use candle_nn::Optimizer;

/// The settings of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct NesterovConfig {
    pub(super) learning_rate: f64,
    pub(super) momentum: f64,
    /// Decay of weights of more than one dimension, those of convolutions and linear layers; batch norms and biases have
    /// none.
    pub(super) weight_decay: f64,
}

/// The optimizer, with the momentum of each variable.
#[derive(Debug)]
pub(super) struct Nesterov {
    vars: Vec<(Var, Var)>,
    config: NesterovConfig,
}

impl Nesterov {
    /// The momentum of each variable, in their order.
    pub(super) fn momentum(&self) -> impl Iterator<Item = &Var> {
        self.vars.iter().map(|(_, momentum)| momentum)
    }
}

impl Optimizer for Nesterov {
    type Config = NesterovConfig;

    fn new(vars: Vec<Var>, config: NesterovConfig) -> Result<Self> {
        let with_zeros = |var: Var| Ok((var.clone(), Var::from_tensor(&var.zeros_like()?)?));
        Ok(Self { vars: vars.into_iter().map(with_zeros).collect::<Result<_>>()?, config })
    }

    fn step(&mut self, gradients: &GradStore) -> Result<()> {
        let NesterovConfig { learning_rate, momentum, weight_decay } = self.config;
        for (var, kept) in &self.vars {
            let Some(gradient) = gradients.get(var) else { continue };
            let weight = var.as_detached_tensor();
            let decay = if weight.rank() > 1 { weight_decay } else { 0.0 };
            let gradient = (gradient + (&weight * decay)?)?;
            let moved = ((kept.as_detached_tensor() * momentum)? + &gradient)?;
            var.set(&(weight - ((gradient + (&moved * momentum)?)? * learning_rate)?)?)?;
            kept.set(&moved)?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.config.learning_rate
    }

    fn set_learning_rate(&mut self, rate: f64) {
        self.config.learning_rate = rate;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    /// The published formula in f64, with the gradient of `x² / 2`, which is `x`.
    #[test]
    fn steps_are_those_of_the_published_formula() {
        let config = NesterovConfig { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01 };
        let weight = Var::from_tensor(&Tensor::new(&[[1f32, -2.0]], &Device::Cpu).unwrap()).unwrap();
        let bias = Var::from_tensor(&Tensor::new(&[3f32], &Device::Cpu).unwrap()).unwrap();
        let mut optimizer = Nesterov::new(vec![weight.clone(), bias.clone()], config).unwrap();
        let (mut expected, mut momentum) = ([1.0f64, -2.0, 3.0], [0.0f64; 3]);
        for _ in 0..5 {
            let square = |var: &Var| (var.as_tensor().sqr().unwrap() / 2.0).unwrap().sum_all().unwrap();
            optimizer.backward_step(&(square(&weight) + square(&bias)).unwrap()).unwrap();
            for (i, (x, m)) in expected.iter_mut().zip(&mut momentum).enumerate() {
                let gradient = *x + if i < 2 { 0.01 * *x } else { 0.0 };
                *m = 0.9 * *m + gradient;
                *x -= 0.1 * (gradient + 0.9 * *m);
            }
            let found = [weight.flatten_all().unwrap(), bias.as_tensor().clone()];
            let found: Vec<f32> = found.iter().flat_map(|t| t.to_vec1::<f32>().unwrap()).collect();
            for (found, expected) in found.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{found}, expected {expected}");
            }
        }
    }
}
