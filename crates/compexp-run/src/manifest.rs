//! The manifest of a run folder: which files belong to it, and their hashes.
//!
//! ```json
//! {
//!   "version": 1,
//!   "command": "explain",
//!   "run": "<hash of the run>",
//!   "files": { "activity.npy": { "size": 129, "blake3": "..." }, ... },
//!   "added": [ { "command": "vision ablate", "run": "<the same>", "files": { ... } } ],
//!   "blake3": "<hash of all other bytes of this file>"
//! }
//! ```
//!
//! `run` is a hash of the names and contents of all `files` but `config.json`, which also says where inputs were found, and
//! may be written anew when they move. For that moment `moved` holds what `config.json` may be besides.

use std::collections::BTreeMap;
use std::path::Path;

use compexp_files::{ContentHash, Place, SourceFile, entries, hash_file, write_bytes};
use serde::{Deserialize, Serialize};

use crate::error::{Damage, Error, Result};
use crate::layout::{CONFIG, MANIFEST, is_leftover};

/// The longest manifest that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

const VERSION: u32 = 1;

/// How the hash of the manifest itself begins and ends; between them are its 64 digits.
const HASH_BEFORE: &str = ",\n  \"blake3\": \"";
const HASH_AFTER: &str = "\"\n}\n";
const DIGITS: usize = 64;

/// The size and hash of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its length in bytes.
    pub size: u64,
    /// The hash of its content: 64 hexadecimal digits.
    pub blake3: String,
}

/// Files by their path in the run folder, with `/` between its parts.
pub type Files = BTreeMap<String, FileRecord>;

/// What a later command added to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addition {
    /// The command.
    pub command: String,
    /// The hash of the run that the files were made from.
    pub run: String,
    /// The files.
    pub files: Files,
}

/// What `manifest.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// The command that made the run.
    pub command: String,
    /// The hash of the run.
    pub run: String,
    /// The files of the run itself.
    pub files: Files,
    /// What later commands added.
    pub added: Vec<Addition>,
    /// What `config.json` is about to be, while it is written anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<FileRecord>,
}

impl FileRecord {
    /// The record of the file at `path`.
    ///
    /// # Errors
    /// `Error::File` if it cannot be read, or is no plain file.
    pub fn of(path: &Path) -> Result<Self> {
        let size = SourceFile::open(path)?.len();
        Ok(Self { size, blake3: hash_file(path)? })
    }
}

impl Manifest {
    /// The manifest of a run of `command` that has these files.
    pub fn new(command: &str, files: Files) -> Self {
        let mut hash = ContentHash::new("run");
        for (name, record) in files.iter().filter(|(name, _)| *name != CONFIG) {
            hash.field(name, record.blake3.as_bytes());
        }
        Self {
            version: VERSION,
            command: command.to_owned(),
            run: hash.finish(),
            files,
            added: Vec::new(),
            moved: None,
        }
    }

    /// The manifest in the run folder `dir`; none where there is none.
    ///
    /// # Errors
    /// `Error::Damaged` if it is not as it was written, or of another version; `Error::File` if it cannot be read.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(MANIFEST);
        match Place::at(&path)? {
            Place::Nothing => return Ok(None),
            Place::File(_) => {}
            Place::Folder | Place::Other => return Err(damaged(dir, MANIFEST, Damage::NoFile, "")),
        }
        let file = SourceFile::open(&path)?;
        let text = file.read_all(MAX_BYTES)?;
        let changed = || damaged(dir, MANIFEST, Damage::Changed, "");
        let parts = text
            .strip_suffix(HASH_AFTER.as_bytes())
            .and_then(|text| text.split_at_checked(text.len().checked_sub(DIGITS)?));
        let (before, digits) = parts.ok_or_else(changed)?;
        if hash_around(before) != String::from_utf8_lossy(digits) {
            return Err(changed());
        }
        let found: Self = serde_json::from_slice(&text).map_err(|_| changed())?;
        if found.version != VERSION {
            return Err(Error::format(&path, "version", found.version.to_string(), VERSION.to_string()));
        }
        Ok(Some(found))
    }

    /// Writes the manifest into the run folder `dir`, in one step.
    ///
    /// # Errors
    /// `Error::File`
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(MANIFEST);
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::io("write", &path)(e.into()))?;
        let mut text = text.strip_suffix("\n}").unwrap_or(&text).to_owned();
        text += HASH_BEFORE;
        text += &hash_around(text.as_bytes());
        text += HASH_AFTER;
        Ok(write_bytes(&path, text.as_bytes())?)
    }

    /// The record of a file, and the command that makes it.
    pub fn find(&self, name: &str) -> Option<(&FileRecord, &str)> {
        let own = self.files.get(name).map(|record| (record, self.command.as_str()));
        own.or_else(|| self.added.iter().find_map(|a| Some((a.files.get(name)?, a.command.as_str()))))
    }

    /// Every file with its record.
    pub fn all(&self) -> impl Iterator<Item = (&String, &FileRecord)> {
        self.files.iter().chain(self.added.iter().flat_map(|a| &a.files))
    }

    /// Checks the file `name` of the run folder `dir`. One that is not named counts as damage too.
    ///
    /// # Errors
    /// `Error::Damaged` if it is missing, changed, or no plain file; `Error::File` if it cannot be read.
    pub fn check(&self, dir: &Path, name: &str) -> Result<()> {
        let Some((record, command)) = self.find(name) else {
            return Err(damaged(dir, name, Damage::Missing, &self.command));
        };
        let moved = self.moved.as_ref().filter(|_| name == CONFIG);
        if self.added.iter().any(|a| a.run != self.run && a.files.contains_key(name)) {
            return Err(damaged(dir, name, Damage::OtherRun, command));
        }
        let path = dir.join(name);
        match Place::at(&path)? {
            Place::File(bytes) if bytes == record.size || moved.is_some_and(|m| m.size == bytes) => {}
            Place::File(_) => return Err(damaged(dir, name, Damage::Changed, command)),
            Place::Nothing => return Err(damaged(dir, name, Damage::Missing, command)),
            Place::Folder | Place::Other => return Err(damaged(dir, name, Damage::NoFile, command)),
        }
        let found = FileRecord::of(&path)?;
        match found == *record || moved == Some(&found) {
            true => Ok(()),
            false => Err(damaged(dir, name, Damage::Changed, command)),
        }
    }

    /// Checks every file.
    ///
    /// # Errors
    /// Those of [`Self::check`], for the first file in order.
    pub fn check_all(&self, dir: &Path) -> Result<()> {
        self.all().try_for_each(|(name, _)| self.check(dir, name))
    }
}

fn hash_around(before: &[u8]) -> String {
    let mut all = before.to_vec();
    all.extend(HASH_AFTER.as_bytes());
    let mut hash = ContentHash::new("manifest");
    hash.field("bytes", &all).finish()
}

pub(crate) fn damaged(dir: &Path, name: &str, damage: Damage, command: &str) -> Error {
    let again = match command {
        "" => "make the run again: give its command with --force".to_owned(),
        "report" | "analyze" | "vision ablate" | "nli ablate" => format!("make it again: `compexp {command} RUN`"),
        _ => format!("make it again: give `compexp {command}` with --force, or the command that added it once more"),
    };
    Error::Damaged { path: dir.join(name), damage, again }
}

/// The records of all files below `dir`, under names that start with `prefix`; leftovers are left out, and so are links and
/// what else is no file.
///
/// # Errors
/// `Error::File`
pub(crate) fn records(dir: &Path, prefix: &str, into: &mut Files) -> Result<()> {
    for entry in entries(dir)? {
        let Some(name) = entry.text().filter(|name| !is_leftover(name)) else { continue };
        match entry.place {
            Place::Folder => records(&entry.path, &format!("{prefix}{name}/"), into)?,
            Place::File(_) => drop(into.insert(format!("{prefix}{name}"), FileRecord::of(&entry.path)?)),
            Place::Nothing | Place::Other => {}
        }
    }
    Ok(())
}
