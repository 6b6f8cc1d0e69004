//! Run folders that cannot lie: killed commands, two at once, changed files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use compexp_files::FolderLock;

use crate::{compexp, fails, finished, nli, ok, scene, scenes};

const EXPLAIN: &str = "explain --probe probe --activations acts.npy --positive --out run";

/// Every file below `dir` by its path, the lock of a killed process aside.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.path().strip_prefix(dir).unwrap().display().to_string();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if !name.ends_with(".lock") {
                all.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    all
}

fn assert_same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what}: {name} differs");
    }
}

/// Kills `command` after a part of the time that it takes, and gives whether it was still at work.
fn kill(mut command: Command, after: Duration) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let killed = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    killed
}

/// Kills `args` in `dir` at `n` moments, runs it to its end after each third, and compares the folder with one that was not disturbed. `fresh`
/// is removed before each round.
fn killed_often(dir: &Path, args: &str, fresh: &str, n: u32) -> u32 {
    let started = Instant::now();
    ok(dir, args);
    let whole = started.elapsed();
    let expected = contents(dir);
    let mut killed = 0;
    for round in 0..n {
        if round % 3 == 0 {
            fs::remove_dir_all(dir.join(fresh)).unwrap();
        }
        // Spread over the whole time in an order without pattern.
        let after = whole * (round * 37 % n + 1) / n;
        killed += u32::from(kill(compexp(dir, args), after));
        if round % 3 == 2 {
            ok(dir, args);
            assert_same(&contents(dir), &expected, &format!("{args}, round {round}"));
        }
    }
    ok(dir, args);
    assert_same(&contents(dir), &expected, args);
    killed
}

#[test]
fn explain_and_report_end_alike_however_often_they_are_killed() {
    let (_temp, dir) = scene();
    let killed = killed_often(&dir, &format!("{EXPLAIN} --threads 1"), "run", 30);
    let forced = killed_often(&dir, &format!("{EXPLAIN} --threads 1 --force"), "run", 30);
    let report = killed_often(&dir, "report run", "run/report", 30);
    assert!(killed + forced + report > 20, "{killed}, {forced} and {report} of 90 were killed before their end");
    ok(&dir, "verify run");
}

#[test]
fn training_and_probing_sentences_end_alike_however_often_they_are_killed() {
    let temp = nli::tables();
    let dir = temp.path();
    let killed =
        killed_often(dir, &format!("{} --epochs 1 --save-every 5 --threads 1 --out model", nli::TRAIN), "model", 9);
    let probe = "nli probe --pairs dev.tsv --tokenized --features words --checkpoint model/model.safetensors \
                 --min-activations 3 --length 2 --threads 1 --out run";
    let probed = killed_often(dir, probe, "run", 12);
    assert!(killed + probed > 5, "{killed} and {probed} of 21 were killed before their end");
}

#[test]
fn probing_a_network_ends_alike_however_often_it_is_killed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    scenes::paint(dir);
    ok(dir, &format!("{} --out net", scenes::TRAIN.replace("--epochs 2", "--epochs 1")));
    let probe = "vision probe --broden probe --checkpoint net/model.safetensors --classes probe/classes.txt \
                 --layer layer2 --batch 2 --length 2 --threads 1 --out run";
    let killed = killed_often(dir, probe, "run", 12);
    let forced = killed_often(dir, &format!("{probe} --force"), "run", 12);
    assert!(killed + forced > 10, "{killed} and {forced} of 24 were killed before their end");
    ok(dir, "verify run");
}

#[test]
fn of_two_processes_one_writes_and_the_other_is_told_whom_to_wait_for() {
    let (_temp, dir) = scene();
    let pid = std::process::id();
    let lock = FolderLock::take(&dir.join("run")).unwrap();
    let e = fails(&dir, 1, EXPLAIN);
    assert!(e.contains("`run` is in use by process ") && e.contains(&pid.to_string()), "{e}");
    drop(lock);
    // Two at once, of different settings.
    for round in 0..8 {
        let _ = fs::remove_dir_all(dir.join("run"));
        let both = [1, 2].map(|length| {
            let mut command = compexp(&dir, &format!("{EXPLAIN} --length {length}"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let done = both.map(|child| finished(child.wait_with_output().unwrap()));
        assert_eq!(done.iter().filter(|d| d.code == 0).count(), 1, "{round}: {} {}", done[0].err, done[1].err);
        let found = ok(&dir, "verify run");
        assert!(found.contains("is whole"), "{found}");
        let config = crate::json(&dir.join("run/config.json"))["config"].clone();
        assert_eq!(config, crate::json(&dir.join("run/explanations.json"))["config"]);
    }
    ok(&dir, &format!("{EXPLAIN} --length 2 --force"));
    let lock = FolderLock::take(&dir.join("run")).unwrap();
    assert!(fails(&dir, 1, "report run").contains("is in use by process"));
    drop(lock);
    ok(&dir, "report run");
}

#[test]
fn a_changed_byte_is_named_by_every_reader_and_by_verify() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    ok(&dir, "report run");
    assert!(ok(&dir, "verify run").contains("`run` is whole"));
    let path = dir.join("run/relations.csv");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.trim_end().rfind('\n').unwrap() + 1]).unwrap();
    for command in ["analyze run", "verify run", "report run", EXPLAIN] {
        let e = fails(&dir, 1, command);
        assert!(e.contains("run/relations.csv`: found other bytes than manifest.json says"), "{e}");
        assert!(e.contains("`compexp explain` with --force"), "{e}");
    }
    fs::write(&path, whole).unwrap();
    ok(&dir, "verify run");
    let page = dir.join("run/report/index.html");
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, text.replacen("html", "HTML", 1)).unwrap();
    assert!(fails(&dir, 1, "verify run").contains("make it again: `compexp report RUN`"));
    ok(&dir, "report run");
    fs::write(dir.join("run/.adding"), "").unwrap();
    let found = ok(&dir, "verify run --json");
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["whole"], found["leftovers"].as_array().unwrap().len()), (&true.into(), 1));
    assert!(ok(&dir, "verify run --fix").contains("removed: run/.adding"));
    assert!(fails(&dir, 1, "verify probe").contains("no explanations.json"));
}

#[test]
fn a_forced_run_that_fails_leaves_the_one_that_is_there() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    fs::write(dir.join("run/notes.md"), "mine").unwrap();
    let before = contents(&dir.join("run"));
    let mut bad = fs::read(dir.join("acts.npy")).unwrap();
    let end = bad.len();
    bad[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(dir.join("bad.npy"), bad).unwrap();
    let e = fails(&dir, 1, "explain --probe probe --activations bad.npy --positive --force --out run");
    assert!(e.contains("is NaN"), "{e}");
    assert_same(&contents(&dir.join("run")), &before, "after a failure");
    ok(&dir, "report run");
    ok(&dir, &format!("{EXPLAIN} --force"));
    assert_same(&contents(&dir.join("run")), &before, "the report of the run before is gone, and what is mine is not");
}

#[test]
#[cfg(unix)]
fn a_forced_run_without_room_on_the_disk_leaves_the_one_that_is_there() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    ok(&dir, "report run");
    let before = contents(&dir);
    let longest = before.iter().filter(|(name, _)| name.starts_with("run/") && !name.starts_with("run/report/"));
    let longest = longest.map(|(_, bytes)| bytes.len()).max().unwrap();
    // In place of a full disk: no file may be longer than so many blocks, of 512 or 1024 bytes as the shell has it.
    let mut failed = 0;
    for blocks in 0..=longest / 512 + 1 {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.current_dir(&dir).args(["-c", &limited, env!("CARGO_BIN_EXE_compexp")]);
        let done = finished(shell.args(EXPLAIN.split_whitespace()).args(["--force", "--quiet"]).output().unwrap());
        if done.code == 0 {
            break;
        }
        failed += 1;
        assert!(done.code == 1 && done.err.contains("cannot write `"), "{blocks} blocks: {} {}", done.code, done.err);
        assert_same(&contents(&dir), &before, &format!("after a failure with {blocks} blocks"));
    }
    assert!(failed > 2, "{failed} runs failed for lack of room, of which the longest file takes {longest} bytes");
    assert!(ok(&dir, "verify run").contains("`run` is whole"));
    let own = |all: BTreeMap<String, Vec<u8>>| {
        all.into_iter().filter(|(name, _)| !name.starts_with("run/report/") && name != "run/manifest.json").collect()
    };
    assert_same(&own(contents(&dir)), &own(before), "where there is room");
}

#[test]
#[cfg(target_os = "linux")]
fn a_forced_run_that_cannot_say_that_it_is_done_is_whole() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    let before = contents(&dir);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = compexp(&dir, &format!("{EXPLAIN} --force")).stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    assert_same(&contents(&dir), &before, "nothing is missing");
    assert!(ok(&dir, "verify run").contains("`run` is whole"));
}

#[test]
#[cfg(unix)]
fn a_file_that_may_not_be_read_is_named_and_nothing_changes() {
    use std::os::unix::fs::PermissionsExt;
    if !compexp_tests::permissions_hold() {
        return;
    }
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    let before = contents(&dir);
    let path = dir.join("run/explanations.json");
    let mode = |mode| fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    for command in [EXPLAIN, "report run", "analyze run", "verify run", "show run"] {
        mode(0o000);
        let e = fails(&dir, 1, command);
        assert!(e.contains("run/explanations.json`") && e.contains("ermission denied"), "{command}: {e}");
        mode(0o644);
        assert_same(&contents(&dir), &before, command);
    }
}

#[test]
fn reports_that_were_killed_block_no_others() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    ok(&dir, "report run --out rep");
    let whole = contents(&dir.join("rep"));
    for left in [".rep.old", ".rep.new", ".rep.partial-aB3dE6"] {
        fs::create_dir(dir.join(left)).unwrap();
        fs::write(dir.join(left).join("index.html"), "cut").unwrap();
    }
    ok(&dir, "report run --out rep");
    assert_same(&contents(&dir.join("rep")), &whole, "rep");
    let hidden = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(hidden.filter(|name| name.starts_with('.')).collect::<Vec<_>>(), [""; 0]);
}
