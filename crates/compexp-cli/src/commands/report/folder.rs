//! The folder of a report, which is complete or absent.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_files::{
    Place, StagedFolder, entries, is_there, make_folder, read_json, whole_path, write_json, write_unsynced,
};
use compexp_report::Result as ReportResult;
use compexp_report::Sink;
use compexp_run::{Adding, FinishedRun, layout};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The file that distinguishes a report from other folders.
const MARK: &str = "report.json";

/// The version of a report's layout.
const VERSION: u32 = 1;

/// The content of [`MARK`].
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    version: u32,
    compexp: String,
}

/// Refuses a folder that is neither a report, nor empty, nor new.
///
/// # Errors
/// A [`Failure`] that names what is there.
pub(super) fn check(out: &Path) -> Result<()> {
    if Place::behind(out)? == Place::Nothing {
        return Ok(());
    }
    let mark = out.join(MARK);
    if is_there(&mark)? {
        read_json::<Mark>(&mark)?;
        return Ok(());
    }
    if let Some(entry) = entries(out)?.first() {
        let message = format!(
            "`{}`: found `{}` and no {MARK}, expected a report, or a new or empty folder",
            out.display(),
            entry.name.to_string_lossy()
        );
        return Err(Failure::new(message).hint("name another folder with --out").into());
    }
    Ok(())
}

/// A folder that is written under another name, and gets its own name when it is complete.
pub(super) struct Folder {
    out: PathBuf,
    staging: PathBuf,
    kind: Kind,
    last: Option<PathBuf>,
}

enum Kind {
    /// The report of a run in its own folder, which the run's manifest names.
    OfRun(Adding),
    Elsewhere(StagedFolder),
}

impl Folder {
    /// Starts the folder that will be at `out`. If that is the `report` folder of the run, it is part of the run.
    ///
    /// # Errors
    /// `Error::File` if another process writes there, or the folder cannot be made.
    pub(super) fn create(out: &Path, runs: &[FinishedRun]) -> ReportResult<Self> {
        let place = whole_path(out)?;
        let (staging, kind) = match runs {
            [run] if place == whole_path(run.dir())?.join(layout::REPORT) => {
                let adding = run.add("report")?;
                let staging = adding.path(layout::REPORT);
                make_folder(&staging)?;
                (staging, Kind::OfRun(adding))
            }
            _ => {
                let staged = StagedFolder::create(out)?;
                (staged.path().to_owned(), Kind::Elsewhere(staged))
            }
        };
        Ok(Self { out: out.to_owned(), staging, kind, last: None })
    }

    /// Completes the folder, and gives it its name; a report that was there is replaced.
    ///
    /// # Errors
    /// `Error::File`
    pub(super) fn finish(self) -> ReportResult<()> {
        let mark = Mark { version: VERSION, compexp: env!("CARGO_PKG_VERSION").into() };
        write_json(&self.staging.join(MARK), &mark)?;
        match self.kind {
            Kind::OfRun(adding) => adding.finish(),
            Kind::Elsewhere(staged) => Ok(staged.finish()?),
        }
    }
}

impl Sink for Folder {
    fn write(&mut self, name: &str, bytes: &[u8]) -> ReportResult<()> {
        let path = self.staging.join(name);
        let parent = path.parent().unwrap_or(&self.staging).to_owned();
        if self.last.as_ref() != Some(&parent) {
            make_folder(&parent).map_err(|e| e.about(&self.out.join(name)))?;
            self.last = Some(parent);
        }
        // The error names the file by its final name.
        Ok(write_unsynced(&path, bytes).map_err(|e| e.about(&self.out.join(name)))?)
    }
}
