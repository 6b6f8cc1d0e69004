//! The layer to explain: its activations or masks, in a file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::activation::{ActivationSource, MaskSource};
use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::probe::Grid;
use compexp_core::sparse::SparseSource;
use compexp_files::hash_file;
use compexp_run::provenance::ArrayInput;
use compexp_run::{ActivationFile, Axes, Known, MaskFile, PlacedActivations, SparseFile};

use crate::annotations::Annotated;
use crate::args::layer::{LayerArgs, LayoutArg};
use crate::failure::Failure;
use crate::input_files::hash_files;
use crate::progress::Reporter;

/// A layer's activations or masks.
pub(crate) struct Layer {
    /// The file and the tensor in it, as they were given.
    spec: PathBuf,
    values: Values,
}

enum Values {
    Activations(ActivationFile),
    /// Of words, some rows of an array.
    Placed(PlacedActivations),
    Sparse(SparseFile),
    Masks(MaskFile),
}

impl Layer {
    /// Opens the given layer, if there is one.
    ///
    /// # Errors
    /// The errors of [`ActivationFile::open`] or [`MaskFile::open`]; a [`Failure`] for `-`, and for a map that belongs to
    /// another layout.
    pub(crate) fn new(args: &LayerArgs) -> Result<Option<Self>> {
        for (flag, path) in [("--activations", &args.activations), ("--masks", &args.masks)] {
            if path.as_deref() == Some(Path::new("-")) {
                let message = format!("{flag} -: standard input cannot be read, since the file is read more than once");
                return Err(Failure::usage(message).hint("save it to a file, and give that file's path").into());
            }
        }
        let axes = args.layout.map(|layout| match layout {
            LayoutArg::Nchw => Axes::Nchw,
            LayoutArg::Nhwc => Axes::Nhwc,
            LayoutArg::Ntu => Axes::Ntu,
        });
        let known = Known { axes, grid: args.grid, units: args.units_expected };
        let Some(layer) = Self::open_known(args, known)? else { return Ok(None) };
        let in_one_axis = match &layer.values {
            Values::Activations(file) => file.axes() == Axes::Ntu,
            Values::Placed(_) | Values::Masks(_) => false,
            Values::Sparse(_) => true,
        };
        match args.grid {
            Some(_) if !in_one_axis => {
                let message =
                    "--grid: is for --layout ntu, sparse layers and shards of saev, whose positions are in one axis";
                Err(Failure::usage(message).into())
            }
            grid => Ok(Some(layer.on_grid(grid)?)),
        }
    }

    /// The same; if it is sparse, its rows are the positions of maps.
    ///
    /// # Errors
    /// The errors of [`SparseFile::on_grid`].
    pub(crate) fn on_grid(self, grid: Option<Grid>) -> Result<Self> {
        let Self { spec, values } = self;
        match (values, grid) {
            (Values::Sparse(file), Some(grid)) => Ok(Self { values: Values::Sparse(file.on_grid(grid)?), spec }),
            (values, _) => Ok(Self { values, spec }),
        }
    }

    /// [`Self::new`] for texts that a mask of tokens says the `grid` of.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn of_texts(args: &LayerArgs, grid: Option<Grid>) -> Result<Option<Self>> {
        match grid {
            None => Self::new(args),
            Some(_) => Self::open_known(args, Known { axes: Some(Axes::Ntu), grid, units: args.units_expected }),
        }
    }

    fn open_known(args: &LayerArgs, known: Known) -> Result<Option<Self>> {
        Self::open(args.activations.as_deref(), args.masks.as_deref(), known)
    }

    /// Opens the layer of these files, if there is one.
    ///
    /// # Errors
    /// The errors of [`ActivationFile::open`] or [`MaskFile::open`].
    pub(crate) fn open(activations: Option<&Path>, masks: Option<&Path>, known: Known) -> Result<Option<Self>> {
        let (spec, values) = match (activations, masks) {
            (Some(spec), _) => match SparseFile::open(spec)? {
                Some(file) => (spec, Values::Sparse(file)),
                None => (spec, Values::Activations(ActivationFile::open(spec, known)?)),
            },
            (None, Some(spec)) => (spec, Values::Masks(MaskFile::open(spec, known.units)?)),
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { spec: spec.to_owned(), values }))
    }

    /// Where its units fire.
    pub(crate) fn firing(&self) -> Firing<'_> {
        match &self.values {
            Values::Activations(file) => Firing::Activations(file),
            Values::Placed(placed) => Firing::Activations(placed),
            Values::Sparse(file) => Firing::Sparse(file),
            Values::Masks(file) => Firing::Masks(file),
        }
    }

    /// The file and the tensor in it, as they were given.
    pub(crate) fn spec(&self) -> &Path {
        &self.spec
    }

    /// Whether there is a map for every example, and not a single value.
    pub(crate) fn has_maps(&self) -> bool {
        match &self.values {
            Values::Activations(file) => file.has_maps(),
            Values::Placed(_) | Values::Sparse(_) => false,
            Values::Masks(file) => file.grid().positions() > 1,
        }
    }

    /// Its kind, in `config.json`.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.values {
            Values::Activations(_) | Values::Placed(_) | Values::Sparse(_) => "activations",
            Values::Masks(_) => "masks",
        }
    }

    /// Whether most of its values are 0 and not in its files.
    pub(crate) fn is_sparse(&self) -> bool {
        matches!(self.values, Values::Sparse(_))
    }

    /// The number of rows of its file: examples times positions.
    pub(crate) fn n_rows(&self) -> usize {
        match &self.values {
            Values::Activations(file) => file.n_examples() * file.grid().positions(),
            Values::Sparse(file) => file.n_rows(),
            Values::Placed(placed) => placed.n_examples(),
            Values::Masks(file) => file.n_examples() * file.grid().positions(),
        }
    }

    /// The tokens of the contexts of a latent cache, and the length of a context.
    ///
    /// # Errors
    /// The errors of [`SparseFile::tokens`].
    pub(crate) fn tokens(&self) -> Result<Option<(Vec<i64>, usize)>> {
        match &self.values {
            Values::Sparse(file) => Ok(file.tokens()?),
            _ => Ok(None),
        }
    }

    /// The same, of which example `i` is the row `rows[i]`.
    ///
    /// # Errors
    /// The errors of [`PlacedActivations::new`] and [`SparseFile::of_rows`].
    pub(crate) fn placed(self, rows: Vec<u32>) -> Result<Self> {
        let values = match self.values {
            Values::Activations(file) => Values::Placed(PlacedActivations::new(file, rows)?),
            Values::Sparse(file) => Values::Sparse(file.of_rows(&rows)?),
            other => other,
        };
        Ok(Self { values, ..self })
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.values {
            Values::Activations(file) => file.path(),
            Values::Placed(placed) => placed.file().path(),
            Values::Sparse(file) => file.path(),
            Values::Masks(file) => file.path(),
        }
    }

    /// A run's record of the layer: the hash of its file or of all its files, the tensor's name, and what its axes are.
    ///
    /// # Errors
    /// `Error::Io` if a file cannot be read.
    pub(crate) fn record(&self, progress: &dyn Progress) -> Result<ArrayInput> {
        let files = match &self.values {
            Values::Activations(file) => file.files().to_vec(),
            Values::Placed(placed) => placed.file().files().to_vec(),
            Values::Sparse(file) => file.files(),
            Values::Masks(file) => file.files().to_vec(),
        };
        let hash = match &files[..] {
            [only] => {
                progress.stage(&format!("hash of the {}", self.kind()), "file", 1);
                let hash = hash_file(only)?;
                progress.done(1);
                hash
            }
            several => {
                // Batches count by their order, whatever their names.
                let named: Vec<_> = several.iter().enumerate().map(|(i, path)| (i.to_string(), path.clone())).collect();
                hash_files("array", b"", &named, self.kind(), progress)?
            }
        };
        let (layout, grid) = match &self.values {
            Values::Activations(file) => recorded_axes(file),
            Values::Placed(placed) => recorded_axes(placed.file()),
            Values::Sparse(file) => (None, Some(file.grid()).filter(|grid| grid.positions() > 1)),
            Values::Masks(_) => (None, None),
        };
        Ok(ArrayInput { hash, tensor: self.tensor(), layout, grid, places: None })
    }

    /// The name after `#`.
    fn tensor(&self) -> Option<String> {
        let (spec, path) = (self.spec.to_string_lossy(), self.path().to_string_lossy());
        Some(spec.strip_prefix(&*path)?.strip_prefix('#')?.to_owned())
    }

    /// Compares the layer with the annotated examples, and warns of names that fit none.
    ///
    /// # Errors
    /// A [`Failure`] if there are not as many examples; the errors of [`ActivationFile::compare_names`].
    pub(crate) fn check(&self, annotated: &Annotated, reporter: &Reporter) -> Result<()> {
        let (found, expected) = (self.firing().n_examples(), annotated.set.source.n_examples());
        if found == expected {
            if let Values::Sparse(file) = &self.values
                && file.grid() != annotated.set.source.grid()
            {
                let size = |Grid { height, width }: Grid| format!("{height} x {width}");
                let (found, expected) = (size(file.grid()), size(annotated.set.source.grid()));
                let message = format!(
                    "maps in the activations `{}`: found {found}, expected {expected}, as the annotations have",
                    self.path().display()
                );
                let hint = "sparse activations are not resized: give their --grid HxW, and annotations on that grid";
                return Err(Failure::new(message).hint(hint).into());
            }
            if annotated.has_names() {
                let examples = &annotated.set.examples;
                let warning = match &self.values {
                    Values::Activations(file) => file.compare_names(examples)?,
                    Values::Placed(_) | Values::Sparse(_) => None,
                    Values::Masks(file) => file.compare_names(examples)?,
                };
                warning.iter().for_each(|text| reporter.warn(text));
            }
            return Ok(());
        }
        let message = format!(
            "examples in the {} `{}`: found {found}, expected {expected}, as many as are annotated",
            self.kind(),
            self.path().display()
        );
        let shape = match &self.values {
            Values::Placed(_) => "rows of words",
            Values::Sparse(_) => "rows of words, or with --grid HxW rows of the positions of maps",
            Values::Activations(file) => match file.axes() {
                Axes::Nchw => "[examples, units, height, width] or [examples, units]",
                Axes::Nhwc => "[examples, height, width, units]",
                Axes::Ntu => "[examples, positions, units]",
            },
            Values::Masks(_) => "[units, examples, height, width] or [units, examples]",
        };
        let hint = format!("the array is {shape}; export it for the same examples in the same order");
        Err(Failure::new(message).hint(hint).into())
    }
}

/// What a run records of the axes of activations.
fn recorded_axes(file: &ActivationFile) -> (Option<Axes>, Option<Grid>) {
    match file.axes() {
        Axes::Nchw => (None, None),
        Axes::Nhwc => (Some(Axes::Nhwc), None),
        Axes::Ntu => (Some(Axes::Ntu), Some(file.grid())),
    }
}
