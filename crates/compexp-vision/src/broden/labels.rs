//! `label.csv`, `category.csv` and `c_<category>.csv`: the meaning of the label numbers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_files::{excerpt, is_there};
use compexp_run::vocabulary_of;

use super::table::{Row, Table};
use crate::error::{Error, Result};

/// The greatest label number that a PNG pixel can hold.
pub const MAX_LABEL: u32 = 65_535;

/// The greatest number of categories, of a folder or of a label; Broden has 6.
const MAX_CATEGORIES: usize = 100;

/// A row of `label.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The number in PNG files and index cells.
    pub number: u32,
    /// The name, kept exactly, suffixes such as `-c` and `-s` included.
    pub name: String,
    /// The primary category: see [`Labels::read`]. Empty if no file names a category of this label.
    pub category: String,
    /// The categories and image counts of the `category` field, in its order.
    pub categories: Vec<(String, u64)>,
    /// The number of images that have the label, if given.
    pub frequency: Option<f64>,
    /// The sum over images of the fraction of pixels that have the label, if given.
    pub coverage: Option<f64>,
}

/// All labels of a Broden folder, ascending by number.
#[derive(Clone, Debug)]
pub struct Labels {
    labels: Vec<Label>,
    vocabulary: Vocabulary,
    /// By number; in a PNG's every run of pixels one look-up.
    known: Vec<bool>,
    categories: Vec<String>,
    files: Vec<PathBuf>,
}

impl Labels {
    /// Reads `label.csv`, `category.csv` and those of the `c_<category>.csv` that exist in the folder `dir`.
    ///
    /// The order of categories is that of `category.csv`; those of `wanted` that it lacks come behind, in the order of
    /// `wanted`. The primary category of a label is, of its categories (those whose `c_<category>.csv` lists it or that
    /// the `category` field names), the one where its coverage is greatest; a coverage that no file states counts
    /// as 0, and of equal ones the later in the order of categories stands. Categories outside `wanted` are
    /// considered only if a label has no other.
    ///
    /// A row for label 0 (none) is not needed, and ignored if there is one.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if `label.csv` or `category.csv` is missing; [`compexp_files::Error::Format`] with file and line for a
    /// missing column, a bad number, and a number or a name that occurs twice.
    pub fn read(dir: &Path, wanted: &[String]) -> Result<Self> {
        let mut files = Vec::new();
        let mut categories = read_categories(&dir.join("category.csv"), &mut files)?;
        for category in wanted {
            if !categories.contains(category) {
                categories.push(category.clone());
            }
        }
        let (mut labels, lines) = read_labels(&dir.join("label.csv"), &mut files)?;
        let coverage = read_coverage(dir, &categories, &mut files)?;
        for label in &mut labels {
            label.category = primary(label, &categories, wanted, &coverage).unwrap_or_default();
        }
        labels.sort_by_key(|l| l.number);
        let vocabulary = vocabulary(&dir.join("label.csv"), &labels, &lines)?;
        let mut known = vec![false; labels.last().map_or(0, |l| l.number as usize) + 1];
        for label in &labels {
            known[label.number as usize] = true;
        }
        Ok(Self { labels, vocabulary, known, categories, files })
    }

    /// The labels, ascending by number.
    pub fn as_slice(&self) -> &[Label] {
        &self.labels
    }

    /// The label of this number.
    pub fn get(&self, number: u32) -> Option<&Label> {
        self.labels.binary_search_by_key(&number, |l| l.number).ok().map(|i| &self.labels[i])
    }

    /// Whether `label.csv` lists this number.
    pub fn contains(&self, number: u32) -> bool {
        self.known.get(number as usize).copied().unwrap_or(false)
    }

    /// The categories in the order that decides ties.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// The labels as concepts, with their primary categories.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The files that were read, in order.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

fn read_categories(path: &Path, files: &mut Vec<PathBuf>) -> Result<Vec<String>> {
    let table = Table::read(path, "a Broden folder lists its categories there (column `name`)")?;
    files.push(path.to_owned());
    let name = table.column("name")?;
    let mut categories: Vec<String> = Vec::new();
    table.each_row(|row| {
        let text = row.text(name);
        if text.is_empty() || text.contains(['/', '\\']) || text.contains("..") {
            return Err(row.error(name, excerpt(text), "the name of a category, such as `object`"));
        }
        if categories.iter().any(|c| c == text) {
            return Err(row.error(name, format!("{} again", excerpt(text)), "each category once"));
        }
        if categories.len() == MAX_CATEGORIES {
            return Err(row.error(name, "one more category", format!("at most {MAX_CATEGORIES}")));
        }
        categories.push(text.to_owned());
        Ok(())
    })?;
    Ok(categories)
}

/// The labels in the file's order, and the line of each number.
fn read_labels(path: &Path, files: &mut Vec<PathBuf>) -> Result<(Vec<Label>, HashMap<u32, usize>)> {
    let table = Table::read(path, "a Broden folder names its label numbers there")?;
    files.push(path.to_owned());
    let (number_at, name_at) = (table.column("number")?, table.column("name")?);
    let (category_at, frequency_at, coverage_at) =
        (table.find("category")?, table.find("frequency")?, table.find("coverage")?);
    let amount = |row: &Row<'_>, at: Option<usize>| at.map_or(Ok(None), |at| row.amount(at));
    let mut labels: Vec<Label> = Vec::new();
    let mut lines = HashMap::new();
    table.each_row(|row| {
        let number = row.number(number_at, 0..=MAX_LABEL)?;
        if number == 0 {
            return Ok(());
        }
        let name = row.text(name_at);
        if name.is_empty() {
            return Err(row.error(name_at, "an empty name", "the label's name"));
        }
        if let Some(first) = lines.insert(number, row.line()) {
            return Err(row.error(number_at, format!("{number}, as in line {first}"), "each number once"));
        }
        labels.push(Label {
            number,
            name: name.to_owned(),
            category: String::new(),
            categories: category_at.map_or(Ok(Vec::new()), |at| counts_by_category(row, at))?,
            frequency: amount(row, frequency_at)?,
            coverage: amount(row, coverage_at)?,
        });
        Ok(())
    })?;
    if labels.is_empty() {
        return Err(Error::format(path, "rows", "none", "one for each label"));
    }
    Ok((labels, lines))
}

/// Reads `object(20);scene(3)`.
fn counts_by_category(row: &Row<'_>, at: usize) -> Result<Vec<(String, u64)>> {
    let text = row.text(at);
    let part = |part: &str| {
        let (name, count) = part.trim().strip_suffix(')')?.split_once('(')?;
        (!name.is_empty()).then_some(())?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    let parts = text.split(';').filter(|p| !p.trim().is_empty());
    if parts.clone().count() > MAX_CATEGORIES {
        return Err(row.error(at, excerpt(text), format!("at most {MAX_CATEGORIES} categories")));
    }
    parts
        .map(|p| {
            part(p).ok_or_else(|| row.error(at, excerpt(text), "categories with counts, as `object(20);scene(3)`"))
        })
        .collect()
}

/// For each category in order, the coverage of the labels that its file lists.
fn read_coverage(
    dir: &Path,
    categories: &[String],
    files: &mut Vec<PathBuf>,
) -> Result<Vec<HashMap<u32, Option<f64>>>> {
    let mut all = Vec::with_capacity(categories.len());
    for category in categories {
        let path = dir.join(format!("c_{category}.csv"));
        let mut of_label = HashMap::new();
        if is_there(&path)? {
            let table = Table::read(&path, "it was there a moment ago")?;
            files.push(path);
            let number_at = table.column("number")?;
            let coverage_at = table.find("coverage")?;
            table.each_row(|row| {
                let number = row.number(number_at, 0..=MAX_LABEL)?;
                let coverage = coverage_at.map_or(Ok(None), |at| row.amount(at))?;
                if of_label.insert(number, coverage).is_some() {
                    return Err(row.error(number_at, format!("{number} again"), "each number once"));
                }
                Ok(())
            })?;
        }
        all.push(of_label);
    }
    Ok(all)
}

fn primary(
    label: &Label,
    categories: &[String],
    wanted: &[String],
    coverage: &[HashMap<u32, Option<f64>>],
) -> Option<String> {
    let greatest = |among_wanted: bool| {
        let mut best: Option<(f64, &String)> = None;
        for (category, of_label) in categories.iter().zip(coverage) {
            let listed = of_label.get(&label.number);
            let named = label.categories.iter().any(|(c, _)| c == category);
            if wanted.contains(category) != among_wanted || (listed.is_none() && !named) {
                continue;
            }
            let covered = listed.copied().flatten().unwrap_or(0.0);
            if best.is_none_or(|(most, _)| covered >= most) {
                best = Some((covered, category));
            }
        }
        best.map(|(_, category)| category.clone())
    };
    // The last resort is a category of the label's own field that no list has.
    greatest(true).or_else(|| greatest(false)).or_else(|| label.categories.first().map(|(c, _)| c.clone()))
}

/// The labels as concepts. If core refuses a name, the error names the file.
fn vocabulary(path: &Path, labels: &[Label], lines: &HashMap<u32, usize>) -> Result<Vocabulary> {
    let mut first = HashMap::new();
    for label in labels {
        if let Some(other) = first.insert(label.name.as_str(), label.number) {
            return Err(Error::format(
                path,
                format!("line {}, column `name`", lines[&label.number]),
                format!("{}, the name of label {other} too", excerpt(&label.name)),
                "each name once",
            ));
        }
    }
    let concept = |l: &Label| Concept { id: ConceptId(l.number), name: l.name.clone(), category: l.category.clone() };
    Ok(vocabulary_of(path, labels.iter().map(concept).collect())?)
}
