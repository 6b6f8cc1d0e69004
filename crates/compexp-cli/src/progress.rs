//! Progress on standard error: a bar on a terminal, otherwise a line from time to time.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use compexp_core::explain::Progress;
pub(crate) use compexp_run::wording::duration;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::terminal::{DOUBTFUL, count, styled, tell};

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
            tell(text);
        }
    }

    /// Prints a warning between bars: `--quiet` silences progress, not what may be wrong.
    pub(crate) fn warn(&self, text: &str) {
        self.end();
        tell(&format!("{} {text}", styled("warning:", DOUBTFUL)));
    }

    /// Ends the current stage, and reports it if it took a while.
    pub(crate) fn end(&self) {
        let Some(stage) = self.take() else { return };
        let took = stage.started.elapsed();
        if !self.quiet && took >= WORTH_TELLING {
            tell(&ended(&stage.name, &stage.counted, stage.done, stage.total, took));
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
        // One thing has no share that is done.
        let template = match total {
            0..=1 => "{msg:<12} {spinner} {elapsed}",
            _ => "{msg:<12} [{bar:30}] {human_pos} of {human_len} {prefix}, {rate}, {eta} left",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let speed = |state: &ProgressState, out: &mut dyn fmt::Write| _ = out.write_str(&rate(state.per_sec()));
        let bar = ProgressBar::new(total as u64)
            .with_style(style.with_key("rate", speed))
            .with_message(name.to_owned())
            .with_prefix(counted.to_owned());
        if total <= 1 {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
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
            let per_second = (stage.done - before) as f64 / stage.started.elapsed().as_secs_f64();
            let left = Duration::try_from_secs_f64((stage.total - stage.done) as f64 / per_second);
            let left = left.map_or(String::new(), |left| format!(", about {} left", duration(left)));
            let (name, counted, rate) = (&stage.name, &stage.counted, rate(per_second));
            let (done, total) = (count(stage.done), count(stage.total));
            tell(&format!("{name}: {done} of {total} {counted}, {rate}{left}"));
        }
    }
}

/// The line at the end of a stage. What was not counted, or is one thing, has no number.
fn ended(name: &str, counted: &str, done: usize, total: usize, took: Duration) -> String {
    match (done, total) {
        (0, _) | (_, 0..=1) => format!("{name}: {}", duration(took)),
        _ => format!("{name}: {} {counted} in {}", count(done), duration(took)),
    }
}

/// How many are done in a time, in the unit that leaves a number to read: `1,234 a second`, `2.5 a minute`.
fn rate(per_second: f64) -> String {
    let text = |n: f64| if n < 9.95 { format!("{n:.1}") } else { count(n.round() as u64) };
    match per_second {
        ..1.0 => format!("{} a minute", text(60.0 * per_second)),
        _ => format!("{} a second", text(per_second)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_progress_can_be_read() {
        let rates = [0.0, 0.04, 0.5, 1.0, 9.9, 9.96, 12.3, 1234.5, 1e7].map(rate);
        let expected = [
            "0.0 a minute",
            "2.4 a minute",
            "30 a minute",
            "1.0 a second",
            "9.9 a second",
            "10 a second",
            "12 a second",
            "1,235 a second",
            "10,000,000 a second",
        ];
        assert_eq!(rates, expected);
        let took = Duration::from_millis(2300);
        assert_eq!(ended("search", "units", 1024, 1024, took), "search: 1,024 units in 2.3 s");
        assert_eq!(ended("hash of the masks", "file", 1, 1, took), "hash of the masks: 2.3 s");
        assert_eq!(ended("pairs", "sentence pairs", 0, 50_000, took), "pairs: 2.3 s");
    }
}
