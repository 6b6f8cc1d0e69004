//! How the units of the layer below contribute to the units of a run, if the run has that.

use std::collections::HashMap;

use compexp_run::{BelowRun, FinishedRun};
use serde_json::Value;

use super::class_measures::Measured;
use crate::{Error, Result};

/// The table of measures, with units of the layer below and units of the run as their targets.
const MEASURES: &str = compexp_run::layout::CONTRIBUTIONS_BELOW;

const AGAIN: &str = "measure again: `compexp vision contributions RUN --below RUN`";

/// How the units of the layer below contribute to the units of a run.
#[derive(Debug, PartialEq)]
pub(super) struct LayerBelow {
    /// The name of that layer.
    pub(super) layer: String,
    /// What its run was made from.
    pub(super) inputs: Value,
    /// Units below and their measures, by the run's unit; the greatest correlation first.
    links: HashMap<usize, Vec<(usize, Measured)>>,
}

impl LayerBelow {
    /// What a run has; none if it was not measured.
    ///
    /// # Errors
    /// `Error::File` or `Error::Damaged` if a file of the run cannot be read, is not what it was, or has other units.
    pub(super) fn read(run: &FinishedRun) -> Result<Option<Self>> {
        let Some(rows) = run.contributions_below()? else { return Ok(None) };
        let path = run.dir().join(MEASURES);
        let Some(BelowRun { layer, units, inputs, .. }) = run.below()? else {
            return Err(Error::format(&path, "layer below", format!("no {} beside it", BelowRun::FILE), AGAIN));
        };
        let own = run.explanations.units.len();
        if rows.len() != units * own {
            let expected = format!("{}: {units} units of `{layer}` by {own} of the run; {AGAIN}", units * own);
            return Err(Error::format(&path, "rows", rows.len().to_string(), expected));
        }
        let mut links: HashMap<usize, Vec<(usize, Measured)>> = HashMap::new();
        for (i, row) in rows.into_iter().enumerate() {
            let target = row.target.parse().map_err(|_| {
                Error::format(&path, format!("line {}", i + 2), format!("`{}`", row.target), "the number of a unit")
            })?;
            links.entry(target).or_default().push((row.unit, Measured::from(&row)));
        }
        for links in links.values_mut() {
            let r = |m: &Measured| m.correlation.unwrap_or(f64::NEG_INFINITY);
            links.sort_by(|a, b| r(&b.1).total_cmp(&r(&a.1)).then(a.0.cmp(&b.0)));
        }
        Ok(Some(Self { layer, inputs, links }))
    }

    /// The `n` units below whose maps correlate most with the map of `unit`, strongest first; only positive correlations.
    pub(super) fn with(&self, unit: usize, n: usize) -> impl Iterator<Item = &(usize, Measured)> {
        self.of(unit).iter().filter(|(_, m)| m.correlation > Some(0.0)).take(n)
    }

    /// The `n` units with the most negative correlations, strongest first.
    pub(super) fn against(&self, unit: usize, n: usize) -> impl Iterator<Item = &(usize, Measured)> {
        self.of(unit).iter().rev().filter(|(_, m)| m.correlation.is_some_and(|r| r < 0.0)).take(n)
    }

    fn of(&self, unit: usize) -> &[(usize, Measured)] {
        self.links.get(&unit).map_or(&[], Vec::as_slice)
    }
}
