//! The folder of a spaCy model: what it is, before one of its files is missed.

use std::path::{Path, PathBuf};

use compexp_files::{Place, entries};

use crate::error::{Error, Result};

/// The files that tell a model folder from others.
const SIGNS: [&str; 5] = ["config.cfg", "tokenizer", "tagger/cfg", "tagger/model", "tok2vec/model"];

/// How many folders a package has around its model.
const DEPTH: usize = 3;

/// Refuses what is no folder of a spaCy model, and names the model if it is deeper in the folder.
///
/// # Errors
/// `Error::Format` if `folder` is missing, a file, or a folder without the files of a model.
pub(crate) fn expect_model(folder: &Path) -> Result<()> {
    let expected = "the folder of a spaCy model (with config.cfg, tokenizer, tagger, tok2vec)";
    let refused = |found: &str, hint: String| Err(Error::format(folder, "model", found, format!("{expected}{hint}")));
    match Place::behind(folder)? {
        Place::Nothing => {
            let name = folder.to_str().is_some_and(|text| !text.contains(['/', '\\', '.']));
            let hint = if name { ": give a path, not the name of a package" } else { "" };
            refused("nothing at this path", hint.into())
        }
        Place::File(_) | Place::Other => refused("a file", ": unpack an archive first".into()),
        Place::Folder if is_model(folder)? => Ok(()),
        Place::Folder => match below(folder, DEPTH)? {
            Some(model) => refused("a package", format!(": the model is in `{}`", model.display())),
            None => refused("another folder", String::new()),
        },
    }
}

/// Whether any file of a model is in the folder: what else is missing is then told by its reader.
fn is_model(folder: &Path) -> Result<bool> {
    for sign in SIGNS {
        if Place::behind(&folder.join(sign))? != Place::Nothing {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first model below a folder.
fn below(folder: &Path, depth: usize) -> Result<Option<PathBuf>> {
    for entry in entries(folder)? {
        if entry.place == Place::Folder {
            if is_model(&entry.path)? {
                return Ok(Some(entry.path));
            }
            if depth > 1
                && let Some(found) = below(&entry.path, depth - 1)?
            {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn a_model_is_told_from_its_package_and_from_other_things() {
        let scratch = Scratch::new();
        std::fs::create_dir_all(scratch.path("package/en-3.8.0/tagger")).unwrap();
        scratch.write("package/__init__.py", b"");
        scratch.write("package/en-3.8.0/config.cfg", b"");
        scratch.write("en.tar.gz", b"");
        std::fs::create_dir(scratch.path("empty")).unwrap();
        expect_model(&scratch.path("package/en-3.8.0")).unwrap();
        for (name, message) in [
            ("package", "found a package, expected the folder of a spaCy model"),
            ("package", "en-3.8.0`"),
            ("empty", "found another folder"),
            ("en.tar.gz", "found a file"),
            ("none", "found nothing at this path"),
        ] {
            let e = expect_model(&scratch.path(name)).unwrap_err().to_string();
            assert!(e.contains(message), "{e}");
        }
        let e = expect_model(Path::new("en_core_web_sm")).unwrap_err().to_string();
        assert!(e.contains("give a path, not the name of a package"), "{e}");
    }
}
