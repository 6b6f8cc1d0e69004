//! `compexp explain`: from activations or masks in a file to a run directory.

use anyhow::Result;
use serde_json::json;

use crate::annotations::Annotations;
use crate::args::explain::ExplainArgs;
use crate::evidence::EvidenceConfig;
use crate::failure::Failure;
use crate::input_files::absolute;
use crate::layer::Layer;
use crate::pipeline::Job;
use crate::progress::Reporter;
use crate::{explain_config, pipeline, summary, unit_numbers};

pub(crate) fn run(args: &ExplainArgs, reporter: &Reporter) -> Result<()> {
    // What costs nothing is checked first: arguments against the headers of files, before any of them is read.
    let Some(layer) = Layer::open(args.layer.activations.as_deref(), args.layer.masks.as_deref())? else {
        return Err(Failure::usage("give a layer, with --activations or --masks").into());
    };
    let annotated = Annotations::new(&args.annotations).open()?;
    layer.check(&annotated.set)?;
    let threshold = explain_config::threshold(&args.threshold, layer.has_maps(), args.search.compat);
    explain_config::check_search(&args.search)?;
    let config = explain_config::explain(&args.search, threshold, annotated.set.task);
    config.search.check().map_err(Failure::usage)?;
    let units = unit_numbers::units(args.search.units.as_ref(), layer.firing().n_units())?;
    let evidence = EvidenceConfig::from(&args.trust);
    let seen = evidence.seen(&annotated.set.examples)?;

    let inputs = json!({ "annotations": annotated.record(reporter)?, layer.kind(): layer.record(reporter)? });
    let record = pipeline::record("explain", inputs, &config, &evidence, &units, args.layer.masks.is_some());
    let mut paths = annotated.paths.clone();
    paths.insert(layer.kind().into(), absolute(layer.spec()));
    let (run, up_to_date) = match pipeline::open_run(&args.out, record.clone(), paths)? {
        Ok(writer) => {
            let set = &annotated.set;
            let (firing, units, config, evidence, seen) = (layer.firing(), &units, &config, &evidence, &seen);
            let job = Job { set, firing, units, config, evidence, seen, record, predictions: None, similarity: None };
            (pipeline::finish(writer, job, reporter)?, false)
        }
        Err(run) => (run, true),
    };
    reporter.end();
    summary::print(&run, up_to_date, args.out.json, reporter)
}
