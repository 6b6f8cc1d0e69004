//! The rule that configuration is typed: no value is looked up by a string.

use super::finding::Finding;
use super::lexer;
use super::rust::RustFile;

/// What configuration is called, so that `.get("...")` on it is a look-up by string; other maps may have string keys.
const CONFIGURATIONS: &[&str] = &["config", "provenance", "inputs", "settings", "options", "parameters", "paths"];

/// Words after which a bracket opens an array or a pattern, not an index.
const KEYWORDS: &[&str] = &["in", "let", "return", "match", "if", "else", "break", "mut", "ref", "box", "dyn", "as"];

/// Nothing is indexed by a string literal, no JSON pointer is followed, and no `.get("...")` asks a configuration.
pub(crate) fn look_ups(file: &RustFile<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shipped = &file.shipped;
    if !file.path.starts_with("crates/") {
        return findings;
    }
    for (at, _) in shipped.match_indices('"') {
        let (before, after) = (&shipped[..at], &shipped[at + 1..]);
        let Some(after) = after.find('"').map(|end| after[end + 1..].trim_start()) else { continue };
        let found = if let Some(indexed) = before.trim_end().strip_suffix('[') {
            (after.starts_with(']') && is_value(indexed)).then_some("an index that is a string literal")
        } else if before.ends_with(".pointer(") {
            Some("a JSON pointer")
        } else if let Some(asked) = before.strip_suffix(".get(") {
            CONFIGURATIONS.contains(&last_word(asked)).then_some("a configuration asked by a string literal")
        } else {
            None
        };
        if let Some(found) = found {
            let line = lexer::line_of(shipped, at);
            findings.push(Finding::new(file.path, line, "look-ups", found, "a field of a typed configuration"));
        }
    }
    findings
}

/// Whether what ends here is a value that a bracket after it indexes.
fn is_value(before: &str) -> bool {
    match before.trim_end().chars().next_back() {
        Some(')' | ']' | '?') => true,
        _ => {
            let word = last_word(before);
            !word.is_empty() && !KEYWORDS.contains(&word)
        }
    }
}

/// The name at the end of `text`; of `a.b()` it is `b`.
fn last_word(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches("()");
    let start = text.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::finding::tests::lines;
    use super::super::source::tests::source;
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        lines(&look_ups(&RustFile::new(&source("crates/x/src/a.rs", text)).unwrap()))
    }

    #[test]
    fn a_configuration_is_not_asked_by_a_string() {
        for text in [
            "let a = &config[\"inputs\"];",
            "let a = run.value()[ \"inputs\" ][0];",
            "let a = value[\"inputs\"][\"layer\"].as_str();",
            "let a = self.config.get(\"layer\");",
            "let a = run.config().get(\"layer\");",
            "let a = value.pointer(\"/inputs/layer\");",
        ] {
            assert!(!found(text).is_empty(), "nothing found in {text}");
        }
        assert_eq!(found("\n\nlet a = (x?)\n[\"k\"];"), [4]);
    }

    #[test]
    fn arrays_patterns_and_other_maps_are_free() {
        for text in [
            "for a in [\"x\"] {}",
            "let a = vec![\"x\"]; let b = &[\"y\"]; f([\"z\"]);",
            "if let [\"x\"] = words {}",
            "match words { [\"x\"] => {} }",
            "#[command(alias = \"x\")] struct A;",
            "#[cfg(test)] mod tests { fn f() { config[\"x\"] } }",
            "// config[\"x\"]",
            "metadata.get(\"words\");",
            "a[i].push(\"x\"); b[name];",
        ] {
            assert_eq!(found(text), [0; 0], "in {text}");
        }
    }
}
