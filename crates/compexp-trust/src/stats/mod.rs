//! How far an explanation is to be trusted.
//!
//! A search over hundreds of thousands of formulas finds a fair match for almost any mask. Two questions follow, and each
//! has a module: is the match better than what the same search finds when the unit has nothing to do with the concepts
//! ([`null`])? And does it hold on examples that the search never saw ([`holdout`])?
//!
//! [`bootstrap`] and [`fdr`] are the statistics that they need; [`correlation`], [`association`] and [`spread`] those of the
//! analyses.
//! Everything random follows from a seed, whatever the number of threads.

mod activation;
pub mod association;
pub mod bootstrap;
pub mod correlation;
pub mod fdr;
pub mod holdout;
mod kappa;
pub mod null;
mod partial;
pub mod spread;

pub use association::{Association, Estimate, Observed, associations};
pub use correlation::{Correlation, pearson, spearman};
pub use kappa::Agreement;
pub use partial::partial;
pub use spread::Spread;

use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::partition::PositionMap;
use compexp_core::profile::{Band, Patterns};

use crate::Result;

/// Where `bands` have hits, told as the stage `stage`; given masks count whole.
pub(crate) fn patterns(
    firing: Firing<'_>,
    bands: &[Band],
    map: &PositionMap,
    stage: &str,
    progress: &dyn Progress,
) -> Result<Patterns> {
    match firing {
        Firing::Activations(source) => {
            progress.stage(stage, "examples", source.n_examples());
            Patterns::from_activations(source, bands, map, &|n| progress.done(n))
        }
        Firing::Sparse(source) => {
            progress.stage(stage, "units", source.n_units());
            Patterns::from_sparse(source, bands, map, &|n| progress.done(n))
        }
        Firing::Masks(source) => {
            progress.stage(stage, "units", bands.len());
            let units: Vec<usize> = bands.iter().map(|band| band.unit).collect();
            Patterns::from_masks(source, &units, map, &|n| progress.done(n))
        }
    }
}

/// A quantile of ascending values, interpolated linearly between the two nearest; 0 where there are none.
pub fn quantile(sorted: &[f64], at: f64) -> f64 {
    let index = sorted.len().saturating_sub(1) as f64 * at;
    let value = |i: usize| sorted.get(i).or(sorted.last()).copied().unwrap_or(0.0);
    let (below, above) = (value(index as usize), value(index as usize + 1));
    below + (above - below) * index.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_order_statistics() {
        let values = [1.0, 2.0, 4.0, 8.0];
        let found = [0.0, 0.5, 0.9, 1.0].map(|at| quantile(&values, at));
        for (found, expected) in found.into_iter().zip([1.0, 3.0, 6.8, 8.0]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
        assert_eq!((quantile(&[3.0], 0.3), quantile(&[], 0.5)), (3.0, 0.0));
    }
}
