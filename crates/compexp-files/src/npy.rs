//! The header of NumPy's `.npy` files, versions 1.0 to 3.0.
//!
//! The header is a Python dictionary of three entries. It is read by hand: the parser that `npyz` brings accepts any
//! Python literal, and backtracks so that its time doubles with every nested bracket (6 s for twenty).

use std::path::Path;

use crate::dtype::Dtype;
use crate::{Error, Result};

/// What every `.npy` file starts with.
pub const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The longest header that is read. NumPy itself refuses more than 10,000 bytes unless told otherwise.
const MAX_HEADER: u64 = 1 << 16;

/// What a header says, and where the data starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of the elements.
    pub dtype: Dtype,
    /// Whether their bytes come highest first.
    pub big_endian: bool,
    /// Whether the first index changes fastest.
    pub fortran_order: bool,
    /// The sizes.
    pub shape: Vec<usize>,
    /// Where the data starts, in bytes.
    pub offset: u64,
}

/// Reads the header of `len` bytes that start with [`MAGIC`], which `read_at` gives by their position. `path` is the file that
/// they are in, and `dtypes` are the element types that its reader takes, in words.
pub(crate) fn read_header(
    path: &Path,
    len: u64,
    read_at: &dyn Fn(&mut [u8], u64) -> Result<()>,
    dtypes: &str,
) -> Result<Header> {
    let error = |field: &str, found: String, expected: &str| Error::format(path, field, found, expected);
    let all = len;
    let cut =
        |needed: u64| error("length", format!("{all} bytes"), &format!("at least {needed} bytes, for the header"));
    let mut preamble = [0; 12];
    if all < 12 {
        return Err(cut(12));
    }
    read_at(&mut preamble, 0)?;
    let [.., major, minor, l0, l1, l2, l3] = preamble;
    let (len, start) = match (major, minor) {
        (1, 0) => (u64::from(u16::from_le_bytes([l0, l1])), 10),
        (2 | 3, 0) => (u64::from(u32::from_le_bytes([l0, l1, l2, l3])), 12),
        _ => return Err(error("version", format!("{major}.{minor}"), "1.0, 2.0 or 3.0")),
    };
    if len > MAX_HEADER {
        return Err(error("header length", format!("{len} bytes"), &format!("at most {MAX_HEADER} bytes")));
    }
    if start + len > all {
        return Err(cut(start + len));
    }
    let mut text = vec![0; len as usize];
    read_at(&mut text, start)?;
    let dict = Parser { text: &text, at: 0 }.dict().map_err(|(at, expected)| {
        let shown: String = String::from_utf8_lossy(&text[at.min(text.len())..]).chars().take(24).collect();
        error("header", format!("`{}` at byte {at}", shown.trim_end()), expected)
    })?;

    let known = &format!("{dtypes}: convert the array with `.astype(...)`");
    let Some(descr) = dict.descr else { return Err(error("dtype", "a structured type".into(), known)) };
    let (order, code) = match descr.as_bytes() {
        [order @ (b'<' | b'>' | b'|'), _, ..] => (*order, &descr[1..]),
        _ => return Err(error("dtype", format!("`{descr}`"), known)),
    };
    let Some(dtype) = Dtype::from_npy(order, code).filter(|d| order != b'|' || d.size() == 1) else {
        let kind = match code.as_bytes() {
            [b'O', ..] => return Err(error("dtype", "Python objects".into(), known)),
            b"u8" => " (whole numbers of 64 bits without a sign)",
            [b'c', ..] => " (complex numbers)",
            [b'U' | b'S', ..] => " (texts)",
            [b'M' | b'm', ..] => " (dates or times)",
            _ => "",
        };
        return Err(error("dtype", format!("`{descr}`{kind}"), known));
    };
    let (big_endian, fortran_order) = (order == b'>', dict.fortran_order);
    Ok(Header { dtype, big_endian, fortran_order, shape: dict.shape, offset: start + len })
}

/// The bytes of a version 1.0 header for little-endian elements of type `descr` in C order, padded as NumPy does so
/// that the data starts at a multiple of 64 bytes.
pub fn header_bytes(descr: &str, shape: &[usize]) -> Vec<u8> {
    let dims: String = shape.iter().map(|d| format!("{d}, ")).collect();
    let dims = if shape.len() == 1 { dims.trim_end() } else { dims.trim_end_matches(", ") };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}), }}");
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.extend(std::iter::repeat_n(' ', padded - 1 - text.len()));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// The entries of the dictionary; `descr` is absent where it is not a string, hence a structured type.
struct Dict {
    descr: Option<String>,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// Where the text cannot be read, and what is expected there.
type ParseError = (usize, &'static str);

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn dict(mut self) -> Result<Dict, ParseError> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{', "a dictionary `{...}`")?;
        while !self.eat(b'}') {
            let at = self.at;
            let key = self.string()?;
            self.expect(b':', "`:` after a key")?;
            let fresh = match key.as_str() {
                "descr" if self.peek() == Some(b'[') => {
                    // A list of fields: nobody reads the rest.
                    return Ok(Dict { descr: None, fortran_order: false, shape: vec![] });
                }
                "descr" => descr.replace(self.string()?).is_none(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_none(),
                "shape" => shape.replace(self.shape()?).is_none(),
                _ => false,
            };
            if !fresh {
                return Err((at, "the keys 'descr', 'fortran_order' and 'shape', once each"));
            }
            if !self.eat(b',') && self.peek() != Some(b'}') {
                return Err((self.at, "`,` or `}` after a value"));
            }
        }
        if self.peek().is_some() {
            return Err((self.at, "nothing after the dictionary"));
        }
        let missing = (self.at, "the keys 'descr', 'fortran_order' and 'shape', once each");
        Ok(Dict {
            descr: Some(descr.ok_or(missing)?),
            fortran_order: fortran_order.ok_or(missing)?,
            shape: shape.ok_or(missing)?,
        })
    }

    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { Err((self.at, expected)) }
    }

    /// A string in single or double quotes; none of those asked for holds an escape.
    fn string(&mut self) -> Result<String, ParseError> {
        let error = (self.at, "a plain string in quotes");
        let quote = self.peek().filter(|b| matches!(b, b'\'' | b'"')).ok_or(error)?;
        let rest = &self.text[self.at + 1..];
        let len = rest.iter().position(|&b| b == quote).ok_or(error)?;
        self.at += len + 2;
        let text = std::str::from_utf8(&rest[..len]).map_err(|_| error)?;
        if text.contains('\\') || !text.is_ascii() { Err(error) } else { Ok(text.to_owned()) }
    }

    fn boolean(&mut self) -> Result<bool, ParseError> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err((self.at, "`True` or `False`"))
    }

    fn shape(&mut self) -> Result<Vec<usize>, ParseError> {
        let mut shape = vec![];
        self.expect(b'(', "a shape `(...)`")?;
        while !self.eat(b')') {
            self.peek();
            let digits = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
            let number = std::str::from_utf8(&self.text[self.at..self.at + digits]).ok().and_then(|t| t.parse().ok());
            shape.push(number.ok_or((self.at, "a dimension: a number that is not negative and fits this machine"))?);
            self.at += digits;
            // Python 2 wrote long integers as `3L`.
            self.eat(b'L');
            if !self.eat(b',') && self.peek() != Some(b')') {
                return Err((self.at, "`,` or `)` after a dimension"));
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::{Scratch, npy_with_header};

    use super::*;

    fn read(bytes: &[u8]) -> Result<Header> {
        let scratch = Scratch::new();
        let file = crate::SourceFile::open(&scratch.write("a.npy", bytes))?;
        read_header(file.path(), file.len(), &|buf, at| file.read_at(buf, at), "f32")
    }

    fn header(text: &str) -> Result<Header> {
        read(&npy_with_header(1, text, b""))
    }

    #[test]
    fn headers_of_all_versions_and_spellings_are_read() {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n";
        for (version, offset) in [(1, 10), (2, 12), (3, 12)] {
            let h = read(&npy_with_header(version, text, b"")).unwrap();
            let offset = offset + text.len() as u64;
            let expected =
                Header { dtype: Dtype::F32, big_endian: false, fortran_order: false, shape: vec![2, 3], offset };
            assert_eq!(h, expected, "version {version}");
        }
        let h = header("{\"shape\":(5,),\"fortran_order\":True,\"descr\":\">i2\"}").unwrap();
        assert_eq!((h.dtype, h.big_endian, h.fortran_order, h.shape), (Dtype::I16, true, true, vec![5]));
        let h = header("{'descr': '|b1', 'fortran_order': False, 'shape': (3L, 4L)}").unwrap();
        assert_eq!((h.dtype, h.shape), (Dtype::Bool, vec![3, 4]), "Python 2 wrote long integers");
        assert_eq!(header("{'descr': '|u1', 'fortran_order': False, 'shape': ()}").unwrap().shape, [0; 0]);
        let bf16 = header("{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}").unwrap();
        assert_eq!(bf16.dtype, Dtype::Bf16, "as ml_dtypes writes it");
    }

    #[test]
    fn written_headers_are_read_back_and_aligned() {
        for shape in [vec![], vec![7], vec![2, 3], vec![1, 22210, 512, 7, 7]] {
            let bytes = header_bytes("<f4", &shape);
            assert_eq!(bytes.len() % 64, 0);
            let h = read(&[&bytes[..], &[0; 4]].concat()).unwrap();
            assert_eq!((h.shape, h.dtype, h.offset), (shape, Dtype::F32, bytes.len() as u64));
        }
    }

    #[test]
    fn broken_headers_are_refused() {
        let entries = |descr: &str, order: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
        };
        let (f4, no, one) = ("'<f4'", "False", "(1,)");
        for (text, field) in [
            (entries("'|O'", no, one), "dtype: found Python objects"),
            (entries("[('a', '<f4'), ('b', '|O')]", no, one), "dtype: found a structured type"),
            (entries("'<c8'", no, one), "dtype: found `<c8`"),
            (entries("'|V2'", no, one), "dtype: found `|V2`"),
            (entries("'|f4'", no, one), "dtype: found `|f4`"),
            (entries("'<u8'", no, one), "dtype: found `<u8`"),
            (entries("'<U3'", no, one), "dtype: found `<U3`"),
            (entries("'f4'", no, one), "dtype: found `f4`"),
            (entries("''", no, one), "dtype: found ``"),
            (entries("'<'", no, one), "dtype: found `<`"),
            (entries("'<f4", no, one), "header: found"),
            (entries(f4, "Maybe", one), "header: found `Maybe"),
            (entries(f4, no, "(-1,)"), "header: found `-1"),
            (entries(f4, no, "(1 2)"), "header: found `2)"),
            (entries(f4, no, "(99999999999999999999,)"), "header: found `99999999999999999999"),
            (entries(f4, no, "[1]"), "header: found `[1]"),
            (entries(f4, no, "(1,"), "header: found"),
            (entries(f4, no, one) + "x", "header: found `x` at byte"),
            ("{'descr': '<f4', 'shape': (1,)}".into(), "header: found"),
            (
                "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}".into(),
                "header: found `'descr'",
            ),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}".into(), "header: found `'more'"),
            ("  ".into(), "header: found"),
            ("[".repeat(60_000), "header: found"),
            ("{'descr':".repeat(7_000), "header: found"),
            ("\u{e9}".repeat(10), "header: found"),
        ] {
            let shown: String = text.chars().take(80).collect();
            let e = header(&text).expect_err(&shown).to_string();
            assert!(e.contains(field), "{shown}: {e}");
        }
    }

    #[test]
    fn absurd_header_lengths_are_refused_before_anything_is_allocated() {
        let preamble = |version: u8, len: &[u8]| [&MAGIC[..], &[version, 0], len, &[b' '; 20]].concat();
        for (bytes, field) in [
            (preamble(1, &[0xff, 0xff]), "length: found 30 bytes, expected at least 65545"),
            (preamble(2, &[0xff; 4]), "header length: found 4294967295 bytes"),
            (preamble(3, &[0, 0, 1, 0]), "length: found 32 bytes"),
            (preamble(4, &[1, 0, 0, 0]), "version: found 4.0"),
            (preamble(0, &[1, 0, 0, 0]), "version: found 0.0"),
            (MAGIC.to_vec(), "length: found 6 bytes"),
        ] {
            let e = read(&bytes).unwrap_err().to_string();
            assert!(e.contains(field), "{e}");
        }
    }
}
