//! The files that rules look at.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// One file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the workspace, with `/` between folders.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The files of the workspace; one that is not UTF-8 or holds a NUL is data, whose text is of no concern here.
pub(crate) fn read_sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in list_files(root)? {
        let bytes = match fs::read(root.join(&path)) {
            // Tracked, and deleted in this working tree.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read.with_context(|| format!("cannot read `{path}`"))?,
        };
        // Data stays in the list, without its text: links may lead to it.
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).unwrap_or_default();
        sources.push(Source { path, text });
    }
    Ok(sources)
}

/// The files that git tracks, or, where `root` is no checkout, all but what a build leaves.
fn list_files(root: &Path) -> Result<Vec<String>> {
    let tracked = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    if let Ok(output) = tracked
        && output.status.success()
    {
        let names = String::from_utf8(output.stdout).context("a tracked file has a name that is not UTF-8")?;
        let names: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
        // None are tracked where an unpacked archive lies inside somebody else's checkout.
        if !names.is_empty() {
            return Ok(names);
        }
    }
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort();
    Ok(files)
}

fn walk(root: &Path, folder: &str, files: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(root.join(folder)).with_context(|| format!("cannot list `{folder}`"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list `{folder}`"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.file_type().with_context(|| format!("cannot look at `{path}`"))?.is_dir() {
            if !matches!(path.as_str(), ".git" | ".compexp" | "target") {
                walk(root, &path, files)?;
            }
        } else if path != ".git" {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cargo::workspace;

    pub(crate) fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_walk_finds_what_git_tracks() {
        let root = &workspace();
        let mut walked = Vec::new();
        walk(root, "", &mut walked).unwrap();
        let walked: BTreeSet<String> = walked.into_iter().collect();
        let listed = list_files(root).unwrap();
        assert!(listed.iter().any(|path| path == "xtask/src/main.rs"), "{listed:?}");
        for path in listed {
            assert!(walked.contains(&path) || !root.join(&path).exists(), "the walk missed {path}");
        }
    }
}
