//! Ends this process when its parent process has ended, if the parent asks for this.
//!
//! A program that runs the command as one of several steps, such as `cargo xtask reproduce`, may be killed. The command
//! must then stop, because the next try may already write into the same folder.

use std::process;
use std::thread;
use std::time::Duration;

/// The environment variable with the number of the process that started this one.
const VARIABLE: &str = "COMPEXP_PARENT";

/// The time between two checks.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches the parent that `COMPEXP_PARENT` names, in a separate thread. Does nothing if the variable is not set.
pub(crate) fn watch() {
    let Some(parent) = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()) else { return };
    // Without the thread the command still works.
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
