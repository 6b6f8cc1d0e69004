//! Calls of cargo: where the workspace is, what its packages are, and commands that must succeed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The workspace: cargo says where this package is when it runs it, which holds for every checkout that shares a target
/// directory; the place it was compiled at serves when the program is started by hand.
pub(crate) fn workspace() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map(PathBuf::from).unwrap_or(package)
}

/// Cargo with `arguments`, in the workspace at `root`.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    command
}

/// Runs a command that prints what it finds; an error if it fails.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let shown = shown(&command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}; what it found is printed above");
    }
    Ok(())
}

/// The folder of what is built.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    Ok(Metadata::read(root)?.target_directory)
}

/// What `cargo metadata` says of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    /// The oldest Rust that compiles it.
    pub(crate) rust_version: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// A line of a package's dependencies.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or none for those that are always needed.
    pub(crate) kind: Option<String>,
}

/// A library, program, test or bench of a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

impl Metadata {
    /// Asks cargo about the workspace at `root`; reads manifests only, and needs no network.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut command = cargo(root, &["metadata", "--format-version", "1", "--no-deps", "--offline"]);
        let shown = shown(&command);
        let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
        if !output.status.success() {
            bail!("`{shown}` ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("cannot read the output of `{shown}`"))
    }
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    format!("{} {}", program.to_string_lossy(), words.join(" "))
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_failing_command_is_named_with_its_arguments() {
        let mut command = cargo(Path::new("."), &["--no-such-option"]);
        command.stderr(Stdio::null());
        let message = format!("{:#}", run(command).unwrap_err());
        assert!(message.contains("`cargo --no-such-option` ended with exit status: "), "{message}");
    }

    #[test]
    fn the_packages_of_this_workspace_are_read() {
        let metadata = Metadata::read(&workspace()).unwrap();
        let own = metadata.packages.iter().find(|package| package.name == "xtask").unwrap();
        assert!(own.manifest_path.ends_with("xtask/Cargo.toml"), "{own:?}");
        assert!(own.targets.iter().any(|target| target.kind == ["bin"] && target.src_path.ends_with("src/main.rs")));
        let kind = |name: &str| own.dependencies.iter().find(|d| d.name == name).unwrap().kind.as_deref();
        assert_eq!((kind("anyhow"), kind("tempfile")), (None, Some("dev")));
        assert!(own.rust_version.is_some());
    }
}
