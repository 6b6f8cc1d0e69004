//! The one way from the bytes of a file to its text: UTF-8, without the byte order mark that some editors put first.

use std::path::Path;

use crate::{Error, Result};

/// What some editors put before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes at the start of a file are a byte order mark.
///
/// # Errors
/// `Error::Format` if it is the mark of UTF-16 or UTF-32.
pub fn mark_len(path: &Path, bytes: &[u8]) -> Result<usize> {
    let other = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ => return Ok(if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }),
    };
    Err(Error::format(path, "encoding", other, "UTF-8: save the text as UTF-8"))
}

/// The text of a line, which is numbered from 1.
///
/// # Errors
/// `Error::Format` with the place of the first byte that is not UTF-8.
pub fn line_text<'a>(path: &Path, number: usize, line: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(line).map_err(|e| {
        let at = e.valid_up_to();
        let found = format!("an invalid byte at {at} (0x{:02x})", line[at]);
        Error::format(path, format!("line {number}"), found, "UTF-8 text: convert the file first")
    })
}

/// The text of a whole file, without a byte order mark.
///
/// # Errors
/// `Error::Format` if it is not UTF-8, with the place of the first byte that is not.
pub fn text_of(path: &Path, mut bytes: Vec<u8>) -> Result<String> {
    bytes.drain(..mark_len(path, &bytes)?);
    String::from_utf8(bytes).or_else(|e| {
        let (at, bytes) = (e.utf8_error().valid_up_to(), e.as_bytes());
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length);
        let number = 1 + bytes[..start].iter().filter(|byte| **byte == b'\n').count();
        line_text(path, number, &bytes[start..end]).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, String> {
        text_of(Path::new("a"), bytes.to_vec()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_mark_goes_and_what_is_not_utf_8_is_told_with_its_place() {
        assert_eq!(text(b"\xef\xbb\xbfTwo\n").as_deref(), Ok("Two\n"));
        assert_eq!(text(b"").as_deref(), Ok(""));
        for (bytes, name) in [(&b"\xff\xfeT\0"[..], "UTF-16"), (b"\xfe\xff\0T", "UTF-16"), (b"\xff\xfe\0\0", "UTF-32")]
        {
            let e = text(bytes).unwrap_err();
            assert_eq!(e, format!("`a`: encoding: found {name}, expected UTF-8: save the text as UTF-8"));
        }
        let e = text(b"fine\nab\xe9\nc").unwrap_err();
        assert!(e.starts_with("`a`: line 2: found an invalid byte at 2 (0xe9), expected UTF-8"), "{e}");
    }
}
