//! Artifacts, from a list to a folder.

use std::io::{Cursor, Write};

use compexp_fetch::{Artifact, Collection, Downloader, Error, Mirror, Outcome, Settings, parse};
use compexp_tests::files::Scratch;
use compexp_tests::server::{Reply, Server, nobody};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::{Told, noise, quick};

/// One artifact that is a file, and one that is an archive, at these addresses.
fn list(urls: &[String]) -> Vec<Artifact> {
    let urls: Vec<String> = urls.iter().map(|url| format!("{{ url = \"{url}\", page = \"http://a.org\" }}")).collect();
    let common = "what = \"w\"\nlicence = \"l\"";
    let entry = |name: &str, file: &str, more: &str| {
        let urls: Vec<String> = urls.iter().map(|url| url.replace("FILE", file)).collect();
        format!("[[artifact]]\nname = \"{name}\"\nfile = \"{file}\"\n{common}\nurls = [{}]\n{more}", urls.join(", "))
    };
    let take =
        "unpack = \"zip\"\ntake = [{ from = \"top/in\", to = \"data/in\" }, { from = \"top/n.txt\", to = \"n.txt\" }]";
    parse(&format!("version = 1\n{}\n{}", entry("file", "a.pth", ""), entry("archive", "b.zip", take))).unwrap()
}

fn archive(text: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("top/in/x", &b"x"[..]), ("top/in/deep/y", b"y"), ("top/n.txt", text), ("top/rest", b"-")] {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Serves both, `text` being in the archive.
fn serve(content: Vec<u8>, text: &'static [u8]) -> Server {
    Server::start(move |asked| match &*asked.path {
        "/a.pth" => Reply::file(&content, "\"a\"", asked),
        "/b.zip" => Reply::file(&archive(text), "\"b\"", asked),
        _ => Reply::status(404),
    })
}

#[test]
fn artifacts_come_to_their_places_once() {
    let server = serve(noise(5000), b"one");
    let scratch = Scratch::new();
    let folder = scratch.path("artifacts");
    let downloader = Downloader::new(quick());
    let list = list(&[server.url("/FILE")]);
    for expected in [Outcome::Fetched, Outcome::UpToDate] {
        let mut collection = Collection::open(&folder, &downloader, Vec::new()).unwrap();
        for artifact in &list {
            assert_eq!(collection.fetch(artifact, &Told::default()).unwrap(), expected);
        }
    }
    assert_eq!(server.asked().len(), 2);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(read("a.pth") == noise(5000) && read("n.txt") == b"one" && read("data/in/deep/y") == b"y");
    assert!(!folder.join("rest").exists());
    assert_eq!(std::fs::read_dir(folder.join("downloads")).unwrap().count(), 0, "archives are not kept");
    // A file that was changed meanwhile is not taken for the artifact.
    std::fs::write(folder.join("a.pth"), b"other").unwrap();
    let mut collection = Collection::open(&folder, &downloader, Vec::new()).unwrap();
    let e = collection.fetch(&list[0], &Told::default()).unwrap_err();
    assert!(matches!(e, Error::Checksum { .. }) && e.to_string().contains("remove the file"), "{e}");
}

#[test]
fn the_first_download_decides_what_the_next_must_be() {
    let scratch = Scratch::new();
    let folder = scratch.path("artifacts");
    let downloader = Downloader::new(quick());
    for (text, same) in [(&b"one"[..], true), (b"two", false), (b"one", true)] {
        let server = serve(noise(5000), text);
        let list = list(&[server.url("/FILE")]);
        let mut collection = Collection::open(&folder, &downloader, Vec::new()).unwrap();
        let fetched = collection.fetch(&list[1], &Told::default());
        match same {
            true => assert_eq!(fetched.unwrap(), Outcome::Fetched),
            false => assert!(matches!(fetched.unwrap_err(), Error::Checksum { .. })),
        }
        let _ = std::fs::remove_file(folder.join("n.txt"));
    }
}

#[test]
fn addresses_are_tried_in_order_and_the_last_resort_is_told() {
    let server = serve(noise(5000), b"one");
    let scratch = Scratch::new();
    let downloader = Downloader::new(quick());
    let urls = [nobody() + "/FILE", server.url("/moved/FILE"), server.url("/FILE")];
    let list_of = |n: usize| list(&urls[..n]);
    let told = Told::default();
    let folder = scratch.path("artifacts");
    let mut collection = Collection::open(&folder, &downloader, Vec::new()).unwrap();
    let e = collection.fetch(&list_of(2)[0], &told).unwrap_err();
    assert!(matches!(&e, Error::Moved { .. }), "{e}");
    let place = folder.join("downloads/a.pth");
    let text = e.to_string();
    assert!(text.contains("status 404") && text.contains(&format!("put it at `{}`", place.display())), "{text}");
    // By hand, as the error says.
    std::fs::write(&place, b"by hand").unwrap();
    assert_eq!(collection.fetch(&list_of(2)[0], &told).unwrap(), Outcome::Fetched);
    assert_eq!(std::fs::read(folder.join("a.pth")).unwrap(), b"by hand");
    assert_eq!(collection.fetch(&list_of(3)[1], &told).unwrap(), Outcome::Fetched);
    assert!(told.0.borrow().iter().any(|text| text.contains("cannot reach")), "{:?}", told.0.borrow());
    let e = Collection::open(&folder, &downloader, Vec::new()).unwrap_err();
    assert!(e.to_string().contains("is in use by process"), "{e}");
}

#[test]
fn mirrors_stand_in_for_all_addresses() {
    let scratch = Scratch::new();
    let server = serve(noise(5000), b"one");
    std::fs::create_dir(scratch.path("mirror")).unwrap();
    scratch.write("mirror/b.zip", &archive(b"two"));
    let offline = Settings { http: compexp_fetch::HttpSettings { offline: true, ..quick().http }, ..quick() };
    let downloader = Downloader::new(offline);
    let list = list(&[server.url("/FILE")]);
    let mirrors = vec![Mirror::Folder(scratch.path("mirror"))];
    let mut collection = Collection::open(&scratch.path("a"), &downloader, mirrors).unwrap();
    assert_eq!(collection.fetch(&list[1], &Told::default()).unwrap(), Outcome::Fetched);
    assert_eq!(std::fs::read(scratch.path("a/n.txt")).unwrap(), b"two");
    assert!(matches!(collection.fetch(&list[0], &Told::default()).unwrap_err(), Error::Moved { .. }));
    drop(collection);
    let mut collection = Collection::open(&scratch.path("a"), &downloader, Vec::new()).unwrap();
    assert!(matches!(collection.fetch(&list[0], &Told::default()).unwrap_err(), Error::Offline { .. }));
    assert!(server.asked().is_empty());
    drop(collection);
    let downloader = Downloader::new(quick());
    let mirrors = vec![Mirror::Folder(scratch.path("mirror")), Mirror::Url(server.url("/"))];
    let mut collection = Collection::open(&scratch.path("a"), &downloader, mirrors).unwrap();
    assert_eq!(collection.fetch(&list[0], &Told::default()).unwrap(), Outcome::Fetched);
}

#[test]
fn an_archive_that_does_not_unpack_leaves_nothing_in_its_places() {
    let server = Server::start(|asked| match asked.before {
        0 => Reply::body(b"PK but no archive"),
        _ => Reply::body(&archive(b"one")),
    });
    let scratch = Scratch::new();
    let downloader = Downloader::new(quick());
    let mut collection = Collection::open(&scratch.path("a"), &downloader, Vec::new()).unwrap();
    let list = list(&[server.url("/FILE")]);
    let e = collection.fetch(&list[1], &Told::default()).unwrap_err();
    assert!(matches!(e, Error::Archive { .. }), "{e}");
    assert!(!scratch.path("a/n.txt").exists() && !scratch.path("a/data").exists());
    // The next download may be a better one: what was broken is not what it must be.
    assert_eq!(collection.fetch(&list[1], &Told::default()).unwrap(), Outcome::Fetched);
}

#[test]
fn a_disk_too_small_for_what_an_archive_holds_is_told() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["top/in/x", "top/n.txt"] {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&b"0123456789".repeat(2_000_000)).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let server = Server::start(move |asked| Reply::file(&bytes, "\"b\"", asked));
    let scratch = Scratch::new();
    let downloader = Downloader::new(Settings { free: |_| Ok(Some(30 << 20)), ..quick() });
    let mut collection = Collection::open(&scratch.path("a"), &downloader, Vec::new()).unwrap();
    let e = collection.fetch(&list(&[server.url("/FILE")])[1], &Told::default()).unwrap_err();
    assert!(matches!(e, Error::Full { needed, .. } if needed > 40_000_000), "{e}");
    assert!(scratch.path("a/downloads/b.zip").exists(), "what came is kept");
}
