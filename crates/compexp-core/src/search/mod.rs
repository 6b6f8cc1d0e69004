//! Searches for the formula that best matches a unit.
//!
//! | module | holds |
//! |---|---|
//! | `config`, `result` | the settings of all searches; what they find |
//! | `order` | the order of candidates: which of two formulas is better, and how ties are broken |
//! | `beam` | the default search: counts formulas of one mask once, compares scores exactly |
//! | `compat` | follows the reference implementation to the last tie and bit |
//! | `exact` | proves the optimum, starting from what `beam` finds |
//! | `vacuous` | removes literals that change nothing |
//! | `ceiling` | the best IoU that any Boolean function of the concepts can reach |
//! | `chain`, `member`, `scan`, `table` | the formulas of a beam, their counts, the scores of their extensions |
//!
//! All searches work on counts. Once `|F and L|` and `|U and F and L|` are known for a formula F, the unit U and every
//! literal L, the score of each extension of F follows by addition. One pass over the cells in which F differs from a
//! formula counted before gives these numbers.

mod beam;
pub mod ceiling;
mod chain;
mod compat;
mod config;
mod exact;
mod member;
mod order;
mod result;
mod scan;
mod table;
mod vacuous;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use config::{ExactConfig, Grammar, Mode, SearchConfig};
pub use result::{Found, Optimal, SearchResult, Status};
pub use vacuous::without_vacuous;

use crate::error::Result;
use crate::partition::Partition;
use crate::profile::Profile;
use crate::score::Metric;

/// Searches for the formula that best matches a unit.
///
/// # Errors
/// [`Error::Mismatch`](crate::Error::Mismatch) if a setting is out of its range, as [`SearchConfig::check`] says;
/// [`Error::BeyondProof`](crate::Error::BeyondProof) if an exact search contradicts itself, which is a fault of this
/// crate.
pub fn search(partition: &Partition, profile: &Profile, config: &SearchConfig) -> Result<SearchResult> {
    config.check()?;
    let area = profile.area();
    if area == 0 {
        return Ok(SearchResult::nothing(Status::Silent));
    }
    if area < config.min_activations {
        return Ok(SearchResult::nothing(Status::TooFew));
    }
    let found = match config.mode {
        Mode::Beam => beam::search(partition, profile, config),
        Mode::Compat => compat::search(partition, profile, config),
        Mode::Exact => exact::search(partition, profile, config)?,
    };
    let correlates = |best: &Found| Metric::Mcc.of(best.counts) > 0.0;
    match config.metric {
        Metric::Mcc if found.best().is_some_and(|best| !correlates(best)) => {
            Ok(SearchResult::nothing(Status::Uncorrelated))
        }
        _ => Ok(found),
    }
}

/// Searches for every unit, in parallel. Calls `progress` with the number of units done, from any thread.
///
/// # Errors
/// The errors of [`search`].
pub fn search_all(
    partition: &Partition,
    profiles: &[Profile],
    config: &SearchConfig,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<SearchResult>> {
    let done = AtomicUsize::new(0);
    profiles
        .par_iter()
        .map(|profile| {
            let result = search(partition, profile, config);
            progress(1 + done.fetch_add(1, Ordering::Relaxed));
            result
        })
        .collect()
}
