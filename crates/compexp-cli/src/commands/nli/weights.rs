//! What units mean to the decision: their weights to the classes, and how often it is right where they fire.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use compexp_files::AtomicFile;
use compexp_run::layout::WEIGHTS;
use compexp_trust::behaviour::Head;

/// Counts of the pairs on which each unit fires.
pub(super) struct Firings<'a> {
    thresholds: &'a [f64],
    /// All pairs, those with a label, those of them that are right.
    counts: Vec<[usize; 3]>,
}

impl<'a> Firings<'a> {
    /// None so far.
    pub(super) fn new(thresholds: &'a [f64]) -> Self {
        Self { thresholds, counts: vec![[0; 3]; thresholds.len()] }
    }

    /// Adds a pair: every unit's value, and whether the prediction is right, where that is known.
    pub(super) fn add(&mut self, values: &[f32], correct: Option<bool>) {
        for ((value, threshold), counts) in values.iter().zip(self.thresholds).zip(&mut self.counts) {
            if f64::from(*value) > *threshold {
                counts[0] += 1;
                counts[1] += usize::from(correct.is_some());
                counts[2] += usize::from(correct == Some(true));
            }
        }
    }

    /// Writes `weights.csv` with a row a unit: its weights to the classes where the `head` reads it, then the numbers of pairs on
    /// which it fires, of those with a label and of those that are predicted rightly, and the share of the latter two.
    ///
    /// # Errors
    /// Those of the file.
    pub(super) fn write(&self, dir: &Path, head: Option<&Head>) -> Result<()> {
        let mut text = String::from("unit");
        head.iter().flat_map(|head| &head.classes).for_each(|class| text += &format!(",{class}"));
        text += ",active,known,correct,accuracy\n";
        for (unit, [active, known, correct]) in self.counts.iter().enumerate() {
            text += &unit.to_string();
            for weight in head.iter().flat_map(|head| head.weights.column(unit)) {
                text += &format!(",{weight}");
            }
            text += &format!(",{active},{known},{correct},");
            if *known > 0 {
                text += &(*correct as f64 / *known as f64).to_string();
            }
            text.push('\n');
        }
        let mut file = AtomicFile::create(&dir.join(WEIGHTS))?;
        file.write_all(text.as_bytes())?;
        Ok(file.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_counts_where_it_is_above_its_threshold() {
        let mut firings = Firings::new(&[0.0, 0.5]);
        firings.add(&[1.0, 0.5], Some(true));
        firings.add(&[0.25, 0.75], None);
        firings.add(&[0.0, 0.75], Some(false));
        assert_eq!(firings.counts, [[2, 1, 1], [2, 1, 0]]);
        let folder = tempfile::tempdir().unwrap();
        let weights = ndarray::arr2(&[[0.5, -1.0], [0.25, 2.0]]);
        let head = Head::new(vec!["a".into(), "b".into()], weights, vec![0.0; 2]).unwrap();
        firings.write(folder.path(), Some(&head)).unwrap();
        let text = std::fs::read_to_string(folder.path().join(WEIGHTS)).unwrap();
        assert_eq!(text, "unit,a,b,active,known,correct,accuracy\n0,0.5,0.25,2,1,1,1\n1,-1,2,2,1,0,0\n");
    }
}
