//! The folder of a report: whole or absent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_files::{read_json, write_json};
use compexp_report::Sink;
use compexp_report::{Error, Result as ReportResult};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::failure::Failure;

/// The file that tells a report from other folders.
const MARK: &str = "report.json";

/// The version of a report's layout.
const VERSION: u32 = 1;

/// What [`MARK`] holds.
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
    let entries = match fs::read_dir(out) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("read", out))?,
    };
    let mark = out.join(MARK);
    if mark.is_file() {
        read_json::<Mark>(&mark)?;
        return Ok(());
    }
    if let Some(entry) = entries.into_iter().next() {
        let found = entry.map_err(Error::io("read", out))?.file_name();
        let message = format!(
            "`{}`: found `{}` and no {MARK}, expected a report, or a new or empty folder",
            out.display(),
            found.to_string_lossy()
        );
        return Err(Failure::new(message).hint("name another folder with --out").into());
    }
    Ok(())
}

/// A folder that is written beside its place, and gets its name when it is complete.
pub(super) struct Folder {
    out: PathBuf,
    partial: TempDir,
    last: Option<PathBuf>,
}

impl Folder {
    /// Starts the folder that will be at `out`.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(super) fn create(out: &Path) -> ReportResult<Self> {
        let whole = std::path::absolute(out).map_err(Error::io("find", out))?;
        let parent = whole.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.partial-");
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            // As any other new folder, less what the process masks out; a temporary one's default is private.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            builder.permissions(mode);
        }
        let partial = builder.tempdir_in(parent).map_err(Error::io("create", out))?;
        Ok(Self { out: whole, partial, last: None })
    }

    /// Completes the folder, and gives it its name; a report that was there is replaced.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(super) fn finish(self) -> ReportResult<()> {
        let Self { out, partial, .. } = self;
        let mark = Mark { version: VERSION, compexp: env!("CARGO_PKG_VERSION").into() };
        write_json(&partial.path().join(MARK), &mark)?;
        if out.exists() {
            let old = partial.path().with_extension("old");
            fs::rename(&out, &old).map_err(Error::io("move", &out))?;
            if let Err(e) = fs::rename(partial.path(), &out) {
                // What was there stands.
                let _ = fs::rename(&old, &out);
                return Err(Error::io("create", &out)(e));
            }
            fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
        } else {
            fs::rename(partial.path(), &out).map_err(Error::io("create", &out))?;
        }
        // It has moved: there is nothing left to remove.
        let _ = partial.keep();
        Ok(())
    }
}

impl Sink for Folder {
    fn write(&mut self, name: &str, bytes: &[u8]) -> ReportResult<()> {
        let path = self.partial.path().join(name);
        let parent = path.parent().unwrap_or(self.partial.path()).to_owned();
        if self.last.as_ref() != Some(&parent) {
            fs::create_dir_all(&parent).map_err(Error::io("create", &self.out.join(name)))?;
            self.last = Some(parent);
        }
        // Told under the name that the file will have.
        fs::write(&path, bytes).map_err(Error::io("write", &self.out.join(name)))
    }
}
