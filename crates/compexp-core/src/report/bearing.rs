//! How units bear on classes, as far as a run tells: the weights of the model's last layer, and the measures of contribution.

use std::collections::HashMap;

use crate::artifact::{FinishedRun, Weights};
use crate::behaviour::contribution::Role;
use crate::error::{Error, Result};

/// The table of measures, of [`crate::behaviour::contribution`].
const MEASURES: &str = "contributions.csv";
const COLUMNS: [&str; 8] =
    ["unit", "target", "weight", "correlation", "overlap", "weight_role", "correlation_role", "overlap_role"];

/// How units bear on classes.
#[derive(Debug, PartialEq)]
pub(super) struct Bearing {
    /// In the order of the model.
    pub(super) classes: Vec<String>,
    /// A weight a class, by unit.
    weights: HashMap<usize, Vec<f64>>,
    /// By unit and class.
    measured: HashMap<(usize, usize), Measured>,
}

/// The measures of a unit and a class, or a unit and one of the layer above, with what the first is to the second by each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) weight: Option<f64>,
    pub(super) correlation: Option<f64>,
    pub(super) overlap: Option<f64>,
    pub(super) roles: [Role; 3],
}

/// A row of a table of measures.
pub(super) struct MeasuredRow {
    pub(super) unit: usize,
    pub(super) target: String,
    pub(super) measured: Measured,
}

/// The rows of the table of measures in the file `name` of a run, if it is there.
pub(super) fn measured_rows(run: &FinishedRun, name: &str) -> Result<Option<Vec<MeasuredRow>>> {
    let Some(table) = run.table(name)? else { return Ok(None) };
    let path = run.dir().join(name);
    let places: Option<Vec<usize>> = COLUMNS.iter().map(|name| table.header.iter().position(|h| h == name)).collect();
    let Some([unit, target, weight, correlation, overlap, roles @ ..]) = places.as_deref() else {
        return Err(Error::format(&path, "columns", table.header.join(", "), COLUMNS.join(", ")));
    };
    let mut rows = Vec::with_capacity(table.rows.len());
    for (line, row) in table.rows.iter().enumerate() {
        let bad = |field: &str, expected: &str| {
            Error::format(&path, format!("line {}", line + 2), format!("`{field}`"), expected)
        };
        // Where a measure is not defined its field is empty, or says so.
        let number = |at: usize| match row[at].as_str() {
            "" => Ok(None),
            text => match text.parse::<f64>() {
                Ok(value) => Ok(value.is_finite().then_some(value)),
                Err(_) => Err(bad(text, "a number")),
            },
        };
        let role = |at: &usize| {
            let all = [Role::Contributor, Role::Inhibitor, Role::Neither];
            let found = all.into_iter().find(|role| role.name() == row[*at]);
            found.ok_or_else(|| bad(&row[*at], "`contributor`, `inhibitor` or nothing"))
        };
        let roles = [role(&roles[0])?, role(&roles[1])?, role(&roles[2])?];
        let [weight, correlation, overlap] = [number(*weight)?, number(*correlation)?, number(*overlap)?];
        rows.push(MeasuredRow {
            unit: row[*unit].parse().map_err(|_| bad(&row[*unit], "the number of a unit"))?,
            target: row[*target].clone(),
            measured: Measured { weight, correlation, overlap, roles },
        });
    }
    Ok(Some(rows))
}

impl Bearing {
    /// What a run tells; none where it has neither weights of classes nor measures.
    pub(super) fn read(run: &FinishedRun, weights: Option<&Weights>) -> Result<Option<Self>> {
        let mut found = Self { classes: Vec::new(), weights: HashMap::new(), measured: HashMap::new() };
        if let Some(head) = run.head()? {
            let units = run.explanations.units.iter().map(|u| u.unit).filter(|u| *u < head.n_units());
            found.weights =
                units.map(|u| (u, head.weights.column(u).iter().map(|w| f64::from(*w)).collect())).collect();
            found.classes = head.classes;
        } else if let Some(weights) = weights {
            found.classes.clone_from(&weights.classes);
            found.weights = weights.units.iter().map(|u| (u.unit, u.weights.clone())).collect();
        }
        found.measure(run)?;
        Ok((!found.classes.is_empty()).then_some(found))
    }

    /// Adds the measures, where the run has them.
    fn measure(&mut self, run: &FinishedRun) -> Result<()> {
        let mut numbers: HashMap<String, usize> =
            self.classes.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        let known = !self.classes.is_empty();
        for row in measured_rows(run, MEASURES)?.unwrap_or_default() {
            let class = match numbers.get(&row.target) {
                Some(class) => *class,
                // A target that is no class of the model.
                None if known => continue,
                None => {
                    self.classes.push(row.target.clone());
                    numbers.insert(row.target, self.classes.len() - 1);
                    self.classes.len() - 1
                }
            };
            self.measured.insert((row.unit, class), row.measured);
        }
        Ok(())
    }

    /// How a unit's value counts for a class.
    pub(super) fn weight(&self, unit: usize, class: usize) -> Option<f64> {
        let measured = || self.measured.get(&(unit, class))?.weight;
        self.weights.get(&unit).and_then(|w| w.get(class)).copied().or_else(measured)
    }

    /// The measures of a unit and a class.
    pub(super) fn measured(&self, unit: usize, class: usize) -> Option<&Measured> {
        self.measured.get(&(unit, class))
    }

    /// Whether there are any.
    pub(super) fn has_measures(&self) -> bool {
        !self.measured.is_empty()
    }

    /// The `n` greatest weights above 0 and the `n` least below, each with what it belongs to, strongest first.
    pub(super) fn strongest(weights: impl Iterator<Item = (usize, f64)>, n: usize) -> [Vec<(usize, f64)>; 2] {
        let (mut up, mut down): (Vec<_>, Vec<_>) =
            weights.filter(|(_, w)| *w != 0.0).partition(|(_, weight)| *weight > 0.0);
        for side in [&mut up, &mut down] {
            side.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
            side.truncate(n);
        }
        [up, down]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_weights_come_first_on_either_side() {
        let weights = [(0, -0.5), (1, 2.0), (2, 0.0), (3, -3.0), (4, 2.0), (5, 0.1)];
        let [up, down] = Bearing::strongest(weights.into_iter(), 2);
        assert_eq!(up, [(1, 2.0), (4, 2.0)]);
        assert_eq!(down, [(3, -3.0), (0, -0.5)]);
    }
}
