//! The plan of the house, as data: which crate may know which, what core is made of, and the limits that rules hold.

/// The modules of `compexp-core` in the order of the flow: a module may import those to its left.
pub(crate) const FLOW: &[&str] = &[
    "error",
    "simd",
    "random",
    "concept",
    "probe",
    "activation",
    "formula",
    "partition",
    "threshold",
    "ranges",
    "sparse",
    "resize",
    "profile",
    "score",
    "search",
    "explanation",
    "exemplar",
    "relation",
    "explain",
    "swap",
];

/// Each package of the workspace with those below it; it may depend on them and on all below them. [`FILES`] is for all
/// but [`WITHOUT_FILES`]. What is behind `[dev-dependencies]` is free, as long as it makes no circle.
pub(crate) const ARROWS: &[(&str, &[&str])] = &[
    ("compexp-kernels", &[]),
    ("compexp-files", &[]),
    ("compexp-checkpoint", &[]),
    ("compexp-fetch", &[]),
    ("compexp-core", &[]),
    ("compexp-trust", &["compexp-core"]),
    ("compexp-run", &["compexp-core", "compexp-trust", "compexp-checkpoint"]),
    ("compexp-text", &["compexp-run", "compexp-kernels", "compexp-checkpoint"]),
    ("compexp-vision", &["compexp-run", "compexp-kernels", "compexp-checkpoint"]),
    ("compexp-nli", &["compexp-text", "compexp-run", "compexp-kernels", "compexp-checkpoint"]),
    ("compexp-report", &["compexp-run", "compexp-trust", "compexp-core"]),
    ("compexp-cli", ALL),
    ("compexp-tests", &[]),
    ("chores", ALL),
    ("xtask", &[]),
];

/// For [`ARROWS`]: every crate but programs.
const ALL: &[&str] = &[
    "compexp-kernels",
    "compexp-checkpoint",
    "compexp-fetch",
    "compexp-core",
    "compexp-trust",
    "compexp-run",
    "compexp-text",
    "compexp-vision",
    "compexp-nli",
    "compexp-report",
];

/// The crate through which all others open files.
pub(crate) const FILES: &str = "compexp-files";

/// Packages that open none, or must not link crates of the project.
pub(crate) const WITHOUT_FILES: &[&str] = &["compexp-core", "compexp-kernels", "compexp-tests", "xtask"];

/// The crate that knows formulas and searches, and nothing of files and frameworks.
pub(crate) const CORE: &str = "compexp-core";

/// Packages, by the start of their names, that core must not depend on.
pub(crate) const CORE_STRANGERS: &[&str] = &["candle", "csv", "blake3", "safetensors", "tempfile", "maud"];

/// The share of all lines that no crate reaches, in percent.
pub(crate) const LARGEST: usize = 25;

/// Files outside [`FILES`] that touch the file system themselves, and why.
pub(crate) const FILE_ACCESS: &[(&str, &str)] = &[];

/// The module that names the files of a run folder.
pub(crate) const LAYOUT: &str = "crates/compexp-run/src/layout.rs";

/// Files that are named as one of a run folder's in a format of others: the file that reads it, and the name.
pub(crate) const FOREIGN_NAMES: &[(&str, &str)] = &[("crates/compexp-text/src/encoder/config.rs", "config.json")];

/// Rules that do not hold yet: what they find is counted, and printed by `cargo xtask tidy --pending`.
pub(crate) const PENDING: &[&str] = &[];
