//! Annotated examples: opens the annotations that the arguments or a run name, and makes the record of a run about
//! them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_core::probe::{Grid, ProbeSet};
use compexp_run::provenance::{AnnotationInput, Choice, WordConcepts};
use compexp_run::{InputPaths, OpenedProbe, RunConfig, choose, layout, open_probe};
use compexp_text::conllu::Sentence;
use compexp_vision::annotations::{self, MASK_SIZE, Options, Pictures, Stated};
use compexp_vision::broden::{self, BrodenOptions};
use compexp_vision::framing::Framing;
use compexp_vision::photo::Photo;

use crate::args::annotations::{AnnotationArgs, PictureArgs, WordConceptArgs};
use crate::failure::Failure;
use crate::input_files::{absolute, as_text, hash_files};
use crate::word_annotations::{KIND as WORDS, OpenedWords, WordForm};

/// Where annotations come from, and which concepts are used.
pub(crate) struct Annotations {
    form: Form,
    choice: Option<Choice>,
}

/// The forms of annotations. A run's record of their options is written and read here.
enum Form {
    Probe(PathBuf),
    Broden { dir: PathBuf, options: BrodenOptions },
    Pictures(PictureForm),
    Words(WordForm),
}

/// Annotations that bring pictures of any size to one mask size.
struct PictureForm {
    kind: Kind,
    /// The file or folder of the annotations.
    path: PathBuf,
    /// The names of the classes of a folder of masks.
    names: Option<PathBuf>,
    images: Option<PathBuf>,
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Coco,
    Panoptic,
    Ade20k,
    MaskDir,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Coco, Self::Panoptic, Self::Ade20k, Self::MaskDir];

    /// Its name in the record of a run.
    fn name(self) -> &'static str {
        match self {
            Self::Coco => "coco",
            Self::Panoptic => "panoptic",
            Self::Ade20k => "ade20k",
            Self::MaskDir => "mask-dir",
        }
    }
}

/// Annotated examples, and the files they were read from.
pub(crate) struct Annotated {
    pub(crate) set: ProbeSet,
    /// The scene of each example, for predictions; empty where the annotations have none.
    pub(crate) scenes: Vec<Option<String>>,
    /// The options that the hash covers, beside the files.
    kind: &'static str,
    /// The categories that were read, of a form that has several.
    categories: Option<Vec<String>>,
    mask_size: Option<Grid>,
    pub(crate) words: Option<WordConcepts>,
    /// The sentences whose words are the examples.
    pub(crate) sentences: Vec<Sentence>,
    pub(crate) framing: Framing,
    choice: Option<Choice>,
    files: Vec<(String, PathBuf)>,
    /// The sizes of the pictures, if the annotations state them.
    pub(crate) stated: Stated,
    pub(crate) paths: InputPaths,
    /// What the user should know about the annotations.
    pub(crate) warning: Option<String>,
}

impl Annotations {
    /// The given annotations. The argument parser ensures that there are some.
    pub(crate) fn new(args: &AnnotationArgs) -> Self {
        let form = match (&args.probe, &args.words.tokens) {
            (Some(dir), _) => Form::Probe(dir.clone()),
            (None, Some(path)) => {
                return Self { choice: choice(&args.pictures), ..Self::of_words(path, &args.words.concepts) };
            }
            (None, None) => return Self::of_pictures(&args.pictures),
        };
        Self { form, choice: choice(&args.pictures) }
    }

    /// The words of the sentences in the file `path`.
    pub(crate) fn of_words(path: &Path, args: &WordConceptArgs) -> Self {
        Self { form: Form::Words(WordForm::of(path, args)), choice: None }
    }

    /// A probe directory with all its concepts.
    pub(crate) fn probe(dir: &Path) -> Self {
        Self { form: Form::Probe(dir.to_owned()), choice: None }
    }

    /// The same choice of concepts in a probe directory.
    pub(crate) fn in_probe(self, dir: &Path) -> Self {
        Self { form: Form::Probe(dir.to_owned()), ..self }
    }

    /// The given pictures. The argument parser ensures that there are some.
    pub(crate) fn of_pictures(args: &PictureArgs) -> Self {
        let forms = [
            (Kind::Coco, &args.coco),
            (Kind::Panoptic, &args.panoptic),
            (Kind::Ade20k, &args.ade20k),
            (Kind::MaskDir, &args.mask_dir),
        ];
        let given = forms.into_iter().find_map(|(kind, path)| Some((kind, path.clone()?)));
        let framing = Framing { resize: args.resize, crop: args.crop };
        let form = match given {
            Some((kind, path)) => Form::Pictures(PictureForm {
                kind,
                path,
                names: args.names.clone(),
                images: args.images.clone(),
                options: Options {
                    mask_size: args.mask_size.unwrap_or(MASK_SIZE),
                    framing,
                    categories: args.categories.clone(),
                },
            }),
            None => Form::Broden {
                dir: args.broden.clone().unwrap_or_else(|| ".".into()),
                options: BrodenOptions { categories: args.categories.clone(), index: args.index.clone(), framing },
            },
        };
        Self { form, choice: choice(args) }
    }

    /// The annotations of the run in `dir`; none if the run does not record where they are.
    ///
    /// # Errors
    /// An error if the run is of another version of compexp.
    pub(crate) fn of_run(run: &RunConfig, dir: &Path) -> Result<Option<Self>> {
        // A run on sentence pairs has a probe set of its own, and no record of annotations.
        let made = run.provenance()?;
        let recorded = made.annotations();
        let categories = recorded.and_then(|recorded| recorded.categories.clone());
        let path = |path: &Option<String>| path.as_ref().map(PathBuf::from);
        let framing =
            recorded.map(|recorded| Framing { resize: recorded.resize, crop: recorded.crop }).unwrap_or_default();
        let pictures = path(&run.paths.annotations).zip(recorded).and_then(|(path, recorded)| {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == recorded.kind)?;
            Some((path, kind, recorded.mask_size.unwrap_or(MASK_SIZE)))
        });
        let words = recorded.and_then(|recorded| WordForm::of_run(&run.paths, recorded));
        if let Some(words) = words {
            return Ok(Some(Self { form: Form::Words(words), choice: recorded.and_then(|r| r.concepts.clone()) }));
        }
        let form = match (pictures, &run.paths.broden, &run.paths.probe) {
            (Some((at, kind, mask_size)), ..) => Form::Pictures(PictureForm {
                kind,
                path: at,
                names: path(&run.paths.names),
                images: path(&run.paths.image_root).filter(|_| kind != Kind::Ade20k),
                options: Options { mask_size, framing, categories: categories.filter(|_| kind != Kind::MaskDir) },
            }),
            (None, Some(broden), _) => Form::Broden {
                dir: broden.into(),
                options: BrodenOptions { categories, index: path(&run.paths.index), framing },
            },
            // A folder that the run made itself is relative to the run directory.
            (None, None, Some(probe)) => Form::Probe(dir.join(probe)),
            (None, None, None) => return Ok(None),
        };
        Ok(Some(Self { form, choice: recorded.and_then(|recorded| recorded.concepts.clone()) }))
    }

    /// Opens the annotations, and chooses concepts.
    ///
    /// # Errors
    /// The errors of [`open_probe`], [`broden::load`], the readers of [`annotations`] and [`choose`].
    pub(crate) fn open(&self, progress: &dyn Progress) -> Result<Annotated> {
        let mut annotated = match &self.form {
            Form::Probe(dir) => open_folder(dir)?,
            Form::Broden { dir, options } => open_broden(dir, options)?,
            Form::Pictures(form) => form.open()?,
            Form::Words(form) => open_words(form, progress)?,
        };
        if let Some(choice) = &self.choice {
            annotated.set = choose(choice, annotated.set, &std::env::temp_dir(), progress)?;
            annotated.choice = Some(choice.clone());
        }
        Ok(annotated)
    }
}

/// The concepts that the arguments choose.
fn choice(args: &PictureArgs) -> Option<Choice> {
    Choice { include: args.include.clone(), exclude: args.exclude.clone(), min_area: args.min_area }.asked()
}

fn open_folder(dir: &Path) -> Result<Annotated> {
    let OpenedProbe { set, files } = open_probe(dir)?;
    let files = files.into_iter().map(|name| (name.to_owned(), dir.join(name))).collect();
    let [probe, image_root] = [absolute(dir)?, absolute(dir)?].map(Some);
    Ok(Annotated { files, ..Annotated::new(set, "probe", InputPaths { probe, image_root, ..InputPaths::default() }) })
}

fn open_broden(dir: &Path, options: &BrodenOptions) -> Result<Annotated> {
    let broden = broden::load(dir, options)?;
    let named = |path: PathBuf| {
        let below = path.strip_prefix(dir).ok().or(path.file_name().map(Path::new));
        Ok((as_text(below.unwrap_or(&path))?, path))
    };
    let files = broden.fingerprint_files().into_iter().map(named).collect::<Result<_>>()?;
    let mut paths = InputPaths {
        broden: Some(absolute(dir)?),
        image_root: Some(absolute(broden.image_root())?),
        ..InputPaths::default()
    };
    if let Some(index) = &options.index {
        // An index within the folder is recorded relative to the folder.
        let within = broden.index_file() == dir.join(index);
        paths.index = Some(if within { as_text(index)? } else { absolute(index)? });
    }
    let categories = Some(broden.categories().to_vec());
    let scenes = broden.images().iter().map(|image| image.scene_name.clone()).collect();
    Ok(Annotated {
        files,
        categories,
        scenes,
        framing: options.framing,
        ..Annotated::new(broden.into_probe_set(), "broden", paths)
    })
}

fn open_words(form: &WordForm, progress: &dyn Progress) -> Result<Annotated> {
    let OpenedWords { set, sentences, files, categories, words, paths } = form.open(progress)?;
    let (categories, words) = (Some(categories), Some(words));
    Ok(Annotated { files, categories, words, sentences, ..Annotated::new(set, WORDS, paths) })
}

impl PictureForm {
    fn open(&self) -> Result<Annotated> {
        let Self { kind, path, names, images, options } = self;
        let Pictures { set, image_root, categories, files, stated, left_out } = match kind {
            Kind::Coco => annotations::coco(path, images.as_deref(), options)?,
            Kind::Panoptic => annotations::panoptic(path, images.as_deref(), options)?,
            Kind::Ade20k => annotations::ade20k(path, options)?,
            Kind::MaskDir => {
                let names = names.as_deref().ok_or_else(|| {
                    Failure::usage("--mask-dir: found no names of classes").hint("give --names FILE, one a line")
                })?;
                annotations::mask_dir(path, names, images.as_deref(), options)?
            }
        };
        let paths = InputPaths {
            annotations: Some(absolute(path)?),
            names: names.as_deref().map(absolute).transpose()?,
            image_root: image_root.as_deref().map(absolute).transpose()?,
            ..InputPaths::default()
        };
        let warning = (left_out > 0).then(|| format!("{left_out} pictures have no mask, and are no examples"));
        let mask_size = Some(options.mask_size);
        Ok(Annotated {
            files,
            categories,
            mask_size,
            framing: options.framing,
            stated,
            warning,
            ..Annotated::new(set, kind.name(), paths)
        })
    }
}

impl Annotated {
    fn new(set: ProbeSet, kind: &'static str, paths: InputPaths) -> Self {
        Self {
            set,
            scenes: Vec::new(),
            kind,
            categories: None,
            mask_size: None,
            words: None,
            sentences: Vec::new(),
            framing: Framing::default(),
            choice: None,
            stated: Stated::default(),
            files: Vec::new(),
            paths,
            warning: None,
        }
    }

    /// Whether the examples have names of their own, and not only numbers.
    pub(crate) fn has_names(&self) -> bool {
        self.kind != "probe" || self.files.iter().any(|(name, _)| name == layout::EXAMPLES)
    }

    /// The name and the path of the picture of each example.
    ///
    /// # Errors
    /// A [`Failure`] if it is not known where the pictures are.
    pub(crate) fn images(&self) -> Result<Vec<(String, PathBuf)>> {
        let Some(root) = self.paths.image_root.as_ref().map(Path::new) else {
            let message = "pictures: found only their annotations, expected the folder that they are in";
            return Err(Failure::usage(message).hint("give --images DIR").into());
        };
        Ok(self.set.examples.iter().map(|e| (e.image.clone(), root.join(&e.image))).collect())
    }

    /// The photographs of these [`Self::images`], turned as the annotations are.
    ///
    /// # Errors
    /// The errors of [`Stated::photographs`].
    pub(crate) fn photographs(&self, images: &[(String, PathBuf)]) -> Result<Vec<Photo>> {
        Ok(self.stated.photographs(images.iter().map(|(_, path)| path.clone()))?)
    }

    /// A run's record of the annotations: the hash of all their files.
    ///
    /// # Errors
    /// `Error::Io` if a file cannot be read.
    pub(crate) fn record(&self, progress: &dyn Progress) -> Result<AnnotationInput> {
        // As JSON: `null`, or `["object", ...]`.
        let mut options = serde_json::to_string(&self.categories)?;
        if let Some(words) = &self.words {
            options += &serde_json::to_string(words)?;
        }
        let hash = hash_files(self.kind, options.as_bytes(), &self.files, "annotations", progress)?;
        Ok(AnnotationInput {
            kind: self.kind.to_owned(),
            categories: self.categories.clone(),
            mask_size: self.mask_size,
            words: self.words.clone(),
            resize: self.framing.resize,
            crop: self.framing.crop,
            concepts: self.choice.clone(),
            hash,
        })
    }
}
