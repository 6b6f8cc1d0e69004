//! The settings of a training.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the learning rate changes from epoch to epoch, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It is multiplied by `factor` at epoch `from` and each one after.
    Decay {
        /// The first epoch with a smaller rate.
        from: usize,
        /// Greater than 0, at most 1.
        factor: f32,
    },
    /// It falls along half a cosine from the full rate in the first epoch to `floor` times it in the last.
    Cosine {
        /// From 0 to 1.
        floor: f32,
    },
}

/// The settings of a training; the default is the published procedure: Adam, batches of 100, 50 epochs, dropout 0.1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Decides the initial weights, the order of the examples, and what is dropped.
    pub seed: u64,
    /// Passes over the examples.
    pub epochs: usize,
    /// Examples of a step; one left over at the end of an epoch joins the step before, as batch norm needs two.
    pub batch: usize,
    /// Adam's rate before the schedule.
    pub learning_rate: f32,
    /// The schedule of the learning rate.
    pub schedule: Schedule,
    /// Adam's decay of the mean and of the mean square of gradients.
    pub betas: [f32; 2],
    /// Adam adds this to the root of the mean square.
    pub epsilon: f32,
    /// The greatest norm of all gradients together; longer ones are scaled down to it.
    pub clip: Option<f32>,
    /// Share of values dropped before and after the hidden layer.
    pub dropout: f32,
    /// Share of words that the encoder sees as unknown.
    pub word_dropout: f32,
    /// The same for words that the training examples hold once, so that the unknown word is learnt from rare ones.
    pub rare_word_dropout: f32,
    /// Share of values of word vectors that are dropped; the same values for all occurrences of a word in a batch.
    pub embedding_dropout: f32,
    /// Whether word vectors stay as they begin.
    pub freeze_embedding: bool,
    /// Share of itself that the running average of the weights keeps in a step. The average is tested on the held-out
    /// examples and kept as the result, while the training continues with the last weights. If 0, the last weights are
    /// tested and kept. In the first steps the share is smaller, `(1 + step) / (10 + step)`, so that the initial
    /// weights are soon forgotten.
    pub averaging: f32,
    /// Epochs without a better accuracy on the held-out examples after which to stop; never if `None`.
    pub patience: Option<usize>,
    /// Steps between two saved states within an epoch; if `None`, a state is saved only at the end of each epoch.
    pub save_every: Option<u64>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 50,
            batch: 100,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            clip: None,
            dropout: 0.1,
            word_dropout: 0.0,
            rare_word_dropout: 0.0,
            embedding_dropout: 0.0,
            freeze_embedding: false,
            averaging: 0.0,
            patience: None,
            save_every: Some(1000),
        }
    }
}

impl TrainConfig {
    /// The learning rate of an epoch, counted from 0.
    pub fn rate(&self, epoch: usize) -> f32 {
        let factor = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Decay { from, factor } => {
                let times = (epoch + 1).saturating_sub(from);
                (0..times).fold(1.0, |rate, _| rate * factor)
            }
            Schedule::Cosine { floor } => {
                let last = self.epochs.saturating_sub(1).max(1);
                let angle = std::f32::consts::PI * epoch.min(last) as f32 / last as f32;
                floor + (1.0 - floor) * 0.5 * (1.0 + angle.cos())
            }
        };
        self.learning_rate * factor
    }

    /// The share that the running average keeps in step `step`, counted from 1.
    pub(crate) fn kept(&self, step: u64) -> f32 {
        self.averaging.min(((1 + step) as f64 / (10 + step) as f64) as f32)
    }

    /// Refuses values outside their ranges.
    pub(crate) fn check(&self) -> Result<()> {
        let share = 0.0..1.0;
        let positive = f32::MIN_POSITIVE..f32::INFINITY;
        let unit = 0.0..1.0 + f32::EPSILON;
        let (decay, floor) = match self.schedule {
            Schedule::Constant => (1.0, 0.0),
            Schedule::Decay { factor, .. } => (factor, 0.0),
            Schedule::Cosine { floor } => (1.0, floor),
        };
        let ranges = [
            ("learning rate", self.learning_rate, &positive),
            ("first beta", self.betas[0], &share),
            ("second beta", self.betas[1], &share),
            ("epsilon", self.epsilon, &positive),
            ("clip", self.clip.unwrap_or(1.0), &positive),
            ("dropout", self.dropout, &share),
            ("word dropout", self.word_dropout, &unit),
            ("rare word dropout", self.rare_word_dropout, &unit),
            ("embedding dropout", self.embedding_dropout, &share),
            ("averaging", self.averaging, &share),
            ("schedule's factor", decay, &(f32::MIN_POSITIVE..1.0 + f32::EPSILON)),
            ("schedule's floor", floor, &unit),
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
    fn schedules_give_the_rate_of_each_epoch() {
        let rates = |schedule| {
            let config = TrainConfig { schedule, epochs: 5, learning_rate: 1.0, ..TrainConfig::default() };
            [0, 1, 2, 3, 4].map(|epoch| config.rate(epoch))
        };
        assert_eq!(rates(Schedule::Constant), [1.0; 5]);
        assert_eq!(rates(Schedule::Decay { from: 3, factor: 0.5 }), [1.0, 1.0, 1.0, 0.5, 0.25]);
        let cosine = rates(Schedule::Cosine { floor: 0.2 });
        assert!((cosine[0], cosine[4]) == (1.0, 0.2) && (cosine[2] - 0.6).abs() < 1e-6, "{cosine:?}");
    }

    #[test]
    fn an_average_forgets_its_first_weights_and_then_keeps_its_share() {
        let config = TrainConfig { averaging: 0.9, ..TrainConfig::default() };
        assert_eq!([1, 10, 80, 81, 1000].map(|step| config.kept(step)), [2.0 / 11.0, 0.55, 0.9, 0.9, 0.9]);
        assert_eq!(TrainConfig::default().kept(1000), 0.0);
    }

    #[test]
    fn values_outside_their_ranges_are_refused() {
        let refused = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|c| c.dropout = 1.0).contains("dropout: found 1"));
        assert!(refused(|c| c.learning_rate = f32::NAN).contains("learning rate: found NaN"));
        assert!(refused(|c| c.clip = Some(0.0)).contains("clip: found 0"));
        assert!(refused(|c| c.batch = 1).contains("batches of 1"));
        TrainConfig::default().check().unwrap();
    }
}
