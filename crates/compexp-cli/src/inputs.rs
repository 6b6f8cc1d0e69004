//! Inputs: opening what the arguments name, and the hashes by which a run knows it again.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use compexp_core::activation::MaskSource;
use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::probe::ProbeSet;
use compexp_files::{ContentHash, hash_file};
use compexp_run::{ActivationFile, MaskFile, open_probe};
use compexp_vision::broden::{self, Broden, BrodenOptions};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::{AnnotationArgs, BrodenParts};
use crate::failure::Failure;

/// Where inputs were found, by what they are.
pub(crate) type Paths = BTreeMap<String, String>;

/// The files of a probe directory.
const PROBE_FILES: [&str; 7] =
    ["probe.json", "layers.npy", "scalars.npy", "masks.npy", "features.npy", "neighbors.npy", "examples.csv"];

/// Where annotations come from.
pub(crate) enum Annotations {
    Probe(PathBuf),
    Broden { dir: PathBuf, options: BrodenOptions },
}

/// Annotated examples, and the files they were read from.
pub(crate) struct Annotated {
    pub(crate) set: ProbeSet,
    /// What the hash is of, beside the files.
    kind: &'static str,
    options: Value,
    files: Vec<(String, PathBuf)>,
    pub(crate) paths: Paths,
}

impl Annotations {
    pub(crate) fn new(args: &AnnotationArgs) -> Self {
        Self::of(args.probe.as_deref(), args.broden.as_deref(), &args.parts)
    }

    /// One of the two folders is given: the parser sees to that.
    pub(crate) fn of(probe: Option<&Path>, broden: Option<&Path>, parts: &BrodenParts) -> Self {
        match broden {
            Some(dir) => Self::broden(dir, parts.index.clone(), parts.categories.clone()),
            None => Self::Probe(probe.unwrap_or(Path::new(".")).to_owned()),
        }
    }

    pub(crate) fn broden(dir: &Path, index: Option<PathBuf>, categories: Option<Vec<String>>) -> Self {
        Self::Broden { dir: dir.to_owned(), options: BrodenOptions { categories, index } }
    }

    /// # Errors
    /// Those of the two readers.
    pub(crate) fn open(&self) -> Result<Annotated> {
        match self {
            Self::Probe(dir) => {
                let set = open_probe(dir)?;
                let files = PROBE_FILES.iter().map(|name| ((*name).to_owned(), dir.join(name)));
                let files = files.filter(|(_, path)| path.exists()).collect();
                let paths = Paths::from([("probe".into(), absolute(dir)?), ("image_root".into(), absolute(dir)?)]);
                Ok(Annotated { set, kind: "probe", options: Value::Null, files, paths })
            }
            Self::Broden { dir, options } => Annotated::broden(dir, options, broden::load(dir, options)?),
        }
    }
}

impl Annotated {
    /// The probe set of a Broden folder that is open already.
    ///
    /// # Errors
    /// That of [`absolute`].
    pub(crate) fn broden(dir: &Path, options: &BrodenOptions, broden: Broden) -> Result<Self> {
        let name = |path: &Path| {
            let below = path.strip_prefix(dir).ok().or(path.file_name().map(Path::new));
            below.unwrap_or(path).to_string_lossy().into_owned()
        };
        let files = broden.fingerprint_files().into_iter().map(|path| (name(&path), path)).collect();
        let mut paths =
            Paths::from([("broden".into(), absolute(dir)?), ("image_root".into(), absolute(broden.image_root())?)]);
        if let Some(index) = &options.index {
            // One within the folder is found there again.
            let within = dir.join(index).is_file();
            paths.insert("index".into(), if within { index.to_string_lossy().into() } else { absolute(index)? });
        }
        let options = json!(broden.categories());
        Ok(Self { set: broden.into_probe_set(), kind: "broden", options, files, paths })
    }

    /// What a run records of the annotations: the hash of all their files.
    ///
    /// # Errors
    /// Those of the files.
    pub(crate) fn record(&self, progress: &dyn Progress) -> Result<Value> {
        let options = self.options.to_string();
        let hash = hash_files(self.kind, options.as_bytes(), &self.files, "annotations", progress)?;
        Ok(match self.kind {
            "broden" => json!({ "kind": self.kind, "categories": self.options, "hash": hash }),
            _ => json!({ "kind": self.kind, "hash": hash }),
        })
    }
}

/// The hash of files with their names, and of `options`.
///
/// # Errors
/// That of the first file in order that cannot be read.
pub(crate) fn hash_files(
    kind: &str,
    options: &[u8],
    files: &[(String, PathBuf)],
    what: &str,
    progress: &dyn Progress,
) -> Result<String> {
    progress.stage(&format!("hash of the {what}"), "files", files.len());
    let done = AtomicUsize::new(0);
    let hash = |(_, path): &(String, PathBuf)| {
        let hash = hash_file(path);
        progress.done(1 + done.fetch_add(1, Ordering::Relaxed));
        hash
    };
    let hashes: Vec<_> = files.par_iter().map(hash).collect();
    let mut all = ContentHash::new(kind);
    all.field("options", options);
    for ((name, _), hash) in files.iter().zip(hashes) {
        all.field(name, hash?.as_bytes());
    }
    Ok(all.finish())
}

/// A layer's activations or masks, in a file.
pub(crate) enum Layer {
    Activations(ActivationFile),
    Masks(MaskFile),
}

impl Layer {
    /// Opens the one that is given, if any.
    ///
    /// # Errors
    /// Those of the two readers, and a [`Failure`] for `-`.
    pub(crate) fn open(activations: Option<&Path>, masks: Option<&Path>) -> Result<Option<Self>> {
        for (flag, path) in [("--activations", activations), ("--masks", masks)] {
            if path == Some(Path::new("-")) {
                let message = format!("{flag} -: standard input cannot be read, since the file is read more than once");
                return Err(Failure::usage(message).hint("save it to a file, and give that file's path").into());
            }
        }
        Ok(match (activations, masks) {
            (Some(spec), _) => Some(Self::Activations(ActivationFile::open(spec)?)),
            (None, Some(spec)) => Some(Self::Masks(MaskFile::open(spec)?)),
            (None, None) => None,
        })
    }

    pub(crate) fn firing(&self) -> Firing<'_> {
        match self {
            Self::Activations(file) => Firing::Activations(file),
            Self::Masks(file) => Firing::Masks(file),
        }
    }

    /// Whether there is a map for every example, and not a single value.
    pub(crate) fn has_maps(&self) -> bool {
        match self {
            Self::Activations(file) => file.has_maps(),
            Self::Masks(file) => file.grid().positions() > 1,
        }
    }

    /// What it is, in `config.json`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Activations(_) => "activations",
            Self::Masks(_) => "masks",
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Activations(file) => file.path(),
            Self::Masks(file) => file.path(),
        }
    }

    /// What a run records of the layer: the hash of its file, and the tensor's name; `spec` is as it was given.
    ///
    /// # Errors
    /// Those of the file.
    pub(crate) fn record(&self, spec: &Path, progress: &dyn Progress) -> Result<Value> {
        progress.stage(&format!("hash of the {}", self.kind()), "file", 1);
        let hash = hash_file(self.path())?;
        progress.done(1);
        Ok(match self.tensor(spec) {
            Some(name) => json!({ "hash": hash, "tensor": name }),
            None => json!({ "hash": hash }),
        })
    }

    /// The name after `#`.
    fn tensor(&self, spec: &Path) -> Option<String> {
        let (spec, path) = (spec.to_string_lossy(), self.path().to_string_lossy());
        Some(spec.strip_prefix(&*path)?.strip_prefix('#')?.to_owned())
    }

    /// # Errors
    /// A [`Failure`] where the layer was not observed on the examples of the probe set.
    pub(crate) fn check(&self, set: &ProbeSet) -> Result<(), Failure> {
        let (found, expected) = (self.firing().n_examples(), set.source.n_examples());
        if found == expected {
            return Ok(());
        }
        let message = format!(
            "examples in the {} `{}`: found {found}, expected {expected}, as many as are annotated",
            self.kind(),
            self.path().display()
        );
        let shape = match self {
            Self::Activations(_) => "[examples, units, height, width] or [examples, units]",
            Self::Masks(_) => "[units, examples, height, width] or [units, examples]",
        };
        Err(Failure::new(message)
            .hint(format!("the array is {shape}; export it for the same examples in the same order")))
    }
}

/// A path that means the same from any folder, as `config.json` keeps it.
///
/// # Errors
/// A [`Failure`] for a path that is not UTF-8: another one would be kept in its place.
pub(crate) fn absolute(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.into_os_string().into_string().map_err(|path| {
        let message = format!("path {path:?}: found bytes that are not UTF-8, expected a path that JSON can hold");
        Failure::new(message).hint("rename the file or folder, or give a link to it").into()
    })
}

/// The longest text that is read, in bytes.
pub(crate) const MAX_TEXT: u64 = 1 << 30;

/// The text on standard input, of at most [`MAX_TEXT`] bytes.
pub(crate) fn read_stdin() -> Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(MAX_TEXT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TEXT {
        return Err(Failure::new(format!("standard input: found more than {MAX_TEXT} bytes, expected less")).into());
    }
    Ok(text)
}
