//! Printed output: columns of numbers, JSON, and names without control characters for a terminal.

use std::io::{self, Write};

pub(crate) use compexp_core::formula::escape_for_terminal as name;
pub(crate) use compexp_run::wording::count;

/// Writes rows under a header, two blanks between columns: numbers to the right, the last column as it is.
pub(crate) fn write<const N: usize>(
    out: &mut impl Write,
    indent: &str,
    header: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    write_columns(out, indent, header, rows, [true; N])
}

/// The same, but only with the columns to `keep`.
pub(crate) fn write_columns<const N: usize>(
    out: &mut impl Write,
    indent: &str,
    header: [&str; N],
    rows: &[[String; N]],
    keep: [bool; N],
) -> io::Result<()> {
    let header = header.map(str::to_owned);
    let last = keep.iter().rposition(|keep| *keep);
    let mut widths = [0; N];
    for row in rows.iter().chain([&header]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&header).chain(rows) {
        let mut line = indent.to_owned();
        for (i, (cell, width)) in row.iter().zip(widths).enumerate().filter(|(i, _)| keep[*i]) {
            if Some(i) == last {
                line += cell;
            } else {
                line += &format!("{cell:>width$}  ");
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A score with four digits behind the point; a dash if there is none.
pub(crate) fn score(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

/// Writes a value as indented JSON.
pub(crate) fn write_json(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    // serde_json keeps the kind of a writing error, so a broken pipe is recognised.
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["1", "0.5", "a"], ["12", "0.25", "(b OR c)"]].map(|row| row.map(str::to_owned));
        let mut out = Vec::new();
        write(&mut out, " ", ["unit", "IoU", "formula"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), " unit   IoU  formula\n    1   0.5  a\n   12  0.25  (b OR c)\n");
        let mut out = Vec::new();
        write_columns(&mut out, "", ["unit", "IoU", "formula"], &rows, [true, true, false]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "unit  IoU\n   1  0.5\n  12  0.25\n", "the last that is kept");
    }
}
