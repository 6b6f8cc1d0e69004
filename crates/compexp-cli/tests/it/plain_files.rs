//! Inputs that are no plain files: a pipe would block for ever, a device has no end.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{compexp, nli, ok, scene};

/// Longer than any of these commands takes, and shorter than for ever.
const PATIENCE: Duration = Duration::from_secs(30);

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs a command that must fail in time, with a message that names `file`.
fn refuses(dir: &Path, args: &str, file: &str) {
    let mut command = compexp(dir, args);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("compexp {args}: still waits for `{file}`");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = child.wait_with_output().unwrap();
    let message = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "compexp {args}\n{message}");
    // Where a folder is expected, the system says so.
    let said = ["not a plain file", "something else than a plain file", "Not a directory"];
    let refused = message.contains(file) && said.iter().any(|said| message.contains(said));
    assert!(refused, "compexp {args}: expected `{file}` and one of {said:?}\n{message}");
}

#[test]
fn a_pipe_as_any_input_is_refused() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --quantile 0.2 --out run --quiet");
    pipe(&dir.join("pipe"));
    fs::create_dir_all(dir.join("broden/images")).unwrap();
    pipe(&dir.join("broden/index.csv"));
    fs::create_dir(dir.join("model")).unwrap();
    pipe(&dir.join("model/tokenizer"));
    fs::write(dir.join("lines.txt"), "A man.\n").unwrap();
    for (args, file) in [
        ("explain --probe probe --activations pipe --out new", "pipe"),
        ("explain --probe probe --masks pipe --out new", "pipe"),
        ("explain --broden broden --activations acts.npy --out new", "index.csv"),
        ("explain --broden broden --index pipe --activations acts.npy --out new", "pipe"),
        ("eval water --probe probe --activations pipe", "pipe"),
        ("eval water --probe probe --masks pipe", "pipe"),
        ("eval water --broden broden", "index.csv"),
        ("vision eval pipe --checkpoint pipe", "pipe"),
        ("vision probe --broden broden --checkpoint pipe --layer layer4 --out new", "index.csv"),
        ("vision train pipe --out new", "pipe"),
        ("sae train --activations pipe --latents 4 --k 1 --out new", "pipe"),
        ("nli tag pipe --tagger model", "tokenizer"),
        ("nli tag lines.txt --tagger model", "tokenizer"),
        ("nli train --train pipe --dev pipe --tokenized --out new", "pipe"),
        ("nli predict one two --checkpoint pipe", "pipe"),
        ("nli probe --checkpoint pipe --pairs pipe --tokenized --features words,overlap --out new", "pipe"),
        ("show pipe", "pipe"),
        ("analyze pipe", "pipe"),
        ("report pipe --out new", "pipe"),
        ("diff pipe run", "pipe"),
        ("diff run pipe", "pipe"),
        ("recovered run --planted pipe", "pipe"),
    ] {
        refuses(&dir, args, file);
    }
    // The files of a probe directory. Masks or features alone are the annotation.
    for file in ["masks.npy", "features.npy"] {
        let arrays = ["layers.npy", "scalars.npy"];
        arrays.iter().for_each(|name| fs::rename(dir.join("probe").join(name), dir.join(name)).unwrap());
        pipe(&dir.join("probe").join(file));
        refuses(&dir, "explain --probe probe --activations acts.npy --out new", file);
        fs::remove_file(dir.join("probe").join(file)).unwrap();
        arrays.iter().for_each(|name| fs::rename(dir.join(name), dir.join("probe").join(name)).unwrap());
    }
    for file in ["probe.json", "layers.npy", "scalars.npy", "neighbors.npy", "examples.csv"] {
        let path = dir.join("probe").join(file);
        let before = fs::read(&path).ok();
        pipe(&path);
        refuses(&dir, "explain --probe probe --activations acts.npy --out new", file);
        fs::remove_file(&path).unwrap();
        before.map_or(Ok(()), |bytes| fs::write(&path, bytes)).unwrap();
    }
    // The files of a run.
    for file in [
        "explanations.json",
        "config.json",
        "examples.csv",
        "exemplars.json",
        "exemplars.npy",
        "activity.npy",
        "concepts.csv",
        "relations.csv",
    ] {
        let path = dir.join("run").join(file);
        let before = fs::read(&path).unwrap();
        pipe(&path);
        refuses(&dir, "report run --out new", file);
        fs::remove_file(&path).unwrap();
        fs::write(&path, before).unwrap();
    }
    ok(&dir, "report run --out new --quiet");
}

#[test]
fn a_pipe_as_the_second_of_two_inputs_is_refused() {
    let temp = nli::tables();
    let dir = temp.path();
    pipe(&dir.join("pipe"));
    fs::write(dir.join("list.txt"), "a.png 0\nb.png 1\n").unwrap();
    let toy = |network: &str| format!("{}/../../data/toy/{network}/model.safetensors", env!("CARGO_MANIFEST_DIR"));
    for args in [
        "nli train --train train.tsv --dev pipe --tokenized --out new".to_owned(),
        format!("nli probe --checkpoint {} --pairs pipe --tokenized --features words,overlap --out new", toy("nli")),
        format!("vision eval pipe --checkpoint {}", toy("vision")),
        "vision train list.txt --val pipe --out new".to_owned(),
    ] {
        refuses(dir, &args, "pipe");
    }
}

#[test]
fn a_device_is_not_read_to_its_end() {
    let (_temp, dir) = scene();
    std::os::unix::fs::symlink("/dev/zero", dir.join("zero")).unwrap();
    refuses(&dir, "explain --probe probe --activations zero --out new", "zero");
    refuses(&dir, "show zero", "zero");
    refuses(&dir, "vision eval zero --checkpoint zero", "zero");
    refuses(&dir, "nli predict one two --checkpoint zero", "zero");
}

#[test]
fn help_that_cannot_be_printed_is_a_failure() {
    let (_temp, dir) = scene();
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let done = compexp(&dir, "--help").stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(compexp(&dir, "--help").output().unwrap().status.code(), Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_path_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let (_temp, dir) = scene();
    let odd = std::ffi::OsStr::from_bytes(b"acts-\xff.npy");
    fs::rename(dir.join("acts.npy"), dir.join(odd)).unwrap();
    let mut command = compexp(&dir, "explain --probe probe --out new --activations");
    let done = command.arg(odd).output().unwrap();
    let message = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{message}");
    assert!(message.contains(r"acts-\xFF.npy") && message.contains("not UTF-8"), "{message}");

    // One within a Broden folder is kept as it is given.
    ok(&dir, "vision paint --out scenes --images 6 --quiet");
    fs::rename(dir.join(odd), dir.join("acts.npy")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"index-\xff.csv");
    fs::rename(dir.join("scenes/index.csv"), dir.join("scenes").join(odd)).unwrap();
    let mut command = compexp(&dir, "explain --broden scenes --activations acts.npy --out new --index");
    let done = command.arg(odd).output().unwrap();
    let message = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{message}");
    assert!(message.contains(r"index-\xFF.csv") && message.contains("not UTF-8"), "{message}");
}
