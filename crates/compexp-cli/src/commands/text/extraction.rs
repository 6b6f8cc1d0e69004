//! Values of layers at the words of sentences, kept in the run directories so that a stopped run can go on.

use std::path::Path;

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_core::probe::Grid;
use compexp_files::ContentHash;
use compexp_run::provenance::WordInputs;
use compexp_run::{ActivationFile, StoreShape};
use compexp_text::encoder::{Encoder, Layer, Tap};
use compexp_text::{WordTokens, word_values};

use crate::language_model::chunks;
use crate::layer_stores::LayerStores;
use crate::progress::Reporter;

/// The extraction of the values of layers at the words of sentences, all layers in one pass.
pub(super) struct Extraction<'a> {
    pub(super) encoder: &'a Encoder,
    pub(super) sentences: &'a [WordTokens],
    pub(super) layers: &'a [Layer],
}

impl Extraction<'_> {
    /// Returns the activations in the stores `dirs`, one a layer, after extracting those that are missing there. A layer
    /// without a folder is left out. `inputs` and the hash of the file of sentences say what they are made from.
    ///
    /// # Errors
    /// The errors of [`LayerStores`] and [`word_values`].
    pub(super) fn run(
        &self,
        dirs: &[Option<&Path>],
        inputs: &WordInputs,
        sentences: &str,
        reporter: &Reporter,
    ) -> Result<Vec<Option<ActivationFile>>> {
        let n: usize = self.sentences.iter().map(WordTokens::words).sum();
        let mut stores = LayerStores::open(self.layers.iter().zip(dirs).map(|(layer, dir)| {
            let shape =
                StoreShape { n_examples: n, n_units: layer.width, grid: Grid::SINGLE, maps: false, n_classes: 0 };
            (*dir, key(layer.tap, inputs, sentences), shape)
        }))?;
        let Some(start) = stores.next_example() else {
            reporter.say("activations: all are there");
            return Ok(stores.finish()?);
        };
        if start > 0 {
            reporter.say(&format!("activations: going on after {start} words"));
        }
        let taps: Vec<Tap> = stores.missing().into_iter().map(|at| self.layers[at].tap).collect();
        reporter.stage("activations", "words", n);
        let mut first = 0;
        for chunk in chunks(self.sentences) {
            let words: usize = chunk.iter().map(WordTokens::words).sum();
            if words > 0 && first + words > start {
                let values = word_values(self.encoder, chunk, &taps)?;
                stores.append(first, words, values.iter().map(|values| &values[..]), &[])?;
            }
            first += words;
            reporter.done(first);
        }
        reporter.end();
        Ok(stores.finish()?)
    }
}

/// The hash of what the values of a layer are made from.
fn key(tap: Tap, inputs: &WordInputs, sentences: &str) -> String {
    let mut key = ContentHash::new("activations");
    let layer = tap.to_string();
    for (name, value) in [
        ("version", env!("CARGO_PKG_VERSION")),
        ("layer", &layer),
        ("model", &inputs.model),
        ("tokenizer", &inputs.tokenizer),
        ("sentences", sentences),
        ("device", inputs.device.as_deref().unwrap_or_default()),
    ] {
        key.field(name, value.as_bytes());
    }
    key.finish()
}
