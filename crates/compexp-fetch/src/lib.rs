//! Public artifacts and files of the Hugging Face hub: fetched, resumed, verified, unpacked.
//!
//! - [`artifacts`] is the list of what `compexp fetch` knows; a [`Collection`] brings it into a folder;
//! - a [`Downloader`] fetches one file from one address, goes on with what is there, and verifies it;
//! - [`unpack`] takes files out of an archive, within [`Limits`];
//! - with the feature `hub`, a `Hub` leads from `hf://owner/name/path` to a file in the hub's cache.
//!
//! What comes from a network may be cut off, changed, wrong or hostile: lengths and hashes are compared, sizes are checked
//! against the disk and against limits, and a token stays with the host that it is for.
//!
//! # What it does not know
//! What a file is for: no network, data set or run.
#![forbid(unsafe_code)]

mod download;
mod error;
mod fetch;
mod http;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod hub_id;
mod list;
mod unpack;

pub use download::{Downloader, Fetched, Settings, Wanted, Watch};
pub use error::{Error, Result};
pub use fetch::{Collection, Mirror, Outcome};
pub use http::HttpSettings;
#[cfg(feature = "hub")]
pub use hub::{Hub, HubSettings, hub_is_offline, hub_spelling};
#[cfg(feature = "hub")]
pub use hub_id::HubId;
pub use list::{Address, Artifact, artifacts, named, parse, read_list};
pub use unpack::{Form, Limits, Take, unpack};
