//! One file from one address: resumed, retried, and hashed while it is written.
//!
//! Until a download is complete it lies beside its place, as `.NAME.partial`, with what the server said of it in
//! `.NAME.partial.json`. The next try asks for the rest of the same version (`If-Range`); if the server has another one by
//! now, it starts anew. Bytes are written as they come, so that a killed process loses no more than one buffer.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use compexp_files::{GrowingFile, beside, free_space, make_folder, read_json, remove_tree, write_json};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::http::{Follow, Http, HttpSettings, Request, Response};

/// The bytes that are read at a time.
const BUFFER: usize = 1 << 17;

/// Room that is left on a disk, beside what is written.
const SPARE: u64 = 16 << 20;

/// How downloads are tried again, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How requests are made.
    pub http: HttpSettings,
    /// How often a download may fail in a row without a new byte.
    pub tries: u32,
    /// The pause after the first failure; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause, also where a server asks for one.
    pub longest_pause: Duration,
    /// The bytes that are free on the disk of a folder, if the system tells.
    pub free: fn(&Path) -> compexp_files::Result<Option<u64>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: HttpSettings::default(),
            tries: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
            free: free_space,
        }
    }
}

/// Who is told how far a download is.
pub trait Watch {
    /// A download begins, of this many bytes if the server tells.
    fn start(&self, name: &str, bytes: Option<u64>);
    /// This many bytes are there.
    fn at(&self, bytes: u64);
    /// Something a user wants to know.
    fn say(&self, text: &str);
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The address.
    pub url: &'a str,
    /// Where the file goes. What is there is replaced.
    pub to: &'a Path,
    /// The known hash: 64 hexadecimal digits.
    pub sha256: Option<&'a str>,
    /// The known length.
    pub bytes: Option<u64>,
    /// A token for the host of `url`, and no other.
    pub token: Option<&'a str>,
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The hash of the file: 64 hexadecimal digits.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// What fetches files.
#[derive(Debug)]
pub struct Downloader {
    pub(crate) http: Http,
    settings: Settings,
}

/// What the server said of a file that is partly here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    url: String,
    /// The tag, or the time of the last change, by which the server knows this version.
    validator: Option<String>,
    /// The length.
    bytes: Option<u64>,
}

/// A failure, and what to do about it.
enum Trouble {
    /// Try again, after a pause that the server asks for.
    Again(String, Option<Duration>),
    /// Trying again is of no use.
    Final(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<compexp_files::Error> for Trouble {
    fn from(error: compexp_files::Error) -> Self {
        Self::Final(error.into())
    }
}

impl Downloader {
    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        Self { http: Http::new(&settings.http), settings }
    }

    /// Whether nothing may be fetched.
    #[cfg(feature = "hub")]
    pub(crate) fn is_offline(&self) -> bool {
        self.settings.http.offline
    }

    /// Refuses what does not fit the disk of `folder`, which exists.
    ///
    /// # Errors
    /// `Error::Full`
    pub(crate) fn check_space(&self, folder: &Path, bytes: u64) -> Result<()> {
        match (self.settings.free)(folder)? {
            Some(free) if free < bytes.saturating_add(SPARE) => {
                Err(Error::Full { folder: folder.to_owned(), needed: bytes.saturating_add(SPARE), free })
            }
            _ => Ok(()),
        }
    }

    /// Fetches a file, or the rest of it.
    ///
    /// # Errors
    /// Those of [`Error`] about a single address; what was fetched so far is kept, unless its hash is wrong.
    pub fn download(&self, wanted: &Wanted<'_>, watch: &dyn Watch) -> Result<Fetched> {
        let folder = wanted.to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        make_folder(folder)?;
        let mut partial = Partial::open(wanted)?;
        let (mut failures, mut answered, mut furthest) = (0, false, partial.len);
        loop {
            let (cause, asked) = match self.attempt(wanted, folder, &mut partial, &mut answered, watch) {
                Ok(()) => return partial.finish(wanted),
                Err(Trouble::Final(error)) => return Err(full(error, folder)),
                Err(Trouble::Again(cause, pause)) => (cause, pause),
            };
            // A download that starts anew each time does not count as one that gets on.
            failures = if partial.len > furthest { 1 } else { failures + 1 };
            furthest = furthest.max(partial.len);
            // Where nothing ever answered, there is no network, and waiting seldom helps.
            if failures >= if answered { self.settings.tries } else { 2 } {
                let url = wanted.url.to_owned();
                return Err(match answered {
                    true => Error::Interrupted { url, cause, bytes: partial.len },
                    false => Error::Unreachable { url, cause },
                });
            }
            let pause = self.settings.first_pause.saturating_mul(1 << (failures - 1).min(16));
            let pause = asked.unwrap_or(pause).min(self.settings.longest_pause);
            watch.say(&format!("{}: {cause}; next try in {:.1} s", wanted.url, pause.as_secs_f64()));
            thread::sleep(pause);
        }
    }

    /// One request, and what it brings.
    fn attempt(
        &self,
        wanted: &Wanted<'_>,
        folder: &Path,
        partial: &mut Partial,
        answered: &mut bool,
        watch: &dyn Watch,
    ) -> Result<(), Trouble> {
        // Without a validator nobody can tell whether the rest is of the same version.
        if partial.len > 0 && partial.version.validator.is_none() {
            partial.restart()?;
        }
        if partial.len > 0 && partial.version.bytes == Some(partial.len) {
            return Ok(());
        }
        let range = format!("bytes={}-", partial.len);
        let validator = partial.version.validator.clone().unwrap_or_default();
        let conditional = [("Accept-Encoding", "identity"), ("Range", &*range), ("If-Range", &*validator)];
        let headers = if partial.len > 0 { &conditional[..] } else { &conditional[..1] };
        let request =
            Request { url: wanted.url, token: wanted.token, headers, follow: Follow::Everywhere, head: false };
        let response = match self.http.send(request) {
            Err(Error::Unreachable { cause, .. }) => return Err(Trouble::Again(cause, None)),
            other => other?,
        };
        *answered = true;
        let found = self.accept(wanted, &response, partial)?;
        if partial.version != found {
            partial.say(found)?;
        }
        if let Some(bytes) = partial.version.bytes {
            self.check_space(folder, bytes.saturating_sub(partial.len))?;
        }
        watch.start(&name_of(wanted.to), partial.version.bytes);
        watch.at(partial.len);
        let mut body = response.body;
        let mut buffer = vec![0; BUFFER];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    if partial.version.bytes.or(wanted.bytes).is_some_and(|bytes| partial.len + n as u64 > bytes) {
                        partial.restart()?;
                        return Err(Trouble::Again("more bytes came than the server announced".to_owned(), None));
                    }
                    partial.append(&buffer[..n])?;
                    watch.at(partial.len);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Trouble::Again(format!("the connection broke: {e}"), None)),
            }
        }
        match partial.version.bytes {
            Some(bytes) if partial.len < bytes => {
                Err(Trouble::Again(format!("the connection ended after {} of {bytes} bytes", partial.len), None))
            }
            _ => Ok(()),
        }
    }

    /// What the server says of the file, if the answer holds it from where the partial file ends; that is cut if it is of
    /// another version.
    fn accept(&self, wanted: &Wanted<'_>, response: &Response, partial: &mut Partial) -> Result<Version, Trouble> {
        let answer = |found: String| Trouble::Final(Error::Answer { url: wanted.url.to_owned(), found });
        match response.status {
            200 | 206 => {}
            // What is here is longer than what is there.
            416 => {
                partial.restart()?;
                return Err(Trouble::Again("the file is shorter by now".to_owned(), None));
            }
            408 | 429 | 500 | 502 | 503 | 504 => {
                let pause = response.header("retry-after").and_then(pause_of);
                if let Some(pause) = pause
                    && pause > self.settings.longest_pause
                {
                    let seconds = pause.as_secs();
                    return Err(Error::Busy { url: wanted.url.to_owned(), seconds }.into());
                }
                return Err(Trouble::Again(format!("the server answers {}", response.status), pause));
            }
            status => return Err(answer(format!("status {status}"))),
        }
        // A page in place of a file: that of a portal, or of an error.
        let is_page = |name: &str| name.ends_with(".html") || name.ends_with(".htm");
        if response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
            && !is_page(&name_of(wanted.to))
        {
            return Err(answer("a page for a browser".to_owned()));
        }
        let coming = response.number("content-length");
        let strong = response.header("etag").filter(|tag| !tag.starts_with("W/"));
        let validator = strong.or(response.header("last-modified")).map(str::to_owned);
        let mut found = Version { url: wanted.url.to_owned(), validator, bytes: coming };
        if response.status == 206 {
            let range = response.header("content-range").and_then(content_range);
            found.validator = found.validator.or(partial.version.validator.clone());
            let same = found.validator == partial.version.validator;
            match range {
                Some((start, total)) if start == partial.len && same => {
                    found.bytes = total.or(coming.map(|coming| start + coming));
                    if coming.is_some_and(|coming| found.bytes != Some(start + coming)) {
                        partial.restart()?;
                        return Err(Trouble::Again("the server contradicts itself about the length".to_owned(), None));
                    }
                }
                _ => {
                    partial.restart()?;
                    return Err(Trouble::Again("the file changed meanwhile".to_owned(), None));
                }
            }
        } else if partial.len > 0 {
            partial.restart()?;
        }
        if let (Some(expected), Some(bytes)) = (wanted.bytes, found.bytes)
            && expected != bytes
        {
            let [found, expected] = [bytes, expected].map(|n| format!("{n} bytes"));
            return Err(Error::Length { url: wanted.url.to_owned(), found, expected }.into());
        }
        let delimited = response.header("transfer-encoding").is_some_and(|kind| kind.contains("chunked"));
        if found.bytes.is_none() && !delimited && wanted.bytes.is_none() && wanted.sha256.is_none() {
            let expected = "one, to tell whether a download is complete".to_owned();
            return Err(Error::Length { url: wanted.url.to_owned(), found: "none".to_owned(), expected }.into());
        }
        Ok(found)
    }
}

/// A download that is not complete.
struct Partial {
    file: GrowingFile,
    path: PathBuf,
    about: PathBuf,
    len: u64,
    hash: Sha256,
    version: Version,
}

impl Partial {
    /// What an earlier process left of it, if that is from the same address.
    fn open(wanted: &Wanted<'_>) -> Result<Self> {
        let [path, about] = [beside(wanted.to, "partial")?, beside(wanted.to, "partial.json")?];
        // A record that cannot be read is one of nothing.
        let version: Option<Version> = read_json(&about).ok();
        let version = version.filter(|version| version.url == wanted.url);
        let file = GrowingFile::open(&path)?;
        let mut partial = Self { file, path, about, len: 0, hash: Sha256::new(), version: Version::default() };
        let Some(version) = version else {
            partial.restart()?;
            return Ok(partial);
        };
        partial.version = version;
        let len = partial.file.bytes()?;
        if partial.version.bytes.is_some_and(|bytes| len > bytes) {
            partial.restart()?;
            return Ok(partial);
        }
        let mut buffer = vec![0; BUFFER];
        while partial.len < len {
            let n = (len - partial.len).min(BUFFER as u64) as usize;
            partial.file.read_at(&mut buffer[..n], partial.len)?;
            partial.hash.update(&buffer[..n]);
            partial.len += n as u64;
        }
        Ok(partial)
    }

    /// Forgets all that is there.
    fn restart(&mut self) -> Result<()> {
        self.file.cut(0)?;
        (self.len, self.hash, self.version) = (0, Sha256::new(), Version::default());
        Ok(())
    }

    /// Records what the server says.
    fn say(&mut self, version: Version) -> Result<()> {
        write_json(&self.about, &version)?;
        self.version = version;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_at(self.len, |file| file.write_all(bytes))?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its name, if it is what is known.
    fn finish(self, wanted: &Wanted<'_>) -> Result<Fetched> {
        let fetched = Fetched { sha256: hex(self.hash), bytes: self.len };
        let wrong = match wanted.sha256 {
            Some(expected) if !expected.eq_ignore_ascii_case(&fetched.sha256) => {
                let what = wanted.url.to_owned();
                Some(Error::Checksum { what, found: fetched.sha256.clone(), expected: expected.to_owned() })
            }
            _ => wanted.bytes.filter(|bytes| *bytes != fetched.bytes).map(|bytes| {
                let [found, expected] = [fetched.bytes, bytes].map(|n| format!("{n} bytes"));
                Error::Length { url: wanted.url.to_owned(), found, expected }
            }),
        };
        if let Some(error) = wrong {
            drop(self.file);
            remove_tree(&self.path)?;
            remove_tree(&self.about)?;
            return Err(error);
        }
        self.file.finish(wanted.to)?;
        remove_tree(&self.about)?;
        Ok(fetched)
    }
}

/// An error of writing to a full disk as one that says so.
fn full(error: Error, folder: &Path) -> Error {
    match error {
        Error::Files(compexp_files::Error::Io { source, .. })
            if matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) =>
        {
            let free = free_space(folder).ok().flatten().unwrap_or(0);
            Error::Full { folder: folder.to_owned(), needed: free.saturating_add(SPARE), free }
        }
        other => other,
    }
}

/// A hash as 64 hexadecimal digits.
pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The start of `bytes 10-19/100`, and the length if it is known.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    Some((start, total.trim().parse().ok()))
}

/// The pause that `Retry-After` asks for: seconds, or a date.
fn pause_of(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok().or(Some(Duration::ZERO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        assert_eq!(content_range("bytes 10-19/100"), Some((10, Some(100))));
        assert_eq!(content_range("bytes 10-19/*"), Some((10, None)));
        for bad in ["", "bytes", "bytes */100", "items 1-2/3", "bytes x-2/3"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
        assert_eq!(pause_of("7"), Some(Duration::from_secs(7)));
        assert_eq!(pause_of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO), "the past is now");
        let soon = SystemTime::now() + Duration::from_secs(50);
        let pause = pause_of(&httpdate::fmt_http_date(soon)).unwrap();
        assert!((40..=50).contains(&pause.as_secs()), "{pause:?}");
        assert_eq!(pause_of("soon"), None);
    }
}
