//! Artifacts: from their addresses to their places in a folder.
//!
//! | in the folder | holds |
//! |---|---|
//! | `downloads/` | archives that are not unpacked yet, parts of downloads, and what was put there by hand |
//! | `fetched.json` | the hash of every download, and from where it came |
//! | everything else | the artifacts |

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use compexp_files::{
    AtomicFile, FolderLock, Place, SourceFile, beside, is_there, make_folder, put_in_place, read_json, remove_tree,
    write_json,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::download::{Downloader, Fetched, Wanted, Watch, hex};
use crate::error::{Error, Result};
use crate::list::Artifact;
use crate::unpack::{Limits, stated, unpack};

/// The version of `fetched.json`.
const VERSION: u32 = 1;

/// Where downloads are.
const DOWNLOADS: &str = "downloads";

/// What was fetched.
const STATE: &str = "fetched.json";

/// A source that is asked in place of the addresses of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// A folder with the files, under the names of the list.
    Folder(PathBuf),
    /// An address that the name of the file is appended to.
    Url(String),
}

/// What became of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was fetched.
    Fetched,
    /// It was there.
    UpToDate,
    /// Somebody put it there, and its hash is not known.
    Found,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    version: u32,
    artifacts: BTreeMap<String, Known>,
}

/// What is known of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// The hash of the download.
    sha256: String,
    /// Its length.
    bytes: u64,
    /// From where it came.
    from: String,
    /// Whether all of it is in its places.
    complete: bool,
}

/// A folder of artifacts, which no other process fetches into meanwhile.
#[derive(Debug)]
pub struct Collection<'a> {
    folder: PathBuf,
    downloader: &'a Downloader,
    mirrors: Vec<Mirror>,
    limits: Limits,
    state: State,
    _lock: FolderLock,
}

impl<'a> Collection<'a> {
    /// Opens the folder, or makes it. Without `mirrors` the addresses of the list are used.
    ///
    /// # Errors
    /// `Error::Files` if another process fetches into it, or it cannot be read.
    pub fn open(folder: &Path, downloader: &'a Downloader, mirrors: Vec<Mirror>) -> Result<Self> {
        let lock = FolderLock::take(folder)?;
        make_folder(folder)?;
        let path = folder.join(STATE);
        let state = match is_there(&path)? {
            true => read_json(&path)?,
            false => State { version: VERSION, ..State::default() },
        };
        if state.version != VERSION {
            let (found, expected) = (state.version.to_string(), VERSION.to_string());
            return Err(compexp_files::Error::format(&path, "version", found, expected).into());
        }
        let limits = Limits::default();
        Ok(Self { folder: folder.to_owned(), downloader, mirrors, limits, state, _lock: lock })
    }

    /// Brings an artifact to its places.
    ///
    /// # Errors
    /// `Error::Moved` if no address has it; `Error::Checksum` if it is not what was published or fetched before; the errors of
    /// downloads and archives.
    pub fn fetch(&mut self, artifact: &Artifact, watch: &dyn Watch) -> Result<Outcome> {
        let known = self.state.artifacts.get(&artifact.name).cloned();
        let expected = artifact.sha256.clone().or(known.as_ref().map(|known| known.sha256.clone()));
        let download = self.folder.join(DOWNLOADS).join(&artifact.file);
        if self.is_complete(artifact)? {
            return match (known, artifact.unpack) {
                (Some(known), None) => {
                    self.check(&self.folder.join(&artifact.file), Some(&known.sha256), watch)?;
                    Ok(Outcome::UpToDate)
                }
                (Some(known), Some(_)) if known.complete => Ok(Outcome::UpToDate),
                // Killed while it was put in its places, or put there by hand.
                (Some(_), Some(_)) if is_there(&download)? => self.put(artifact, &download, watch),
                (_, Some(_)) => Ok(Outcome::Found),
                (None, None) => {
                    let path = self.folder.join(&artifact.file);
                    let found = self.check(&path, expected.as_deref(), watch)?;
                    self.record(artifact, found, "put there by hand", true)?;
                    Ok(if artifact.sha256.is_some() { Outcome::UpToDate } else { Outcome::Found })
                }
            };
        }
        let here = is_there(&download)?;
        let (found, from) = match here {
            true => {
                let from = known.map_or("put there by hand".to_owned(), |known| known.from);
                (self.check(&download, expected.as_deref(), watch)?, from)
            }
            false => self.bring(artifact, &download, expected.as_deref(), watch)?,
        };
        self.record(artifact, found, &from, false)?;
        let put = self.put(artifact, &download, watch);
        if let Err(Error::Archive { .. }) = &put
            && expected.is_none()
        {
            // What does not unpack must not decide what the next download has to be.
            self.state.artifacts.remove(&artifact.name);
            write_json(&self.folder.join(STATE), &self.state)?;
            if !here {
                remove_tree(&download)?;
            }
        }
        put
    }

    fn is_complete(&self, artifact: &Artifact) -> Result<bool> {
        for place in artifact.places() {
            if !is_there(&self.folder.join(place))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The download, from the first source that has it.
    fn bring(
        &self,
        artifact: &Artifact,
        to: &Path,
        sha256: Option<&str>,
        watch: &dyn Watch,
    ) -> Result<(Fetched, String)> {
        let listed = || artifact.urls.iter().map(|address| Mirror::Url(address.url.clone())).collect();
        let sources: Vec<Mirror> = match &self.mirrors[..] {
            [] => listed(),
            mirrors => mirrors.iter().map(|mirror| mirror.of(&artifact.file)).collect(),
        };
        let mut last = None;
        for source in &sources {
            let (brought, from) = match source {
                Mirror::Folder(path) => (self.copy(path, to, sha256, watch), path.display().to_string()),
                Mirror::Url(url) => {
                    let wanted = Wanted { url, to, sha256, bytes: None, token: None };
                    (self.downloader.download(&wanted, watch), url.clone())
                }
            };
            match brought {
                Ok(fetched) => return Ok((fetched, from)),
                Err(e @ (Error::Unreachable { .. } | Error::Interrupted { .. } | Error::Busy { .. }))
                    if sources.len() == 1 =>
                {
                    return Err(e);
                }
                Err(e) if e.is_of_source() => {
                    watch.say(&e.to_string());
                    last = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        let fallback = Error::List(format!("`{}`: no address", artifact.name));
        match last.unwrap_or(fallback) {
            // What came is not what is known: this is not for a user to mend by hand.
            e @ Error::Checksum { .. } => Err(e),
            last => Err(Error::Moved {
                name: artifact.name.clone(),
                file: artifact.file.clone(),
                place: to.to_owned(),
                last: Box::new(last),
            }),
        }
    }

    /// A file of a mirror's folder.
    fn copy(&self, from: &Path, to: &Path, sha256: Option<&str>, watch: &dyn Watch) -> Result<Fetched> {
        if Place::behind(from)? == Place::Nothing {
            let url = from.display().to_string();
            return Err(Error::Answer { url, found: "nothing".to_owned() });
        }
        let folder = self.folder.join(DOWNLOADS);
        make_folder(&folder)?;
        let file = SourceFile::open(from)?;
        self.downloader.check_space(&folder, file.len())?;
        let mut copy = AtomicFile::create(to)?;
        let fetched = read_through(&file, watch, |bytes| {
            copy.write_all(bytes).map_err(|e| compexp_files::Error::io("write", to)(e).into())
        })?;
        compare(from, sha256, &fetched)?;
        copy.commit()?;
        Ok(fetched)
    }

    /// The hash of a file that is here, which must be the one that is known.
    fn check(&self, path: &Path, sha256: Option<&str>, watch: &dyn Watch) -> Result<Fetched> {
        let fetched = read_through(&SourceFile::open(path)?, watch, |_| Ok(()))?;
        compare(path, sha256, &fetched)?;
        Ok(fetched)
    }

    fn record(&mut self, artifact: &Artifact, found: Fetched, from: &str, complete: bool) -> Result<()> {
        let known = Known { sha256: found.sha256, bytes: found.bytes, from: from.to_owned(), complete };
        self.state.artifacts.insert(artifact.name.clone(), known);
        Ok(write_json(&self.folder.join(STATE), &self.state)?)
    }

    /// Puts a download, or what it holds, in its places.
    fn put(&mut self, artifact: &Artifact, download: &Path, watch: &dyn Watch) -> Result<Outcome> {
        match artifact.unpack {
            None => {
                put_in_place(download, &self.folder.join(&artifact.file))?;
            }
            Some(form) => {
                let staging = beside(download, "unpacked")?;
                remove_tree(&staging)?;
                make_folder(&staging)?;
                let bytes = stated(download, form, &artifact.take)?;
                if let Some(bytes) = bytes {
                    self.downloader.check_space(&self.folder, bytes)?;
                }
                watch.start(&format!("unpacking {}", artifact.file), bytes);
                let mut done = 0;
                let mut told = |bytes| {
                    done += bytes;
                    watch.at(done);
                };
                let unpacked = unpack(download, form, &artifact.take, &staging, self.limits, &mut told);
                if let Err(e) = unpacked {
                    remove_tree(&staging)?;
                    return Err(e);
                }
                for take in &artifact.take {
                    let place = self.folder.join(&take.to);
                    if let Some(parent) = place.parent() {
                        make_folder(parent)?;
                    }
                    put_in_place(&staging.join(&take.to), &place)?;
                }
                remove_tree(&staging)?;
            }
        }
        if let Some(known) = self.state.artifacts.get_mut(&artifact.name) {
            known.complete = true;
        }
        write_json(&self.folder.join(STATE), &self.state)?;
        // What is unpacked is not needed twice.
        remove_tree(download)?;
        Ok(Outcome::Fetched)
    }
}

impl Mirror {
    /// The source of a file.
    fn of(&self, file: &str) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(folder.join(file)),
            Self::Url(url) => Self::Url(format!("{}/{file}", url.trim_end_matches('/'))),
        }
    }
}

/// Reads a file to its end, and hashes it.
fn read_through(file: &SourceFile, watch: &dyn Watch, mut then: impl FnMut(&[u8]) -> Result<()>) -> Result<Fetched> {
    watch.start(&file.path().display().to_string(), Some(file.len()));
    let mut hash = Sha256::new();
    let mut buffer = vec![0; (1 << 18).min(file.len()) as usize];
    let mut at = 0;
    while at < file.len() {
        let n = (buffer.len() as u64).min(file.len() - at) as usize;
        file.read_at(&mut buffer[..n], at)?;
        hash.update(&buffer[..n]);
        then(&buffer[..n])?;
        at += n as u64;
        watch.at(at);
    }
    Ok(Fetched { sha256: hex(hash), bytes: at })
}

fn compare(path: &Path, sha256: Option<&str>, found: &Fetched) -> Result<()> {
    match sha256 {
        Some(expected) if !expected.eq_ignore_ascii_case(&found.sha256) => Err(Error::Checksum {
            what: format!("`{}`", path.display()),
            found: found.sha256.clone(),
            expected: format!("{expected}; remove the file to fetch it again"),
        }),
        _ => Ok(()),
    }
}
