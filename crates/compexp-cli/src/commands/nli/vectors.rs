//! Word vectors that a classifier begins with.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Result;
use compexp_nli::model::Vocabulary;

use crate::failure::Failure;

/// Reads the vectors of the words of a vocabulary from GloVe's text, and how many numbers they have; of a word that is
/// there twice, the first counts.
///
/// # Errors
/// A [`Failure`] that names the line.
pub(super) fn read(path: &Path, words: &Vocabulary) -> Result<(HashMap<String, Vec<f32>>, usize)> {
    let refuse = |number: usize, found: &str, expected: String| {
        Failure::new(format!("`{}`: line {number}: found {found}, expected {expected}", path.display()))
            .hint("give a text file of a word and its numbers a line, separated by blanks")
    };
    let file = File::open(path).map_err(|e| Failure::new(format!("cannot open `{}`: {e}", path.display())))?;
    let mut vectors = HashMap::new();
    let mut size = 0;
    for (line, number) in BufReader::new(file).lines().zip(1..) {
        let line = line.map_err(|e| refuse(number, &e.to_string(), "UTF-8 text".into()))?;
        let fields: Vec<&str> = line.trim_end().split(' ').collect();
        // word2vec's text begins with the numbers of words and of dimensions.
        let header = number == 1 && fields.len() == 2 && fields.iter().all(|field| field.parse::<u64>().is_ok());
        if header || fields.len() < 2 {
            continue;
        }
        if size == 0 {
            size = fields.len() - 1;
        }
        // Words themselves may hold blanks.
        let Some(at) = fields.len().checked_sub(size).filter(|at| *at > 0) else {
            return Err(refuse(number, &format!("{} numbers", fields.len() - 1), size.to_string()).into());
        };
        let word = fields[..at].join(" ");
        if words.number(&word) == 0 || vectors.contains_key(&word) {
            continue;
        }
        let values: Option<Vec<f32>> =
            fields[at..].iter().map(|v| v.parse().ok().filter(|v: &f32| v.is_finite())).collect();
        let values = values.ok_or_else(|| refuse(number, "something else", format!("{size} finite numbers")))?;
        vectors.insert(word, values);
    }
    if size == 0 {
        return Err(refuse(1, "no vectors", "at least one".into()).into());
    }
    Ok((vectors, size))
}
