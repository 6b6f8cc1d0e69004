//! Word vectors in text files, and the nearest words by cosine.

use std::collections::HashMap;
use std::path::Path;

use pulp::Arch;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::lines::{excerpt, for_each_line, line_error};

/// The number of words that are compared with all others together: each vector is fetched once for all of them, and
/// their sums stay in registers.
const QUERIES: usize = 64;

/// Words with vectors of length 1.
#[derive(Clone, Debug)]
pub struct WordVectors {
    words: Vec<String>,
    places: HashMap<String, usize>,
    dimension: usize,
    /// `(n_words, dimension)`; all zero if the file's vector is.
    vectors: Vec<f32>,
}

/// Reads a text file with one `word n1 n2 ...` per line (GloVe's `.txt`, `.vec`). The first line may be the number of
/// words and of dimensions. Calls `each` with every word and its vector, also for repeated words, and returns the
/// dimension.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the line number, if
/// a line is not valid.
pub fn for_each_vector(path: &Path, mut each: impl FnMut(&str, &[f32])) -> Result<usize> {
    let (mut dimension, mut declared) = (0, 0);
    let mut row = Vec::new();
    for_each_line(path, |number, line| {
        if line.trim().is_empty() {
            return Ok(());
        }
        if dimension == 0 {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if number == 1
                && let [words, numbers] = fields[..]
                && words.parse::<u64>().is_ok()
            {
                // A header; `3 0.5` is the word `3` with one number.
                if let Ok(numbers) = numbers.parse() {
                    declared = numbers;
                    return Ok(());
                }
            }
            dimension = if declared > 0 { declared } else { fields.len() - 1 };
            if fields.len() <= dimension || dimension == 0 {
                let found = format!("{} fields", fields.len());
                return Err(line_error(path, number, found, "a word and its numbers, separated by blanks"));
            }
        }
        // Some words of large files hold blanks: the numbers are counted from the end.
        let trimmed = line.trim_end();
        let mut fields = trimmed.rsplitn(dimension + 1, [' ', '\t']);
        row.clear();
        for field in fields.by_ref().take(dimension) {
            let value = field.parse::<f32>().ok().filter(|value| value.is_finite());
            row.push(value.ok_or_else(|| {
                let expected = format!("a word and {dimension} finite numbers");
                line_error(path, number, format!("the number {}", excerpt(field)), expected)
            })?);
        }
        let word = fields.next().filter(|word| !word.is_empty() && row.len() == dimension);
        let word = word.ok_or_else(|| {
            let expected = format!("a word and {dimension} numbers");
            line_error(path, number, format!("{} numbers", row.len()), expected)
        })?;
        row.reverse();
        each(word, &row);
        Ok(())
    })?;
    if row.is_empty() {
        return Err(Error::format(path, "content", "no vectors", "a word and its numbers on every line"));
    }
    Ok(dimension)
}

impl WordVectors {
    /// Reads a file as [`for_each_vector`] does. If a word appears twice, the first vector counts.
    ///
    /// # Errors
    /// `Error::Io` if the file cannot be read; `Error::Format` with the line number if a line is not a word and its
    /// numbers.
    pub fn read(path: &Path) -> Result<Self> {
        let mut all = Self { words: Vec::new(), places: HashMap::new(), dimension: 0, vectors: Vec::new() };
        all.dimension = for_each_vector(path, |word, vector| {
            if !all.places.contains_key(word) {
                all.push(word, vector);
            }
        })?;
        Ok(all)
    }

    fn push(&mut self, word: &str, row: &[f32]) {
        let length = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        self.places.insert(word.to_owned(), self.words.len());
        self.words.push(word.to_owned());
        self.vectors.extend(row.iter().map(|&v| (f64::from(v) * scale) as f32));
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The numbers of a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The cosine of two words' vectors; none if either has no vector or a zero vector.
    pub fn similarity(&self, a: &str, b: &str) -> Option<f64> {
        let vector = |word| {
            let vector = &self.vectors[self.places.get(word)? * self.dimension..][..self.dimension];
            vector.iter().any(|v| *v != 0.0).then_some(vector)
        };
        let (a, b) = (vector(a)?, vector(b)?);
        Some(a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum())
    }

    /// For each of `words`, its `k` nearest others by cosine among all words of the file, nearest first, equally near
    /// ones in the order of the file. Empty for a word that has no vector, or one of zeros.
    pub fn nearest(&self, words: &[String], k: usize) -> Vec<Vec<&str>> {
        let places: Vec<Option<usize>> = words.iter().map(|word| self.places.get(word).copied()).collect();
        let queries: Vec<usize> = places.iter().copied().flatten().collect();
        let groups: Vec<Vec<Vec<&str>>> = queries.par_chunks(QUERIES).map(|group| self.search(group, k)).collect();
        let mut found = groups.into_iter().flatten();
        places.iter().map(|place| place.and_then(|_| found.next()).unwrap_or_default()).collect()
    }

    /// The nearest words of each of at most [`QUERIES`] places.
    fn search(&self, queries: &[usize], k: usize) -> Vec<Vec<&str>> {
        let row = |place: usize| &self.vectors[place * self.dimension..][..self.dimension];
        let is_zero = |place: usize| row(place).iter().all(|&v| v == 0.0);
        let mut columns = vec![[0.0f32; QUERIES]; self.dimension];
        for (q, &query) in queries.iter().enumerate() {
            for (column, &value) in columns.iter_mut().zip(row(query)) {
                column[q] = value;
            }
        }
        let mut best: Vec<Vec<(f32, usize)>> = vec![Vec::with_capacity(k.min(self.len()) + 1); queries.len()];
        Arch::new().dispatch(|| {
            for (place, vector) in self.vectors.chunks_exact(self.dimension).enumerate() {
                let mut cosines = [0.0f32; QUERIES];
                for (&value, column) in vector.iter().zip(&columns) {
                    for (cosine, query) in cosines.iter_mut().zip(column) {
                        *cosine += value * query;
                    }
                }
                for ((&query, &cosine), best) in queries.iter().zip(&cosines).zip(&mut best) {
                    // Places ascend: an equal cosine later in the file does not displace an earlier one.
                    let enters = best.len() < k || best.last().is_some_and(|&(last, _)| cosine > last);
                    if enters && place != query {
                        let at = best.partition_point(|&(other, _)| other >= cosine);
                        best.insert(at, (cosine, place));
                        best.truncate(k);
                    }
                }
            }
        });
        let names = |(&query, best): (&usize, Vec<(f32, usize)>)| {
            if is_zero(query) {
                return Vec::new();
            }
            best.into_iter().filter(|&(_, p)| !is_zero(p)).map(|(_, p)| self.words[p].as_str()).collect()
        };
        queries.iter().zip(best).map(names).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<WordVectors> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vec");
        std::fs::write(&path, content).unwrap();
        WordVectors::read(&path)
    }

    fn nearest(vectors: &WordVectors, word: &str, k: usize) -> Vec<String> {
        vectors.nearest(&[word.into()], k).remove(0).into_iter().map(String::from).collect()
    }

    #[test]
    fn the_nearest_words_point_the_same_way_whatever_their_length() {
        let vectors =
            read("east 1 0\nnorth 0 1\nfar-east 100 1\nwest -1 0\nnowhere 0 0\nnortheast 1 1\neast 0 1\n").unwrap();
        assert_eq!((vectors.len(), vectors.dimension()), (6, 2));
        assert_eq!(nearest(&vectors, "east", 3), ["far-east", "northeast", "north"]);
        assert_eq!(nearest(&vectors, "northeast", 9), ["far-east", "east", "north", "west"]);
        assert!(nearest(&vectors, "nowhere", 3).is_empty());
        assert!(nearest(&vectors, "south", 3).is_empty());
        assert!(nearest(&vectors, "east", 0).is_empty());
    }

    #[test]
    fn similar_words_point_the_same_way() {
        let vectors = read("east 2 0\nnorth 0 1\nnortheast 3 3\nwest -1 0\nnowhere 0 0\n").unwrap();
        let rounded = |a, b| vectors.similarity(a, b).map(|s| (s * 1e3).round() / 1e3);
        assert_eq!(rounded("east", "northeast"), Some(0.707));
        assert_eq!((rounded("east", "north"), rounded("west", "east")), (Some(0.0), Some(-1.0)));
        assert_eq!((rounded("east", "nowhere"), rounded("south", "east")), (None, None));
    }

    #[test]
    fn headers_blanks_in_words_and_both_separators_are_read() {
        let vectors = read("3 2\nat home 1 0\nb\t0\t1\n\n3 1 1\n").unwrap();
        assert_eq!(vectors.words, ["at home", "b", "3"]);
    }

    #[test]
    fn bad_files_are_refused_with_the_line() {
        for (content, what) in [
            ("", "no vectors"),
            ("5 2\n", "no vectors"),
            ("5 3\na 1 2\n", "line 2"),
            ("1 18446744073709551615\na 1 2\n", "line 2"),
            ("a\n", "line 1"),
            ("a 1 2\nb 1\n", "line 2"),
            ("a 1 2\nb 1 x\n", "line 2"),
            ("a 1 2\nb 1 NaN\n", "line 2"),
            ("a 1 2\n 1 2\n", "line 2"),
        ] {
            let error = read(content).unwrap_err().to_string();
            assert!(error.contains(what), "{content:?}: {error}");
        }
    }

    #[test]
    fn all_nearest_words_agree_with_a_plain_sort() {
        let Some(path) = compexp_tests::data("snli/snli_1.0_dev.vec") else { return };
        let vectors = WordVectors::read(&path).unwrap();
        assert_eq!((vectors.len(), vectors.dimension()), (4_707, 50));
        let words: Vec<String> = ["man", "dog", "two", "running", "red", "qqqq", "be"].map(String::from).to_vec();
        let text = std::fs::read_to_string(&path).unwrap();
        let rows: Vec<(&str, Vec<f64>)> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(word, numbers)| (word, numbers.split(' ').map(|n| n.parse().unwrap()).collect()))
            .collect();
        for (word, found) in words.iter().zip(vectors.nearest(&words, 5)) {
            let Some((_, query)) = rows.iter().find(|(other, _)| other == word) else {
                assert!(found.is_empty());
                continue;
            };
            let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
            let cosine = |v: &[f64]| v.iter().zip(query).map(|(a, b)| a * b).sum::<f64>() / length(v) / length(query);
            let mut others: Vec<_> = rows.iter().filter(|(w, _)| w != word).map(|(w, v)| (cosine(v), *w)).collect();
            others.sort_by(|a, b| b.0.total_cmp(&a.0));
            assert_eq!(found, others[..5].iter().map(|(_, w)| *w).collect::<Vec<_>>(), "{word}");
        }
    }
}
