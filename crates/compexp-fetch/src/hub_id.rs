//! Ids of the hub: `hf://[datasets/]owner/name[@revision][/path]`.

use std::fmt;

use crate::error::{Error, Result};
use crate::unpack::is_inside;

/// How an id begins.
pub(crate) const SCHEME: &str = "hf://";

/// The revision that is meant where none is given.
const MAIN: &str = "main";

/// A repository of the hub at a revision, or a file or folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubId {
    /// Whether it is a data set, and not a model.
    pub datasets: bool,
    /// `owner/name`
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The path in it; none for the whole repository.
    pub path: Option<String>,
}

impl HubId {
    /// Whether a text is meant as an id.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Reads an id. A slash in a revision is written `%2F`.
    ///
    /// # Errors
    /// `Error::HubId`
    pub fn parse(text: &str) -> Result<Self> {
        let fail = |found: String| Error::HubId { id: text.to_owned(), found };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| fail("found no `hf://`".to_owned()))?;
        let (datasets, rest) = match rest.split_once('/') {
            Some(("datasets", rest)) => (true, rest),
            Some(("models", rest)) => (false, rest),
            Some(("spaces", _)) => return Err(fail("found a space".to_owned())),
            _ => (false, rest),
        };
        let mut parts = rest.splitn(3, '/');
        let owner = parts.next().unwrap_or_default();
        let name = parts.next().ok_or_else(|| fail("found no name of a repository".to_owned()))?;
        let (name, revision) = name.split_once('@').unwrap_or((name, MAIN));
        let revision = revision.replace("%2F", "/").replace("%2f", "/");
        let path = parts.next().map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty());
        for part in [owner, name] {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if part.is_empty() || !part.chars().all(plain) || part.starts_with('.') || part.contains("--") {
                return Err(fail(format!("found `{part}` as an owner or a name")));
            }
        }
        let is_revision = is_inside(&revision) && revision.chars().all(|c| c.is_ascii_graphic() && !"?#%&".contains(c));
        if !is_revision {
            return Err(fail(format!("found `{revision}` as a revision")));
        }
        if let Some(path) = path
            && (!is_inside(path) || path.split('/').any(|part| part.is_empty() || part == "."))
        {
            return Err(fail(format!("found `{path}` as a path")));
        }
        Ok(Self { datasets, repository: format!("{owner}/{name}"), revision, path: path.map(str::to_owned) })
    }

    /// The same at another revision.
    pub(crate) fn at(&self, revision: &str) -> Self {
        Self { revision: revision.to_owned(), ..self.clone() }
    }

    /// The same with another path.
    pub(crate) fn file(&self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self.clone() }
    }

    /// The part of an address that names the repository, below `kind`.
    pub(crate) fn place(&self, kinds: [&str; 2]) -> String {
        format!("{}{}", kinds[usize::from(self.datasets)], self.repository)
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.place(["", "datasets/"]))?;
        if self.revision != MAIN {
            write!(f, "@{}", self.revision.replace('/', "%2F"))?;
        }
        match &self.path {
            Some(path) => write!(f, "/{path}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        for (text, datasets, repository, revision, path) in [
            ("hf://a/b", false, "a/b", "main", None),
            ("hf://a/b@v1.0/c/d.bin", false, "a/b", "v1.0", Some("c/d.bin")),
            ("hf://datasets/a-1/b_2/c d.csv", true, "a-1/b_2", "main", Some("c d.csv")),
            ("hf://a/b@refs%2Fpr%2F1/c", false, "a/b", "refs/pr/1", Some("c")),
        ] {
            let id = HubId::parse(text).unwrap();
            let expected = HubId {
                datasets,
                repository: repository.into(),
                revision: revision.into(),
                path: path.map(str::to_owned),
            };
            assert_eq!(id, expected);
            assert_eq!(id.to_string(), text);
        }
        assert_eq!(HubId::parse("hf://models/a/b@main/c/").unwrap().to_string(), "hf://a/b/c");
    }

    #[test]
    fn what_is_no_id_is_told() {
        for text in [
            "hf://",
            "hf://a",
            "hf:///b",
            "hf://a//c",
            "hf://a/b/../c",
            "hf://a/b@/c",
            "hf://a/b@../c",
            "hf://spaces/a/b",
            "hf://a b/c",
            "hf://.a/b",
            "hf://a/b//c",
            "hf://a/b/c\\d",
            "hf://a--b/c",
            "http://a/b",
            "hf://datasets/a",
            "hf://a/b@x?y/c",
        ] {
            assert!(matches!(HubId::parse(text), Err(Error::HubId { .. })), "{text}");
        }
    }
}
