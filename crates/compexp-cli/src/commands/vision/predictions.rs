//! The network's prediction for each image, compared with its scene.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::probe::Example;
use compexp_files::{TensorFile, excerpt};
use compexp_run::ActivationStore;
use compexp_run::run_dir::Prediction;
use compexp_vision::classes::{SceneClasses, SceneNames};

use crate::classifier_run::likeliest;
use crate::failure::Failure;
use crate::progress::Reporter;

/// The class of every image, if it is known.
pub(crate) struct Targets {
    classes: SceneClasses,
    targets: Vec<Option<usize>>,
}

impl Targets {
    /// Reads the class list, which must have `n_classes` names, and finds the scene of each image: in the file
    /// `scenes`, or, without such a file, in its annotations' `own` scenes. Warns if no image has a scene that is a class.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Format` if one of the two files cannot be read; a [`Failure`] if the list has another
    /// number of classes.
    pub(crate) fn read(
        classes: &Path,
        scenes: Option<&Path>,
        images: &[(String, PathBuf)],
        own: &[Option<String>],
        n_classes: usize,
        reporter: &Reporter,
    ) -> Result<Self> {
        let list = SceneClasses::read(classes)?;
        if list.names().len() != n_classes {
            let message = format!(
                "classes in `{}`: found {}, expected {n_classes}, as many as the network has",
                classes.display(),
                list.names().len()
            );
            return Err(Failure::new(message).hint("give the class list that the network was trained with").into());
        }
        let named = scenes.map(SceneNames::read).transpose()?;
        let scene = |(at, (name, _)): (usize, &(String, PathBuf))| match &named {
            Some(scenes) => scenes.get(name).map(str::to_owned),
            None => own.get(at).cloned().flatten(),
        };
        let targets: Vec<Option<usize>> = images.iter().enumerate().map(|image| list.target(&scene(image)?)).collect();
        if targets.iter().all(Option::is_none)
            && let Some((first, _)) = images.first()
        {
            let seen = images.iter().enumerate().find_map(|image| Some((&image.1.0, scene(image)?)));
            let problem = match (seen, scenes, &named) {
                (Some((image, scene)), ..) => format!(
                    "the scene of no image is a class of `{}`: the scene of {} is {}, the first class is {}",
                    classes.display(),
                    excerpt(image),
                    excerpt(&scene),
                    excerpt(&list.names()[0])
                ),
                (None, Some(path), Some(named)) => format!(
                    "`{}` names none of the images: an image is {}, a name in the file is {}",
                    path.display(),
                    excerpt(first),
                    named.first().map_or("none".to_owned(), excerpt)
                ),
                _ => "the annotations name the scene of no image; --scenes can".to_owned(),
            };
            reporter.warn(&format!("{problem}; no prediction can be compared with a scene"));
        }
        Ok(Self { classes: list, targets })
    }

    /// The names of the classes, in the order of the logits.
    pub(crate) fn class_names(&self) -> &[String] {
        self.classes.names()
    }

    /// Compares the classes with the logits of the complete store `dir`.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Format` if the file of logits cannot be read.
    pub(crate) fn compare(&self, dir: &Path, examples: &[Example]) -> Result<Vec<Prediction>> {
        let names = self.classes.names();
        let logits = TensorFile::open(ActivationStore::logits_path(dir))?; // (n_examples, n_classes)
        let mut row = vec![0.0; names.len()];
        let mut all = Vec::with_capacity(examples.len());
        for ((at, example), target) in examples.iter().enumerate().zip(&self.targets) {
            logits.read_f32(at * names.len(), &mut row)?;
            let predicted = likeliest(&row);
            all.push(Prediction {
                example: example.name.clone(),
                target: target.map_or(String::new(), |t| names[t].clone()),
                predicted: names[predicted].clone(),
                correct: target.map(|t| t == predicted),
            });
        }
        Ok(all)
    }
}
