//! `cargo xtask reproduce`: the paper's experiments, as stages of `compexp` commands, with their figures and a report.

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

/// Runs the experiments that `args` ask for; `root` is the workspace.
pub(crate) fn reproduce(root: &Path, args: &ReproduceArgs) -> Result<()> {
    let start = Instant::now();
    let out = match &args.out {
        Some(out) => std::path::absolute(out).context("--out is no path")?,
        None => target_folder(root)?.join("reproduce").join(plan::name(args)),
    };
    let plan = plan::make(root, args, &out)?;
    let missing: Vec<&Need> = plan.needs.iter().filter(|need| !need.path.exists()).collect();
    if args.plan {
        print_plan(&plan);
        return Ok(());
    }
    if !missing.is_empty() {
        let lines: Vec<String> = missing.iter().map(|need| need.line()).collect();
        bail!(
            "{} of {} artifacts are missing; put them where they are expected\n{}",
            missing.len(),
            plan.needs.len(),
            lines.join("\n")
        );
    }
    check_out(&out)?;
    let mut runner = Runner::new(&Compexp::build(root, Build::Release)?, &out.join(STAMPS))?;
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
