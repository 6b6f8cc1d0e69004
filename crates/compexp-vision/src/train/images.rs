//! The images of a training, in memory as bytes, and how they are moved.

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use compexp_core::random::Random;
use rayon::prelude::*;

use super::config::TrainConfig;
use crate::error::{Error, Result};
use crate::eval::Labelled;
use crate::image::Image;
use crate::photo::Photo;
use crate::preprocess::Preprocess;
use crate::random::Purpose;

/// Labelled images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    height: usize,
    width: usize,
    /// Each `(height, width, 3)`.
    rgb: Vec<Vec<u8>>,
    classes: Vec<usize>,
}

impl Images {
    /// Reads images, upright as their orientation tags say.
    ///
    /// # Errors
    /// The errors of [`Photo::read`]; [`compexp_core::Error::Mismatch`] if there are no images, or if the numbers of
    /// classes and images differ; [`compexp_files::Error::Format`] if an image has another size than the first.
    pub fn read(list: &Labelled) -> Result<Self> {
        let Some(first) = list.paths.first().filter(|_| list.paths.len() == list.classes.len()) else {
            let expected = format!("{}, and at least one", list.paths.len());
            return Err(Error::mismatch("classes of images", list.classes.len(), expected));
        };
        let Image { height, width, .. } = Photo::upright(first).read()?;
        let read = |path: &PathBuf| {
            let image = Photo::upright(path).read()?;
            if (image.height, image.width) != (height, width) {
                let found = format!("{} x {}", image.width, image.height);
                let expected = format!("{width} x {height} as the first image; resize all to one size first");
                return Err(Error::format(path, "image size (width x height)", found, expected));
            }
            Ok(image.rgb)
        };
        let all: Vec<Result<Vec<u8>>> = list.paths.par_iter().map(read).collect();
        // The first error by position, whichever thread met one first.
        let rgb = all.into_iter().collect::<Result<_>>()?;
        Ok(Self { height, width, rgb, classes: list.classes.clone() })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.rgb.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rgb.is_empty()
    }

    /// The class of each image.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// The images as bytes, `(height, width, 3)` each.
    pub(super) fn bytes(&self) -> (usize, usize, &[Vec<u8>]) {
        (self.height, self.width, &self.rgb)
    }

    /// The images `chosen`, scaled for a network, `(n, h, w, 3)` on the CPU; moved and mirrored by the numbers of
    /// `round` if there is one.
    pub(super) fn batch(
        &self,
        chosen: &[usize],
        preprocess: Preprocess,
        moved: Option<(&TrainConfig, u64)>,
    ) -> Result<Tensor> {
        let (h, w) = (self.height, self.width);
        let tables = preprocess.tables();
        let mut data = vec![0.0; chosen.len() * h * w * 3];
        data.par_chunks_mut(h * w * 3).zip(chosen).for_each(|(out, &image)| {
            let (mut down, mut right, mut mirrored) = (0, 0, false);
            if let Some((config, epoch)) = moved {
                let mut random = Random::new(config.seed ^ epoch.rotate_left(32), Purpose::Augment, image as u64);
                let most = config.shift as isize;
                let mut along = || random.below(2 * config.shift + 1) as isize - most;
                (down, right) = (along(), along());
                mirrored = config.flip && random.chance(0.5);
            }
            let rgb = &self.rgb[image];
            for (at, out) in out.chunks_exact_mut(3).enumerate() {
                let (y, x) = (at / w, at % w);
                let x = if mirrored { w - 1 - x } else { x };
                let clamped = |at: usize, by: isize, size: usize| at.saturating_add_signed(by).min(size - 1);
                let from = (clamped(y, down, h) * w + clamped(x, right, w)) * 3;
                for (channel, out) in out.iter_mut().enumerate() {
                    *out = tables[channel][usize::from(rgb[from + channel])];
                }
            }
        });
        Ok(Tensor::from_vec(data, (chosen.len(), h, w, 3), &Device::Cpu)?)
    }
}
