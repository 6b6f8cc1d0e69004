//! What the tests of all crates share: the ways to the data folder and to a browser, and a record of the tests that had to go
//! without.
//!
//! A test that needs real data begins with
//!
//! ```text
//! let Some(path) = compexp_tests::data("snli/bowman.pth") else { return };
//! ```
//!
//! It then runs where `COMPEXP_DATA` names the data folder, and returns early elsewhere. Such a return is never silent: it
//! prints a line, and `cargo xtask ci` counts them. `COMPEXP_REQUIRE_DATA=1` turns every one into a failure.
//!
//! [`browser`] does the same for tests that look at pages, with `COMPEXP_REQUIRE_BROWSER=1`, and [`python`] for tests of scripts.
//! [`permissions_hold`] is for tests of files that may not be read.
//!
//! [`files`] makes small files for tests, [`torch`] those of PyTorch; [`server`] is a server for tests that fetch files.
//!
//! The library depends on no other crate of the project, so that any of them can have it as a dev-dependency.
#![forbid(unsafe_code)]

pub mod files;
pub mod server;
pub mod torch;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, thread};

/// Environment variable with the absolute path of the data folder.
pub const DATA: &str = "COMPEXP_DATA";

/// Environment variable that, set to `1`, makes missing data a failure.
pub const REQUIRE_DATA: &str = "COMPEXP_REQUIRE_DATA";

/// Environment variable with the absolute path of a file to which each early return adds the line `test: relative path`.
/// `cargo xtask ci` sets it and counts the tests.
pub const SKIPPED_FILE: &str = "COMPEXP_SKIPPED_FILE";

/// The path of a file or folder of the data folder, or `None`, recorded, where there is no such data.
///
/// # Panics
///
/// Where `COMPEXP_REQUIRE_DATA=1` and the data is missing, where `COMPEXP_DATA` is a relative path (tests run in the
/// folder of their crate, so it would mean another place in each), and where the record cannot be written.
#[track_caller]
pub fn data(relative: &str) -> Option<PathBuf> {
    let root = env::var_os(DATA).filter(|root| !root.is_empty()).map(PathBuf::from);
    let required = env::var_os(REQUIRE_DATA).is_some_and(|value| value == "1");
    match locate(root.as_deref(), required, relative) {
        Lookup::Found(path) => Some(path),
        Lookup::Absent(reason) => {
            returned_early(Location::caller(), &reason, relative);
            None
        }
        Lookup::Failed(message) => panic!("{message}"),
    }
}

/// Environment variable that, set to `1`, makes a missing browser a failure.
pub const REQUIRE_BROWSER: &str = "COMPEXP_REQUIRE_BROWSER";

/// The names that Chromium goes by.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The path of a Chromium in `PATH`, or `None`, recorded as missing data is, where there is no such browser.
///
/// # Panics
///
/// Where `COMPEXP_REQUIRE_BROWSER=1` and there is none, and where the record cannot be written.
#[track_caller]
pub fn browser() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let required = env::var_os(REQUIRE_BROWSER).is_some_and(|value| value == "1");
    match locate_browser(env::split_paths(&path), required) {
        Lookup::Found(path) => Some(path),
        Lookup::Absent(reason) => {
            returned_early(Location::caller(), &reason, "a browser");
            None
        }
        Lookup::Failed(message) => panic!("{message}"),
    }
}

/// The path of a Python that can import these modules (`numpy, torch`), or `None`, recorded as missing data is, where there is
/// none. The variable `PYTHON` may name it.
///
/// # Panics
///
/// Where the record cannot be written.
#[track_caller]
pub fn python(modules: &str) -> Option<PathBuf> {
    let name = env::var_os("PYTHON").filter(|name| !name.is_empty()).map_or("python3".into(), PathBuf::from);
    let imported = Command::new(&name).args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
    if imported.is_ok_and(|status| status.success()) {
        return Some(name);
    }
    let reason = format!("`{}` cannot import {modules}", name.display());
    returned_early(Location::caller(), &reason, &format!("Python with {modules}"));
    None
}

/// Whether a file of mode 000 is closed to this process; it is not, recorded, where tests run as root.
///
/// # Panics
///
/// Where the system makes no such file, and where the record cannot be written.
#[cfg(unix)]
#[track_caller]
pub fn permissions_hold() -> bool {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o000)).unwrap();
    let hold = std::fs::File::open(file.path()).is_err();
    if !hold {
        returned_early(Location::caller(), "files of mode 000 are open to root", "a user other than root");
    }
    hold
}

/// Says and records that a test goes without `what`.
fn returned_early(caller: &Location<'_>, reason: &str, what: &str) {
    let test = test_name(caller);
    // Written to the stream itself: the test harness would swallow `eprintln!` in a test that passes.
    let _ = writeln!(io::stderr(), "{test}: returned early, {reason}");
    if let Some(record) = env::var_os(SKIPPED_FILE) {
        append(Path::new(&record), &test, what);
    }
}

fn locate_browser(folders: impl Iterator<Item = PathBuf>, required: bool) -> Lookup {
    let candidates = folders.flat_map(|folder| BROWSERS.map(|name| folder.join(name)));
    let reason = format!("no browser is in PATH (one of {})", BROWSERS.join(", "));
    match candidates.into_iter().find(|path| path.is_file()) {
        Some(path) => Lookup::Found(path),
        None if required => Lookup::Failed(format!("{reason}; unset `{REQUIRE_BROWSER}` to let tests return early")),
        None => Lookup::Absent(reason),
    }
}

#[derive(Debug, PartialEq)]
enum Lookup {
    Found(PathBuf),
    Absent(String),
    Failed(String),
}

fn locate(root: Option<&Path>, required: bool, relative: &str) -> Lookup {
    let reason = match root {
        None => format!("`{DATA}` is not set, so `{relative}` is not to be had"),
        Some(root) if root.is_relative() => {
            return Lookup::Failed(format!("`{DATA}` is `{}`, expected an absolute path", root.display()));
        }
        Some(root) => {
            let path = root.join(relative);
            if path.exists() {
                return Lookup::Found(path);
            }
            format!("`{}` does not exist (`{DATA}` is `{}`)", path.display(), root.display())
        }
    };
    if required {
        Lookup::Failed(format!("{reason}; unset `{REQUIRE_DATA}` to let tests return early without data"))
    } else {
        Lookup::Absent(reason)
    }
}

/// `binary::test`, from the name that the harness gives to the thread; the caller's place where it has none
/// (`--test-threads 1`, a thread of the test's own).
fn test_name(caller: &Location<'_>) -> String {
    let thread = thread::current();
    match thread.name() {
        Some(name) if name != "main" => {
            let exe = env::current_exe().unwrap_or_default();
            let stem = exe.file_stem().unwrap_or_default().to_string_lossy();
            // Cargo appends a hash to the names of test binaries.
            let binary = stem.rsplit_once('-').map_or(&*stem, |(binary, _)| binary);
            format!("{binary}::{name}")
        }
        _ => format!("{}:{}", caller.file(), caller.line()),
    }
}

/// Many test processes append at once: one write a line keeps the lines whole.
fn append(record: &Path, test: &str, relative: &str) {
    let line = format!("{test}: {relative}\n");
    let written =
        OpenOptions::new().create(true).append(true).open(record).and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        panic!("cannot append to `{}` (`{SKIPPED_FILE}`): {error}", record.display());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_of_the_data_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("here.npy"), "").unwrap();
        let found = Lookup::Found(folder.path().join("here.npy"));
        assert_eq!(locate(Some(folder.path()), false, "here.npy"), found);
        assert_eq!(locate(Some(folder.path()), true, "here.npy"), found);
    }

    #[test]
    fn missing_data_is_absent_unless_required() {
        let folder = tempfile::tempdir().unwrap();
        for root in [None, Some(folder.path())] {
            let Lookup::Absent(reason) = locate(root, false, "places/x.tar") else { panic!("not absent in {root:?}") };
            assert!(reason.contains("places/x.tar") && reason.contains(DATA), "{reason}");
            let Lookup::Failed(message) = locate(root, true, "places/x.tar") else { panic!("no failure in {root:?}") };
            assert!(message.contains("places/x.tar") && message.contains(REQUIRE_DATA), "{message}");
        }
    }

    #[test]
    fn a_browser_is_found_in_a_folder_of_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let folders = || [PathBuf::from("/nowhere"), folder.path().to_owned()].into_iter();
        assert!(matches!(locate_browser(folders(), false), Lookup::Absent(_)));
        let Lookup::Failed(message) = locate_browser(folders(), true) else { panic!("no failure") };
        assert!(message.contains(REQUIRE_BROWSER), "{message}");
        fs::write(folder.path().join("google-chrome"), "").unwrap();
        assert_eq!(locate_browser(folders(), true), Lookup::Found(folder.path().join("google-chrome")));
    }

    #[test]
    fn a_relative_data_folder_is_refused() {
        let Lookup::Failed(message) = locate(Some(Path::new("data")), false, "x") else { panic!("not refused") };
        assert!(message.contains("absolute"), "{message}");
    }

    #[test]
    fn a_test_is_named_with_its_binary() {
        assert_eq!(test_name(Location::caller()), "compexp_tests::tests::a_test_is_named_with_its_binary");
        let elsewhere = thread::spawn(|| test_name(Location::caller())).join().unwrap();
        assert!(elsewhere.contains("src/lib.rs:"), "{elsewhere}");
    }

    #[test]
    fn lines_of_many_writers_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("skipped");
        thread::scope(|scope| {
            for writer in 0..8 {
                let record = &record;
                scope.spawn(move || {
                    for file in 0..50 {
                        append(record, &format!("crate::tests::t{writer}"), &format!("snli/{file}"));
                    }
                });
            }
        });
        let text = fs::read_to_string(&record).unwrap();
        assert_eq!(text.lines().count(), 400);
        for writer in 0..8 {
            let lines = text.lines().filter(|line| line.starts_with(&format!("crate::tests::t{writer}: snli/")));
            assert_eq!(lines.count(), 50);
        }
    }
}
