//! `cargo xtask ci`: what must pass before a change is merged.
//!
//! The steps share what they compile: clippy and rustdoc need the metadata of the dependencies, the tests their code in the
//! dev profile, and nothing is built in the release profile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, path};

use anyhow::{Context, Result, bail};

use crate::{regress, tidy};

/// Runs all steps in the workspace at `root`, prints what each took and how many tests went without data.
pub(crate) fn ci(root: &Path) -> Result<()> {
    let data = data_folder()?;
    match &data {
        Some(folder) => println!("ci: the data folder is {}", folder.display()),
        None => println!("ci: `{}` is not set: tests that need the data folder return early", compexp_tests::DATA),
    }
    let record = target_folder(root).join("skipped-for-data.txt");
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let steps = vec![
        Step::new("format", || run(cargo(root, &["fmt", "--all", "--check"]))),
        Step::new("tidy", || tidy::tidy(root)),
        Step::new("clippy", || run(cargo(root, &clippy))),
        Step::new("test", || {
            start_record(&record)?;
            let mut tests = cargo(root, &["test", "--workspace"]);
            tests.env(compexp_tests::SKIPPED_FILE, &record);
            if let Some(folder) = &data {
                tests.env(compexp_tests::DATA, folder);
            }
            run(tests)
        }),
        Step::new("regress", || regress::regress(root, false)),
        Step::new("docs", || {
            let mut docs = cargo(root, &["doc", "--workspace", "--no-deps"]);
            docs.env("RUSTDOCFLAGS", "-D warnings");
            run(docs)
        }),
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

pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    command
}

pub(crate) fn run(mut command: Command) -> Result<()> {
    let words: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let shown = format!("cargo {}", words.join(" "));
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}; what it found is printed above");
    }
    Ok(())
}

/// The data folder as an absolute path: tests run in the folders of their crates, where a relative one leads astray.
fn data_folder() -> Result<Option<PathBuf>> {
    let Some(folder) = env::var_os(compexp_tests::DATA).filter(|folder| !folder.is_empty()) else { return Ok(None) };
    let folder = path::absolute(&folder).with_context(|| format!("`{}` is no path", compexp_tests::DATA))?;
    if !folder.is_dir() {
        bail!("`{}` is `{}`, expected a folder; unset it to go without data", compexp_tests::DATA, folder.display());
    }
    Ok(Some(folder))
}

pub(crate) fn target_folder(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Makes the record of early returns, empty.
fn start_record(record: &Path) -> Result<()> {
    if let Some(folder) = record.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    }
    fs::write(record, "").with_context(|| format!("cannot write `{}`", record.display()))
}

fn skip_summary(text: &str, record: &Path) -> String {
    match compexp_tests::skipped_tests(text).len() {
        0 => "no test returned early for lack of data or a browser".to_owned(),
        1 => format!("1 test returned early for lack of data or a browser; `{}` names it", record.display()),
        count => {
            format!("{count} tests returned early for lack of data or a browser; `{}` names them", record.display())
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::process::Stdio;

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
    fn a_failing_command_is_named_with_its_arguments() {
        let mut command = cargo(Path::new("."), &["--no-such-option"]);
        command.stderr(Stdio::null());
        let message = format!("{:#}", run(command).unwrap_err());
        assert!(message.contains("`cargo --no-such-option` ended with exit status: "), "{message}");
    }

    #[test]
    fn the_summary_counts_tests_not_files() {
        let record = Path::new("skipped");
        let text = "vision::reads: places/a\nvision::reads: places/b\nnli::reads: snli/c\n";
        let summary = skip_summary(text, record);
        assert!(summary.starts_with("2 tests returned early for lack of data or a browser"), "{summary}");
        assert!(skip_summary("nli::reads: snli/c\n", record).starts_with("1 test returned"));
        assert_eq!(skip_summary("", record), "no test returned early for lack of data or a browser");
    }
}
