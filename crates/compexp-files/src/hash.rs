//! Hashes of contents, by which an artifact knows what it was made from.

use std::path::Path;

use crate::Result;
use crate::source_file::SourceFile;

/// The bytes read at a time.
const BLOCK: u64 = 1 << 18;

/// A hash of named values and files. Names and values are told apart by their lengths, so that no two lists of fields
/// give the same hash: `ab` = `c` is not `a` = `bc`.
///
/// ```
/// use compexp_files::ContentHash;
///
/// let key = |quantile: f64| {
///     let mut hash = ContentHash::new("thresholds");
///     hash.field("quantile", &quantile.to_bits().to_le_bytes());
///     hash.finish()
/// };
/// assert_eq!(key(0.005), key(0.005));
/// assert_ne!(key(0.005), key(0.01));
/// ```
#[derive(Clone, Debug)]
pub struct ContentHash(blake3::Hasher);

impl ContentHash {
    /// A hash without any field yet; `kind` names what is hashed, so that things of two kinds never share a hash.
    pub fn new(kind: &str) -> Self {
        let mut hash = Self(blake3::Hasher::new());
        hash.field("kind", kind.as_bytes());
        hash
    }

    /// Adds a value.
    pub fn field(&mut self, name: &str, value: &[u8]) -> &mut Self {
        for part in [name.as_bytes(), value] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds the content of the file at `path`; its name is not part of the hash.
    ///
    /// # Errors
    /// As [`hash_file`].
    pub fn file(&mut self, name: &str, path: &Path) -> Result<&mut Self> {
        let content = hash_file(path)?;
        Ok(self.field(name, content.as_bytes()))
    }

    /// The hash: 64 hexadecimal digits.
    pub fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// The hash of a file's content (BLAKE3): 64 hexadecimal digits. The file is streamed.
///
/// # Errors
/// [`crate::Error::Io`], and [`crate::Error::Format`] where the file changes while it is being read.
pub fn hash_file(path: &Path) -> Result<String> {
    let file = SourceFile::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; BLOCK.min(file.len()) as usize];
    let mut at = 0;
    while at < file.len() {
        let block = &mut block[..BLOCK.min(file.len() - at) as usize];
        file.read_at(block, at)?;
        hasher.update(block);
        at += block.len() as u64;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;
    use crate::Error;

    #[test]
    fn a_file_has_the_hash_of_its_content() {
        let scratch = Scratch::new();
        // The published hash of nothing.
        let nothing = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(hash_file(&scratch.write("empty", b"")).unwrap(), nothing);
        let long: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 251) as u8).collect();
        let path = scratch.write("long", &long);
        assert_eq!(hash_file(&path).unwrap(), blake3::hash(&long).to_hex().as_str());
        let e = hash_file(&scratch.path("missing")).unwrap_err();
        assert!(matches!(e, Error::Io { op: "open", .. }), "{e}");
        assert!(hash_file(scratch.dir()).is_err());
    }

    #[test]
    fn different_fields_have_different_hashes() {
        let scratch = Scratch::new();
        let path = scratch.write("f", b"bc");
        let fields: [&[(&str, &str)]; 6] =
            [&[("a", "bc")], &[("ab", "c")], &[("a", "bc"), ("", "")], &[("a", "b"), ("c", "")], &[], &[("", "abc")]];
        let mut hashes: Vec<String> = fields
            .iter()
            .map(|fields| {
                let mut hash = ContentHash::new("k");
                for (name, value) in *fields {
                    hash.field(name, value.as_bytes());
                }
                hash.finish()
            })
            .collect();
        hashes.push(ContentHash::new("other kind").finish());
        hashes.push(ContentHash::new("k").file("a", &path).unwrap().finish());
        let all = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
    }

    #[test]
    fn a_file_is_known_by_content_and_not_by_name() {
        let scratch = Scratch::new();
        let key = |name: &str, bytes: &[u8]| {
            ContentHash::new("k").file("input", &scratch.write(name, bytes)).unwrap().finish()
        };
        assert_eq!(key("a", b"same"), key("b", b"same"));
        assert_ne!(key("a", b"same"), key("a", b"other"));
    }
}
