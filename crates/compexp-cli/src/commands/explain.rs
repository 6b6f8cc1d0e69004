//! `compexp explain`: from activations or masks in a file to a run directory.

use anyhow::Result;
use serde_json::json;

use crate::args::ExplainArgs;
use crate::failure::Failure;
use crate::inputs::{Annotations, Layer, absolute};
use crate::pipeline::Job;
use crate::progress::Reporter;
use crate::{pipeline, settings, summary};

pub(crate) fn run(args: &ExplainArgs, reporter: &Reporter) -> Result<()> {
    // What costs nothing is checked first: arguments against the headers of files, before any of them is read.
    let spec = args.activations.as_deref().or(args.masks.as_deref());
    let layer = Layer::open(args.activations.as_deref(), args.masks.as_deref())?;
    let (Some(spec), Some(layer)) = (spec, layer) else {
        return Err(Failure::usage("give a layer, with --activations or --masks").into());
    };
    let annotated = Annotations::new(&args.annotations).open()?;
    layer.check(&annotated.set)?;
    let threshold = settings::threshold(&args.threshold, layer.has_maps(), args.search.compat);
    settings::check_search(&args.search)?;
    let config = settings::explain(&args.search, threshold, annotated.set.task);
    config.search.check().map_err(Failure::usage)?;
    let units = settings::units(args.search.units.as_ref(), layer.firing().n_units())?;
    let seen = args.trust.seen(&annotated.set.examples)?;

    let inputs = json!({ "annotations": annotated.record(reporter)?, layer.kind(): layer.record(spec, reporter)? });
    let record = pipeline::record("explain", inputs, &config, &args.trust, &units, args.masks.is_some());
    let mut paths = annotated.paths.clone();
    paths.insert(layer.kind().into(), absolute(spec)?);
    let (run, up_to_date) = match pipeline::open_run(&args.out, record.clone(), paths)? {
        Ok(writer) => {
            let set = &annotated.set;
            let (firing, units, config, trust, seen) = (layer.firing(), &units, &config, &args.trust, &seen);
            let job = Job { set, firing, units, config, trust, seen, record, predictions: None, similarity: None };
            (pipeline::finish(writer, job, reporter)?, false)
        }
        Err(run) => (run, true),
    };
    reporter.end();
    summary::print(&run, up_to_date, args.out.json, reporter)
}
