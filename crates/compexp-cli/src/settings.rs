//! From arguments to the settings that the engine takes.

use compexp_core::explain::ExplainConfig;
use compexp_core::probe::Variant;
use compexp_core::score::Metric;
use compexp_core::search::{ExactConfig, Grammar, Mode, SearchConfig};
use compexp_core::threshold::ThresholdRule;
use compexp_vision::preprocess::Preprocess;

use crate::args::{GrammarArg, MetricArg, ModeArg, PreprocessArg, SearchArgs, ThresholdArgs, Units};
use crate::failure::Failure;

/// The examples of each kind that a run keeps for reports.
const EXEMPLARS: usize = 20;

/// The quantile of the paper's vision experiments.
const QUANTILE: f64 = 0.005;

/// When a unit counts as firing: as asked, else by whether its activations are maps.
pub(crate) fn threshold(args: &ThresholdArgs, maps: bool, compat: bool) -> ThresholdRule {
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
    ExplainConfig { threshold, search, keep_beams: args.keep_beams, exemplars: EXEMPLARS }
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

/// Checks what the arguments ask of a search, before anything is read.
///
/// # Errors
/// A [`Failure`] for arguments that exclude each other.
pub(crate) fn check_search(args: &SearchArgs) -> Result<(), Failure> {
    let exact = args.mode == ModeArg::Exact;
    if exact && args.compat {
        return Err(Failure::usage(
            "--compat with --mode exact: the reference's search proves nothing; give one of the two",
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
        MetricArg::Precision => Metric::Precision,
        MetricArg::Recall => Metric::Recall,
        MetricArg::F1 => Metric::F1,
    }
}

pub(crate) fn preprocess(arg: PreprocessArg) -> Preprocess {
    match arg {
        PreprocessArg::Reference => Preprocess::Reference,
        PreprocessArg::Imagenet => Preprocess::ImageNet,
    }
}

/// The units asked for, of a layer that has `n`; each once, ascending.
///
/// # Errors
/// A [`Failure`] for a unit that the layer lacks.
pub(crate) fn units(asked: Option<&Units>, n: usize) -> Result<Vec<usize>, Failure> {
    let Some(Units(ranges)) = asked else { return Ok((0..n).collect()) };
    if let Some(range) = ranges.iter().find(|r| *r.end() >= n) {
        let message = format!("--units: found {}, expected units below {n}, which is what the layer has", range.end());
        return Err(Failure::usage(message));
    }
    let mut units: Vec<usize> = ranges.iter().cloned().flatten().collect();
    units.sort_unstable();
    units.dedup();
    Ok(units)
}

/// Units as they are written down: `0-9,12`.
pub(crate) fn units_text(units: &[usize]) -> String {
    let runs = units.chunk_by(|a, b| a + 1 == *b);
    let text = runs.map(|run| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    text.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_sorted_once_and_within_the_layer() {
        let units_of = |text: &str, n| units(Some(&text.parse().unwrap()), n);
        let found = units_of("7,0-2,1", 8).unwrap();
        assert_eq!((found.as_slice(), units_text(&found).as_str()), (&[0, 1, 2, 7][..], "0-2,7"));
        assert_eq!(units(None, 3).unwrap(), [0, 1, 2]);
        for bad in ["8", "0-8", "0-18446744073709551615"] {
            assert!(units_of(bad, 8).unwrap_err().to_string().contains("units below 8"), "{bad}");
        }
    }

    #[test]
    fn thresholds_follow_the_shape_unless_asked_for() {
        let args = |quantile, positive| ThresholdArgs { quantile, positive };
        let rule = |quantile, positive, maps| threshold(&args(quantile, positive), maps, false);
        assert_eq!(rule(None, false, true), ThresholdRule::TopQuantile(0.005));
        assert_eq!(rule(None, false, false), ThresholdRule::Positive);
        assert_eq!(rule(None, true, true), ThresholdRule::Positive);
        assert_eq!(rule(Some(0.1), false, false), ThresholdRule::TopQuantile(0.1));
        assert_eq!(threshold(&args(None, false), true, true), ThresholdRule::TopQuantileF32(0.005));
    }
}
