//! Draws the curves of a training. The training writes their table itself.

use std::path::Path;

use anyhow::Result;
use compexp_files::write_bytes;
use compexp_nli::train::EpochRow;
use compexp_report::training_curves;

/// Writes `curves.svg` in `dir`.
///
/// # Errors
/// [`compexp_files::Error::Io`] if it cannot be written.
pub(super) fn draw(dir: &Path, rows: &[EpochRow]) -> Result<()> {
    let of = |value: fn(&EpochRow) -> f64| rows.iter().map(value).collect::<Vec<_>>();
    let panels = [
        ("loss", vec![("training", of(|r| r.train_loss))]),
        ("accuracy", vec![("training", of(|r| r.train_accuracy)), ("held out", of(|r| r.dev_accuracy))]),
    ];
    let figure = training_curves(&panels, String::new());
    Ok(write_bytes(&dir.join("curves.svg"), figure.svg.as_bytes())?)
}
