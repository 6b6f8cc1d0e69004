//! Text files line by line: numbered from 1, UTF-8, bounded in length, with either line ending. A file that begins as those
//! of gzip do is decompressed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

pub use compexp_files::excerpt;
use compexp_files::{SourceFile, line_text, mark_len};
use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// The longest line that is read, in bytes: far above any sentence with its annotation and any word with its vector.
const MAX_LINE: usize = 1 << 20;

/// How files of gzip begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Calls `each` with the number (from 1) and the text of every line of `path`, line endings and a byte order mark
/// removed.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`] if a line is not UTF-8 or
/// longer than 1 MiB; any error of `each`.
pub fn for_each_line<E: From<Error>>(path: &Path, mut each: impl FnMut(usize, &str) -> Result<(), E>) -> Result<(), E> {
    let file = SourceFile::open(path).map_err(Error::from)?;
    let mut reader = file.reader();
    let packed = reader.fill_buf().map_err(Error::io("read", path))?.starts_with(&GZIP);
    let mut reader: Box<dyn BufRead> =
        if packed { Box::new(BufReader::new(MultiGzDecoder::new(reader))) } else { Box::new(reader) };
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let limit = MAX_LINE as u64 + 1;
        if (&mut reader).take(limit).read_until(b'\n', &mut bytes).map_err(Error::io("read", path))? == 0 {
            break;
        }
        if bytes.len() > MAX_LINE {
            let expected = format!("at most {MAX_LINE} bytes: is this a text file?");
            return Err(Error::format(path, format!("line {number}"), "a longer line", expected).into());
        }
        let mut line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if number == 1 {
            line = &line[mark_len(path, line).map_err(Error::from)?..];
        }
        each(number, line_text(path, number, line).map_err(Error::from)?)?;
    }
    Ok(())
}

/// An [`compexp_files::Error::Format`] about a line.
pub fn line_error(path: &Path, number: usize, found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::format(path, format!("line {number}"), found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &[u8]) -> Result<Vec<(usize, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, content).unwrap();
        let mut found = Vec::new();
        for_each_line::<Error>(&path, |n, line| {
            found.push((n, line.to_owned()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn either_line_ending_and_a_missing_last_one_are_read() {
        let found = lines("\u{feff}a b\r\n\nlast".as_bytes()).unwrap();
        assert_eq!(found, [(1, "a b".into()), (2, String::new()), (3, "last".into())]);
    }

    #[test]
    fn compressed_text_is_read_and_a_cut_file_refused() {
        let text: String = (0..5000).map(|i| format!("line {i}\n")).collect();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let found = lines(&packed).unwrap();
        assert_eq!((found.len(), found[4999].1.as_str()), (5000, "line 4999"));
        assert!(lines(&packed[..packed.len() / 2]).is_err());
    }

    #[test]
    fn bytes_and_endless_lines_are_refused_with_their_number() {
        let error = lines(b"fine\n\xff\xfe\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
        let error = lines(&vec![b'x'; MAX_LINE + 10]).unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("longer"), "{error}");
        assert_eq!(lines(&[&vec![b'x'; MAX_LINE - 1][..], b"\n"].concat()).unwrap().len(), 1);
    }
}
