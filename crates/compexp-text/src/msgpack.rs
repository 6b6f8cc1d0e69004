//! Reads MessagePack, the format of spaCy's model folders, in place: texts and bytes stay in the file's buffer.
//!
//! Values cost far more memory than the bytes that declare them, so their number is limited, and so is their depth; every
//! declared length is checked against the bytes that are left.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The largest file that is read, in bytes: the small English model's largest has 6.3 million.
pub(crate) const MAX_FILE: u64 = 1 << 28;

/// The most values in one file (about 40 bytes each): the lemmatizer's tables hold 113 thousand.
const MAX_VALUES: usize = 4_000_000;

/// The deepest nesting.
const MAX_DEPTH: usize = 32;

/// The bytes of a file, with its path for messages.
pub(crate) struct Packed {
    pub(crate) path: PathBuf,
    bytes: Vec<u8>,
}

impl Packed {
    /// Reads a file of at most 256 MiB.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), bytes: compexp_files::read_bytes(path, MAX_FILE)? })
    }

    /// The one value of the file.
    pub(crate) fn value(&self) -> Result<Value<'_>> {
        read(&self.bytes).map_err(|(at, problem)| {
            let expected = "one value of MessagePack, as spaCy 3 writes it: is the file whole?";
            Error::format(&self.path, format!("byte {at}"), problem, expected)
        })
    }

    /// An error about a part of the file.
    pub(crate) fn error(&self, field: impl Into<String>, found: impl Into<String>, expected: &str) -> Error {
        Error::format(&self.path, field, found, expected)
    }

    /// An error about a part of the file that is missing or of another kind.
    pub(crate) fn missing(&self, field: impl Into<String>, expected: &str) -> Error {
        self.error(field, "nothing of that kind", expected)
    }
}

/// A value of MessagePack.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    /// An integer beyond `i64`: spaCy's hashes.
    Big(u64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The value under a key of a map, which may be text or bytes.
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(k, _)| k.bytes() == Some(key.as_bytes())).map(|(_, value)| value)
    }

    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Value<'a>]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    pub(crate) fn map(&self) -> Option<&[(Value<'a>, Value<'a>)]> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// A hash: any non-negative integer.
    pub(crate) fn hash(&self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(*value).ok(),
            Self::Big(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn size(&self) -> Option<usize> {
        self.hash().and_then(|value| usize::try_from(value).ok())
    }
}

/// Reads a buffer that holds one value; on failure, the place and the problem.
pub(crate) fn read(bytes: &[u8]) -> Result<Value<'_>, (usize, String)> {
    let mut reader = Reader { bytes, at: 0, values: 0 };
    let value = reader.value(0).map_err(|problem| (reader.at, problem))?;
    if reader.at != bytes.len() {
        return Err((reader.at, format!("{} bytes more", bytes.len() - reader.at)));
    }
    Ok(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let left = self.bytes.len() - self.at;
        if n > left {
            return Err(format!("a length of {n} with {left} bytes left"));
        }
        let taken = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(taken)
    }

    /// A big-endian number of `n` bytes.
    fn number(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.take(n)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn length(&mut self, n: usize) -> Result<usize, String> {
        // At most 4 bytes: fits where an address does, and is checked against the rest in any case.
        Ok(usize::try_from(self.number(n)?).unwrap_or(usize::MAX))
    }

    fn text(&mut self, n: usize) -> Result<Value<'a>, String> {
        let bytes = self.take(n)?;
        std::str::from_utf8(bytes).map(Value::Text).map_err(|_| "a text that is not UTF-8".into())
    }

    fn list(&mut self, n: usize, depth: usize) -> Result<Value<'a>, String> {
        let left = self.bytes.len() - self.at;
        if n > left {
            return Err(format!("a list of {n} with {left} bytes left"));
        }
        (0..n).map(|_| self.value(depth + 1)).collect::<Result<_, _>>().map(Value::List)
    }

    fn map(&mut self, n: usize, depth: usize) -> Result<Value<'a>, String> {
        let left = self.bytes.len() - self.at;
        if n > left / 2 {
            return Err(format!("a map of {n} with {left} bytes left"));
        }
        let entries = (0..n).map(|_| Ok((self.value(depth + 1)?, self.value(depth + 1)?)));
        entries.collect::<Result<_, _>>().map(Value::Map)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} values"));
        }
        if depth > MAX_DEPTH {
            return Err(format!("values nested more than {MAX_DEPTH} deep"));
        }
        let integer = |value: u64| i64::try_from(value).map_or(Value::Big(value), Value::Int);
        let tag = self.take(1)?[0];
        match tag {
            0x00..=0x7f => Ok(Value::Int(i64::from(tag))),
            0x80..=0x8f => self.map(usize::from(tag & 0x0f), depth),
            0x90..=0x9f => self.list(usize::from(tag & 0x0f), depth),
            0xa0..=0xbf => self.text(usize::from(tag & 0x1f)),
            0xc0 => Ok(Value::Nil),
            0xc2 | 0xc3 => Ok(Value::Bool(tag == 0xc3)),
            0xc4..=0xc6 => {
                let n = self.length(1 << (tag - 0xc4))?;
                self.take(n).map(Value::Bytes)
            }
            0xca => Ok(Value::Float(f64::from(f32::from_bits(self.number(4)? as u32)))),
            0xcb => Ok(Value::Float(f64::from_bits(self.number(8)?))),
            0xcc..=0xcf => self.number(1 << (tag - 0xcc)).map(integer),
            0xd0 => Ok(Value::Int(i64::from(self.number(1)? as i8))),
            0xd1 => Ok(Value::Int(i64::from(self.number(2)? as i16))),
            0xd2 => Ok(Value::Int(i64::from(self.number(4)? as i32))),
            0xd3 => Ok(Value::Int(self.number(8)? as i64)),
            0xd9..=0xdb => {
                let n = self.length(1 << (tag - 0xd9))?;
                self.text(n)
            }
            0xdc | 0xdd => {
                let n = self.length(if tag == 0xdc { 2 } else { 4 })?;
                self.list(n, depth)
            }
            0xde | 0xdf => {
                let n = self.length(if tag == 0xde { 2 } else { 4 })?;
                self.map(n, depth)
            }
            0xe0..=0xff => Ok(Value::Int(i64::from(tag as i8))),
            // 0xc1 is never used; the rest are extension types.
            _ => Err(format!("the tag {tag:#04x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_read() {
        for (bytes, expected) in [
            (&[0x07][..], Value::Int(7)),
            (&[0xff], Value::Int(-1)),
            (&[0xc0], Value::Nil),
            (&[0xc3], Value::Bool(true)),
            (&[0xcd, 0x01, 0x02], Value::Int(258)),
            (&[0xcf, 0xff, 0, 0, 0, 0, 0, 0, 1], Value::Big(0xff00_0000_0000_0001)),
            (&[0xd0, 0x80], Value::Int(-128)),
            (&[0xd1, 0xff, 0xfe], Value::Int(-2)),
            (&[0xca, 0x3f, 0xc0, 0, 0], Value::Float(1.5)),
            (&[0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], Value::Float(1.5)),
            (&[0xa2, b'a', b'b'], Value::Text("ab")),
            (&[0xd9, 0x01, b'a'], Value::Text("a")),
            (&[0xc4, 0x02, 0xff, 0xfe], Value::Bytes(&[0xff, 0xfe])),
            (&[0x92, 0x01, 0xc2], Value::List(vec![Value::Int(1), Value::Bool(false)])),
            (&[0xdc, 0, 1, 0x01], Value::List(vec![Value::Int(1)])),
            (&[0x81, 0xc4, 1, b'k', 0x05], Value::Map(vec![(Value::Bytes(b"k"), Value::Int(5))])),
            (&[0xde, 0, 1, 0xa1, b'k', 0x05], Value::Map(vec![(Value::Text("k"), Value::Int(5))])),
        ] {
            assert_eq!(read(bytes).as_ref(), Ok(&expected), "{bytes:02x?}");
        }
        assert_eq!(read(&[0x81, 0xc4, 1, b'k', 0x05]).unwrap().get("k"), Some(&Value::Int(5)));
    }

    #[test]
    fn hostile_files_are_refused_at_once() {
        let bomb = vec![0x91; 1000];
        for (bytes, what) in [
            (&[][..], "0 bytes left"),
            (&[0xc1], "0xc1"),
            (&[0x01, 0x02], "1 bytes more"),
            (&[0xa5, b'a'], "1 bytes left"),
            (&[0xa1, 0xff], "UTF-8"),
            (&[0xdd, 0xff, 0xff, 0xff, 0xff], "a list of 4294967295"),
            (&[0xdf, 0xff, 0xff, 0xff, 0xff, 0, 0], "a map of 4294967295"),
            (&[0xc6, 0xff, 0xff, 0xff, 0xff, 0], "a length of 4294967295"),
            (&bomb, "nested"),
        ] {
            let (_, problem) = read(bytes).unwrap_err();
            assert!(problem.contains(what), "{bytes:02x?}: {problem}");
        }
        // Each byte a value: the number of values is what is limited.
        let mut many = vec![0xdd];
        many.extend(5_000_000u32.to_be_bytes());
        many.extend(vec![0u8; 5_000_000]);
        assert!(read(&many).unwrap_err().1.contains("more than"));
    }
}
