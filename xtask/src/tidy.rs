//! `cargo xtask tidy`: the conventions of the source text and the invariants of the architecture that a program can check.
//!
//! Rules look at the files that git tracks (or at all files, outside a checkout) and at what `cargo metadata` says. What is
//! wrong is printed as `path:line: rule: found ..., expected ...`:
//!
//! - on packages, in [`crates`]: arrows between them, core's dependencies, the size of the largest, unsafe code;
//! - on modules, in [`modules`]: circles within a crate, and the flow of core;
//! - on files, in [`files`]: who opens them, and who names those of a run folder; in [`lookups`]: configuration asked by
//!   strings;
//! - on Rust files, in [`rust`]: the opening `//!`, length, ignored tests without a reason;
//! - on any text, in [`text`]: blanks and tabs, paths of a machine, hosts of registries, dead links.
//!
//! The plan that they hold the code to is data, in [`house`].

mod circles;
mod crates;
mod files;
mod finding;
mod house;
mod lexer;
mod lookups;
mod modules;
mod rust;
mod source;
mod text;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use crate::cargo::Metadata;
use crates::Package;
use finding::Finding;
use rust::RustFile;
use source::{Source, read_sources};

/// Checks the workspace at `root` and prints every finding; an error if there is one. Those of rules that do not hold yet
/// are counted, and printed if `pending`.
pub(crate) fn tidy(root: &Path, pending: bool) -> Result<()> {
    let sources = read_sources(root)?;
    let findings = check(&sources, &packages(root)?);
    let (waiting, findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| house::PENDING.contains(&finding.rule));
    for finding in findings.iter().chain(waiting.iter().filter(|_| pending)) {
        println!("{finding}");
    }
    if !waiting.is_empty() {
        println!("tidy: {} found by rules that do not hold yet; `--pending` prints them", waiting.len());
    }
    match findings.len() {
        0 => {
            println!("tidy: nothing found in {} files", sources.len());
            Ok(())
        }
        count => bail!("tidy: {count} found"),
    }
}

/// Prints the lines below `src` of each crate of the workspace at `root`, and their share in percent.
pub(crate) fn print_lines(root: &Path) -> Result<()> {
    let sources = read_sources(root)?;
    let lines = crates::lines(&sources);
    let all = lines.iter().map(|(_, lines)| lines).sum();
    println!("{:<20}{:>8}{:>8}", "crate", "lines", "%");
    for (package, lines) in lines {
        println!("{package:<20}{lines:>8}{:>8.1}", crates::percent(lines, all));
    }
    println!("{:<20}{all:>8}", "all");
    Ok(())
}

fn check(sources: &[Source], packages: &[Package]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let rust_files: Vec<RustFile<'_>> = sources.iter().filter_map(RustFile::new).collect();
    let crates = modules::crates(&rust_files);
    let run_files = files::run_file_names(&rust_files);
    let mut findings = Vec::new();
    for source in sources {
        findings.extend(text::blanks(source));
        findings.extend(text::machine_paths(source));
        findings.extend(text::registry_hosts(source));
        findings.extend(text::dead_links(source, &paths));
    }
    for file in &rust_files {
        findings.extend(rust::opening(file));
        findings.extend(rust::length(file));
        findings.extend(rust::ignored_tests(file));
        findings.extend(files::file_access(file));
        findings.extend(files::run_files(file, &run_files));
        findings.extend(lookups::look_ups(file));
    }
    for modules in &crates {
        findings.extend(modules.circles());
        findings.extend(modules.flow(house::FLOW));
    }
    findings.extend(crates::arrows(packages, sources));
    findings.extend(crates::circles_of_tests(packages));
    findings.extend(crates::core_dependencies(packages, sources));
    findings.extend(crates::unsafe_code(packages, &rust_files));
    findings.extend(crates::largest(sources));
    findings.sort();
    findings
}

/// What the rules need to know of the packages in the workspace at `root`.
fn packages(root: &Path) -> Result<Vec<Package>> {
    // Cargo's paths have no symbolic link.
    let root = root.canonicalize()?;
    let within = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let packages = Metadata::read(&root)?.packages.into_iter().map(|package| {
        let (tests_need, needs): (Vec<_>, Vec<_>) =
            package.dependencies.into_iter().partition(|need| need.kind.as_deref() == Some("dev"));
        let is_root = |kind: &String| !matches!(kind.as_str(), "test" | "bench" | "example");
        let roots = package.targets.iter().filter(|target| target.kind.iter().any(is_root));
        Package {
            manifest: within(&package.manifest_path),
            needs: needs.into_iter().map(|need| need.name).collect(),
            tests_need: tests_need.into_iter().map(|need| need.name).collect(),
            roots: roots.map(|target| within(&target.src_path)).collect(),
            name: package.name,
        }
    });
    Ok(packages.collect())
}

#[cfg(test)]
mod tests {
    use super::source::tests::source;
    use super::*;
    use crate::cargo::workspace;

    #[test]
    fn every_rule_is_applied() {
        let vision = "//! Eyes. \nmod a;\nmod b;\n#[ignore]\nfn f() { config[\"a\"] }\n";
        let sources = [
            source("crates/compexp-core/src/lib.rs", "//! Core.\nmod concept;\nmod score;\n"),
            source("crates/compexp-core/src/concept.rs", "use crate::score::Counts;\n\nuse std::fs;\n"),
            source("crates/compexp-core/src/score.rs", "//! Scores.\npub struct Counts;\n"),
            source("crates/compexp-vision/src/lib.rs", vision),
            source("crates/compexp-vision/src/a.rs", "//! A.\nuse super::b;\n"),
            source("crates/compexp-vision/src/b.rs", "//! B.\nuse super::a;\nconst C: &str = \"c.csv\";\n"),
            source(house::LAYOUT, "//! Names.\nconst C: &str = \"c.csv\";\n"),
            source("crates/compexp-text/src/lib.rs", "//! Text.\n"),
            source("crates/compexp-trust/src/lib.rs", "//! Trust.\n"),
            source("xtask/src/long.rs", &format!("//! Long.\n{}", "fn f() {}\n".repeat(500))),
            source("README.md", &format!("[gone](gone.md) /{}/user npm{}\n", "home", "js")),
        ];
        let package = |name: &str, needs: &[&str]| Package {
            name: name.into(),
            manifest: format!("crates/{name}/Cargo.toml"),
            needs: needs.iter().map(|need| (*need).into()).collect(),
            tests_need: BTreeSet::new(),
            roots: vec![format!("crates/{name}/src/lib.rs")],
        };
        let packages =
            [package("compexp-core", &["candle-core", "compexp-vision"]), package("compexp-vision", &["compexp-core"])];
        let rules: BTreeSet<&str> = check(&sources, &packages).iter().map(|finding| finding.rule).collect();
        let all = [
            "arrows",
            "blanks",
            "circles",
            "core-dependencies",
            "file-access",
            "flow",
            "ignored-tests",
            "largest",
            "length",
            "links",
            "look-ups",
            "machine-paths",
            "opening",
            "package-circles",
            "registry-hosts",
            "run-files",
            "unsafe",
        ];
        assert!(rules.iter().eq(all.iter()), "{rules:?}");
        assert!(house::PENDING.iter().all(|rule| all.contains(rule)));
    }

    #[test]
    fn the_packages_of_this_workspace_are_known() {
        let packages = packages(&workspace()).unwrap();
        let own = packages.iter().find(|package| package.name == "xtask").unwrap();
        assert_eq!(
            (own.manifest.as_str(), &own.roots[..]),
            ("xtask/Cargo.toml", &["xtask/src/main.rs".to_owned()][..])
        );
        assert!(own.needs.contains("clap") && own.tests_need.contains("tempfile") && !own.needs.contains("tempfile"));
    }
}
