//! The activations of a layer over many images: one batch runs while the next is read.

use std::path::PathBuf;

use candle_core::Device;
use compexp_core::activation::check_finite;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::model::Model;
use crate::preprocess::{Batch, Preprocess};
use compexp_kernels::conv::channels_first;

/// The settings of an extraction.
#[derive(Debug, Clone, Copy)]
pub struct Extract<'a> {
    /// The layer, one of [`Model::layers`].
    pub layer: &'a str,
    /// How pixels are scaled.
    pub preprocess: Preprocess,
    /// Images that run at once, at least 1. Results do not depend on it (on the CPU).
    pub batch: usize,
    /// The first image to run: those before it were done by an earlier run.
    pub start_at: usize,
}

/// The results for a run of images.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The first image, counted from 0 over all.
    pub first: usize,
    /// `(n, units, h, w)` of [`Block::maps`].
    pub shape: [usize; 4],
    /// The layer's values, all finite.
    pub maps: &'a [f32],
    /// `(n, classes)`, all finite.
    pub logits: &'a [f32],
}

impl Extract<'_> {
    /// Runs `images[start_at..]` through `model` in order and gives `sink` every batch's results; `progress` receives
    /// the number of images done and of all.
    ///
    /// While a batch runs, the next one is read and decoded; there is never more than one waiting. Work runs on the
    /// current thread and rayon's current pool.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`] if the network has no such layer; the errors of [`Image::read`];
    /// [`compexp_files::Error::Format`] if an image has another size than `images[0]`; `compexp_core`'s `NotFinite` if
    /// a value overflows; any error of `sink`.
    pub fn run(
        &self,
        model: &Model,
        images: &[PathBuf],
        sink: &mut dyn FnMut(Block<'_>) -> Result<()>,
        progress: &dyn Fn(usize, usize),
    ) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::mismatch("batch size", 0, "at least 1"));
        }
        if self.start_at > images.len() {
            let expected = format!("at most {}, the number of images", images.len());
            return Err(Error::mismatch("first image to run", self.start_at, expected));
        }
        let tapped = model.tap(self.layer)?;
        progress(self.start_at, images.len());
        let mut groups = images[self.start_at..].chunks(self.batch);
        let Some(group) = groups.next() else { return Ok(()) };
        let size = Image::read(&images[0]).map(|image| (image.height, image.width))?;
        let read = |paths: &[PathBuf]| Batch::read(paths, self.preprocess, Some(size));

        let mut first = self.start_at;
        let mut waiting = Some(read(group)?);
        while let Some(batch) = waiting {
            let next = groups.next();
            let (output, read) = rayon::join(
                || -> Result<_> {
                    let output = tapped.forward(&batch.into_tensor(model.device())?)?;
                    let maps = channels_first(&output.maps)?.to_device(&Device::Cpu)?;
                    Ok((maps, output.logits.to_device(&Device::Cpu)?))
                },
                || next.map(read).transpose(),
            );
            let (maps, logits) = output?;
            let (n, units, h, w) = maps.dims4()?;
            let shape = [n, units, h, w];
            let (maps, logits) = (maps.flatten_all()?.to_vec1::<f32>()?, logits.flatten_all()?.to_vec1::<f32>()?);
            check_finite(&maps, first, units, h * w)?;
            check_finite(&logits, first, model.classes(), 1)?;
            sink(Block { first, shape, maps: &maps, logits: &logits })?;
            first += n;
            progress(first, images.len());
            waiting = read?;
        }
        Ok(())
    }
}
