//! The laws of a training, on a trainee without a network.

use std::ops::ControlFlow::{Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Numbers that every step mixes with the number of the step; an epoch's worth goes up and down.
#[derive(Clone, Debug, PartialEq)]
struct Toy {
    values: Vec<f32>,
    best: Option<Vec<f32>>,
    patience: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ToyRow {
    epoch: usize,
    loss: f64,
    worth: f64,
}

impl Row for ToyRow {
    const COLUMNS: &'static str = "epoch,loss,worth";

    fn csv(&self) -> String {
        format!("{},{},{}", self.epoch, self.loss, self.worth)
    }

    fn worth(&self) -> Option<f64> {
        Some(self.worth)
    }
}

const KEPT: &str = "best.bin";

fn toy() -> Toy {
    Toy { values: vec![0.1, 0.2, 0.3], best: None, patience: usize::MAX }
}

impl Trainee for Toy {
    type Row = ToyRow;
    type Error = Error;

    fn steps(&self, epoch: usize) -> usize {
        3 + epoch % 2
    }

    fn step(&mut self, at: At) -> Result<Score> {
        for value in &mut self.values {
            *value = (*value * 1.7 + at.step as f32 / 7.0 + at.batch as f32) % 1.0;
        }
        Ok(Score { loss: f64::from(self.values[0]), correct: at.batch, examples: 1 })
    }

    fn row(&mut self, epoch: usize, score: Score) -> Result<ToyRow> {
        let loss = score.loss / score.examples as f64;
        Ok(ToyRow { epoch: epoch + 1, loss, worth: [0.3, 0.5, 0.5, 0.4, 0.2, 0.1][epoch] })
    }

    fn keep(&mut self) {
        self.best = Some(self.values.clone());
    }

    fn kept_file(&self) -> Option<&'static str> {
        Some(KEPT)
    }

    fn write_kept(&self, path: &Path) -> Result<()> {
        Ok(write_bytes(path, format!("{:?}", self.best).as_bytes())?)
    }

    fn is_over(&self, curves: &[ToyRow], best: Option<usize>) -> bool {
        best.is_some_and(|best| curves.len() - 1 - best >= self.patience)
    }

    fn values(&self) -> Result<Values> {
        let mut all = Values::from([("values".to_owned(), self.values.clone())]);
        all.extend(self.best.clone().map(|best| ("best".to_owned(), best)));
        Ok(all)
    }

    fn restore(&mut self, values: &mut Stored<'_>, kept: bool) -> Result<()> {
        self.values = values.take("values", 3)?;
        self.best = kept.then(|| values.take("best", 3)).transpose()?;
        Ok(())
    }
}

fn plan(folder: Option<&Path>) -> Plan<'_> {
    Plan { fingerprint: "toy".into(), epochs: 6, save_every: Some(2), folder }
}

/// The bytes of all files in a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_string_lossy().into(), std::fs::read(&path).unwrap())).collect()
}

/// A training that stops after so many steps.
fn part(folder: &Path, stop_after: usize) -> (Toy, Outcome<ToyRow>) {
    let (mut toy, mut steps) = (toy(), 0);
    let outcome = train(&mut toy, &plan(Some(folder)), |news| {
        steps += usize::from(matches!(news, Progress::Step { .. }));
        if steps >= stop_after { Break(()) } else { Continue(()) }
    });
    (toy, outcome.unwrap())
}

#[test]
fn a_training_in_parts_ends_with_the_bytes_of_one_that_was_not_stopped() {
    let whole_folder = tempfile::tempdir().unwrap();
    let mut whole = toy();
    let outcome = train(&mut whole, &plan(Some(whole_folder.path())), |_| Continue(())).unwrap();
    assert!(outcome.finished && outcome.curves.len() == 6 && outcome.best == Some(1));
    let mut alone = toy();
    assert_eq!(train(&mut alone, &plan(None), |_| Continue(())).unwrap(), outcome);
    assert_eq!(alone, whole);
    for stop_after in 1..8 {
        let folder = tempfile::tempdir().unwrap();
        let (mut last, mut parts) = (part(folder.path(), stop_after), 1);
        while !last.1.finished {
            last = part(folder.path(), stop_after);
            parts += 1;
            assert!(parts < 60, "no end");
        }
        assert_eq!(last, (whole.clone(), outcome.clone()), "stopped after {stop_after}");
        assert_eq!(files(folder.path()), files(whole_folder.path()), "stopped after {stop_after}");
    }
    let table = String::from_utf8(files(whole_folder.path())[CURVES_FILE].clone()).unwrap();
    assert_eq!(table.lines().next(), Some("epoch,loss,worth"));
    assert_eq!(table.lines().count(), 7);
}

#[test]
fn a_killed_training_goes_on_from_its_last_saved_state() {
    let mut whole = toy();
    let expected = train(&mut whole, &plan(None), |_| Continue(())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for kill_at in [1, 2, 4, 3, 6] {
        let mut steps = 0;
        let died = catch_unwind(AssertUnwindSafe(|| {
            let _ = train(&mut toy(), &plan(Some(folder.path())), |_| {
                steps += 1;
                assert!(steps < kill_at, "killed");
                Continue(())
            });
        }));
        assert!(died.is_err());
    }
    let mut rest = toy();
    assert_eq!(train(&mut rest, &plan(Some(folder.path())), |_| Continue(())).unwrap(), expected);
    assert_eq!(rest, whole);
}

#[test]
fn a_state_with_one_other_bit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    part(folder.path(), 8);
    let path = folder.path().join(STATE_FILE);
    let state = std::fs::read(&path).unwrap();
    for at in 0..state.len() {
        let mut other = state.clone();
        other[at] ^= 1 << (at % 8);
        std::fs::write(&path, &other).unwrap();
        let error = train(&mut toy(), &plan(Some(folder.path())), |_| panic!("no step")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(STATE_FILE) && text.contains("start anew"), "byte {at}: {text}");
    }
    for cut in [0, 7, 8, 50, state.len() - 1] {
        std::fs::write(&path, &state[..cut]).unwrap();
        assert!(train(&mut toy(), &plan(Some(folder.path())), |_| panic!("no step")).is_err(), "cut to {cut}");
    }
    std::fs::write(&path, &state).unwrap();
    assert_eq!(part(folder.path(), usize::MAX).1.curves.len(), 6);
}

#[test]
fn what_was_kept_and_the_curves_are_written_again_where_they_differ() {
    let folder = tempfile::tempdir().unwrap();
    part(folder.path(), 12);
    let expected = files(folder.path());
    assert!(expected.contains_key(KEPT));
    let again = || {
        // Stopped before anything new is done.
        train(&mut toy(), &Plan { epochs: 1, ..plan(Some(folder.path())) }, |_| panic!("no step")).unwrap();
        files(folder.path())
    };
    std::fs::write(folder.path().join(KEPT), "other").unwrap();
    std::fs::write(folder.path().join(CURVES_FILE), "other").unwrap();
    assert_eq!(again(), expected);
    std::fs::remove_file(folder.path().join(KEPT)).unwrap();
    assert_eq!(again(), expected);
}

#[test]
fn another_training_is_refused_and_a_longer_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let short = Plan { epochs: 2, ..plan(Some(folder.path())) };
    assert!(train(&mut toy(), &short, |_| Continue(())).unwrap().finished);
    let other = Plan { fingerprint: "other".into(), ..plan(Some(folder.path())) };
    let error = train(&mut toy(), &other, |_| Continue(())).unwrap_err().to_string();
    assert!(error.contains("found one of another training"), "{error}");
    let mut whole = toy();
    let expected = train(&mut whole, &plan(None), |_| Continue(())).unwrap();
    assert_eq!(train(&mut toy(), &plan(Some(folder.path())), |_| Continue(())).unwrap(), expected);
}

#[test]
fn a_training_ends_early_where_nothing_is_to_be_hoped_for() {
    let mut impatient = Toy { patience: 2, ..toy() };
    let outcome = train(&mut impatient, &plan(None), |_| Continue(())).unwrap();
    assert!(outcome.finished && outcome.curves.len() == 4 && outcome.best == Some(1));
}

#[test]
fn a_loss_that_is_no_number_ends_it() {
    let mut broken = Toy { values: vec![f32::NAN; 3], ..toy() };
    let error = train(&mut broken, &plan(None), |_| Continue(())).unwrap_err().to_string();
    assert!(error.contains("loss of the training: found NaN at step 1 of epoch 1"), "{error}");
}
