//! `compexp explain`: from activations or masks in a file to a run directory.

use anyhow::Result;
use compexp_core::relation::Similarity;
use compexp_run::provenance::{ArrayInput, ArrayInputs, Made, Settings};
use compexp_run::{Layer as Subject, Method, Outcome, Provenance, check_evidence, explain_run};

use crate::annotations::Annotations;
use crate::args::explain::ExplainArgs;
use crate::failure::Failure;
use crate::input_files::absolute;
use crate::layer::Layer;
use crate::name_vectors::NameVectors;
use crate::progress::Reporter;
use crate::word_places::WordPlaces;
use crate::{explain_config, run_folder, summary, unit_numbers};

pub(crate) fn run(args: &ExplainArgs, reporter: &Reporter) -> Result<()> {
    // What costs nothing is checked first: arguments against the headers of files, before any of them is read.
    let places = WordPlaces::of(&args.places);
    let Some(layer) = Layer::of_texts(&args.layer, places.grid()?)? else {
        return Err(Failure::usage("give a layer, with --activations or --masks").into());
    };
    if args.layer.masks.is_some() && args.search.ranges.is_some() {
        return Err(Failure::usage("--ranges with --masks: masks have no values to divide; give --activations").into());
    }
    let annotated = Annotations::new(&args.annotations).open(reporter)?;
    annotated.warning.iter().for_each(|text| reporter.warn(text));
    let (layer, annotated) = places.apply(layer, annotated, reporter)?;
    layer.check(&annotated, reporter)?;
    // A unit fires at few of the words, as at few of the positions of maps.
    let many = layer.has_maps() || annotated.words.is_some() && !layer.is_sparse();
    let threshold = explain_config::threshold(&args.threshold, many, args.search.compat, reporter);
    explain_config::check_search(&args.search)?;
    let config = explain_config::explain(&args.search, threshold, annotated.set.variant);
    config.search.check().map_err(Failure::usage)?;
    let units = unit_numbers::units(args.search.units.as_ref(), layer.firing().n_units())?;
    let vectors = args.vectors.as_deref().map(NameVectors::read).transpose()?;
    if let Some(vectors) = &vectors {
        vectors.tell(&annotated.set.vocabulary, reporter);
    }
    let evidence = explain_config::evidence(&args.trust, units.len());
    check_evidence(&evidence, &annotated.set.examples)?;

    let masks = args.layer.masks.is_some();
    let settings = Settings::new(&config, &units, masks, evidence);
    let (annotations, array) =
        (annotated.record(reporter)?, Some(ArrayInput { places: places.record(reporter)?, ..layer.record(reporter)? }));
    let (activations, masks) = if masks { (None, array) } else { (array, None) };
    let name_vectors = vectors.as_ref().map(|vectors| vectors.hash.clone());
    let inputs = ArrayInputs { annotations, activations, masks, name_vectors };
    let provenance = Provenance::Explain(Made { inputs, settings });
    let mut paths = annotated.paths.clone();
    let place = if args.layer.masks.is_some() { &mut paths.masks } else { &mut paths.activations };
    *place = Some(absolute(layer.spec())?);
    places.add_to(&mut paths)?;
    paths.vectors = args.vectors.as_deref().map(absolute).transpose()?;
    let similar = |a, b| vectors.as_ref()?.similarity(&annotated.set.vocabulary, a, b);
    let similarity = Some(&similar as Similarity<'_>);
    let subject = Subject { set: &annotated.set, firing: layer.firing(), similarity, predictions: None };
    let method = Method { explain: config, units, evidence };
    let (out, force) = run_folder::target(&args.out)?;
    let (run, up_to_date) = match explain_run(out, subject, &method, &provenance, paths, force, reporter)? {
        Outcome::Made(run) => (run, false),
        Outcome::UpToDate(run) => (run, true),
        Outcome::Other(differences) => return Err(run_folder::refusal(out, &differences).into()),
    };
    run_folder::add_table(&args.out, &run)?;
    reporter.end();
    summary::print(&[(run, up_to_date)], args.out.json, reporter)
}
