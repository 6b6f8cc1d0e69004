//! `compexp doctor`: what this machine and this build offer.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use compexp_core::simd;
use compexp_files::free_space;
use serde::Serialize;
use serde_json::json;

use crate::args::setup::DoctorArgs;
use crate::terminal::{self, name};

/// The optional parts of this build, and whether it has them.
const FEATURES: [(&str, bool); 5] = [
    ("hub", cfg!(feature = "hub")),
    ("onnx", cfg!(feature = "onnx")),
    ("parquet", cfg!(feature = "parquet")),
    ("cuda", cfg!(feature = "cuda")),
    ("metal", cfg!(feature = "metal")),
];

pub(crate) fn run(args: &DoctorArgs, offline: bool) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let (threads, cores) = (rayon::current_num_threads(), std::thread::available_parallelism().map_or(1, usize::from));
    let memory = memory();
    let temporary = std::env::temp_dir();
    let [here, temporary_free] = [Path::new("."), &temporary].map(|folder| free_space(folder).ok().flatten());
    let hub = hub(offline);
    let has: Vec<&str> = FEATURES.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
    let lacks: Vec<&str> = FEATURES.iter().filter(|(_, has)| !*has).map(|(name, _)| *name).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let value = json!({
            "version": version, "features": has, "threads": threads, "cores": cores, "instructions": simd::instructions(),
            "memory": memory, "disk_here": here, "temporary": temporary.display().to_string(),
            "disk_temporary": temporary_free,
            "hub": hub,
        });
        terminal::write_json(&mut out, &value)?;
        return Ok(out.flush()?);
    }
    let bytes = |n: Option<u64>| {
        n.map_or("not known on this system".to_owned(), |n| format!("{:.1} GiB", n as f64 / (1u64 << 30) as f64))
    };
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    writeln!(out, "version       {version}")?;
    writeln!(out, "features      {}; not in this build: {}", list(&has), list(&lacks))?;
    writeln!(out, "threads       {threads} on {cores} cores; another number with --threads")?;
    writeln!(out, "instructions  {}", simd::instructions())?;
    writeln!(out, "memory        {}", bytes(memory))?;
    writeln!(
        out,
        "disk          {} free here, {} in `{}`",
        bytes(here),
        bytes(temporary_free),
        name(&temporary.display().to_string())
    )?;
    match hub {
        Some(Hub { offline, cache, endpoint, token }) => {
            let state = if offline { "offline, nothing is fetched" } else { "online" };
            let token = if token { "with a token" } else { "without a token" };
            writeln!(out, "hub           {state}, {token}, at {}", name(&endpoint))?;
            writeln!(out, "hub's cache   `{}`", name(&cache))?;
        }
        None => writeln!(out, "hub           none: it is not in this build, or there is no home folder for its cache")?,
    }
    Ok(out.flush()?)
}

/// The hub as this process would use it.
#[derive(Serialize)]
struct Hub {
    offline: bool,
    cache: String,
    endpoint: String,
    token: bool,
}

#[cfg(feature = "hub")]
fn hub(offline: bool) -> Option<Hub> {
    let settings = compexp_fetch::HubSettings::from_env().ok()?;
    Some(Hub {
        offline: offline || compexp_fetch::hub_is_offline(),
        cache: settings.cache.display().to_string(),
        endpoint: settings.endpoint.unwrap_or_else(|| "its own address".to_owned()),
        token: settings.token.is_some(),
    })
}

#[cfg(not(feature = "hub"))]
fn hub(_: bool) -> Option<Hub> {
    None
}

/// The machine's memory, in bytes.
#[cfg(target_os = "linux")]
fn memory() -> Option<u64> {
    let told = rustix::system::sysinfo();
    (told.totalram as u64).checked_mul(u64::from(told.mem_unit))
}

#[cfg(not(target_os = "linux"))]
fn memory() -> Option<u64> {
    None
}
