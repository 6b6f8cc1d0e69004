//! Trainings that can be taken up again where they were.
//!
//! [`train`] is the loop that all trainings share: steps and epochs, the state file, the curves, the best epoch, and
//! stopping and going on. What is trained is a [`Trainee`]: it takes a step, measures itself after an epoch, and gives
//! its values by name. Random numbers need no place in a state: they follow from the seed and the number of the step.
//!
//! A folder holds [`STATE_FILE`], [`CURVES_FILE`], and what the trainee keeps of its best epoch. The state names the hash
//! of its own other bytes and of the kept file: a state of which one bit is another is refused, never gone on from, and a
//! kept file that differs is written again from the state.
//!
//! It knows no network and no tensor library.

mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use compexp_files::{hash_file, is_there, make_folder, write_bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use state::Place;

/// The state of a training, in its folder.
pub const STATE_FILE: &str = "training.safetensors";

/// The curves of a training, a row an epoch, in its folder.
pub const CURVES_FILE: &str = "curves.csv";

/// Arrays by name.
pub type Values = BTreeMap<String, Vec<f32>>;

/// One epoch: a row of a training's curves.
pub trait Row: Clone + Serialize + DeserializeOwned {
    /// The columns of the table.
    const COLUMNS: &'static str;

    /// The row in that table.
    fn csv(&self) -> String;

    /// What decides which epoch is the best: the first with the greatest worth. Where none has one, nothing is kept.
    fn worth(&self) -> Option<f64> {
        None
    }
}

/// Where a training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Steps done, over all epochs.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: usize,
    /// Steps done of the epoch.
    pub batch: usize,
}

/// What steps found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The sum of the examples' losses.
    pub loss: f64,
    /// Examples whose class was found.
    pub correct: usize,
    /// Examples seen.
    pub examples: usize,
}

/// What is trained.
pub trait Trainee {
    /// One epoch of its curves.
    type Row: Row;
    /// Its errors.
    type Error: From<Error>;

    /// The steps of an epoch, counted from 0.
    fn steps(&self, epoch: usize) -> usize;

    /// Takes a step.
    ///
    /// # Errors
    /// The trainee's own.
    fn step(&mut self, at: At) -> std::result::Result<Score, Self::Error>;

    /// Measures itself after an epoch, counted from 0, whose steps found `score`.
    ///
    /// # Errors
    /// The trainee's own.
    fn row(&mut self, epoch: usize, score: Score) -> std::result::Result<Self::Row, Self::Error>;

    /// Remembers its present values as the best ones.
    fn keep(&mut self) {}

    /// The name of the file in the folder that holds the best values.
    fn kept_file(&self) -> Option<&'static str> {
        None
    }

    /// Writes the best values to that file.
    ///
    /// # Errors
    /// The trainee's own.
    fn write_kept(&self, _: &Path) -> std::result::Result<(), Self::Error> {
        Ok(())
    }

    /// Whether nothing more is to be hoped for after these epochs, of which `best` is the best.
    fn is_over(&self, _: &[Self::Row], _best: Option<usize>) -> bool {
        false
    }

    /// Everything that it needs to go on: the same names and lengths at every time, but for the best values, which are
    /// only there when something is kept.
    ///
    /// # Errors
    /// The trainee's own.
    fn values(&self) -> std::result::Result<Values, Self::Error>;

    /// Goes back to such values; `kept` says whether there are best ones. Values of another length, and ones that are
    /// missing, MUST be refused.
    ///
    /// # Errors
    /// The trainee's own.
    fn restore(&mut self, values: &mut Stored<'_>, kept: bool) -> std::result::Result<(), Self::Error>;
}

/// The values of a state.
#[derive(Debug)]
pub struct Stored<'a> {
    path: &'a Path,
    values: Values,
}

impl Stored<'_> {
    /// Takes the values of this name.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] where there are none, or not so many.
    pub fn take(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        let found = self.values.remove(name);
        let described = found.as_ref().map_or("none".to_owned(), |values| format!("{} values", values.len()));
        found
            .filter(|values| values.len() == len)
            .ok_or_else(|| Error::format(self.path, format!("values `{name}`"), described, format!("{len} values")))
    }
}

/// What decides how a training goes, beside the trainee.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<'a> {
    /// The hash of all that decides what is learnt; a state with another is refused.
    pub fingerprint: String,
    /// Passes over the examples.
    pub epochs: usize,
    /// Steps between two saved states within an epoch; where `None`, one is saved at the end of each only.
    pub save_every: Option<u64>,
    /// The folder of the training; where `None`, nothing is saved.
    pub folder: Option<&'a Path>,
}

/// News of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress<'a, R> {
    /// A step is done.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps of the epoch that are done.
        done: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Mean loss of the epoch so far.
        loss: f64,
    },
    /// An epoch is done: all rows so far, its own the last.
    Epoch(&'a [R]),
}

/// How a training went.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<R> {
    /// One row an epoch.
    pub curves: Vec<R>,
    /// The best epoch, from 0.
    pub best: Option<usize>,
    /// Whether it came to its end; false where `progress` stopped it.
    pub finished: bool,
}

/// Trains.
///
/// Where the plan has a folder with a state of the same fingerprint, the training goes on from it, with the result it
/// would have had without a break, to the bit. `progress` is told of every step and epoch, and stops the training by
/// [`ControlFlow::Break`]; the state is saved then.
///
/// # Errors
/// [`compexp_files::Error::Format`] for a state that is damaged or of another training; [`compexp_files::Error::Io`] where the folder cannot be read
/// or written; [`compexp_core::Error::Mismatch`] for a loss that is no number; the trainee's own.
pub fn train<T: Trainee>(
    trainee: &mut T,
    plan: &Plan<'_>,
    mut progress: impl FnMut(Progress<'_, T::Row>) -> ControlFlow<()>,
) -> std::result::Result<Outcome<T::Row>, T::Error> {
    let mut place = Place::new(plan);
    if let Some(folder) = plan.folder {
        make_folder(folder).map_err(Error::from)?;
        resume(trainee, &mut place, folder)?;
    }
    let is_over =
        |trainee: &T, place: &Place<T::Row>| place.epoch >= plan.epochs || trainee.is_over(&place.curves, place.best);
    while !is_over(trainee, &place) {
        let epoch = place.epoch;
        let steps = trainee.steps(epoch);
        while place.batch < steps {
            let Score { loss, correct, examples } = trainee.step(At { step: place.step, epoch, batch: place.batch })?;
            place.step += 1;
            place.batch += 1;
            place.score.loss += loss;
            place.score.correct += correct;
            place.score.examples += examples;
            let loss = place.score.loss / place.score.examples as f64;
            if !loss.is_finite() {
                let found = format!("{loss} at step {} of epoch {}", place.batch, epoch + 1);
                let expected = "a finite number; lower the learning rate";
                return Err(Error::mismatch("loss of the training", found, expected).into());
            }
            let stop = progress(Progress::Step { epoch: epoch + 1, done: place.batch, steps, loss }).is_break();
            if stop || plan.save_every.is_some_and(|every| place.step.is_multiple_of(every)) {
                save(trainee, &place, plan)?;
            }
            if stop {
                return Ok(place.outcome(false));
            }
        }
        let row = trainee.row(epoch, place.score)?;
        if row.worth() > place.best.and_then(|best| place.curves[best].worth()) {
            place.best = Some(epoch);
            trainee.keep();
            place.kept = None; // the file of an earlier epoch
        }
        place.curves.push(row);
        (place.epoch, place.batch, place.score) = (epoch + 1, 0, Score::default());
        if let (Some(folder), None, Some(_)) = (plan.folder, &place.kept, place.best) {
            place.kept = write_kept(trainee, folder)?;
        }
        save(trainee, &place, plan)?;
        if let Some(folder) = plan.folder {
            write_curves(folder, &place.curves)?;
        }
        if progress(Progress::Epoch(&place.curves)).is_break() {
            break;
        }
    }
    let finished = is_over(trainee, &place);
    Ok(place.outcome(finished))
}

/// Goes back to the state in `folder`, where there is one, and writes again what belongs to it.
fn resume<T: Trainee>(trainee: &mut T, place: &mut Place<T::Row>, folder: &Path) -> std::result::Result<(), T::Error> {
    let path = folder.join(STATE_FILE);
    if !is_there(&path).map_err(Error::from)? {
        return Ok(());
    }
    let values = place.load(&path)?;
    trainee.restore(&mut Stored { path: &path, values }, place.best.is_some())?;
    if let (Some(expected), Some(name)) = (&place.kept, trainee.kept_file()) {
        let file = folder.join(name);
        if !is_there(&file).map_err(Error::from)? || hash_file(&file).map_err(Error::from)? != *expected {
            write_kept(trainee, folder)?;
        }
    }
    if !place.curves.is_empty() {
        write_curves(folder, &place.curves)?;
    }
    Ok(())
}

fn save<T: Trainee>(trainee: &T, place: &Place<T::Row>, plan: &Plan<'_>) -> std::result::Result<(), T::Error> {
    if let Some(folder) = plan.folder {
        place.save(&trainee.values()?, &folder.join(STATE_FILE))?;
    }
    Ok(())
}

/// Writes the best values, and gives the hash of their file.
fn write_kept<T: Trainee>(trainee: &T, folder: &Path) -> std::result::Result<Option<String>, T::Error> {
    let Some(name) = trainee.kept_file() else { return Ok(None) };
    let path = folder.join(name);
    trainee.write_kept(&path)?;
    Ok(Some(hash_file(&path).map_err(Error::from)?))
}

fn write_curves<R: Row>(folder: &Path, rows: &[R]) -> Result<()> {
    let mut text = format!("{}\n", R::COLUMNS);
    for row in rows {
        let _ = writeln!(text, "{}", row.csv());
    }
    Ok(write_bytes(&folder.join(CURVES_FILE), text.as_bytes())?)
}
