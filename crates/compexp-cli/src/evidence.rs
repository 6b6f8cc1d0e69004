//! Evidence for explanations: which examples the search sees, and whether chance finds as much.

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Explained};
use compexp_core::partition::{Partition, PositionMap};
use compexp_core::probe::Example;
use compexp_trust::stats::holdout::Split;
use compexp_trust::stats::null::{Exchange, NullConfig, NullTest, set_significance};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::trust::TrustArgs;
use crate::progress::{Reporter, duration};
use crate::terminal::count;

/// Which evidence is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct EvidenceConfig {
    /// The draws that each unit is compared with.
    null_draws: Option<usize>,
    /// The share of the groups of examples that is held out.
    holdout: Option<f64>,
    /// Seed of the draws and of what is held out.
    pub(crate) seed: u64,
}

impl From<&TrustArgs> for EvidenceConfig {
    fn from(args: &TrustArgs) -> Self {
        Self { null_draws: args.null_draws, holdout: args.holdout, seed: args.seed }
    }
}

/// What the search sees of a probe set.
pub(crate) struct Seen {
    /// The examples, ascending.
    pub(crate) examples: Vec<usize>,
    /// What is held out, where anything is.
    pub(crate) split: Option<Split>,
}

impl Seen {
    /// Those of `all` that the search sees.
    pub(crate) fn of<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.examples.iter().map(|example| all[*example].clone()).collect()
    }

    /// Tells what is held out.
    pub(crate) fn say(&self, reporter: &Reporter) {
        let Some(universe) = self.split.as_ref().map(Split::universe) else { return };
        reporter.say(&format!(
            "{} of {} examples are held out ({} groups)",
            count(universe.examples as u64),
            count((self.examples.len() + universe.examples) as u64),
            count(universe.groups as u64)
        ));
    }
}

impl EvidenceConfig {
    /// What a run records of it; the seed only where it decides anything.
    pub(crate) fn record(&self) -> Value {
        match (self.null_draws, self.holdout) {
            (None, None) => Value::Null,
            _ => json!(self),
        }
    }

    /// Which examples the search sees. What cannot be done with these examples is refused here, before anything is written.
    ///
    /// # Errors
    /// Those of [`Split::new`] and [`Exchange::new`].
    pub(crate) fn seen(&self, examples: &[Example]) -> Result<Seen> {
        let split = self.holdout.map(|fraction| Split::new(examples, fraction, self.seed)).transpose()?;
        let all = || (0..examples.len()).collect();
        let seen = Seen { examples: split.as_ref().map_or_else(all, |split| split.search.clone()), split };
        if self.null_draws.is_some() {
            Exchange::new(&seen.of(examples))?;
        }
        Ok(seen)
    }

    /// Tests what was found against chance, where that is asked for. All is of the search's side.
    ///
    /// # Errors
    /// Those of [`NullTest`].
    #[allow(clippy::too_many_arguments, reason = "each is a different thing that the caller has at hand")]
    pub(crate) fn test(
        &self,
        partition: &Partition,
        map: &PositionMap,
        examples: &[Example],
        firing: Firing<'_>,
        explained: &mut Explained,
        config: &ExplainConfig,
        reporter: &Reporter,
    ) -> Result<()> {
        let Some(draws) = self.null_draws else { return Ok(()) };
        let null = NullConfig { draws, seed: self.seed };
        let test = NullTest::new(partition, map, examples, firing, explained, &config.search, null, reporter)?;
        let (n, fixed) = (test.n_units(), test.exchange().n_fixed());
        reporter.say(&format!(
            "significance: {} units x {} draws are {} searches, about {}",
            count(n as u64),
            count(draws as u64),
            count(test.n_searches() as u64),
            duration(test.estimate()?)
        ));
        if fixed > 0 {
            reporter.say(&format!(
                "  {} of {} examples stay where they are, because no other group has as many",
                count(fixed as u64),
                count(examples.len() as u64)
            ));
        }
        reporter.say(&format!("  {}", resolution(null, n)));
        let found = test.run(reporter)?;
        set_significance(explained, found);
        Ok(())
    }
}

/// How fine p and q can be.
fn resolution(null: NullConfig, tested: usize) -> String {
    let (least, needed) = (null.least_p(), null.units_needed(tested));
    let q = match needed {
        _ if needed > tested => "no q can be below 0.05: take more draws".to_owned(),
        1 => "one unit there suffices for a q below 0.05".to_owned(),
        _ => format!("{needed} of {tested} units must be there before any q is below 0.05"),
    };
    format!("p is never below {least:.4}; {q}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolution_is_told_before_the_draws_begin() {
        let of = |draws, tested| resolution(NullConfig { draws, seed: 0 }, tested);
        assert_eq!(of(200, 512), "p is never below 0.0050; 51 of 512 units must be there before any q is below 0.05");
        assert_eq!(of(9, 4), "p is never below 0.1000; no q can be below 0.05: take more draws");
        assert_eq!(of(200, 3), "p is never below 0.0050; one unit there suffices for a q below 0.05");
    }
}
