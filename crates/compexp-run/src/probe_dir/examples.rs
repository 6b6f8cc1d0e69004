//! The table of examples of a probe directory.

use std::path::Path;

use compexp_core::probe::Example;
use compexp_files::{AtomicFile, Header, SourceFile, excerpt};

use crate::error::{Error, Result};
use crate::layout::EXAMPLES;

const COLUMNS: [&str; 5] = ["name", "image", "text", "group", "document"];

/// Writes the `examples.csv` of a probe directory.
///
/// # Errors
/// [`compexp_files::Error::Io`]
pub fn write_examples(dir: &Path, examples: &[Example]) -> Result<()> {
    let path = dir.join(EXAMPLES);
    let fail = |e: csv::Error| Error::io("write", &path)(e.into());
    let mut file = AtomicFile::create(&path)?;
    let mut csv = csv::Writer::from_writer(&mut file);
    // The last column is there only where it says something.
    let columns = if examples.iter().any(|e| !e.document.is_empty()) { 5 } else { 4 };
    csv.write_record(&COLUMNS[..columns]).map_err(fail)?;
    for e in examples {
        csv.write_record(&[&e.name, &e.image, &e.text, &e.group, &e.document][..columns]).map_err(fail)?;
    }
    csv.flush().map_err(Error::io("write", &path))?;
    drop(csv);
    Ok(file.commit()?)
}

/// The examples of a folder without `examples.csv`.
pub(super) fn number_examples(dir: &Path, n: usize) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    let too_many = |_| Error::format(dir, "examples", n.to_string(), "as many as fit in memory");
    examples.try_reserve_exact(n).map_err(too_many)?;
    examples.extend((0..n).map(|i| Example { name: i.to_string(), ..Example::default() }));
    Ok(examples)
}

/// Reads the `n` examples of `examples.csv`.
///
/// # Errors
/// `Error::File` if the table has other columns than described in the module above, or other rows.
pub(crate) fn read_examples(path: &Path, n: usize) -> Result<Vec<Example>> {
    let text = SourceFile::open(path)?.read_text()?;
    let fail = |e: csv::Error| {
        let field = e.position().map_or("content".into(), |p| format!("line {}", p.line()));
        Error::format(path, field, e.to_string(), "a CSV file in UTF-8 with as many columns in every row")
    };
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let header = csv.headers().map_err(fail)?.clone();
    let header = Header::new(path, &header)?;
    let mut columns = [None; 5];
    for (at, name) in columns.iter_mut().zip(COLUMNS) {
        *at = header.find(name)?;
    }
    if columns[..4] == [None; 4] {
        let found = header.names().iter().map(|name| excerpt(name)).collect::<Vec<_>>().join(", ");
        return Err(Error::format(
            path,
            "columns",
            found,
            "some of `name`, `image`, `text` and `group` in the first line",
        ));
    }
    let rows = |found: String| Err(Error::format(path, "rows", found, format!("{n}, as many as there are examples")));
    let mut examples = vec![];
    for record in csv.records() {
        let record = record.map_err(fail)?;
        if examples.len() == n {
            return rows(format!("more than {n}"));
        }
        let cell =
            |column: Option<usize>| header.cell(column.and_then(|c| record.get(c)).unwrap_or_default()).to_owned();
        let [name, image, text, group, document] = columns.map(cell);
        let number = examples.len().to_string();
        let name = [name, image.clone(), number].into_iter().find(|n| !n.is_empty()).unwrap_or_default();
        examples.push(Example { name, image, text, group, document });
    }
    if examples.len() < n { rows(examples.len().to_string()) } else { Ok(examples) }
}
