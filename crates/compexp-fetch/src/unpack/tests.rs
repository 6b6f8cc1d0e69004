//! Archives that are as they should be, and hostile ones.

use std::io::Cursor;

use compexp_tests::files::Scratch;
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// A zip archive; a name that ends in `@` is a link to the content.
fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = SimpleFileOptions::default();
        match name.strip_suffix('@') {
            Some(name) => writer.add_symlink(name, String::from_utf8_lossy(content), options).unwrap(),
            None if name.ends_with('/') => writer.add_directory(*name, options).unwrap(),
            None => {
                writer.start_file(*name, options).unwrap();
                writer.write_all(content).unwrap();
            }
        }
    }
    writer.finish().unwrap().into_inner()
}

/// A tar.gz archive; a name that ends in `@` is a link to the content.
fn tar_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        let (name, kind) = match name.strip_suffix('@') {
            Some(name) => (name, tar::EntryType::Symlink),
            None if name.ends_with('/') => (*name, tar::EntryType::Directory),
            None => (*name, tar::EntryType::Regular),
        };
        header.set_entry_type(kind);
        // Written byte by byte: the library refuses names that lead out.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        let content = match kind {
            tar::EntryType::Symlink => {
                header.set_link_name(String::from_utf8_lossy(content).as_ref()).unwrap();
                &[]
            }
            _ => *content,
        };
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn take(from: &str, to: &str) -> Take {
    Take { from: from.into(), to: to.into() }
}

fn run(bytes: &[u8], form: Form, takes: &[Take], limits: Limits) -> (Scratch, Result<u64>) {
    let scratch = Scratch::new();
    let archive = scratch.write("archive", bytes);
    make_folder(&scratch.path("into/here")).unwrap();
    let result = unpack(&archive, form, takes, &scratch.path("into/here"), limits, &mut |_| ());
    (scratch, result)
}

/// Both forms of an archive.
fn both(entries: &[(&str, &[u8])]) -> [(Form, Vec<u8>); 2] {
    [(Form::Zip, zip_of(entries)), (Form::TarGz, tar_of(entries))]
}

#[test]
fn what_is_wanted_comes_out_under_its_new_name() {
    let text = b"some text ".repeat(1000);
    let entries = [
        ("top/", &b""[..]),
        ("top/a/", b""),
        ("top/a/one.txt", &text),
        ("top/a/two", b"2"),
        ("top/ab/three", b"3"),
        ("junk/x", b"x"),
    ];
    for (form, bytes) in both(&entries) {
        let takes = [take("top/a", "letters"), take("top/ab/three", "3.txt")];
        let (scratch, result) = run(&bytes, form, &takes, Limits::default());
        assert_eq!(result.unwrap(), 3, "{form:?}");
        let read = |name: &str| std::fs::read(scratch.path("into/here").join(name)).unwrap();
        assert!(read("letters/one.txt") == text && read("letters/two") == b"2" && read("3.txt") == b"3");
        assert!(!scratch.path("into/here/junk").exists() && !scratch.path("into/here/letters/three").exists());
        let e = run(&bytes, form, &[take("top/b", "b")], Limits::default()).1.unwrap_err().to_string();
        assert!(e.contains("found none of this name, expected `top/b`"), "{e}");
    }
    let archive = Scratch::new();
    let path = archive.write("a.zip", &zip_of(&entries));
    assert_eq!(stated(&path, Form::Zip, &[take("top", "t")]).unwrap(), Some(text.len() as u64 + 2));
}

#[test]
fn nothing_leaves_the_folder() {
    for name in ["../evil", "top/../../evil", "/evil", "top\\..\\evil", "C:/evil", "..", "top/a\nb"] {
        for (form, bytes) in both(&[("top/a", b"a"), (name, b"evil")]) {
            let (scratch, result) = run(&bytes, form, &[take("top", "top")], Limits::default());
            let e = result.unwrap_err();
            assert!(e.to_string().contains("leads out of the folder"), "{form:?} {name}: {e}");
            assert!(!scratch.path("evil").exists() && !scratch.path("into/evil").exists(), "{name}");
        }
    }
    for (form, bytes) in both(&[("top@", b"/tmp"), ("top/a", b"a")]) {
        let e = run(&bytes, form, &[take("top", "top")], Limits::default()).1.unwrap_err();
        assert!(e.to_string().contains("found a link, expected files and folders"), "{form:?}: {e}");
    }
    let twice = tar_of(&[("top/a", b"1"), ("top/a", b"2")]);
    let e = run(&twice, Form::TarGz, &[take("top", "top")], Limits::default()).1.unwrap_err();
    assert!(e.to_string().contains("a name that comes twice"), "{e}");
}

#[test]
fn bombs_do_not_go_off() {
    let zeros = vec![0; 300 << 20];
    for (form, bytes) in both(&[("top/a", &zeros)]) {
        let (scratch, result) = run(&bytes, form, &[take("top", "top")], Limits::default());
        let e = result.unwrap_err();
        assert!(e.to_string().contains("more bytes than the limits allow"), "{form:?}: {e}");
        let written = std::fs::metadata(scratch.path("into/here/top/a")).unwrap().len();
        assert!(written <= 100 * bytes.len() as u64 + (2 << 20), "{form:?}: {written} of {}", bytes.len());
    }
    let few = Limits { entries: 3, ..Limits::default() };
    let small = Limits { bytes: 5, ..Limits::default() };
    let entries = [("t/a", &b"12"[..]), ("t/b", b"34"), ("t/c", b"56"), ("t/d", b"78")];
    for (form, bytes) in both(&entries) {
        let e = run(&bytes, form, &[take("t", "t")], few).1.unwrap_err();
        assert!(e.to_string().contains("`t/d`: found one entry too many"), "{form:?}: {e}");
        let e = run(&bytes, form, &[take("t", "t")], small).1.unwrap_err();
        assert!(e.to_string().contains("`t/c`: found more bytes"), "{form:?}: {e}");
    }
}

#[test]
fn broken_archives_are_errors() {
    let content: Vec<u8> = (0..100_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for (form, bytes) in both(&[("t/a", &content)]) {
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 255;
        for (what, bytes) in
            [("cut", &bytes[..bytes.len() / 2]), ("flipped", &flipped), ("empty", b""), ("text", b"<html>Not found")]
        {
            let e = run(bytes, form, &[take("t", "t")], Limits::default()).1.unwrap_err();
            assert!(matches!(e, Error::Archive { .. }), "{form:?} {what}: {e}");
        }
    }
}
