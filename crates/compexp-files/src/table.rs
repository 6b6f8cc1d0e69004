//! The header of a table: how columns are found by their names, for every table that people write.

use std::path::{Path, PathBuf};

use crate::{Error, Result, excerpt, shorten};

/// The names of a table's columns, without blanks around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    path: PathBuf,
    names: Vec<String>,
    padded: bool,
}

impl Header {
    /// The header with these fields, which is in the file `path`.
    ///
    /// # Errors
    /// `Error::Format` if two columns have the same name.
    pub fn new<'a>(path: &Path, fields: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let fields: Vec<&str> = fields.into_iter().collect();
        let padded = fields.iter().skip(1).any(|name| name.starts_with(' '));
        let names: Vec<String> = fields.iter().map(|name| name.trim().to_owned()).collect();
        for (i, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..i].contains(name) {
                return Err(Error::format(path, "header", format!("two columns `{name}`"), "each column once"));
            }
        }
        Ok(Self { path: path.to_owned(), names, padded })
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The text of a cell. If the header has blanks after its commas, they belong to the commas, and so in the rows.
    pub fn cell<'a>(&self, text: &'a str) -> &'a str {
        if self.padded { text.trim() } else { text }
    }

    /// The place of a column, if the table has it.
    ///
    /// # Errors
    /// `Error::Format` if the table has a column of this name in other letters (`Image` for `image`) instead.
    pub fn find(&self, name: &str) -> Result<Option<usize>> {
        if let Some(at) = self.names.iter().position(|column| column == name) {
            return Ok(Some(at));
        }
        match self.names.iter().find(|column| column.to_lowercase() == name.to_lowercase()) {
            Some(other) => {
                Err(Error::format(&self.path, "header", format!("the column {}", excerpt(other)), format!("`{name}`")))
            }
            None => Ok(None),
        }
    }

    /// The names in one text, for errors.
    pub fn list(&self) -> String {
        if self.names.is_empty() {
            return "an empty file".into();
        }
        // A file of another kind may be one endless line.
        shorten(format!("columns {}", self.names.join(", ")), 300)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_go_by_their_names_without_blanks_around_them() {
        let header = Header::new(Path::new("a.csv"), [" name", "image ", "", "", "more"]).unwrap();
        assert_eq!(header.find("image").unwrap(), Some(1));
        assert_eq!(header.find("text").unwrap(), None);
        assert_eq!(header.list(), "columns name, image, , , more");
        let cells = |names: [&'static str; 2]| Header::new(Path::new("a.csv"), names).unwrap().cell(" a ").to_owned();
        assert_eq!((cells(["name", " image"]), cells(["name", "image"])), ("a".into(), " a ".into()));
    }

    #[test]
    fn a_column_twice_or_in_other_letters_is_refused() {
        let twice = Header::new(Path::new("a.csv"), ["name", "name "]).unwrap_err().to_string();
        assert_eq!(twice, "`a.csv`: header: found two columns `name`, expected each column once");
        let header = Header::new(Path::new("a.csv"), ["name", "Image"]).unwrap();
        let e = header.find("image").unwrap_err().to_string();
        assert_eq!(e, "`a.csv`: header: found the column `Image`, expected `image`");
    }
}
