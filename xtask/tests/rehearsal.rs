//! `cargo xtask reproduce --profile paper`, rehearsed on small stand-ins that have the names, layouts and formats of the
//! paper's artifacts and are fetched like them.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The sentence pairs of the stand-in: more than the 500 that a unit must fire on.
const PAIRS: usize = 700;

/// A zip archive that is being made.
struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }

    fn add(&mut self, name: &str, content: &[u8]) {
        self.0.start_file(name, SimpleFileOptions::default()).unwrap();
        self.0.write_all(content).unwrap();
    }

    /// All files below a folder, as `name` and their paths in it.
    fn add_folder(&mut self, name: &str, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{name}/{}", path.file_name().unwrap().to_str().unwrap());
            match path.is_dir() {
                true => self.add_folder(&name, &path),
                false => self.add(&name, &fs::read(&path).unwrap()),
            }
        }
    }

    fn write(self, path: &Path) {
        fs::write(path, self.0.finish().unwrap().into_inner()).unwrap();
    }
}

/// Broden at 224 pixels: the images are of ADE20k by their names, and the index has rows of another source between them.
fn broden(from: &Path, to: &Path) {
    let mut archive = Archive::new();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_file() && name != "index.csv" {
            archive.add(&format!("broden1_224/{name}"), &fs::read(&path).unwrap());
        }
    }
    let index = fs::read_to_string(from.join("index.csv")).unwrap();
    let (header, rows) = index.split_once('\n').unwrap();
    let mut all = format!("{header}\n");
    for row in rows.lines() {
        let _ = write!(all, "{}\n{}\n", row.replace("miniplaces/", "dtd/"), row.replace("miniplaces/", "ade20k/"));
    }
    archive.add("broden1_224/index.csv", all.as_bytes());
    archive.add_folder("broden1_224/images/ade20k", &from.join("images/miniplaces"));
    archive.write(to);
}

/// The scene of each image, by its name: `train_abbey_00000001.jpg` shows an abbey.
fn scenes(broden: &Path) -> String {
    let index = fs::read_to_string(broden.join("index.csv")).unwrap();
    let names = index.lines().skip(1).filter_map(|row| row.split(',').next()?.strip_prefix("miniplaces/"));
    let scene = |name: &str| name.split_once('_').unwrap().1.rsplit_once('_').unwrap().0.to_owned();
    let scenes: Vec<String> = names.map(|name| format!("\"{name}\": \"{}\"", scene(name))).collect();
    format!("{{{}}}", scenes.join(", "))
}

/// SNLI in its own format.
fn snli(from: &Path, to: &Path) {
    let text = fs::read_to_string(from.join("snli_1.0_dev.tok")).unwrap();
    let gold = fs::read_to_string(from.join("dev_gold.txt")).unwrap();
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut lines = String::new();
    let sentences: Vec<&str> = text.lines().collect();
    for (pair, label) in sentences.chunks(2).zip(gold.lines()).take(PAIRS) {
        let label = if label == "UNK" { "-" } else { label };
        let [first, second] = [pair[0], pair[1]].map(quoted);
        let _ = writeln!(
            lines,
            "{{\"annotator_labels\": [], \"gold_label\": \"{label}\", \"sentence1\": {first}, \"sentence2\": {second}}}"
        );
    }
    let mut archive = Archive::new();
    for part in ["dev", "train", "test"] {
        archive.add(&format!("snli_1.0/snli_1.0_{part}.jsonl"), lines.as_bytes());
    }
    archive.add("__MACOSX/snli_1.0/._snli_1.0_dev.jsonl", b"junk");
    archive.write(to);
}

/// The list without the published hashes, which are of the real files.
fn list() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/artifacts.toml")).unwrap();
    text.split_inclusive('\n').filter(|line| !line.starts_with("sha256")).collect()
}

/// The command that was built with these tests, or is built now.
fn compexp() -> PathBuf {
    let program =
        Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name(format!("compexp{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let build = Command::new(env!("CARGO")).args(["build", "--bin", "compexp"]).current_dir("..").status().unwrap();
        assert!(build.success());
    }
    program
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_papers_experiments_run_from_fetched_artifacts_to_the_end() {
    let Some(mini) = compexp_tests::data("miniplaces-broden-mini") else { return };
    let Some(data) = mini.parent() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let mirror = dir.join("mirror");
    fs::create_dir(&mirror).unwrap();
    broden(&mini, &mirror.join("broden1_224.zip"));
    fs::write(mirror.join("ade20k_scenes.json"), scenes(&mini)).unwrap();
    let copies = [
        ("places/resnet18_miniplaces.pth.tar", "resnet18_places365.pth.tar"),
        ("places/categories.txt", "categories_places365.txt"),
        ("snli/bowman.pth", "6.pth"),
    ];
    for (from, to) in copies {
        fs::copy(data.join(from), mirror.join(to)).unwrap();
    }
    snli(&data.join("snli"), &mirror.join("snli_1.0.zip"));
    let mut glove = Archive::new();
    glove.add("glove.6B.300d.txt", &fs::read(data.join("snli/glove.6B.50d.vocab.txt")).unwrap());
    glove.write(&mirror.join("glove.6B.zip"));
    let mut spacy = Archive::new();
    spacy.add_folder("en_core_web_sm/en_core_web_sm-3.8.0", &data.join("spacy/en_core_web_sm-3.8.0"));
    spacy.write(&mirror.join("en_core_web_sm-3.8.0-py3-none-any.whl"));
    fs::write(dir.join("list.toml"), list()).unwrap();

    let xtask = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["reproduce", "--profile", "paper", "--data"]).arg(dir.join("artifacts"));
        command.arg("--out").arg(dir.join("out")).arg("--program").arg(compexp()).args(more);
        command.output().unwrap()
    };
    let missing = xtask(&[]);
    let told = text(&missing);
    assert!(!missing.status.success() && told.contains("8 of 8 artifacts are missing"), "{told}");
    assert!(told.contains("compexp fetch broden-224 places365-resnet18 places365-classes scenes snli"), "{told}");
    let names =
        ["broden-224", "places365-resnet18", "places365-classes", "scenes", "snli", "snli-model", "glove", "spacy-en"];
    let mut fetch = Command::new(compexp());
    fetch.arg("fetch").args(names).arg("--artifacts").arg(dir.join("list.toml")).arg("--mirror").arg(&mirror);
    let fetched = fetch.arg("--offline").arg("--to").arg(dir.join("artifacts")).output().unwrap();
    assert!(fetched.status.success(), "{}", text(&fetched));
    let plan = text(&xtask(&["--plan"]));
    assert!(plan.contains("about 46 MB") && plan.contains("time and room") && !plan.contains("missing"), "{plan}");

    let done = xtask(&[]);
    let told = text(&done);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("index of the ADE20k part of Broden: 120 images"), "{told}");
    for run in ["vision", "vision-lengths", "vision-compat", "vision-exact", "nli", "nli-compat", "nli-trust"] {
        assert!(dir.join("out").join(run).join("explanations.json").exists(), "{run}\n{told}");
    }
    assert!(dir.join("out/report/index.html").exists());
    let config = |run: &str| fs::read_to_string(dir.join("out").join(run).join("config.json")).unwrap();
    assert!(config("vision-compat").contains("compat") && config("nli-compat").contains("compat"));
    assert!(
        told.contains("vision, compat") && told.contains("nli, compat") && told.contains("the paper's questions"),
        "{told}"
    );
    let again = text(&xtask(&[]));
    assert!(again.contains("vision is up to date") && !again.contains("done in"), "{again}");
}
