//! Inputs by `hf://` ids, from a hub on loopback.

use std::fs;
use std::path::Path;
use std::process::Command;

use compexp_tests::server::{Reply, Server, nobody};

use crate::scenes::{TRAIN, paint};
use crate::{Done, compexp, finished, json, ok, scene};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub that has the folder `dir` as the data set `some/set`.
fn hub(dir: &Path) -> Server {
    let dir = dir.to_owned();
    Server::start(move |asked| {
        let below = |folder: &Path| -> Vec<String> {
            let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            names.filter(|path| path.is_file()).map(|path| path.file_name().unwrap().to_str().unwrap().into()).collect()
        };
        if asked.path == "/api/datasets/some/set/revision/main" {
            let mut deeper = Vec::new();
            for folder in ["probe", "bert", "sae", "net"].into_iter().filter(|folder| dir.join(folder).is_dir()) {
                deeper.extend(below(&dir.join(folder)).into_iter().map(|name| format!("{folder}/{name}")));
            }
            let all = below(&dir).into_iter().chain(deeper).map(|name| format!("{{\"rfilename\": \"{name}\"}}"));
            let all = all.collect::<Vec<_>>().join(", ");
            return Reply::body(format!("{{\"sha\": \"{COMMIT}\", \"siblings\": [{all}]}}").as_bytes());
        }
        let name = ["main", COMMIT]
            .iter()
            .find_map(|revision| asked.path.strip_prefix(&format!("/datasets/some/set/resolve/{revision}/")));
        match name.map(|name| (name, fs::read(dir.join(name)))) {
            Some((name, Ok(content))) => {
                let tag = format!("\"tag-{}\"", name.replace('/', "-"));
                Reply::file(&content, &tag, asked).with("X-Repo-Commit", COMMIT)
            }
            Some(_) => Reply::status(404).with("X-Error-Code", "EntryNotFound"),
            None => Reply::status(401).with("X-Error-Code", "RepoNotFound"),
        }
    })
}

/// The command with this hub, and a cache in `dir`.
fn with_hub(dir: &Path, endpoint: &str, args: &str) -> Command {
    let mut command = compexp(dir, args);
    command.env("HF_ENDPOINT", endpoint).env("HF_HOME", dir.join("hf"));
    command.env_remove("HF_TOKEN").env_remove("HF_HUB_OFFLINE");
    command
}

fn run(dir: &Path, endpoint: &str, args: &str) -> Done {
    finished(with_hub(dir, endpoint, args).output().unwrap())
}

#[test]
fn a_run_on_files_of_the_hub_is_the_run_on_the_same_files() {
    let (_temp, dir) = scene();
    let server = hub(&dir);
    let endpoint = server.url("");
    let ok = |endpoint: &str, args: &str| {
        let done = run(&dir, endpoint, args);
        assert_eq!(done.code, 0, "{args}\n{}{}", done.out, done.err);
        done.out
    };
    let settings = "--positive --length 2";
    ok(&endpoint, &format!("explain --probe probe --activations acts.npy {settings} --out plain"));
    let from_hub = "explain --probe hf://datasets/some/set/probe --activations=hf://datasets/some/set/acts.npy";
    ok(&endpoint, &format!("{from_hub} {settings} --out run"));
    let read = |run: &str, name: &str| fs::read(dir.join(run).join(name)).unwrap();
    assert!(read("run", "explanations.json") == read("plain", "explanations.json"));
    let [plain, config] = ["plain", "run"].map(|run| json(&dir.join(run).join("config.json")));
    assert_eq!(plain["config"], config["config"], "contents are recorded, and not from where they came");
    assert_eq!(config["paths"]["activations"], format!("hf://datasets/some/set@{COMMIT}/acts.npy"));
    assert_eq!(config["paths"]["probe"], format!("hf://datasets/some/set@{COMMIT}/probe"));
    // Later commands find the inputs in the cache, without the hub.
    let [first, second] = ["plain", "run"].map(|name| ok(&nobody(), &format!("eval water --run {name}")));
    assert_eq!(first, second);
    let before = server.asked().len();
    ok(&endpoint, &format!("{from_hub} {settings} --out run"));
    ok(&nobody(), &format!("{from_hub} {settings} --offline --out again"));
    assert_eq!(server.asked().len(), before);
}

#[test]
fn a_language_model_and_sentences_come_from_the_hub_too() {
    let (_temp, dir, _) = crate::text::tiny();
    let server = hub(&dir);
    let set = "hf://datasets/some/set";
    let words = "--min-count 2 --layer resid.0";
    let probe = format!("text probe --model {set}/bert --sae {set}/sae --tokens {set}/t.conllu {words}");
    for (endpoint, out, more) in [(server.url(""), "run", ""), (nobody(), "again", "--offline")] {
        let done = run(&dir, &endpoint, &format!("{probe} --out {out} {more}"));
        assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    }
    let plain =
        run(&dir, &nobody(), &format!("text probe --model bert --sae sae --tokens t.conllu {words} --out plain"));
    assert_eq!(plain.code, 0, "{}", plain.err);
    let [config, plain] = ["run", "plain"].map(|run| json(&dir.join(run).join("config.json")));
    assert_eq!(config["config"], plain["config"], "contents are recorded, and not from where they came");
    for (name, path) in
        [("model", "bert"), ("sae", "sae"), ("tokenizer", "bert/tokenizer.json"), ("annotations", "t.conllu")]
    {
        assert_eq!(config["paths"][name], format!("{set}@{COMMIT}/{path}"));
    }
    // The third sentence is cut once more, by the tokenizer in the cache.
    let done = run(&dir, &nobody(), "eval upos:NOUN --run run");
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn a_network_comes_with_the_file_that_says_how_pixels_are_scaled() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    paint(dir);
    ok(dir, &format!("{TRAIN} --out net"));
    let config = r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}"#;
    fs::write(dir.join("net/preprocessor_config.json"), config).unwrap();
    let local = ok(dir, "vision eval probe/list.txt --checkpoint net/model.safetensors --json");
    let server = hub(dir);
    let eval = "vision eval probe/list.txt --checkpoint hf://datasets/some/set/net/model.safetensors --json";
    let told = "preprocessor_config.json` says";
    let done = run(dir, &server.url(""), eval);
    assert!(done.code == 0 && done.err.contains(told), "{}", done.err);
    assert_eq!(done.out, local);
    // From the cache, without a hub.
    let done = run(dir, &nobody(), eval);
    assert!(done.code == 0 && done.err.contains(told), "{}", done.err);
    // Without such a file, and where it is not asked for.
    fs::remove_file(dir.join("net/preprocessor_config.json")).unwrap();
    fs::remove_dir_all(dir.join("hf")).unwrap();
    let done = run(dir, &server.url(""), eval);
    assert!(done.code == 0 && !done.err.contains("pixels:"), "{}", done.err);
    let e = run(dir, &server.url(""), &eval.replace("net/", "none/")).err;
    assert!(e.contains("`hf://datasets/some/set/none/model.safetensors`: the hub has no such file"), "{e}");
}

#[test]
fn what_the_hub_cannot_give_is_told() {
    let (_temp, dir) = scene();
    let server = hub(&dir);
    let explain = |endpoint: &str, code: i32, id: &str, more: &str| {
        let done = run(&dir, endpoint, &format!("explain --probe probe --activations {id} --positive {more}"));
        assert_eq!(done.code, code, "{}", done.err);
        done.err
    };
    let endpoint = server.url("");
    let set = "hf://datasets/some/set";
    for (id, part) in [
        (format!("{set}/none.npy"), "the hub has no such file"),
        ("hf://nobody/model/acts.npy".to_owned(), "the hub has no such repository"),
        ("hf://nobody".to_owned(), "expected hf://[datasets/]owner/name"),
    ] {
        let e = explain(&endpoint, 1, &id, "--out run");
        assert!(e.contains(part) && e.contains(&id), "{e}");
    }
    let id = format!("{set}/acts.npy");
    let e = explain(&nobody(), 1, &id, "--out run");
    assert!(e.contains("cannot reach http://127.0.0.1:"), "{e}");
    let e = explain(&endpoint, 1, &id, "--out run --offline");
    assert!(e.contains(&format!("`{id}` is not here, and nothing may be fetched offline")), "{e}");
    let mut command =
        with_hub(&dir, &endpoint, &format!("explain --probe probe --activations {id} --positive --out run"));
    let done = finished(command.env("HF_HUB_OFFLINE", "1").output().unwrap());
    assert!(done.code == 1 && done.err.contains("nothing may be fetched offline"), "{}", done.err);
    let e = explain(&endpoint, 2, "acts.npy", &format!("--out {set}"));
    assert!(e.contains("found an id of the hub, expected a local path for `out`"), "{e}");
    assert!(!dir.join("hf:").exists());
}
