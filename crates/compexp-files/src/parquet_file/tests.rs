//! Parquet files against what was written, and damaged ones.

use std::path::Path;

use compexp_tests::files::Scratch;

use super::*;

/// All rows of these columns, each value as text.
fn rows(path: &Path, names: &[&str]) -> Result<Vec<Vec<String>>> {
    let file = ParquetFile::open(path)?;
    let columns: Vec<ParquetColumn> = names.iter().map(|name| file.column(&[name])).collect::<Result<_>>()?;
    let mut all = Vec::new();
    file.for_each_row::<crate::Error>(&columns, |row, cells| {
        assert_eq!(row, all.len() as u64);
        all.push(cells.iter().map(shown).collect());
        Ok(())
    })?;
    assert_eq!(file.n_rows(), all.len() as u64);
    Ok(all)
}

fn shown(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".into(),
        Cell::Int(value) => value.to_string(),
        Cell::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What `write_parquet` is given, and the rows that come of it.
fn table(n: usize) -> (Vec<(String, Values)>, Vec<Vec<String>>) {
    let text = |i: usize| (i % 7 != 3).then(|| format!("text {}", i * i % 101));
    let int = |i: usize| (i % 5 != 1).then_some(i as i64 - 40);
    let bytes = |i: usize| (i % 11 != 2).then(|| vec![b'a' + (i % 26) as u8; i % 300]);
    let columns = vec![
        ("text".to_owned(), Values::Text((0..n).map(text).collect())),
        ("image.bytes".to_owned(), Values::Bytes((0..n).map(bytes).collect())),
        ("image.path".to_owned(), Values::Text((0..n).map(|i| Some(format!("{i}.png"))).collect())),
        ("n".to_owned(), Values::Int((0..n).map(int).collect())),
    ];
    let show = |value: Option<String>| value.unwrap_or_else(|| "null".into());
    let expected = (0..n).map(|i| {
        let image = bytes(i).map(|v| String::from_utf8(v).unwrap());
        vec![show(int(i).map(|v| v.to_string())), show(text(i)), show(image)]
    });
    (columns, expected.collect())
}

#[test]
fn what_is_written_is_read() {
    let scratch = Scratch::new();
    for n in [0, 1, 64, 500] {
        let path = scratch.path(&format!("{n}.parquet"));
        let (columns, expected) = table(n);
        write_parquet(&path, &columns).unwrap();
        assert!(is_parquet(&path).unwrap());
        assert_eq!(rows(&path, &["n", "text", "image"]).unwrap(), expected);
        let file = ParquetFile::open(&path).unwrap();
        assert!(file.within("image", "path").unwrap().is_some() && file.within("image", "size").unwrap().is_none());
    }
}

#[test]
fn numbers_are_written_as_doubles() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let scratch = Scratch::new();
    let values = [Some(0.1), None, Some(-1e300), Some(f64::MIN_POSITIVE)];
    write_parquet(&scratch.path("a"), &[("x".to_owned(), Values::Float(values.to_vec()))]).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(scratch.path("a")).unwrap()).unwrap();
    for (row, value) in reader.get_row_iter(None).unwrap().zip(values) {
        let row = row.unwrap();
        let (name, field) = row.get_column_iter().next().unwrap();
        assert_eq!((name.as_str(), field), ("x", &value.map_or(Field::Null, Field::Double)));
    }
}

#[test]
fn files_of_another_writer_are_read() {
    // `tests/golden/parquet/make.py` wrote them by pyarrow.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/parquet");
    let expected: Vec<Vec<String>> = (0..200)
        .map(|i| {
            let text = if i % 9 == 4 { "null".to_owned() } else { format!("sentence {}", i % 13) };
            let image = if i % 17 == 5 { "null".to_owned() } else { format!("bytes {i}") };
            vec![text, (i % 4 - 1).to_string(), (i * 3).to_string(), image]
        })
        .collect();
    for name in ["snappy", "zstd", "plain", "pages-v2"] {
        let found = rows(&golden.join(format!("{name}.parquet")), &["text", "label", "small", "image"]);
        assert!(found.unwrap() == expected, "{name}");
    }
    let refused = |name: &str, columns: &[&str], what: &str| {
        let e = rows(&golden.join(format!("{name}.parquet")), columns).unwrap_err().to_string();
        assert!(e.contains(what), "{name}: {e}");
    };
    refused("gzip", &["text"], "column `text`, row group 0");
    refused("delta", &["text"], "DELTA_LENGTH_BYTE_ARRAY");
    refused("snappy", &["list"], "column `list`: found a list");
    refused(
        "snappy",
        &["number"],
        "column `number`: found values of type DOUBLE, expected whole numbers, texts or bytes",
    );
    refused(
        "snappy",
        &["premise"],
        "columns: found columns text, label, small, image, list, number, expected a column `premise`",
    );
    refused("snappy", &["Text"], "found the column `text`, expected `Text`");
}

#[test]
fn what_is_no_parquet_file_is_named() {
    let scratch = Scratch::new();
    assert!(!is_parquet(&scratch.write("a", b"PAR")).unwrap());
    assert!(!is_parquet(&scratch.write("b", b"label\tpremise")).unwrap());
    assert!(is_parquet(&scratch.path("none")).is_err());
    for (bytes, what) in [
        (&b"PAR1"[..], "found 4 bytes"),
        (b"PAR1 and more text", "another end than `PAR1`"),
        (b"PAR1\xff\xff\xff\x0fPAR1", "found 268435455 bytes in a file of 12"),
        (b"PAR1\xff\xff\xff\xffPAR1", "found 4294967295 bytes in a file of 12"),
        (b"PAR1\0\0\0\0PAR1", "footer: found"),
    ] {
        let e = ParquetFile::open(&scratch.write("a", bytes)).unwrap_err().to_string();
        assert!(e.contains(what) && e.contains("a`: footer: "), "{e}");
    }
    let unequal = [("a".to_owned(), Values::Int(vec![None])), ("b".to_owned(), Values::Int(vec![]))];
    let e = write_parquet(&scratch.path("c"), &unequal).unwrap_err().to_string();
    assert_eq!(e, "values of the column `b`: found 0, expected 1");
}

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn damaged_files_give_an_error_or_what_their_bytes_say() {
    let scratch = Scratch::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/parquet");
    let own = scratch.path("own.parquet");
    write_parquet(&own, &table(120).0).unwrap();
    let files = [
        (own, ["n", "text", "image"]),
        (golden.join("snappy.parquet"), ["text", "label", "image"]),
        (golden.join("pages-v2.parquet"), ["text", "small", "image"]),
        (golden.join("zstd.parquet"), ["text", "small", "image"]),
    ];
    let many = 300;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (path, columns) in &files {
        let whole = std::fs::read(path).unwrap();
        let expected = rows(path, columns).unwrap();
        let mut errors = 0;
        for trial in 0..many {
            let mut bytes = whole.clone();
            match trial % 3 {
                0 => bytes.truncate(random.below(whole.len())),
                // Anywhere, or in the footer, where sizes are.
                1 => {
                    let at = random.below(whole.len());
                    bytes[at] ^= 1 << random.below(8);
                }
                _ => {
                    for _ in 0..1 + random.below(4) {
                        let at = whole.len() - 1 - random.below(whole.len().min(900));
                        bytes[at] = [0, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(5)];
                    }
                }
            }
            let damaged = scratch.write("damaged", &bytes);
            match rows(&damaged, columns) {
                Ok(found) => assert!(trial % 3 != 0 && found.len() <= 100 * expected.len(), "trial {trial}"),
                Err(crate::Error::Format { .. }) => errors += 1,
                Err(other) => panic!("trial {trial}: {other}"),
            }
        }
        assert!(errors > many / 3, "{errors} errors");
    }
}
