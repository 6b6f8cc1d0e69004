//! Painted scenes: labelled images that follow from a seed, as a probe set whose annotations are exact.
//!
//! A scene is of one of [`SCENES`], which differ by what occurs together: water and boats in a harbor, water, sand and
//! umbrellas on a beach, sand and cactuses in a desert. Things have parts (a house its roof, door, windows and chimney),
//! colours of eleven names, and some a texture. They hide what is behind them; the light differs, and pixels are noisy.
//!
//! Every sample of the canvas knows the object, the part, the texture and the colour it was painted as, so that masks
//! record the visible things. The colour label is the painted colour, for any light.
//!
//! ```no_run
//! use compexp_vision::scenes::{Paint, Split};
//!
//! let probe = Paint { images: 1200, seed: 0, split: Split::Val };
//! probe.write("probe".as_ref(), &|done| println!("{done} scenes"))?;
//! let broden = compexp_vision::broden::load("probe".as_ref(), &Default::default())?;
//! # Ok::<_, compexp_vision::Error>(())
//! ```

mod built;
mod canvas;
mod folder;
mod indoor;
mod labels;
mod nature;
mod places;
#[cfg(test)]
mod tests;

use std::path::Path;

use compexp_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::random::Purpose;
use canvas::Canvas;

pub use labels::SCENES;

/// The greatest number of scenes of a folder: their numbers have six digits.
pub const MAX_IMAGES: usize = 1_000_000;

/// The use of a folder of scenes. The two splits have different scenes, for any seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For training.
    Train,
    /// For probing.
    #[default]
    Val,
}

impl Split {
    /// Its name in the column `split` of `index.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// A set of scenes to paint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paint {
    /// Scenes, from 1 to [`MAX_IMAGES`]. Scene `i` is of class `i % SCENES.len()`, and does not depend on their number.
    pub images: usize,
    /// The seed of all scenes.
    pub seed: u64,
    /// The use of the scenes.
    pub split: Split,
}

impl Default for Paint {
    fn default() -> Self {
        Self { images: 1200, seed: 0, split: Split::default() }
    }
}

/// A painted scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// Its class, the index in [`SCENES`].
    pub class: usize,
    /// `(112, 112, 3)`: red, green, blue.
    pub rgb: Vec<u8>,
    /// Labels of object, part, texture and colour, each `(56, 56)`, 0 = none.
    pub labels: [Vec<u8>; 4],
}

impl Paint {
    /// Paints scene `number`.
    pub fn scene(&self, number: usize) -> Scene {
        let purpose = match self.split {
            Split::Train => Purpose::TrainScene,
            Split::Val => Purpose::ProbeScene,
        };
        let mut random = Random::new(self.seed, purpose, number as u64);
        let class = number % SCENES.len();
        let mut canvas = Canvas::new();
        let light = places::paint(&mut canvas, &mut random, class);
        let bright = random.between(0.9, 1.06);
        let slope = (random.between(-0.14, 0.14), random.between(-0.08, 0.08));
        let noise = random.between(1.5, 4.0);
        let rgb = canvas.develop(light.map(|v| v * bright), slope, noise, &mut random);
        Scene { class, rgb, labels: canvas.labels() }
    }

    /// Paints all scenes into the folder `dir`, in Broden's format with images of 112 x 112 and masks of 56 x 56.
    /// `progress` receives the number of scenes done. Beside Broden's files it gets `classes.txt` (a class's name and
    /// number per line), `list.txt` (an image's path and class per line) and `scenes.json` (this `Paint`).
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the number of images is out of range; [`compexp_files::Error::Format`] if
    /// the folder has other files than those of an earlier painting, which are replaced; [`compexp_files::Error::Io`]
    /// if a file cannot be written.
    pub fn write(&self, dir: &Path, progress: &(dyn Fn(usize) + Sync)) -> Result<()> {
        if self.images == 0 || self.images > MAX_IMAGES {
            return Err(Error::mismatch("scenes to paint", self.images, format!("from 1 to {MAX_IMAGES}")));
        }
        folder::write(self, dir, progress)
    }
}
