//! Rules on packages: what they depend on, how large they are, and that none has unsafe code.

use std::collections::{BTreeMap, BTreeSet};

use super::circles;
use super::finding::Finding;
use super::house::{ARROWS, CORE, CORE_STRANGERS, FILES, LARGEST, WITHOUT_FILES};
use super::rust::RustFile;
use super::source::Source;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its `Cargo.toml`, as a path within the workspace.
    pub(crate) manifest: String,
    /// What its code needs.
    pub(crate) needs: BTreeSet<String>,
    /// What only its tests and benches need.
    pub(crate) tests_need: BTreeSet<String>,
    /// The roots of its library and programs, as paths within the workspace.
    pub(crate) roots: Vec<String>,
}

/// Packages depend on each other only as [`ARROWS`] has it, straight or over others.
pub(crate) fn arrows(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(allowed) = reach(&package.name) else {
            let (found, expected) =
                (format!("package `{}`", package.name), "a row in `ARROWS` of xtask/src/tidy/house.rs");
            findings.push(Finding::new(&package.manifest, 1, "arrows", found, expected));
            continue;
        };
        let files = !WITHOUT_FILES.contains(&&*package.name);
        for need in package.needs.iter().filter(|need| packages.iter().any(|other| other.name == **need)) {
            let free = files && need == FILES;
            if !free && !allowed.contains(&**need) {
                let found = format!("`{need}` as a dependency of {}", package.name);
                let expected = match allowed.is_empty() {
                    true => "no crate of the project".to_owned(),
                    false => format!("one of {}", Vec::from_iter(allowed.iter().copied()).join(", ")),
                };
                let line = line_with(sources, &package.manifest, need);
                findings.push(Finding::new(&package.manifest, line, "arrows", found, expected));
            }
        }
    }
    findings
}

/// The packages to which arrows of [`ARROWS`] lead from one, which must have a row there.
fn reach(name: &str) -> Option<BTreeSet<&'static str>> {
    let (_, next) = ARROWS.iter().find(|(package, _)| *package == name)?;
    let mut reached = BTreeSet::new();
    for name in *next {
        reached.insert(*name);
        reached.extend(reach(name).unwrap_or_default());
    }
    Some(reached)
}

/// What tests and benches depend on makes no circle either.
pub(crate) fn circles_of_tests(packages: &[Package]) -> Vec<Finding> {
    let place = |name: &String| packages.iter().position(|package| package.name == *name);
    let needs = |package: &Package| package.needs.union(&package.tests_need).filter_map(place).collect::<Vec<_>>();
    let edges: Vec<_> = packages
        .iter()
        .enumerate()
        .flat_map(|(at, package)| needs(package).into_iter().map(move |to| (at, to)))
        .collect();
    let found = circles::circles(packages.len(), &edges).into_iter().map(|(circle, _)| {
        let names: Vec<&str> = circle.iter().map(|&at| packages[at].name.as_str()).collect();
        let found = format!("packages that depend on each other, tests included: {}", names.join(" -> "));
        Finding::new(&packages[circle[0]].manifest, 1, "package-circles", found, "dependencies in one direction")
    });
    found.collect()
}

/// Core depends on no framework and on nothing for files.
pub(crate) fn core_dependencies(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package.name == CORE) {
        for need in package.needs.iter().filter(|need| CORE_STRANGERS.iter().any(|word| need.starts_with(word))) {
            let line = line_with(sources, &package.manifest, need);
            let expected = format!("no such dependency of {CORE}");
            findings.push(Finding::new(&package.manifest, line, "core-dependencies", format!("`{need}`"), expected));
        }
    }
    findings
}

/// The root of every library and program forbids unsafe code.
pub(crate) fn unsafe_code(packages: &[Package], files: &[RustFile<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in packages.iter().flat_map(|package| &package.roots) {
        let forbids = |file: &RustFile<'_>| file.code.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]");
        if !files.iter().any(|file| file.path == root && forbids(file)) {
            let expected = "`#![forbid(unsafe_code)]` on a line of its own";
            findings.push(Finding::new(root, 1, "unsafe", "a root that allows unsafe code", expected));
        }
    }
    findings
}

/// The lines below `src` of each crate, and of xtask, whose `chores` are its own; the largest first.
pub(crate) fn lines(sources: &[Source]) -> Vec<(&str, usize)> {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs") && source.path.contains("/src/")) {
        let package = match source.path.split('/').collect::<Vec<_>>()[..] {
            ["crates", package, "src", ..] => package,
            ["xtask", ..] => "xtask",
            _ => continue,
        };
        *lines.entry(package).or_default() += source.text.lines().count();
    }
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|&(package, lines)| (std::cmp::Reverse(lines), package));
    lines
}

/// No crate holds as much as a quarter of all lines.
pub(crate) fn largest(sources: &[Source]) -> Vec<Finding> {
    let lines = lines(sources);
    let all: usize = lines.iter().map(|(_, lines)| lines).sum();
    // A workspace of three crates has one that holds a third.
    let too_large = lines.iter().filter(|(_, own)| own * 100 >= all * LARGEST && lines.len() * LARGEST > 100);
    let findings = too_large.map(|(package, own)| {
        let found = format!("{own} of {all} lines ({:.1}%) in {package}", percent(*own, all));
        let manifest =
            if *package == "xtask" { "xtask/Cargo.toml".into() } else { format!("crates/{package}/Cargo.toml") };
        Finding::new(&manifest, 1, "largest", found, format!("less than {LARGEST}%"))
    });
    findings.collect()
}

/// The share of `part` in `all` in percent.
pub(crate) fn percent(part: usize, all: usize) -> f64 {
    part as f64 * 100.0 / all.max(1) as f64
}

/// The line of a manifest that names a dependency.
fn line_with(sources: &[Source], manifest: &str, name: &str) -> usize {
    let source = sources.iter().find(|source| source.path == manifest);
    let named = |line: &str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    source.and_then(|source| source.text.lines().position(named)).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn package(name: &str, needs: &[&str], tests_need: &[&str]) -> Package {
        Package {
            name: name.into(),
            manifest: format!("crates/{name}/Cargo.toml"),
            needs: needs.iter().map(|need| (*need).into()).collect(),
            tests_need: tests_need.iter().map(|need| (*need).into()).collect(),
            roots: vec![format!("crates/{name}/src/lib.rs")],
        }
    }

    fn shown(findings: Vec<Finding>) -> Vec<String> {
        findings.iter().map(Finding::to_string).collect()
    }

    /// The packages of the table, each with all that it may depend on.
    fn house() -> Vec<Package> {
        let mut packages: Vec<Package> = ARROWS.iter().map(|(name, allowed)| package(name, allowed, &[])).collect();
        for package in packages.iter_mut().filter(|package| !WITHOUT_FILES.contains(&&*package.name)) {
            package.needs.extend((package.name != FILES).then(|| FILES.to_owned()));
        }
        packages
    }

    #[test]
    fn the_table_names_packages_that_it_has_and_no_circle() {
        assert!(reach("compexp-nli").unwrap().contains("compexp-core"), "over compexp-run");
        let names: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
        assert!(ARROWS.iter().flat_map(|(_, allowed)| *allowed).all(|name| names.contains(name)));
        assert_eq!(shown(circles_of_tests(&house())), [""; 0]);
        assert_eq!(shown(arrows(&house(), &[])), [""; 0]);
    }

    #[test]
    fn an_arrow_that_the_table_lacks_is_found() {
        let manifest = "[dependencies]\nserde.workspace = true\ncompexp-report.workspace = true\n";
        let sources = [source("crates/compexp-trust/Cargo.toml", manifest)];
        let mut packages = house();
        let at = packages.iter().position(|package| package.name == "compexp-trust").unwrap();
        packages[at].needs.extend(["compexp-report".to_owned(), "serde".to_owned()]);
        packages[at].tests_need.insert("compexp-cli".into());
        let expected = "crates/compexp-trust/Cargo.toml:3: arrows: found `compexp-report` as a dependency of \
                        compexp-trust, expected one of compexp-core";
        assert_eq!(shown(arrows(&packages, &sources)), [expected]);
        for (name, need) in [("compexp-core", FILES), ("xtask", FILES), ("compexp-kernels", "compexp-core"), ("compexp-run", "compexp-text")] {
            let mut packages = house();
            let package = packages.iter_mut().find(|package| package.name == name).unwrap();
            package.needs.insert(need.into());
            assert_eq!(arrows(&packages, &[]).len(), 1, "{name} on {need}");
        }
        assert!(shown(arrows(&[package("compexp-new", &[], &[])], &[]))[0].contains("expected a row in `ARROWS`"));
    }

    #[test]
    fn tests_make_no_circle_of_packages() {
        let packages = [package("a", &[], &["b"]), package("b", &["a", "c"], &[]), package("c", &[], &[])];
        assert_eq!(
            shown(circles_of_tests(&packages)),
            ["crates/a/Cargo.toml:1: package-circles: found packages that depend on each other, tests included: \
              a -> b, expected dependencies in one direction"]
        );
    }

    #[test]
    fn core_has_no_framework_and_no_files() {
        let needs = ["candle-core", "csv", "serde", "csv-core-not", "tempfile"];
        let found = shown(core_dependencies(&[package(CORE, &needs, &["blake3"])], &[]));
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(core_dependencies(&[package("compexp-run", &needs, &[])], &[]), []);
    }

    #[test]
    fn every_root_forbids_unsafe_code() {
        let packages = [package("a", &[], &[]), package("b", &[], &[]), package("c", &[], &[])];
        let sources = [
            source("crates/a/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n"),
            source("crates/b/src/lib.rs", "//! `#![forbid(unsafe_code)]`\n// #![forbid(unsafe_code)]\n"),
        ];
        let files: Vec<_> = sources.iter().filter_map(RustFile::new).collect();
        let found = shown(unsafe_code(&packages, &files));
        assert!(
            found.len() == 2 && found[0].starts_with("crates/b/") && found[1].starts_with("crates/c/"),
            "{found:?}"
        );
    }

    #[test]
    fn no_crate_holds_a_quarter_of_the_lines() {
        let text = |lines: usize| "x\n".repeat(lines);
        let mut sources = vec![
            source("crates/a/src/lib.rs", &text(20)),
            source("crates/a/src/b/c.rs", &text(4)),
            source("crates/a/tests/a.rs", &text(900)),
            source("crates/b/src/lib.rs", &text(20)),
            source("crates/c/src/lib.rs", &text(18)),
            source("crates/d/src/lib.rs", &text(18)),
            source("xtask/src/main.rs", &text(15)),
            source("xtask/chores/src/main.rs", &text(5)),
            source("tests/src/lib.rs", &text(900)),
        ];
        assert_eq!(lines(&sources), [("a", 24), ("b", 20), ("xtask", 20), ("c", 18), ("d", 18)]);
        assert_eq!(largest(&sources), []);
        sources.push(source("crates/a/src/d.rs", &text(2)));
        let expected = "crates/a/Cargo.toml:1: largest: found 26 of 102 lines (25.5%) in a, expected less than 25%";
        assert_eq!(shown(largest(&sources)), [expected]);
    }
}
