//! `compexp fetch`: public artifacts.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use compexp_fetch::{Artifact, Collection, Downloader, Mirror, Outcome, artifacts, named, read_list};
use serde_json::{Value, json};

use crate::args::fetch::FetchArgs;
use crate::fetching;
use crate::progress::Reporter;
use crate::terminal::{self, name};

/// The version of the JSON that `--json` prints.
const VERSION: u32 = 1;

pub(crate) fn run(args: &FetchArgs, offline: bool, reporter: &Reporter) -> Result<()> {
    let all = match &args.artifacts {
        Some(path) => read_list(path)?,
        None => artifacts()?,
    };
    let wanted = named(all, &args.names)?;
    let mut out = io::stdout().lock();
    if args.list {
        match args.json {
            true => {
                let all: Vec<Value> = wanted.iter().map(listed).collect();
                terminal::write_json(&mut out, &json!({ "version": VERSION, "artifacts": all }))?;
            }
            false => print(&mut out, &wanted)?,
        }
        return Ok(out.flush()?);
    }
    let downloader = Downloader::new(fetching::settings(offline));
    let mirrors = args.mirror.iter().map(|given| mirror(given)).collect();
    let mut collection = Collection::open(&args.to, &downloader, mirrors)?;
    let mut done = Vec::with_capacity(wanted.len());
    for artifact in &wanted {
        let outcome = collection.fetch(artifact, reporter)?;
        reporter.end();
        let (word, text) = match outcome {
            Outcome::Fetched => ("fetched", "fetched"),
            Outcome::UpToDate => ("up_to_date", "is up to date"),
            Outcome::Found => ("found", "is there; it was not fetched, and its hash is not known"),
        };
        let places: Vec<_> = artifact.places().map(|place| args.to.join(place)).collect();
        if !args.json {
            let places: Vec<String> = places.iter().map(|place| format!("`{}`", place.display())).collect();
            writeln!(out, "{}: {text}: {}", artifact.name, name(&places.join(", ")))?;
        }
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        done.push(json!({ "name": artifact.name, "outcome": word, "paths": places }));
    }
    if args.json {
        terminal::write_json(&mut out, &json!({ "version": VERSION, "artifacts": done }))?;
    }
    Ok(out.flush()?)
}

/// A mirror as it is given: what begins like an address is one.
fn mirror(given: &Path) -> Mirror {
    match given.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://")) {
        Some(url) => Mirror::Url(url.to_owned()),
        None => Mirror::Folder(given.to_owned()),
    }
}

fn print(out: &mut impl Write, all: &[Artifact]) -> Result<()> {
    let row = |artifact: &Artifact| {
        let places: Vec<&str> = artifact.places().collect();
        let size = artifact.about.map_or("-".to_owned(), size);
        let tried = if artifact.untried { "untried" } else { "tried" };
        [artifact.name.clone(), size, tried.to_owned(), places[0].to_owned(), artifact.what.clone()]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    terminal::write(out, "", ["name", "size", "address", "goes to", "what"], &rows)?;
    writeln!(out, "untried: nobody has fetched it with this list yet. Addresses, pages, hashes and licences: --json")?;
    Ok(())
}

fn listed(artifact: &Artifact) -> Value {
    let urls: Vec<Value> = artifact.urls.iter().map(|at| json!({ "url": at.url, "page": at.page })).collect();
    json!({
        "name": artifact.name, "what": artifact.what, "licence": artifact.licence, "about_bytes": artifact.about,
        "file": artifact.file, "sha256": artifact.sha256, "sha256_page": artifact.sha256_page, "urls": urls,
        "paths": artifact.places().collect::<Vec<_>>(), "untried": artifact.untried,
    })
}

/// A rounded size.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}
