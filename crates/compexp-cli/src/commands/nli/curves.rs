//! The curves of a training: a table, and a drawing of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use compexp_files::{AtomicFile, read_text};
use compexp_nli::train::EpochRow;
use compexp_report::{Figure, training_curves};

use crate::inputs::MAX_TEXT;

/// Writes `curves.csv` (a row an epoch) and `curves.svg` in `dir`.
///
/// # Errors
/// Those of the files.
pub(super) fn write(dir: &Path, rows: &[EpochRow]) -> Result<()> {
    let mut text = String::from("epoch,learning_rate,train_loss,train_accuracy,dev_accuracy\n");
    for r in rows {
        let _ = writeln!(text, "{},{},{},{},{}", r.epoch, r.rate, r.train_loss, r.train_accuracy, r.dev_accuracy);
    }
    let figure = draw(rows, text);
    for (name, text) in [("curves.csv", figure.csv), ("curves.svg", figure.svg)] {
        let mut file = AtomicFile::create(&dir.join(name))?;
        file.write_all(text.as_bytes())?;
        file.commit()?;
    }
    Ok(())
}

/// The rows of a `curves.csv` in `dir`, as far as they are ones.
pub(super) fn read(dir: &Path) -> Vec<EpochRow> {
    let row = |(line, epoch): (&str, usize)| {
        let mut fields = line.split(',');
        (fields.next()? == epoch.to_string()).then_some(())?;
        let rate = fields.next()?.parse().ok()?;
        let mut value = || fields.next()?.parse().ok();
        Some(EpochRow { epoch, rate, train_loss: value()?, train_accuracy: value()?, dev_accuracy: value()? })
    };
    let text = read_text(&dir.join("curves.csv"), MAX_TEXT).unwrap_or_default();
    text.lines().skip(1).zip(1..).map_while(row).collect()
}

fn draw(rows: &[EpochRow], csv: String) -> Figure {
    let of = |value: fn(&EpochRow) -> f64| rows.iter().map(value).collect::<Vec<_>>();
    let panels = [
        ("loss", vec![("training", of(|r| r.train_loss))]),
        ("accuracy", vec![("training", of(|r| r.train_accuracy)), ("held out", of(|r| r.dev_accuracy))]),
    ];
    training_curves(&panels, csv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_back_to_the_bit() {
        let row = |epoch| EpochRow {
            epoch,
            rate: 0.1 / epoch as f32,
            train_loss: 1.0 / 3.0,
            train_accuracy: 0.1 + 0.2,
            dev_accuracy: 1e-9,
        };
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), []);
        write(folder.path(), &[row(1), row(2)]).unwrap();
        assert_eq!(read(folder.path()), [row(1), row(2)]);
        std::fs::write(folder.path().join("curves.csv"), "epoch\n1,2,3,4,5\n3,2,3,4,5\n").unwrap();
        assert_eq!(read(folder.path()).len(), 1);
    }
}
