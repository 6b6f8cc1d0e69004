//! The annotation arrays of a probe directory.

use std::path::Path;

use compexp_core::concept::ConceptId;
use compexp_core::probe::{Annotation, AnnotationSource, Grid};
use compexp_files::{Dtype, TensorFile, is_there};

use super::{FEATURES, LAYERS, MASKS, SCALARS};
use crate::error::{Error, Result};
use crate::saev;

/// The annotation arrays of a probe directory.
pub(super) struct ProbeDir {
    arrays: Arrays,
    n_examples: usize,
    grid: Grid,
}

enum Arrays {
    /// `layers.npy` and `scalars.npy`, at least one of them.
    Ids {
        layers: Option<TensorFile>,
        scalars: Option<TensorFile>,
    },
    Masks(TensorFile),
    Features(TensorFile),
}

impl ProbeDir {
    /// Opens the arrays in `dir`, and gives the names of their files too.
    ///
    /// # Errors
    /// `Error::File` if there are none, too many, or one is not as described in the module above.
    pub(super) fn open(dir: &Path) -> Result<(Self, Vec<&'static str>)> {
        const IDS: (&[Dtype], &str) = (&[Dtype::U8, Dtype::U16, Dtype::U32], "u8, u16 or u32");
        const BITS: (&[Dtype], &str) = (&[Dtype::Bool, Dtype::U8], "bool or u8");
        let open = |name: &str, (dtypes, expected): (&[Dtype], &str), shape: &str| -> Result<Option<TensorFile>> {
            let tensor = open_array(dir, name, (dtypes, expected))?;
            if let Some(tensor) = &tensor {
                expect_shape(tensor, shape)?;
            }
            Ok(tensor)
        };
        if saev::is_folder(dir)? && is_there(&dir.join(saev::LABELS))? {
            let labels = saev::open_labels(dir)?;
            let &[n_examples, _, height, width] = labels.shape() else { return Err(vanished(dir)) };
            let arrays = Arrays::Ids { layers: Some(labels), scalars: None };
            let this = Self { arrays, n_examples, grid: Grid { height, width } };
            return Ok((this, vec![saev::METADATA, saev::LABELS]));
        }
        let all = [LAYERS, SCALARS, MASKS, FEATURES];
        let mut found = vec![];
        for name in all {
            if is_there(&dir.join(name))? {
                found.push(name);
            }
        }
        if found.is_empty() || (found.len() > 1 && found != all[..2]) {
            let expected = "layers.npy or scalars.npy or both, or masks.npy, or features.npy";
            let (found, expected) = match found.is_empty() {
                true => ("none".into(), expected.to_owned()),
                false => (found.join(" and "), format!("{expected}: move the others away")),
            };
            return Err(Error::format(dir, "annotation arrays", found, expected));
        }
        let this = match found[0] {
            MASKS => {
                let shape = "[concepts, examples, height, width]";
                let masks = open(MASKS, BITS, shape)?.ok_or_else(|| vanished(dir))?;
                let &[_, n_examples, height, width] = masks.shape() else { return Err(vanished(dir)) };
                Self { arrays: Arrays::Masks(masks), n_examples, grid: Grid { height, width } }
            }
            FEATURES => {
                let features = open(FEATURES, BITS, "[examples, features]")?.ok_or_else(|| vanished(dir))?;
                let n_examples = features.shape()[0];
                Self { arrays: Arrays::Features(features), n_examples, grid: Grid::SINGLE }
            }
            _ => {
                let layers = open(LAYERS, IDS, "[examples, layers, height, width]")?;
                let scalars = open(SCALARS, IDS, "[examples, scalars]")?;
                let first = layers.as_ref().or(scalars.as_ref()).ok_or_else(|| vanished(dir))?;
                let n_examples = first.shape()[0];
                if let Some(scalars) = scalars.as_ref().filter(|s| s.shape()[0] != n_examples) {
                    let expected = format!("{n_examples} examples, as in layers.npy");
                    return Err(scalars.error("shape", format!("{:?}", scalars.shape()), expected).into());
                }
                let grid = match first.shape() {
                    &[_, _, height, width] => Grid { height, width },
                    _ => Grid::SINGLE,
                };
                Self { arrays: Arrays::Ids { layers, scalars }, n_examples, grid }
            }
        };
        Ok((this, found))
    }

    /// How many examples there are.
    pub(super) fn len(&self) -> usize {
        self.n_examples
    }

    /// Whether these are ids, in `layers.npy` and `scalars.npy`.
    pub(super) fn has_ids(&self) -> bool {
        matches!(self.arrays, Arrays::Ids { .. })
    }

    /// Whether this is `features.npy`.
    pub(super) fn has_features(&self) -> bool {
        matches!(self.arrays, Arrays::Features(_))
    }

    /// The ids that concepts can have.
    pub(super) fn ids(&self) -> std::ops::Range<u32> {
        match &self.arrays {
            Arrays::Ids { .. } => 1..Annotation::NONE,
            Arrays::Masks(t) => 0..t.shape()[0] as u32,
            Arrays::Features(t) => 0..t.shape()[1] as u32,
        }
    }

    /// The same in words.
    pub(super) fn ids_hint(&self) -> String {
        match &self.arrays {
            Arrays::Ids { .. } => {
                format!("1 to {}: 0 means none in layers.npy and scalars.npy", Annotation::NONE - 1)
            }
            Arrays::Masks(_) => format!("less than {}: ids are the indices in masks.npy, from 0", self.ids().end),
            Arrays::Features(_) => format!("less than {}: ids are the columns of features.npy, from 0", self.ids().end),
        }
    }

    /// Appends the ids of `example` in an array in which 0 is none.
    fn read_ids(&self, tensor: &TensorFile, example: usize, into: &mut Vec<u32>) -> Result<()> {
        let len = tensor.elements() / self.n_examples;
        into.resize(len, 0);
        tensor.read_u32(example * len, into)?;
        if into.contains(&Annotation::NONE) {
            let found = format!("concept id {}", Annotation::NONE);
            return Err(tensor.error(&format!("example {example}"), found, self.ids_hint()).into());
        }
        Ok(())
    }
}

impl AnnotationSource for ProbeDir {
    fn n_examples(&self) -> usize {
        self.n_examples
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        if example >= self.n_examples {
            let expected = format!("less than {}", self.n_examples);
            return Err(compexp_core::Error::mismatch("example of the probe set", example, expected));
        }
        into.clear();
        match &self.arrays {
            Arrays::Ids { layers, scalars } => {
                if let Some(layers) = layers {
                    self.read_ids(layers, example, &mut into.layers)?;
                    for id in into.layers.iter_mut().filter(|id| **id == 0) {
                        *id = Annotation::NONE;
                    }
                }
                if let Some(scalars) = scalars {
                    self.read_ids(scalars, example, &mut into.scalars)?;
                    into.scalars.retain(|id| *id != 0);
                }
            }
            Arrays::Masks(masks) => {
                let positions = self.grid.positions();
                let mut mask = vec![false; positions]; // (height, width)
                for id in self.ids() {
                    let start = (id as usize * self.n_examples + example) * positions;
                    masks.read_bool(start, &mut mask).map_err(Error::from)?;
                    if mask.contains(&true) {
                        into.layers.extend(mask.iter().map(|&m| if m { id } else { Annotation::NONE }));
                    }
                }
            }
            Arrays::Features(features) => {
                let mut row = vec![false; features.shape()[1]];
                features.read_bool(example * row.len(), &mut row).map_err(Error::from)?;
                into.scalars.extend(self.ids().zip(&row).filter(|(_, has)| **has).map(|(id, _)| id));
            }
        }
        Ok(())
    }

    fn declared(&self) -> Vec<ConceptId> {
        match self.arrays {
            Arrays::Features(_) => self.ids().map(ConceptId).collect(),
            _ => vec![],
        }
    }
}

/// The array of this name in `dir`, if there is one, which must have one of these types.
pub(super) fn open_array(dir: &Path, name: &str, (dtypes, expected): (&[Dtype], &str)) -> Result<Option<TensorFile>> {
    let path = dir.join(name);
    if is_there(&path)? { TensorFile::open_of(path, dtypes, expected).map(Some).map_err(Error::from) } else { Ok(None) }
}

/// The error where a file that was there a moment ago is not, or is another.
fn vanished(dir: &Path) -> Error {
    Error::format(dir, "annotation arrays", "files that come and go", "a folder that nobody writes to")
}

/// Checks that an array has the dimensions that `shape` names, none of them 0, and concepts that can be numbered.
fn expect_shape(tensor: &TensorFile, shape: &str) -> Result<()> {
    let dims = shape.split(',').count();
    let numbered = tensor.shape().iter().take(2).all(|d| *d < Annotation::NONE as usize);
    if tensor.shape().len() == dims && tensor.elements() > 0 && numbered {
        return Ok(());
    }
    let expected = format!("{shape}, each at least 1 and the first two below {}", Annotation::NONE);
    Err(tensor.error("shape", format!("{:?}", tensor.shape()), expected).into())
}
