//! `compexp fetch`, from a server on loopback.

use std::fs;
use std::io::{Cursor, Write};
use std::thread;
use std::time::Duration;

use compexp_tests::server::{Reply, Server, nobody};

use crate::{Numbers, compexp, fails, json, ok};

/// The length of the file that is fetched in twenty-one pieces.
const SIZE: usize = 20_000_000;

/// What the server sends at a time.
const PIECE: usize = 1 << 15;

#[test]
fn the_list_needs_no_network() {
    let temp = tempfile::tempdir().unwrap();
    let text = ok(temp.path(), "fetch --list --offline");
    assert!(text.contains("places365-resnet18") && text.contains("untried"), "{text}");
    let list: serde_json::Value = serde_json::from_str(&ok(temp.path(), "fetch glove --list --json")).unwrap();
    let glove = &list["artifacts"][0];
    assert_eq!((&glove["file"], &glove["paths"][0]), (&"glove.6B.zip".into(), &"glove.6B.300d.txt".into()));
    assert!(glove["urls"][0]["page"].as_str().unwrap().starts_with("https://nlp.stanford.edu/"), "{glove}");
    let e = fails(temp.path(), 1, "fetch gloves");
    assert!(e.contains("there is no artifact `gloves`, expected one of broden-224, "), "{e}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "nothing is made");
}

#[test]
fn an_archive_is_fetched_unpacked_and_known_the_next_time() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["glove.6B.50d.txt", "glove.6B.300d.txt"] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(b"the 0.1 0.2\n").unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let server = Server::start(move |asked| match &*asked.path {
        "/mirror/glove.6B.zip" => Reply::file(&bytes, "\"v1\"", asked),
        _ => Reply::status(404),
    });
    let fetch = format!("fetch glove --mirror {}", server.url("/mirror"));
    let text = ok(dir, &fetch);
    assert_eq!(text, "glove: fetched: `artifacts/glove.6B.300d.txt`\n");
    assert_eq!(fs::read(dir.join("artifacts/glove.6B.300d.txt")).unwrap(), b"the 0.1 0.2\n");
    assert!(!dir.join("artifacts/glove.6B.50d.txt").exists());
    let done: serde_json::Value = serde_json::from_str(&ok(dir, &format!("{fetch} --json --offline"))).unwrap();
    assert_eq!(done["artifacts"][0]["outcome"], "up_to_date");
    assert_eq!(server.asked().len(), 1);
    // SNLI has a published hash, and this is another file.
    fs::create_dir(dir.join("mirror")).unwrap();
    fs::write(dir.join("mirror/snli_1.0.zip"), b"PK").unwrap();
    let e = fails(dir, 1, "fetch snli --mirror mirror --offline");
    assert!(e.contains("sha256 of `mirror/snli_1.0.zip`: found ") && e.contains("expected afb3d70a"), "{e}");
    let e = fails(dir, 1, "fetch snli --offline");
    assert!(e.contains("nothing may be fetched offline"), "{e}");
    let e = fails(dir, 1, &format!("fetch scenes --mirror {}", server.url("/mirror")));
    assert!(e.contains("status 404") && e.contains("put it at `artifacts/downloads/ade20k_scenes.json`"), "{e}");
    let e = fails(dir, 1, &format!("fetch scenes --mirror {}", nobody()));
    assert!(e.contains("cannot reach http://127.0.0.1:"), "{e}");
}

/// Kills the command twenty times. The file is whole at the end, and the server was never asked for what was there.
#[test]
fn a_fetch_that_is_killed_goes_on_where_it_was() {
    let mut numbers = Numbers(11);
    let content: Vec<u8> = (0..SIZE).map(|_| numbers.below(256) as u8).collect();
    let expected = content.clone();
    let server =
        Server::start(move |asked| Reply::file(&content, "\"v1\"", asked).slow(PIECE, Duration::from_micros(500)));
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let fetch = format!("fetch snli-model --quiet --mirror {}", server.url("/"));
    let partial = dir.join("artifacts/downloads/.6.pth.partial");
    let mut starts = Vec::new();
    while starts.len() < 20 {
        let before = server.asked().len();
        let mut child = compexp(dir, &fetch).spawn().unwrap();
        while server.asked().len() == before {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(numbers.below(30)));
        child.kill().unwrap();
        child.wait().unwrap();
        starts.push(fs::metadata(&partial).map_or(0, |meta| meta.len()));
    }
    ok(dir, &fetch);
    assert!(fs::read(dir.join("artifacts/6.pth")).unwrap() == expected, "the file is whole");
    let asked: Vec<u64> = server.asked().iter().map(|asked| asked.start().unwrap_or(0)).collect();
    assert_eq!(asked[0], 0);
    assert_eq!(asked[1..], starts, "each goes on with the byte after the last that was written");
    assert!(starts[19] > 0, "{starts:?}");
    // What was sent and not written was on its way through the system when the command was killed.
    let twice = server.sent() - SIZE as u64;
    println!("{twice} bytes were sent twice, in 20 kills; killed at {starts:?}");
    assert!(twice <= 20 * (64 * PIECE as u64), "{twice}");
    let state = json(&dir.join("artifacts/fetched.json"));
    assert_eq!(state["artifacts"]["snli-model"]["bytes"], SIZE);
    assert!(!partial.exists());
}
