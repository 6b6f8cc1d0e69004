//! The method in one call: from a probe set and a layer to a finished run folder.
//!
//! [`explain_run`] opens the folder and does everything; a caller that extracts activations into the folder first opens
//! it with [`crate::RunDir::open`] and hands the writer to [`explain_into`]. Both go through the same steps: split,
//! partition, thresholds, profiles, search, exemplars, held-out scores, null draws, files.

use std::path::Path;

use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Explained, Observed, Progress, explain};
use compexp_core::partition::{Partition, PartitionBuilder, PositionMap};
use compexp_core::probe::{AnnotationSource, Example, Neighbors, ProbeSet};
use compexp_core::relation::Similarity;
use compexp_trust::compare::Difference;
use compexp_trust::stats::holdout::{FiringPart, Part, Split, validate};
use compexp_trust::stats::null::{Exchange, NullConfig, NullTest, set_significance};

use crate::error::Result;
use crate::position_file::position_store;
use crate::provenance::{Evidence, Provenance};
use crate::run_config::{InputPaths, RunConfig};
use crate::run_dir::{FinishedRun, Prediction, RunDir, RunWriter};
use crate::wording::{count, duration};

mod swapped;

/// What is explained: annotated examples, and where the units of a layer fire on them.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// The annotated examples.
    pub set: &'a ProbeSet,
    /// The layer's activations or masks, on the same examples in the same order.
    pub firing: Firing<'a>,
    /// How alike concepts are by their word vectors, where there are vectors.
    pub similarity: Option<Similarity<'a>>,
    /// What the model predicts for each example, where that is known.
    pub predictions: Option<&'a [Prediction]>,
}

/// How a layer is explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Thresholds, search and exemplars.
    pub explain: ExplainConfig,
    /// The units to explain, ascending.
    pub units: Vec<usize>,
    /// The evidence asked for.
    pub evidence: Evidence,
}

/// What [`explain_run`] came to.
#[derive(Debug)]
pub enum Outcome {
    /// The run was made.
    Made(FinishedRun),
    /// The folder held this run already.
    UpToDate(FinishedRun),
    /// The folder holds a run of other settings, which was left as it is.
    Other(Vec<Difference>),
}

/// Explains the units of `layer` and writes the run to the folder `out`. A run of the same `provenance` that is there is
/// kept; another one is replaced only where `replace` says so. `paths` says where inputs lie, by what they are.
///
/// # Errors
/// [`crate::Error::File`] where a file cannot be read or written, or the folder holds something else; [`crate::Error::Core`] where the
/// inputs do not belong together, an activation is not finite, or a setting is out of its range.
pub fn explain_run(
    out: &Path,
    layer: Layer<'_>,
    method: &Method,
    provenance: &Provenance,
    paths: InputPaths,
    replace: bool,
    progress: &dyn Progress,
) -> Result<Outcome> {
    // What cannot be done with these examples is refused before anything is written.
    let seen = Seen::new(&method.evidence, &layer.set.examples)?;
    let config = RunConfig::new(provenance, paths);
    Ok(match RunDir::open(out, &config, replace)? {
        RunDir::Complete(run) => Outcome::UpToDate(run),
        RunDir::Other(differences) => Outcome::Other(differences),
        RunDir::Open(writer) => Outcome::Made(explain_seen(writer, layer, &seen, method, provenance, progress)?),
    })
}

/// [`explain_run`] for a folder that is open already.
///
/// # Errors
/// As [`explain_run`].
pub fn explain_into(
    writer: RunWriter,
    layer: Layer<'_>,
    method: &Method,
    provenance: &Provenance,
    progress: &dyn Progress,
) -> Result<FinishedRun> {
    let seen = Seen::new(&method.evidence, &layer.set.examples)?;
    explain_seen(writer, layer, &seen, method, provenance, progress)
}

fn explain_seen(
    writer: RunWriter,
    layer: Layer<'_>,
    seen: &Seen,
    method: &Method,
    provenance: &Provenance,
    progress: &dyn Progress,
) -> Result<FinishedRun> {
    let Layer { set, firing, similarity, predictions } = layer;
    let Method { explain: config, units, evidence } = method;
    let (source, neighbors, dir) = (set.source.as_ref(), &set.neighbors, writer.dir().to_owned());
    seen.say(progress);
    let examples = seen.of(&set.examples);
    let predictions = predictions.map(|all| seen.of(all));
    let part = FiringPart::new(firing, &seen.examples);
    let (partition, map) = divide_source(&Part::new(source, &seen.examples), neighbors, &dir, progress)?;
    let (names, firing_seen) = (&set.vocabulary, part.firing());
    let observed = Observed { partition: &partition, map: &map, vocabulary: names, firing: firing_seen, similarity };
    let mut explained = explain(observed, units, config, progress)?;
    explained.explanations.config = provenance.to_value();
    let mut held_out = None;
    if let Some(split) = &seen.split {
        let source = Part::new(source, &split.held_out).with_concepts_of(&partition);
        let (partition, map) = divide_source(&source, neighbors, &dir, progress)?;
        let part = FiringPart::new(firing, &split.held_out);
        let metric = config.search.metric;
        validate(split, &partition, &map, part.firing(), &mut explained, metric, evidence.seed, progress)?;
        held_out = Some(Divided { partition, map });
    }
    if let Some(draws) = evidence.null_draws {
        let null = NullConfig { draws, seed: evidence.seed };
        test(null, "units", &partition, &map, &examples, firing_seen, &mut explained, config, progress)?;
    }
    if let Some(swap) = config.swap {
        let divided = [Some(Divided { partition, map: map.clone() }), held_out];
        explained.explanations.concepts =
            swapped::explain(layer, seen, method, swap, &explained, divided, &dir, progress)?;
    }
    progress.end();
    writer.finish(&explained, &examples, map.grid(), predictions.as_deref())
}

/// Divides the universe of a probe set into cells; a position map too large for memory goes to a file in `dir`.
///
/// # Errors
/// [`crate::Error::File`] where the position map cannot be written; [`crate::Error::Core`] where an annotation cannot be read.
pub fn divide(set: &ProbeSet, dir: &Path, progress: &dyn Progress) -> Result<(Partition, PositionMap)> {
    divide_source(set.source.as_ref(), &set.neighbors, dir, progress)
}

fn divide_source(
    source: &dyn AnnotationSource,
    neighbors: &Neighbors,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<(Partition, PositionMap)> {
    let (grid, n) = (source.grid(), source.n_examples());
    let mut builder = PartitionBuilder::new(grid, position_store(dir, grid, n)?);
    progress.stage("annotations", "examples", n);
    builder.add_all(source, &|n| progress.done(n))?;
    Ok(builder.finish(neighbors)?)
}

/// Examples divided into cells.
struct Divided {
    partition: Partition,
    map: PositionMap,
}

/// What the search sees of a probe set.
struct Seen {
    /// The examples, ascending.
    examples: Vec<usize>,
    /// What is held out, where anything is.
    split: Option<Split>,
}

impl Seen {
    fn new(evidence: &Evidence, examples: &[Example]) -> Result<Self> {
        let split = evidence.holdout.map(|fraction| Split::new(examples, fraction, evidence.seed)).transpose()?;
        let all = || (0..examples.len()).collect();
        let seen = Self { examples: split.as_ref().map_or_else(all, |split| split.search.clone()), split };
        if evidence.null_draws.is_some() {
            Exchange::new(&seen.of(examples))?;
        }
        Ok(seen)
    }

    /// Those of `all` that the search sees.
    fn of<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.examples.iter().map(|example| all[*example].clone()).collect()
    }

    /// Reports what is held out.
    fn say(&self, progress: &dyn Progress) {
        let Some(universe) = self.split.as_ref().map(Split::universe) else { return };
        let all = self.examples.len() + universe.examples;
        progress.say(&format!(
            "{} of {} examples are held out ({} groups)",
            count(universe.examples),
            count(all),
            count(universe.groups)
        ));
    }
}

/// Checks that the evidence asked for can be had from these examples, before anything is written.
///
/// # Errors
/// [`crate::Error::Core`] where nothing or everything would be held out, or examples have no others to change places with.
pub fn check_evidence(evidence: &Evidence, examples: &[Example]) -> Result<()> {
    Seen::new(evidence, examples).map(|_| ())
}

/// Tests what was found against chance: the same search on permuted units.
#[allow(clippy::too_many_arguments, reason = "each is a different thing that the caller has at hand")]
fn test(
    null: NullConfig,
    tested: &str,
    partition: &Partition,
    map: &PositionMap,
    examples: &[Example],
    firing: Firing<'_>,
    explained: &mut Explained,
    config: &ExplainConfig,
    progress: &dyn Progress,
) -> Result<()> {
    let test = NullTest::new(partition, map, examples, firing, explained, &config.search, null, progress)?;
    let (n, fixed) = (test.n_units(), test.exchange().n_fixed());
    progress.say(&format!(
        "significance: {} {tested} x {} draws are {} searches, about {}",
        count(n),
        count(null.draws),
        count(test.n_searches()),
        duration(test.estimate()?)
    ));
    if fixed > 0 {
        progress.say(&format!(
            "  {} of {} examples stay where they are, because no other group has as many",
            count(fixed),
            count(examples.len())
        ));
    }
    progress.say(&format!("  {}", resolution(null, n)));
    let found = test.run(progress)?;
    set_significance(explained, found, config.search.metric);
    Ok(())
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
