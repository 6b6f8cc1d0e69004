//! Rules on what may know what.

use std::collections::BTreeMap;

use super::lexer;
use super::rust::RustFile;
use super::{Finding, Source};

const CORE: &str = "crates/compexp-core/src/";

/// Crates, and the packages (by the start of their names) that they must never know.
const STRANGERS: &[(&str, &[&str])] = &[
    ("compexp-core", &["candle", "compexp-checkpoint", "compexp-vision", "compexp-nli", "compexp-cli"]),
    ("compexp-checkpoint", &["compexp-vision", "compexp-nli", "compexp-cli"]),
    ("compexp-vision", &["compexp-nli", "compexp-cli"]),
    ("compexp-nli", &["compexp-vision", "compexp-cli"]),
];

/// Names that the root of core exports from its modules: name to module. An import of one is an import of its module.
pub(crate) fn core_reexports(files: &[RustFile<'_>]) -> BTreeMap<String, String> {
    let root = files.iter().filter(|file| file.path.strip_prefix(CORE) == Some("lib.rs"));
    let paths = root.flat_map(|file| lexer::paths(&file.shipped));
    let exported = paths.filter_map(|path| {
        let own = matches!(path.segments[0].as_str(), "crate" | "self");
        let [module, .., name] = &path.segments[usize::from(own)..] else { return None };
        Some((name.clone(), module.clone()))
    });
    exported.collect()
}

/// Modules of core import those to their left in `order`, and each has its place there.
pub(crate) fn flow(file: &RustFile<'_>, order: &[&str], reexports: &BTreeMap<String, String>) -> Vec<Finding> {
    let Some(module) = core_module(file.path) else { return Vec::new() };
    let Some(room) = module.first() else { return Vec::new() };
    let Some(place) = order.iter().position(|name| name == room) else {
        let expected = "a module that has its place in `FLOW` of xtask/src/tidy.rs";
        return vec![Finding::new(file.path, 1, "flow", format!("module `{room}`"), expected)];
    };
    let mut findings = Vec::new();
    for path in lexer::paths(&file.shipped) {
        let Some(target) = target(&module, &path.segments) else { continue };
        let target = reexports.get(target).map_or(target, String::as_str);
        if order.iter().position(|name| *name == target).is_some_and(|position| position > place) {
            let found = format!("`{}` in module `{room}`", path.segments.join("::"));
            let expected = format!("only modules at or left of `{room}`: {}", order[..=place].join(", "));
            findings.push(Finding::new(file.path, path.line, "flow", found, expected));
        }
    }
    findings
}

/// In core only `artifact` touches files, memory maps included.
pub(crate) fn file_access(file: &RustFile<'_>) -> Vec<Finding> {
    let module = core_module(file.path).unwrap_or_default();
    if !file.path.starts_with(CORE) || module.first() == Some(&"artifact") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for path in lexer::paths(&file.shipped) {
        let (_, folders) = path.segments.split_last().expect("a path has segments");
        let first = folders[0].as_str();
        let touches = matches!(first, "memmap2" | "tempfile")
            || folders.iter().any(|segment| segment == "fs" || segment == "File")
            || (first == "std" && path.segments[1] == "fs");
        if touches {
            let found = format!("`{}`", path.segments.join("::"));
            findings.push(Finding::new(file.path, path.line, "file-access", found, "file access in `artifact` only"));
        }
    }
    findings
}

/// Crates that must not know each other do not name each other in code.
pub(crate) fn strangers(file: &RustFile<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (package, strangers) = strangers_of(file.path);
    for stranger in strangers {
        let name = stranger.replace('-', "_");
        for at in starts_of_words(&file.code, &name) {
            let expected = format!("no use of it in {package}");
            let line = lexer::line_of(&file.code, at);
            findings.push(Finding::new(file.path, line, "strangers", format!("`{name}`"), expected));
        }
    }
    findings
}

/// Nor in their manifests.
pub(crate) fn manifest_strangers(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (package, strangers) = strangers_of(&source.path);
    if !source.path.ends_with("/Cargo.toml") {
        return findings;
    }
    for (index, line) in source.text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        for stranger in strangers {
            if starts_of_words(line, stranger).next().is_some() {
                let expected = format!("no such dependency of {package}");
                findings.push(Finding::new(&source.path, index + 1, "strangers", format!("`{stranger}`"), expected));
            }
        }
    }
    findings
}

/// The module that a file of core is, outermost first; empty for the root.
fn core_module(path: &str) -> Option<Vec<&str>> {
    let mut module: Vec<&str> = path.strip_prefix(CORE)?.strip_suffix(".rs")?.split('/').collect();
    if matches!(module.last(), Some(&"mod" | &"lib")) {
        module.pop();
    }
    Some(module)
}

/// The first segment below the crate's root of a path written in `module`, if it is a path of this crate.
fn target<'a>(module: &[&'a str], segments: &'a [String]) -> Option<&'a str> {
    let mut base = match segments.first()?.as_str() {
        "crate" => &[],
        "self" | "super" => module,
        _ => return None,
    };
    let mut rest = segments;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => base = base.split_last().map_or(&[][..], |(_, outer)| outer),
            _ => break,
        }
        rest = after;
    }
    base.first().copied().or_else(|| rest.first().map(String::as_str))
}

fn strangers_of(path: &str) -> (&str, &'static [&'static str]) {
    let package = path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let listed = STRANGERS.iter().find(|(name, _)| *name == package);
    (package, listed.map_or(&[], |(_, strangers)| strangers))
}

/// Where `word` starts in `text` without being the end of a longer word.
fn starts_of_words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| at == 0 || !inside(text.as_bytes()[at - 1]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, source};
    use super::super::{FLOW, Finding};
    use super::*;

    fn flow_of(path: &str, text: &str) -> Vec<Finding> {
        let sources = [source("crates/compexp-core/src/lib.rs", "pub use explanation::{Explanation, Outcome};")];
        let root: Vec<RustFile<'_>> = sources.iter().filter_map(RustFile::new).collect();
        flow(&RustFile::new(&source(path, text)).unwrap(), FLOW, &core_reexports(&root))
    }

    #[test]
    fn an_import_against_the_flow_is_found_however_it_is_written() {
        let path = "crates/compexp-core/src/formula/text.rs";
        for text in [
            "use crate::search::beam;",
            "use crate::{concept::ConceptId, search::{beam, exact}};",
            "fn f() -> crate::search::Outcome {}",
            "use super::super::search;",
            "use crate::Explanation;",
            "use crate::{Result, Outcome};",
        ] {
            assert!(!flow_of(path, &format!("//! Text.\n{text}\n")).is_empty(), "nothing found in {text}");
        }
        let found = flow_of("crates/compexp-core/src/probe.rs", "//! P.\n\nuse crate::activation::Maps;\n");
        assert_eq!(
            found[0].to_string(),
            "crates/compexp-core/src/probe.rs:3: flow: found `crate::activation::Maps` in module `probe`, \
             expected only modules at or left of `probe`: error, simd, random, concept, probe"
        );
    }

    #[test]
    fn imports_along_the_flow_and_in_tests_are_free() {
        let path = "crates/compexp-core/src/formula/text.rs";
        for text in [
            "use crate::concept::ConceptId;",
            "use super::logic; use super::super::formula::Tree; use crate::formula;",
            "use crate::{Error, Result};",
            "//! Searched by [`crate::search`].",
            "#[cfg(test)] mod tests { use crate::search::beam; }",
            "#[cfg(test)] use crate::search::beam;",
            "use other::search::beam;",
        ] {
            assert_eq!(flow_of(path, text), [], "in {text}");
        }
    }

    #[test]
    fn a_module_without_a_place_in_the_flow_is_found() {
        let found = flow_of("crates/compexp-core/src/misc/mod.rs", "//! Odds.\n");
        assert!(found[0].to_string().contains("found module `misc`"), "{found:?}");
        assert_eq!(flow_of("crates/compexp-core/src/lib.rs", "use search::beam;"), []);
    }

    #[test]
    fn only_artifact_touches_files() {
        let text = "\
use std::{fs, io};
use std::fs::File;
fn f() { File::open(p); fs::read(p); }
use memmap2::Mmap;
// std::fs
fn g(file: crate::File) {}
#[cfg(test)] mod tests { use std::fs; }
";
        let found = |path| file_access(&RustFile::new(&source(path, text)).unwrap());
        assert_eq!(lines(&found("crates/compexp-core/src/probe.rs")), [1, 2, 3, 3, 4]);
        assert_eq!(found("crates/compexp-core/src/artifact/npy.rs"), []);
        assert_eq!(found("crates/compexp-vision/src/lib.rs"), []);
    }

    #[test]
    fn crates_do_not_name_their_strangers() {
        let text = "//! Like compexp_vision.\nuse compexp_vision::Image;\nuse my_compexp_vision::X;\n";
        let found = |path| strangers(&RustFile::new(&source(path, text)).unwrap());
        assert_eq!(lines(&found("crates/compexp-nli/src/lib.rs")), [2]);
        assert_eq!(lines(&found("crates/compexp-core/src/lib.rs")), [2]);
        assert_eq!(found("crates/compexp-cli/src/main.rs"), []);
        let text = "use compexp_nli::Pair;\n";
        assert_eq!(strangers(&RustFile::new(&source("crates/compexp-vision/src/a.rs", text)).unwrap()).len(), 1);
    }

    #[test]
    fn manifests_do_not_name_strangers() {
        let text = "[dependencies]\n# no candle here\ncandle-core.workspace = true\nx = { package = \"candle-nn\" }\n";
        assert_eq!(lines(&manifest_strangers(&source("crates/compexp-core/Cargo.toml", text))), [3, 4]);
        assert_eq!(manifest_strangers(&source("crates/compexp-vision/Cargo.toml", text)), []);
        let text = "[dev-dependencies]\ncompexp-nli.workspace = true\n";
        assert_eq!(lines(&manifest_strangers(&source("crates/compexp-vision/Cargo.toml", text))), [2]);
    }
}
