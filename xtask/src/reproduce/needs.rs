//! The paper's own artifacts: what they are and where they come from, as `data/artifacts.toml` says, and where they are
//! expected.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// An artifact that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// The name by which `compexp fetch` knows it.
    pub(crate) name: String,
    /// What it is.
    what: String,
    /// Where it is expected.
    pub(crate) path: PathBuf,
    /// Its address.
    source: String,
    /// The bytes of the download, rounded, where they are known.
    pub(crate) about: Option<u64>,
}

/// What is read of an artifact; `compexp-fetch` reads all of it.
#[derive(Deserialize)]
struct Artifact {
    name: String,
    what: String,
    about: Option<u64>,
    file: String,
    #[serde(default)]
    take: Vec<Take>,
    urls: Vec<Address>,
}

#[derive(Deserialize)]
struct Take {
    to: String,
}

#[derive(Deserialize)]
struct Address {
    url: String,
}

#[derive(Deserialize)]
struct List {
    artifact: Vec<Artifact>,
}

impl Need {
    /// Whether it is there, what it is, its size, place and source.
    pub(crate) fn line(&self) -> String {
        let found = if self.path.exists() { "found  " } else { "missing" };
        let size =
            self.about.map_or("size unknown".to_owned(), |bytes| format!("about {} MB", bytes.div_ceil(1_000_000)));
        let Self { name, what, path, source, .. } = self;
        format!("  {found}  {name}: {what} ({size})\n             at {}\n             from {source}", path.display())
    }
}

/// Broden, the network, its classes, and the scenes of the images.
pub(crate) const VISION: [&str; 4] = ["broden-224", "places365-resnet18", "places365-classes", "scenes"];

/// Sentence pairs, the classifier, word vectors and a tagger.
pub(crate) const NLI: [&str; 4] = ["snli", "snli-model", "glove", "spacy-en"];

/// The options of `nli probe` for [`NLI`].
pub(crate) const NLI_OPTIONS: [&str; 4] = ["--pairs", "--checkpoint", "--vectors", "--tagger"];

/// The artifacts of these names in the folder `data`; `root` is the workspace.
pub(crate) fn needs(root: &Path, data: &Path, names: [&str; 4]) -> Result<[Need; 4]> {
    let path = root.join("data/artifacts.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let list: List = toml::from_str(&text).with_context(|| format!("cannot read `{}`", path.display()))?;
    let need = |name: &str| {
        let artifact = list.artifact.iter().find(|artifact| artifact.name == name)?;
        let place = artifact.take.first().map_or(&artifact.file, |take| &take.to);
        Some(Need {
            name: name.to_owned(),
            what: artifact.what.clone(),
            path: data.join(place),
            source: artifact.urls.first()?.url.clone(),
            about: artifact.about,
        })
    };
    let all: Option<Vec<Need>> = names.into_iter().map(need).collect();
    let all = all.and_then(|all| <[Need; 4]>::try_from(all).ok());
    all.with_context(|| format!("`{}` lacks one of {}", path.display(), names.join(", ")))
}
