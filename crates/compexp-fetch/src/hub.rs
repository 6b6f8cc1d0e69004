//! Files of the Hugging Face hub, in the cache that its other programs use.
//!
//! The layout of the cache is that of `hf-hub`: `blobs/` holds contents by their tags, `snapshots/COMMIT/` has links to them
//! under the names of files, and `refs/REVISION` holds the commit of a branch. What is in the cache is used without asking
//! the hub, as `hf-hub` does.
//!
//! The requests are this crate's own. Those of `hf-hub` 0.5 send the token to whatever host a redirect of a large file names,
//! compare no hash, and append a whole file to a part where a server does not know ranges.

use std::path::{Path, PathBuf};

use compexp_files::{FolderLock, Place, beside, entries, is_there, make_folder, point_to, read_text, write_bytes};
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use crate::download::{Downloader, Wanted, Watch};
use crate::error::{Error, Result};
use crate::http::{Follow, Request, Response};
use crate::hub_id::HubId;

/// The address of the hub.
const ENDPOINT: &str = "https://huggingface.co";

/// The longest answer of the hub that is read, in bytes: a list of files.
const MAX_ANSWER: u64 = 64 << 20;

/// Weights in forms that are not read here, or stand beside others: not part of a model folder.
const OTHER_FORMS: [&str; 11] =
    [".h5", ".msgpack", ".ot", ".tflite", ".gguf", ".ggml", ".whl", ".mlmodel", ".onnx", ".onnx_data", ".mlpackage"];

/// The forms of weights that are read here, but not where there are safetensors.
const PICKLES: [&str; 4] = [".bin", ".pt", ".pth", ".ckpt"];

/// Where the hub and its cache are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubSettings {
    /// Another address of the hub.
    pub endpoint: Option<String>,
    /// The folder of the cache: `hub` in `HF_HOME`.
    pub cache: PathBuf,
    /// Whose private repositories are read. It goes to the hub, and to no other host.
    pub token: Option<String>,
}

impl HubSettings {
    /// As the variables of the environment say: `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN`. Without the last, the token that
    /// other programs saved in `HF_HOME` is used.
    ///
    /// # Errors
    /// `Error::Files` if there is neither `HF_HOME` nor a home.
    pub fn from_env() -> Result<Self> {
        let text = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        if text("HF_HOME").is_none() && std::env::home_dir().is_none_or(|home| home.as_os_str().is_empty()) {
            let source =
                std::io::Error::new(std::io::ErrorKind::NotFound, "set HF_HOME to a folder for the hub's files");
            return Err(compexp_files::Error::io("find", Path::new("the home folder"))(source).into());
        }
        let cache = Cache::from_env();
        let token = text("HF_TOKEN").map(|token| token.trim().to_owned()).or_else(|| cache.token());
        Ok(Self { endpoint: text("HF_ENDPOINT"), cache: cache.path().clone(), token })
    }
}

/// Whether `HF_HUB_OFFLINE` says that nothing may be fetched.
pub fn hub_is_offline() -> bool {
    let text = std::env::var("HF_HUB_OFFLINE").unwrap_or_default().to_ascii_uppercase();
    ["1", "ON", "YES", "TRUE"].contains(&&*text)
}

/// The hub with its cache.
#[derive(Debug)]
pub struct Hub<'a> {
    settings: HubSettings,
    downloader: &'a Downloader,
}

/// What the hub says of a file.
struct Meta {
    commit: String,
    /// The name of its content.
    tag: String,
    bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl<'a> Hub<'a> {
    /// With these settings.
    pub fn new(settings: HubSettings, downloader: &'a Downloader) -> Self {
        Self { settings, downloader }
    }

    /// The local path of a file, folder or whole repository, which is fetched if it is not in the cache. Of a repository with
    /// safetensors, weights in other forms are left out.
    ///
    /// # Errors
    /// `Error::HubMissing`, `Error::HubDenied`; `Error::Offline` if it is not in the cache and nothing may be fetched; the errors
    /// of downloads.
    pub fn resolve(&self, id: &HubId, watch: &dyn Watch) -> Result<PathBuf> {
        if let Some(path) = &id.path {
            if let Some(commit) = self.commit(id)? {
                let cached = self.snapshot(id, &commit).join(path);
                match Place::behind(&cached)? {
                    Place::File(_) => return Ok(cached),
                    Place::Folder => return self.folder(id, watch),
                    Place::Nothing | Place::Other => {}
                }
            }
            match self.file(id, watch) {
                // A folder is no file: it has no address, but files below it.
                Err(Error::HubMissing { what: "file", .. }) => {}
                other => return other,
            }
        }
        self.folder(id, watch)
    }

    /// As [`Self::resolve`]. Where the file is not in the cache, the files `companions` of its repository are fetched with it, if
    /// it has them.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_with(&self, id: &HubId, companions: &[String], watch: &dyn Watch) -> Result<PathBuf> {
        if self.cached(id)?.is_none() {
            // First, so that they are not left out for good if the command ends in between.
            for companion in companions {
                match self.file(&id.file(companion), watch) {
                    // Where more than this file is missing, the error is that of the file itself.
                    Ok(_) | Err(Error::HubMissing { .. } | Error::Offline { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
        }
        self.resolve(id, watch)
    }

    /// The path that an id has in the cache if it is there. Nothing is fetched.
    ///
    /// # Errors
    /// `Error::Files` if the system cannot tell.
    pub fn cached(&self, id: &HubId) -> Result<Option<PathBuf>> {
        let Some(commit) = self.commit(id)? else { return Ok(None) };
        let snapshot = self.snapshot(id, &commit);
        let path = id.path.as_ref().map_or_else(|| snapshot.clone(), |path| snapshot.join(path));
        Ok(match Place::behind(&path)? {
            Place::Nothing => None,
            _ => Some(path),
        })
    }

    /// The file, which is not in the cache.
    fn file(&self, id: &HubId, watch: &dyn Watch) -> Result<PathBuf> {
        let path = id.path.as_deref().unwrap_or_default();
        let (url, meta) = self.meta(id)?;
        let pointer = self.snapshot(id, &meta.commit).join(path);
        let blob = self.repository(id).join("blobs").join(&meta.tag);
        make_folder(&self.repository(id).join("blobs"))?;
        let lock = FolderLock::take(&blob)?;
        if !is_there(&blob)? {
            // The tag of a large file is its hash.
            let sha256 = (meta.tag.len() == 64).then_some(&*meta.tag);
            let token = self.settings.token.as_deref();
            let wanted = Wanted { url: &url, to: &blob, sha256, bytes: meta.bytes, token };
            let fetched = self.downloader.download(&wanted, watch);
            fetched.map_err(|e| self.told(e, id))?;
        }
        drop(lock);
        let depth = path.split('/').count() + 1;
        let target = Path::new(&"../".repeat(depth)).join("blobs").join(&meta.tag);
        if let Some(parent) = pointer.parent() {
            make_folder(parent)?;
        }
        point_to(&target, &pointer)?;
        self.refer(id, &meta.commit)?;
        Ok(pointer)
    }

    /// A whole repository, or a folder of it.
    fn folder(&self, id: &HubId, watch: &dyn Watch) -> Result<PathBuf> {
        let whole = |commit: &str| match &id.path {
            Some(path) => self.snapshot(id, commit).join(path),
            None => self.snapshot(id, commit),
        };
        let known = self.commit(id)?;
        if let Some(commit) = &known {
            let repository = HubId { path: None, ..id.clone() };
            for id in [id, &repository] {
                if is_there(&self.mark(id, commit)?)? {
                    return Ok(whole(commit));
                }
            }
            // What another program put there is taken as it is.
            let path = whole(commit);
            if self.downloader.is_offline() && Place::behind(&path)? == Place::Folder && !entries(&path)?.is_empty() {
                return Ok(path);
            }
        }
        let kinds = ["models/", "datasets/"];
        let url = format!("{}/api/{}/revision/{}", self.endpoint(), id.place(kinds), id.revision.replace('/', "%2F"));
        let response = self.ask(id, &url, false)?;
        let mut text = String::new();
        let mut body = std::io::Read::take(response.body, MAX_ANSWER);
        let wrong = |found: String| Error::Answer { url: url.clone(), found };
        std::io::Read::read_to_string(&mut body, &mut text).map_err(|e| wrong(e.to_string()))?;
        let listing: Listing = serde_json::from_str(&text).map_err(|e| wrong(format!("no list of files: {e}")))?;
        let sha = self.name_of(&url, &listing.sha)?;
        let below = id.path.as_ref().map(|path| format!("{path}/"));
        let names: Vec<&str> = listing.siblings.iter().map(|file| &*file.rfilename).collect();
        let names: Vec<&str> =
            names.iter().copied().filter(|name| below.as_ref().is_none_or(|below| name.starts_with(below))).collect();
        let names = match id.datasets {
            true => names,
            false => of_model(&names),
        };
        if names.is_empty() {
            let what = if id.path.is_some() { "file" } else { "repository" };
            return Err(Error::HubMissing { id: id.to_string(), what });
        }
        // All of one commit, whatever is pushed meanwhile.
        let pinned = id.at(&sha);
        for name in names {
            // The name comes from the hub.
            let file = HubId::parse(&pinned.file(name).to_string())?;
            let there = self.snapshot(id, &sha).join(name);
            if !matches!(Place::behind(&there)?, Place::File(_)) {
                self.file(&file, watch)?;
            }
        }
        self.refer(id, &sha)?;
        write_bytes(&self.mark(id, &sha)?, b"")?;
        Ok(whole(&sha))
    }

    /// The file that says that a folder is in the cache as a whole.
    fn mark(&self, id: &HubId, commit: &str) -> Result<PathBuf> {
        let kind = match &id.path {
            Some(path) => format!("whole.{}", path.replace('/', "--")),
            None => "whole".to_owned(),
        };
        Ok(beside(&self.snapshot(id, commit), &kind)?)
    }

    fn endpoint(&self) -> &str {
        self.settings.endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/')
    }

    fn repo(id: &HubId) -> Repo {
        let kind = if id.datasets { RepoType::Dataset } else { RepoType::Model };
        Repo::with_revision(id.repository.clone(), kind, id.revision.clone())
    }

    /// The folder of a repository in the cache.
    fn repository(&self, id: &HubId) -> PathBuf {
        self.settings.cache.join(Self::repo(id).folder_name())
    }

    fn snapshot(&self, id: &HubId, commit: &str) -> PathBuf {
        Cache::new(self.settings.cache.clone()).repo(Self::repo(id)).pointer_path(commit)
    }

    /// The commit that the cache has for a revision.
    fn commit(&self, id: &HubId) -> Result<Option<String>> {
        let path = self.repository(id).join("refs").join(&id.revision);
        if let Place::File(_) = Place::behind(&path)? {
            let commit = read_text(&path, 1000)?.trim().to_owned();
            return Ok(is_name(&commit).then_some(commit));
        }
        Ok(is_commit(&id.revision).then(|| id.revision.clone()))
    }

    /// Keeps the commit of a branch.
    fn refer(&self, id: &HubId, commit: &str) -> Result<()> {
        if is_commit(&id.revision) {
            return Ok(());
        }
        let path = self.repository(id).join("refs").join(&id.revision);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        Ok(write_bytes(&path, commit.as_bytes())?)
    }

    /// The address of a file, and what the hub says of it.
    fn meta(&self, id: &HubId) -> Result<(String, Meta)> {
        let revision = id.revision.replace('/', "%2F");
        let path = id.path.as_deref().map(escape).unwrap_or_default();
        let url = format!("{}/{}/resolve/{revision}/{path}", self.endpoint(), id.place(["", "datasets/"]));
        let response = self.ask(id, &url, true)?;
        let wrong = |found: &str| Error::Answer { url: url.clone(), found: found.to_owned() };
        let commit = response.header("x-repo-commit").ok_or_else(|| wrong("no commit (X-Repo-Commit)"))?;
        let tag = response.header("x-linked-etag").or(response.header("etag"));
        let tag = tag.ok_or_else(|| wrong("no ETag"))?.trim_start_matches("W/").trim_matches('"');
        let linked = response.number("x-linked-size");
        // Of a redirect the length is that of its text.
        let bytes = linked.or_else(|| response.number("content-length").filter(|_| response.status == 200));
        let meta = Meta { commit: self.name_of(&url, commit)?, tag: self.name_of(&url, tag)?, bytes };
        Ok((url, meta))
    }

    /// A name that the hub gives, which becomes one of a file.
    fn name_of(&self, url: &str, text: &str) -> Result<String> {
        match is_name(text) {
            true => Ok(text.to_owned()),
            false => Err(Error::Answer { url: url.to_owned(), found: format!("`{text}` as a commit or a tag") }),
        }
    }

    /// Asks the hub itself: another host that it redirects to knows nothing of commits.
    fn ask(&self, id: &HubId, url: &str, head: bool) -> Result<Response> {
        let token = self.settings.token.as_deref();
        let headers = [("Accept-Encoding", "identity")];
        let request = Request { url, token, headers: &headers, follow: Follow::SameOrigin, head };
        let response = self.downloader.http.send(request).map_err(|e| self.told(e, id))?;
        let missing = |what| Err(Error::HubMissing { id: id.to_string(), what });
        match (response.status, response.header("x-error-code").unwrap_or_default()) {
            (200 | 301 | 302 | 303 | 307 | 308, _) => Ok(response),
            (_, "EntryNotFound") => missing("file"),
            (_, "RevisionNotFound") => missing("revision"),
            (_, "RepoNotFound") => missing("repository"),
            (status, "GatedRepo") => Err(Error::HubDenied { id: id.to_string(), status }),
            (404, _) if id.path.is_some() && head => missing("file"),
            // For whoever has no right, a private repository does not exist.
            (401 | 404, _) => missing("repository"),
            (403, _) => Err(Error::HubDenied { id: id.to_string(), status: 403 }),
            (status, _) => Err(Error::Answer { url: url.to_owned(), found: format!("status {status}") }),
        }
    }

    /// An error in the words of the hub.
    fn told(&self, error: Error, id: &HubId) -> Error {
        match error {
            Error::Offline { .. } => Error::Offline { what: format!("`{id}`") },
            other => other,
        }
    }
}

/// The `hf://` spelling, at its commit, of a path that is in a cache of the hub; none for other paths.
pub fn hub_spelling(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
    let at = parts.windows(3).rposition(|three| three[1] == "snapshots" && is_name(three[2]))?;
    let (datasets, repository) = match parts[at].split_once("--")? {
        ("models", name) => (false, name),
        ("datasets", name) => (true, name),
        _ => return None,
    };
    let path = parts[at + 3..].join("/");
    let id = HubId {
        datasets,
        repository: repository.replacen("--", "/", 1),
        revision: parts[at + 2].to_owned(),
        path: (!path.is_empty()).then_some(path),
    };
    HubId::parse(&id.to_string()).ok().filter(|parsed| *parsed == id).map(|id| id.to_string())
}

/// The files of a model folder: of weights in several forms those that are read here.
fn of_model<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let safe = names.iter().any(|name| name.ends_with(".safetensors"));
    let ends = |name: &str, ends: &[&str]| ends.iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let left_out = |name: &str| {
        ends(name, &OTHER_FORMS)
            || (safe && (ends(name, &PICKLES) || name.ends_with(".bin.index.json")))
            || name.split('/').next_back().is_some_and(|name| name.starts_with('.'))
            || name.starts_with("coreml/")
            || name.starts_with("onnx/")
    };
    names.iter().copied().filter(|name| !left_out(name)).collect()
}

/// Whether a text is a commit.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text can be the name of a file.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 200 && !text.starts_with('.') && text.chars().all(plain)
}

/// A path in an address.
fn escape(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_cache_is_spelled_as_an_id() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let of = |text: &str| hub_spelling(Path::new(text));
        let cache = "cache/huggingface/hub";
        assert_eq!(
            of(&format!("{cache}/models--a--b-c/snapshots/{commit}/d/e.bin#f")).unwrap(),
            format!("hf://a/b-c@{commit}/d/e.bin#f")
        );
        assert_eq!(
            of(&format!("{cache}/datasets--a--b/snapshots/{commit}")).unwrap(),
            format!("hf://datasets/a/b@{commit}")
        );
        for other in
            ["/a/snapshots/b", "/models--a/snapshots/x/y", "/spaces--a--b/snapshots/x/y", "snapshots", "/a/b/c"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_model_folder_has_its_weights_once() {
        let all = [
            ".gitattributes",
            "README.md",
            "config.json",
            "tokenizer.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "pytorch_model-00001-of-00002.bin",
            "pytorch_model.bin.index.json",
            "tf_model.h5",
            "onnx/model.onnx",
            "vocab/lookups.bin.txt",
        ];
        assert_eq!(
            of_model(&all),
            [
                "README.md",
                "config.json",
                "tokenizer.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
                "vocab/lookups.bin.txt",
            ]
        );
        assert_eq!(of_model(&["config.json", "pytorch_model.bin", "a.whl"]), ["config.json", "pytorch_model.bin"]);
    }
}
