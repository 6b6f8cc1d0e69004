//! A command that is a step of a longer work ends when that does.

use std::time::{Duration, Instant};

use super::*;

/// The variable that names the process that the command ends with.
const PARENT: &str = "COMPEXP_PARENT";

#[test]
#[cfg(unix)]
fn a_command_ends_with_the_process_that_started_it() {
    let temp = tempfile::tempdir().unwrap();
    // The shell is the parent; it is killed while the command works.
    let script = "COMPEXP_PARENT=$$ \"$0\" vision paint --images 1000000 --out scenes --quiet & echo $!; wait";
    let mut shell = Command::new("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_compexp")])
        .current_dir(temp.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.as_mut().unwrap()), &mut line).unwrap();
    let child: u32 = line.trim().parse().unwrap();
    let runs = || Command::new("kill").args(["-0", &child.to_string()]).output().unwrap().status.success();
    std::thread::sleep(Duration::from_millis(500));
    assert!(runs(), "a million scenes take longer");
    shell.kill().unwrap();
    shell.wait().unwrap();
    let start = Instant::now();
    while runs() && !is_zombie(child) {
        assert!(start.elapsed() < Duration::from_secs(20), "the command goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process has ended and nobody has asked how, as happens where no `init` runs.
#[cfg(unix)]
fn is_zombie(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

#[test]
fn a_command_whose_parent_lives_runs_to_its_end() {
    let (_temp, dir) = scene();
    let mut command = compexp(&dir, "explain --probe probe --activations acts.npy --out run --quiet");
    let done = finished(command.env(PARENT, std::process::id().to_string()).output().unwrap());
    assert_eq!(done.code, 0, "{}", done.err);
}
