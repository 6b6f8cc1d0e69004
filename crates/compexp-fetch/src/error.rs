//! The errors of this crate: each names the address or file, what was found and what was expected.

use std::path::{Path, PathBuf};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong with something that is fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] compexp_files::Error),
    /// Something is not here, and the network must not be used.
    #[error("{what} is not here, and nothing may be fetched offline")]
    Offline {
        /// What was asked for.
        what: String,
    },
    /// No host answered: there is no network, no such host, or nothing listens there.
    #[error("cannot reach {url}: {cause}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system says.
        cause: String,
    },
    /// A download ended early more often than is tried.
    #[error("{url}: {cause} ({bytes} bytes are kept: the same command goes on from there)")]
    Interrupted {
        /// The address.
        url: String,
        /// What happened the last time.
        cause: String,
        /// The bytes that are there.
        bytes: u64,
    },
    /// The server answered with an error, or with something that is no file.
    #[error("{url}: found {found}, expected a file")]
    Answer {
        /// The address.
        url: String,
        /// The status, or what was sent in place of a file.
        found: String,
    },
    /// An artifact is not where the list says. Another address may have it.
    #[error("`{name}` is no longer at the addresses that are known: {last}; get `{file}` elsewhere, and put it at `{}`", place.display())]
    Moved {
        /// The artifact.
        name: String,
        /// The name of its file.
        file: String,
        /// Where to put the file by hand.
        place: PathBuf,
        /// What the last address answered.
        last: Box<Error>,
    },
    /// A server asks to wait for longer than is waited.
    #[error("{url}: the server asks to wait for {seconds} s; try again then")]
    Busy {
        /// The address.
        url: String,
        /// The time to wait.
        seconds: u64,
    },
    /// A redirect that is not followed.
    #[error("{url}: found a redirect to {to}, expected {expected}")]
    Redirect {
        /// The address.
        url: String,
        /// Where it leads.
        to: String,
        /// What would be followed.
        expected: &'static str,
    },
    /// The disk has no room for what is to be written.
    #[error("`{}`: found {free} free bytes, expected {needed}: free some space, or name a folder on another disk", folder.display())]
    Full {
        /// The folder.
        folder: PathBuf,
        /// The bytes to be written.
        needed: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// What was fetched is not what was published, or what was fetched the first time.
    #[error("sha256 of {what}: found {found}, expected {expected}")]
    Checksum {
        /// The address or file.
        what: String,
        /// The hash of what came.
        found: String,
        /// The hash that is known.
        expected: String,
    },
    /// A server says another length than is known, or none.
    #[error("length of {url}: found {found}, expected {expected}")]
    Length {
        /// The address.
        url: String,
        /// What the server says.
        found: String,
        /// What is known.
        expected: String,
    },
    /// An archive is broken, holds what must not be unpacked, or lacks what is wanted.
    #[error("`{}`: {entry}: found {found}, expected {expected}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The entry, or another part of it.
        entry: String,
        /// What it holds.
        found: String,
        /// What it must hold.
        expected: String,
    },
    /// The list of artifacts is wrong.
    #[error("list of artifacts: {0}")]
    List(String),
    /// There is no artifact of a name.
    #[error("there is no artifact `{name}`, expected one of {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// An id of the hub that cannot be read.
    #[error("`{id}`: {found}, expected hf://[datasets/]owner/name[@revision][/path]")]
    HubId {
        /// The id.
        id: String,
        /// What is wrong.
        found: String,
    },
    /// The hub has no such repository, revision or file; it says the same of private ones.
    #[error("`{id}`: the hub has no such {what}; a private one needs a token in HF_TOKEN")]
    HubMissing {
        /// The id.
        id: String,
        /// `repository`, `revision` or `file`.
        what: &'static str,
    },
    /// The hub has it, and does not give it to this user.
    #[error("`{id}`: the hub refuses access ({status}): accept its terms on its page, and give a token in HF_TOKEN")]
    HubDenied {
        /// The id.
        id: String,
        /// The status.
        status: u16,
    },
}

impl Error {
    /// An [`Error::Archive`].
    pub(crate) fn archive(
        path: &Path,
        entry: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let entry = compexp_files::shorten(entry.into(), 200);
        Self::Archive { path: path.to_owned(), entry, found: found.into(), expected: expected.into() }
    }

    /// Whether another address may do better.
    pub(crate) fn is_of_source(&self) -> bool {
        !matches!(self, Self::Files(_) | Self::Full { .. } | Self::Offline { .. })
    }
}
