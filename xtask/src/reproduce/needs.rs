//! The paper's own artifacts: where they come from, and where they are expected.

use std::path::{Path, PathBuf};

/// An artifact that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// What it is.
    what: &'static str,
    /// Where it is expected.
    pub(crate) path: PathBuf,
    /// Where it comes from.
    source: &'static str,
}

impl Need {
    /// Whether it is there, what it is, its place and its source.
    pub(crate) fn line(&self) -> String {
        let found = if self.path.exists() { "found  " } else { "missing" };
        format!("  {found}  {}\n             at {}\n             from {}", self.what, self.path.display(), self.source)
    }
}

/// Broden, the network, its classes, and the scenes of the images.
pub(crate) fn vision(data: &Path) -> [Need; 4] {
    let need = |what, place: &str, source| Need { what, path: data.join(place), source };
    [
        need(
            "Broden at 224 pixels, with the index of its ADE20k part (index_ade20k.csv) in it",
            "broden1_224",
            "http://netdissect.csail.mit.edu/data/broden1_224.zip; the index is in the reference implementation, \
             https://github.com/jayelm/compexp",
        ),
        need(
            "ResNet-18 trained on Places365",
            "resnet18_places365.pth.tar",
            "http://places2.csail.mit.edu/models_places365/resnet18_places365.pth.tar",
        ),
        need("the names of its 365 classes", "categories_places365.txt", "https://github.com/CSAILVision/places365"),
        need("the scenes of ADE20k's images", "ade20k_scenes.json", "https://github.com/jayelm/compexp"),
    ]
}

/// The options of `nli probe` for [`nli`].
pub(crate) const NLI_OPTIONS: [&str; 4] = ["--pairs", "--checkpoint", "--vectors", "--tagger"];

/// Sentence pairs, the classifier, word vectors and a tagger.
pub(crate) fn nli(data: &Path) -> [Need; 4] {
    let need = |what, place: &str, source| Need { what, path: data.join(place), source };
    [
        need(
            "SNLI's development pairs, with their labels",
            "snli_1.0_dev.jsonl",
            "https://nlp.stanford.edu/projects/snli/snli_1.0.zip",
        ),
        need("the classifier of the reference implementation", "6.pth", "https://github.com/jayelm/compexp"),
        need("GloVe vectors", "glove.6B.300d.txt", "https://nlp.stanford.edu/data/glove.6B.zip"),
        need(
            "the English tagger of spaCy, small, version 3.8",
            "en_core_web_sm-3.8.0",
            "https://github.com/explosion/spacy-models/releases/tag/en_core_web_sm-3.8.0",
        ),
    ]
}
