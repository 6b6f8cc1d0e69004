//! The binary, driven as a person drives it.

mod annotations;
mod arrays;
mod bad_input;
mod behaviour;
mod browser;
mod by_units;
mod contexts;
mod counterfactual;
mod diff;
mod examples;
mod explain;
mod fetch;
mod golden;
#[cfg(feature = "hub")]
mod hub;
mod manners;
mod mcc;
mod method;
mod networks;
mod nli;
mod nli_input;
mod odd_inputs;
mod parent;
#[cfg(feature = "parquet")]
mod parquet;
mod patches;
mod photographs;
mod plain_files;
mod planted;
mod ranges;
mod reading;
mod report;
mod report_browser;
mod run_folders;
mod sae_check;
mod sae_encode;
mod sae_train;
mod scenes;
mod setup;
mod text;
mod texts;
mod tokens;
mod trust;
mod untrained;
mod vision;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use compexp_core::concept::{Concept, ConceptId};
use compexp_files::write_npy;
use compexp_run::write_concepts;
use serde_json::Value;

/// Makes a run one of an earlier version, which has no manifest: nothing tells when its files are changed.
fn as_earlier(run: &Path) {
    let manifest = run.join("manifest.json");
    if manifest.exists() {
        fs::remove_file(manifest).unwrap();
    }
}

/// The command with these arguments, in the folder `dir`.
fn compexp(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compexp"));
    command.current_dir(dir).args(args.split_whitespace()).env_remove("NO_COLOR");
    command
}

/// What a command that ran to its end left.
struct Done {
    code: i32,
    out: String,
    err: String,
}

fn run(dir: &Path, args: &str) -> Done {
    finished(compexp(dir, args).output().unwrap())
}

fn finished(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text is UTF-8");
    Done { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs a command that must succeed, and gives what it printed.
fn ok(dir: &Path, args: &str) -> String {
    let done = run(dir, args);
    assert_eq!(done.code, 0, "compexp {args}\n{}{}", done.out, done.err);
    done.out
}

/// Runs a command that must fail with `code`, and gives its message.
fn fails(dir: &Path, code: i32, args: &str) -> String {
    let done = run(dir, args);
    assert_eq!(done.code, code, "compexp {args}\n{}{}", done.out, done.err);
    assert!(done.err.contains("error: "), "compexp {args}\n{}", done.err);
    assert!(!done.err.contains("panicked"), "compexp {args}\n{}", done.err);
    done.err
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

/// A folder with a probe set in `probe` of features `f0`, `f1`, ... `f5`, whose values are still to be written.
fn feature_probe() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let probe = temp.path().join("probe");
    fs::create_dir(&probe).unwrap();
    let concept = |i| Concept { id: ConceptId(i), name: format!("f{i}"), category: String::new() };
    write_concepts(&probe, &(0..6).map(concept).collect::<Vec<_>>()).unwrap();
    (temp, probe)
}

/// Numbers below a bound that are the same in every run of a test.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A folder with a small probe set in `probe`, the activations of three units in `acts.npy`, and the masks of the same
/// units in `masks.npy`.
///
/// 6 images of 2 x 2: water (1) on the left, sky (2) above in images 0 to 2, night (3) in images 4 and 5. Unit 0 fires on
/// water without night, unit 1 never, unit 2 in the upper right corner of images 0 to 2.
fn scene() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_owned();
    let probe = dir.join("probe");
    fs::create_dir(&probe).unwrap();
    let concept = |id, name: &str| Concept { id: ConceptId(id), name: name.into(), category: "object".into() };
    write_concepts(&probe, &[concept(1, "water"), concept(2, "sky"), concept(3, "night")]).unwrap();
    let mut layers = Vec::new(); // (6, 2, 2, 2)
    let mut scalars = Vec::new(); // (6, 1)
    let mut activations = Vec::new(); // (6, 3, 2, 2)
    for image in 0..6 {
        layers.extend([1_u8, 0, 1, 0]);
        layers.extend(if image < 3 { [2_u8, 2, 0, 0] } else { [0; 4] });
        scalars.push(if image >= 4 { 3_u8 } else { 0 });
        let water = if image < 4 { 2.0 } else { 0.0 };
        let corner = if image < 3 { 1.5 } else { -1.0 };
        activations.extend([water, 0.0, water, 0.0]);
        activations.extend([-1.0_f32; 4]);
        activations.extend([-1.0, corner, -1.0, -1.0]);
    }
    write_npy(&probe.join("layers.npy"), &[6, 2, 2, 2], &layers).unwrap();
    write_npy(&probe.join("scalars.npy"), &[6, 1], &scalars).unwrap();
    write_npy(&dir.join("acts.npy"), &[6, 3, 2, 2], &activations).unwrap();
    let mask = |unit: usize| {
        let activations = &activations;
        (0..6).flat_map(move |image| (0..4).map(move |at| activations[(image * 3 + unit) * 4 + at] > 0.0))
    };
    let masks: Vec<bool> = (0..3).flat_map(mask).collect();
    write_npy(&dir.join("masks.npy"), &[3, 6, 2, 2], &masks).unwrap();
    (temp, dir)
}
