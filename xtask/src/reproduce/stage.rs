//! Stages: commands of `compexp` whose results are kept, and made again only when what they were made from has changed.
//!
//! A stage that is done leaves a stamp: the hash of the program, the arguments and the content of all it read, and the hash
//! of what it wrote. Both must still hold for it to be skipped, so that a damaged result is found and made anew.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use compexp_files::{AtomicFile, ContentHash, hash_file};
use serde::{Deserialize, Serialize};

use crate::compexp::Compexp;

/// The version of a stamp.
const VERSION: u32 = 1;

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
    /// A runner of `compexp`, with stamps in the folder `stamps`.
    pub(crate) fn new(compexp: Compexp, stamps: &Path) -> Result<Self> {
        let program_hash = hash_file(&compexp.program)?;
        fs::create_dir_all(stamps).with_context(|| format!("cannot create `{}`", stamps.display()))?;
        Ok(Self { compexp, program_hash, stamps: stamps.into(), extra: Vec::new() })
    }

    /// Runs `stage` unless its result is there and valid.
    pub(crate) fn run(&self, stage: &Stage) -> Result<Outcome> {
        let made_from = self.made_from(stage)?;
        let path = self.stamps.join(format!("{}.json", stage.name));
        // Whatever is wrong with a stamp, the remedy is to make the stage again.
        let stamp: Option<Stamp> = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let stamp = stamp.filter(|s| s.version == VERSION);
        if let Some(stamp) = &stamp
            && stamp.made_from == made_from
            && stage.output.exists()
            && hash_tree(&stage.output)? == stamp.result
        {
            return Ok(Outcome { ran: false, cost: stamp.cost });
        }
        // With a stamp the result is stale or damaged; without, it is unfinished.
        if stage.output.exists() && (path.exists() || !stage.resumable) {
            fs::remove_dir_all(&stage.output).with_context(|| format!("cannot remove `{}`", stage.output.display()))?;
        }
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
        let cost = self.command(stage)?;
        let stamp = Stamp { version: VERSION, made_from, result: hash_tree(&stage.output)?, cost };
        let mut file = AtomicFile::create(&path)?;
        serde_json::to_writer_pretty(&mut file, &stamp)?;
        file.commit()?;
        Ok(Outcome { ran: true, cost })
    }

    fn made_from(&self, stage: &Stage) -> Result<String> {
        let mut hash = ContentHash::new("stage");
        hash.field("program", self.program_hash.as_bytes());
        for argument in &stage.arguments {
            hash.field("argument", argument.as_encoded_bytes());
        }
        for input in &stage.inputs {
            hash.field("input", hash_tree(input)?.as_bytes());
        }
        Ok(hash.finish())
    }

    fn command(&self, stage: &Stage) -> Result<Cost> {
        let start = Instant::now();
        let shown = || shown(&stage.arguments);
        let mut child = self
            .compexp
            .command()
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

/// The hash of a file, or of the names and contents of all files in a folder; hidden ones are left out.
pub(crate) fn hash_tree(path: &Path) -> Result<String> {
    if !path.is_dir() {
        return Ok(hash_file(path)?);
    }
    let mut hash = ContentHash::new("folder");
    let entries = fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut names: Vec<OsString> = entries
        .with_context(|| format!("cannot read the folder `{}`", path.display()))?
        .into_iter()
        .map(|entry| entry.file_name())
        .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
        .collect();
    names.sort();
    for name in names {
        hash.field("name", name.as_encoded_bytes());
        hash.field("content", hash_tree(&path.join(&name))?.as_bytes());
    }
    Ok(hash.finish())
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
            let compexp = Compexp { program: self.at("program"), first: None };
            let runner = Runner::new(compexp, &self.at("stamps"))?;
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
    fn a_failed_stage_leaves_no_stamp_and_only_resumable_ones_keep_what_is_there() {
        let mut place = Place::new();
        fs::write(place.at("input"), "bad").unwrap();
        let message = format!("{:#}", place.run().unwrap_err());
        assert!(message.starts_with("stage `copy`: `compexp ") && message.contains("exit status: 1"), "{message}");
        assert!(!place.at("stamps/copy.json").exists());

        fs::write(place.at("input"), "good").unwrap();
        fs::write(place.at("output/half"), "").unwrap();
        assert!(place.run().unwrap());
        assert_eq!(place.runs(), "run run ", "started with no output");

        fs::remove_file(place.at("stamps/copy.json")).unwrap();
        fs::write(place.at("output/half"), "").unwrap();
        place.stage.resumable = true;
        assert!(place.run().unwrap());
        assert_eq!(place.runs(), "run run run resumed ");
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
