//! The curves of a training: a table, and a drawing of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use compexp_core::artifact::AtomicFile;
use compexp_nli::train::EpochRow;

/// The size of a panel without its margins, in pixels.
const PANEL: [f64; 2] = [320.0, 200.0];

/// Left, top, and between two panels.
const MARGIN: [f64; 3] = [60.0, 40.0, 90.0];

const COLORS: [&str; 2] = ["#1f6fb4", "#c8553d"];

/// A line of a panel: its name, and a value an epoch.
type Line = (&'static str, Vec<f64>);

/// Writes `curves.csv` (a row an epoch) and `curves.svg` in `dir`.
///
/// # Errors
/// Those of the files.
pub(super) fn write(dir: &Path, rows: &[EpochRow]) -> Result<()> {
    let mut text = String::from("epoch,learning_rate,train_loss,train_accuracy,dev_accuracy\n");
    for r in rows {
        let _ = writeln!(text, "{},{},{},{},{}", r.epoch, r.rate, r.train_loss, r.train_accuracy, r.dev_accuracy);
    }
    for (name, text) in [("curves.csv", text), ("curves.svg", draw(rows))] {
        let mut file = AtomicFile::create(&dir.join(name))?;
        file.write_all(text.as_bytes())?;
        file.commit()?;
    }
    Ok(())
}

/// The rows of a `curves.csv` in `dir`, as far as they are ones.
pub(super) fn read(dir: &Path) -> Vec<EpochRow> {
    let row = |(line, epoch): (&str, usize)| {
        let mut fields = line.split(',');
        (fields.next()? == epoch.to_string()).then_some(())?;
        let rate = fields.next()?.parse().ok()?;
        let mut value = || fields.next()?.parse().ok();
        Some(EpochRow { epoch, rate, train_loss: value()?, train_accuracy: value()?, dev_accuracy: value()? })
    };
    let text = std::fs::read_to_string(dir.join("curves.csv")).unwrap_or_default();
    text.lines().skip(1).zip(1..).map_while(row).collect()
}

fn draw(rows: &[EpochRow]) -> String {
    let of = |value: fn(&EpochRow) -> f64| rows.iter().map(value).collect::<Vec<_>>();
    let panels: [(&str, Vec<Line>); 2] = [
        ("loss", vec![("training", of(|r| r.train_loss))]),
        ("accuracy", vec![("training", of(|r| r.train_accuracy)), ("held out", of(|r| r.dev_accuracy))]),
    ];
    let [width, height] = PANEL;
    let [left, top, between] = MARGIN;
    let (w, h) = (left + 2.0 * width + 2.0 * between, top + height + 60.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n<rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n"
    );
    for (i, (name, lines)) in panels.iter().enumerate() {
        panel(&mut svg, left + i as f64 * (width + between), top, name, lines);
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, left: f64, top: f64, name: &str, lines: &[Line]) {
    let [width, height] = PANEL;
    let n = lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let values = || lines.iter().flat_map(|(_, values)| values).copied();
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let step = tick(if least.is_finite() { most - least } else { 1.0 }, 5.0);
    let (low, high) = match least.is_finite() {
        true => ((least / step).floor() * step, ((most / step).floor() + 1.0) * step),
        false => (0.0, 1.0),
    };
    let x = |epoch: f64| left + width * (epoch - 1.0) / (n.max(2) - 1) as f64;
    let y = |value: f64| top + height * (high - value) / (high - low);
    let (right, bottom) = (left + width, top + height);
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{name}</text>", top - 14.0);
    let ticks = ((high - low) / step).round() as usize;
    for value in (0..=ticks).map(|i| low + i as f64 * step) {
        let at = y(value);
        let _ = writeln!(svg, "<path d=\"M{left:.1} {at:.1}H{right:.1}\" stroke=\"#ddd\"/>");
        let label = format!("{value:.3}");
        let label = label.trim_end_matches('0').trim_end_matches('.');
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 6.0, at + 4.0);
    }
    let every = tick(n as f64, 6.0).max(1.0) as usize;
    for epoch in (1..=n).filter(|epoch| *epoch == 1 || epoch.is_multiple_of(every)) {
        let (at, below) = (x(epoch as f64), bottom + 18.0);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{epoch}</text>");
    }
    let (middle, below) = (left + width / 2.0, bottom + 38.0);
    let _ = writeln!(svg, "<text x=\"{middle:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">epoch</text>");
    let _ = writeln!(svg, "<path d=\"M{left:.1} {top:.1}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"#333\"/>");
    for (i, ((name, values), color)) in lines.iter().zip(COLORS).enumerate() {
        let points: Vec<String> =
            values.iter().zip(1..).map(|(v, epoch)| format!("{:.1},{:.1}", x(f64::from(epoch)), y(*v))).collect();
        let points = points.join(" ");
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>");
        // A single epoch makes no line.
        for (at, v) in values.iter().zip(1..).map(|(v, epoch)| (x(f64::from(epoch)), y(*v))) {
            let _ = writeln!(svg, "<circle cx=\"{at:.1}\" cy=\"{v:.1}\" r=\"2.5\" fill=\"{color}\"/>");
        }
        let (at, above) = (right - 70.0 * i as f64, top - 14.0);
        let _ =
            writeln!(svg, "<text x=\"{at:.1}\" y=\"{above:.1}\" text-anchor=\"end\" fill=\"{color}\">{name}</text>");
    }
}

/// The distance of about `n` ticks: 1, 2 or 5 times a power of ten.
fn tick(range: f64, n: f64) -> f64 {
    let rough = (range / n).max(1e-3);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        for (range, expected) in [(1.0, 0.2), (0.9, 0.2), (0.3, 0.1), (0.0, 0.001), (50.0, 10.0), (13.0, 5.0)] {
            assert!(near(tick(range, 5.0), expected), "{range}: {}", tick(range, 5.0));
        }
    }

    #[test]
    fn rows_are_read_back_to_the_bit() {
        let row = |epoch| EpochRow {
            epoch,
            rate: 0.1 / epoch as f32,
            train_loss: 1.0 / 3.0,
            train_accuracy: 0.1 + 0.2,
            dev_accuracy: 1e-9,
        };
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), []);
        write(folder.path(), &[row(1), row(2)]).unwrap();
        assert_eq!(read(folder.path()), [row(1), row(2)]);
        std::fs::write(folder.path().join("curves.csv"), "epoch\n1,2,3,4,5\n3,2,3,4,5\n").unwrap();
        assert_eq!(read(folder.path()).len(), 1);
    }

    #[test]
    fn a_drawing_has_a_point_an_epoch_and_line_even_of_equal_values() {
        let row = |epoch| EpochRow { epoch, rate: 0.1, train_loss: 0.5, train_accuracy: 0.5, dev_accuracy: 0.25 };
        for n in [0, 1, 3] {
            let svg = draw(&(1..=n).map(row).collect::<Vec<_>>());
            assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (3 * n, 3));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
