//! The report: what a run directory holds, drawn as static pages that stand alone.
//!
//! [`write_report`] makes one folder of one or several runs. It needs neither the model nor the annotations, opens no path of
//! its own (pictures come through [`ExampleSource`], pages go to a [`Sink`]), and its pages load nothing from a network.
//! [`figures()`] draws every analysis of a run, and [`training_curves`] a training; a [`Figure`] has its numbers with it.
//!
//! | file | content |
//! |---|---|
//! | `index.html` | the overview of the run; of several runs, the table that compares them |
//! | `side-by-side.html` | of several runs of one layer: the same units in each |
//! | `units.html`, `units/U.html` | the units as cards; one page a unit |
//! | `cards/` | scripts: what units are sorted by, and their cards |
//! | `units-P.html`, `find/` | of more than 10,000 units instead of cards: further pages of a table, and scripts of its search |
//! | `classes.html`, `classes/C.html` | the model's classes and their units; one page a class; where the run has predictions, or weights of classes |
//! | `behaviour.html`, `counterfactuals/` | accuracy without units, and changed inputs, where the run has either |
//! | `figures/*.svg`, `*.csv` | the figures |
//! | `images/E.*` | the picture of example `E`, once however often it is shown |
//! | `assets/` | style and script |
//!
//! Of several runs the pages of run `i`, counted from 1, are in the folder `run-i`.
#![forbid(unsafe_code)]

pub mod analysis;
mod charts;
mod class_measures;
pub mod controls;
pub mod export;
pub mod figure;
pub mod figures;
pub mod in_words;
mod layer_below;
mod material;
mod outline;
mod pages;
mod random;
mod svg;
mod word_contexts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use rayon::prelude::*;

pub use figure::Figure;
pub use figures::{figures, training_curves};
pub use word_contexts::Words;

use analysis::Records;
use compexp_core::explain::Progress;
use compexp_core::probe::{Example, ProbeSet};
use compexp_run::{FinishedRun, Provenance};
use material::{Material, Picture};
use pages::side_by_side::Peer;
use pages::{Lower, Site, cards};
use word_contexts::{Row, WordContexts};

pub use compexp_run::{Error, Result};

/// Pages and pictures that are made at once, in parallel, before they are written.
const CHUNK: usize = 64;

/// What there is to show of an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Showing {
    /// A picture.
    Image(Thumbnail),
    /// Nothing but its name, and its text if it has one.
    Name,
    /// A picture that was to be there and is not, and what was tried.
    Missing(String),
}

/// An example whose picture is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPicture {
    /// Its name.
    pub example: String,
    /// What was tried, in words.
    pub tried: String,
}

/// A small picture, as a file that browsers show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// The ending of its name: `jpg` or `png`.
    pub extension: &'static str,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
}

/// Where pictures of examples come from.
pub trait ExampleSource: Sync {
    /// What to show of an example, counted from 0.
    fn show(&self, number: usize, example: &Example) -> Showing;

    /// The probe set on which the run was made, where the run keeps none itself: texts show which concepts are true.
    fn probe(&self) -> Option<&ProbeSet> {
        None
    }

    /// The words that examples are, where they are words of sentences whose annotations are still there: contexts show them.
    fn words(&self) -> Option<Words<'_>> {
        None
    }
}

/// Where pages go.
pub trait Sink {
    /// Writes the file of this name, relative to the report, with `/` between folders.
    ///
    /// # Errors
    /// `Error::File` if the file cannot be written.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()>;
}

/// A run to report on.
pub struct ReportRun<'a> {
    /// What pages call it.
    pub name: String,
    /// The run.
    pub run: &'a FinishedRun,
    /// What it found, for analyses.
    pub records: &'a Records,
    /// Its figures.
    pub figures: &'a [Figure],
    /// Its examples' pictures.
    pub source: &'a dyn ExampleSource,
    /// The units that have cards and pages; none for all of the run.
    pub units: Option<BTreeSet<usize>>,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The examples whose picture is missing, in their order, run after run.
    pub missing: Vec<MissingPicture>,
}

/// Writes the report of `runs`.
///
/// # Errors
/// `Error::File` or `Error::Damaged` if a file of a run cannot be read or is not what it was; `Error::Core` if there are no
/// runs; the error of the sink.
pub fn write_report<'a>(runs: &[ReportRun<'a>], sink: &mut dyn Sink, progress: &dyn Progress) -> Result<Written> {
    if runs.is_empty() {
        return Err(Error::mismatch("runs to report on", 0, "at least one"));
    }
    let mut out = Counted { sink, written: Written::default() };
    for (name, text) in pages::ASSETS {
        out.write(name, text.as_bytes())?;
    }
    let several = runs.len() > 1;
    let layers: Vec<Option<LayerFile>> = runs.iter().map(|run| layer_file(run.run)).collect();
    let mut materials = Vec::with_capacity(runs.len());
    let folder = |i: usize| if several { format!("run-{}/", i + 1) } else { String::new() };
    for (i, run) in runs.iter().enumerate() {
        let folder_of = folder;
        let folder = folder(i);
        let mut material = Material::read(run)?;
        pictures(&mut material, run.source, &folder, &mut out, progress)?;
        for figure in run.figures {
            out.write(&format!("{folder}figures/{}.svg", figure.id), figure.svg.as_bytes())?;
            out.write(&format!("{folder}figures/{}.csv", figure.id), figure.csv.as_bytes())?;
        }
        trial_pictures(&mut material, run.run, &folder, &mut out)?;
        let lower = material.below.as_ref().and_then(|below| {
            let is_below = |run: &ReportRun<'_>| run.run.provenance().is_ok_and(|made| made.inputs() == below.inputs);
            let at = runs.iter().position(is_below)?;
            Some(Lower {
                folder: folder_of(at),
                explanations: &runs[at].run.explanations,
                units: runs[at].units.as_ref(),
            })
        });
        let peer = |(at, other): (usize, &ReportRun<'a>)| {
            let same = at != i && layers[i].is_some() && layers[at] == layers[i];
            same.then(|| Peer::new(other, folder_of(at)))
        };
        let peers = runs.iter().enumerate().filter_map(peer).collect();
        let words = match run.source.words() {
            Some(words) => WordContexts::new(&material, words)?,
            None => None,
        };
        let site = Site { material: &material, figures: run.figures, several, lower, peers };
        let forms = write_units(&site, words.as_ref(), &folder, &mut out, progress)?;
        material.set_forms(forms);
        write_run(&site, &folder, &mut out)?;
        materials.push((folder, material));
    }
    if several {
        let side_by_side = pages::side_by_side::page(&materials, &layers);
        out.write("index.html", pages::compare::page(&materials, side_by_side.is_some()).as_bytes())?;
        if let Some(page) = side_by_side {
            out.write("side-by-side.html", page.as_bytes())?;
        }
    }
    Ok(out.written)
}

/// The file of a layer's activations or masks: runs with the same one explain the same units.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LayerFile {
    path: PathBuf,
    tensor: Option<String>,
}

/// The file of a run's layer; none where the run does not tell.
fn layer_file(run: &FinishedRun) -> Option<LayerFile> {
    let (paths, made) = (run.config().ok()?.paths, run.provenance().ok()?);
    let tensor = match made {
        Provenance::Explain(made) => made.inputs.activations.or(made.inputs.masks).and_then(|array| array.tensor),
        _ => None,
    };
    let file = paths.activations.or(paths.masks)?;
    // Paths within a run are relative to it; an id of the hub is the same everywhere.
    let path = if file.contains("://") { file.into() } else { std::path::absolute(run.dir().join(file)).ok()? };
    Some(LayerFile { path, tensor })
}

fn write_run(site: &Site<'_>, folder: &str, out: &mut Counted<'_>) -> Result<()> {
    out.write(&format!("{folder}index.html"), pages::overview::page(site)?.as_bytes())?;
    if site.has_cards() {
        out.write(&format!("{folder}units.html"), pages::units::page(site)?.as_bytes())?;
        write_cards(site.material, folder, out)?;
    } else {
        write_list(site, folder, out)?;
    }
    if let Some(page) = pages::concepts::page(site) {
        out.write(&format!("{folder}concepts.html"), page.as_bytes())?;
    }
    if site.has_classes() {
        let (classes, counts) = (site.material.classes(), pages::classes::confusion(site.material, None));
        out.write(&format!("{folder}classes.html"), pages::classes::page(site, &classes, &counts).as_bytes())?;
        let page = |class: usize| pages::class::page(site, &classes, &counts, class);
        let made: Vec<String> = (0..classes.len()).into_par_iter().map(page).collect::<Result<_>>()?;
        for (class, page) in made.iter().enumerate() {
            out.write(&format!("{folder}classes/{class}.html"), page.as_bytes())?;
        }
    }
    if site.material.has_behaviour() {
        out.write(&format!("{folder}behaviour.html"), pages::effects::page(site).as_bytes())?;
    }
    Ok(())
}

/// Writes the page of every unit, and gives the forms of words on which each fires most, where these are known.
fn write_units(
    site: &Site<'_>,
    words: Option<&WordContexts<'_>>,
    folder: &str,
    out: &mut Counted<'_>,
    progress: &dyn Progress,
) -> Result<HashMap<usize, Vec<String>>> {
    let units = &site.material.explanations().units;
    let mut forms = HashMap::new();
    let mut done = 0;
    progress.stage("pages", "units", units.len());
    for block in units.chunks(words.map_or(CHUNK, WordContexts::together)) {
        let numbers: Vec<usize> = block.iter().map(|unit| unit.unit).collect();
        let mut rows = words.map_or(Ok(HashMap::new()), |words| words.rows(&numbers))?;
        for chunk in block.chunks(CHUNK) {
            let rows: Vec<Option<Row>> = chunk.iter().map(|unit| rows.remove(&unit.unit)).collect();
            let page = |(i, row): (usize, Option<Row>)| {
                let found = words.map(|words| (words, words.of(site.material, &chunk[i], row)));
                let page = pages::unit::page(site, done + i, found.as_ref().map(|(words, found)| (*words, found)))?;
                Ok((page, found.map(|(_, found)| found.forms)))
            };
            let made: Vec<(String, Option<Vec<String>>)> =
                rows.into_par_iter().enumerate().map(page).collect::<Result<_>>()?;
            for (unit, (page, own)) in chunk.iter().zip(made) {
                out.write(&format!("{folder}units/{}.html", unit.unit), page.as_bytes())?;
                forms.extend(own.map(|own| (unit.unit, own)));
            }
            done += chunk.len();
            progress.done(done);
        }
    }
    Ok(forms)
}

/// Writes the scripts that hold the cards, and what they are sorted by.
fn write_cards(material: &Material<'_>, folder: &str, out: &mut Counted<'_>) -> Result<()> {
    out.write(&format!("{folder}cards/index.js"), cards::index(material).as_bytes())?;
    let units = material.headline.best_first(&material.explanations().units);
    let firsts: Vec<usize> = (0..units.len()).step_by(cards::CHUNK).collect();
    for firsts in firsts.chunks(CHUNK) {
        let made = firsts.par_iter().map(|first| cards::chunk(material, &units, *first));
        let made: Vec<String> = made.collect::<Result<_>>()?;
        for (first, script) in firsts.iter().zip(made) {
            out.write(&format!("{folder}cards/{}.js", first / cards::CHUNK), script.as_bytes())?;
        }
    }
    Ok(())
}

/// Writes the table of units, in pages, and the scripts of its search.
fn write_list(site: &Site<'_>, folder: &str, out: &mut Counted<'_>) -> Result<()> {
    let units = site.material.headline.best_first(&site.material.explanations().units);
    for (name, page) in pages::list::pages(site, &units) {
        out.write(&format!("{folder}{name}"), page.as_bytes())?;
    }
    for (name, script) in pages::list::scripts(site.material, &units) {
        out.write(&format!("{folder}{name}"), script.as_bytes())?;
    }
    Ok(())
}

/// Writes every picture that some page shows, once.
fn pictures(
    material: &mut Material,
    source: &dyn ExampleSource,
    folder: &str,
    out: &mut Counted<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let wanted = material.shown_examples();
    let mut pictures = BTreeMap::new();
    progress.stage("pictures", "examples", wanted.len());
    for chunk in wanted.chunks(CHUNK) {
        let shown: Vec<Showing> =
            chunk.par_iter().map(|e| source.show(*e as usize, &material.examples[*e as usize])).collect();
        for (example, showing) in chunk.iter().zip(shown) {
            let picture = match showing {
                Showing::Name => Picture::Name,
                Showing::Missing(tried) => {
                    let name = material.examples[*example as usize].name.clone();
                    out.written.missing.push(MissingPicture { example: name, tried });
                    Picture::Name
                }
                Showing::Image(Thumbnail { bytes, extension, width, height }) => {
                    // The number, never the name: names are whatever somebody called a file.
                    let file = format!("images/{example}.{extension}");
                    out.write(&format!("{folder}{file}"), &bytes)?;
                    Picture::Image { file, width, height }
                }
            };
            pictures.insert(*example, picture);
        }
        progress.done(pictures.len());
    }
    material.pictures = pictures;
    Ok(())
}

/// Writes the pictures of changed inputs that the run has.
fn trial_pictures(material: &mut Material, run: &FinishedRun, folder: &str, out: &mut Counted<'_>) -> Result<()> {
    let cases = material.counterfactuals.iter().flat_map(|record| &record.cases);
    let mut found = BTreeSet::new();
    for case in cases.map(|case| case.case) {
        for kind in ["before", "after", "control"] {
            // By number: the names in the record are whatever stands there.
            if found.contains(&(case, kind)) {
                continue;
            }
            if let Some(bytes) = run.counterfactual_picture(case, kind)? {
                out.write(&format!("{folder}counterfactuals/{case}-{kind}.png"), &bytes)?;
                found.insert((case, kind));
            }
        }
    }
    material.trial_pictures = found;
    Ok(())
}

/// A sink that counts.
struct Counted<'a> {
    sink: &'a mut dyn Sink,
    written: Written,
}

impl Counted<'_> {
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.written.files += 1;
        self.written.bytes += bytes.len() as u64;
        self.sink.write(name, bytes)
    }
}
