//! The method once more with units and concepts in each other's place.

use std::path::Path;

use compexp_core::concept::ConceptId;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Explained, Observed, Progress, SwapConfig, explain as explain_layer};
use compexp_core::explanation::{ConceptExplanation, ConceptFormulas, Explanation};
use compexp_core::probe::{AnnotationSource, Neighbors};
use compexp_core::search::SearchConfig;
use compexp_core::swap::{ConceptActivity, UnitAnnotations, candidates, unit_names};
use compexp_core::threshold::ThresholdRule;
use compexp_trust::stats::holdout::{Part, validate};
use compexp_trust::stats::null::NullConfig;

use super::{Divided, Layer, Method, Seen, divide_source, test};
use crate::error::Result;
use crate::wording::count;

/// Concepts on fewer positions are not searched: some combination of units is there and nowhere else by chance.
const MIN_POSITIONS: u64 = 10;

/// Finds for each concept the formula over units that matches it best. `explained` is what was found for the units,
/// `divided` the examples that the search sees and, where there are some, those that are held out. None where no unit fires.
#[allow(clippy::too_many_arguments, reason = "each is a different thing that the caller has at hand")]
pub(super) fn explain(
    layer: Layer<'_>,
    seen: &Seen,
    method: &Method,
    swap: SwapConfig,
    explained: &Explained,
    divided: [Option<Divided>; 2],
    dir: &Path,
    progress: &dyn Progress,
) -> Result<Option<ConceptFormulas>> {
    let [Some(Divided { partition, map }), held_out] = divided else { return Ok(None) };
    let active = |i: &usize| explained.profiles[*i].area() > 0;
    let firing: Vec<usize> = (0..method.units.len()).filter(active).map(|i| method.units[i]).collect();
    let chosen = match swap.candidates {
        Some(n) if n < firing.len() => candidates(&partition, &method.units, &explained.profiles, n),
        _ => firing.clone(),
    };
    if chosen.is_empty() {
        return Ok(None);
    }
    let of = |n: usize| if n < firing.len() { format!(" of {}", count(firing.len())) } else { String::new() };
    progress.say(&format!("concepts by units: {}{} units are candidates", count(chosen.len()), of(chosen.len())));

    let columns = &partition.columns()[..partition.n_concepts()];
    let concepts: Vec<ConceptId> = columns.iter().map(|atom| atom.concept).collect();
    let numbers: Vec<usize> = (0..concepts.len()).collect();
    let units = UnitAnnotations::new(layer.firing, &explained.thresholds, &chosen, map.grid())?;
    let units: &dyn AnnotationSource = &units;
    let (by_units, places) = divide_source(&Part::new(units, &seen.examples), &Neighbors::new(), dir, progress)?;
    let names = unit_names(&chosen)?;
    let activity = ConceptActivity::new(&partition, &map, &concepts);
    let firing_concepts = Firing::Sparse(&activity);
    let observed =
        Observed { partition: &by_units, map: &places, vocabulary: &names, firing: firing_concepts, similarity: None };
    let search = &method.explain.search;
    let search = SearchConfig { min_activations: search.min_activations.max(MIN_POSITIONS), ..search.clone() };
    let config = ExplainConfig::new(ThresholdRule::Positive, search);
    let mut found = explain_layer(observed, &numbers, &config, progress)?;
    if let (Some(split), Some(of)) = (&seen.split, held_out) {
        let part = Part::new(units, &split.held_out).with_concepts_of(&by_units);
        let (by_units, places) = divide_source(&part, &Neighbors::new(), dir, progress)?;
        let activity = ConceptActivity::new(&of.partition, &of.map, &concepts);
        let (metric, seed) = (config.search.metric, method.evidence.seed);
        validate(split, &by_units, &places, Firing::Sparse(&activity), &mut found, metric, seed, progress)?;
    }
    if let Some(draws) = method.evidence.null_draws {
        let null = NullConfig { draws, seed: method.evidence.seed };
        let examples = seen.of(&layer.set.examples);
        test(null, "concepts", &by_units, &places, &examples, firing_concepts, &mut found, &config, progress)?;
    }
    let record = |(id, record): (&ConceptId, Explanation)| ConceptExplanation {
        concept: layer.set.vocabulary.name(*id).into_owned(),
        category: layer.set.vocabulary.category(*id).to_owned(),
        found: Explanation { unit: id.0 as usize, threshold: None, ..record },
    };
    Ok(Some(ConceptFormulas {
        candidates: chosen.len(),
        units: firing.len(),
        universe: found.explanations.universe,
        list: concepts.iter().zip(found.explanations.units).map(record).collect(),
    }))
}
