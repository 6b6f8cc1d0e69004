//! `compexp show --concepts`: the formulas over units that explain concepts.

use std::io::Write;

use anyhow::Result;
use compexp_core::explanation::{ConceptExplanation, ConceptFormulas, Explanation, Headline};
use compexp_run::FinishedRun;

use crate::args::runs::{ShowArgs, SortArg};
use crate::failure::Failure;
use crate::terminal::{self, count, name};

/// Prints what the run found, best first.
///
/// # Errors
/// A [`Failure`] for a run that did not explain concepts.
pub(super) fn write(out: &mut impl Write, run: &FinishedRun, args: &ShowArgs) -> Result<()> {
    let Some(found) = run.explanations.concepts.as_ref() else {
        let message = "--concepts: the run has no formulas of concepts; make it again with --concepts-by-units";
        return Err(Failure::usage(message).into());
    };
    let headline = Headline::of(&run.explanations);
    // A concept is rarer than what units fire on: what its formula owes to chance shows on other examples.
    let validated = found.list.iter().any(|concept| concept.found.holdout.is_some());
    let sort = args.sort.unwrap_or(if validated { SortArg::HeldOut } else { SortArg::of(headline) });
    let mut list: Vec<&ConceptExplanation> = found.list.iter().collect();
    match sort {
        SortArg::Unit => {}
        _ => list.sort_by(|a, b| {
            let [a, b] = [a, b].map(|concept| match sort {
                SortArg::HeldOut => held_out(&concept.found, headline).unwrap_or(f64::NEG_INFINITY),
                _ => sort.value(&concept.found, headline).unwrap_or(f64::NEG_INFINITY),
            });
            b.total_cmp(&a)
        }),
    }
    list.truncate(args.limit.unwrap_or(usize::MAX));
    if args.json {
        let ConceptFormulas { candidates, units, universe, .. } = found;
        let json = serde_json::json!({
            "version": run.explanations.version, "candidates": candidates, "units": units, "universe": universe, "concepts": list,
        });
        return Ok(terminal::write_json(out, &json)?);
    }
    let row = |ConceptExplanation { concept, category, found }: &&ConceptExplanation| {
        let single = found.by_length.first().map(|first| headline.of_length(first));
        let best = found.formula.is_some().then(|| headline.value(found));
        let added = single.zip(best).map_or("-".to_owned(), |(single, best)| format!("{:+.4}", best - single));
        let held_out = held_out(found, headline);
        let formula = match &found.formula {
            Some(formula) => name(formula),
            None => format!("- {}", found.status.name().replace('_', " ")),
        };
        let unit = found.primitive.as_ref().map_or("-".to_owned(), |p| name(&p.formula));
        let q = terminal::score(found.significance.as_ref().map(|s| s.q));
        [
            name(concept),
            name(category),
            unit,
            terminal::score(single),
            terminal::score(best),
            added,
            terminal::score(held_out),
            q,
            formula,
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    let keep = std::array::from_fn(|column| {
        !matches!(column, 1 | 6 | 7) || rows.iter().any(|r| !matches!(r[column].as_str(), "-" | ""))
    });
    let header = [
        "concept",
        "category",
        "best unit",
        headline.name(),
        "formula's",
        "added",
        "held out",
        "q",
        "formula over units",
    ];
    terminal::write_columns(out, "", header, &rows, keep)?;
    let ConceptFormulas { candidates, units, list, .. } = found;
    let [concepts, candidates, units] = [list.len(), *candidates, *units].map(|n| count(n as u64));
    Ok(writeln!(out, "{concepts} concepts; formulas could name {candidates} of the {units} units that fire")?)
}

/// The score on held-out examples; none where the concept is on none of them.
fn held_out(found: &Explanation, headline: Headline) -> Option<f64> {
    headline.held_out(found.holdout.as_ref().filter(|h| h.unit_area > 0)?)
}
