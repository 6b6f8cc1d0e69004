//! The settings of a training.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The settings of a training: stochastic gradient descent with Nesterov's momentum, its rate in one cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Decides the initial weights, the order of the images, and how they are moved.
    pub seed: u64,
    /// Passes over the images.
    pub epochs: usize,
    /// Images of a step, at least 2; fewer that are left over at the end of an epoch are not seen in it.
    pub batch: usize,
    /// The highest learning rate. It rises in a straight line over [`Self::warmup`] of all steps, and falls along half a
    /// cosine to 0.
    pub learning_rate: f32,
    /// The share of steps in which the rate rises, from 0 to 1.
    pub warmup: f32,
    /// Nesterov's momentum, less than 1.
    pub momentum: f32,
    /// Decay of the weights of convolutions and of the last layer; batch norms and biases have none.
    pub weight_decay: f32,
    /// The share of a label that is spread over all classes.
    pub smoothing: f32,
    /// Pixels that an image is moved by at most, up and down, left and right; its border is repeated.
    pub shift: usize,
    /// Whether half of the images are mirrored.
    pub flip: bool,
    /// Steps between two saved states within an epoch; if `None`, a state is saved only at the end of each epoch.
    pub save_every: Option<u64>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 12,
            batch: 32,
            learning_rate: 0.1,
            warmup: 0.25,
            momentum: 0.9,
            weight_decay: 5e-4,
            smoothing: 0.05,
            shift: 6,
            flip: true,
            save_every: Some(100),
        }
    }
}

impl TrainConfig {
    /// The learning rate of a step, counted from 0, of `steps` in all.
    pub fn rate(&self, step: u64, steps: u64) -> f32 {
        let (step, steps) = (step as f64, steps.max(1) as f64);
        let rising = f64::from(self.warmup) * steps;
        let share = if step < rising {
            (step + 1.0) / (rising + 1.0)
        } else {
            0.5 * (1.0 + (std::f64::consts::PI * (step - rising) / (steps - rising).max(1.0)).cos())
        };
        (f64::from(self.learning_rate) * share) as f32
    }

    /// Refuses values outside their ranges.
    pub(super) fn check(&self) -> Result<()> {
        let share = 0.0..1.0;
        let ranges = [
            ("learning rate", self.learning_rate, f32::MIN_POSITIVE..f32::INFINITY),
            ("warm-up", self.warmup, 0.0..1.0 + f32::EPSILON),
            ("momentum", self.momentum, share.clone()),
            ("weight decay", self.weight_decay, 0.0..f32::INFINITY),
            ("smoothing", self.smoothing, share),
        ];
        for (name, value, range) in ranges {
            if !range.contains(&value) {
                let expected = format!("from {:e} to less than {:e}", range.start, range.end);
                return Err(Error::mismatch(format!("training's {name}"), value, expected));
            }
        }
        if self.epochs == 0 || self.batch < 2 || self.save_every == Some(0) {
            let found =
                format!("{} epochs, batches of {}, saving every {:?}", self.epochs, self.batch, self.save_every);
            return Err(Error::mismatch("training", found, "at least 1 epoch, batches of 2, and saving every step"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_goes_through_one_cycle() {
        let config = TrainConfig { learning_rate: 1.0, warmup: 0.25, ..TrainConfig::default() };
        let rates: Vec<f32> = (0..100).map(|step| config.rate(step, 100)).collect();
        let top = rates.iter().position(|rate| *rate == 1.0);
        assert_eq!(top, Some(25));
        assert!(rates[..=25].is_sorted() && rates[25..].is_sorted_by(|a, b| a >= b), "{rates:?}");
        assert!((rates[0] - 1.0 / 26.0).abs() < 1e-6 && rates[99] < 1e-3, "{rates:?}");
        let flat = TrainConfig { warmup: 0.0, ..config };
        assert_eq!(flat.rate(0, 100), 1.0);
    }

    #[test]
    fn values_outside_their_ranges_are_refused() {
        let refused = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|c| c.momentum = 1.0).contains("momentum: found 1"));
        assert!(refused(|c| c.learning_rate = f32::NAN).contains("learning rate: found NaN"));
        assert!(refused(|c| c.smoothing = -0.1).contains("smoothing: found -0.1"));
        assert!(refused(|c| c.batch = 1).contains("batches of 1"));
        assert!(refused(|c| c.epochs = 0).contains("0 epochs"));
        TrainConfig::default().check().unwrap();
    }
}
