//! How far explanations are to be trusted: significance and held-out scores, as they are asked for and told.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Explained};
use compexp_core::explanation::{Explanation, Scored};
use compexp_core::partition::{Partition, PositionMap};
use compexp_core::probe::Example;
use compexp_run::run_dir::Summary;
use compexp_trust::stats::holdout::Split;
use compexp_trust::stats::null::{Exchange, NullConfig, NullTest, set_significance};
use serde_json::{Value, json};

use crate::progress::{Reporter, duration};
use crate::table::{self, count, name};

/// How far to check what is found.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct TrustArgs {
    /// Compare each unit with this many draws in which its maps are given to other examples (2 or more; 200 is a good
    /// start), and record p and q
    #[arg(long, value_name = "R", value_parser = RangedU64ValueParser::<usize>::new().range(2..=1_000_000))]
    pub(crate) null_draws: Option<usize>,
    /// Hold this share of the groups of examples out of the search, and measure the formulas on it
    #[arg(long, value_name = "FRACTION", value_parser = fraction, allow_negative_numbers = true)]
    pub(crate) holdout: Option<f64>,
    /// Decides the draws, and what is held out
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}

fn fraction(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("expected a share between 0 and 1".into()) }
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

impl TrustArgs {
    /// What a run records of it; the seed only where it decides anything.
    pub(crate) fn record(&self) -> Value {
        match (self.null_draws, self.holdout) {
            (None, None) => Value::Null,
            (draws, holdout) => json!({ "null_draws": draws, "holdout": holdout, "seed": self.seed }),
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

    /// Tests what was found against luck, where that is asked for. All is of the search's side.
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

/// Writes what is known of how far a unit's explanation is to be trusted, each number with what it says.
pub(crate) fn write(out: &mut impl Write, unit: &Explanation) -> io::Result<()> {
    if !unit.vacuous.is_empty() {
        let literals: Vec<String> = unit.vacuous.iter().map(|literal| name(literal)).collect();
        writeln!(
            out,
            "  left out      {}: the search joined it, but the mask is the same without",
            literals.join(", ")
        )?;
    }
    if let Some(s) = &unit.significance {
        let draws = count(s.draws as u64);
        let reached = (s.p * (s.draws + 1) as f64).round() as usize - 1;
        let reached = count(reached as u64);
        writeln!(
            out,
            "  p             {:.4}  {reached} of {draws} draws with the unit's maps on other examples match as well",
            s.p
        )?;
        writeln!(out, "  q             {:.4}  expected share of luck among the units with a p as small as this", s.q)?;
    }
    if let Some(h) = &unit.holdout {
        let [low, high] = h.interval;
        writeln!(
            out,
            "  held-out IoU  {:.4}  on examples the search never saw; 95% interval {low:.4} to {high:.4}",
            h.iou
        )?;
        writeln!(
            out,
            "  suggested     length {}, beyond which nothing is surely gained on those examples",
            h.suggested_length
        )?;
    }
    Ok(())
}

/// Writes a unit's scores by length beside those of luck and of held-out examples, where either is known.
pub(crate) fn write_by_length(out: &mut impl Write, unit: &Explanation) -> io::Result<()> {
    let luck = unit.significance.as_ref().map(|s| &s.by_length);
    let held_out = unit.holdout.as_ref().map(|h| &h.by_length);
    if luck.is_none() && held_out.is_none() {
        return Ok(());
    }
    let row = |(k, own): (usize, &Scored)| {
        let luck = luck.and_then(|luck| luck.get(k));
        let held_out = held_out.and_then(|held_out| held_out.get(k));
        let show = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        let interval = held_out.map_or("-".to_owned(), |h| format!("{:.4} to {:.4}", h.interval[0], h.interval[1]));
        let numbers = [Some(own.iou), luck.map(|l| l.median), luck.map(|l| l.q95), luck.map(|l| l.p)].map(show);
        let [iou, median, q95, p] = numbers;
        [own.length.to_string(), iou, median, q95, p, show(held_out.map(|h| h.iou)), interval]
    };
    let rows: Vec<_> = unit.by_length.iter().enumerate().map(row).collect();
    let (by_luck, there) = (luck.is_some(), held_out.is_some());
    let beside = match (by_luck, there) {
        (true, true) => ", of luck, and on held-out examples",
        (true, false) => " and of luck",
        (false, _) => " and on held-out examples",
    };
    writeln!(out, "IoU by length{beside}")?;
    let header = ["length", "IoU", "luck 50%", "luck 95%", "p", "held-out", "95% interval"];
    table::write_columns(out, "  ", header, &rows, [true, true, by_luck, by_luck, by_luck, there, there])
}

/// What a run's units came to, a line each.
pub(crate) fn summary_lines(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(s) = summary.significance {
        let (significant, tested) = (count(s.significant as u64), count(s.tested as u64));
        lines.push(format!("{significant} of {tested} units have q below 0.05 ({} draws)", count(s.draws as u64)));
    }
    if let Some(h) = &summary.holdout {
        let list = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let (examples, groups) = (count(h.examples as u64), count(h.groups as u64));
        lines.push(format!("held out: {examples} examples in {groups} groups"));
        lines.push(format!("  mean IoU there, by length:   {}", list(&h.mean_iou_by_length)));
        lines.push(format!("  below that of the search by: {}", list(&h.mean_drop_by_length)));
    }
    lines
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
