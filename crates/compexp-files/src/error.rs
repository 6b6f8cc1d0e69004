//! The errors of this crate: each names the file, what was found and what was expected.

use std::path::{Path, PathBuf};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused an operation, or a file ended early.
    #[error("cannot {op} `{}`: {source}", path.display())]
    Io {
        /// What was attempted: `read`, `write`, `create`, ...
        op: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file does not hold what its format asks for.
    #[error("`{}`: {field}: found {found}, expected {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The part of it that is wrong: `shape`, `dtype`, `line 3`, ...
        field: String,
        /// What the file holds.
        found: String,
        /// What it must hold, with a hint at the fix where there is one.
        expected: String,
    },
    /// A caller asked for something that does not fit the file.
    #[error("{what}: found {found}, expected {expected}")]
    Mismatch {
        /// The quantity: `elements of ...`, ...
        what: String,
        /// The value found.
        found: String,
        /// The value expected, with a hint at the fix where there is one.
        expected: String,
    },
    /// Another process is writing to a folder.
    #[error("`{}` is in use by {holder}: wait until it is done, or name another folder", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// Who holds its lock: the process number and the host.
        holder: String,
    },
}

impl Error {
    /// An [`Error::Io`] for `op` on `path`; use with `map_err`.
    pub fn io(op: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { op, path, source }
    }

    /// The same error about another path: that of a file that is written under another name first.
    pub fn about(self, path: &Path) -> Self {
        match self {
            Self::Io { op, source, .. } => Self::Io { op, path: path.to_owned(), source },
            other => other,
        }
    }

    /// An [`Error::Format`] about `field` of the file `path`.
    pub fn format(
        path: &Path,
        field: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let [field, found, expected] = [field.into(), found.into(), expected.into()].map(shortened);
        Self::Format { path: path.to_owned(), field, found, expected }
    }

    /// An [`Error::Mismatch`] of `what`.
    pub fn mismatch(what: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        let [what, found, expected] = [what.into(), found.to_string(), expected.to_string()].map(shortened);
        Self::Mismatch { what, found, expected }
    }
}

/// The most characters of one part of a message. A list of twenty names fits; a name of 100 KB does not.
const MAX_PART: usize = 1000;

fn shortened(text: String) -> String {
    shorten(text, MAX_PART)
}

/// The text, cut after `most` characters: messages are no place for names of 100 KB.
pub fn shorten(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The beginning of a text for a message, in backticks: what hostile files hold can be long.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// At most the first twenty of `names` for a message, in backticks; "none" if there are none.
pub fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{}`", name.as_ref())).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    if names.is_empty() { "none".into() } else { shown.join(", ") + &more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        let long = "\u{e4}".repeat(100_000);
        assert_eq!(excerpt(&long), format!("`{}...`", "\u{e4}".repeat(60)));
        assert_eq!(excerpt("short"), "`short`");
        let format = Error::format(Path::new("a"), &*long, &*long, &*long).to_string();
        let mismatch = Error::mismatch(&*long, &long, &long).to_string();
        for text in [format, mismatch] {
            assert!(text.chars().count() < 3 * MAX_PART + 100, "{}", text.len());
        }
    }
}
