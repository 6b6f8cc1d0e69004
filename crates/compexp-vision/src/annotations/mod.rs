//! Annotations of pictures in the forms that people have: COCO's instances and panoptic segments, the whole ADE20K, and
//! folders of class-index PNGs (as of Pascal VOC and Cityscapes).
//!
//! Pictures may differ in size. Each is annotated in its own pixels, and then brought to one mask size: a position of the
//! mask has the annotation of the pixel that lies under its centre ([`Frame`](crate::framing::Frame)).
//!
//! | function | form | concepts, by category |
//! |---|---|---|
//! | [`coco`] | one JSON file of polygons and runs | `object`; `supercategory` if asked for |
//! | [`panoptic`] | a JSON file and PNGs of segments | `thing`, `stuff`; `supercategory` if asked for |
//! | [`ade20k`] | the folder of the release of 2021 | `object`, `part` |
//! | [`mask_dir`] | a folder of PNGs and a file of names | `object` |
//!
//! A position has a concept if any annotation of the concept covers it. So a pixel may have several concepts, where objects
//! overlap or have parts.
//!
//! ```no_run
//! use compexp_core::probe::Grid;
//! use compexp_vision::annotations::{Options, coco};
//!
//! let mask_size = Grid { height: 56, width: 56 };
//! let options = Options { mask_size, framing: Default::default(), categories: None };
//! let pictures = coco("instances_val2017.json".as_ref(), None, &options)?;
//! println!("{} pictures", pictures.set.examples.len());
//! # Ok::<_, compexp_vision::Error>(())
//! ```

use std::path::{Path, PathBuf};

use compexp_core::concept::{Concept, ConceptId};
use compexp_core::probe::{Annotation, AnnotationSource, Example, Grid, Neighbors, ProbeSet, Variant};
use compexp_files::{Place, excerpt};
use compexp_run::probe_dir::vocabulary_of;
use rayon::prelude::*;

mod ade20k;
mod coco;
#[cfg(test)]
mod data_tests;
mod mask_dir;
mod panoptic;
mod polygon;
mod rle;
#[cfg(test)]
mod tests;
mod tree;

pub use ade20k::{Level, ade20k};
pub use coco::coco;
pub use mask_dir::mask_dir;
pub use panoptic::panoptic;

use crate::error::{Error, Result};
use crate::framing::Framing;
use crate::image::Header;
use crate::photo::Photo;

/// How annotations become masks, and which are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The size of the mask of every picture.
    pub mask_size: Grid,
    /// What is done to the pictures, and so to their annotations.
    pub framing: Framing,
    /// The categories whose concepts are wanted; by default all but `supercategory`.
    pub categories: Option<Vec<String>>,
}

/// The mask size that applies where none is given: that of Broden's masks for pictures of 224 x 224.
pub const MASK_SIZE: Grid = Grid { height: 112, width: 112 };

/// Annotated pictures.
pub struct Pictures {
    /// The probe set. `Example::image` is the path of the picture below [`Self::image_root`], or empty if that is none.
    pub set: ProbeSet,
    /// The folder that pictures are relative to, if it is known.
    pub image_root: Option<PathBuf>,
    /// The categories whose concepts were read, where there are several to choose from.
    pub categories: Option<Vec<String>>,
    /// The files that the annotations were or will be read from, with names that do not depend on where they lie.
    pub files: Vec<(String, PathBuf)>,
    /// How large the pictures are.
    pub stated: Stated,
    /// The number of pictures without a mask, which are no examples.
    pub left_out: usize,
}

/// What annotations state about the sizes of their pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stated {
    /// The height and width of each picture. None, if nothing is stated: then the annotations are those of the pictures as they
    /// are stored.
    Sizes(Vec<(usize, usize)>),
    /// The PNG of each picture, which has its size.
    Masks(Vec<PathBuf>),
}

impl Default for Stated {
    fn default() -> Self {
        Self::Sizes(Vec::new())
    }
}

impl Stated {
    /// The height and width of a picture, if they are stated.
    ///
    /// # Errors
    /// The errors of [`Header::read`] for a mask.
    pub fn size(&self, picture: usize) -> Result<Option<(usize, usize)>> {
        Ok(match self {
            Self::Sizes(sizes) => sizes.get(picture).copied(),
            Self::Masks(masks) => masks.get(picture).map(|mask| Header::read(mask)).transpose()?.map(|h| h.stored()),
        })
    }

    /// The photographs of the pictures, each turned to have the size that is stated ([`Photo::of_size`]). Only their headers are
    /// looked at.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] for the first photograph of another size; the errors of [`Header::read`].
    pub fn photographs(&self, paths: impl Iterator<Item = PathBuf>) -> Result<Vec<Photo>> {
        let paths: Vec<(usize, PathBuf)> = paths.enumerate().collect();
        let photographs: Vec<Result<Photo>> = paths
            .into_par_iter()
            .map(|(picture, path)| match self.size(picture)? {
                Some(size) => Photo::of_size(path, size, "as its annotation states"),
                None => Ok(Photo::stored(path)),
            })
            .collect();
        // The first error by position, whichever thread met one first.
        photographs.into_iter().collect()
    }
}

/// The annotation of pictures in their own pixels.
trait PictureSource: Send + Sync {
    /// The number of pictures.
    fn n_pictures(&self) -> usize;

    /// Tells `into` the size of a picture, and then each layer of its annotation.
    fn read(&self, picture: usize, into: &mut Layers<'_>) -> Result<()>;
}

/// Takes the layers of a picture's annotation, and keeps what the positions of the mask show of them.
struct Layers<'a> {
    mask_size: Grid,
    framing: Framing,
    /// For each row and each column of the mask, that of the picture.
    rows: Vec<usize>,
    columns: Vec<usize>,
    out: &'a mut Vec<u32>,
}

impl Layers<'_> {
    /// The size of the picture whose layers follow.
    ///
    /// # Errors
    /// The error of [`Framing::frame`].
    fn picture(&mut self, height: usize, width: usize) -> Result<()> {
        (self.rows, self.columns) = self.framing.frame((height, width))?.under(self.mask_size, (height, width));
        Ok(())
    }

    /// Adds a layer, unless no position has a concept of it. `concept` is the one of the pixel at a row and a column, or
    /// [`Annotation::NONE`].
    fn add(&mut self, concept: impl Fn(usize, usize) -> u32) {
        let start = self.out.len();
        for &row in &self.rows {
            self.out.extend(self.columns.iter().map(|&column| concept(row, column)));
        }
        if self.out[start..].iter().all(|concept| *concept == Annotation::NONE) {
            self.out.truncate(start);
        }
    }
}

/// A [`PictureSource`] at one mask size.
struct OneSize<S> {
    source: S,
    mask_size: Grid,
    framing: Framing,
}

impl<S: PictureSource> AnnotationSource for OneSize<S> {
    fn n_examples(&self) -> usize {
        self.source.n_pictures()
    }

    fn grid(&self) -> Grid {
        self.mask_size
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        let n = self.source.n_pictures();
        if example >= n {
            return Err(compexp_core::Error::mismatch("example of the probe set", example, format!("less than {n}")));
        }
        into.clear();
        let Self { mask_size, framing, .. } = *self;
        let mut layers = Layers { mask_size, framing, rows: vec![], columns: vec![], out: &mut into.layers };
        let read = self.source.read(example, &mut layers);
        read.map_err(|e| compexp_core::Error::Annotation { example, source: Box::new(e) })
    }
}

/// The probe set of `source`. `path` is the file that names the concepts, `images` the names of the pictures, which are their
/// paths where they are known to be `found`.
fn probe_set(
    path: &Path,
    concepts: Vec<Concept>,
    images: impl Iterator<Item = String>,
    found: bool,
    source: impl PictureSource + 'static,
    options: &Options,
) -> Result<ProbeSet> {
    let example = |name: String| match found {
        true => Example { image: name.clone(), name, ..Example::default() },
        false => Example { name, ..Example::default() },
    };
    let examples: Vec<Example> = images.map(example).collect();
    if examples.is_empty() {
        return Err(Error::format(path, "pictures", "none", "at least one"));
    }
    Ok(ProbeSet {
        vocabulary: vocabulary_of(path, concepts)?,
        examples,
        variant: Variant::Vision,
        neighbors: Neighbors::new(),
        source: Box::new(OneSize { source, mask_size: options.mask_size, framing: options.framing }),
    })
}

/// The categories that are read: those asked for, or by default the first `by_default` of `all`.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if one is unknown, or the list is empty.
fn chosen(asked: Option<&[String]>, all: &[&str], by_default: usize) -> Result<Vec<String>> {
    let Some(asked) = asked else {
        return Ok(all[..by_default].iter().map(ToString::to_string).collect());
    };
    let unknown = asked.iter().find(|category| !all.contains(&category.as_str()));
    match unknown.map(|category| excerpt(category)).or(asked.is_empty().then(|| "none".to_owned())) {
        Some(found) => Err(Error::mismatch("categories", found, format!("some of {}", all.join(", ")))),
        None => Ok(all.iter().filter(|c| asked.iter().any(|a| a == *c)).map(ToString::to_string).collect()),
    }
}

fn concept(id: u32, name: &str, category: &str) -> Concept {
    Concept { id: ConceptId(id), name: name.to_owned(), category: category.to_owned() }
}

/// The folder of pictures: the given one, else the folder `images` beside the file, if it is there.
fn image_folder(given: Option<&Path>, file: &Path) -> Result<Option<PathBuf>> {
    if let Some(dir) = given {
        return match Place::required(dir)? {
            Place::Folder => Ok(Some(dir.to_owned())),
            _ => Err(Error::format(dir, "pictures", "something else", "a folder")),
        };
    }
    let beside = file.with_file_name("images");
    Ok((Place::behind(&beside)? == Place::Folder).then_some(beside))
}

/// Whether a path in a file stays below the folder that it is relative to.
fn stays_below(path: &str) -> bool {
    !path.is_empty() && !path.starts_with(['/', '\\']) && !path.split(['/', '\\']).any(|part| part == "..")
}
