//! The shape of a classifier: its parts, their sizes, and the names and shapes of its weights.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the two sentence vectors p and h become a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `[p; h; p - h; p * h]`, batch norm, dropout, linear, ReLU, dropout, linear: the baseline of Bowman et al. Its
    /// features are those after the ReLU.
    Bowman,
    /// `p * h`, batch norm, dropout, linear. Its features are `p * h`.
    Minimal,
}

/// The sizes of a classifier; the default is the published one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What follows the encoder.
    pub kind: Kind,
    /// Values of a word's vector.
    pub embedding: usize,
    /// Values of the LSTM's state in one direction.
    pub hidden: usize,
    /// Whether a second LSTM reads the sentence backwards.
    pub bidirectional: bool,
    /// Values of the hidden layer; [`Kind::Minimal`] has none and ignores this.
    pub features: usize,
    /// Labels.
    pub classes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { kind: Kind::Bowman, embedding: 300, hidden: 512, bidirectional: false, features: 1024, classes: 3 }
    }
}

pub(crate) const EMBEDDING: &str = "encoder.emb.weight";
pub(crate) const NORM: [&str; 4] = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"];
pub(crate) const HIDDEN: [&str; 2] = ["mlp.0.weight", "mlp.0.bias"];
const BOWMAN: [&str; 2] = ["mlp.3.weight", "mlp.3.bias"];
const MINIMAL: [&str; 2] = ["mlp.weight", "mlp.bias"];

impl Config {
    /// Values of a sentence's vector.
    pub fn encoded(&self) -> usize {
        self.hidden * self.directions()
    }

    /// Values of a pair's features, which are the probed units.
    pub fn probed(&self) -> usize {
        match self.kind {
            Kind::Bowman => self.features,
            Kind::Minimal => self.encoded(),
        }
    }

    /// Values of what the two sentence vectors are joined to, the input of the batch norm.
    pub(crate) fn joined(&self) -> usize {
        match self.kind {
            Kind::Bowman => 4 * self.encoded(),
            Kind::Minimal => self.encoded(),
        }
    }

    pub(crate) fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Weight and bias of the last layer.
    pub(crate) fn last(&self) -> [&'static str; 2] {
        match self.kind {
            Kind::Bowman => BOWMAN,
            Kind::Minimal => MINIMAL,
        }
    }

    /// Names and shapes of all weights, in PyTorch's layout, for `n_words` words.
    pub fn shapes(&self, n_words: usize) -> Vec<(String, Vec<usize>)> {
        let (wide, joined, probed) = (4 * self.hidden, self.joined(), self.probed());
        let mut shapes = vec![(EMBEDDING.to_owned(), vec![n_words, self.embedding])];
        for direction in 0..self.directions() {
            let sizes = [vec![wide, self.embedding], vec![wide, self.hidden], vec![wide], vec![wide]];
            shapes.extend(lstm_names(direction).into_iter().zip(sizes));
        }
        shapes.extend(NORM.iter().map(|name| (name.to_string(), vec![joined])));
        if self.kind == Kind::Bowman {
            shapes.push((HIDDEN[0].to_owned(), vec![probed, joined]));
            shapes.push((HIDDEN[1].to_owned(), vec![probed]));
        }
        let [weight, bias] = self.last();
        shapes.push((weight.to_owned(), vec![self.classes, probed]));
        shapes.push((bias.to_owned(), vec![self.classes]));
        shapes
    }

    /// Refuses sizes of 0, and sizes that exceed any memory.
    pub(crate) fn check(&self) -> Result<()> {
        const MOST: usize = 1 << 20;
        let sizes = [
            ("embedding", self.embedding),
            ("hidden", self.hidden),
            ("features", self.features),
            ("classes", self.classes),
        ];
        match sizes.into_iter().find(|&(_, size)| size == 0 || size > MOST) {
            Some((name, size)) => Err(Error::mismatch(format!("classifier's {name}"), size, format!("1 to {MOST}"))),
            None => Ok(()),
        }
    }
}

/// The names of one direction's weights: input, hidden, and their biases.
pub(crate) fn lstm_names(direction: usize) -> [String; 4] {
    let end = if direction == 0 { "" } else { "_reverse" };
    ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|name| format!("encoder.rnn.{name}_l0{end}"))
}
