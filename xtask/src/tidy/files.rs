//! Rules on files: who opens them, and who knows the names of those in a run folder.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::house::{CORE, FILE_ACCESS, FILES, FOREIGN_NAMES, LAYOUT};
use super::lexer;
use super::rust::RustFile;

/// Types and modules whose use is access to files, wherever they come from.
const TYPES: &[&str] = &["fs", "File", "OpenOptions", "MmapedSafetensors"];

/// Packages that do nothing else.
const PACKAGES: &[&str] = &["tempfile", "memmap2"];

/// Functions of libraries that open a file by its path, by the end of theirs.
const FUNCTIONS: &[[&str; 2]] = &[
    ["Tokenizer", "from_file"],
    ["Reader", "from_path"],
    ["Writer", "from_path"],
    ["safetensors", "load"],
    ["safetensors", "save"],
    ["safetensors", "serialize_to_file"],
];

/// Methods of a path that ask the file system, with their brackets.
const METHODS: &[&str] = &[
    ".exists()",
    ".try_exists()",
    ".is_file()",
    ".is_dir()",
    ".is_symlink()",
    ".canonicalize()",
    ".read_dir()",
    ".read_link()",
    ".symlink_metadata()",
    ".from_path(",
];

/// All crates touch the file system through one of them, and core not at all, its unit tests included; `test` says that
/// only tests declare the file.
pub(crate) fn file_access(file: &RustFile<'_>, test: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(package) = package(file.path) else { return findings };
    if package == FILES || (test && package != CORE) || FILE_ACCESS.iter().any(|(path, _)| *path == file.path) {
        return findings;
    }
    let (code, expected) = match package {
        CORE => (&file.code, format!("no file access in {CORE}, nor in its tests")),
        _ => (&file.shipped, format!("file access through `{FILES}`")),
    };
    let mut find = |line, found: &str| {
        findings.push(Finding::new(file.path, line, "file-access", format!("`{found}`"), expected.clone()));
    };
    for path in lexer::paths(code) {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        let Some((last, folders)) = segments.split_last() else { continue };
        let touches = PACKAGES.contains(&segments[0])
            || folders.iter().any(|segment| TYPES.contains(segment))
            || (segments[0] == "std" && *last == "fs")
            || FUNCTIONS.iter().any(|function| segments.ends_with(function));
        if touches {
            find(path.line, &segments.join("::"));
        }
    }
    for method in METHODS {
        for (at, _) in code.match_indices(method) {
            find(lexer::line_of(code, at), method);
        }
    }
    findings
}

/// The names of a run folder's files: the string literals of one module that look like one.
pub(crate) fn run_file_names<'a>(files: &[RustFile<'a>]) -> BTreeSet<&'a str> {
    let layout = files.iter().filter(|file| file.path == LAYOUT);
    layout.flat_map(|file| file.strings.iter().map(|(_, text)| *text)).filter(|text| is_file_name(text)).collect()
}

/// Without that module, or with names in another form, the rule would find nothing, and say so never.
pub(crate) fn no_names(names: &BTreeSet<&str>) -> Option<Finding> {
    let expected = "the file names of a run folder as string literals";
    names.is_empty().then(|| Finding::new(LAYOUT, 1, "run-files", "no file name", expected))
}

/// Those names are literals nowhere else, neither alone nor as a part of a path, but for [`FOREIGN_NAMES`].
pub(crate) fn run_files(file: &RustFile<'_>, names: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if package(file.path).is_none() || file.path == LAYOUT {
        return findings;
    }
    for (line, text) in &file.strings {
        if let Some(name) =
            text.split('/').find(|part| names.contains(part) && !FOREIGN_NAMES.contains(&(file.path, *part)))
        {
            let expected = format!("the name that {LAYOUT} gives to it");
            findings.push(Finding::new(file.path, *line, "run-files", format!("the literal `{name}`"), expected));
        }
    }
    findings
}

/// The crate whose `src` holds the file.
fn package(path: &str) -> Option<&str> {
    let (package, file) = path.strip_prefix("crates/")?.split_once('/')?;
    file.starts_with("src/").then_some(package)
}

fn is_file_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split_once('.').is_some_and(|(stem, _)| !stem.is_empty()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::super::finding::tests::lines;
    use super::super::source::tests::source;
    use super::*;

    fn access(path: &str, text: &str) -> Vec<Finding> {
        let mut found = file_access(&RustFile::new(&source(path, text)).unwrap(), false);
        found.sort();
        found
    }

    #[test]
    fn files_are_opened_through_one_crate() {
        let text = "\
use std::{fs, io};
use std::fs::File;
fn f() { File::open(p); fs::read(p); }
use memmap2::Mmap;
// std::fs
fn g(file: crate::File, p: &Path) -> bool { p.exists() }
use tempfile::tempdir;
fn h() { csv::Reader::from_path(p); ReaderBuilder::new().from_path(p); Tokenizer::from_file(p) }
fn exists() { compexp_files::exists(p); x.is_directory() }
#[cfg(test)] mod tests { use std::fs; }
";
        let found = [1, 2, 3, 3, 4, 6, 7, 8, 8, 8];
        assert_eq!(lines(&access("crates/compexp-vision/src/a.rs", text)), found);
        assert_eq!(lines(&access("crates/compexp-core/src/a.rs", text)), [&found[..], &[10]].concat(), "its tests too");
        assert_eq!(file_access(&RustFile::new(&source("crates/compexp-vision/src/a.rs", text)).unwrap(), true), []);
        for free in ["crates/compexp-files/src/a.rs", "crates/compexp-vision/tests/a.rs", "xtask/src/a.rs"] {
            assert_eq!(access(free, text), [], "{free}");
        }
    }

    #[test]
    fn names_of_a_run_folder_stand_in_one_module() {
        let layout = "pub const A: &str = \"weights.csv\"; const B: &str = \"b.npy\"; const S: &str = \"a b.\"; const E: &str = \".csv\";";
        let sources = [
            source(LAYOUT, layout),
            source(
                "crates/compexp-report/src/a.rs",
                "fn f() { open(\"weights.csv\"); }\nfn g() { open(\"x/b.npy\") }\n// \"b.npy\"\n#[cfg(test)] mod tests { \"b.npy\" }\nfn h() { open(\"other.npy\", \"weights.csv is missing\", \".csv\") }\n",
            ),
            source("crates/compexp-report/tests/a.rs", "fn f() { open(\"weights.csv\"); }"),
        ];
        let files: Vec<_> = sources.iter().filter_map(RustFile::new).collect();
        let names = run_file_names(&files);
        assert!(names.iter().eq(["b.npy", "weights.csv"].iter()), "{names:?}");
        assert_eq!(no_names(&names), None);
        assert_eq!(lines(&Vec::from_iter(no_names(&BTreeSet::new()))), [1]);
        let found: Vec<Finding> = files.iter().flat_map(|file| run_files(file, &names)).collect();
        assert_eq!(lines(&found), [1, 2]);
        assert!(found[0].to_string().contains("found the literal `weights.csv`, expected the name that crates/"));
    }
}
