//! Latent caches in delphi's layout: a file for each range of units.

use std::ops::Range;
use std::path::{Path, PathBuf};

use compexp_files::{Place, TensorFile, entries, listed};

use super::{CHUNK, all_integers, open_integers, open_values};
use crate::error::{Error, Result};

/// A folder of splits.
#[derive(Debug)]
pub(super) struct Splits {
    splits: Vec<Split>,
    contexts: usize,
    length: usize,
}

/// A file of a range of units.
#[derive(Debug)]
struct Split {
    path: PathBuf,
    units: Range<usize>,
    locations: TensorFile,
    activations: TensorFile,
}

/// The units of a file `{first}_{last}.safetensors`.
fn units_of(name: &str) -> Option<Range<usize>> {
    let (first, last) = name.strip_suffix(".safetensors")?.split_once('_')?;
    let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n < 1 << 32);
    Some(number(first)?..number(last)? + 1)
}

/// The splits in a folder, by their first units.
fn splits_in(folder: &Path) -> Result<Vec<(Range<usize>, PathBuf)>> {
    let mut found = Vec::new();
    for entry in entries(folder)? {
        if let Some(units) = entry.text().and_then(units_of) {
            found.push((units, entry.path.clone()));
        }
    }
    found.sort_by_key(|(units, _)| (units.start, units.end));
    Ok(found)
}

impl Splits {
    /// Opens the splits in a folder, or in the only folder below it that has some; none if there are none.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>> {
        let mut found = splits_in(folder)?;
        let mut folder = folder.to_owned();
        if found.is_empty() {
            let mut below = Vec::new();
            for entry in entries(&folder)? {
                if Place::behind(&entry.path)? == Place::Folder {
                    let splits = splits_in(&entry.path)?;
                    below.extend((!splits.is_empty()).then(|| (entry.path.clone(), splits)));
                }
            }
            if below.len() > 1 {
                let names: Vec<String> = below
                    .iter()
                    .filter_map(|(path, _)| Some(path.file_name()?.to_string_lossy().into_owned()))
                    .collect();
                let expected = format!("the path of one of its folders: {}", listed(&names));
                return Err(Error::format(&folder, "caches", format!("{} of them", below.len()), expected));
            }
            let Some(only) = below.pop() else { return Ok(None) };
            (folder, found) = only;
        }
        let error = |found: String, expected: String| Error::format(&folder, "units of the splits", found, expected);
        let mut next = 0;
        for (units, path) in &found {
            if units.start != next || units.is_empty() {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let wrong = if units.start < next { "overlaps the one before" } else { "leaves a gap before it" };
                return Err(error(format!("{name}, which {wrong}"), format!("a split that begins with unit {next}")));
            }
            next = units.end;
        }
        let mut splits = Vec::with_capacity(found.len());
        let (mut contexts, mut length) = (0, 0);
        for (units, path) in found {
            let locations = open_integers(&path, "locations")?;
            let activations = open_values(&path, "activations")?;
            let n = activations.elements();
            if locations.shape() != [n, 3] || activations.shape() != [n] {
                let found = format!("{:?}, beside activations {:?}", locations.shape(), activations.shape());
                return Err(Error::format(&path, "shape of `locations`", found, "[n, 3] beside [n]"));
            }
            let tokens = open_integers(&path, "tokens")?;
            let &[rows, columns] = tokens.shape() else {
                return Err(Error::format(
                    &path,
                    "shape of `tokens`",
                    format!("{:?}", tokens.shape()),
                    "[contexts, length]",
                ));
            };
            if !splits.is_empty() && (rows, columns) != (contexts, length) {
                let expected = format!("[{contexts}, {length}], as in the split before");
                return Err(Error::format(&path, "shape of `tokens`", format!("[{rows}, {columns}]"), expected));
            }
            (contexts, length) = (rows, columns);
            splits.push(Split { path, units, locations, activations });
        }
        if u32::try_from(contexts * length).is_err() {
            let expected = "fewer than 2^32 positions";
            return Err(Error::format(&folder, "tokens", format!("{contexts} x {length}"), expected));
        }
        Ok(Some(Self { splits, contexts, length }))
    }

    pub(super) fn n_rows(&self) -> usize {
        self.contexts * self.length
    }

    pub(super) fn n_units(&self) -> usize {
        self.splits.last().map_or(0, |split| split.units.end)
    }

    pub(super) fn blocks(&self) -> Vec<Range<usize>> {
        self.splits.iter().map(|split| split.units.clone()).collect()
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.splits.iter().map(|split| split.path.clone()).collect()
    }

    pub(super) fn tokens(&self) -> Result<Option<(Vec<i64>, usize)>> {
        let Some(split) = self.splits.first() else { return Ok(None) };
        Ok(Some((all_integers(&open_integers(&split.path, "tokens")?)?, self.length)))
    }

    /// Calls `add` with the unit, row and value of every entry of a split.
    pub(super) fn read(&self, block: usize, add: &mut dyn FnMut(u32, u32, f32)) -> Result<()> {
        let split = &self.splits[block];
        let n = split.activations.elements();
        let (mut places, mut values) = (Vec::new(), Vec::new());
        for first in (0..n).step_by(CHUNK) {
            let count = CHUNK.min(n - first);
            places.resize(3 * count, 0);
            values.resize(count, 0.0);
            split.locations.read_i64(3 * first, &mut places)?;
            split.activations.read_f32(first, &mut values)?;
            for (i, (place, value)) in places.chunks_exact(3).zip(&values).enumerate() {
                let sizes = [self.contexts, self.length, split.units.len()];
                let within = place.iter().zip(sizes).all(|(at, size)| usize::try_from(*at).is_ok_and(|at| at < size));
                if !within {
                    let field = format!("location {}", first + i);
                    let expected = format!("below {sizes:?}: contexts, positions, units of the split");
                    return Err(Error::format(&split.path, field, format!("{place:?}"), expected));
                }
                let row = place[0] as usize * self.length + place[1] as usize;
                add((split.units.start + place[2] as usize) as u32, row as u32, *value);
            }
        }
        Ok(())
    }
}
