//! `cargo xtask tidy`: the conventions of the source text and the invariants of the architecture that a program can check.
//!
//! Rules look at the files that git tracks (or at all files, outside a checkout). Each is a function from a file to what is
//! wrong with it, printed as `path:line: rule: found ..., expected ...`:
//!
//! - on the architecture, in [`architecture`]: imports that go against the flow, file access outside `artifact`, crates that
//!   must not know each other;
//! - on Rust files, in [`rust`]: the opening `//!`, length, ignored tests without a reason;
//! - on any text, in [`text`]: blanks and tabs, paths of a machine, hosts of registries, dead links.

mod architecture;
mod lexer;
mod rust;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use rust::RustFile;

/// The modules of `compexp-core` in the order of the flow: a module may import those to its left.
pub(crate) const FLOW: &[&str] = &[
    "error",
    "simd",
    "random",
    "concept",
    "probe",
    "activation",
    "formula",
    "partition",
    "threshold",
    "resize",
    "profile",
    "score",
    "search",
    "explanation",
    "compare",
    "exemplar",
    "relation",
    "explain",
    "planted",
    "stats",
    "behaviour",
    "artifact",
    "analysis",
    "report",
];

/// Checks the workspace at `root` and prints every finding; an error if there is one.
pub(crate) fn tidy(root: &Path) -> Result<()> {
    let sources = read_sources(root)?;
    let findings = check(&sources);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: nothing found in {} files", sources.len());
            Ok(())
        }
        count => bail!("tidy: {count} found"),
    }
}

/// One file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the workspace, with `/` between folders.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    found: String,
    expected: String,
}

impl Finding {
    pub(crate) fn new(
        path: &str,
        line: usize,
        rule: &'static str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { path: path.to_owned(), line, rule, found: found.into(), expected: expected.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, found, expected } = self;
        write!(f, "{path}:{line}: {rule}: found {found}, expected {expected}")
    }
}

fn check(sources: &[Source]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let rust_files: Vec<RustFile<'_>> = sources.iter().filter_map(RustFile::new).collect();
    let reexports = architecture::core_reexports(&rust_files);
    let mut findings = Vec::new();
    for source in sources {
        findings.extend(text::blanks(source));
        findings.extend(text::machine_paths(source));
        findings.extend(text::registry_hosts(source));
        findings.extend(text::dead_links(source, &paths));
        findings.extend(architecture::manifest_strangers(source));
    }
    for file in &rust_files {
        findings.extend(rust::opening(file));
        findings.extend(rust::length(file));
        findings.extend(rust::ignored_tests(file));
        findings.extend(architecture::flow(file, FLOW, &reexports));
        findings.extend(architecture::file_access(file));
        findings.extend(architecture::strangers(file));
    }
    findings.sort();
    findings
}

/// The files of the workspace; one that is not UTF-8 or holds a NUL is data, whose text is of no concern here.
fn read_sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in list_files(root)? {
        let bytes = match fs::read(root.join(&path)) {
            // Tracked, and deleted in this working tree.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read.with_context(|| format!("cannot read `{path}`"))?,
        };
        // Data stays in the list, without its text: links may lead to it.
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).unwrap_or_default();
        sources.push(Source { path, text });
    }
    Ok(sources)
}

/// The files that git tracks, or, where `root` is no checkout, all but what a build leaves.
fn list_files(root: &Path) -> Result<Vec<String>> {
    let tracked = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    if let Ok(output) = tracked
        && output.status.success()
    {
        let names = String::from_utf8(output.stdout).context("a tracked file has a name that is not UTF-8")?;
        let names: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
        // None are tracked where an unpacked archive lies inside somebody else's checkout.
        if !names.is_empty() {
            return Ok(names);
        }
    }
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort();
    Ok(files)
}

fn walk(root: &Path, folder: &str, files: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(root.join(folder)).with_context(|| format!("cannot list `{folder}`"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list `{folder}`"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.file_type().with_context(|| format!("cannot look at `{path}`"))?.is_dir() {
            if !matches!(path.as_str(), ".git" | ".compexp" | "target") {
                walk(root, &path, files)?;
            }
        } else if path != ".git" {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// Lines of the findings, for rules whose rule name and message are checked elsewhere.
    pub(crate) fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_finding_says_where_what_and_what_instead() {
        let finding = Finding::new("a/b.rs", 3, "blanks", "a tab", "spaces");
        assert_eq!(finding.to_string(), "a/b.rs:3: blanks: found a tab, expected spaces");
    }

    #[test]
    fn every_rule_is_applied() {
        let sources = [
            source("crates/compexp-core/src/concept.rs", "use crate::score::Counts;\n\nuse std::fs;\n"),
            source("crates/compexp-vision/src/lib.rs", "//! Eyes. \nuse compexp_nli::Pair;\n#[ignore]\nfn f() {}\n"),
            source("crates/compexp-core/Cargo.toml", "candle-core.workspace = true\n"),
            source("xtask/src/long.rs", &format!("//! Long.\n{}", "fn f() {}\n".repeat(500))),
            source("README.md", &format!("[gone](gone.md) /{}/user npm{}\n", "home", "js")),
        ];
        let rules: BTreeSet<&str> = check(&sources).iter().map(|finding| finding.rule).collect();
        let all = [
            "blanks",
            "file-access",
            "flow",
            "ignored-tests",
            "length",
            "links",
            "machine-paths",
            "opening",
            "registry-hosts",
            "strangers",
        ];
        assert!(rules.iter().eq(all.iter()), "{rules:?}");
        assert_eq!(check(&sources).iter().filter(|finding| finding.rule == "strangers").count(), 2);
    }

    #[test]
    fn a_walk_finds_what_git_tracks() {
        let root = &crate::cargo::workspace();
        let mut walked = Vec::new();
        walk(root, "", &mut walked).unwrap();
        let walked: BTreeSet<String> = walked.into_iter().collect();
        let listed = list_files(root).unwrap();
        assert!(listed.iter().any(|path| path == "xtask/src/main.rs"), "{listed:?}");
        for path in listed {
            assert!(walked.contains(&path) || !root.join(&path).exists(), "the walk missed {path}");
        }
    }
}
