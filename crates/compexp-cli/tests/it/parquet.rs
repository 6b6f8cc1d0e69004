//! Parquet files in and out: sentence pairs, pictures with masks, and the table of explanations.

use std::fs;
use std::path::Path;

use compexp_files::{Cell, ParquetFile, Values, write_npy, write_parquet};

use crate::nli_input::{PROBE, folder};
use crate::{fails, feature_probe, json, ok};

fn write(path: &Path, columns: Vec<(&str, Values)>) {
    let columns: Vec<_> = columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    write_parquet(path, &columns).unwrap();
}

/// A table of sentence pairs as the same pairs in a Parquet file, as the hub has SNLI.
fn as_parquet(table: &Path, to: &Path) {
    let text = fs::read_to_string(table).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let texts = |column: usize| Values::Text(rows.iter().map(|row| Some(row[column].to_owned())).collect());
    let index = |name: &str| ["entailment", "neutral", "contradiction"].iter().position(|l| *l == name);
    let labels = rows.iter().map(|row| Some(index(row[0]).map_or(-1, |index| index as i64))).collect();
    write(to, vec![("premise", texts(1)), ("hypothesis", texts(2)), ("label", Values::Int(labels))]);
}

#[test]
fn pairs_in_parquet_give_the_classifier_and_the_explanations_of_the_same_text() {
    let temp = folder();
    let dir = temp.path();
    for name in ["train", "dev"] {
        as_parquet(&dir.join(format!("{name}.tsv")), &dir.join(format!("{name}.parquet")));
    }
    let train = "nli train --tokenized --hidden 4 --units 6 --batch 4 --epochs 1 --embeddings vectors.txt";
    ok(dir, &format!("{train} --train train.parquet --dev dev.parquet --out again"));
    let model = |of: &str| fs::read(dir.join(of).join("model.safetensors")).unwrap();
    assert!(model("again") == model("model"), "the training of the same pairs");
    for pairs in ["dev.tsv", "dev.parquet"] {
        ok(dir, &format!("{PROBE} --pairs {pairs} --out {pairs}.run"));
    }
    for file in ["explanations.csv", "predictions.csv", "activations.npy", "probe/features.npy"] {
        let of = |pairs: &str| fs::read(dir.join(format!("{pairs}.run")).join(file)).unwrap();
        assert!(of("dev.tsv") == of("dev.parquet"), "{file}");
    }
    let bytes = fs::read(dir.join("dev.parquet")).unwrap();
    fs::write(dir.join("cut.parquet"), &bytes[..bytes.len() - 9]).unwrap();
    let e = fails(dir, 1, &format!("{PROBE} --pairs cut.parquet --out x"));
    assert!(e.contains("`cut.parquet`: footer: found another end than `PAR1`"), "{e}");
}

#[test]
fn explanations_are_written_as_a_table_of_typed_columns() {
    let (temp, probe) = feature_probe();
    let dir = temp.path();
    let features: Vec<u8> = (0..40 * 6).map(|i| u8::from(i * i % 7 < 3)).collect();
    write_npy(&probe.join("features.npy"), &[40, 6], &features).unwrap();
    // The last unit never fires.
    let masks: Vec<f32> = (0..40 * 4).map(|i| f32::from(u8::from(i % 4 < 3 && (i * i + i) % 5 < 2))).collect();
    write_npy(&dir.join("acts.npy"), &[40, 4], &masks).unwrap();
    let explain = "explain --probe probe --activations acts.npy --out run";
    ok(dir, explain);
    assert!(!dir.join("run/explanations.parquet").exists(), "on request only");
    // Added to the run that is there, once, and named by its manifest.
    for _ in 0..2 {
        assert!(ok(dir, &format!("{explain} --format parquet")).contains("up to date"));
    }
    ok(dir, "verify run");
    let manifest = json(&dir.join("run/manifest.json"));
    assert_eq!(manifest["added"][0]["command"], "--format parquet");
    ok(dir, &explain.replace("run", "both").replace("explain", "explain --format parquet"));
    let of = |run: &str| fs::read(dir.join(run).join("explanations.parquet")).unwrap();
    assert!(of("run") == of("both"));

    let csv = fs::read_to_string(dir.join("run/explanations.csv")).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let rows: Vec<_> = lines.collect();
    let file = ParquetFile::open(&dir.join("run/explanations.parquet")).unwrap();
    assert_eq!(file.n_rows(), 4);
    for (at, name) in header.iter().enumerate() {
        let Ok(column) = file.column(&[name]) else {
            // Doubles, which are read by other programs.
            assert!(rows.iter().any(|row| row[at].contains('.') || row[at].len() < 2), "{name}");
            continue;
        };
        file.for_each_row::<compexp_files::Error>(&[column], |row, cells| {
            let found = match cells[0] {
                Cell::Null => String::new(),
                Cell::Int(value) => value.to_string(),
                Cell::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            };
            assert_eq!(found, rows[row as usize][at], "{name} of row {row}");
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn pictures_in_parquet_give_the_explanations_of_the_same_files() {
    let Some(voc) = compexp_tests::data("voc") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let files = |folder: &str| {
        let mut paths: Vec<_> = fs::read_dir(voc.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let (images, masks) = (files("images"), files("masks"));
    let bytes =
        |paths: &[std::path::PathBuf]| Values::Bytes(paths.iter().map(|path| Some(fs::read(path).unwrap())).collect());
    let names = images.iter().map(|path| Some(format!("a/{}", path.file_name().unwrap().to_str().unwrap()))).collect();
    // Two shards, of which the second has bytes without names.
    fs::create_dir(dir.join("shards")).unwrap();
    let columns = vec![
        ("image.bytes", bytes(&images[..5])),
        ("image.path", Values::Text(names)),
        ("annotation", bytes(&masks[..5])),
    ];
    let mut first = columns;
    if let Values::Text(names) = &mut first[1].1 {
        names.truncate(5);
    }
    write(&dir.join("shards/0.parquet"), first);
    write(&dir.join("shards/1.parquet"), vec![("image", bytes(&images[5..])), ("label", bytes(&masks[5..]))]);
    let n = images.len();
    assert_eq!(ok(dir, "probe unpack shards --out voc"), format!("{n} pictures in `voc`\n"));
    assert_eq!(ok(dir, "probe unpack shards --out voc"), format!("{n} pictures in `voc`\n"), "again");
    for (folder, originals) in [("images", &images), ("masks", &masks)] {
        let mut found: Vec<_> =
            fs::read_dir(dir.join("voc").join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        found.sort();
        assert_eq!(found.len(), n);
        for (found, original) in found.iter().zip(originals) {
            assert!(fs::read(found).unwrap() == fs::read(original).unwrap(), "{}", found.display());
        }
    }

    let acts: Vec<f32> =
        (0..n * 5 * 64).map(|i| ((i / 64 * 7 + i % 8 * (i / 64 % 3) + i % 64 / 8 * 3) as f32 * 0.37).sin()).collect();
    write_npy(&dir.join("acts.npy"), &[n, 5, 8, 8], &acts).unwrap();
    for (run, root) in [("files", voc.display().to_string()), ("unpacked", "voc".to_owned())] {
        let names = voc.join("names.txt");
        let names = names.display();
        ok(
            dir,
            &format!(
                "explain --mask-dir {root}/masks --images {root}/images --names {names} --activations acts.npy --quantile 0.2 --out {run}"
            ),
        );
    }
    let units = |run: &str| json(&dir.join(run).join("explanations.json"))["units"].clone();
    assert_eq!(units("files"), units("unpacked"));

    fs::write(dir.join("voc/mine"), "").unwrap();
    assert!(fails(dir, 1, "probe unpack shards --out voc").contains("mine`, expected a new or empty folder"));
}

#[test]
fn tables_without_pictures_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let png = || Values::Bytes(vec![Some(b"\x89PNG\r\n\x1a\n".to_vec())]);
    let refused = |columns: Vec<(&str, Values)>, what: &str| {
        write(&dir.join("a.parquet"), columns);
        let e = fails(dir, 1, "probe unpack a.parquet --out out");
        assert!(e.contains(what), "{e}");
        assert!(!dir.join("out").exists());
    };
    refused(vec![("picture", png())], "columns: found columns picture, expected a column `image`");
    refused(vec![("image", png())], "expected a column `annotation` or `segmentation` or `label`");
    refused(
        vec![("image", png()), ("label", Values::Int(vec![Some(3)]))],
        "mask of row 0 (from 0): found the number 3, expected a PNG file",
    );
    refused(
        vec![("image", Values::Bytes(vec![Some(b"P6\n1".to_vec())])), ("label", png())],
        "picture of row 0 (from 0): found first bytes [50, 36, 0a, 31], expected a JPEG, PNG, BMP, GIF, TIFF or WebP file",
    );
    refused(vec![("image", Values::Bytes(vec![None])), ("label", png())], "picture of row 0 (from 0): found null");
    // A name cannot lead out of the folder.
    let odd = Values::Text(vec![Some("../../x y\u{e4}..jpg".to_owned())]);
    write(&dir.join("a.parquet"), vec![("image.bytes", png()), ("image.path", odd), ("annotation", png())]);
    ok(dir, "probe unpack a.parquet --out out");
    let names: Vec<_> = fs::read_dir(dir.join("out/images")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["0000000-x-y--.png"]);
    fs::create_dir(dir.join("empty")).unwrap();
    assert!(fails(dir, 1, "probe unpack empty --out out").contains("`empty`: tables: found none"));
}
