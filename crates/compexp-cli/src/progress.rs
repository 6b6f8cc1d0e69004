//! Progress on standard error: a bar on a terminal, otherwise a line from time to time.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use compexp_core::explain::Progress;
pub(crate) use compexp_run::wording::duration;
use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, a stage reports its progress at this interval.
const EVERY: Duration = Duration::from_secs(10);

/// A stage that took less time reports nothing at its end.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Reports progress to the user.
pub(crate) struct Reporter {
    started: Instant,
    quiet: bool,
    terminal: bool,
    stage: Mutex<Option<Stage>>,
}

struct Stage {
    name: String,
    counted: String,
    total: usize,
    done: usize,
    /// The part that an earlier run had done.
    before: Option<usize>,
    started: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Reporter {
    pub(crate) fn new(quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let terminal = io::stderr().is_terminal() && !dumb;
        Self { started: Instant::now(), quiet, terminal, stage: Mutex::new(None) }
    }

    /// Since the command started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Prints a line between bars.
    pub(crate) fn say(&self, text: &str) {
        self.end();
        if !self.quiet {
            line(text);
        }
    }

    /// Prints a warning between bars: `--quiet` silences progress, not what may be wrong.
    pub(crate) fn warn(&self, text: &str) {
        self.end();
        line(&format!("warning: {text}"));
    }

    /// Ends the current stage, and reports it if it took a while.
    pub(crate) fn end(&self) {
        let Some(stage) = self.take() else { return };
        let took = stage.started.elapsed();
        if !self.quiet && took >= WORTH_TELLING {
            line(&format!("{}: {} {} in {}", stage.name, stage.done, stage.counted, duration(took)));
        }
    }

    /// Ends the progress of the command, even in the middle of a stage.
    pub(crate) fn clear(&self) {
        self.take();
    }

    fn take(&self) -> Option<Stage> {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        if let Some(bar) = &stage.bar {
            bar.finish_and_clear();
        }
        Some(stage)
    }

    fn bar(&self, name: &str, counted: &str, total: usize) -> Option<ProgressBar> {
        if !self.terminal || self.quiet {
            return None;
        }
        let template = "{msg:<12} [{bar:30}] {human_pos} of {human_len} {prefix}, {per_sec}, {eta} left";
        let bar = ProgressBar::new(total as u64)
            .with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_message(name.to_owned())
            .with_prefix(counted.to_owned());
        Some(bar)
    }
}

impl Progress for Reporter {
    fn end(&self) {
        Self::end(self);
    }

    fn say(&self, text: &str) {
        Self::say(self, text);
    }

    fn stage(&self, name: &str, counted: &str, total: usize) {
        self.end();
        let (now, bar) = (Instant::now(), self.bar(name, counted, total));
        let (name, counted) = (name.to_owned(), counted.to_owned());
        let stage = Stage { name, counted, total, done: 0, before: None, started: now, told: now, bar };
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
    }

    fn done(&self, n: usize) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stage) = stage.as_mut() else { return };
        // Threads may report out of order.
        stage.done = stage.done.max(n);
        let before = *stage.before.get_or_insert(if n < stage.total { n } else { 0 });
        if let Some(bar) = &stage.bar {
            bar.set_position(stage.done as u64);
        } else if !self.quiet && stage.told.elapsed() >= EVERY && stage.done < stage.total {
            stage.told = Instant::now();
            let rate = (stage.done - before) as f64 / stage.started.elapsed().as_secs_f64();
            let left = Duration::try_from_secs_f64((stage.total - stage.done) as f64 / rate);
            let left = left.map_or(String::new(), |left| format!(", about {} left", duration(left)));
            let (name, done, total, counted) = (&stage.name, stage.done, stage.total, &stage.counted);
            line(&format!("{name}: {done} of {total} {counted}, {rate:.1} a second{left}"));
        }
    }
}

/// Writes a line to standard error. If that is closed, the line is lost.
fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
