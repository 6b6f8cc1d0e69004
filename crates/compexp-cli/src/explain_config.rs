//! Turns the arguments of a search into the configuration of the engine.

use compexp_core::explain::{ExplainConfig, SwapConfig};
use compexp_core::probe::Variant;
use compexp_core::ranges::{RangeConfig, RangeCuts};
use compexp_core::score::Metric;
use compexp_core::search::{ExactConfig, Grammar, Mode, SearchConfig};
use compexp_core::threshold::ThresholdRule;
use compexp_run::provenance::Evidence;
use compexp_trust::stats::null::NullConfig;

use crate::args::layer::ThresholdArgs;
use crate::args::search::{GrammarArg, MetricArg, ModeArg, RangeCutsArg, SearchArgs};
use crate::args::trust::{DrawsArg, TrustArgs};
use crate::failure::Failure;
use crate::progress::Reporter;

/// The number of examples of each kind that a run keeps for reports.
const EXEMPLARS: usize = 20;

/// The quantile of the paper's vision experiments.
const QUANTILE: f64 = 0.005;

/// Warns of a quantile by which units fire on most of their values: the share that does not fire may have been meant.
fn question(q: f64, reporter: &Reporter) {
    // 1 - 0.995 is 0.0050000000000000044.
    let other = format!("{:.12}", 1.0 - q);
    let other = other.trim_end_matches('0');
    reporter.warn(&format!(
        "--quantile {q}: a unit then fires on {:.4}% of its values, because the quantile is the share that fires; was {other} \
         meant?",
        100.0 * q
    ));
}

/// When a unit fires: as the arguments say, otherwise by whether its activations are maps. Warns of a quantile above a half.
pub(crate) fn threshold(args: &ThresholdArgs, maps: bool, compat: bool, reporter: &Reporter) -> ThresholdRule {
    args.quantile.filter(|q| *q > 0.5).iter().for_each(|q| question(*q, reporter));
    let quantile = args.quantile.or((maps && !args.positive).then_some(QUANTILE));
    match quantile {
        Some(q) if compat => ThresholdRule::TopQuantileF32(q),
        Some(q) => ThresholdRule::TopQuantile(q),
        None => ThresholdRule::Positive,
    }
}

/// How to explain a layer.
pub(crate) fn explain(args: &SearchArgs, threshold: ThresholdRule, variant: Variant) -> ExplainConfig {
    let default_length = match variant {
        Variant::Vision => 3,
        Variant::Nli => 5,
    };
    let search = SearchConfig {
        length: args.length.unwrap_or(default_length),
        beam: args.beam,
        mode: mode(args),
        variant,
        metric: metric(args.metric),
        penalty: args.penalty,
        beam_limit: args.beam_limit,
        min_activations: args.min_activations.unwrap_or(0),
        exact: exact(args),
    };
    let cuts = match args.range_cuts {
        RangeCutsArg::EqualCounts => RangeCuts::EqualCounts,
        RangeCutsArg::KMeans => RangeCuts::KMeans,
    };
    let ranges = args.ranges.map(|count| RangeConfig { count, cuts });
    let swap = args.concepts_by_units.then_some(SwapConfig { candidates: args.candidates });
    ExplainConfig { threshold, ranges, search, keep_beams: args.keep_beams, exemplars: EXEMPLARS, swap }
}

/// The tests that the arguments ask for, of so many units.
pub(crate) fn evidence(args: &TrustArgs, units: usize) -> Evidence {
    let null_draws = args.null_draws.map(|draws| match draws {
        DrawsArg::Auto => NullConfig::draws_for(units),
        DrawsArg::Draws(draws) => draws,
    });
    Evidence { null_draws, holdout: args.holdout, seed: args.seed }
}

fn mode(args: &SearchArgs) -> Mode {
    match args.mode {
        ModeArg::Exact => Mode::Exact,
        ModeArg::Beam if args.compat => Mode::Compat,
        ModeArg::Beam => Mode::Beam,
    }
}

fn exact(args: &SearchArgs) -> ExactConfig {
    let grammar = match args.exact.grammar {
        Some(GrammarArg::Full) => Grammar::Full,
        Some(GrammarArg::Chains) | None => Grammar::Chains,
    };
    ExactConfig { grammar, seconds: args.exact.time_per_unit, gap: args.exact.gap.unwrap_or(0.0) }
}

/// Checks the arguments of a search, before any file is read.
///
/// # Errors
/// A [`Failure`] for arguments that exclude each other.
pub(crate) fn check_search(args: &SearchArgs) -> Result<(), Failure> {
    let exact = args.mode == ModeArg::Exact;
    if args.compat && args.metric == MetricArg::Mcc {
        return Err(Failure::usage(
            "--compat with --metric mcc: the published procedure has no MCC; give only one of the two",
        ));
    }
    if args.compat && args.concepts_by_units {
        return Err(Failure::usage(
            "--compat with --concepts-by-units: the published procedure explains units only; give only one of the two",
        ));
    }
    if exact && args.compat {
        return Err(Failure::usage(
            "--compat with --mode exact: the search of the reference proves nothing; give only one of the two",
        ));
    }
    let only_exact = [
        ("--grammar", args.exact.grammar.is_some()),
        ("--time-per-unit", args.exact.time_per_unit.is_some()),
        ("--gap", args.exact.gap.is_some()),
    ];
    match only_exact.iter().find(|(_, given)| *given && !exact) {
        Some((name, _)) => Err(Failure::usage(format!("{name}: is for --mode exact"))),
        None => Ok(()),
    }
}

fn metric(arg: MetricArg) -> Metric {
    match arg {
        MetricArg::Iou => Metric::Iou,
        MetricArg::Mcc => Metric::Mcc,
        MetricArg::Precision => Metric::Precision,
        MetricArg::Recall => Metric::Recall,
        MetricArg::F1 => Metric::F1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_follow_the_shape_unless_asked_for() {
        let quiet = Reporter::new(true);
        let args = |quantile, positive| ThresholdArgs { quantile, positive };
        let rule = |quantile, positive, maps| threshold(&args(quantile, positive), maps, false, &quiet);
        assert_eq!(rule(None, false, true), ThresholdRule::TopQuantile(0.005));
        assert_eq!(rule(None, false, false), ThresholdRule::Positive);
        assert_eq!(rule(None, true, true), ThresholdRule::Positive);
        assert_eq!(rule(Some(0.1), false, false), ThresholdRule::TopQuantile(0.1));
        assert_eq!(threshold(&args(None, false), true, true, &quiet), ThresholdRule::TopQuantileF32(0.005));
    }
}
