//! What a run directory may hold beside the files that every run has: tables, and a probe set of its own.

use std::path::Path;

use compexp_core::probe::ProbeSet;
use compexp_files::{SourceFile, is_there, read_bytes, read_json, read_rows, without_guards};
use compexp_trust::behaviour::Head;
use compexp_trust::behaviour::contribution::Role;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ablation_record::AblationRecord;
use crate::ablation_tables::{Band, UnitEffect};
use crate::error::{Error, Result};
use crate::finished_run::FinishedRun;
use crate::head_file::read_head;
use crate::layout::{
    self, ABLATION_BANDS, ABLATION_EFFECTS, ABLATION_SUMMARY, BELOW, CONTRIBUTIONS, CONTRIBUTIONS_BELOW,
    COUNTERFACTUALS, COUNTERFACTUALS_RECORD, HEAD_CLASSES, HEAD_WEIGHTS, PROBE, WEIGHTS,
};
use crate::probe_dir::{CONCEPTS, open_probe};
use crate::ranges::{check_active, check_record};
use crate::trial_record::TrialRecord;

/// The longest picture that is read, in bytes.
const MAX_PICTURE: u64 = 1 << 28;

/// The version of `contributions-below.json`.
const BELOW_VERSION: u32 = 1;

/// A table of text: a header and rows of as many fields.
struct Table {
    /// The names of the columns.
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// How a unit counts for each class, and how often the model is right where it fires: a row of `weights.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitWeights {
    /// The unit, counted from 0.
    pub unit: usize,
    /// One weight a class; empty where the layer does not decide directly.
    pub weights: Vec<f64>,
    /// Examples on which it fires, those of them whose target is known, and those of these that are predicted rightly.
    pub active: [usize; 3],
}

/// What `weights.csv` holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// The classes.
    pub classes: Vec<String>,
    /// One entry a unit.
    pub units: Vec<UnitWeights>,
}

/// How a unit bears on a target, mostly a class: a row of `contributions.csv`. Measures and roles are by weight, correlation
/// and overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitContribution {
    /// The unit, counted from 0.
    pub unit: usize,
    /// The name of the target.
    pub target: String,
    /// None where a measure is not defined.
    pub measures: [Option<f64>; 3],
    /// What the unit is to the target.
    pub roles: [Role; 3],
}

impl UnitContribution {
    /// The columns of `contributions.csv`: unit, target, the measures, the roles.
    pub const COLUMNS: [&str; 8] =
        ["unit", "target", "weight", "correlation", "overlap", "weight_role", "correlation_role", "overlap_role"];
}

/// Reads a record of another command, whose numbers must be in their ranges.
fn record<T: DeserializeOwned + Serialize>(path: &Path, version: impl Fn(&T) -> (u32, u32)) -> Result<T> {
    let record: T = read_json(path)?;
    let (found, expected) = version(&record);
    if found != expected {
        return Err(Error::format(path, "version", found.to_string(), expected.to_string()));
    }
    // What was read as JSON can be written as JSON.
    check_record(path, &serde_json::to_value(&record).unwrap_or_default())?;
    Ok(record)
}

/// What `contributions-below.json` says of the run whose units `contributions-below.csv` measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BelowRun {
    version: u32,
    /// The layer's name.
    pub layer: String,
    /// Its units in that table.
    pub units: usize,
    /// What the run was made from: `inputs` of its configuration.
    pub inputs: Value,
}

impl BelowRun {
    /// The file's name.
    pub const FILE: &str = BELOW;

    /// What is kept of the run `below`.
    ///
    /// # Errors
    /// As [`FinishedRun::provenance`].
    pub fn new(below: &FinishedRun) -> Result<Self> {
        let made = below.provenance()?;
        let layer = made.layer().unwrap_or_default().to_owned();
        let units = below.explanations.units.len();
        Ok(Self { version: BELOW_VERSION, layer, units, inputs: made.inputs() })
    }
}

impl FinishedRun {
    /// Of which run the table of contributions from the layer below is, if there is one.
    ///
    /// # Errors
    /// Those of [`read_json`]; [`compexp_files::Error::Format`] for another version.
    pub fn below(&self) -> Result<Option<BelowRun>> {
        let Some(path) = self.find(BELOW)? else { return Ok(None) };
        let below: BelowRun = read_json(&path)?;
        match below.version {
            BELOW_VERSION => Ok(Some(below)),
            other => Err(Error::format(&path, "version", other.to_string(), BELOW_VERSION.to_string())),
        }
    }

    /// The summary of units taken away, `ablation/ablation.json`, if the run has one. Only then its tables beside it count.
    ///
    /// # Errors
    /// `Error::File` if the file is no such record, or a number is out of its range; `Error::Damaged` if it is not what the
    /// manifest says.
    pub fn ablation(&self) -> Result<Option<AblationRecord>> {
        let version = |record: &AblationRecord| (record.version, AblationRecord::VERSION);
        self.find(ABLATION_SUMMARY)?.map(|path| record(&path, version)).transpose()
    }

    /// The bands of the curves of accuracy without units, if the run has [`Self::ablation`].
    ///
    /// # Errors
    /// `Error::File` if the file is no such table, or a number is out of its range; `Error::Damaged` if it is not what the
    /// manifest says.
    pub fn ablation_bands(&self) -> Result<Option<Vec<Band>>> {
        self.ablation_rows(ABLATION_BANDS, &Band::COLUMNS)
    }

    /// What each unit does alone, if the run has [`Self::ablation`].
    ///
    /// # Errors
    /// As [`Self::ablation_bands`].
    pub fn ablation_effects(&self) -> Result<Option<Vec<UnitEffect>>> {
        self.ablation_rows(ABLATION_EFFECTS, &UnitEffect::COLUMNS)
    }

    fn ablation_rows<T: DeserializeOwned + Serialize>(&self, name: &str, columns: &[&str]) -> Result<Option<Vec<T>>> {
        if self.find(ABLATION_SUMMARY)?.is_none() {
            return Ok(None);
        }
        let Some(path) = self.find(name)? else { return Ok(None) };
        let rows = read_rows(&path, columns)?;
        check_record(&path, &serde_json::to_value(&rows).unwrap_or_default())?;
        Ok(Some(rows))
    }

    /// The table in the file `name` of the run directory, if it is there.
    fn table(&self, name: &str) -> Result<Option<Table>> {
        let Some(path) = self.find(name)? else { return Ok(None) };
        let text = without_guards(SourceFile::open(&path)?.read_text()?.into_bytes());
        let fail = |e: csv::Error| {
            let field = e.position().map_or("content".into(), |p| format!("line {}", p.line()));
            Error::format(&path, field, e.to_string(), "a CSV file in UTF-8 with as many columns in every row")
        };
        let mut csv = csv::Reader::from_reader(&text[..]);
        let fields = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let header = fields(csv.headers().map_err(fail)?);
        let rows = csv.records().map(|r| r.map(|r| fields(&r)).map_err(fail)).collect::<Result<_>>()?;
        Ok(Some(Table { header, rows }))
    }

    /// The weights of units for the model's classes, if the run has them.
    ///
    /// # Errors
    /// `Error::File` if the file is no table, or a field is no number; `Error::Damaged` if it is not what the manifest says.
    pub fn weights(&self) -> Result<Option<Weights>> {
        let Some(table) = self.table(WEIGHTS)? else { return Ok(None) };
        let path = self.dir().join(WEIGHTS);
        let counts = ["active", "known", "correct"];
        let first = table.header.iter().position(|h| h == counts[0]).unwrap_or(0);
        let ends = table.header.get(first..first + 3).is_some_and(|h| h == counts);
        if first == 0 || table.header[0] != "unit" || !ends {
            let expected = "`unit`, the classes, `active`, `known`, `correct` and `accuracy`";
            return Err(Error::format(&path, "columns", table.header.join(", "), expected));
        }
        let mut units = Vec::with_capacity(table.rows.len());
        for (line, row) in table.rows.iter().enumerate() {
            let bad =
                |field: &str| Error::format(&path, format!("line {}", line + 2), format!("`{field}`"), "a number");
            let whole = |at: usize| row[at].parse::<usize>().map_err(|_| bad(&row[at]));
            let number = |field: &String| field.parse::<f64>().map_err(|_| bad(field));
            let active = [whole(first)?, whole(first + 1)?, whole(first + 2)?];
            check_active(&path, line + 2, active, self.explanations.universe.examples)?;
            units.push(UnitWeights {
                unit: whole(0)?,
                weights: row[1..first].iter().map(number).collect::<Result<_>>()?,
                active,
            });
        }
        Ok(Some(Weights { classes: table.header[1..first].to_vec(), units }))
    }

    /// The contributions of units to classes, if the run has them.
    ///
    /// # Errors
    /// `Error::File` if the file is no table, has other columns, or a field is not what its column has; `Error::Damaged` if it
    /// is not what the manifest says.
    pub fn contributions(&self) -> Result<Option<Vec<UnitContribution>>> {
        self.contributions_in(CONTRIBUTIONS)
    }

    /// The contributions of the units of [`FinishedRun::below`] to those of the run, which are targets by number.
    ///
    /// # Errors
    /// Those of [`FinishedRun::contributions`].
    pub fn contributions_below(&self) -> Result<Option<Vec<UnitContribution>>> {
        self.contributions_in(CONTRIBUTIONS_BELOW)
    }

    fn contributions_in(&self, file: &str) -> Result<Option<Vec<UnitContribution>>> {
        const COLUMNS: [&str; 8] = UnitContribution::COLUMNS;
        let Some(table) = self.table(file)? else { return Ok(None) };
        let path = self.dir().join(file);
        let places: Option<Vec<usize>> =
            COLUMNS.iter().map(|name| table.header.iter().position(|h| h == name)).collect();
        let Some(&[unit, target, weight, correlation, overlap, ref roles @ ..]) = places.as_deref() else {
            return Err(Error::format(&path, "columns", table.header.join(", "), COLUMNS.join(", ")));
        };
        let read = |(line, row): (usize, &Vec<String>)| {
            let bad = |at: usize, expected: &str| {
                Error::format(&path, format!("line {}", line + 2), format!("`{}`", row[at]), expected)
            };
            // Where a measure is not defined its field is empty, or says so.
            let number = |at: usize| match row[at].as_str() {
                "" => Ok(None),
                text => text.parse().map(|v: f64| Some(v).filter(|v| v.is_finite())).map_err(|_| bad(at, "a number")),
            };
            let role = |at: usize| {
                let all = [Role::Contributor, Role::Inhibitor, Role::Neither];
                let found = all.into_iter().find(|role| role.name() == row[at]);
                found.ok_or_else(|| bad(at, "`contributor`, `inhibitor` or nothing"))
            };
            Ok(UnitContribution {
                unit: row[unit].parse().map_err(|_| bad(unit, "the number of a unit"))?,
                target: row[target].clone(),
                roles: [role(roles[0])?, role(roles[1])?, role(roles[2])?],
                measures: [number(weight)?, number(correlation)?, number(overlap)?],
            })
        };
        table.rows.iter().enumerate().map(read).collect::<Result<_>>().map(Some)
    }

    /// The model's last layer, if it reads the units and the run keeps it.
    ///
    /// # Errors
    /// Those of [`read_head`].
    pub fn head(&self) -> Result<Option<Head>> {
        match self.find(HEAD_CLASSES)? {
            Some(_) => {
                self.find(HEAD_WEIGHTS)?;
                read_head(self.dir())
            }
            None => Ok(None),
        }
    }

    /// The record of changed inputs in the folder `counterfactuals`, if the run has one.
    ///
    /// # Errors
    /// `Error::File` if the file is no such record, or a number is out of its range; `Error::Damaged` if it is not what the
    /// manifest says.
    pub fn counterfactuals(&self) -> Result<Option<TrialRecord>> {
        let version = |record: &TrialRecord| (record.version, TrialRecord::VERSION);
        self.find(COUNTERFACTUALS_RECORD)?.map(|path| record(&path, version)).transpose()
    }

    /// A picture of the case of this number in that folder, as a PNG file: `kind` is `before`, `after` or `control`.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]
    pub fn counterfactual_picture(&self, case: u64, kind: &str) -> Result<Option<Vec<u8>>> {
        match self.find(&format!("{COUNTERFACTUALS}/{}", layout::picture(case, kind)))? {
            Some(path) => Ok(Some(read_bytes(&path, MAX_PICTURE)?)),
            None => Ok(None),
        }
    }

    /// The probe set that the run keeps in its folder `probe`, if it keeps one.
    ///
    /// # Errors
    /// Those of [`open_probe`].
    pub fn probe(&self) -> Result<Option<ProbeSet>> {
        let dir = self.dir().join(PROBE);
        if let Some(manifest) = self.manifest() {
            let files: Vec<_> = manifest.files.keys().filter(|name| name.starts_with("probe/")).collect();
            files.iter().try_for_each(|name| manifest.check(self.dir(), name))?;
            return if files.is_empty() { Ok(None) } else { Ok(Some(open_probe(&dir)?.set)) };
        }
        match is_there(&dir.join(CONCEPTS))? {
            true => Ok(Some(open_probe(&dir)?.set)),
            false => Ok(None),
        }
    }
}
