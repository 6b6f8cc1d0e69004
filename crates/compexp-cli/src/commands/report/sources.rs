//! The pictures of a run's examples, from the folder of its images, and the annotations of its texts.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use compexp_core::explain::Silent;
use compexp_core::probe::{Example, ProbeSet};
use compexp_files::{Place, read_bytes, real_path};
use compexp_report::{ExampleSource, Showing, Thumbnail};
use compexp_run::FinishedRun;
use compexp_run::probe_dir::CONCEPTS;
use compexp_vision::thumbnail::thumbnail;

use crate::annotations::{Annotated, Annotations};
use crate::progress::Reporter;
use crate::terminal::name;

/// The longer side of a picture, in pixels.
const SIDE: usize = 192;

/// Larger files are not read.
const MAX_BYTES: u64 = 64 << 20;

/// Images below a folder, and the probe set of texts.
pub(super) struct Sources {
    root: Option<PathBuf>,
    probe: Option<ProbeSet>,
}

impl Sources {
    /// The images of a run, and its probe set if its examples are texts and it keeps none itself. If the run records no
    /// folder of images, there are none; if the folder of its probe set is not what it was, that is not used.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Format` if the run's `config.json` or `examples.csv` cannot be read.
    pub(super) fn new(run: &FinishedRun, reporter: &Reporter) -> Result<Self> {
        // A relative path is relative to the run directory, which may move.
        let root = run.config()?.paths.image_root.map(|root| run.dir().join(root));
        let root = root.filter(|root| is_of_probe_set(root)).and_then(|root| real_path(&root).ok());
        let texts = run.examples()?.iter().any(|example| !example.text.is_empty());
        let probe = if texts && run.probe()?.is_none() { probe_of_texts(run, reporter)? } else { None };
        Ok(Self { root, probe })
    }

    fn read(&self, image: &str) -> Option<Thumbnail> {
        let inside = Path::new(image).components().all(|part| matches!(part, Component::Normal(_)));
        let root = self.root.as_ref().filter(|_| inside)?;
        // A link may lead out of the folder.
        let path = real_path(&root.join(image)).ok().filter(|path| path.starts_with(root))?;
        let made = thumbnail(read_bytes(&path, MAX_BYTES).ok()?, &path, SIDE).ok()?;
        let (bytes, extension) = (made.bytes, made.extension);
        Some(Thumbnail { bytes, extension, width: made.width, height: made.height })
    }
}

/// The probe directory on which a run was made, if it is still there as it was.
///
/// # Errors
/// `Error::Io` or `Error::Format` if the run's `config.json` cannot be read.
fn probe_of_texts(run: &FinishedRun, reporter: &Reporter) -> Result<Option<ProbeSet>> {
    let Some(dir) = run.config()?.paths.probe.map(|dir| run.dir().join(dir)) else { return Ok(None) };
    let made = run.provenance()?;
    let same = |annotated: &Annotated| {
        let found = annotated.record(&Silent).ok();
        found.is_some() && found.as_ref() == made.annotations()
    };
    match Annotations::Probe(dir.clone()).open() {
        Ok(annotated) if same(&annotated) => Ok(Some(annotated.set)),
        _ => {
            reporter.say(&format!(
                "warning: `{}` is not the probe directory that the run was made on: the report does not show which literals \
                 are true of a text",
                name(&dir.display().to_string())
            ));
            Ok(None)
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

impl ExampleSource for Sources {
    fn show(&self, _: usize, example: &Example) -> Showing {
        if example.image.is_empty() {
            return Showing::Name;
        }
        self.read(&example.image).map_or(Showing::Missing, Showing::Image)
    }

    fn probe(&self) -> Option<&ProbeSet> {
        self.probe.as_ref()
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
        let pictures = Sources { root: Some(set.canonicalize().unwrap()), probe: None };
        assert!(pictures.read("a.png").is_some());
        for outside in ["../private/a.png", private.join("a.png").to_str().unwrap(), "missing.png", "probe.json"] {
            assert!(pictures.read(outside).is_none(), "{outside}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(private.join("a.png"), set.join("link.png")).unwrap();
            assert!(pictures.read("link.png").is_none());
            std::os::unix::fs::symlink(set.join("a.png"), set.join("within.png")).unwrap();
            assert!(pictures.read("within.png").is_some());
        }
    }
}
