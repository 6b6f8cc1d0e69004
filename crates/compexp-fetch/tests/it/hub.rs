//! A hub on loopback, and its cache.

use std::path::{Path, PathBuf};

use compexp_fetch::{Downloader, Error, Hub, HubId, HubSettings, Result, Settings, hub_spelling};
use compexp_tests::files::Scratch;
use compexp_tests::server::{Asked, Reply, Server, nobody};

use crate::{Told, noise, quick};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OLDER: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// The hash of [`noise`] of 5,000 bytes, by Python.
const WEIGHTS: &str = "365967501eff1d1936d90792c4a2cb518254b9532cf441ce3ef385b2ede94663";

/// What the hub answers about the repository `some/model`; large files are at `elsewhere`.
fn hub(elsewhere: &str) -> impl Fn(&Asked) -> Reply + Send + Sync + use<> {
    let elsewhere = elsewhere.to_owned();
    move |asked| {
        let file = |commit: &str, content: &[u8], tag: &str| {
            Reply::file(content, &format!("\"{tag}\""), asked).with("X-Repo-Commit", commit)
        };
        let missing = |code| Reply::status(404).with("X-Error-Code", code);
        match &*asked.path {
            "/some/model/resolve/main/config.json" => file(COMMIT, b"{\"new\": 1}", "aa11"),
            "/some/model/resolve/v1/config.json" => file(OLDER, b"{}", "bb22"),
            path if *path == format!("/some/model/resolve/{COMMIT}/config.json") => file(COMMIT, b"{\"new\": 1}", "aa11"),
            path if path.ends_with("/weights/a.safetensors") && path.starts_with("/some/model/resolve/") => {
                Reply::redirect(302, &format!("{elsewhere}/blob"))
                    .with("X-Repo-Commit", COMMIT)
                    .with("X-Linked-Etag", &format!("\"{WEIGHTS}\""))
                    .with("X-Linked-Size", "5000")
            }
            "/datasets/some/set/resolve/main/a%20b.csv" => file(COMMIT, b"x,y\n", "cc33"),
            "/api/models/some/model/revision/main" => Reply::body(
                format!(
                    r#"{{"sha": "{COMMIT}", "siblings": [{{"rfilename": ".gitattributes"}}, {{"rfilename": "config.json"}},
                    {{"rfilename": "weights/a.safetensors"}}, {{"rfilename": "pytorch_model.bin"}}]}}"#
                )
                .as_bytes(),
            ),
            "/api/models/evil/model/revision/main" => Reply::body(
                format!(r#"{{"sha": "{COMMIT}", "siblings": [{{"rfilename": "../../../evil"}}]}}"#).as_bytes(),
            ),
            "/gated/model/resolve/main/x" => Reply::status(403).with("X-Error-Code", "GatedRepo"),
            path if path.starts_with("/some/model/resolve/main/") => missing("EntryNotFound"),
            path if path.starts_with("/some/model/resolve/") => missing("RevisionNotFound"),
            _ => Reply::status(401).with("X-Error-Code", "RepoNotFound"),
        }
    }
}

struct Case {
    scratch: Scratch,
    settings: HubSettings,
    downloader: Downloader,
}

impl Case {
    fn new(endpoint: &str, settings: Settings) -> Self {
        let scratch = Scratch::new();
        let cache = scratch.path("hub");
        let hub = HubSettings { endpoint: Some(endpoint.to_owned()), cache, token: Some("secret".to_owned()) };
        Self { scratch, settings: hub, downloader: Downloader::new(settings) }
    }

    fn resolve(&self, id: &str) -> Result<PathBuf> {
        Hub::new(self.settings.clone(), &self.downloader).resolve(&HubId::parse(id).unwrap(), &Told::default())
    }

    fn cache(&self, path: &str) -> PathBuf {
        self.scratch.path("hub").join(path)
    }

    /// The same cache without network.
    fn offline(self) -> Self {
        let mut settings = quick();
        settings.http.offline = true;
        Self { downloader: Downloader::new(settings), ..self }
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_file_comes_into_the_cache_as_other_programs_have_it() {
    let other = Server::start(|asked| Reply::file(&noise(5000), "\"v\"", asked));
    let server = Server::start(hub(&other.url("")));
    let case = Case::new(&server.url(""), quick());
    let path = case.resolve("hf://some/model/weights/a.safetensors").unwrap();
    assert_eq!(path, case.cache(&format!("models--some--model/snapshots/{COMMIT}/weights/a.safetensors")));
    assert_eq!(read(&path), noise(5000));
    assert_eq!(read(&case.cache(&format!("models--some--model/blobs/{WEIGHTS}"))), noise(5000));
    assert_eq!(read(&case.cache("models--some--model/refs/main")), COMMIT.as_bytes());
    #[cfg(unix)]
    assert_eq!(std::fs::read_link(&path).unwrap(), Path::new(&format!("../../../blobs/{WEIGHTS}")));
    assert_eq!(hub_spelling(&path).unwrap(), format!("hf://some/model@{COMMIT}/weights/a.safetensors"));
    // The library of the hub finds it.
    let library = hf_hub::Cache::new(case.cache(""));
    assert_eq!(library.model("some/model".into()).get("weights/a.safetensors"), Some(path.clone()));
    // The token went to the hub, and not to where it keeps large files.
    assert!(server.asked().iter().all(|asked| asked.header("authorization") == "Bearer secret"));
    assert!(other.asked().iter().all(|asked| asked.header("authorization").is_empty()) && !other.asked().is_empty());
    let before = server.asked().len();
    assert_eq!(case.resolve("hf://some/model/weights/a.safetensors").unwrap(), path);
    assert_eq!(case.resolve(&format!("hf://some/model@{COMMIT}/weights/a.safetensors")).unwrap(), path);
    assert_eq!(server.asked().len(), before, "what is in the cache is not asked for");
    let data = case.resolve("hf://datasets/some/set/a b.csv").unwrap();
    assert_eq!(read(&data), b"x,y\n");
    assert!(data.starts_with(case.cache("datasets--some--set")));
    let case = case.offline();
    assert_eq!(case.resolve("hf://some/model/weights/a.safetensors").unwrap(), path);
    let e = case.resolve("hf://some/model/config.json").unwrap_err();
    assert!(e.to_string().starts_with("`hf://some/model/config.json` is not here, and nothing may be fetched"), "{e}");
}

#[test]
fn revisions_are_told_apart() {
    let server = Server::start(hub(""));
    let case = Case::new(&server.url(""), quick());
    assert_eq!(read(&case.resolve("hf://some/model@v1/config.json").unwrap()), b"{}");
    assert_eq!(read(&case.resolve("hf://some/model/config.json").unwrap()), b"{\"new\": 1}");
    assert_eq!(read(&case.cache("models--some--model/refs/v1")), OLDER.as_bytes());
}

#[test]
fn a_repository_is_a_model_folder() {
    let other = Server::start(|asked| Reply::file(&noise(5000), "\"v\"", asked));
    let server = Server::start(hub(&other.url("")));
    let case = Case::new(&server.url(""), quick());
    let folder = case.resolve("hf://some/model").unwrap();
    assert_eq!(folder, case.cache(&format!("models--some--model/snapshots/{COMMIT}")));
    assert_eq!(read(&folder.join("weights/a.safetensors")), noise(5000));
    assert_eq!(read(&folder.join("config.json")), b"{\"new\": 1}");
    assert!(!folder.join("pytorch_model.bin").exists() && !folder.join(".gitattributes").exists());
    let before = server.asked().len();
    assert_eq!(case.resolve("hf://some/model").unwrap(), folder);
    assert_eq!(server.asked().len(), before);
    let weights = case.resolve("hf://some/model/weights").unwrap();
    assert_eq!(weights, folder.join("weights"), "a folder of it");
    assert_eq!(server.asked().len(), before);
    let case = case.offline();
    assert_eq!(case.resolve("hf://some/model/weights").unwrap(), weights);
    // A folder alone.
    let other = Case::new(&server.url(""), quick());
    let weights = other.resolve("hf://some/model/weights").unwrap();
    assert_eq!(read(&weights.join("a.safetensors")), noise(5000));
    assert!(!weights.with_file_name("config.json").exists());
    assert_eq!(other.offline().resolve("hf://some/model/weights").unwrap(), weights);
    assert_eq!(case.resolve("hf://some/model").unwrap(), folder);
    let e = Case::new(&server.url(""), quick()).resolve("hf://evil/model").unwrap_err();
    assert!(matches!(e, Error::HubId { .. }), "{e}");
}

#[test]
fn what_the_hub_has_not_is_told() {
    let server = Server::start(hub(""));
    let case = Case::new(&server.url(""), quick());
    for (id, part) in [
        ("hf://some/model/none.bin", "no such file"),
        ("hf://some/model@v9/config.json", "no such revision"),
        ("hf://nobody/model/config.json", "no such repository"),
        ("hf://nobody/model", "no such repository"),
        ("hf://gated/model/x", "accept its terms"),
    ] {
        let e = case.resolve(id).unwrap_err().to_string();
        assert!(e.contains(part) && e.contains(id), "{e}");
    }
    let e = Case::new(&nobody(), quick()).resolve("hf://some/model/config.json").unwrap_err();
    assert!(matches!(e, Error::Unreachable { .. }), "{e}");
}

#[test]
fn wrong_bytes_and_a_full_disk_leave_nothing_in_the_cache() {
    let other = Server::start(|asked| Reply::file(&noise(5001)[1..], "\"v\"", asked));
    let server = Server::start(hub(&other.url("")));
    let case = Case::new(&server.url(""), quick());
    let e = case.resolve("hf://some/model/weights/a.safetensors").unwrap_err();
    assert!(matches!(&e, Error::Checksum { expected, .. } if expected == WEIGHTS), "{e}");
    assert!(!case.cache(&format!("models--some--model/snapshots/{COMMIT}")).exists());
    assert_eq!(std::fs::read_dir(case.cache("models--some--model/blobs")).unwrap().count(), 0);
    let other = Server::start(|asked| Reply::file(&noise(4000), "\"v\"", asked));
    let server = Server::start(hub(&other.url("")));
    let e = Case::new(&server.url(""), quick()).resolve("hf://some/model/weights/a.safetensors").unwrap_err();
    assert!(matches!(e, Error::Length { .. }), "{e}");
    let case = Case::new(&server.url(""), Settings { free: |_| Ok(Some(10)), ..quick() });
    let e = case.resolve("hf://some/model/config.json").unwrap_err();
    assert!(matches!(e, Error::Full { free: 10, .. }), "{e}");
}
