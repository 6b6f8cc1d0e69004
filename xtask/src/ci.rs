//! `cargo xtask ci`: what must pass before a change is merged.
//!
//! The steps share what they compile: clippy and rustdoc need the metadata of the dependencies, the tests their code in the
//! dev profile, and nothing is built in the release profile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, path};

use anyhow::{Context, Result, bail};

use crate::cargo::{Metadata, cargo, run};
use crate::program::Build;
use crate::{regress, tidy};

/// The variable with the data folder, which `compexp_tests` reads.
const DATA: &str = "COMPEXP_DATA";

/// The variable with the file in which `compexp_tests` records tests that returned early.
const SKIPPED_FILE: &str = "COMPEXP_SKIPPED_FILE";

/// Runs all steps in the workspace at `root`, prints what each took and how many tests went without data.
pub(crate) fn ci(root: &Path) -> Result<()> {
    let data = data_folder()?;
    match &data {
        Some(folder) => println!("ci: the data folder is {}", folder.display()),
        None => println!("ci: `{}` is not set: tests that need the data folder return early", DATA),
    }
    let metadata = Metadata::read(root)?;
    let record = metadata.target_directory.join("skipped-for-data.txt");
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let steps = vec![
        Step::new("format", || run(cargo(root, &["fmt", "--all", "--check"]))),
        Step::new("tidy", || tidy::tidy(root, false)),
        Step::new("clippy", || run(cargo(root, &clippy))),
        Step::new("test", || {
            start_record(&record)?;
            let mut tests = cargo(root, &["test", "--workspace"]);
            tests.env(SKIPPED_FILE, &record);
            if let Some(folder) = &data {
                tests.env(DATA, folder);
            }
            run(tests)
        }),
        Step::new("regress", || regress::regress(root, Build::Tests, false)),
        Step::new("docs", || {
            let mut docs = cargo(root, &["doc", "--workspace", "--no-deps"]);
            docs.env("RUSTDOCFLAGS", "-D warnings");
            run(docs)
        }),
        // As somebody has it who depends on this crate only; the tests above select the features of the whole workspace.
        Step::new("core alone", || run(cargo(root, &["check", "--package", "compexp-core", "--no-default-features"]))),
        Step::new("oldest Rust", || oldest_rust(root, &metadata)),
    ];
    let times = run_steps(steps)?;
    let each: Vec<String> = times.iter().map(|(name, time)| format!("{name} {}", seconds(*time))).collect();
    println!("ci: passed in {} ({})", seconds(times.iter().map(|(_, time)| *time).sum()), each.join(", "));
    let skipped = fs::read_to_string(&record).with_context(|| format!("cannot read `{}`", record.display()))?;
    println!("ci: {}", skip_summary(&skipped, &record));
    Ok(())
}

struct Step<'a> {
    name: &'static str,
    action: Box<dyn FnOnce() -> Result<()> + 'a>,
}

impl<'a> Step<'a> {
    fn new(name: &'static str, action: impl FnOnce() -> Result<()> + 'a) -> Self {
        Self { name, action: Box::new(action) }
    }
}

/// Runs the steps in order, up to the first that fails.
fn run_steps(steps: Vec<Step<'_>>) -> Result<Vec<(&'static str, Duration)>> {
    let count = steps.len();
    let mut times = Vec::with_capacity(count);
    for (index, Step { name, action }) in steps.into_iter().enumerate() {
        println!("ci: [{}/{count}] {name}", index + 1);
        let start = Instant::now();
        let outcome = action();
        let time = start.elapsed();
        outcome
            .with_context(|| format!("ci: step {} of {count}, {name}, failed after {}", index + 1, seconds(time)))?;
        println!("ci: [{}/{count}] {name} passed in {}", index + 1, seconds(time));
        times.push((name, time));
    }
    Ok(times)
}

/// The data folder as an absolute path: tests run in the folders of their crates, where a relative one leads astray.
fn data_folder() -> Result<Option<PathBuf>> {
    let Some(folder) = env::var_os(DATA).filter(|folder| !folder.is_empty()) else { return Ok(None) };
    let folder = path::absolute(&folder).with_context(|| format!("`{}` is no path", DATA))?;
    if !folder.is_dir() {
        bail!("`{}` is `{}`, expected a folder; unset it to go without data", DATA, folder.display());
    }
    Ok(Some(folder))
}

/// Compiles the workspace with the Rust that its packages declare as the oldest, where rustup has that.
fn oldest_rust(root: &Path, metadata: &Metadata) -> Result<()> {
    let declared: BTreeSet<_> =
        metadata.packages.iter().filter_map(|package| package.rust_version.as_deref()).collect();
    let [version] = Vec::from_iter(declared)[..] else { bail!("found several or no `rust-version`, expected one") };
    let own = output(Command::new("rustc").arg("--version").current_dir(root)).unwrap_or_default();
    if is_release(&own, version) {
        println!("ci: Rust {version} is what the steps above ran with");
        return Ok(());
    }
    let toolchains = output(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    let Some(toolchain) = toolchain_of(&toolchains, version) else {
        println!("ci: Rust {version} is not installed here: `rustup toolchain install {version}`");
        return Ok(());
    };
    let mut check = Command::new("rustup");
    check.args(["run", toolchain, "cargo", "check", "--workspace", "--target-dir"]);
    check.arg(metadata.target_directory.join("oldest-rust")).current_dir(root);
    // What cargo and rustup say to this process about its own toolchain.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        check.env_remove(variable);
    }
    run(check)
}

/// Whether `rustc --version` tells of a release of `version`: of 1.95.0 for 1.95.
fn is_release(rustc: &str, version: &str) -> bool {
    let number = rustc.split_whitespace().nth(1).unwrap_or_default();
    number == version || number.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'))
}

/// The toolchain of a version in what `rustup toolchain list` prints.
fn toolchain_of<'a>(list: &'a str, version: &str) -> Option<&'a str> {
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.into_iter().find(|name| {
        let rest = name.strip_prefix(version);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
    })
}

/// What a command prints, where there is one and it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// Makes the record of early returns, empty.
fn start_record(record: &Path) -> Result<()> {
    if let Some(folder) = record.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    }
    fs::write(record, "").with_context(|| format!("cannot write `{}`", record.display()))
}

/// The distinct names of tests in a record, whose lines are `test: what it asked for`; a test that asked for several files
/// counts once.
fn skipped_tests(record: &str) -> BTreeSet<&str> {
    record.lines().map(|line| line.split_once(": ").map_or(line, |(test, _)| test)).collect()
}

fn skip_summary(text: &str, record: &Path) -> String {
    match skipped_tests(text).len() {
        0 => "no test returned early for lack of data, a browser, Python modules or a user other than root".to_owned(),
        1 => format!(
            "1 test returned early for lack of data, a browser, Python modules or a user other than root; `{}` names it",
            record.display()
        ),
        count => {
            format!(
                "{count} tests returned early for lack of data, a browser, Python modules or a user other than root; `{}` names them",
                record.display()
            )
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn steps_run_in_order_and_stop_at_the_first_failure() {
        let ran = RefCell::new(Vec::new());
        let note = |name: &'static str| ran.borrow_mut().push(name);
        let steps = vec![
            Step::new("first", || {
                note("first");
                Ok(())
            }),
            Step::new("second", || {
                note("second");
                Err(anyhow!("found a flaw"))
            }),
            Step::new("third", || {
                note("third");
                Ok(())
            }),
        ];
        let message = format!("{:#}", run_steps(steps).unwrap_err());
        assert_eq!(*ran.borrow(), ["first", "second"]);
        assert!(message.contains("step 2 of 3, second, failed after"), "{message}");
        assert!(message.ends_with("found a flaw"), "{message}");
    }

    #[test]
    fn all_steps_are_timed_when_all_pass() {
        let times = run_steps(vec![Step::new("a", || Ok(())), Step::new("b", || Ok(()))]).unwrap();
        assert_eq!(times.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_variables_are_those_that_tests_read() {
        assert_eq!((DATA, SKIPPED_FILE), (compexp_tests::DATA, compexp_tests::SKIPPED_FILE));
    }

    #[test]
    fn a_toolchain_is_found_by_its_version() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\n1.9.0-x86_64\n1.95.0-x86_64-unknown-linux-gnu\n";
        assert_eq!(toolchain_of(list, "1.95"), Some("1.95.0-x86_64-unknown-linux-gnu"));
        assert_eq!(toolchain_of(list, "1.9"), Some("1.9.0-x86_64"));
        assert_eq!(toolchain_of(list, "1.96"), None);
        assert!(is_release("rustc 1.95.0 (59807616e 2026-04-14)", "1.95"));
        assert!(!is_release("rustc 1.95.0 (59807616e 2026-04-14)", "1.9"));
        assert!(!is_release("", "1.95"));
    }

    #[test]
    fn the_summary_counts_tests_not_files() {
        let record = Path::new("skipped");
        let text = "vision::reads: places/a\nvision::reads: places/b\nnli::reads: snli/c\n";
        let summary = skip_summary(text, record);
        assert!(
            summary.starts_with(
                "2 tests returned early for lack of data, a browser, Python modules or a user other than root"
            ),
            "{summary}"
        );
        assert!(skip_summary("nli::reads: snli/c\n", record).starts_with("1 test returned"));
        assert_eq!(
            skip_summary("", record),
            "no test returned early for lack of data, a browser, Python modules or a user other than root"
        );
    }
}
