//! Printed output: columns of numbers, JSON, colours, and names without control characters for a terminal.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
pub(crate) use compexp_core::formula::escape_for_terminal as name;
pub(crate) use compexp_run::wording::count;

/// The word before an error.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// The word before a warning.
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();

/// The word before a hint, and for what is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();

/// A word in a style, for standard error by way of [`tell`].
pub(crate) fn styled(word: &str, style: Style) -> String {
    format!("{style}{word}{style:#}")
}

/// A word in a style where standard output is a terminal that shows colours and `NO_COLOR` is not set, otherwise plain.
pub(crate) fn painted(word: &str, style: Style) -> String {
    match AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => word.to_owned(),
        _ => styled(word, style),
    }
}

/// Writes a line to standard error, in colours as [`painted`] says. If standard error is closed, the line is lost.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

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
