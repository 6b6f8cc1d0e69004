//! The list of public artifacts: `data/artifacts.toml`, which says what its fields mean.

use std::collections::BTreeSet;
use std::path::Path;

use compexp_files::read_text;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::http::origin;
use crate::unpack::{Form, Take, is_inside};

/// The text of `data/artifacts.toml`.
const TEXT: &str = include_str!("../../../data/artifacts.toml");

/// The version of the file.
const VERSION: u32 = 1;

/// The longest list, in bytes.
const MAX_LIST: u64 = 1 << 20;

/// A public artifact.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// How it is asked for.
    pub name: String,
    /// What it is.
    pub what: String,
    /// As its publisher states it.
    pub licence: String,
    /// Its size in bytes, rounded, where it is known.
    pub about: Option<u64>,
    /// Its published hash.
    pub sha256: Option<String>,
    /// The page of that.
    pub sha256_page: Option<String>,
    /// The name of the download.
    pub file: String,
    /// The form of the archive that it is; none if the download itself is the artifact.
    pub unpack: Option<Form>,
    /// What is taken from the archive.
    #[serde(default)]
    pub take: Vec<Take>,
    /// Where it is, in the order of trying.
    pub urls: Vec<Address>,
    /// Whether nobody has fetched it with this list yet.
    #[serde(default)]
    pub untried: bool,
}

/// An address, and the public page that names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Where the file is.
    pub url: String,
    /// The page that says so.
    pub page: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    version: u32,
    artifact: Vec<Artifact>,
}

impl Artifact {
    /// The paths that it has in the folder of artifacts.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let file = self.unpack.is_none().then_some(&*self.file);
        file.into_iter().chain(self.take.iter().map(|take| &*take.to))
    }
}

/// The artifacts that compexp knows.
///
/// # Errors
/// `Error::List` if the list that was built in is wrong.
pub fn artifacts() -> Result<Vec<Artifact>> {
    parse(TEXT)
}

/// The artifacts of another list, in the same form.
///
/// # Errors
/// `Error::Files` if the file cannot be read; `Error::List` if it is wrong.
pub fn read_list(path: &Path) -> Result<Vec<Artifact>> {
    parse(&read_text(path, MAX_LIST)?).map_err(|e| match e {
        Error::List(text) => Error::List(format!("`{}`: {text}", path.display())),
        other => other,
    })
}

/// The artifacts of these names, in the order of the list; all of them if there are no names.
///
/// # Errors
/// `Error::Unknown`, also if a name is given twice in different spellings.
pub fn named(all: Vec<Artifact>, names: &[String]) -> Result<Vec<Artifact>> {
    if names.is_empty() {
        return Ok(all);
    }
    if let Some(name) = names.iter().find(|name| all.iter().all(|artifact| artifact.name != **name)) {
        let known: Vec<&str> = all.iter().map(|artifact| &*artifact.name).collect();
        return Err(Error::Unknown { name: name.clone(), known: known.join(", ") });
    }
    Ok(all.into_iter().filter(|artifact| names.contains(&artifact.name)).collect())
}

/// Reads a list.
///
/// # Errors
/// `Error::List`
pub fn parse(text: &str) -> Result<Vec<Artifact>> {
    let list: List = toml::from_str(text).map_err(|e| Error::List(e.to_string()))?;
    if list.version != VERSION {
        return Err(Error::List(format!("version: found {}, expected {VERSION}", list.version)));
    }
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for artifact in &list.artifact {
        let name = &artifact.name;
        let fail = |text: String| Err(Error::List(format!("`{name}`: {text}")));
        let is_plain = |name: &str| is_inside(name) && !name.contains('/') && !name.starts_with('.');
        if !is_plain(name) || !names.insert(name) {
            return fail("found the name twice or with other signs, expected a plain name of its own".to_owned());
        }
        if !is_plain(&artifact.file) {
            return fail(format!("file: found `{}`, expected a plain name", artifact.file));
        }
        if artifact.unpack.is_some() == artifact.take.is_empty() {
            return fail("found one of `unpack` and `take`, expected both or neither".to_owned());
        }
        for place in artifact.places() {
            if !is_inside(place) || place.starts_with('.') || !places.insert(place) {
                return fail(format!("`{place}`: found a path that is taken or leads out, expected one of its own"));
            }
        }
        let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        if artifact.sha256.as_ref().is_some_and(|hash| !is_hash(hash)) {
            return fail("sha256: expected 64 hexadecimal digits".to_owned());
        }
        if artifact.sha256.is_some() != artifact.sha256_page.is_some() {
            return fail("expected sha256 and the page that it was taken from".to_owned());
        }
        if artifact.urls.is_empty() {
            return fail("urls: found none, expected at least one".to_owned());
        }
        for address in &artifact.urls {
            for url in [&address.url, &address.page] {
                origin(url).map_err(|e| Error::List(format!("`{name}`: {e}")))?;
            }
        }
    }
    Ok(list.artifact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_right_and_holds_what_the_paper_needs() {
        let all = artifacts().unwrap();
        let names: Vec<&str> = all.iter().map(|a| &*a.name).collect();
        for name in ["broden-224", "broden-227", "places365-resnet18", "snli", "snli-model", "glove", "spacy-en"] {
            assert!(names.contains(&name), "{name}");
        }
        assert!(all.iter().all(|a| a.untried), "a name is tried only if somebody fetched it");
        assert_eq!(named(all.clone(), &["glove".into()]).unwrap().len(), 1);
        assert_eq!(named(all.clone(), &[]).unwrap().len(), all.len());
        let e = named(all, &["glove".into(), "gloves".into()]).unwrap_err().to_string();
        assert!(e.contains("no artifact `gloves`, expected one of broden-224, "), "{e}");
    }

    #[test]
    fn what_is_wrong_in_a_list_is_told() {
        let entry = |text: &str| {
            let plain = [
                ("name", "name = \"a\""),
                ("what", "what = \"w\""),
                ("licence", "licence = \"l\""),
                ("file", "file = \"f\""),
                ("urls", "urls = [{ url = \"http://a.org/f\", page = \"http://a.org\" }]"),
            ];
            let kept = plain.iter().filter(|(key, _)| !text.lines().any(|line| line.starts_with(&format!("{key} "))));
            let lines: Vec<&str> = kept.map(|(_, line)| *line).chain([text]).collect();
            format!("[[artifact]]\n{}\n", lines.join("\n"))
        };
        let read = |text: &str| parse(&format!("version = 1\n{text}"));
        assert_eq!(read(&entry("")).unwrap().len(), 1);
        for (text, part) in [
            (entry("file = \"../f\""), "plain name"),
            (entry("name = \"a/b\""), "plain name"),
            (entry("unpack = \"zip\""), "both or neither"),
            (entry("unpack = \"rar\"\ntake = []"), "unknown variant"),
            (entry("unpack = \"zip\"\ntake = [{ from = \"x\", to = \"../x\" }]"), "leads out"),
            (entry("unpack = \"zip\"\ntake = [{ from = \"x\", to = \"/x\" }]"), "leads out"),
            (entry("sha256 = \"12\"\nsha256_page = \"http://a.org\""), "64 hexadecimal"),
            (entry(&format!("sha256 = \"{}\"", "a".repeat(64))), "the page"),
            (entry("urls = []"), "at least one"),
            (entry("urls = [{ url = \"ftp://a.org/f\", page = \"http://a.org\" }]"), "http"),
            (entry("colour = \"red\""), "unknown field `colour`"),
            (entry("") + &entry(""), "twice"),
            (entry("") + &entry("name = \"b\""), "taken"),
        ] {
            let e = read(&text).unwrap_err().to_string();
            assert!(e.contains(part), "{text}\n{e}");
        }
        assert!(parse("version = 2\nartifact = []").unwrap_err().to_string().contains("version: found 2"));
        assert!(parse("artifact = 7").is_err() && parse("{").is_err());
    }
}
