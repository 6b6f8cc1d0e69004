//! Which stages there are, on what they run, and what must be there before.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::args::{Half, Profile, ReproduceArgs};
use super::needs::{self, Need};
use crate::stage::Stage;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What must be there.
    pub(crate) needs: Vec<Need>,
    /// The index to derive, and from which.
    pub(crate) index: Option<[PathBuf; 2]>,
    /// In order.
    pub(crate) stages: Vec<Stage>,
    /// The runs whose quantities are printed at the end.
    pub(crate) runs: Vec<Run>,
    /// Other runs that the report shows.
    also: Vec<PathBuf>,
    /// The runs on planted units.
    pub(crate) planted: Vec<Planted>,
    /// The page to open.
    pub(crate) report: PathBuf,
}

/// A run whose quantities are printed.
#[derive(Debug)]
pub(crate) struct Run {
    /// The title of its column.
    pub(crate) title: &'static str,
    /// Its folder.
    pub(crate) path: PathBuf,
    /// What it repeats.
    pub(crate) half: Half,
}

/// A run on planted units.
#[derive(Debug)]
pub(crate) struct Planted {
    /// Its folder.
    pub(crate) run: PathBuf,
    /// What was planted.
    pub(crate) formulas: PathBuf,
    /// Whether every formula must be recovered: the units have no noise, and the search proves what it finds.
    pub(crate) all: bool,
}

/// The arguments that say where the vision half's data are.
struct Vision {
    broden: PathBuf,
    /// `--index`.
    annotations: Vec<OsString>,
    checkpoint: PathBuf,
    /// `--classes`, `--scenes`, `--preprocess`, and settings of the search.
    network: Vec<OsString>,
    inputs: Vec<PathBuf>,
    /// Whether the reference's search is run beside the others.
    compat: bool,
}

/// The same of the sentence half.
struct Nli {
    /// All but `--out`.
    arguments: Vec<OsString>,
    inputs: Vec<PathBuf>,
    /// Whether the reference's search is run beside the others.
    compat: bool,
}

/// The name of the output folder.
pub(crate) fn name(args: &ReproduceArgs) -> &'static str {
    match args.profile {
        _ if args.broden.is_some() || args.snli.is_some() => "own",
        Profile::Toy => "toy",
        Profile::Paper => "paper",
    }
}

/// The plan for `args`; everything is made in `out`.
pub(crate) fn make(root: &Path, args: &ReproduceArgs, out: &Path) -> Result<Plan> {
    let mut plan = Plan {
        needs: Vec::new(),
        index: None,
        stages: Vec::new(),
        runs: Vec::new(),
        also: Vec::new(),
        planted: Vec::new(),
        report: out.join("report").join("index.html"),
    };
    let own = name(args) == "own";
    let wanted = |half: Half| match half {
        Half::Vision => args.only != Some(Half::Nli) && (!own || args.broden.is_some()),
        Half::Nli => args.only != Some(Half::Vision) && (!own || args.snli.is_some()),
    };
    let paper = match (own, args.profile, &args.data) {
        (false, Profile::Paper, None) => {
            bail!("--profile paper needs --data, the folder of the paper's artifacts; --plan --data DIR lists them")
        }
        (false, Profile::Paper, Some(data)) => Some(absolute(data)?),
        _ => None,
    };
    if wanted(Half::Vision) {
        let half = match &paper {
            _ if own => own_vision(args)?,
            Some(data) => paper_vision(root, data, out, &mut plan)?,
            None => toy_vision(root, out, &mut plan),
        };
        vision(&half, out, &mut plan);
    }
    if wanted(Half::Nli) {
        let half = match &paper {
            _ if own => own_nli(args)?,
            Some(data) => paper_nli(root, data, &mut plan.needs)?,
            None => toy_nli(root, out, &mut plan),
        };
        nli(&half, out, &mut plan);
        if !own && paper.is_none() {
            words_of_sentences(out, &mut plan);
        }
    }
    if plan.runs.is_empty() {
        bail!("nothing is left to do: --only names the half for which no data are given");
    }
    let runs: Vec<PathBuf> = plan.runs.iter().map(|run| &run.path).chain(&plan.also).cloned().collect();
    let mut report = words(["report"]);
    report.extend(runs.iter().map(OsString::from));
    plan.stages.push(stage("report", report, runs, &out.join("report"), false));
    Ok(plan)
}

/// The runs of profile `toy` that explain units without asking how far to trust that, with what they need.
pub(crate) fn runs_of_toy(root: &Path, out: &Path) -> Result<Vec<Stage>> {
    let plan = make(root, &ReproduceArgs::default(), out)?;
    let names = ["scenes", "planted", "planted-found", "vision", "pairs", "nli"];
    Ok(plan.stages.into_iter().filter(|stage| names.contains(&&*stage.name)).collect())
}

/// The stages of the vision half; scenes are there.
fn vision(half: &Vision, out: &Path, plan: &mut Plan) {
    let run = out.join("vision");
    // All with the model's predictions, which correlations of every length need; the last before any training.
    for (name, length, weights) in
        [("vision", "3", None), ("vision-lengths", "10", None), ("vision-random", "3", Some("0"))]
    {
        let mut probe = words(["vision", "probe", "--broden"]);
        probe.push(OsString::from(&half.broden));
        probe.extend(half.annotations.iter().cloned());
        probe.extend(["--checkpoint".into(), OsString::from(&half.checkpoint)]);
        probe.extend(half.network.iter().cloned());
        probe.extend(words(["--layer", "layer4", "--length", length]));
        probe.extend(weights.into_iter().flat_map(|seed| words(["--random-weights", seed])));
        plan.stages.push(stage(name, probe, half.inputs.clone(), &out.join(name), true));
    }
    let activations = run.join("activations.npy");
    let explain = |name: &str, more: &[&str]| {
        let mut arguments = words(["explain", "--broden"]);
        arguments.push(OsString::from(&half.broden));
        arguments.extend(half.annotations.iter().cloned());
        arguments.extend(["--activations".into(), OsString::from(&activations)]);
        arguments.extend(words(more.iter().copied()));
        let mut inputs = vec![half.broden.clone(), activations.clone()];
        inputs.extend(plan.index.iter().map(|[_, to]| to.clone()));
        stage(name, arguments, inputs, &out.join(name), true)
    };
    let compat = half.compat.then(|| explain("vision-compat", &["--compat", "--length", "10"]));
    let exact = explain("vision-exact", &["--length", "3", "--mode", "exact"]);
    let trust = explain("vision-trust", &["--length", "3", "--holdout", "0.5", "--null-draws", "100"]);
    plan.stages.extend([exact, trust]);
    plan.stages.extend(compat);
    let paths = [
        ("vision", run),
        ("vision, N=10", out.join("vision-lengths")),
        ("vision, exact", out.join("vision-exact")),
        ("vision, untrained", out.join("vision-random")),
    ];
    plan.runs.extend(paths.map(|(title, path)| Run { title, path, half: Half::Vision }));
    if half.compat {
        plan.runs.push(Run { title: "vision, compat", path: out.join("vision-compat"), half: Half::Vision });
    }
    plan.also.push(out.join("vision-trust"));
}

/// The stages of the sentence half; pairs are there.
fn nli(half: &Nli, out: &Path, plan: &mut Plan) {
    let run = out.join("nli");
    let mut probe = words(["nli", "probe"]);
    probe.extend(half.arguments.iter().cloned());
    plan.stages.push(stage("nli", probe.clone(), half.inputs.clone(), &run, true));
    if half.compat {
        let mut compat = probe.clone();
        compat.push("--compat".into());
        plan.stages.push(stage("nli-compat", compat, half.inputs.clone(), &out.join("nli-compat"), true));
    }
    probe.extend(words(["--random-weights", "0"]));
    plan.stages.push(stage("nli-random", probe, half.inputs.clone(), &out.join("nli-random"), true));
    let inputs = [run.join("probe"), run.join("activations.npy")];
    let mut trust = words(["explain", "--probe"]);
    trust.extend([OsString::from(&inputs[0]), "--activations".into(), OsString::from(&inputs[1])]);
    trust.extend(words(["--min-activations", "500", "--holdout", "0.5", "--null-draws", "50"]));
    plan.stages.push(stage("nli-trust", trust, inputs.clone().into(), &out.join("nli-trust"), true));
    let mut by_mcc = words(["explain", "--metric", "mcc", "--min-activations", "500", "--probe"]);
    by_mcc.extend([OsString::from(&inputs[0]), "--activations".into(), OsString::from(&inputs[1])]);
    plan.stages.push(stage("nli-mcc", by_mcc, inputs.into(), &out.join("nli-mcc"), true));
    let paths = [("nli", run), ("nli, by MCC", out.join("nli-mcc")), ("nli, untrained", out.join("nli-random"))];
    plan.runs.extend(paths.map(|(title, path)| Run { title, path, half: Half::Nli }));
    if half.compat {
        plan.runs.push(Run { title: "nli, compat", path: out.join("nli-compat"), half: Half::Nli });
    }
    plan.also.push(out.join("nli-trust"));
}

fn toy_vision(root: &Path, out: &Path, plan: &mut Plan) -> Vision {
    let scenes = out.join("scenes");
    plan.stages.push(stage("scenes", words(["vision", "paint"]), Vec::new(), &scenes, false));
    let planted = out.join("planted");
    let broden = [OsString::from("--broden"), scenes.clone().into()];
    let mut plant = words(["plant"]);
    plant.extend(broden.clone());
    plan.stages.push(stage("planted", plant, vec![scenes.clone()], &planted, false));
    for (name, metric) in [("planted-found", "iou"), ("planted-mcc", "mcc")] {
        let mut explain = words(["explain", "--metric", metric]);
        explain.extend(broden.clone());
        explain.extend(["--masks".into(), planted.join("masks.npy").into()]);
        plan.stages.push(stage(name, explain, vec![scenes.clone(), planted.clone()], &out.join(name), true));
        plan.planted.push(Planted { run: out.join(name), formulas: planted.join("planted.json"), all: false });
        plan.also.push(out.join(name));
    }
    let checkpoint = root.join("data/toy/vision/model.safetensors");
    Vision {
        network: vec!["--classes".into(), scenes.join("classes.txt").into()],
        inputs: vec![scenes.clone(), checkpoint.clone()],
        broden: scenes,
        annotations: Vec::new(),
        checkpoint,
        compat: false,
    }
}

fn toy_nli(root: &Path, out: &Path, plan: &mut Plan) -> Nli {
    let pairs = out.join("pairs");
    plan.stages.push(stage("pairs", words(["nli", "compose"]), Vec::new(), &pairs, false));
    let checkpoint = root.join("data/toy/nli/model.safetensors");
    let named = [
        ("--pairs", pairs.join("dev.tok")),
        ("--gold", pairs.join("dev_gold.txt")),
        ("--tags", pairs.join("dev.feats")),
        ("--vectors", pairs.join("vectors.txt")),
        ("--checkpoint", checkpoint.clone()),
    ];
    Nli { arguments: options(&named), inputs: vec![pairs, checkpoint], compat: false }
}

/// The words of the composed sentences as examples: units that follow planted rules of words, and the search that proves what
/// it finds, which must recover all of them.
fn words_of_sentences(out: &Path, plan: &mut Plan) {
    let (pairs, planted, run) = (out.join("pairs"), out.join("words-planted"), out.join("words-found"));
    let mut tokens = options(&[("--tokens", pairs.join("dev.feats"))]);
    tokens.extend(words(["--context", "prev"]));
    let mut plant = words(["plant"]);
    plant.extend(tokens.iter().cloned());
    plant.extend(words(["--units", "60", "--noise", "0"]));
    plan.stages.push(stage("words-planted", plant, vec![pairs.clone()], &planted, false));
    let mut explain = words(["explain", "--mode", "exact"]);
    explain.extend(tokens);
    explain.extend(["--masks".into(), planted.join("masks.npy").into()]);
    plan.stages.push(stage("words-found", explain, vec![pairs, planted.clone()], &run, true));
    plan.planted.push(Planted { run: run.clone(), formulas: planted.join("planted.json"), all: true });
    plan.also.push(run);
}

/// The paper's settings: the 0.5% quantile, a beam of 10, and up to 10 concepts; the reference's search beside the default one.
fn paper_vision(root: &Path, data: &Path, out: &Path, plan: &mut Plan) -> Result<Vision> {
    let all = needs::needs(root, data, needs::VISION)?;
    let [broden, checkpoint, classes, scenes] = all.each_ref().map(|need| need.path.clone());
    let index = out.join("index_ade20k.csv");
    plan.index = Some([broden.join("index.csv"), index.clone()]);
    let mut network = options(&[("--classes", classes), ("--scenes", scenes)]);
    network.extend(words(["--quantile", "0.005", "--beam", "10"]));
    let half = Vision {
        broden,
        annotations: options(&[("--index", index.clone())]),
        checkpoint,
        network,
        inputs: all.iter().map(|need| need.path.clone()).chain([index]).collect(),
        compat: true,
    };
    plan.needs.extend(all);
    Ok(half)
}

/// The paper's settings: a beam of 10, and up to 5 concepts.
fn paper_nli(root: &Path, data: &Path, needs: &mut Vec<Need>) -> Result<Nli> {
    let all = needs::needs(root, data, needs::NLI)?;
    let named: Vec<_> = needs::NLI_OPTIONS.into_iter().zip(all.iter().map(|need| need.path.clone())).collect();
    let mut arguments = options(&named);
    arguments.extend(words(["--length", "5", "--beam", "10"]));
    let half = Nli { arguments, inputs: named.iter().map(|(_, path)| path.clone()).collect(), compat: true };
    needs.extend(all);
    Ok(half)
}

fn own_vision(args: &ReproduceArgs) -> Result<Vision> {
    let (Some(broden), Some(checkpoint)) = (&args.broden, &args.checkpoint) else {
        bail!("the vision half on one's own data needs --broden and --checkpoint");
    };
    let (broden, checkpoint) = (absolute(broden)?, absolute(checkpoint)?);
    let mut inputs = vec![broden.clone(), checkpoint.clone()];
    let mut network = Vec::new();
    if let Some(classes) = &args.classes {
        let classes = absolute(classes)?;
        inputs.push(classes.clone());
        network.extend(["--classes".into(), classes.into()]);
    }
    if let Some(preprocess) = &args.preprocess {
        network.extend(["--preprocess".into(), preprocess.into()]);
    }
    found(&inputs)?;
    Ok(Vision { broden, annotations: Vec::new(), checkpoint, network, inputs, compat: false })
}

/// What `--snli` is to hold: of each kind the first that is there.
const OWN: [(&str, &[&str]); 4] = [
    ("--pairs", &["snli_1.0_dev.tok", "dev.tok", "dev.tsv"]),
    ("--gold", &["dev_gold.txt", "gold.txt"]),
    ("--vectors", &["glove.6B.300d.txt", "glove.6B.50d.txt", "glove.6B.50d.vocab.txt", "vectors.txt"]),
    ("--checkpoint", &["6.pth", "bowman.pth", "model.safetensors"]),
];

fn own_nli(args: &ReproduceArgs) -> Result<Nli> {
    let Some(dir) = &args.snli else { bail!("the sentence half on one's own data needs --snli") };
    let dir = absolute(dir)?;
    let mut named = Vec::new();
    for (option, names) in OWN {
        match names.iter().map(|name| dir.join(name)).find(|path| path.exists()) {
            Some(path) => named.push((option, path)),
            // Labels and vectors may be missing: there is then no accuracy, and no NEIGHBORS.
            None if ["--gold", "--vectors"].contains(&option) => {}
            None => bail!("`{}` holds nothing for {option}, expected one of {}", dir.display(), names.join(", ")),
        }
    }
    match &args.tagger {
        Some(tagger) => named.push(("--tagger", absolute(tagger)?)),
        None => named.push(("--tags", feats(&dir)?)),
    }
    let inputs: Vec<PathBuf> = named.iter().map(|(_, path)| path.clone()).collect();
    found(&inputs)?;
    Ok(Nli { arguments: options(&named), inputs, compat: false })
}

/// The only `.feats` file in a folder.
fn feats(dir: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read the folder `{}`", dir.display()))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "feats"))
        .collect();
    all.sort();
    match all.len() {
        1 => Ok(all.remove(0)),
        n => bail!("`{}` holds {n} .feats files, expected 1; or name a tagger by --tagger", dir.display()),
    }
}

fn found(paths: &[PathBuf]) -> Result<()> {
    match paths.iter().find(|path| !path.exists()) {
        Some(path) => bail!("there is no `{}`", path.display()),
        None => Ok(()),
    }
}

/// A stage with `--out` at the end.
fn stage(name: &str, mut arguments: Vec<OsString>, inputs: Vec<PathBuf>, output: &Path, resumable: bool) -> Stage {
    arguments.extend(["--out".into(), output.into()]);
    Stage { name: name.into(), arguments, inputs, output: output.into(), resumable }
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}

fn options(named: &[(&str, PathBuf)]) -> Vec<OsString> {
    named.iter().flat_map(|(option, path)| [OsString::from(option), path.into()]).collect()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("`{}` is no path", path.display()))
}
