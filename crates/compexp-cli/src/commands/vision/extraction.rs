//! A layer's activations on all images, kept in the run directory so that a stopped run can go on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_core::probe::Grid;
use compexp_files::ContentHash;
use compexp_run::{ActivationFile, ActivationStore, StoreShape};
use compexp_vision::extract::Extract;
use compexp_vision::model::Model;
use compexp_vision::preprocess::Preprocess;

use crate::args::vision::NetworkArgs;
use crate::failure::Failure;
use crate::progress::Reporter;

/// The extraction of one layer's activations on the images of a probe set.
pub(crate) struct Extraction<'a> {
    model: &'a Model,
    extract: Extract<'a>,
    images: Vec<PathBuf>,
    /// The shape of the result.
    pub(crate) shape: StoreShape,
    key: ContentHash,
}

impl<'a> Extraction<'a> {
    /// Prepares the extraction of `layer` on `images`, and runs the first image to find the shape of the result.
    ///
    /// # Errors
    /// The errors of [`Extract::run`]; a [`Failure`] if the network has no such layer, or if there are no images.
    pub(crate) fn new(
        model: &'a Model,
        layer: &'a str,
        preprocess: Preprocess,
        batch: usize,
        images: &[(String, PathBuf)],
    ) -> Result<Self> {
        model.tap(layer).map_err(|e| Failure::usage(format!("--layer: {e}")))?;
        let images: Vec<PathBuf> = images.iter().map(|(_, path)| path.clone()).collect();
        let extract = Extract { layer, preprocess, batch, start_at: 0 };
        let mut shape = None;
        let first = &images[..images.len().min(1)];
        extract.run(
            model,
            first,
            &mut |block| {
                shape = Some(block.shape);
                Ok(())
            },
            &|_, _| (),
        )?;
        let Some([_, n_units, height, width]) = shape else {
            return Err(Failure::new("images of the probe set: found none, expected at least one").into());
        };
        let grid = Grid { height, width };
        let shape = StoreShape { n_examples: images.len(), n_units, grid, maps: true, n_classes: model.classes() };
        let mut key = ContentHash::new("activations");
        key.field("version", env!("CARGO_PKG_VERSION").as_bytes());
        key.field("layer", layer.as_bytes()).field("preprocess", format!("{preprocess:?}").as_bytes());
        Ok(Self { model, extract, images, shape, key })
    }

    /// Adds the hashes of the checkpoint and of the images to the key of the activations, and what else of the network
    /// changes them.
    pub(crate) fn made_from(&mut self, checkpoint: &str, images: &str, network: &NetworkArgs) {
        self.key.field("checkpoint", checkpoint.as_bytes()).field("images", images.as_bytes());
        if let Some(seed) = network.random_weights {
            self.key.field("random weights", seed.to_string().as_bytes());
        }
        if let Some(device) = network.device.recorded() {
            self.key.field("device", device.as_bytes());
        }
    }

    /// Returns the activations in the store `dir`, after extracting those that are missing there.
    ///
    /// # Errors
    /// The errors of [`ActivationStore::open_or_resume`] and [`Extract::run`]; `Error::Io` if the store cannot be
    /// written.
    pub(crate) fn run(&self, dir: &Path, reporter: &Reporter) -> Result<ActivationFile> {
        let mut writer = match ActivationStore::open_or_resume(dir, &self.key.finish(), self.shape)? {
            ActivationStore::Complete(activations) => {
                reporter.say("activations: all are there");
                return Ok(activations);
            }
            ActivationStore::Partial(writer) => writer,
        };
        let start_at = writer.next_example();
        if start_at > 0 {
            reporter.say(&format!("activations: going on after {start_at} images"));
        }
        reporter.stage("activations", "images", self.images.len());
        let extract = Extract { start_at, ..self.extract };
        let mut append = |block: compexp_vision::extract::Block<'_>| {
            writer.append(block.first, block.maps, block.logits).map_err(compexp_vision::Error::from)
        };
        extract.run(self.model, &self.images, &mut append, &|done, _| reporter.done(done))?;
        Ok(writer.finish()?)
    }
}
