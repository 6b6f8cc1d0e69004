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
/// `Error::Io` if the file cannot be read; `Error::Format`, with the line number, if a line is not valid, or if nearly
/// all words end in a number: the first line then says another dimension than the others.
pub fn for_each_vector(path: &Path, mut each: impl FnMut(&str, &[f32])) -> Result<usize> {
    let mut form: Option<Form> = None;
    let mut header = None;
    let mut row = Vec::new();
    for_each_line::<Error>(path, |number, line| {
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(());
        }
        let form = match &mut form {
            Some(form) => form,
            None => {
                if number == 1
                    && let [words, numbers] = line.split_whitespace().collect::<Vec<_>>()[..]
                    && words.parse::<u64>().is_ok()
                    // `3 0.5` is the word `3` with one number.
                    && let Ok(dimension) = numbers.parse::<usize>()
                    && dimension > 0
                {
                    header = Some(dimension);
                    return Ok(());
                }
                form.insert(Form::of(header, number, line))
            }
        };
        let word = form.read(path, number, line, &mut row)?;
        each(word, &row);
        Ok(())
    })?;
    let form =
        form.ok_or_else(|| Error::format(path, "content", "no vectors", "a word and its numbers on every line"))?;
    form.check(path)?;
    Ok(form.dimension)
}

/// The form of the lines of a file of vectors.
struct Form {
    dimension: usize,
    /// The line that says the dimension: the header, or the first with a vector.
    said_in: usize,
    /// Lines behind that one with a vector.
    rows: usize,
    /// Those of them whose word ends in a number, as `dog 0.1`.
    odd: usize,
    /// The first of these, with its numbers.
    first_odd: Option<(usize, usize)>,
}

impl Form {
    /// The form that the header says, or the first line with a vector. Some words of large files hold blanks, so the
    /// numbers are counted from the end.
    fn of(header: Option<usize>, number: usize, line: &str) -> Self {
        let numbers = numbers_at_end(line);
        let alone = numbers == line.split_whitespace().count();
        let dimension = header.unwrap_or(numbers.saturating_sub(usize::from(alone)));
        let said_in = if header.is_some() { 1 } else { number };
        Self { dimension, said_in, rows: 0, odd: 0, first_odd: None }
    }

    /// The word of a line, and its numbers in `row`.
    fn read<'a>(&mut self, path: &Path, number: usize, line: &'a str, row: &mut Vec<f32>) -> Result<&'a str> {
        let found = line.split_whitespace().count().saturating_sub(1);
        if self.dimension == 0 || found < self.dimension {
            let found = if self.dimension == 0 { "1 fields".into() } else { format!("{found} numbers") };
            return Err(line_error(path, number, found, self.expected(number)));
        }
        let mut fields = line.rsplitn(self.dimension + 1, [' ', '\t']);
        row.clear();
        for field in fields.by_ref().take(self.dimension) {
            let value = value(field).ok_or_else(|| {
                let expected = format!("a word and {} finite numbers", self.dimension);
                line_error(path, number, format!("the number {}", excerpt(field)), expected)
            })?;
            row.push(value);
        }
        row.reverse();
        let word = fields.next().filter(|word| !word.trim().is_empty()).ok_or_else(|| {
            line_error(path, number, format!("{} numbers and no word", row.len()), self.expected(number))
        })?;
        if number != self.said_in {
            self.rows += 1;
            let more = word.trim_start() != word || word.contains([' ', '\t']);
            if more && numbers_at_end(word) > 0 {
                self.odd += 1;
                self.first_odd.get_or_insert((number, numbers_at_end(line)));
            }
        }
        Ok(word)
    }

    /// What a line must hold, and which line says so.
    fn expected(&self, number: usize) -> String {
        match self.dimension {
            0 => "a word and its numbers, separated by blanks".into(),
            n if number == self.said_in => format!("a word and {n} numbers"),
            n => format!("a word and {n} numbers, as line {} says", self.said_in),
        }
    }

    /// Refuses a file in which nearly all words end in a number.
    fn check(&self, path: &Path) -> Result<()> {
        match self.first_odd {
            Some((line, numbers)) if 10 * self.odd >= 9 * self.rows => {
                let found = format!("{numbers} numbers, and likewise in nearly all lines");
                let expected = format!("{}, as line {} says", self.dimension, self.said_in);
                Err(line_error(path, line, found, format!("{expected}: one of the two is wrong")))
            }
            _ => Ok(()),
        }
    }
}

/// A finite number.
fn value(field: &str) -> Option<f32> {
    field.parse::<f32>().ok().filter(|value| value.is_finite())
}

/// How many fields at the end of a line are numbers.
fn numbers_at_end(line: &str) -> usize {
    line.split_whitespace().rev().take_while(|field| value(field).is_some()).count()
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

    /// Whether a word has a vector.
    pub fn contains(&self, word: &str) -> bool {
        self.places.contains_key(word)
    }

    /// The first word of the file.
    pub fn first(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
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

    /// The direction of several words together: the mean of their vectors, each of length 1, scaled to length 1 again. None if
    /// there is no word, a word has no vector or a zero vector, or the mean has no direction.
    pub fn mean(&self, words: &[String]) -> Option<Vec<f64>> {
        let mut sum = vec![0.0; self.dimension];
        for word in words {
            let vector = &self.vectors[self.places.get(word)? * self.dimension..][..self.dimension];
            vector.iter().any(|v| *v != 0.0).then_some(())?;
            sum.iter_mut().zip(vector).for_each(|(sum, v)| *sum += f64::from(*v));
        }
        let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
        // Vectors are in single precision: what opposite ones leave is no direction.
        (length > 1e-6).then(|| sum.iter().map(|v| v / length).collect())
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
    fn a_contradiction_between_lines_is_told_where_it_is() {
        let five = "0.1 0.2 0.3 0.4 0.5";
        for (content, message) in [
            (
                format!("400000 50\ndog {five}\n"),
                "line 2: found 5 numbers, expected a word and 50 numbers, as line 1 says",
            ),
            (
                format!("dog {five}\ndogs 0.1 0.2\n"),
                "line 2: found 2 numbers, expected a word and 5 numbers, as line 1 says",
            ),
            (
                format!("2 4\ndog {five}\ncat {five}\n"),
                "line 2: found 5 numbers, and likewise in nearly all lines, expected 4, as line 1 says",
            ),
            (
                format!(" {five}\ndog {five}\ncat {five}\n"),
                "line 2: found 5 numbers, and likewise in nearly all lines, expected 4, as line 1 says",
            ),
            ("a 0.1 0.2\nb x 0.2\n".into(), "line 2: found the number `x`"),
        ] {
            let error = read(&content).unwrap_err().to_string();
            assert!(error.contains(message), "{content:?}: {error}");
        }
        let vectors = read(&format!(". . . {five}\ndog {five}\nat 5 {five}\ncat {five}\n")).unwrap();
        assert_eq!(
            (vectors.dimension(), &vectors.words[..]),
            (5, &[". . .", "dog", "at 5", "cat"].map(String::from)[..])
        );
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
