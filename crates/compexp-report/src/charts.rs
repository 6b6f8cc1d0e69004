//! The kinds of charts that figures are made of: bars, boxes, points, intervals, lines and grids.

use super::svg::{Anchor, COLORS, Svg};
use compexp_run::wording::count;

/// A panel of a drawing: where it is, and which values its axes span.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    /// Left, top, width, height.
    pub(super) place: [f64; 4],
    /// The values at the left and right end.
    pub(super) x: [f64; 2],
    /// The values at the lower and upper end.
    pub(super) y: [f64; 2],
}

impl Panel {
    pub(super) fn at(&self, x: f64, y: f64) -> [f64; 2] {
        [self.across(x), self.up(y)]
    }

    pub(super) fn across(&self, x: f64) -> f64 {
        self.place[0] + self.place[2] * (x - self.x[0]) / (self.x[1] - self.x[0])
    }

    pub(super) fn up(&self, y: f64) -> f64 {
        self.place[1] + self.place[3] * (self.y[1] - y) / (self.y[1] - self.y[0])
    }

    /// Round values with a grid across, and the axis' name upwards at the left.
    pub(super) fn y_axis(&self, svg: &mut Svg, name: &str) {
        let [left, top, width, height] = self.place;
        for value in ticks(self.y, (height / 40.0).max(2.0)) {
            let y = self.up(value);
            svg.stroke(&format!("M{left:.1} {y:.1}h{width:.1}"), "currentColor", 1.0, 0.15);
            svg.text([left - 6.0, y + 4.0], Anchor::End, &number(value));
        }
        svg.upward([left - 44.0, top + height / 2.0], name);
    }

    /// Round values below, and the axis' name under them.
    pub(super) fn x_axis(&self, svg: &mut Svg, name: &str) {
        let [_, top, width, height] = self.place;
        for value in ticks(self.x, (width / 70.0).max(2.0)) {
            let x = self.across(value);
            svg.stroke(&format!("M{x:.1} {:.1}v4", top + height), "currentColor", 1.0, 0.6);
            svg.text([x, top + height + 18.0], Anchor::Middle, &number(value));
        }
        self.x_name(svg, name);
    }

    pub(super) fn x_name(&self, svg: &mut Svg, name: &str) {
        let [left, top, width, height] = self.place;
        svg.stroke(&format!("M{left:.1} {:.1}h{width:.1}", top + height), "currentColor", 1.0, 0.6);
        svg.text([left + width / 2.0, top + height + 38.0], Anchor::Middle, name);
    }

    /// What the colours mean, in a row above.
    pub(super) fn legend(&self, svg: &mut Svg, names: &[&str]) {
        let mut x = self.place[0];
        for (name, color) in names.iter().zip(COLORS) {
            svg.rect([x, self.place[1] - 22.0], [11.0, 11.0], color, 1.0, name);
            svg.text([x + 16.0, self.place[1] - 12.0], Anchor::Start, name);
            x += 36.0 + width(name);
        }
    }
}

/// A row of a bar chart: its name, a value a series, and what stands behind the bar.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
    pub(super) note: String,
}

/// Horizontal bars, the values of each row one behind the other. The size of the drawing comes back with it.
pub(super) fn bars(bars: &[Bar], series: &[&str], axis: &str) -> (Svg, [f64; 2]) {
    const ROW: f64 = 24.0;
    let shown: Vec<String> = bars.iter().map(|bar| shorten(&bar.name, 40)).collect();
    let left = 20.0 + shown.iter().map(|name| width(name)).fold(0.0, f64::max);
    let right = 14.0 + bars.iter().map(|bar| width(&bar.note)).fold(0.0, f64::max);
    let top = if series.len() > 1 { 34.0 } else { 12.0 };
    let most = bars.iter().map(|bar| bar.values.iter().sum::<f64>()).fold(0.0, f64::max);
    let height = ROW * bars.len().max(1) as f64;
    let panel = Panel { place: [left, top, 380.0, height], x: [0.0, positive(most)], y: [0.0, 1.0] };
    let mut svg = Svg::new();
    panel.x_axis(&mut svg, axis);
    if series.len() > 1 {
        panel.legend(&mut svg, series);
    }
    for (i, (bar, name)) in bars.iter().zip(&shown).enumerate() {
        let y = top + ROW * i as f64;
        svg.text([left - 8.0, y + 16.0], Anchor::End, name);
        let mut sum = 0.0;
        for ((value, color), series) in bar.values.iter().zip(COLORS).zip(series) {
            let from = panel.across(sum);
            sum += value;
            let title = format!("{}, {series}: {}", bar.name, number(*value));
            svg.rect([from, y + 4.0], [panel.across(sum) - from, ROW - 8.0], color, 1.0, &title);
        }
        svg.text([panel.across(sum) + 6.0, y + 16.0], Anchor::Start, &bar.note);
    }
    (svg, [left + 380.0 + right.max(30.0), top + height + 50.0])
}

/// The size of the charts below, and the place of their panel.
pub(super) const SIZE: [f64; 2] = [620.0, 360.0];
pub(super) const PLACE: [f64; 4] = [64.0, 34.0, 536.0, 272.0];

/// A histogram of one or two series over the same bins, `(from, to, count of each)`, side by side.
pub(super) fn histogram(bins: &[(f64, f64, Vec<f64>)], series: &[&str], [x_name, y_name]: [&str; 2]) -> Svg {
    let most = bins.iter().flat_map(|bin| &bin.2).copied().fold(0.0, f64::max);
    let ends = [bins.first().map_or(0.0, |b| b.0), bins.last().map_or(1.0, |b| b.1)];
    let panel = Panel { place: PLACE, x: ends, y: [0.0, positive(most)] };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, y_name);
    panel.x_axis(&mut svg, x_name);
    if series.len() > 1 {
        panel.legend(&mut svg, series);
    }
    for (from, to, counts) in bins {
        let (left, width) = (panel.across(*from) + 1.0, panel.across(*to) - panel.across(*from) - 2.0);
        let each = width / counts.len().max(1) as f64;
        for (i, ((count, color), name)) in counts.iter().zip(COLORS).zip(series).enumerate() {
            let y = panel.up(*count);
            let title = format!("{name}, {} to {}: {}", number(*from), number(*to), number(*count));
            svg.rect([left + each * i as f64, y], [each, panel.up(0.0) - y], color, 1.0, &title);
        }
    }
    svg
}

/// A line of a chart: its name, and its points.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines in a panel, each with its points; `names` are those of the axes.
pub(super) fn lines(svg: &mut Svg, place: [f64; 4], lines: &[Line<'_>], names: [&str; 2]) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let span = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low <= high { [low, high] } else { [0.0, 1.0] }
    };
    let x = span(|p| p.0);
    let x = if x[0] < x[1] { x } else { [x[0] - 1.0, x[1] + 1.0] };
    let panel = Panel { place, x, y: round_out(span(|p| p.1)) };
    panel.y_axis(svg, names[1]);
    panel.x_axis(svg, names[0]);
    panel.legend(svg, &lines.iter().map(|line| line.name).collect::<Vec<_>>());
    for (line, color) in lines.iter().zip(COLORS) {
        let path = line.points.iter().map(|(x, y)| panel.at(*x, *y)).enumerate();
        let path: String = path.map(|(i, [x, y])| format!("{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" })).collect();
        if !path.is_empty() {
            svg.stroke(&path, color, 2.0, 1.0);
        }
        for (x, y) in &line.points {
            svg.dot(panel.at(*x, *y), 2.5, color, 1.0, &format!("{}, {}: {}", line.name, number(*x), number(*y)));
        }
    }
}

/// Round values within a span, about `n` of them.
pub(super) fn ticks([low, high]: [f64; 2], n: f64) -> Vec<f64> {
    let step = step(high - low, n);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The distance of about `n` ticks: 1, 2 or 5 times a power of ten.
fn step(range: f64, n: f64) -> f64 {
    let rough = (range / n).max(1e-6);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// The span, extended to round values.
pub(super) fn round_out([low, high]: [f64; 2]) -> [f64; 2] {
    let step = step(if high > low { high - low } else { 0.1 }, 5.0);
    let (low, high) = ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step);
    if high > low { [low, high] } else { [low, low + step] }
}

fn positive(value: f64) -> f64 {
    if value > 0.0 { value } else { 1.0 }
}

/// A number with at most four decimals, and commas between thousands.
pub(super) fn number(value: f64) -> String {
    let text = format!("{:.4}", value.abs());
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    let whole = whole.parse::<u64>().map_or(whole.to_owned(), count);
    let text = if decimals.is_empty() { whole } else { format!("{whole}.{decimals}") };
    if value < 0.0 && text != "0" { format!("-{text}") } else { text }
}

/// How wide a text is in pixels, at least: fonts differ, and the drawing does not know which one it will have.
fn width(text: &str) -> f64 {
    let wide = |c: char| match c {
        c if c >= '\u{1100}' => 12.5,
        c if c.is_uppercase() => 9.0,
        _ => 6.9,
    };
    text.chars().map(wide).sum()
}

/// A name of at most `n` characters.
pub(super) fn shorten(name: &str, n: usize) -> String {
    match name.chars().count() > n {
        true => name.chars().take(n - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let shown = |span, n| ticks(span, n).into_iter().map(number).collect::<Vec<_>>().join(" ");
        assert_eq!(shown([0.0, 1.0], 5.0), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(shown([0.13, 0.31], 4.0), "0.15 0.2 0.25 0.3");
        assert_eq!(shown([0.0, 37.0], 4.0), "0 10 20 30");
        assert_eq!(shown([-0.2, 0.2], 4.0), "-0.2 -0.1 0 0.1 0.2");
        assert_eq!([-0.00004, -1234.5, 1e6, 1e20].map(number), ["0", "-1,234.5", "1,000,000", "100000000000000000000"]);
    }

    #[test]
    fn spans_are_extended_to_round_values_even_of_one_value() {
        assert_eq!(round_out([0.13, 0.31]).map(number), ["0.1", "0.35"]);
        assert_eq!(round_out([0.5, 0.5]).map(number), ["0.5", "0.52"]);
        assert_eq!(round_out([0.0, 1.0]).map(number), ["0", "1"]);
    }

    #[test]
    fn drawings_of_nothing_hold_no_impossible_numbers() {
        let mut svg = Svg::new();
        lines(&mut svg, PLACE, &[Line { name: "a", points: vec![] }], ["x", "y"]);
        lines(&mut svg, PLACE, &[Line { name: "a", points: vec![(1.0, 0.5)] }], ["x", "y"]);
        let (empty, size) = bars(&[], &["a"], "x");
        let drawn = [svg, empty, histogram(&[], &["a"], ["x", "y"])];
        for text in drawn.map(|svg| svg.finish("a", size, "t", "d")) {
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
