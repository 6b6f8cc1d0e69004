//! Run directories: everything that explaining a layer gives, in one folder.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | `{"version": 1, "config": ..., "paths": ...}`: every setting and the hash of every input; where the inputs were found |
//! | `explanations.json` | [`Explanations`]; written last: where it is, the run is complete |
//! | `explanations.csv` | the same rows |
//! | `thresholds.npy` | f64 `[U]`: the threshold of every unit of the layer; absent where masks were given |
//! | `null.csv` | [`record_csv::null_csv`]: what the search finds by luck; absent unless asked for |
//! | `holdout.csv` | [`record_csv::holdout_csv`]: scores on examples held out; absent unless asked for |
//! | `summary.json` | [`Summary`] |
//! | `examples.csv` | columns `name`, `image`, `text`, `group`; images are relative to the path `image_root` of `config.json` |
//! | `exemplars.json` | `{"version": 1, "grid": ..., "exemplars": [...]}`: [`ExemplarList`] |
//! | `exemplars.npy` | u8 `[exemplars, 2, bytes]`: the masks of [`compexp_core::exemplar::Exemplars`] |
//! | `activity.npy` | u8 `[units asked for, ceil(n / 8)]`: on which examples each unit fires, the first in the lowest bit |
//! | `concepts.csv` | [`Extent`]: a row a concept of the probe set |
//! | `relations.csv` | [`Relation`]: a row for two concepts that stand together in a formula |
//! | `ceilings.csv` | a row for each unit and vocabulary: `unit`, `vocabulary` (`all`, `without color`, ...), `ceiling`, `cells`, `singleton_cells`, `informative` |
//! | `head.json`, `head.npy` | the classifier's last layer, where it reads the units ([`crate::head_file`]) |
//! | `contributions.csv`, `contributions-below.csv` | how units bear on classes, and those of an earlier layer on these units; absent where that was not asked for |
//! | `contributions-below.json` | [`crate::BelowRun`]: of which run the units of the second table are |
//! | `ablation/` | accuracy without units; absent where that was not asked for |
//! | `predictions.csv` | columns `name`, `target`, `predicted`, `correct`; absent where the run made none |
//!
//! `config` is the same in `config.json` and `explanations.json`. It decides whether a run is the one asked for; `paths`
//! does not, since inputs may move. Other files are left alone: the activations of [`crate::ActivationStore`] for one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compexp_core::exemplar::Exemplar;
use compexp_core::explain::Explained;
use compexp_core::explanation::{Explanations, HoldoutSummary, OptimalSummary, SignificanceSummary, VERSION, median};
use compexp_core::probe::{Example, Grid};
use compexp_core::relation::{Extent, Relation};
use compexp_core::search::Status;
use compexp_files::Dtype;
use compexp_files::TensorFile;
use compexp_files::{read_json, write_json};
use compexp_files::{read_rows, write_rows};
use compexp_files::{remove_partials, sync_folder, write_bytes, write_npy};
use compexp_trust::compare::{Difference, differences};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::head_file::CLASSES as HEAD;
use crate::probe_dir::{read_examples, write_examples};
use crate::provenance::Provenance;
use crate::record_csv;

/// The version of `config.json` and `exemplars.json`.
const FILE_VERSION: u32 = 1;

const CONFIG: &str = "config.json";
const EXPLANATIONS: &str = "explanations.json";
const TABLE: &str = "explanations.csv";
const THRESHOLDS: &str = "thresholds.npy";
const NULL: &str = "null.csv";
const HOLDOUT: &str = "holdout.csv";
pub(crate) const SUMMARY: &str = "summary.json";
const EXAMPLES: &str = "examples.csv";
const EXEMPLARS: &str = "exemplars.json";
const MASKS: &str = "exemplars.npy";
const ACTIVITY: &str = "activity.npy";
const CONCEPTS: &str = "concepts.csv";
const RELATIONS: &str = "relations.csv";
const CEILINGS: &str = "ceilings.csv";
const PREDICTIONS: &str = "predictions.csv";

/// What other commands add, and what is not of the run once it is made anew.
const ADDED: [&str; 4] =
    ["contributions.csv", "contributions-below.csv", "contributions-below.json", "ablation/ablation.json"];

/// Those of an [`crate::ActivationStore`].
const ACTIVATIONS: &str = "activations.npy";
const PARTIAL_ACTIVATIONS: &str = "activations.npy.partial";

/// Those that every complete run has; the configuration first, then the explanations.
const NEEDED: [&str; 10] =
    [CONFIG, EXPLANATIONS, TABLE, SUMMARY, EXAMPLES, EXEMPLARS, MASKS, ACTIVITY, CONCEPTS, RELATIONS];

/// What `config.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The version of the file.
    version: u32,
    /// Every setting, and the hash of every input.
    pub config: Value,
    /// Where inputs were found, by what they are: `probe`, `activations`, `image_root`, ...
    pub paths: BTreeMap<String, String>,
}

impl RunConfig {
    /// The configuration of a run.
    pub fn new(config: Value, paths: BTreeMap<String, String>) -> Self {
        Self { version: FILE_VERSION, config, paths }
    }

    /// What the run was made with.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] where the configuration is not one that this version of compexp writes.
    pub fn provenance(&self) -> Result<Provenance> {
        let expected = "the settings of a run of this version of compexp";
        Provenance::parse(&self.config).map_err(|e| Error::mismatch("config of the run", e, expected))
    }
}

/// What the units of a run came to, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Units asked for.
    pub units: usize,
    /// How many of them have each status.
    pub by_status: BTreeMap<String, usize>,
    /// The mean IoU of the explained ones; none where there are none.
    pub mean_iou: Option<f64>,
    /// The median; of an even number the mean of the two in the middle.
    pub median_iou: Option<f64>,
    /// How often the model's predictions are right, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// What is proven; none unless the search proves anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimal: Option<OptimalSummary>,
    /// How many units are more than luck; none unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub significance: Option<SignificanceSummary>,
    /// How the formulas do on examples held out; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<HoldoutSummary>,
}

/// How often predictions are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Examples whose target is known.
    pub known: usize,
    /// Those of them whose prediction is the target.
    pub correct: usize,
}

impl Accuracy {
    /// The share of correct ones.
    pub fn share(self) -> f64 {
        self.correct as f64 / self.known.max(1) as f64
    }
}

/// What a model makes of an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// The example's name, which of a vision run is its image.
    pub image: String,
    /// The class it has; empty where that is not known, or none of the model's.
    pub target: String,
    /// The class that the model predicts.
    pub predicted: String,
    /// Whether that is the target, where there is one.
    pub correct: Option<bool>,
}

/// What `exemplars.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExemplarList {
    version: u32,
    /// The grid of the masks in `exemplars.npy`.
    pub grid: Grid,
    /// One entry an exemplar, in the order of its masks.
    pub exemplars: Vec<Exemplar>,
}

/// What a folder is to a configuration.
#[derive(Debug)]
pub enum RunDir {
    /// A complete run of it.
    Complete(FinishedRun),
    /// A new folder, or one with an unfinished run of it.
    Open(RunWriter),
    /// It holds a run of another one, which differs in these settings: `base` is the value in the folder, `run` the one
    /// asked for.
    Other(Vec<Difference>),
}

impl RunDir {
    /// Looks at the folder `dir`, and makes it where there is none. With `replace` a run in it is removed, whatever its
    /// configuration; without, only one that is unfinished and has no activations.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the folder holds files (other than hidden ones) and is no run directory, or
    /// its `config.json` is broken and not to be replaced.
    pub fn open(dir: &Path, config: &RunConfig, replace: bool) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let path = dir.join(CONFIG);
        if !path.try_exists().map_err(Error::io("open", &path))? {
            refuse_strangers(dir)?;
        } else if !replace {
            let found: RunConfig = read_json(&path)?;
            let mut differences = differences(&found.config, &config.config);
            if found.version != config.version {
                let field = "version of config.json".to_owned();
                let values = [found.version, config.version].map(|v| Some(v.to_string()));
                let [base, run] = values;
                differences.insert(0, Difference { field, base, run });
            }
            // An unfinished run has nothing to lose, unless activations were extracted for it.
            let lost = [EXPLANATIONS, ACTIVATIONS, PARTIAL_ACTIVATIONS].iter().any(|name| dir.join(name).exists());
            if !differences.is_empty() && lost {
                return Ok(Self::Other(differences));
            }
            if let Some(run) = FinishedRun::complete(dir, config) {
                if found.paths != config.paths {
                    write_json(&path, config)?;
                }
                return Ok(Self::Complete(run));
            }
        }
        // The explanations first: without them nothing else counts.
        for name in NEEDED[1..].iter().chain(&[THRESHOLDS, NULL, HOLDOUT, CEILINGS, PREDICTIONS, HEAD]).chain(&ADDED) {
            match std::fs::remove_file(dir.join(name)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &dir.join(name))(e));
                }
                _ => {}
            }
        }
        remove_partials(dir)?;
        write_json(&path, config)?;
        Ok(Self::Open(RunWriter { dir: dir.to_owned() }))
    }
}

/// A run that is not complete yet.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
}

impl RunWriter {
    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes everything. `examples` are those of the probe set, `grid` its grid.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]
    pub fn finish(
        self,
        explained: &Explained,
        examples: &[Example],
        grid: Grid,
        predictions: Option<&[Prediction]>,
    ) -> Result<FinishedRun> {
        let path = |name: &str| self.dir.join(name);
        let explanations = &explained.explanations;
        write_bytes(&path(TABLE), record_csv::explanations_csv(explanations)?.as_bytes())?;
        if !explained.thresholds.is_empty() {
            write_npy(&path(THRESHOLDS), &[explained.thresholds.len()], &explained.thresholds)?;
        }
        for (name, text) in
            [(NULL, record_csv::null_csv(explanations)?), (HOLDOUT, record_csv::holdout_csv(explanations)?)]
        {
            text.map_or(Ok(()), |text| write_bytes(&path(name), text.as_bytes()))?;
        }
        write_examples(&self.dir, examples)?;
        let list = explained.exemplars.list.clone();
        let shape = [list.len(), 2, grid.positions().div_ceil(8)];
        write_npy(&path(MASKS), &shape, &explained.exemplars.masks)?;
        write_json(&path(EXEMPLARS), &ExemplarList { version: FILE_VERSION, grid, exemplars: list })?;
        let shape = [explained.profiles.len(), examples.len().div_ceil(8)];
        write_npy(&path(ACTIVITY), &shape, &activity(explained, examples.len()))?;
        write_rows(&path(CONCEPTS), &EXTENT_COLUMNS, &explained.concepts)?;
        write_rows(&path(RELATIONS), &RELATION_COLUMNS, &explained.relations)?;
        write_rows(&path(CEILINGS), &CEILING_COLUMNS, &ceiling_rows(explained))?;
        if let Some(predictions) = predictions {
            write_rows(&path(PREDICTIONS), &PREDICTION_COLUMNS, predictions)?;
        }
        write_json(&path(SUMMARY), &Summary::of(explanations, predictions))?;
        sync_folder(&self.dir);
        write_json(&path(EXPLANATIONS), explanations)?;
        sync_folder(&self.dir);
        FinishedRun::open(&self.dir)
    }
}

/// A complete run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    dir: PathBuf,
    /// The explanations.
    pub explanations: Explanations,
}

impl FinishedRun {
    /// Opens the run directory `dir`.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the folder holds no complete run, or one of another version.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(EXPLANATIONS);
        if std::fs::metadata(dir).map_err(Error::io("open", dir))?.is_dir() && !path.exists() {
            let (found, expected) = match dir.join(CONFIG).exists() {
                true => ("a run that is not complete", "a complete one: run the same command again"),
                false => ("no explanations.json", "a run directory, as `--out` names"),
            };
            return Err(Error::format(dir, "run", found, expected));
        }
        Ok(Self { dir: dir.to_owned(), explanations: read_explanations(&path)? })
    }

    /// The complete run of `config` in `dir`; whatever is wrong with it, it is made anew.
    fn complete(dir: &Path, config: &RunConfig) -> Option<Self> {
        let all = NEEDED.iter().all(|name| dir.join(name).is_file());
        Self::open(dir).ok().filter(|run| all && run.explanations.config == config.config)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the run was made with.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] where the configuration is not one that this version of compexp writes.
    pub fn provenance(&self) -> Result<Provenance> {
        let expected = "the settings of a run of this version of compexp";
        let wrong = |e| Error::format(&self.dir.join(EXPLANATIONS), "config", e, expected);
        Provenance::parse(&self.explanations.config).map_err(wrong)
    }

    /// The configuration, and where the inputs were found.
    ///
    /// # Errors
    /// Those of [`read_json`].
    pub fn config(&self) -> Result<RunConfig> {
        Ok(read_json(&self.dir.join(CONFIG))?)
    }

    /// What the units came to.
    ///
    /// # Errors
    /// Those of [`read_json`].
    pub fn summary(&self) -> Result<Summary> {
        Ok(read_json(&self.dir.join(SUMMARY))?)
    }

    /// The examples, in order.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where they are not as many as the explanations say.
    pub fn examples(&self) -> Result<Vec<Example>> {
        read_examples(&self.dir.join(EXAMPLES), self.explanations.universe.examples)
    }

    /// The exemplars, without their masks.
    ///
    /// # Errors
    /// Those of [`read_json`], and [`compexp_files::Error::Format`] for an example that the run does not have.
    pub fn exemplars(&self) -> Result<ExemplarList> {
        let path = self.dir.join(EXEMPLARS);
        let list: ExemplarList = read_json(&path)?;
        let n = self.explanations.universe.examples;
        match list.exemplars.iter().find(|e| e.example as usize >= n) {
            Some(e) => Err(Error::format(&path, "example", e.example.to_string(), format!("less than {n}"))),
            None => Ok(list),
        }
    }

    /// The masks of the exemplars: u8 `[exemplars, 2, bytes]`.
    ///
    /// # Errors
    /// Those of [`TensorFile::open`].
    pub fn masks(&self) -> Result<TensorFile> {
        Ok(TensorFile::open(self.dir.join(MASKS))?)
    }

    /// What the model made of the examples, if the run has that.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] naming the line that is not as documented.
    pub fn predictions(&self) -> Result<Option<Vec<Prediction>>> {
        let path = self.dir.join(PREDICTIONS);
        if !path.try_exists().map_err(Error::io("open", &path))? {
            return Ok(None);
        }
        read_rows(&path, &PREDICTION_COLUMNS).map(Some).map_err(Error::from)
    }

    /// The examples on which each unit fires, in the order of the explanations: u8 `[units, ceil(n / 8)]`, the first
    /// example in the lowest bit.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the array has another type or shape.
    pub fn activity(&self) -> Result<Vec<u8>> {
        let file = TensorFile::open(self.dir.join(ACTIVITY))?;
        let shape = [self.explanations.units.len(), self.explanations.universe.examples.div_ceil(8)];
        if file.shape() != shape || file.dtype() != Dtype::U8 {
            let found = format!("{:?} {:?}", file.dtype(), file.shape());
            return Err(Error::format(file.path(), "array", found, format!("u8 {shape:?}")));
        }
        let mut wide = vec![0; file.elements()];
        file.read_u32(0, &mut wide)?;
        Ok(wide.into_iter().map(|byte| byte as u8).collect())
    }

    /// The concepts of the probe set.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] naming the line that is not as documented.
    pub fn concepts(&self) -> Result<Vec<Extent>> {
        Ok(read_rows(&self.dir.join(CONCEPTS), &EXTENT_COLUMNS)?)
    }

    /// How concepts go together that stand in one formula.
    ///
    /// # Errors
    /// Those of [`Self::concepts`].
    pub fn relations(&self) -> Result<Vec<Relation>> {
        Ok(read_rows(&self.dir.join(RELATIONS), &RELATION_COLUMNS)?)
    }
}

impl Summary {
    /// The summary of explanations.
    pub fn of(explanations: &Explanations, predictions: Option<&[Prediction]>) -> Self {
        let mut by_status = BTreeMap::new();
        let mut ious = Vec::new();
        for unit in &explanations.units {
            *by_status.entry(unit.status.name().to_owned()).or_insert(0) += 1;
            if unit.status == Status::Explained {
                ious.push(unit.iou);
            }
        }
        let n = ious.len();
        let accuracy = predictions.map(|all| Accuracy {
            known: all.iter().filter(|p| p.correct.is_some()).count(),
            correct: all.iter().filter(|p| p.correct == Some(true)).count(),
        });
        Self {
            units: explanations.units.len(),
            by_status,
            mean_iou: (n > 0).then(|| ious.iter().sum::<f64>() / n as f64),
            median_iou: median(ious),
            accuracy,
            optimal: OptimalSummary::of(explanations),
            significance: SignificanceSummary::of(explanations),
            holdout: HoldoutSummary::of(explanations),
        }
    }
}

/// Reads a file of explanations.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the file is none, or one of another version.
pub(crate) fn read_explanations(path: &Path) -> Result<Explanations> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = read_json(path)?;
    if version != VERSION {
        return Err(Error::format(path, "version", version.to_string(), VERSION.to_string()));
    }
    Ok(read_json(path)?)
}

/// Refuses a folder with files that a run did not write: it would be littered, or lose some of them.
fn refuse_strangers(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let name = entry.map_err(Error::io("read", dir))?.file_name();
        if !name.to_string_lossy().starts_with('.') {
            let found = format!("`{}` and no config.json", name.to_string_lossy());
            return Err(Error::format(
                dir,
                "content",
                found,
                "a run directory, or a new or empty folder: name another",
            ));
        }
    }
    Ok(())
}

/// Which examples each unit fires on, a bit an example.
fn activity(explained: &Explained, n: usize) -> Vec<u8> {
    let bytes = n.div_ceil(8);
    let mut bits = vec![0; explained.profiles.len() * bytes];
    for (unit, profile) in explained.profiles.iter().enumerate() {
        for example in &profile.active {
            bits[unit * bytes + *example as usize / 8] |= 1 << (example % 8);
        }
    }
    bits
}

const PREDICTION_COLUMNS: [&str; 4] = ["image", "target", "predicted", "correct"];
const EXTENT_COLUMNS: [&str; 5] = ["id", "name", "category", "area", "examples"];
const RELATION_COLUMNS: [&str; 6] = ["first", "second", "area", "examples", "context", "similarity"];
const CEILING_COLUMNS: [&str; 6] = ["unit", "vocabulary", "ceiling", "cells", "singleton_cells", "informative"];

/// A row for each unit and vocabulary. Where most cells are single positions ceilings say little of the unit.
fn ceiling_rows(explained: &Explained) -> Vec<(usize, String, f64, usize, usize, bool)> {
    let units = explained.explanations.units.iter().enumerate();
    let row = |(i, unit): (usize, &compexp_core::explanation::Explanation)| {
        let row = move |of: &compexp_core::search::ceiling::Ceilings| {
            let vocabulary = of.without.as_ref().map_or("all".into(), |category| format!("without {category}"));
            (unit.unit, vocabulary, of.ceilings[i], of.cells, of.singleton_cells, of.are_informative())
        };
        explained.ceilings.iter().map(row).collect::<Vec<_>>()
    };
    units.flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use compexp_core::exemplar::{Choice, Exemplars};
    use compexp_core::explanation::{Explanation, Universe};
    use compexp_core::profile::Profile;
    use compexp_core::search::Optimal;
    use compexp_tests::files::Scratch;
    use serde_json::json;

    use super::*;

    fn unit(unit: usize, status: Status, iou: f64) -> Explanation {
        Explanation {
            unit,
            status,
            formula: (status == Status::Explained).then(|| "a\u{1b}".into()),
            length: None,
            iou,
            score: iou,
            intersection: None,
            union: None,
            unit_area: 3,
            formula_area: None,
            threshold: Some(0.1 + 0.2),
            primitive: None,
            by_length: Vec::new(),
            beams: None,
            scores: None,
            vacuous: Vec::new(),
            significance: None,
            holdout: None,
            ceiling: Some(1.0),
            optimal: None,
        }
    }

    fn profile(active: &[u32]) -> Profile {
        Profile { active: active.to_vec(), ..Profile::default() }
    }

    fn relation(similarity: Option<f64>) -> Relation {
        let (first, second) = ("a\u{1b}, b".into(), "c".into());
        Relation { first, second, area: 3, examples: 1, context: Some(-1.0 / 3.0), similarity }
    }

    fn explained(config: &RunConfig) -> Explained {
        use Status::{Explained as Yes, Silent};
        let units =
            vec![unit(0, Yes, 0.5), unit(1, Silent, 0.0), unit(2, Yes, 0.1), unit(3, Yes, 0.9), unit(4, Yes, 0.3)];
        let universe = Universe { examples: 2, positions: 9, cells: 4, singleton_cells: 1 };
        let exemplar =
            Exemplar { unit: 0, example: 1, chosen: vec![(Choice::Unit, 0)], activation: Some(0.1), areas: [3, 2, 1] };
        Explained {
            explanations: Explanations {
                version: VERSION,
                config: config.config.clone(),
                universe,
                held_out: None,
                units,
            },
            thresholds: vec![0.1 + 0.2, -1.5],
            results: Vec::new(),
            profiles: vec![profile(&[1]), profile(&[]), profile(&[0, 1]), profile(&[]), profile(&[0])],
            concepts: vec![Extent {
                id: 7,
                name: "a\u{1b}, b".into(),
                category: "object".into(),
                area: 4,
                examples: 2,
            }],
            relations: vec![relation(Some(0.1 + 0.2)), relation(None)],
            exemplars: Exemplars { list: vec![exemplar], masks: vec![1, 0, 255, 1] },
            ceilings: Vec::new(),
        }
    }

    fn examples() -> Vec<Example> {
        ["x,1.jpg", "y"].map(|name| Example { name: name.into(), ..Example::default() }).to_vec()
    }

    fn config(length: usize) -> RunConfig {
        let config = json!({ "search": { "length": length, "penalty": 0.1 }, "inputs": { "probe": "abc" } });
        RunConfig::new(config, BTreeMap::from([("probe".into(), "here".into())]))
    }

    const GRID: Grid = Grid { height: 3, width: 3 };

    fn writer(dir: &Path, config: &RunConfig, replace: bool) -> RunWriter {
        match RunDir::open(dir, config, replace).unwrap() {
            RunDir::Open(writer) => writer,
            other => panic!("{other:?}"),
        }
    }

    fn run(dir: &Path, config: &RunConfig, replace: bool, predictions: Option<&[Prediction]>) -> FinishedRun {
        writer(dir, config, replace).finish(&explained(config), &examples(), GRID, predictions).unwrap()
    }

    #[test]
    fn a_run_is_read_back() {
        let scratch = Scratch::new();
        let dir = scratch.path("a/b");
        let predicted = |image: &str, target: &str, correct| Prediction {
            image: image.into(),
            target: target.into(),
            predicted: "night, \"club\"".into(),
            correct,
        };
        let predictions = [predicted("x,1.jpg", "yard", Some(false)), predicted("y", "", None)];
        let written = run(&dir, &config(3), false, Some(&predictions));
        let read = FinishedRun::open(&dir).unwrap();
        assert_eq!(read.explanations, written.explanations);
        assert_eq!(read.explanations.units, explained(&config(3)).explanations.units, "numbers to the bit");
        assert_eq!(read.config().unwrap(), config(3));
        assert_eq!(read.examples().unwrap(), examples());
        assert_eq!(read.predictions().unwrap().unwrap(), predictions);
        assert_eq!(read.exemplars().unwrap().exemplars, explained(&config(3)).exemplars.list);
        assert_eq!((read.masks().unwrap().shape(), read.exemplars().unwrap().grid), (&[1, 2, 2][..], GRID));
        assert_eq!(read.activity().unwrap(), [2, 0, 3, 0, 1]);
        assert_eq!(read.concepts().unwrap(), explained(&config(3)).concepts);
        assert_eq!(read.relations().unwrap(), explained(&config(3)).relations);
        let summary = read.summary().unwrap();
        assert_eq!((summary.units, summary.by_status["explained"], summary.by_status["silent"]), (5, 4, 1));
        assert_eq!((summary.mean_iou, summary.median_iou), (Some((0.1 + 0.3 + 0.5 + 0.9) / 4.0), Some(0.4)));
        assert_eq!(summary.accuracy, Some(Accuracy { known: 1, correct: 0 }));
        assert_eq!(summary.optimal, None);
        let thresholds = std::fs::read(dir.join(THRESHOLDS)).unwrap();
        assert!(thresholds.ends_with(&[(0.1_f64 + 0.2).to_le_bytes(), (-1.5_f64).to_le_bytes()].concat()));
    }

    #[test]
    fn a_summary_counts_proofs_and_tells_the_median_of_the_gaps() {
        let mut explanations = explained(&config(3)).explanations;
        let proof = |upper_bound: f64, certified| {
            let (pairs, triples, full_passes, nodes) = (0, 0, 0, 0);
            Some(Optimal { certified, upper_bound, pairs, triples, full_passes, nodes, beam: None })
        };
        explanations.units[0].optimal = proof(0.5, true);
        let of = |explanations: &Explanations| Summary::of(explanations, None).optimal.unwrap();
        assert_eq!(of(&explanations), OptimalSummary { units: 1, certified: 1, median_gap: None });
        // IoUs of 0.1, 0.9 and 0.3.
        explanations.units[2].optimal = proof(0.5, false);
        explanations.units[3].optimal = proof(1.0, false);
        let found = of(&explanations);
        assert_eq!((found.units, found.certified), (3, 1));
        assert!((found.median_gap.unwrap() - 0.25).abs() < 1e-12, "{found:?}");
        explanations.units[4].optimal = proof(0.5, false);
        assert!((of(&explanations).median_gap.unwrap() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn the_same_configuration_is_complete_and_another_is_named() {
        let scratch = Scratch::new();
        let dir = scratch.path("run");
        run(&dir, &config(3), false, None);
        let mut moved = config(3);
        moved.paths.insert("probe".into(), "there".into());
        let RunDir::Complete(found) = RunDir::open(&dir, &moved, false).unwrap() else { panic!("not complete") };
        assert_eq!(found.config().unwrap(), moved, "inputs may move");

        let RunDir::Other(differences) = RunDir::open(&dir, &config(5), false).unwrap() else { panic!("the same") };
        let text = |t: &str| Some(t.to_owned());
        let expected = Difference { field: "search.length".into(), base: text("3"), run: text("5") };
        assert_eq!(differences, [expected]);
        let more = RunConfig::new(json!({ "search": 1 }), BTreeMap::new());
        let RunDir::Other(differences) = RunDir::open(&dir, &more, false).unwrap() else { panic!("the same") };
        let fields: Vec<_> = differences.iter().map(|d| (&d.field[..], d.base.is_some(), d.run.is_some())).collect();
        let expected = [
            ("inputs.probe", true, false),
            ("search", false, true),
            ("search.length", true, false),
            ("search.penalty", true, false),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn replacing_removes_what_the_other_run_left() {
        let scratch = Scratch::new();
        let dir = scratch.path("run");
        run(&dir, &config(3), false, Some(&[]));
        std::fs::write(dir.join("activations.npy"), b"kept").unwrap();
        let again = writer(&dir, &config(5), true);
        let mut names: Vec<_> = std::fs::read_dir(again.dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["activations.npy", "config.json"]);
        let e = FinishedRun::open(&dir).unwrap_err().to_string();
        assert!(e.contains("a run that is not complete"), "{e}");
    }

    #[test]
    fn what_a_killed_run_left_is_removed_by_the_next_and_by_no_other() {
        let scratch = Scratch::new();
        let dir = scratch.path("run");
        writer(&dir, &config(3), false);
        let left = dir.join(".explanations.json.partial-aB3dE6");
        std::fs::write(&left, b"{").unwrap();
        std::fs::write(dir.join(".gitignore"), b"*").unwrap();
        run(&dir, &config(3), false, None);
        assert!(!left.exists() && dir.join(".gitignore").exists());
        std::fs::write(&left, b"{").unwrap();
        assert!(matches!(RunDir::open(&dir, &config(5), false).unwrap(), RunDir::Other(_)));
        assert!(left.exists(), "a folder that is refused is left as it is");
        writer(&dir, &config(5), true);
        assert!(!left.exists());
    }

    #[test]
    fn an_unfinished_or_damaged_run_is_made_anew() {
        let scratch = Scratch::new();
        let dir = scratch.path("run");
        writer(&dir, &config(3), false);
        run(&dir, &config(3), false, None);
        for name in [EXPLANATIONS, EXAMPLES, MASKS, ACTIVITY, CONCEPTS, RELATIONS] {
            std::fs::remove_file(dir.join(name)).unwrap();
            run(&dir, &config(3), false, None);
        }
        std::fs::write(dir.join(EXPLANATIONS), b"{\"version\": 1").unwrap();
        run(&dir, &config(3), false, None);
        std::fs::write(dir.join(CONFIG), b"{").unwrap();
        let e = RunDir::open(&dir, &config(3), false).unwrap_err();
        assert!(matches!(e, Error::File(compexp_files::Error::Format { .. })), "{e}");
        run(&dir, &config(3), true, None);
    }

    #[test]
    fn an_unfinished_run_of_another_configuration_makes_way_unless_it_has_activations() {
        let scratch = Scratch::new();
        let dir = scratch.path("run");
        writer(&dir, &config(3), false);
        writer(&dir, &config(4), false);
        std::fs::write(dir.join("activations.npy.partial"), b"").unwrap();
        writer(&dir, &config(4), false);
        assert!(matches!(RunDir::open(&dir, &config(3), false).unwrap(), RunDir::Other(_)));
        writer(&dir, &config(3), true);
    }

    #[test]
    fn folders_that_are_no_runs_are_left_alone() {
        let scratch = Scratch::new();
        scratch.write("thesis.tex", b"");
        for replace in [false, true] {
            let e = RunDir::open(scratch.dir(), &config(3), replace).unwrap_err().to_string();
            assert!(e.contains("`thesis.tex` and no config.json"), "{e}");
        }
        assert!(FinishedRun::open(scratch.dir()).unwrap_err().to_string().contains("no explanations.json"));
        assert_eq!(scratch.names(), ["thesis.tex"]);
        assert!(matches!(
            FinishedRun::open(&scratch.path("none")).unwrap_err(),
            Error::File(compexp_files::Error::Io { .. })
        ));
        let e = RunDir::open(&scratch.path("thesis.tex"), &config(3), false).unwrap_err();
        assert!(matches!(e, Error::File(compexp_files::Error::Io { .. })), "{e}");
    }

    #[test]
    fn files_of_a_run_that_lie_are_refused() {
        let scratch = Scratch::new();
        let dir = scratch.path("run");
        let good = run(&dir, &config(3), false, Some(&[]));
        let list = std::fs::read_to_string(dir.join(EXEMPLARS)).unwrap();
        std::fs::write(dir.join(EXEMPLARS), list.replace("\"example\": 1", "\"example\": 2")).unwrap();
        assert!(good.exemplars().unwrap_err().to_string().contains("example: found 2, expected less than 2"));
        std::fs::write(dir.join(EXAMPLES), "name\na\n").unwrap();
        assert!(good.examples().is_err());
        std::fs::write(dir.join(PREDICTIONS), "image,target,predicted,correct\na,b,c,perhaps\n").unwrap();
        assert!(good.predictions().unwrap_err().to_string().contains("line 2"));
        write_npy(&dir.join(ACTIVITY), &[5, 2], &[0_u8; 10]).unwrap();
        assert!(good.activity().unwrap_err().to_string().contains("expected u8 [5, 1]"));
        std::fs::write(dir.join(RELATIONS), "first,second\na,b\n").unwrap();
        assert!(good.relations().unwrap_err().to_string().contains("line 2"));
        let text = std::fs::read_to_string(dir.join(EXPLANATIONS)).unwrap();
        std::fs::write(dir.join(EXPLANATIONS), text.replace("\"version\": 1", "\"version\": 9")).unwrap();
        let e = FinishedRun::open(&dir).unwrap_err().to_string();
        assert!(e.contains("version: found 9, expected 1"), "{e}");
    }
}
