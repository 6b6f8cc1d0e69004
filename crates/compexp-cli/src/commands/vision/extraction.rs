//! Activations of layers on all images, kept in the run directories so that a stopped run can go on.

use std::path::Path;

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_core::probe::Grid;
use compexp_files::ContentHash;
use compexp_run::provenance::ImageInputs;
use compexp_run::{ActivationFile, StoreShape};
use compexp_vision::extract::Extract;
use compexp_vision::model::Model;
use compexp_vision::photo::Photo;
use compexp_vision::preprocess::Preparation;

use crate::failure::Failure;
use crate::layer_stores::LayerStores;
use crate::progress::Reporter;

/// The extraction of the activations of layers on the images of a probe set, all of them in one pass.
pub(crate) struct Extraction<'a> {
    model: &'a Model,
    preparation: Preparation,
    batch: usize,
    images: &'a [Photo],
    layers: Vec<LayerStore<'a>>,
}

/// What a layer's store holds.
struct LayerStore<'a> {
    name: &'a str,
    shape: StoreShape,
    key: ContentHash,
}

impl<'a> Extraction<'a> {
    /// Prepares the extraction of `layers` on `images`, and runs the first image to find the shapes of the results.
    ///
    /// # Errors
    /// The errors of [`Extract::run`]; a [`Failure`] if the network has no such layer, or if there are no images.
    pub(crate) fn new(
        model: &'a Model,
        layers: &[&'a str],
        preparation: Preparation,
        batch: usize,
        images: &'a [Photo],
    ) -> Result<Self> {
        model.tap(layers).map_err(|e| Failure::usage(format!("--layer: {e}")))?;
        let extract = Extract { layers, preparation, batch, start_at: 0 };
        let mut shapes = Vec::new();
        let first = &images[..images.len().min(1)];
        extract.run(
            model,
            first,
            &mut |block| {
                shapes = block.maps.iter().map(|maps| maps.shape).collect();
                Ok(())
            },
            &|_, _| (),
        )?;
        if images.is_empty() {
            return Err(Failure::new("images of the probe set: found none, expected at least one").into());
        }
        let Preparation { framing, preprocess } = preparation;
        let store = |(name, [_, n_units, height, width]): (&&'a str, [usize; 4])| {
            let grid = Grid { height, width };
            let shape = StoreShape { n_examples: images.len(), n_units, grid, maps: true, n_classes: model.classes() };
            let mut key = ContentHash::new("activations");
            key.field("version", env!("CARGO_PKG_VERSION").as_bytes());
            key.field("layer", name.as_bytes()).field("preprocess", format!("{preprocess:?}").as_bytes());
            for (name, side) in [("resize", framing.resize), ("crop", framing.crop)] {
                if let Some(side) = side {
                    key.field(name, side.to_string().as_bytes());
                }
            }
            LayerStore { name, shape, key }
        };
        let layers = layers.iter().zip(shapes).map(store).collect();
        Ok(Self { model, preparation, batch, images, layers })
    }

    /// The number of units of each layer.
    pub(crate) fn n_units(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.shape.n_units).collect()
    }

    /// Adds the hashes of the checkpoint and of the images to the keys of the activations, and what else of the network
    /// changes them.
    pub(crate) fn made_from(&mut self, inputs: &ImageInputs) {
        for LayerStore { key, .. } in &mut self.layers {
            key.field("checkpoint", inputs.checkpoint.as_bytes()).field("images", inputs.images.as_bytes());
            if let Some(seed) = inputs.random_weights {
                key.field("random weights", seed.to_string().as_bytes());
            }
            let heads = inputs.heads.map(|heads| heads.to_string());
            let grid = inputs.grid.map(|Grid { height, width }| format!("{height}x{width}"));
            let skip = inputs.skip_tokens.map(|skip| skip.to_string());
            let others = [
                ("device", &inputs.device),
                ("entry", &inputs.entry),
                ("arch", &inputs.arch),
                ("heads", &heads),
                ("grid", &grid),
                ("skip tokens", &skip),
            ];
            for (name, value) in others {
                if let Some(value) = value {
                    key.field(name, value.as_bytes());
                }
            }
        }
    }

    /// Returns the activations in the stores `dirs`, one a layer, after extracting those that are missing there. A layer
    /// without a folder is left out.
    ///
    /// # Errors
    /// The errors of [`LayerStores`] and [`Extract::run`]; `Error::Io` if a store cannot be written.
    pub(crate) fn run(&self, dirs: &[Option<&Path>], reporter: &Reporter) -> Result<Vec<Option<ActivationFile>>> {
        let layers = self.layers.iter().zip(dirs);
        let mut stores = LayerStores::open(layers.map(|(layer, dir)| (*dir, layer.key.finish(), layer.shape)))?;
        let Some(start_at) = stores.next_example() else {
            reporter.say("activations: all are there");
            return Ok(stores.finish()?);
        };
        if start_at > 0 {
            reporter.say(&format!("activations: going on after {start_at} images"));
        }
        reporter.stage("activations", "images", self.images.len());
        let layers: Vec<&str> = stores.missing().into_iter().map(|at| self.layers[at].name).collect();
        let Self { preparation, batch, .. } = *self;
        let extract = Extract { layers: &layers, preparation, batch, start_at };
        let mut append = |block: compexp_vision::extract::Block<'_>| {
            Ok(stores.append(block.first, block.n, block.maps.iter().map(|maps| &maps.values[..]), block.logits)?)
        };
        extract.run(self.model, self.images, &mut append, &|done, _| reporter.done(done))?;
        Ok(stores.finish()?)
    }
}
