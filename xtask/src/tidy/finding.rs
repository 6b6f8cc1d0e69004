//! What a rule finds.

use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) found: String,
    pub(crate) expected: String,
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Lines of the findings, for rules whose rule name and message are checked elsewhere.
    pub(crate) fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_finding_says_where_what_and_what_instead() {
        let finding = Finding::new("a/b.rs", 3, "blanks", "a tab", "spaces");
        assert_eq!(finding.to_string(), "a/b.rs:3: blanks: found a tab, expected spaces");
    }
}
