//! The program `compexp`: built from the sources that are looked at, and started so that it never outlives this program.

use std::env::consts::EXE_SUFFIX;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo::{cargo, run, target_folder};

/// The environment variable by which `compexp` ends when the process of this number, which started it, does.
const PARENT: &str = "COMPEXP_PARENT";

/// How long what an earlier process left running may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which build of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// `cargo build --release --workspace`, as the README has it: nothing compiles where that was done.
    Release,
    /// What `cargo test --workspace` has built: nothing compiles after the tests.
    Tests,
}

/// How to start the program.
#[derive(Clone, Debug)]
pub(crate) struct Compexp {
    /// The program.
    pub(crate) program: PathBuf,
    /// The lock of the folder that is written to.
    lock: Option<Arc<File>>,
}

impl Compexp {
    /// Builds the program in the workspace at `root`.
    pub(crate) fn build(root: &Path, build: Build) -> Result<Self> {
        let (arguments, folder): (&[&str], _) = match build {
            Build::Release => (&["build", "--release", "--workspace"], "release"),
            Build::Tests => (&["test", "--quiet", "--workspace", "--no-run"], "debug"),
        };
        run(cargo(root, arguments))?;
        Ok(Self::at(target_folder(root)?.join(folder).join(format!("compexp{EXE_SUFFIX}"))))
    }

    /// The program at a path.
    pub(crate) fn at(program: PathBuf) -> Self {
        Self { program, lock: None }
    }

    /// The program for work in `folder`, which is made, and in which nobody else works until this process *and* all that
    /// [`command`](Self::command) starts have ended.
    ///
    /// The lock is that of an open file, which the started processes share as their standard input. So it holds as long as
    /// one of them is left, however this process ends.
    pub(crate) fn lock(&self, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { lock: Some(Arc::new(file)), ..self.clone() }),
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => thread::sleep(PATIENCE / 500),
                Err(TryLockError::WouldBlock) => bail!("another `cargo xtask` works in `{}`", folder.display()),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock `{}`", path.display()));
                }
            }
        }
    }

    /// The program without arguments, for one who waits for it: it ends when this process does.
    pub(crate) fn command(&self) -> Result<Command> {
        let stdin = match &self.lock {
            Some(lock) => Stdio::from(lock.try_clone().context("cannot share the lock with `compexp`")?),
            None => Stdio::null(),
        };
        let mut command = self.interactive();
        command.stdin(stdin);
        Ok(command)
    }

    /// The same with this program's standard input.
    pub(crate) fn interactive(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env(PARENT, process::id().to_string());
        command
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_holds_until_the_last_process_that_shares_it_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let shell = Compexp::at("/bin/sh".into());
        let locked = shell.lock(dir.path()).unwrap();
        let mut child = locked.command().unwrap().args(["-c", "sleep 0.5"]).spawn().unwrap();
        let other = File::open(dir.path().join("lock")).unwrap();
        drop(locked);
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)), "the child holds it");
        let start = Instant::now();
        shell.lock(dir.path()).unwrap();
        assert!(start.elapsed() > Duration::from_millis(100), "waited for the child");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_command_knows_its_parent() {
        let script = format!("[ \"${PARENT}\" = $PPID ] && [ -z \"$(cat)\" ]");
        let status = Compexp::at("/bin/sh".into()).command().unwrap().args(["-c", &script]).status().unwrap();
        assert!(status.success());
    }
}
