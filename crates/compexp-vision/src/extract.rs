//! The activations of layers over many images: one batch runs while the next is read.

use candle_core::Device;
use compexp_core::activation::check_finite;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::photo::Photo;
use crate::preprocess::{Batch, Preparation};
use compexp_kernels::conv::channels_first;

/// The settings of an extraction.
#[derive(Debug, Clone, Copy)]
pub struct Extract<'a> {
    /// The layers, of [`Model::layers`].
    pub layers: &'a [&'a str],
    /// What becomes of photographs first.
    pub preparation: Preparation,
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
    /// The number of images.
    pub n: usize,
    /// The values of each layer.
    pub maps: &'a [Maps],
    /// `(n, classes)`, all finite.
    pub logits: &'a [f32],
}

/// A layer's values for a run of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Maps {
    /// `(n, units, h, w)`.
    pub shape: [usize; 4],
    /// The values, all finite.
    pub values: Vec<f32>,
}

impl Extract<'_> {
    /// Runs `images[start_at..]` through `model` in order and gives `sink` every batch's results; `progress` receives
    /// the number of images done and of all.
    ///
    /// While a batch runs, the next one is read and decoded; there is never more than one waiting. Work runs on the
    /// current thread and rayon's current pool.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`] if the network has no such layer; the errors of [`Framing::read`](crate::framing::Framing::read);
    /// [`compexp_files::Error::Format`] if an image has another size than `images[0]`; `compexp_core`'s `NotFinite` if
    /// a value overflows; any error of `sink`.
    pub fn run(
        &self,
        model: &Model,
        images: &[Photo],
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
        let tapped = model.tap(self.layers)?;
        progress(self.start_at, images.len());
        let mut groups = images[self.start_at..].chunks(self.batch);
        let Some(group) = groups.next() else { return Ok(()) };
        let size = self.preparation.framing.read(&images[0]).map(|image| (image.height, image.width))?;
        let read = |photos: &[Photo]| Batch::read(photos, self.preparation, Some(size));

        let mut first = self.start_at;
        let mut waiting = Some(read(group)?);
        while let Some(batch) = waiting {
            let next = groups.next();
            let (output, read) = rayon::join(
                || -> Result<_> {
                    let output = tapped.forward(&batch.into_tensor(model.device())?)?;
                    let maps = output.maps.iter().map(|maps| Ok(channels_first(maps)?.to_device(&Device::Cpu)?));
                    Ok((maps.collect::<Result<Vec<_>>>()?, output.logits.to_device(&Device::Cpu)?))
                },
                || next.map(read).transpose(),
            );
            let (maps, logits) = output?;
            let n = logits.dim(0)?;
            let maps = maps.iter().map(|maps| {
                let (n, units, h, w) = maps.dims4()?;
                let values = maps.flatten_all()?.to_vec1::<f32>()?;
                check_finite(&values, first, units, h * w)?;
                Ok(Maps { shape: [n, units, h, w], values })
            });
            let maps = maps.collect::<Result<Vec<_>>>()?;
            let logits = logits.flatten_all()?.to_vec1::<f32>()?;
            check_finite(&logits, first, model.classes(), 1)?;
            sink(Block { first, n, maps: &maps, logits: &logits })?;
            first += n;
            progress(first, images.len());
            waiting = read?;
        }
        Ok(())
    }
}
