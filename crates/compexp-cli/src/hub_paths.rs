//! `hf://` ids: files of the Hugging Face hub in place of local ones.
//!
//! Ids are resolved at one place, before a command sees its arguments: each becomes the path of a file in the hub's cache.
//! A run records such a path as the id at its commit ([`spelling`]), and [`config_of`] leads from there to the cache again.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use compexp_run::{FinishedRun, RunConfig};

use crate::args::Cli;
use crate::progress::Reporter;

/// How an id begins.
const SCHEME: &str = "hf://";

/// Arguments, by their names in the program, that are no inputs from the hub: results, and folders of runs.
#[cfg(feature = "hub")]
const OTHERS: [&str; 13] =
    ["out", "output", "to", "csv", "junit", "json", "run", "runs", "base", "below", "planted", "mirror", "names"];

/// The id in an argument, with what stands before it: `--option=`.
fn id_in(argument: &OsString) -> Option<(&str, &str)> {
    let text = argument.to_str()?;
    let at = match text.starts_with(SCHEME) {
        true => 0,
        false => text.find(&format!("={SCHEME}")).filter(|_| text.starts_with('-'))? + 1,
    };
    Some(text.split_at(at))
}

/// The command with local paths in place of ids, which are fetched if they are not in the cache.
///
/// # Errors
/// A `Failure` for an id where no input is asked for, or without the feature `hub`; the errors of the hub.
#[cfg(feature = "hub")]
pub(crate) fn localise(cli: Cli, arguments: Vec<OsString>, reporter: &Reporter) -> Result<Cli> {
    use clap::{CommandFactory, Parser};
    use compexp_fetch::{Downloader, Hub, HubId, HubSettings, hub_is_offline};

    use crate::failure::Failure;

    if arguments.iter().all(|argument| id_in(argument).is_none()) {
        return Ok(cli);
    }
    let matches = Cli::command().try_get_matches_from(&arguments)?;
    let mut inner = &matches;
    while let Some((_, below)) = inner.subcommand() {
        inner = below;
    }
    for other in OTHERS {
        let values = inner.try_get_raw(other).ok().flatten().into_iter().flatten();
        if let Some(value) = values.filter_map(|value| value.to_str()).find(|value| HubId::is_meant(value)) {
            let message = format!("`{value}`: found an id of the hub, expected a local path for `{other}`");
            return Err(Failure::usage(message)
                .hint("hf:// is for inputs: checkpoints, annotations, pairs, vectors")
                .into());
        }
    }
    let downloader = Downloader::new(crate::fetching::settings(cli.offline || hub_is_offline()));
    let hub = Hub::new(HubSettings::from_env()?, &downloader);
    let mut local = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let Some((before, id)) = id_in(&argument) else {
            local.push(argument);
            continue;
        };
        // The name of a tensor in the file stays behind its path.
        let (id, tensor) = id.find('#').map_or((id, ""), |at| id.split_at(at));
        let mut whole = OsString::from(before);
        let id = HubId::parse(id)?;
        let companions = if is_scaled(inner, &argument) { companions(&id) } else { Vec::new() };
        whole.push(hub.resolve_with(&id, &companions, reporter)?);
        whole.push(tensor);
        local.push(whole);
    }
    reporter.end();
    Ok(Cli::try_parse_from(local)?)
}

/// Whether an argument is the network of a command that looks beside it for how pixels are scaled.
#[cfg(feature = "hub")]
fn is_scaled(arguments: &clap::ArgMatches, argument: &OsString) -> bool {
    let asks = matches!(arguments.try_get_raw("preprocess"), Ok(None));
    let networks = arguments.try_get_raw("checkpoint").ok().flatten().into_iter().flatten();
    asks && networks.into_iter().any(|network| id_in(argument).is_some_and(|(_, id)| network == id))
}

/// The places in a network's repository of the file that says how pixels are scaled.
#[cfg(feature = "hub")]
fn companions(id: &compexp_fetch::HubId) -> Vec<String> {
    use compexp_vision::preprocessor::{NAME, ONNX_FOLDER};

    let Some(network) = id.path.as_deref().map(Path::new) else { return Vec::new() };
    let folder = network.parent().unwrap_or(Path::new(""));
    let above = folder.parent().filter(|_| folder.ends_with(ONNX_FOLDER));
    let folders = [Some(folder), above].into_iter().flatten();
    folders.filter_map(|folder| Some(folder.join(NAME).to_str()?.to_owned())).collect()
}

/// The command as it is, which must hold no ids.
///
/// # Errors
/// A `Failure` for an id.
#[cfg(not(feature = "hub"))]
pub(crate) fn localise(cli: Cli, arguments: Vec<OsString>, _: &Reporter) -> Result<Cli> {
    use crate::failure::Failure;

    match arguments.iter().find_map(id_in) {
        Some((_, id)) => {
            let message = format!("`{id}`: this compexp was built without the hub");
            Err(Failure::usage(message).hint("build it with --features hub, or give a local path").into())
        }
        None => Ok(cli),
    }
}

/// How a run records a path: that of a file of the hub as its id, at its commit; none for other paths.
#[cfg(feature = "hub")]
pub(crate) fn spelling(path: &Path) -> Option<String> {
    compexp_fetch::hub_spelling(path)
}

/// Without the hub no path is one of its.
#[cfg(not(feature = "hub"))]
pub(crate) fn spelling(_: &Path) -> Option<String> {
    None
}

/// The configuration of a run, with paths in the hub's cache in place of ids. What is no longer in the cache keeps its id.
///
/// # Errors
/// The errors of [`FinishedRun::config`], and those of the cache.
pub(crate) fn config_of(run: &FinishedRun) -> Result<RunConfig> {
    let mut config = run.config()?;
    for path in config.paths.each().filter(|path| path.starts_with(SCHEME)) {
        if let Some(found) = cached(path)? {
            *path = found;
        }
    }
    Ok(config)
}

/// The path of an id that a run records, if it is in the cache.
#[cfg(feature = "hub")]
fn cached(id: &str) -> Result<Option<String>> {
    use compexp_fetch::{Downloader, Hub, HubId, HubSettings};

    let downloader = Downloader::new(crate::fetching::settings(true));
    let (id, tensor) = id.find('#').map_or((id, ""), |at| id.split_at(at));
    let found = Hub::new(HubSettings::from_env()?, &downloader).cached(&HubId::parse(id)?)?;
    Ok(found.and_then(|path| Some(format!("{}{tensor}", path.to_str()?))))
}

#[cfg(not(feature = "hub"))]
fn cached(_: &str) -> Result<Option<String>> {
    Ok(None)
}
