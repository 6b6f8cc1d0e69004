//! Ends this process when the one that started it has ended, where that one asks for it.
//!
//! Who starts the command as a step of a longer work, as `cargo xtask reproduce` does, may be killed. The command must not
//! go on writing then, into a folder in which the next try is already at work.

use std::process;
use std::thread;
use std::time::Duration;

/// The environment variable with the number of the process that started this one.
const VARIABLE: &str = "COMPEXP_PARENT";

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks after the parent that `COMPEXP_PARENT` names, in a thread of its own; does nothing where the variable is not set.
pub(crate) fn watch() {
    let Some(parent) = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()) else { return };
    // Without a thread the command works all the same.
    let _ = thread::Builder::new().name("parent".into()).spawn(move || {
        while is_parent(parent) {
            thread::sleep(PAUSE);
        }
        process::exit(1);
    });
}

#[cfg(unix)]
fn is_parent(process: u32) -> bool {
    std::os::unix::process::parent_id() == process
}

/// Elsewhere a process does not know its parent.
#[cfg(not(unix))]
fn is_parent(_process: u32) -> bool {
    true
}
