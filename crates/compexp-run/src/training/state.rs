//! The state file: safetensors with the values, and one entry of metadata with everything else.
//!
//! The entry `compexp-training` is 64 hexadecimal digits, a blank, and the place as JSON. The digits are the BLAKE3 hash
//! of the whole file with these digits as zeros.

use std::collections::HashMap;
use std::path::Path;

use compexp_files::{ContentHash, SourceFile, write_bytes};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::{Outcome, Plan, Row, Score, Values};
use crate::{Error, Result};

/// The entry of the metadata.
const ENTRY: &str = "compexp-training";
/// How the entry begins in the file.
const MARK: &[u8] = b"\"compexp-training\":\"";
/// Digits of a hash.
const DIGITS: usize = 64;
/// What the state file's form is called.
const VERSION: u32 = 2;
/// What to do about a state that is of no use.
const HINT: &str = "remove it, or give another folder, to start anew";

/// Where a training is, without its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Place<R> {
    version: u32,
    /// Hash of everything the training was made from.
    fingerprint: String,
    /// Steps done.
    pub(super) step: u64,
    /// The epoch that is under way, from 0, and its steps done.
    pub(super) epoch: usize,
    pub(super) batch: usize,
    /// Sums over the epoch's examples so far.
    pub(super) score: Score,
    pub(super) curves: Vec<R>,
    /// The best epoch, from 0.
    pub(super) best: Option<usize>,
    /// Hash of the file that holds its values.
    pub(super) kept: Option<String>,
}

impl<R: Row> Place<R> {
    /// The beginning.
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        Self {
            version: VERSION,
            fingerprint: plan.fingerprint.clone(),
            step: 0,
            epoch: 0,
            batch: 0,
            score: Score::default(),
            curves: Vec::new(),
            best: None,
            kept: None,
        }
    }

    pub(super) fn outcome(self, finished: bool) -> Outcome<R> {
        Outcome { curves: self.curves, best: self.best, finished }
    }

    /// Writes the state; the file is whole or absent.
    pub(super) fn save(&self, values: &Values, path: &Path) -> Result<()> {
        let fail = |e: &dyn std::fmt::Display| Error::mismatch("state of a training", e, "one that can be written");
        let place = serde_json::to_string(self).map_err(|e| fail(&e))?;
        let bytes: Vec<Vec<u8>> =
            values.values().map(|values| values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
        let mut views = Vec::new();
        for (name, bytes) in values.keys().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map_err(|e| fail(&e))?;
            views.push((name, view));
        }
        let entry = HashMap::from([(ENTRY.to_owned(), format!("{} {place}", "0".repeat(DIGITS)))]);
        let mut file = serialize(views, Some(entry)).map_err(|e| fail(&e))?;
        let at = digits(&file).ok_or_else(|| fail(&"no metadata"))?;
        let hash = hash(&file);
        file[at..at + DIGITS].copy_from_slice(hash.as_bytes());
        Ok(write_bytes(path, &file)?)
    }

    /// Reads a state of the same training as `self`, and gives its values.
    pub(super) fn load(&mut self, path: &Path) -> Result<Values> {
        let wrong = |found: String, expected: &str| {
            Error::format(path, "state of a training", found, format!("{expected}; {HINT}"))
        };
        let source = SourceFile::open(path)?;
        let mut file = vec![0; usize::try_from(source.len()).map_err(|e| wrong(e.to_string(), "a smaller file"))?];
        source.read_at(&mut file, 0)?;
        let Some(at) = digits(&file) else {
            return Err(wrong(format!("no `{ENTRY}`"), "a state that this version wrote"));
        };
        let stated = file[at..at + DIGITS].to_vec();
        file[at..at + DIGITS].fill(b'0');
        if hash(&file).as_bytes() != stated {
            return Err(wrong("other bytes than were written".into(), "the hash that it states"));
        }
        let broken = |e: &dyn std::fmt::Display| wrong(e.to_string(), "safetensors");
        let (_, header) = SafeTensors::read_metadata(&file).map_err(|e| broken(&e))?;
        let text = header.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
        let text = text.and_then(|text| text.get(DIGITS + 1..)).unwrap_or_default();
        let place: Self = serde_json::from_str(text).map_err(|e| wrong(e.to_string(), "a place"))?;
        if place.version != self.version || place.fingerprint != self.fingerprint {
            return Err(wrong(
                "one of another training".into(),
                "the settings and examples of the training that began here",
            ));
        }
        if place.curves.len() != place.epoch || place.best.is_some_and(|best| best >= place.epoch) {
            let found = format!("{} rows of curves, best {:?}", place.curves.len(), place.best);
            return Err(wrong(found, &format!("{} epochs", place.epoch)));
        }
        let mut values = Values::new();
        for (name, view) in SafeTensors::deserialize(&file).map_err(|e| broken(&e))?.iter() {
            let all = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            values.insert(name.to_owned(), all);
        }
        *self = place;
        Ok(values)
    }
}

/// Where the digits of the hash are in a state file.
fn digits(file: &[u8]) -> Option<usize> {
    let size = u64::from_le_bytes(*file.first_chunk()?);
    let header = file.get(8..)?;
    let header = &header[..header.len().min(usize::try_from(size).ok()?)];
    let at = 8 + header.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    (at + DIGITS <= 8 + header.len()).then_some(at)
}

/// The hash of a state file whose digits are zeros.
fn hash(file: &[u8]) -> String {
    ContentHash::new("training").field("state", file).finish()
}
