//! Files fetched from a server on loopback, which drops connections, lies, changes files, redirects and refuses.
#![forbid(unsafe_code)]

mod collections;
mod downloads;
#[cfg(feature = "hub")]
mod hub;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use compexp_fetch::{Downloader, Fetched, HttpSettings, Result, Settings, Wanted, Watch};

/// What a user would be told.
#[derive(Default)]
pub(crate) struct Told(pub(crate) RefCell<Vec<String>>);

impl Watch for Told {
    fn start(&self, _: &str, _: Option<u64>) {}
    fn at(&self, _: u64) {}
    fn say(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }
}

/// Settings without long pauses.
pub(crate) fn quick() -> Settings {
    Settings {
        http: HttpSettings { offline: false, patience: Duration::from_millis(700) },
        tries: 3,
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_secs(2),
        ..Settings::default()
    }
}

/// A file from an address.
pub(crate) fn get(url: &str, to: &Path) -> Result<Fetched> {
    let wanted = Wanted { url, to, sha256: None, bytes: None, token: None };
    Downloader::new(quick()).download(&wanted, &Told::default())
}

/// Bytes that do not repeat soon.
pub(crate) fn noise(n: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..n).map(next).collect()
}
