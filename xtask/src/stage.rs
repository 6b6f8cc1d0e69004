//! Stages: commands of `compexp` whose results are kept, and made again only when what they were made from has changed.
//!
//! A stage leaves a stamp. When it starts, the stamp says what the result will be made from: the hash of the program, the
//! arguments and the content of all it reads. When it is done, the stamp also says the hash of what it wrote. Both must
//! still hold for the stage to be skipped, so that a damaged result is found and made anew; and an unfinished result is
//! continued only from what it was begun with. A kill at any moment leaves one of these states.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::program::Compexp;

/// The version of a stamp.
const VERSION: u32 = 2;

/// How long to wait between two looks at a running command.
const PAUSE: Duration = Duration::from_millis(5);

/// One command of `compexp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Its name, which its stamp has too: letters, digits and hyphens.
    pub(crate) name: String,
    /// The arguments of `compexp`.
    pub(crate) arguments: Vec<OsString>,
    /// The files and folders it reads.
    pub(crate) inputs: Vec<PathBuf>,
    /// The folder it makes.
    pub(crate) output: PathBuf,
    /// Whether the command goes on with an unfinished output; the others start with none.
    pub(crate) resumable: bool,
}

/// What a stage came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Whether the command ran now; its result was valid otherwise.
    pub(crate) ran: bool,
    /// What it took when it ran.
    pub(crate) cost: Cost,
}

/// Time and memory of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Wall-clock time in milliseconds.
    pub(crate) milliseconds: u64,
    /// The most memory it held, in bytes; none where the system does not tell.
    pub(crate) peak: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Stamp {
    version: u32,
    /// The hash of what the result was made from.
    made_from: String,
    /// Of the result, once it is there.
    done: Option<Done>,
}

#[derive(Serialize, Deserialize)]
struct Done {
    /// The hash of the result.
    result: String,
    cost: Cost,
}

/// Runs stages.
pub(crate) struct Runner {
    compexp: Compexp,
    program_hash: String,
    stamps: PathBuf,
    /// Arguments that change no result: the number of threads.
    pub(crate) extra: Vec<OsString>,
}

impl Runner {
    /// A runner of `compexp`, with stamps in the folder `stamps`, which no other process may use meanwhile.
    pub(crate) fn new(compexp: &Compexp, stamps: &Path) -> Result<Self> {
        let program_hash = hash_tree(&compexp.program)?;
        Ok(Self { compexp: compexp.lock(stamps)?, program_hash, stamps: stamps.into(), extra: Vec::new() })
    }

    /// The program, under the lock of the stamps.
    pub(crate) fn compexp(&self) -> &Compexp {
        &self.compexp
    }

    /// Runs `stage` unless its result is there and valid.
    pub(crate) fn run(&self, stage: &Stage) -> Result<Outcome> {
        let made_from = self.made_from(stage)?;
        let path = self.stamps.join(format!("{}.json", stage.name));
        // Whatever is wrong with a stamp, the remedy is to make the stage again.
        let stamp: Option<Stamp> = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let stamp = stamp.filter(|stamp| stamp.version == VERSION && stamp.made_from == made_from);
        if let Some(Stamp { done: Some(done), .. }) = &stamp
            && stage.output.exists()
            && hash_tree(&stage.output)? == done.result
        {
            return Ok(Outcome { ran: false, cost: done.cost });
        }
        let unfinished = stage.resumable && stamp.is_some_and(|stamp| stamp.done.is_none());
        if !unfinished && stage.output.exists() {
            fs::remove_dir_all(&stage.output).with_context(|| format!("cannot remove `{}`", stage.output.display()))?;
        }
        let mut stamp = Stamp { version: VERSION, made_from, done: None };
        write(&path, &stamp)?;
        let cost = self.command(stage)?;
        stamp.done = Some(Done { result: hash_tree(&stage.output)?, cost });
        write(&path, &stamp)?;
        Ok(Outcome { ran: true, cost })
    }

    fn made_from(&self, stage: &Stage) -> Result<String> {
        let mut hash = blake3::Hasher::new();
        field(&mut hash, "program", self.program_hash.as_bytes());
        for argument in &stage.arguments {
            field(&mut hash, "argument", argument.as_encoded_bytes());
        }
        for input in &stage.inputs {
            field(&mut hash, "input", hash_tree(input)?.as_bytes());
        }
        Ok(hash.finalize().to_string())
    }

    fn command(&self, stage: &Stage) -> Result<Cost> {
        let start = Instant::now();
        let shown = || shown(&stage.arguments);
        let mut child = self
            .compexp
            .command()?
            .args(&stage.arguments)
            .args(&self.extra)
            .spawn()
            .with_context(|| format!("cannot start `{}`", shown()))?;
        let mut peak = None;
        let status = loop {
            peak = peak.max(peak_memory(&child));
            if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for `{}`", shown()))? {
                break status;
            }
            std::thread::sleep(PAUSE);
        };
        if !status.success() {
            bail!("stage `{}`: `{}` ended with {status}; what it found is printed above", stage.name, shown());
        }
        Ok(Cost { milliseconds: start.elapsed().as_millis() as u64, peak })
    }
}

/// The command as one would type it.
pub(crate) fn shown(arguments: &[OsString]) -> String {
    let word = |argument: &OsString| {
        let text = argument.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+".contains(c);
        if !text.is_empty() && text.chars().all(plain) { text.into_owned() } else { format!("'{text}'") }
    };
    let words: Vec<String> = arguments.iter().map(word).collect();
    format!("compexp {}", words.join(" "))
}

/// The most memory a process has held so far, as Linux tells it.
fn peak_memory(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Writes a stamp, whole or not at all.
fn write(path: &Path, stamp: &Stamp) -> Result<()> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec_pretty(stamp)?)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// The hash of a file, or of the names and contents of all files in a folder; hidden ones are left out.
pub(crate) fn hash_tree(path: &Path) -> Result<String> {
    let mut hash = blake3::Hasher::new();
    if !path.is_dir() {
        let file = File::open(path).and_then(|file| hash.update_reader(file).map(|_| ()));
        file.with_context(|| format!("cannot read `{}`", path.display()))?;
        return Ok(hash.finalize().to_string());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut names: Vec<OsString> = entries
        .with_context(|| format!("cannot read the folder `{}`", path.display()))?
        .into_iter()
        .map(|entry| entry.file_name())
        .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
        .collect();
    names.sort();
    for name in names {
        field(&mut hash, "name", name.as_encoded_bytes());
        field(&mut hash, "content", hash_tree(&path.join(&name))?.as_bytes());
    }
    Ok(hash.finalize().to_string())
}

/// Adds a value to a hash, with its length, so that no two rows of fields give the same bytes.
fn field(hash: &mut blake3::Hasher, name: &str, value: &[u8]) {
    hash.update(name.as_bytes()).update(&(value.len() as u64).to_le_bytes()).update(value);
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that counts its runs, copies its first argument into the folder of its second, and fails on `bad`.
    const PROGRAM: &str = "#!/bin/sh\necho run >> \"$0.runs\"\nmkdir -p \"$2\"\n[ -f \"$2/half\" ] && echo resumed >> \"$0.runs\"\ncat \"$1\" > \"$2/out\"\n! grep -q bad \"$1\"\n";

    struct Place {
        folder: tempfile::TempDir,
        stage: Stage,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::write(at("program"), PROGRAM).unwrap();
            fs::set_permissions(at("program"), fs::Permissions::from_mode(0o755)).unwrap();
            fs::write(at("input"), "one").unwrap();
            let stage = Stage {
                name: "copy".into(),
                arguments: vec![at("input").into(), at("output").into()],
                inputs: vec![at("input")],
                output: at("output"),
                resumable: false,
            };
            Self { folder, stage }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn run(&self) -> Result<bool> {
            let runner = Runner::new(&Compexp::at(self.at("program")), &self.at("stamps"))?;
            Ok(runner.run(&self.stage)?.ran)
        }

        fn runs(&self) -> String {
            fs::read_to_string(self.at("program.runs")).unwrap_or_default().replace('\n', " ")
        }
    }

    #[test]
    fn a_valid_result_is_kept_and_every_change_makes_it_anew() {
        let place = Place::new();
        assert!(place.run().unwrap());
        assert!(!place.run().unwrap(), "nothing changed");
        fs::write(place.at("input"), "two").unwrap();
        assert!(place.run().unwrap(), "the input changed");
        assert_eq!(fs::read_to_string(place.at("output/out")).unwrap(), "two");
        fs::write(place.at("output/out"), "twp").unwrap();
        assert!(place.run().unwrap(), "the result was damaged");
        assert_eq!(fs::read_to_string(place.at("output/out")).unwrap(), "two");
        fs::write(place.at("output/more"), "").unwrap();
        assert!(place.run().unwrap(), "a file came to the result");
        assert!(!place.at("output/more").exists());
        fs::remove_file(place.at("output/out")).unwrap();
        assert!(place.run().unwrap(), "a file of the result is gone");
        fs::write(place.at("stamps/copy.json"), "{").unwrap();
        assert!(place.run().unwrap(), "the stamp is broken");
        fs::write(place.at("program"), format!("{PROGRAM}\n")).unwrap();
        assert!(place.run().unwrap_or(true), "the program changed");
    }

    #[test]
    fn a_failed_stage_is_not_done_and_only_resumable_ones_keep_what_is_there() {
        let mut place = Place::new();
        fs::write(place.at("input"), "bad").unwrap();
        for resumable in [false, true] {
            place.stage.resumable = resumable;
            let message = format!("{:#}", place.run().unwrap_err());
            assert!(message.starts_with("stage `copy`: `compexp ") && message.contains("exit status: 1"), "{message}");
            fs::write(place.at("output/half"), "").unwrap();
        }
        assert_eq!(place.runs(), "run run resumed ", "the second went on");
        place.stage.resumable = false;
        assert!(place.run().is_err());
        assert_eq!(place.runs(), "run run resumed run ", "the third started with no output");
    }

    #[test]
    fn an_unfinished_result_is_not_continued_from_other_inputs() {
        let mut place = Place::new();
        place.stage.resumable = true;
        fs::write(place.at("input"), "bad").unwrap();
        assert!(place.run().is_err());
        fs::write(place.at("output/half"), "").unwrap();
        fs::write(place.at("input"), "good").unwrap();
        assert!(place.run().unwrap());
        assert_eq!(place.runs(), "run run ");
        assert!(!place.at("output/half").exists());
    }

    #[test]
    fn a_stamp_that_was_being_written_does_no_harm() {
        let place = Place::new();
        assert!(place.run().unwrap());
        fs::write(place.at("stamps/copy.partial"), "{").unwrap();
        assert!(!place.run().unwrap());
        fs::remove_file(place.at("stamps/copy.json")).unwrap();
        assert!(place.run().unwrap(), "a result without a stamp is nobody's");
    }

    #[test]
    fn folders_with_other_names_or_contents_have_other_hashes() {
        let place = Place::new();
        let (a, b) = (place.at("a"), place.at("b"));
        for folder in [&a, &b] {
            fs::create_dir_all(folder.join("x")).unwrap();
            fs::write(folder.join("x/file"), "text").unwrap();
        }
        assert_eq!(hash_tree(&a).unwrap(), hash_tree(&b).unwrap());
        fs::write(b.join(".hidden"), "").unwrap();
        assert_eq!(hash_tree(&a).unwrap(), hash_tree(&b).unwrap());
        fs::rename(b.join("x/file"), b.join("x/elif")).unwrap();
        assert_ne!(hash_tree(&a).unwrap(), hash_tree(&b).unwrap());
        assert!(hash_tree(&place.at("none")).is_err());
    }

    #[test]
    fn commands_are_shown_as_one_would_type_them() {
        let arguments = ["eval", "water AND a", "--probe", "x/y"].map(OsString::from);
        assert_eq!(shown(&arguments), "compexp eval 'water AND a' --probe x/y");
    }
}
