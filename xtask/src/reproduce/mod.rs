//! `cargo xtask reproduce`: the paper's experiments, as stages of `compexp` commands, with their figures and a report.

mod ade20k;
mod args;
mod needs;
mod plan;
mod table;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo::target_folder;
use crate::program::{Build, Compexp};
use crate::stage::{Outcome, Runner, shown};
pub(crate) use args::ReproduceArgs;
use needs::Need;
use plan::Plan;
pub(crate) use plan::runs_of_toy;

/// The folder of the stamps in the output folder; where it is, the folder is one of ours.
const STAMPS: &str = "stages";

/// What the paper's experiments take, by the sizes of their data. Nobody has run them on the real files yet.
const COST: &str = "\
time and room, estimated for two cores and never measured on the real files
  images: three passes of ResNet-18 over 22,210 images, about 10 min each; 2.2 GB of activations each
  sentence pairs: three passes over 10,000 pairs, about 2 min each; 40 MB of activations each
  searches, proofs and null draws: about 30 min in all";

/// Runs the experiments that `args` ask for; `root` is the workspace.
pub(crate) fn reproduce(root: &Path, args: &ReproduceArgs) -> Result<()> {
    let start = Instant::now();
    let out = match &args.out {
        Some(out) => std::path::absolute(out).context("--out is no path")?,
        None => target_folder(root)?.join("reproduce").join(plan::name(args)),
    };
    let plan = plan::make(root, args, &out)?;
    let missing: Vec<&Need> = plan.needs.iter().filter(|need| !need.path.exists()).collect();
    // What takes hours is told before it begins.
    if args.plan || !plan.needs.is_empty() {
        print_plan(&plan);
    }
    if args.plan {
        return Ok(());
    }
    if !missing.is_empty() {
        let lines: Vec<String> = missing.iter().map(|need| need.line()).collect();
        let names: Vec<&str> = missing.iter().map(|need| &*need.name).collect();
        bail!(
            "{} of {} artifacts are missing; fetch them, or put them where they are expected\n{}\n\n  compexp fetch {} --to {}",
            missing.len(),
            plan.needs.len(),
            lines.join("\n"),
            names.join(" "),
            args.data.as_deref().unwrap_or(Path::new("DIR")).display()
        );
    }
    check_out(&out)?;
    let compexp = match &args.program {
        Some(program) => Compexp::at(std::path::absolute(program).context("--program is no path")?),
        None => Compexp::build(root, Build::Release)?,
    };
    let mut runner = Runner::new(&compexp, &out.join(STAMPS))?;
    if let Some([from, to]) = &plan.index {
        let images = ade20k::derive(from, to)?;
        println!("index of the ADE20k part of Broden: {images} images");
    }
    if let Some(threads) = args.threads {
        runner.extra = ["--threads".into(), threads.to_string().into()].into();
    }
    let mut outcomes = Vec::with_capacity(plan.stages.len());
    for (index, stage) in plan.stages.iter().enumerate() {
        println!("[{}/{}] {}: {}", index + 1, plan.stages.len(), stage.name, shown(&stage.arguments));
        let outcome = runner.run(stage)?;
        println!("[{}/{}] {} {}", index + 1, plan.stages.len(), stage.name, told(&outcome));
        outcomes.push((stage.name.as_str(), outcome));
    }
    println!();
    print_costs(&outcomes);
    println!();
    table::print(runner.compexp(), &plan, &out)?;
    println!("report: {}", plan.report.display());
    println!("took {}", seconds(start.elapsed()));
    Ok(())
}

fn print_plan(plan: &Plan) {
    if !plan.needs.is_empty() {
        println!("artifacts");
        plan.needs.iter().for_each(|need| println!("{}", need.line()));
        let known: u64 = plan.needs.iter().filter_map(|need| need.about).sum();
        println!("  in all more than {} MB to download, of those whose size is known", known / 1_000_000);
        println!("{COST}");
    }
    println!("stages");
    for stage in &plan.stages {
        println!("  {}: {}", stage.name, shown(&stage.arguments));
    }
    println!("report\n  {}", plan.report.display());
}

fn told(outcome: &Outcome) -> String {
    match outcome.ran {
        true => format!("done in {}, {}", milliseconds(outcome.cost.milliseconds), memory(outcome.cost.peak)),
        false => "is up to date".into(),
    }
}

fn print_costs(outcomes: &[(&str, Outcome)]) {
    println!("{:<24}{:>10}{:>12}", "stage", "time", "memory");
    for (name, outcome) in outcomes {
        let kept = if outcome.ran { "" } else { "  (kept)" };
        let (time, peak) = (milliseconds(outcome.cost.milliseconds), memory(outcome.cost.peak));
        println!("{name:<24}{time:>10}{peak:>12}{kept}");
    }
    let total: u64 = outcomes.iter().filter(|(_, o)| o.ran).map(|(_, o)| o.cost.milliseconds).sum();
    let peak = outcomes.iter().filter_map(|(_, o)| o.cost.peak).max();
    println!("{:<24}{:>10}{:>12}", "sum of now, greatest", milliseconds(total), memory(peak));
}

fn milliseconds(n: u64) -> String {
    seconds(Duration::from_millis(n))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn memory(bytes: Option<u64>) -> String {
    bytes.map_or("-".into(), |bytes| format!("{} MiB", bytes.div_ceil(1 << 20)))
}

/// Refuses a folder with other things in it, since stages remove what is stale.
fn check_out(out: &Path) -> Result<()> {
    if out.join(STAMPS).is_dir() || !out.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(out).with_context(|| format!("cannot read the folder `{}`", out.display()))?;
    if entries.next().is_some() {
        bail!(
            "`{}` holds files and no folder `{STAMPS}`, expected an empty folder or that of an earlier run",
            out.display()
        );
    }
    Ok(())
}
