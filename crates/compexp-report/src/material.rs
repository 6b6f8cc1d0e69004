//! Everything that the pages of a run are made of, read once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use compexp_core::concept::ConceptId;
use compexp_core::exemplar::{Choice, Exemplar};
use compexp_core::explanation::{Explanation, Explanations};
use compexp_core::formula::{Atom, Formula};
use compexp_core::probe::{Annotation, Example, ProbeSet};
use compexp_files::TensorFile;
use compexp_run::run_dir::{ExemplarList, Prediction, Summary};
use compexp_run::{AblationRecord, Band, FinishedRun, RunConfig, TrialRecord, UnitEffect, Weights};

use super::ReportRun;
use super::class_measures::ClassMeasures;
use super::layer_below::LayerBelow;
use crate::analysis::question::Answer;
use crate::analysis::what::what;
use crate::in_words::{Concepts, in_words};
use crate::{Error, Result};
use compexp_core::explanation::Headline;

/// The exemplars of each choice that are shown.
pub(super) const SHOWN: usize = 12;

/// What the report shows of an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    /// A file, relative to the run's pages, and its size in pixels.
    Image { file: String, width: usize, height: usize },
    /// No picture.
    Name,
}

/// How often predictions are right where a unit fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WhenActive {
    /// Examples on which the unit fires.
    pub(super) active: usize,
    /// How many of these have a known target.
    pub(super) known: usize,
    /// How many of these are predicted correctly.
    pub(super) correct: usize,
}

impl WhenActive {
    pub(super) fn accuracy(self) -> Option<f64> {
        (self.known > 0).then(|| self.correct as f64 / self.known as f64)
    }
}

/// On which examples each unit fires: bits, the first example in the lowest.
pub(super) struct Activity {
    /// The row of each unit.
    rows: HashMap<usize, usize>,
    bytes: usize,
    bits: Vec<u8>,
}

impl Activity {
    pub(super) fn fires(&self, unit: usize, example: usize) -> bool {
        let byte = self.rows.get(&unit).and_then(|row| self.bits.get(row * self.bytes + example / 8));
        byte.is_some_and(|byte| byte >> (example % 8) & 1 == 1)
    }
}

/// A run as the pages see it.
pub(super) struct Material<'a> {
    pub(super) name: String,
    /// What the run is.
    pub(super) what: String,
    /// What it answers to the paper's question.
    pub(super) answer: Option<Answer>,
    pub(super) run: &'a FinishedRun,
    /// The score that stands first.
    pub(super) headline: Headline,
    pub(super) config: RunConfig,
    pub(super) summary: Summary,
    pub(super) examples: Vec<Example>,
    exemplars: ExemplarList,
    masks: TensorFile,
    /// Places in `exemplars`, by unit.
    by_unit: HashMap<usize, Vec<usize>>,
    pub(super) predictions: Option<Vec<Prediction>>,
    weights: Option<Weights>,
    pub(super) activity: Activity,
    /// How units bear on classes, where the run tells.
    pub(super) class_measures: Option<ClassMeasures>,
    /// How the units of the layer below bear on those of the run, where it tells.
    pub(super) below: Option<LayerBelow>,
    /// Kinds of concepts, by name.
    categories: HashMap<String, String>,
    /// Areas of concepts, by name.
    areas: HashMap<String, u64>,
    /// The units that are shown, and what was found of them.
    explanations: Cow<'a, Explanations>,
    /// The probe set that the run keeps.
    kept: Option<ProbeSet>,
    /// The probe set that the source has.
    given: Option<&'a ProbeSet>,
    /// The example of the probe set that each example of the run is: a run may hold examples out.
    places: Vec<Option<usize>>,
    /// The record of ablation; with it the bands of accuracy, and the effect of each unit alone.
    pub(super) ablation: Option<AblationRecord>,
    pub(super) bands: Option<Vec<Band>>,
    pub(super) effects: Option<Vec<UnitEffect>>,
    /// The record of changed inputs.
    pub(super) counterfactuals: Option<TrialRecord>,
    /// Which of its pictures there are: the number of the case, and which picture of it.
    pub(super) trial_pictures: BTreeSet<(u64, &'static str)>,
    pub(super) pictures: BTreeMap<u32, Picture>,
    /// The forms of words on which each unit fires most, where these are known.
    forms: OnceLock<HashMap<usize, Vec<String>>>,
    /// What concepts are about.
    concepts: Concepts,
}

impl<'a> Material<'a> {
    pub(super) fn read(run: &ReportRun<'a>) -> Result<Self> {
        let ReportRun { name, run, records, source, units: wanted, .. } = run;
        let exemplars = run.exemplars()?;
        let masks = run.masks()?;
        let expected = [exemplars.exemplars.len(), 2, exemplars.grid.positions().div_ceil(8)];
        if masks.shape() != expected {
            let (found, expected) =
                (format!("{:?}", masks.shape()), format!("{expected:?}, as exemplars.json has them"));
            return Err(Error::format(masks.path(), "shape", found, expected));
        }
        let mut by_unit: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, exemplar) in exemplars.exemplars.iter().enumerate() {
            by_unit.entry(exemplar.unit).or_default().push(at);
        }
        let examples = run.examples()?;
        let predictions = run.predictions()?;
        if let Some(predictions) = predictions.as_ref().filter(|p| p.len() != examples.len()) {
            let expected = format!("{}, one an example", examples.len());
            return Err(Error::mismatch("rows of predictions.csv", predictions.len(), expected));
        }
        let concepts = run.concepts()?;
        let weights = run.weights()?;
        let units = &run.explanations.units;
        let activity = Activity {
            rows: units.iter().enumerate().map(|(row, u)| (u.unit, row)).collect(),
            bytes: examples.len().div_ceil(8),
            bits: run.activity()?,
        };
        let class_measures = ClassMeasures::read(run, weights.as_ref())?;
        let (kept, given) = (run.probe()?, source.probe());
        let places = kept.as_ref().or(given).map_or(Vec::new(), |probe| places(&examples, &probe.examples));
        let explanations = match wanted {
            None => Cow::Borrowed(&run.explanations),
            Some(wanted) => {
                let chosen = |records: &[Explanation]| -> Vec<Explanation> {
                    records.iter().filter(|u| wanted.contains(&u.unit)).cloned().collect()
                };
                let Explanations { version, universe, held_out, .. } = run.explanations;
                let (units, ranges) = (chosen(&run.explanations.units), chosen(&run.explanations.ranges));
                let concepts = run.explanations.concepts.clone();
                let config = run.explanations.config.clone();
                Cow::Owned(Explanations { version, config, universe, held_out, units, ranges, concepts })
            }
        };
        Ok(Self {
            name: name.clone(),
            what: what(records),
            answer: Answer::of(records),
            run,
            headline: Headline::of(&run.explanations),
            config: run.config()?,
            summary: run.summary()?,
            examples,
            exemplars,
            masks,
            by_unit,
            predictions,
            weights,
            activity,
            class_measures,
            below: LayerBelow::read(run)?,
            categories: concepts.iter().map(|c| (c.name.clone(), c.category.clone())).collect(),
            areas: concepts.into_iter().map(|c| (c.name, c.area)).collect(),
            explanations,
            kept,
            given,
            places,
            bands: run.ablation_bands()?,
            effects: run.ablation_effects()?,
            ablation: run.ablation()?,
            counterfactuals: run.counterfactuals()?,
            trial_pictures: BTreeSet::new(),
            pictures: BTreeMap::new(),
            forms: OnceLock::new(),
            concepts: Concepts::of(run).unwrap_or(Concepts::Other),
        })
    }

    /// Says on which forms of words each unit fires most.
    pub(super) fn set_forms(&self, forms: HashMap<usize, Vec<String>>) {
        self.forms.get_or_init(|| forms);
    }

    pub(super) fn explanations(&self) -> &Explanations {
        &self.explanations
    }

    /// What was found of a unit, if the run has it.
    pub(super) fn explanation(&self, unit: usize) -> Option<&Explanation> {
        let units = &self.explanations().units;
        units.binary_search_by_key(&unit, |u| u.unit).ok().map(|at| &units[at])
    }

    /// A unit's formula in words.
    pub(super) fn in_words(&self, unit: &Explanation) -> Option<String> {
        in_words(unit.formula.as_deref()?, self.concepts)
    }

    /// Whether examples are words of sentences.
    pub(super) fn is_of_words(&self) -> bool {
        self.concepts == Concepts::OfWords
    }

    /// The same where concepts are of words: of others words say little that the formula does not.
    pub(super) fn in_words_of_words(&self, unit: &Explanation) -> Option<String> {
        self.in_words(unit).filter(|_| self.is_of_words())
    }

    /// Whether the forms of words on which units fire are known.
    pub(super) fn has_forms(&self) -> bool {
        self.forms.get().is_some_and(|forms| !forms.is_empty())
    }

    /// The forms of words on which a unit fires most, where these are known.
    pub(super) fn forms(&self, unit: usize) -> Option<&Vec<String>> {
        self.forms.get()?.get(&unit).filter(|forms| !forms.is_empty())
    }

    /// The example of the probe set that each example of the run is, where it is known.
    pub(super) fn places(&self) -> &[Option<usize>] {
        &self.places
    }

    /// What was found of the ranges of a unit's activation.
    pub(super) fn ranges(&self, unit: usize) -> impl Iterator<Item = &Explanation> {
        let all = &self.explanations().ranges;
        all[all.partition_point(|record| record.unit < unit)..].iter().take_while(move |record| record.unit == unit)
    }

    /// Whether units were taken away, or inputs changed.
    pub(super) fn has_behaviour(&self) -> bool {
        self.ablation.is_some() || self.counterfactuals.is_some()
    }

    pub(super) fn grid(&self) -> compexp_core::probe::Grid {
        self.exemplars.grid
    }

    /// The examples that some page shows, ascending.
    pub(super) fn shown_examples(&self) -> Vec<u32> {
        let units: BTreeSet<usize> = self.explanations().units.iter().map(|u| u.unit).collect();
        let shown = |e: &&Exemplar| units.contains(&e.unit) && e.chosen.iter().any(|(_, place)| *place < SHOWN);
        let set: BTreeSet<u32> = self.exemplars.exemplars.iter().filter(shown).map(|e| e.example).collect();
        set.into_iter().collect()
    }

    /// The exemplars of a unit that were chosen so, in order, each with its place among all masks.
    pub(super) fn chosen(&self, unit: usize, choice: Choice) -> Vec<(usize, &Exemplar)> {
        let all = self.by_unit.get(&unit).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<(usize, usize, &Exemplar)> = all
            .iter()
            .map(|at| (*at, &self.exemplars.exemplars[*at]))
            .filter_map(|(at, e)| {
                let place = e.chosen.iter().find(|(c, _)| *c == choice)?.1;
                Some((place, at, e))
            })
            .filter(|(place, ..)| *place < SHOWN)
            .collect();
        found.sort_by_key(|(place, ..)| *place);
        found.into_iter().map(|(_, at, e)| (at, e)).collect()
    }

    /// The packed masks of an exemplar: the unit's, then the formula's.
    pub(super) fn masks_of(&self, at: usize) -> Result<Vec<u8>> {
        let bytes = 2 * self.grid().positions().div_ceil(8);
        let mut values = vec![0_u32; bytes];
        self.masks.read_u32(at * bytes, &mut values)?;
        Ok(values.into_iter().map(|v| v as u8).collect())
    }

    /// How right the model is where a unit fires, if that is known.
    pub(super) fn when_active(&self, unit: usize) -> Option<WhenActive> {
        if let Some(predictions) = &self.predictions {
            let fires = |(example, _): &(usize, _)| self.activity.fires(unit, *example);
            let mut counts = WhenActive { active: 0, known: 0, correct: 0 };
            for (_, prediction) in predictions.iter().enumerate().filter(fires) {
                counts.active += 1;
                counts.known += usize::from(prediction.correct.is_some());
                counts.correct += usize::from(prediction.correct == Some(true));
            }
            return Some(counts);
        }
        let [active, known, correct] = self.weights.as_ref()?.units.iter().find(|w| w.unit == unit)?.active;
        Some(WhenActive { active, known, correct })
    }

    /// The kind of a concept, empty where it is not known.
    pub(super) fn category(&self, name: &str) -> &str {
        self.categories.get(name).map_or("", String::as_str)
    }

    /// The names of all concepts of the run.
    pub(super) fn concept_names(&self) -> impl Iterator<Item = &str> {
        self.areas.keys().map(String::as_str)
    }

    fn probe(&self) -> Option<&ProbeSet> {
        self.kept.as_ref().or(self.given)
    }

    /// The positions of a concept, where that is known.
    pub(super) fn area(&self, name: &str) -> Option<u64> {
        self.areas.get(name).copied()
    }

    /// Which concepts an example of one position has, where the run keeps them.
    pub(super) fn concepts_of(&self, example: usize) -> Result<Option<Present<'_>>> {
        let Some((probe, example)) = self.probe().zip(self.places.get(example).copied().flatten()) else {
            return Ok(None);
        };
        if probe.source.grid().positions() != 1 {
            return Ok(None);
        }
        let mut annotation = Annotation::default();
        probe.source.annotate(example, &mut annotation)?;
        let all = annotation.layers.iter().chain(&annotation.scalars).filter(|id| **id != Annotation::NONE);
        Ok(Some(Present { probe, ids: all.map(|id| ConceptId(*id)).collect() }))
    }

    /// The concepts that NEIGHBORS of a concept takes in, itself among them.
    pub(super) fn neighbors(&self, name: &str) -> Vec<String> {
        let mut names = vec![name.to_owned()];
        if let Some(probe) = self.probe()
            && let Some(id) = probe.vocabulary.find(name)
        {
            let all = Atom::neighbors(id).any_of(&probe.neighbors);
            names.extend(all.map(|id| probe.vocabulary.name(id).into_owned()).filter(|n| n != name));
        }
        names
    }

    /// The classes, in alphabetical order, or as the weights have them.
    pub(super) fn classes(&self) -> Vec<String> {
        let mut classes: Vec<String> = self.class_measures.as_ref().map_or(Vec::new(), |b| b.classes.clone());
        let mut others: BTreeSet<&str> = BTreeSet::new();
        for p in self.predictions.iter().flatten() {
            others.extend([p.target.as_str(), p.predicted.as_str()]);
        }
        let others: Vec<String> = others
            .into_iter()
            .filter(|c| !c.is_empty() && !classes.iter().any(|k| k == c))
            .map(str::to_owned)
            .collect();
        classes.extend(others);
        classes
    }
}

/// For each example of a run the one of the probe set that it is; none where several are alike.
fn places(examples: &[Example], all: &[Example]) -> Vec<Option<usize>> {
    if examples == all {
        return (0..all.len()).map(Some).collect();
    }
    let mut found: HashMap<(&str, &str), Option<usize>> = HashMap::new();
    for (i, example) in all.iter().enumerate() {
        let key = (example.name.as_str(), example.text.as_str());
        found.entry(key).and_modify(|place| *place = None).or_insert(Some(i));
    }
    examples.iter().map(|e| found.get(&(e.name.as_str(), e.text.as_str())).copied().flatten()).collect()
}

/// The concepts that an example has.
pub(super) struct Present<'a> {
    probe: &'a ProbeSet,
    ids: BTreeSet<ConceptId>,
}

impl Present<'_> {
    /// Whether an atom, by name, is true.
    pub(super) fn has(&self, name: &str, neighbors: bool) -> bool {
        let Some(id) = self.probe.vocabulary.find(name) else { return false };
        Atom { neighbors, concept: id }.holds(&self.probe.neighbors, |id| self.ids.contains(&id))
    }
}

/// The formula of a unit and the names of its concepts; none where it has none, or one that cannot be read.
pub(super) fn formula_of(unit: &Explanation) -> Option<(Formula, compexp_core::concept::Vocabulary)> {
    Formula::read(unit.formula.as_deref()?).ok()
}

/// The names of a formula's atoms, with whether each is a NEIGHBORS, in the order of the text.
pub(super) fn atoms_of(unit: &Explanation) -> Vec<(String, bool)> {
    let Some((formula, names)) = formula_of(unit) else { return Vec::new() };
    let mut atoms = formula.atoms();
    atoms.sort_by_key(|a| a.concept);
    atoms.into_iter().map(|Atom { neighbors, concept }| (names.name(concept).into_owned(), neighbors)).collect()
}
