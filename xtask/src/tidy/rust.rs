//! Rules on Rust files.

use super::finding::Finding;
use super::lexer;
use super::source::Source;

/// Lines of a file before its tests.
const MAX_LINES: usize = 500;

/// A Rust file with its readings.
pub(crate) struct RustFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    /// Without comments and the insides of literals; same places.
    pub(crate) code: String,
    /// `code` without items under `#[cfg(test)]`; nothing where the whole file is a test.
    pub(crate) shipped: String,
    /// The string literals of `shipped`, as written, with their lines.
    pub(crate) strings: Vec<(usize, &'a str)>,
    test_lines: usize,
}

impl<'a> RustFile<'a> {
    /// `None` for files of other kinds.
    pub(crate) fn new(source: &'a Source) -> Option<Self> {
        if !source.path.ends_with(".rs") {
            return None;
        }
        let code = lexer::code(&source.text);
        let mut tests = lexer::test_items(&code);
        if is_test_file(&source.path) {
            tests = std::iter::once(0..code.len()).collect();
        }
        let shipped = lexer::blank(&code, &tests);
        let text = &source.text;
        let strings = lexer::strings(text).into_iter().filter(|range| !tests.iter().any(|t| t.contains(&range.start)));
        let strings = strings.map(|range| (lexer::line_of(text, range.start), &text[range])).collect();
        let test_lines = tests.into_iter().map(|item| code[item].lines().count()).sum();
        Some(Self { path: &source.path, text, code, shipped, strings, test_lines })
    }
}

/// Every file says first what it is.
pub(crate) fn opening(file: &RustFile<'_>) -> Vec<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    if first.starts_with("//!") {
        return Vec::new();
    }
    vec![Finding::new(file.path, 1, "opening", format!("`{first}`"), "a first line that starts with `//!`")]
}

/// A long file wants to be two.
pub(crate) fn length(file: &RustFile<'_>) -> Vec<Finding> {
    let lines = file.text.lines().count() - file.test_lines;
    if lines <= MAX_LINES {
        return Vec::new();
    }
    let found = format!("{lines} lines without tests");
    vec![Finding::new(file.path, MAX_LINES + 1, "length", found, format!("at most {MAX_LINES}"))]
}

/// A test that does not run says why.
pub(crate) fn ignored_tests(file: &RustFile<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in file.code.match_indices("ignore") {
        let before = file.code[..at].trim_end();
        let after = file.code[at + "ignore".len()..].trim_start();
        let attribute = before.ends_with("#[") || (before.ends_with(',') && after.starts_with(")]"));
        let value = after.strip_prefix('=').map(|value| value.trim_start());
        if attribute && value.is_none_or(|value| value.starts_with("\"\"")) {
            let line = lexer::line_of(&file.code, at);
            let expected = "`#[ignore = \"reason and the command that runs it\"]`";
            findings.push(Finding::new(file.path, line, "ignored-tests", "a test ignored without a reason", expected));
        }
    }
    findings
}

/// Folders of tests and benches, and `tests.rs` beside the code it tests.
fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::tests::lines;
    use super::super::source::tests::source;
    use super::*;

    fn findings(path: &str, text: &str, rule: fn(&RustFile<'_>) -> Vec<Finding>) -> Vec<Finding> {
        rule(&RustFile::new(&source(path, text)).unwrap())
    }

    #[test]
    fn a_file_must_open_with_a_module_comment() {
        let text = "// Not a doc comment.\nfn f() {}\n";
        let found = findings("a.rs", text, opening);
        assert_eq!(
            found[0].to_string(),
            "a.rs:1: opening: found `// Not a doc comment.`, expected a first line that starts with `//!`"
        );
        assert_eq!(findings("a.rs", "", opening).len(), 1);
        assert_eq!(findings("a.rs", "//! What it is.\n", opening), []);
    }

    #[test]
    fn lines_before_the_tests_are_limited() {
        let long = "fn f() {}\n".repeat(501);
        let found = findings("src/a.rs", &long, length);
        assert_eq!(found[0].to_string(), "src/a.rs:501: length: found 501 lines without tests, expected at most 500");
        assert_eq!(findings("src/a.rs", &"fn f() {}\n".repeat(500), length), []);
    }

    #[test]
    fn lines_of_tests_and_benches_are_free() {
        let long = "fn f() {}\n".repeat(501);
        assert_eq!(findings("src/a.rs", &format!("fn g() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n"), length), []);
        assert_eq!(findings("tests/src/a.rs", &long, length), []);
        assert_eq!(findings("crates/x/benches/a.rs", &long, length), []);
    }

    #[test]
    fn a_declared_test_module_at_the_top_exempts_nothing_below_it() {
        let text = format!("#[cfg(test)]\nmod oracle;\n{}", "fn f() {}\n".repeat(501));
        assert_eq!(findings("src/a.rs", &text, length).len(), 1);
    }

    #[test]
    fn ignoring_a_test_needs_a_reason() {
        let text = "\
#[ignore]
#[ignore = \"\"]
#[cfg_attr(debug_assertions, ignore)]
#[ignore = \"a minute: cargo test -- --ignored\"]
// #[ignore]
fn ignore(ignore: u8) { f(x, ignore) }
";
        assert_eq!(lines(&findings("a.rs", text, ignored_tests)), [1, 2, 3]);
    }
}
