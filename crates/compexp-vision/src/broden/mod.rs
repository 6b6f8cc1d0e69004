//! Broden: images annotated with label PNGs and label numbers, as published for network dissection.
//!
//! A folder holds
//!
//! - `index.csv` (or `index_ade20k.csv`): a row for each image with the columns `image`, `split`, `ih`, `iw` (the
//!   photograph's rows and columns), `sh`, `sw` (those of its masks), and one column for each category. A category's field is a
//!   `;`-list of PNG names (labels of pixels) and label numbers (labels of the whole image); it may be empty. Columns
//!   go by name, in any order; others are ignored.
//! - `images/`: the photographs and the PNGs, 8 bits RGB of `sh` rows and `sw` columns, label = R + 256 G, 0 = none.
//!   A fourth channel is allowed and, like the blue one, not looked at.
//! - `label.csv`: `number`, `name`, and if given `category` (`object(20);scene(3)`), `frequency`, `coverage`.
//! - `category.csv`: the `name` of each category.
//! - `c_<category>.csv`, if given: the `number` and `coverage` of the labels within a category.
//!
//! All label PNGs of an image are layers of one annotation: a position has a concept if any layer, or the image as
//! a whole, has it, in whichever category's column. So a concept may be an object here and a part there, and counts
//! once; it is reported under the category in which it covers most ([`Labels::read`]).
//!
//! **Which images.** Those with an annotation in at least one of [`DEFAULT_CATEGORIES`]; the label 0 is no
//! annotation. [`BrodenOptions::categories`] never changes this, so that runs with different categories share
//! their images, activations and thresholds.
//!
//! **Which concepts.** Those read from the columns of the wanted categories, and only from these: with `part` alone, a
//! label that is a part of some images and an object of others counts where it is a part.
//!
//! ```no_run
//! use compexp_vision::broden;
//!
//! let broden = broden::load("broden1_224".as_ref(), &Default::default())?;
//! let scenes: Vec<_> = broden.images().iter().map(|i| i.scene_name.clone()).collect();
//! let probe_set = broden.into_probe_set();
//! assert_eq!(scenes.len(), probe_set.examples.len());
//! # Ok::<_, compexp_vision::Error>(())
//! ```

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use compexp_core::concept::Vocabulary;
use compexp_core::probe::{Example, Grid, Neighbors, ProbeSet, Variant};
use compexp_files::Place;

#[cfg(test)]
mod data_tests;
mod index;
mod labels;
mod masks;
mod table;
#[cfg(test)]
mod tests;

pub use index::{DEFAULT_CATEGORIES, Image};
pub use labels::{Label, Labels, MAX_LABEL};
pub(crate) use table::read_limited;

use index::{Categories, Index};
use masks::Masks;
use table::Table;

use crate::error::{Error, Result, missing};
use crate::framing::Framing;

/// What to read of a Broden folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrodenOptions {
    /// The categories whose concepts are wanted; by default those of [`DEFAULT_CATEGORIES`] that the index has.
    pub categories: Option<Vec<String>>,
    /// What is done to the photographs, and so to their annotations.
    pub framing: Framing,
    /// The index: a path within the folder, else a path as it stands. By default `index_ade20k.csv` if the folder
    /// has it, else `index.csv`.
    pub index: Option<PathBuf>,
}

/// A Broden folder, its tables read and its label PNGs not yet.
pub struct Broden {
    images: Vec<Image>,
    left_out: usize,
    categories: Vec<String>,
    index_file: PathBuf,
    masks: Masks,
}

/// Reads the tables of the Broden folder `dir`.
///
/// Label PNGs are read when an annotation is needed, from any number of threads at once.
///
/// # Errors
/// [`compexp_files::Error::Io`] if a file or folder is missing. [`compexp_files::Error::Format`], with the file and the
/// line, if a column or category is missing, a row has another length than the header, a number is invalid or out of
/// range, `sh` or `sw` differ between rows, `label.csv` lacks a label, or a path leads out of the folder.
/// [`compexp_core::Error::Mismatch`] if the list of categories is empty. A bad PNG is an error when its annotation is
/// read: [`compexp_core::Error::Annotation`] around this crate's [`crate::Error`].
pub fn load(dir: &Path, options: &BrodenOptions) -> Result<Broden> {
    let image_root = dir.join("images");
    let images = Place::required(&image_root).map_err(|e| missing("a Broden folder holds its images there", e))?;
    if images != Place::Folder {
        let expected = "a folder: a Broden folder holds its images there";
        return Err(Error::format(&image_root, "images", "something else", expected));
    }
    let index_file = find_index(dir, options)?;
    let table = Table::read(&index_file, "a Broden folder lists its images there; another index can be named")?;
    let categories = Categories::resolve(&table, options.categories.as_deref())?;
    let labels = Labels::read(dir, &categories.considered)?;
    let Index { grid, images, cells, left_out } = Index::read(&table, &categories, &labels)?;
    let sizes = images.iter().map(|image| (image.height as usize, image.width as usize)).collect();
    let masks = Masks { image_root, grid, labels, cells, framing: options.framing, sizes };
    Ok(Broden { images, left_out, categories: categories.wanted, index_file, masks })
}

fn find_index(dir: &Path, options: &BrodenOptions) -> Result<PathBuf> {
    let (name, other) = match &options.index {
        Some(index) => (index.as_path(), index.clone()),
        None => ("index_ade20k.csv".as_ref(), dir.join("index.csv")),
    };
    let within = dir.join(name);
    Ok(if matches!(Place::behind(&within)?, Place::File(_)) { within } else { other })
}

impl Broden {
    /// The images of the probe set, in the order of the index: example `i` is `images()[i]`.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The number of images of the index that no default category annotates, and that are no examples therefore.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The index that was read.
    pub fn index_file(&self) -> &Path {
        &self.index_file
    }

    /// The folder that image names are relative to.
    pub fn image_root(&self) -> &Path {
        &self.masks.image_root
    }

    /// The mask grid, `sh x sw` of the index.
    pub fn grid(&self) -> Grid {
        self.masks.grid
    }

    /// The wanted categories, each once.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// The labels of `label.csv`.
    pub fn labels(&self) -> &Labels {
        &self.masks.labels
    }

    /// The labels as concepts, those included that no image has.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.masks.labels.vocabulary()
    }

    /// The files that the probe set depends on, each once: the index, `category.csv`, `label.csv`, those of the
    /// `c_<category>.csv` that exist, and the label PNGs of the wanted categories in the order of examples.
    ///
    /// Equal contents of equal lists (as relative paths) with equal options give equal probe sets, so a cache should
    /// hash these files. The photographs are not among them, because only activations depend on them.
    pub fn fingerprint_files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.index_file.clone()];
        files.extend_from_slice(self.masks.labels.files());
        let mut seen = HashSet::new();
        let names = self.masks.cells.iter().flat_map(|c| &c.masks).filter(|name| seen.insert(&***name));
        files.extend(names.map(|name| self.image_root().join(&**name)));
        files
    }

    /// The probe set: `Example::name` and `Example::image` are the path below [`Self::image_root`], and each image is
    /// a group of its own.
    pub fn into_probe_set(self) -> ProbeSet {
        let example = |i: Image| Example { image: i.name.clone(), name: i.name, ..Example::default() };
        ProbeSet {
            vocabulary: self.masks.labels.vocabulary().clone(),
            examples: self.images.into_iter().map(example).collect(),
            variant: Variant::Vision,
            neighbors: Neighbors::new(),
            source: Box::new(self.masks),
        }
    }
}
