//! `cargo xtask regress`: explains again what there are baselines of, and compares.
//!
//! A baseline is kept beside the data it was made from, and written by `--update`; docs/regression.md tells how to read
//! what is printed. What was compared is left in `target/regress`, as JUnit XML too.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cargo::target_folder;
use crate::program::{Build, Compexp};
use crate::reproduce;
use crate::stage::Runner;

/// A run that is kept under regression.
struct Kept {
    /// Its name, and that of its folder in `target/regress`.
    name: &'static str,
    /// The baseline, in the workspace.
    baseline: &'static str,
    /// What `compexp` makes the run with, but for `--out`, in the workspace.
    command: &'static [&'static str],
    /// What `compexp diff` takes beside the two.
    tolerances: &'static [&'static str],
}

/// The example's activations are in a file, and all that follows is exact: every machine must find the same.
const KEPT: &[Kept] = &[Kept {
    name: "example",
    baseline: "data/example/baseline.json",
    command: &[
        "explain",
        "--probe",
        "data/example",
        "--activations",
        "data/example/activations.npy",
        "--quantile",
        "0.1",
    ],
    tolerances: &["--iou-tolerance", "0", "--accuracy-tolerance", "0"],
}];

/// Runs of `cargo xtask reproduce` that are kept under regression: the stage, and what `compexp diff` takes beside the two.
///
/// Planted masks are exact. Networks round as the machine's vector instructions do, so that formulas of nearly the same
/// IoU may change places.
const STAGES: &[(&str, &[&str])] =
    &[("planted-found", &["--iou-tolerance", "0"]), ("vision", &["--allow", "5%"]), ("nli", &["--allow", "5%"])];

/// The baseline of a stage, in the workspace.
fn baseline(stage: &str) -> String {
    format!("data/toy/baseline/{stage}.json")
}

/// Makes every run that is kept under regression, and compares it with its baseline; all of them, before the first drift
/// is an error. With `update` the runs become the baselines.
pub(crate) fn regress(root: &Path, build: Build, update: bool) -> Result<()> {
    let folder = target_folder(root)?.join("regress");
    let toy = folder.join("toy");
    let mut runner = Runner::new(&Compexp::build(root, build)?, &toy.join("stages"))?;
    runner.extra = vec!["--quiet".into()];
    let compexp = runner.compexp();
    let mut drifted = Vec::new();
    for kept in KEPT {
        println!("regress: {}", kept.name);
        let made = folder.join(kept.name);
        make(root, compexp, kept.command, &made)?;
        if !compare(root, compexp, &root.join(kept.baseline), &made, kept.tolerances, update)? {
            drifted.push(kept.name);
        }
    }
    for stage in reproduce::runs_of_toy(root, &toy)? {
        println!("regress: {}", stage.name);
        runner.run(&stage)?;
        if let Some((name, tolerances)) = STAGES.iter().find(|(name, _)| *name == stage.name)
            && !compare(root, compexp, &root.join(baseline(name)), &stage.output, tolerances, update)?
        {
            drifted.push(name);
        }
    }
    if !drifted.is_empty() {
        bail!("{} drifted; where that is meant, `cargo xtask regress --update` and commit", drifted.join(", "));
    }
    Ok(())
}

/// Makes a run in the folder `made`, whatever an earlier one left there.
fn make(root: &Path, compexp: &Compexp, command: &[&str], made: &Path) -> Result<()> {
    let mut explain = compexp.command()?;
    explain.args(command).args(["--quiet", "--force", "--json", "--out"]).arg(made).current_dir(root);
    let done = explain.output().with_context(|| format!("cannot start `{}`", compexp.program.display()))?;
    if !done.status.success() {
        bail!("`compexp {}` ended with {}\n{}", command.join(" "), done.status, String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}

/// Compares the run in the folder `made` with a baseline, and tells whether it is still the same; with `update` it
/// becomes the baseline, and is.
fn compare(root: &Path, compexp: &Compexp, baseline: &Path, made: &Path, more: &[&str], update: bool) -> Result<bool> {
    let mut diff = compexp.command()?;
    diff.arg("diff").arg(baseline).arg(made).args(more).current_dir(root);
    if update {
        if let Some(folder) = baseline.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
        }
        diff.arg("--update");
    } else {
        diff.arg("--junit").arg(made.with_extension("xml"));
    }
    let status = diff.status().with_context(|| format!("cannot start `{}`", compexp.program.display()))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(3) => Ok(false),
        _ => bail!("`compexp diff {}` ended with {status}; why is printed above", baseline.display()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::cargo::workspace;

    /// The shell stands in for the binary: given `diff` or `explain` as its first argument it runs the file of that name
    /// in the folder, which notes the arguments after it in `args` and does what `script` says.
    fn stand_in(dir: &Path, name: &str, script: &str) -> Compexp {
        let args = dir.join("args");
        fs::write(dir.join(name), format!("echo \"$@\" >> '{}'\n{script}\n", args.display())).unwrap();
        Compexp::at("/bin/sh".into())
    }

    #[test]
    fn drift_is_told_apart_from_failure() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let outcome = |code: u8| {
            let compexp = stand_in(dir, "diff", &format!("exit {code}"));
            compare(dir, &compexp, &dir.join("base.json"), &dir.join("made"), &["--allow", "1%"], false)
        };
        assert!(outcome(0).unwrap());
        assert!(!outcome(3).unwrap());
        for code in [1, 2] {
            assert!(outcome(code).unwrap_err().to_string().contains(&format!("exit status: {code}")));
        }
        let args = fs::read_to_string(dir.join("args")).unwrap();
        let [base, made, junit] = ["base.json", "made", "made.xml"].map(|name| dir.join(name).display().to_string());
        assert_eq!(args.lines().next(), Some(&*format!("{base} {made} --allow 1% --junit {junit}")));
    }

    #[test]
    fn an_update_writes_a_baseline_in_a_new_folder() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let compexp = stand_in(dir, "diff", "echo kept > \"$1\"");
        assert!(compare(dir, &compexp, &dir.join("a/b/base.json"), &dir.join("made"), &[], true).unwrap());
        assert_eq!(fs::read_to_string(dir.join("a/b/base.json")).unwrap(), "kept\n");
        assert!(fs::read_to_string(dir.join("args")).unwrap().contains(" --update"));
    }

    #[test]
    fn a_run_that_fails_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let compexp = stand_in(dir.path(), "explain", "echo 'error: no such probe set' >&2; exit 1");
        let e = make(dir.path(), &compexp, &["explain"], &dir.path().join("made")).unwrap_err().to_string();
        assert!(e.contains("`compexp explain` ended with exit status: 1") && e.contains("no such probe set"), "{e}");
    }

    #[test]
    fn every_baseline_is_committed() {
        for kept in KEPT {
            assert!(workspace().join(kept.baseline).is_file(), "{}: `cargo xtask regress --update`", kept.baseline);
        }
        let stages = reproduce::runs_of_toy(&workspace(), Path::new("out")).unwrap();
        for (name, _) in STAGES {
            assert!(workspace().join(baseline(name)).is_file(), "{name}: `cargo xtask regress --update`");
            assert!(stages.iter().any(|stage| stage.name == *name), "{name} is a stage");
        }
    }
}
