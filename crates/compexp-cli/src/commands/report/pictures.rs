//! The pictures of a run's examples, from the folder that its images were found in.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use compexp_core::probe::Example;
use compexp_report::{ExampleSource, Showing, Thumbnail};
use compexp_run::FinishedRun;
use compexp_vision::thumbnail::thumbnail;

/// The longer side of a picture, in pixels.
const SIDE: usize = 192;

/// Larger files are no photographs.
const MAX_BYTES: u64 = 64 << 20;

/// Images below a folder.
pub(super) struct Pictures {
    root: Option<PathBuf>,
}

impl Pictures {
    /// Those of a run; where it names no folder there are none.
    ///
    /// # Errors
    /// Those of its `config.json`.
    pub(super) fn new(run: &FinishedRun) -> Result<Self> {
        // A relative path is relative to the run directory, which may move.
        Ok(Self { root: run.config()?.paths.get("image_root").map(|root| run.dir().join(root)) })
    }

    fn read(&self, image: &str) -> Option<Thumbnail> {
        let inside = Path::new(image).components().all(|part| matches!(part, Component::Normal(_)));
        let path = self.root.as_ref().filter(|_| inside)?.join(image);
        let small = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= MAX_BYTES);
        let made = small.then(|| fs::read(&path).ok()).flatten().and_then(|b| thumbnail(b, &path, SIDE).ok())?;
        let (bytes, extension) = (made.bytes, made.extension);
        Some(Thumbnail { bytes, extension, width: made.width, height: made.height })
    }
}

impl ExampleSource for Pictures {
    fn show(&self, _: usize, example: &Example) -> Showing {
        if example.image.is_empty() {
            return Showing::Name;
        }
        self.read(&example.image).map_or(Showing::Missing, Showing::Image)
    }
}
