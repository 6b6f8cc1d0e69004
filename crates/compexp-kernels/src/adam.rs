//! Adam (Kingma and Ba, 2015), as PyTorch computes it.
//!
//! candle-nn's AdamW has private moments, so a training could not be saved and continued. It also creates a dozen new
//! tensors per weight and step. This optimizer makes its moments readable, and updates in place on the CPU.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Storage, Tensor, Var, bail};
use rayon::prelude::*;

use crate::error::Result;

/// Elements that a thread updates at a time, and over which parts of a norm are summed: fixed, so that a sum does not
/// depend on the threads.
pub const BLOCK: usize = 1 << 14;

/// The settings of [`Adam`].
#[derive(Debug, Clone, Copy)]
pub struct Params {
    /// The decay of the mean of gradients, and of the mean of their squares.
    pub betas: [f32; 2],
    /// What is added to the root of the mean square.
    pub epsilon: f32,
    /// The greatest norm of all gradients together.
    pub clip: Option<f32>,
}

impl Default for Params {
    /// The published ones, and no clipping.
    fn default() -> Self {
        Self { betas: [0.9, 0.999], epsilon: 1e-8, clip: None }
    }
}

/// A variable with the running means of its gradient and of the gradient's square.
#[derive(Debug, Clone)]
pub struct Moments {
    var: Var,
    /// The mean of the gradient.
    pub first: Var,
    /// The mean of the gradient's square.
    pub second: Var,
}

/// Adam. Weights without a gradient in a step move on by their moments, as gradients of zero would do.
#[derive(Debug)]
pub struct Adam {
    params: Params,
    moments: Vec<Moments>,
}

impl Adam {
    /// One for these variables, which MUST be f32 and contiguous.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if the device has no room.
    pub fn new(vars: impl IntoIterator<Item = Var>, params: Params) -> Result<Self> {
        let moments = vars.into_iter().map(|var| {
            let zeros = || Var::zeros(var.shape(), var.dtype(), var.device());
            Ok(Moments { first: zeros()?, second: zeros()?, var })
        });
        Ok(Self { params, moments: moments.collect::<candle_core::Result<_>>()? })
    }

    /// The means of each variable, in the order in which the variables were given.
    pub fn moments(&self) -> &[Moments] {
        &self.moments
    }

    /// Takes step `number`, from 1, at a learning rate.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if a gradient has another type or shape than its variable.
    pub fn step(&self, gradients: &GradStore, number: u64, rate: f32) -> Result<()> {
        let Params { betas, epsilon, clip } = self.params;
        let gradient = |moments: &Moments| match gradients.get(&moments.var) {
            Some(gradient) => gradient.contiguous(),
            None => moments.var.zeros_like(),
        };
        let all = self.moments.iter().map(gradient).collect::<candle_core::Result<Vec<_>>>()?;
        let scale = match clip {
            Some(clip) => scale(clip, norm(&all)?),
            None => 1.0,
        };
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(i32::try_from(number).unwrap_or(i32::MAX));
        let mean = Mean { beta: betas[0], scale };
        let square = Square { beta: betas[1], scale };
        let apply = Apply {
            rate: (f64::from(rate) / correction(betas[0])) as f32,
            root: correction(betas[1]).sqrt() as f32,
            epsilon,
        };
        for (Moments { var, first, second }, gradient) in self.moments.iter().zip(&all) {
            if var.device().is_cpu() {
                first.inplace_op2(gradient, &mean)?;
                second.inplace_op2(gradient, &square)?;
                var.inplace_op3(first, second, &apply)?;
            } else {
                let gradient = (gradient * f64::from(scale))?;
                let [one, two] = betas.map(f64::from);
                first.set(&((first.as_tensor() * one)? + (&gradient * (1.0 - one))?)?)?;
                second.set(&((second.as_tensor() * two)? + (gradient.sqr()? * (1.0 - two))?)?)?;
                let root = ((second.sqrt()? / f64::from(apply.root))? + f64::from(epsilon))?;
                var.set(&(var.as_tensor() - ((first.as_tensor() / root)? * f64::from(apply.rate))?)?)?;
            }
        }
        Ok(())
    }
}

/// `m += (1 - beta) (scale · gradient - m)`
struct Mean {
    beta: f32,
    scale: f32,
}

/// `v = beta v + (1 - beta) (scale · gradient)²`
struct Square {
    beta: f32,
    scale: f32,
}

/// `x -= rate · m / (√v / root + epsilon)`
struct Apply {
    /// The learning rate over the first moment's bias correction.
    rate: f32,
    /// The root of the second moment's bias correction.
    root: f32,
    epsilon: f32,
}

impl InplaceOp2 for Mean {
    fn name(&self) -> &'static str {
        "adam-mean"
    }

    fn cpu_fwd(&self, m: &mut CpuStorage, ml: &Layout, g: &CpuStorage, gl: &Layout) -> candle_core::Result<()> {
        let share = 1.0 - self.beta;
        blocks(m, ml)?.zip(shared(g, gl)?.par_chunks(BLOCK)).for_each(|(m, g)| {
            m.iter_mut().zip(g).for_each(|(m, g)| *m += share * (g * self.scale - *m));
        });
        Ok(())
    }
}

impl InplaceOp2 for Square {
    fn name(&self) -> &'static str {
        "adam-square"
    }

    fn cpu_fwd(&self, v: &mut CpuStorage, vl: &Layout, g: &CpuStorage, gl: &Layout) -> candle_core::Result<()> {
        let share = 1.0 - self.beta;
        blocks(v, vl)?.zip(shared(g, gl)?.par_chunks(BLOCK)).for_each(|(v, g)| {
            v.iter_mut().zip(g.iter().map(|g| g * self.scale)).for_each(|(v, g)| *v = self.beta * *v + share * (g * g));
        });
        Ok(())
    }
}

impl InplaceOp3 for Apply {
    fn name(&self) -> &'static str {
        "adam-apply"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        xl: &Layout,
        m: &CpuStorage,
        ml: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> candle_core::Result<()> {
        let moments = shared(m, ml)?.par_chunks(BLOCK).zip(shared(v, vl)?.par_chunks(BLOCK));
        blocks(x, xl)?.zip(moments).for_each(|(x, (m, v))| {
            for (x, (m, v)) in x.iter_mut().zip(m.iter().zip(v)) {
                *x -= self.rate * (m / (v.sqrt() / self.root + self.epsilon));
            }
        });
        Ok(())
    }
}

/// The values of a tensor to write, in blocks for the threads.
fn blocks<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> candle_core::Result<rayon::slice::ChunksMut<'a, f32>> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(values[start..end].par_chunks_mut(BLOCK)),
        _ => bail!("a weight in training: expected contiguous f32 values"),
    }
}

/// The values of a tensor to read.
fn shared<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a gradient in training: expected contiguous values"),
    }
}

/// The factor that scales a norm down to `clip`, as PyTorch's `clip_grad_norm_`.
fn scale(clip: f32, norm: f64) -> f32 {
    (f64::from(clip) / (norm + 1e-6)).min(1.0) as f32
}

/// The norm of all gradients together.
fn norm(gradients: &[Tensor]) -> candle_core::Result<f64> {
    let squares = |gradient: &Tensor| -> candle_core::Result<f64> {
        let (storage, layout) = gradient.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            return gradient.sqr()?.sum_all()?.to_scalar::<f32>().map(f64::from);
        };
        let parts: Vec<f64> = shared(storage, layout)?
            .par_chunks(BLOCK)
            .map(|block| block.iter().map(|&x| f64::from(x) * f64::from(x)).sum())
            .collect();
        Ok(parts.iter().sum())
    };
    Ok(gradients.iter().map(squares).sum::<candle_core::Result<f64>>()?.sqrt())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use candle_nn::{AdamW, Optimizer, ParamsAdamW};

    use super::*;

    fn var(values: &[f32]) -> Var {
        Var::from_slice(values, values.len(), &Device::Cpu).unwrap()
    }

    const RATE: f32 = 0.01;

    /// Gradients of these values for these variables.
    fn gradients(all: &[(&Var, &[f32])]) -> GradStore {
        let terms = all.iter().map(|(var, values)| (var.as_tensor() * var_free(values)).unwrap().sum_all().unwrap());
        terms.reduce(|a, b| (a + b).unwrap()).unwrap().backward().unwrap()
    }

    fn var_free(values: &[f32]) -> Tensor {
        Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap()
    }

    fn values(var: &Var) -> Vec<f32> {
        var.to_vec1().unwrap()
    }

    #[test]
    fn updates_equal_the_published_formula() {
        let weight = var(&[1.0, -1.0]);
        let adam = Adam::new([weight.clone()], Params::default()).unwrap();
        let (mut x, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
        for (step, g) in [-4.0f64, -4.0, 0.0].into_iter().enumerate() {
            adam.step(&gradients(&[(&weight, &[g as f32, 1e-3])]), step as u64 + 1, RATE).unwrap();
            (m, v) = (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g);
            let t = step as i32 + 1;
            x -= 0.01 * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
            let found = values(&weight)[0];
            assert!((f64::from(found) - x).abs() < 1e-6, "step {t}: {found}, expected {x}");
        }
    }

    #[test]
    fn without_decay_candles_adamw_is_the_same() {
        let start: Vec<f32> = (0..40_000).map(|i| (i as f32 * 0.37).sin()).collect();
        let (ours, theirs) = (var(&start), var(&start));
        let adam = Adam::new([ours.clone()], Params::default()).unwrap();
        let rates = ParamsAdamW { lr: 0.01, weight_decay: 0.0, ..ParamsAdamW::default() };
        let mut reference = AdamW::new(vec![theirs.clone()], rates).unwrap();
        for step in 0..5 {
            let gradient: Vec<f32> = (0..40_000).map(|i| ((i * (step + 3)) as f32 * 0.11).cos()).collect();
            adam.step(&gradients(&[(&ours, &gradient)]), step as u64 + 1, RATE).unwrap();
            reference.step(&gradients(&[(&theirs, &gradient)])).unwrap();
        }
        let off = values(&ours).iter().zip(values(&theirs)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "off by {off}");
        assert_ne!(values(&ours), start);
    }

    #[test]
    fn weights_without_a_gradient_move_by_their_moments_alone() {
        let (one, two) = (var(&[0.1, 0.2]), var(&[0.3, 0.4]));
        let adam = Adam::new([one.clone(), two.clone()], Params::default()).unwrap();
        adam.step(&gradients(&[(&two, &[3.0, 0.0])]), 1, RATE).unwrap();
        assert_eq!(values(&one), [0.1, 0.2]);
        assert!((values(&two)[0] - 0.29).abs() < 1e-6);
        let before = values(&two);
        adam.step(&gradients(&[(&one, &[0.0, 1.0])]), 2, RATE).unwrap();
        assert!(values(&two)[0] < before[0] && values(&two)[1] == before[1] && values(&one)[1] < 0.2);
    }

    #[test]
    fn gradients_are_clipped_by_their_common_norm() {
        assert!((norm(&[var_free(&[3.0]), var_free(&[-4.0, 0.0])]).unwrap() - 5.0).abs() < 1e-12);
        assert!((scale(1.0, 5.0) - 0.2).abs() < 1e-6);
        assert_eq!(scale(10.0, 5.0), 1.0);
        // Clipping scales all gradients alike, so half of a gradient and the whole gradient give the same after
        // clipping.
        let run = |gradient: &[f32]| {
            let weight = var(&[1.0, 2.0]);
            let clipped = Params { clip: Some(0.5), ..Params::default() };
            let adam = Adam::new([weight.clone()], clipped).unwrap();
            adam.step(&gradients(&[(&weight, gradient)]), 1, RATE).unwrap();
            values(&adam.moments()[0].first).into_iter().chain(values(&weight)).collect::<Vec<_>>()
        };
        let (whole, half) = (run(&[3.0, -4.0]), run(&[1.5, -2.0]));
        assert!(whole.iter().zip(&half).all(|(a, b)| (a - b).abs() < 1e-6), "{whole:?}, {half:?}");
        assert!((whole[0] - 0.1 * 0.3).abs() < 1e-6, "{whole:?}");
    }
}
