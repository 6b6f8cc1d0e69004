//! The progress reports of a training.

use std::time::Instant;

use compexp_core::explain::Progress as _;

use crate::progress::{Reporter, duration};

pub(crate) struct TrainingNews<'a> {
    reporter: &'a Reporter,
    epoch: usize,
    started: Instant,
}

impl<'a> TrainingNews<'a> {
    pub(crate) fn new(reporter: &'a Reporter) -> Self {
        Self { reporter, epoch: 0, started: Instant::now() }
    }

    /// `done` of `steps` of an epoch, counted from 1, are done.
    pub(crate) fn step(&mut self, epoch: usize, done: usize, steps: usize) {
        if epoch != self.epoch {
            (self.epoch, self.started) = (epoch, Instant::now());
            if done > 1 {
                self.reporter.say(&format!("training: going on in epoch {epoch} after {} steps", done - 1));
            }
            self.reporter.stage(&format!("epoch {epoch}"), "steps", steps);
        }
        self.reporter.done(done);
    }

    /// An epoch is done, with these results.
    pub(crate) fn epoch(&self, epoch: usize, results: &str) {
        // This line replaces the line at the end of a long stage.
        self.reporter.clear();
        self.reporter.say(&format!("epoch {epoch}: {results}, {}", duration(self.started.elapsed())));
    }
}
