//! One file from one address.

use std::time::{Duration, Instant};

use compexp_fetch::{Downloader, Error, Settings, Wanted};
use compexp_tests::files::Scratch;
use compexp_tests::server::{Reply, Server, nobody};

use crate::{Told, get, noise, quick};

const SIZE: usize = 1_000_003;

#[test]
fn a_file_comes_whole_and_with_its_hash() {
    let content = noise(SIZE);
    let expected = content.clone();
    let server = Server::start(move |asked| Reply::file(&content, "\"v1\"", asked));
    let scratch = Scratch::new();
    let fetched = get(&server.url("/f"), &scratch.path("below/f")).unwrap();
    assert_eq!(std::fs::read(scratch.path("below/f")).unwrap(), expected);
    assert_eq!(fetched.bytes, SIZE as u64);
    // From `sha256sum`, of the same bytes written by the same recurrence in Python.
    assert_eq!(fetched.sha256, "2b37bb89b65b4232e23ebb8412990b0c275585d1275ab40f58bd4b917d99c5ee");
    let names: Vec<_> = std::fs::read_dir(scratch.path("below")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["f"], "nothing else is left");
    assert_eq!(server.asked()[0].header("accept-encoding"), "identity");
}

#[test]
fn a_connection_that_drops_is_continued_and_nothing_comes_twice() {
    let content = noise(SIZE);
    let expected = content.clone();
    let server = Server::start(move |asked| {
        let reply = Reply::file(&content, "\"v1\"", asked);
        if asked.before < 6 { reply.cut(150_000) } else { reply }
    });
    let scratch = Scratch::new();
    get(&server.url("/f"), &scratch.path("f")).unwrap();
    assert_eq!(std::fs::read(scratch.path("f")).unwrap(), expected);
    assert_eq!(server.sent(), SIZE as u64, "every byte once");
    assert!(server.asked()[1..].iter().all(|asked| asked.header("if-range") == "\"v1\""));
    assert_eq!(scratch.names(), ["f"]);
}

#[test]
fn a_server_without_tags_is_asked_for_all_again_and_not_for_ever() {
    let content = noise(SIZE);
    let expected = content.clone();
    let server = Server::start(move |asked| {
        let reply = Reply::body(&content);
        if asked.before < 1 { reply.cut(150_000) } else { reply }
    });
    let scratch = Scratch::new();
    get(&server.url("/f"), &scratch.path("f")).unwrap();
    assert_eq!(std::fs::read(scratch.path("f")).unwrap(), expected);
    assert_eq!(server.asked()[1].header("range"), "");
    let content = expected;
    let server = Server::start(move |_| Reply::body(&content).cut(150_000));
    let e = get(&server.url("/f"), &scratch.path("g")).unwrap_err();
    assert!(matches!(e, Error::Interrupted { .. }), "{e}");
    assert!(server.asked().len() <= 4, "{}", server.asked().len());
}

#[test]
fn a_time_of_change_serves_where_there_is_no_strong_tag() {
    let content = noise(SIZE);
    let server = Server::start(move |asked| {
        let time = "Sat, 29 Oct 1994 19:43:31 GMT";
        let reply =
            Reply::file(&content, time, asked).with("Last-Modified", time).without("ETag").with("ETag", "W/\"weak\"");
        if asked.before < 1 { reply.cut(150_000) } else { reply }
    });
    let scratch = Scratch::new();
    get(&server.url("/f"), &scratch.path("f")).unwrap();
    assert_eq!(server.sent(), SIZE as u64);
    assert_eq!(server.asked()[1].header("if-range"), "Sat, 29 Oct 1994 19:43:31 GMT");
}

#[test]
fn another_version_is_fetched_from_its_start() {
    let (old, new) = (noise(SIZE), noise(SIZE + 5)[5..].to_vec());
    let expected = new.clone();
    let server = Server::start(move |asked| match asked.before {
        0 => Reply::file(&old, "\"v1\"", asked).cut(300_000),
        _ => Reply::file(&new, "\"v2\"", asked),
    });
    let scratch = Scratch::new();
    get(&server.url("/f"), &scratch.path("f")).unwrap();
    assert!(std::fs::read(scratch.path("f")).unwrap() == expected, "no byte of the old version");
}

#[test]
fn a_server_that_ignores_conditions_is_found_out() {
    let (old, new) = (noise(SIZE), noise(SIZE + 5)[5..].to_vec());
    let expected = new.clone();
    let server = Server::start(move |asked| match asked.before {
        0 => Reply::file(&old, "\"v1\"", asked).cut(300_000),
        // The rest of another version, whatever the condition says.
        1 => {
            let mut asked = asked.clone();
            asked.headers.remove("if-range");
            Reply::file(&new, "\"v2\"", &asked)
        }
        _ => Reply::file(&new, "\"v2\"", asked),
    });
    let scratch = Scratch::new();
    get(&server.url("/f"), &scratch.path("f")).unwrap();
    assert!(std::fs::read(scratch.path("f")).unwrap() == expected);
}

#[test]
fn a_file_that_became_shorter_is_fetched_anew() {
    let (old, new) = (noise(SIZE), noise(1000));
    let expected = new.clone();
    let server = Server::start(move |asked| match asked.before {
        0 => Reply::file(&old, "\"v1\"", asked).cut(300_000),
        1 => Reply::status(416),
        _ => Reply::file(&new, "\"v2\"", asked),
    });
    let scratch = Scratch::new();
    get(&server.url("/f"), &scratch.path("f")).unwrap();
    assert_eq!(std::fs::read(scratch.path("f")).unwrap(), expected);
}

#[test]
fn lies_about_lengths_never_make_a_file() {
    let scratch = Scratch::new();
    for (stated, what) in [(Some(SIZE as u64 + 10), "more"), (None, "none")] {
        let content = noise(SIZE);
        let server = Server::start(move |_| Reply::body(&content).stating(stated));
        let e = get(&server.url("/f"), &scratch.path("f")).unwrap_err();
        match what {
            "more" => assert!(matches!(e, Error::Interrupted { .. }), "{e}"),
            _ => assert!(matches!(e, Error::Length { .. }), "{e}"),
        }
        assert!(!scratch.path("f").exists());
    }
    // Fewer: the rest cannot be told from another answer. A hash or a length tells.
    let content = noise(SIZE);
    let server = Server::start(move |_| Reply::body(&content).stating(Some(1000)));
    let (url, to) = (server.url("/f"), scratch.path("g"));
    let wanted = Wanted { url: &url, to: &to, sha256: None, bytes: Some(SIZE as u64), token: None };
    let e = Downloader::new(quick()).download(&wanted, &Told::default()).unwrap_err();
    assert!(e.to_string().contains("found 1000 bytes, expected 1000003 bytes"), "{e}");
}

#[test]
fn wrong_bytes_are_refused_and_not_kept() {
    let content = noise(SIZE);
    let server = Server::start(move |asked| Reply::file(&content, "\"v1\"", asked));
    let scratch = Scratch::new();
    let sha256 = "a".repeat(64);
    let (url, to) = (server.url("/f"), scratch.path("f"));
    let wanted = Wanted { url: &url, to: &to, sha256: Some(&sha256), bytes: None, token: None };
    let e = Downloader::new(quick()).download(&wanted, &Told::default()).unwrap_err();
    assert!(matches!(&e, Error::Checksum { expected, .. } if *expected == sha256), "{e}");
    assert_eq!(scratch.names(), [""; 0], "the next try starts anew");
}

#[test]
fn a_token_stays_with_its_host() {
    let content = noise(1000);
    let other = Server::start(move |asked| Reply::file(&content, "\"v1\"", asked));
    let there = other.url("/there");
    let server = Server::start(move |asked| match &*asked.path {
        "/f" => Reply::redirect(307, "/g"),
        "/g" => Reply::redirect(302, &there),
        _ => Reply::status(404),
    });
    let scratch = Scratch::new();
    let (url, to) = (server.url("/f"), scratch.path("f"));
    let wanted = Wanted { url: &url, to: &to, sha256: None, bytes: None, token: Some("secret") };
    Downloader::new(quick()).download(&wanted, &Told::default()).unwrap();
    let tokens = |server: &Server| -> Vec<String> {
        server.asked().iter().map(|asked| asked.header("authorization").to_owned()).collect()
    };
    assert_eq!(tokens(&server), ["Bearer secret", "Bearer secret"]);
    assert_eq!(tokens(&other), [""], "another port is another host");
}

#[test]
fn redirects_end() {
    let server = Server::start(|asked| match &*asked.path {
        "/loop" => Reply::redirect(302, "/loop"),
        "/file" => Reply::redirect(302, "file:///etc/passwd"),
        _ => Reply::status(302),
    });
    let scratch = Scratch::new();
    for (path, part) in [("/loop", "at most 10 redirects"), ("/file", "http or https"), ("/", "redirect to nowhere")] {
        let e = get(&server.url(path), &scratch.path("f")).unwrap_err();
        assert!(matches!(e, Error::Redirect { .. }) && e.to_string().contains(part), "{e}");
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again_after_the_time_it_names() {
    for status in [429, 503] {
        let content = noise(1000);
        let server = Server::start(move |asked| match asked.before {
            0 => Reply::status(status).with("Retry-After", "1"),
            _ => Reply::file(&content, "\"v1\"", asked),
        });
        let scratch = Scratch::new();
        let start = Instant::now();
        get(&server.url("/f"), &scratch.path("f")).unwrap();
        assert!(start.elapsed() >= Duration::from_secs(1), "{status}");
    }
    let server = Server::start(|_| Reply::status(503).with("Retry-After", "7200"));
    let scratch = Scratch::new();
    let e = get(&server.url("/f"), &scratch.path("f")).unwrap_err();
    assert!(matches!(e, Error::Busy { seconds: 7200, .. }), "{e}");
    let server = Server::start(|_| Reply::status(500));
    let e = get(&server.url("/f"), &scratch.path("f")).unwrap_err();
    assert!(matches!(e, Error::Interrupted { .. }) && e.to_string().contains("answers 500"), "{e}");
    assert_eq!(server.asked().len(), 3, "as often as it is tried");
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let server = Server::start(|asked| match &*asked.path {
        "/portal" => Reply::body(b"<html>Sign in").with("Content-Type", "text/html; charset=utf-8"),
        "/secret" => Reply::status(403),
        _ => Reply::status(404),
    });
    let scratch = Scratch::new();
    for (path, part) in [("/portal", "a page"), ("/secret", "status 403"), ("/gone", "status 404")] {
        let e = get(&server.url(path), &scratch.path("f.zip")).unwrap_err();
        assert!(matches!(e, Error::Answer { .. }) && e.to_string().contains(part), "{e}");
    }
    assert_eq!(server.asked().len(), 3, "none is tried twice");
}

#[test]
fn no_network_is_told_soon() {
    let scratch = Scratch::new();
    let e = get(&format!("{}/f", nobody()), &scratch.path("f")).unwrap_err();
    assert!(matches!(e, Error::Unreachable { .. }), "{e}");
    let e = get("http://host.invalid/f", &scratch.path("f")).unwrap_err();
    assert!(matches!(e, Error::Unreachable { .. }), "{e}");
}

#[test]
fn a_server_that_falls_silent_is_left_and_asked_for_the_rest() {
    let content = noise(400_000);
    let expected = content.clone();
    let server = Server::start(move |asked| {
        let reply = Reply::file(&content, "\"v1\"", asked);
        if asked.before == 0 { reply.slow(100_000, Duration::from_secs(4)) } else { reply }
    });
    let scratch = Scratch::new();
    let start = Instant::now();
    get(&server.url("/f"), &scratch.path("f")).unwrap();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(std::fs::read(scratch.path("f")).unwrap(), expected);
    assert_eq!(server.asked()[1].start(), Some(100_000));
}

#[test]
fn a_disk_without_room_is_told_before_anything_is_written() {
    let content = noise(SIZE);
    let server = Server::start(move |asked| Reply::file(&content, "\"v1\"", asked));
    let scratch = Scratch::new();
    let downloader = Downloader::new(Settings { free: |_| Ok(Some(1000)), ..quick() });
    let (url, to) = (server.url("/f"), scratch.path("f"));
    let wanted = Wanted { url: &url, to: &to, sha256: None, bytes: None, token: None };
    let e = downloader.download(&wanted, &Told::default()).unwrap_err();
    assert!(matches!(e, Error::Full { free: 1000, .. }), "{e}");
    assert_eq!(std::fs::metadata(scratch.path(".f.partial")).unwrap().len(), 0);
}

#[test]
fn a_partial_file_of_another_address_or_without_a_record_is_not_continued() {
    let content = noise(SIZE);
    let expected = content.clone();
    let server = Server::start(move |asked| Reply::file(&content, "\"v1\"", asked));
    let scratch = Scratch::new();
    let (url, to) = (server.url("/f"), scratch.path("f"));
    for about in [
        None,
        Some("{".to_owned()),
        Some(r#"{"url": "http://elsewhere/f", "validator": "\"v1\"", "bytes": 1000003}"#.to_owned()),
        Some(format!(r#"{{"url": "{url}", "validator": null, "bytes": 1000003}}"#)),
        // Longer than the file ever was.
        Some(format!(r#"{{"url": "{url}", "validator": "\"v1\"", "bytes": 10}}"#)),
    ] {
        scratch.write(".f.partial", &[7; 5000]);
        match &about {
            Some(text) => drop(scratch.write(".f.partial.json", text.as_bytes())),
            None => assert!(!scratch.path(".f.partial.json").exists()),
        }
        get(&url, &to).unwrap();
        assert!(std::fs::read(&to).unwrap() == expected, "{about:?}");
        assert_eq!(scratch.names(), ["f"]);
    }
}
