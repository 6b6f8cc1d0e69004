//! What is fetched: the settings, and what a user is told meanwhile.

use compexp_core::explain::Progress;
use compexp_fetch::{HttpSettings, Settings, Watch};

use crate::progress::Reporter;

/// How files are fetched; not at all if `offline`.
pub(crate) fn settings(offline: bool) -> Settings {
    Settings { http: HttpSettings { offline, ..HttpSettings::default() }, ..Settings::default() }
}

impl Watch for Reporter {
    fn start(&self, name: &str, bytes: Option<u64>) {
        self.stage(name, "bytes", bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0));
    }

    fn at(&self, bytes: u64) {
        self.done(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    fn say(&self, text: &str) {
        Reporter::say(self, text);
    }
}
