//! The pictures of a run's examples, from the folder of its images, and the annotations of its texts.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use compexp_core::explain::Silent;
use compexp_core::probe::{Example, ProbeSet};
use compexp_files::{Place, read_bytes, real_path};
use compexp_report::in_words::Concepts;
use compexp_report::{ExampleSource, Showing, Thumbnail, Words};
use compexp_run::probe_dir::CONCEPTS;
use compexp_run::{FinishedRun, InputPaths};
use compexp_vision::annotations::Stated;
use compexp_vision::framing::Framing;
use compexp_vision::image::Header;
use compexp_vision::photo::Photo;
use compexp_vision::thumbnail::thumbnail;

use crate::annotations::{Annotated, Annotations};
use crate::hub_paths::config_of;
use crate::layer::Layer;
use crate::progress::Reporter;
use crate::run_inputs::{annotations_of, layer_of};
use crate::terminal::name;

/// The longer side of a picture, in pixels.
const SIDE: usize = 192;

/// Larger files are not read.
const MAX_BYTES: u64 = 64 << 20;

/// Images below a folder, and the probe set of texts.
pub(super) struct Sources {
    /// The folder without links in its path, or why there is none.
    root: Result<PathBuf, String>,
    /// What the network saw of each image.
    framing: Framing,
    probe: Option<ProbeSet>,
    /// Those of the run, which are opened where a photograph could be turned.
    annotations: Option<Annotations>,
    /// What they state of sizes, or why they cannot tell.
    stated: OnceLock<Result<Stated, String>>,
    words: Option<OpenWords>,
}

/// The words of sentences, opened again.
struct OpenWords {
    set: ProbeSet,
    /// The form of each word.
    forms: Vec<String>,
    /// The values of units, or why they are not known.
    layer: Result<Layer, String>,
}

impl Sources {
    /// The images of a run, below `image_root` if it is given, and its probe set if its examples are texts and it keeps none
    /// itself. If the folder of its probe set is not what it was, that is not used.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Format` if the run's `config.json` or `examples.csv` cannot be read, or the given folder is not
    /// there.
    pub(super) fn new(run: &FinishedRun, image_root: Option<&Path>, reporter: &Reporter) -> anyhow::Result<Self> {
        let config = config_of(run)?;
        let root = match image_root {
            Some(root) => Ok(real_path(root)?),
            // A relative path is relative to the run directory, which may move.
            None => {
                let InputPaths { image_root, annotations, .. } = config.paths.clone();
                recorded(image_root.map(|root| run.dir().join(root)), annotations.as_deref().map(Path::new))
            }
        };
        let texts = run.examples()?.iter().any(|example| !example.text.is_empty());
        let of_words = Concepts::of(run).is_ok_and(|concepts| concepts == Concepts::OfWords);
        let words = if of_words { words_of(run, reporter) } else { None };
        let probe = if texts && !of_words && run.probe()?.is_none() { probe_of_texts(run, reporter)? } else { None };
        let framing = match run.provenance() {
            Ok(made) => made.annotations().map_or(Framing::default(), |a| Framing { resize: a.resize, crop: a.crop }),
            // Runs of earlier versions have the whole images.
            Err(_) => Framing::default(),
        };
        // Runs of earlier versions have photographs as they are stored.
        let annotations = Annotations::of_run(&config, run.dir()).ok().flatten();
        Ok(Self { root, framing, probe, words, annotations, stated: OnceLock::new() })
    }

    /// The picture of an example that has this path, or what was tried.
    fn read(&self, number: usize, image: &str) -> Result<Thumbnail, String> {
        let root = self.root.as_ref().map_err(Clone::clone)?;
        let (image, path) = (Path::new(image), root.join(image));
        let tried = |why: String| format!("tried `{}`{why}", path.display());
        let parts =
            |part| matches!(part, Component::Normal(_) | Component::CurDir | Component::RootDir | Component::Prefix(_));
        if !image.components().all(parts) {
            return Err(tried(", but a path with `..` is not read".to_owned()));
        }
        let real = real_path(&path).map_err(|_| tried(String::new()))?;
        // A link may lead out of the folder.
        if !real.starts_with(root) {
            return Err(tried(format!(", which is not within `{}`", root.display())));
        }
        let bytes = read_bytes(&real, MAX_BYTES).map_err(|_| tried(", which cannot be read".to_owned()))?;
        let no_image = |_| tried(", which is no image".to_owned());
        let header = Header::decode(&bytes, &real).map_err(no_image)?;
        let turns = header.upright() != header.stored();
        let upright = turns && self.stated(number).map_err(tried)? == Some(header.upright());
        let made = thumbnail(bytes, &Photo { path: real, upright }, self.framing, SIDE).map_err(no_image)?;
        let (bytes, extension) = (made.bytes, made.extension);
        Ok(Thumbnail { bytes, extension, width: made.width, height: made.height })
    }
}

impl Sources {
    /// The size of an example's picture, if the run's annotations state it.
    fn stated(&self, number: usize) -> Result<Option<(usize, usize)>, String> {
        let why = |e: &dyn Display| format!(", whose annotations do not tell whether it is turned: {e}");
        let open = || match &self.annotations {
            Some(annotations) => annotations.open(&Silent).map(|all| all.stated).map_err(|e| why(&e)),
            None => Ok(Stated::default()),
        };
        self.stated.get_or_init(open).as_ref().map_err(Clone::clone)?.size(number).map_err(|e| why(&e))
    }
}

/// The folder of images that a run records, with its annotations of another form, or why it is not used.
fn recorded(root: Option<PathBuf>, annotations: Option<&Path>) -> Result<PathBuf, String> {
    let root = root.ok_or("the run records no folder of images")?;
    if !is_of_probe_set(&root) && !annotations.is_some_and(|annotations| is_beside(&root, annotations)) {
        let what = "is no probe directory, no folder `images` of a Broden folder or beside annotations, and no ADE20K";
        return Err(format!("`{}` {what}: give --image-root", root.display()));
    }
    real_path(&root).map_err(|_| format!("`{}` is not there", root.display()))
}

/// The probe directory on which a run was made, if it is still there as it was.
///
/// # Errors
/// `Error::Io` or `Error::Format` if the run's `config.json` cannot be read.
fn probe_of_texts(run: &FinishedRun, reporter: &Reporter) -> anyhow::Result<Option<ProbeSet>> {
    let Some(dir) = config_of(run)?.paths.probe.map(|dir| run.dir().join(dir)) else { return Ok(None) };
    let made = run.provenance()?;
    let same = |annotated: &Annotated| {
        let found = annotated.record(&Silent).ok();
        found.is_some() && found.as_ref() == made.annotations()
    };
    match Annotations::probe(&dir).open(&Silent) {
        Ok(annotated) if same(&annotated) => Ok(Some(annotated.set)),
        _ => {
            reporter.warn(&format!(
                "`{}` is not the probe directory that the run was made on: the report does not show which literals \
                 are true of a text",
                name(&dir.display().to_string())
            ));
            Ok(None)
        }
    }
}

/// The words of a run's sentences with the values of its units, if the sentences are what they were.
fn words_of(run: &FinishedRun, reporter: &Reporter) -> Option<OpenWords> {
    let opened = annotations_of(run, reporter).and_then(|annotated| {
        let mut forms = HashMap::new();
        for sentence in &annotated.sentences {
            for (at, word) in sentence.words.iter().enumerate() {
                forms.insert(format!("{}:{}", sentence.id, at + 1), word.form.clone());
            }
        }
        let (set, layer) = match layer_of(run, reporter) {
            Ok((layer, places)) => {
                let (layer, annotated) = places.apply(layer, annotated, reporter)?;
                let fits = layer.check(&annotated, reporter);
                (annotated.set, fits.map(|()| layer).map_err(|e| e.to_string()))
            }
            Err(e) => (annotated.set, Err(e.to_string())),
        };
        let forms = set.examples.iter().map(|e| forms.get(&e.name).cloned().unwrap_or_default()).collect();
        Ok(OpenWords { set, forms, layer })
    });
    match opened {
        Ok(words) => {
            if let Err(why) = &words.layer {
                reporter.warn(&format!("the report shows no activations: {}", name(why)));
            }
            Some(words)
        }
        Err(why) => {
            reporter.warn(&format!("the report shows no sentences: {}", name(&why.to_string())));
            None
        }
    }
}

/// Whether the folder is a probe directory, or the folder `images` of a Broden folder. A run from another source could
/// name any folder, and a report that is passed on would then show private images. If the system cannot tell, it is neither.
fn is_of_probe_set(root: &Path) -> bool {
    let broden = root.parent().filter(|_| root.ends_with("images"));
    let has = |dir: &Path, name: &str| matches!(Place::behind(&dir.join(name)), Ok(Place::File(_)));
    has(root, CONCEPTS) || broden.is_some_and(|dir| has(dir, "label.csv"))
}

/// Whether the folder is `images` beside these annotations, or is the annotations itself and looks like ADE20K.
fn is_beside(root: &Path, annotations: &Path) -> bool {
    let is_folder = |path: &Path| matches!(Place::behind(path), Ok(Place::Folder));
    let beside =
        root == annotations.with_file_name("images") && !matches!(Place::behind(annotations), Ok(Place::Nothing));
    beside || root == annotations && is_folder(&root.join("images/ADE"))
}

impl ExampleSource for Sources {
    fn show(&self, number: usize, example: &Example) -> Showing {
        if example.image.is_empty() {
            return Showing::Name;
        }
        self.read(number, &example.image).map_or_else(Showing::Missing, Showing::Image)
    }

    fn probe(&self) -> Option<&ProbeSet> {
        self.probe.as_ref().or(self.words.as_ref().map(|words| &words.set))
    }

    fn words(&self) -> Option<Words<'_>> {
        let OpenWords { set, forms, layer } = self.words.as_ref()?;
        Some(Words { set, forms, firing: layer.as_ref().map(Layer::firing).map_err(String::as_str) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_of_a_probe_set_and_lie_within_it() {
        let temp = tempfile::tempdir().unwrap();
        let (set, private) = (temp.path().join("set"), temp.path().join("private"));
        let png = compexp_vision::image::Image { height: 1, width: 1, rgb: vec![1, 2, 3] }.to_png().unwrap();
        for dir in [&set, &private] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("a.png"), &png).unwrap();
        }
        assert!(!is_of_probe_set(&private) && !is_of_probe_set(&set));
        std::fs::write(set.join("probe.json"), "{}").unwrap();
        assert!(is_of_probe_set(&set));
        let pictures = Sources {
            root: Ok(set.canonicalize().unwrap()),
            framing: Framing::default(),
            probe: None,
            words: None,
            annotations: None,
            stated: OnceLock::new(),
        };
        assert!(pictures.read(0, "a.png").is_ok());
        for outside in ["../private/a.png", private.join("a.png").to_str().unwrap(), "missing.png", "probe.json"] {
            assert!(pictures.read(0, outside).is_err(), "{outside}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(private.join("a.png"), set.join("link.png")).unwrap();
            assert!(pictures.read(0, "link.png").is_err());
            std::os::unix::fs::symlink(set.join("a.png"), set.join("within.png")).unwrap();
            assert!(pictures.read(0, "within.png").is_ok());
        }
    }
}
