//! What a run folder holds, by name: the only place where these names are written.

/// The names and hashes of all other files; written last, so that a folder with it is a whole run.
pub const MANIFEST: &str = "manifest.json";
/// Every setting, the hash of every input, and where inputs were found.
pub const CONFIG: &str = "config.json";
/// One record a unit.
pub const EXPLANATIONS: &str = "explanations.json";
/// The same, flat.
pub const EXPLANATIONS_TABLE: &str = "explanations.csv";
/// The same table as a Parquet file.
pub const EXPLANATIONS_PARQUET: &str = "explanations.parquet";
/// One line for each unit and range of its activation.
pub const RANGES: &str = "ranges.csv";
/// One line for each concept that formulas over units explain.
pub const CONCEPT_FORMULAS: &str = "concept-formulas.csv";
/// The threshold of every unit.
pub const THRESHOLDS: &str = "thresholds.npy";
/// What the search finds by chance.
pub const NULL: &str = "null.csv";
/// Scores on examples held out.
pub const HOLDOUT: &str = "holdout.csv";
/// Counts and averages.
pub const SUMMARY: &str = "summary.json";
/// The examples.
pub const EXAMPLES: &str = "examples.csv";
/// The examples that a report shows.
pub const EXEMPLARS: &str = "exemplars.json";
/// Their masks.
pub const EXEMPLAR_MASKS: &str = "exemplars.npy";
/// On which examples each unit fires.
pub const ACTIVITY: &str = "activity.npy";
/// The concepts of the probe set.
pub const CONCEPTS: &str = "concepts.csv";
/// How concepts go together.
pub const RELATIONS: &str = "relations.csv";
/// The best IoU of any function of the concepts.
pub const CEILINGS: &str = "ceilings.csv";
/// What the model made of the examples.
pub const PREDICTIONS: &str = "predictions.csv";
/// The classes of the model's last layer.
pub const HEAD_CLASSES: &str = "head.json";
/// Its weights.
pub const HEAD_WEIGHTS: &str = "head.npy";
/// How units of sentence pairs count for classes.
pub const WEIGHTS: &str = "weights.csv";
/// The probe set that a run on sentence pairs keeps.
pub const PROBE: &str = "probe";
/// Activations, of an [`crate::ActivationStore`].
pub const ACTIVATIONS: &str = "activations.npy";
/// Logits, of the same.
pub const LOGITS: &str = "logits.npy";
/// What both were made from, of the same.
pub const STORE: &str = "activations.json";
/// The hashes of the blocks of the activations.
pub const BLOCKS: &str = "activations.blocks.json";
/// Latents of a sparse autoencoder, which the run encoded from such a store.
pub const LATENTS: &str = "latents.safetensors";
/// How units bear on classes.
pub const CONTRIBUTIONS: &str = "contributions.csv";
/// How units of an earlier layer bear on the units.
pub const CONTRIBUTIONS_BELOW: &str = "contributions-below.csv";
/// Of which run these are.
pub const BELOW: &str = "contributions-below.json";
/// The folder of accuracy without units.
pub const ABLATION: &str = "ablation";
/// Its summary.
pub const ABLATION_SUMMARY: &str = "ablation/ablation.json";
/// Its curves, one an order.
pub const ABLATION_BANDS: &str = "ablation/bands.csv";
/// Its effects of single units.
pub const ABLATION_EFFECTS: &str = "ablation/effects.csv";
/// Every curve.
pub const ABLATION_CURVES: &str = "ablation/ablation.csv";
/// The folder of changed inputs.
pub const COUNTERFACTUALS: &str = "counterfactuals";
/// Its record.
pub const COUNTERFACTUALS_RECORD: &str = "counterfactuals/counterfactuals.json";
/// The name of that record in its folder, which may lie elsewhere.
pub const TRIALS: &str = "counterfactuals.json";
/// Its cases, in the same folder.
pub const CASES: &str = "cases.csv";
/// Its edits of sentences, in the same folder.
pub const EDITS: &str = "edits.csv";
/// Its trials by place in the image, in the same folder.
pub const PLACEMENTS: &str = "placements.csv";
/// What other networks made of its images, in the same folder.
pub const TRANSFER: &str = "transfer.csv";
/// The folder of a report.
pub const REPORT: &str = "report";

/// Says that a folder holds a run in the making: an interrupted run has it, and a finished one does not.
pub const UNFINISHED: &str = ".unfinished";
/// Where other commands write what they add to a run, until it is complete.
pub const ADDING: &str = ".adding";
/// Activations that are being extracted.
pub const PARTIAL_ACTIVATIONS: &str = "activations.npy.partial";
/// Logits of the same.
pub const PARTIAL_LOGITS: &str = "logits.npy.partial";
/// What they are made from.
pub const PARTIAL_STORE: &str = "activations.json.partial";
/// How far they are, with the hash of each part.
pub const PROGRESS: &str = "activations.progress.partial";

/// What every complete run has; the configuration first, then the explanations.
pub const NEEDED: [&str; 10] = [
    CONFIG,
    EXPLANATIONS,
    EXPLANATIONS_TABLE,
    SUMMARY,
    EXAMPLES,
    EXEMPLARS,
    EXEMPLAR_MASKS,
    ACTIVITY,
    CONCEPTS,
    RELATIONS,
];

/// What a run may have besides: files, and folders.
pub const OPTIONAL: [&str; 13] = [
    RANGES,
    CONCEPT_FORMULAS,
    THRESHOLDS,
    NULL,
    HOLDOUT,
    CEILINGS,
    PREDICTIONS,
    HEAD_CLASSES,
    HEAD_WEIGHTS,
    WEIGHTS,
    PROBE,
    LATENTS,
    MANIFEST,
];

/// The files of an [`crate::ActivationStore`], complete or not.
pub const STORED: [&str; 8] =
    [STORE, ACTIVATIONS, LOGITS, BLOCKS, PARTIAL_STORE, PARTIAL_ACTIVATIONS, PARTIAL_LOGITS, PROGRESS];

/// What other commands add: files, and folders.
pub const ADDED: [&str; 7] =
    [CONTRIBUTIONS, CONTRIBUTIONS_BELOW, BELOW, ABLATION, COUNTERFACTUALS, EXPLANATIONS_PARQUET, REPORT];

/// Whether compexp writes a file or folder of this name into a run folder.
pub fn is_written(name: &str) -> bool {
    NEEDED.contains(&name)
        || OPTIONAL.contains(&name)
        || STORED.contains(&name)
        || ADDED.contains(&name)
        || is_leftover(name)
}

/// Whether a file or folder of this name is there only while a command works.
pub fn is_leftover(name: &str) -> bool {
    [UNFINISHED, ADDING, PARTIAL_STORE, PARTIAL_ACTIVATIONS, PARTIAL_LOGITS, PROGRESS].contains(&name)
        || compexp_files::is_partial(name)
}

/// The picture of the case of this number in the folder of changed inputs: `kind` is `before`, `after` or `control`.
pub fn picture(case: u64, kind: &str) -> String {
    format!("case-{case:03}-{kind}.png")
}
