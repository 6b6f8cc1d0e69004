//! Drawings as text: SVG that stands alone and inside a page, in light and in dark.
//!
//! There is no background, and ink is `currentColor`, so that the colours of a page are those of the drawing. Fills are Okabe
//! and Ito's colours, which colour-blind readers can tell apart and which show on white and on black. Every drawing has a title
//! and a description for screen readers, and its marks have titles that browsers show under the pointer.

use std::collections::HashSet;
use std::fmt::{Display, Write};

use compexp_core::formula::escape_for_terminal;

/// Okabe and Ito's blue, vermilion, green and purple.
pub(super) const COLORS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// Dots of units that are all drawn. Of more, those are left out whose pixel has one of the same colour already.
const ALL_DRAWN: usize = 4000;

/// A drawing that grows.
pub(super) struct Svg {
    body: String,
    /// The pixels that have a dot of a unit, and its colour.
    taken: HashSet<(String, i64, i64)>,
    unit_dots: usize,
}

/// Where a text begins, ends, or has its middle.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new() -> Self {
        Self { body: String::new(), taken: HashSet::new(), unit_dots: 0 }
    }

    pub(super) fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ =
            writeln!(self.body, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", Escaped(text));
    }

    /// A text that reads upwards.
    pub(super) fn upward(&mut self, [x, y]: [f64; 2], text: &str) {
        let text = Escaped(text);
        let _ = writeln!(
            self.body,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{text}</text>"
        );
    }

    /// A bar or box; `title` is what it stands for.
    pub(super) fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], fill: &str, opacity: f64, title: &str) {
        let title = Escaped(title);
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\" \
             fill-opacity=\"{opacity:.2}\"><title>{title}</title></rect>"
        );
    }

    /// The rest of a dot.
    fn circle(&mut self, [x, y]: [f64; 2], radius: f64, fill: &str, opacity: f64, title: &str) {
        let title = Escaped(title);
        let _ = writeln!(
            self.body,
            "cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\" fill-opacity=\"{opacity:.2}\">\
             <title>{title}</title></circle>"
        );
    }

    /// A dot that stands for a unit, unless it would cover another one in a drawing of very many.
    pub(super) fn unit_dot(&mut self, unit: usize, at: [f64; 2], radius: f64, fill: &str, opacity: f64, title: &str) {
        self.unit_dots += 1;
        let new = self.taken.insert((fill.to_owned(), at[0].round() as i64, at[1].round() as i64));
        if !new && self.unit_dots > ALL_DRAWN {
            return;
        }
        self.body += "<circle data-unit=\"";
        let _ = write!(self.body, "{unit}\" ");
        self.circle(at, radius, fill, opacity, title);
    }

    pub(super) fn dot(&mut self, at: [f64; 2], radius: f64, fill: &str, opacity: f64, title: &str) {
        self.body += "<circle ";
        self.circle(at, radius, fill, opacity, title);
    }

    /// A path without a fill.
    pub(super) fn stroke(&mut self, path: &str, color: &str, width: f64, opacity: f64) {
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" \
             stroke-opacity=\"{opacity:.2}\"/>"
        );
    }

    /// A filled path.
    pub(super) fn area(&mut self, path: &str, fill: &str, opacity: f64) {
        let _ = writeln!(self.body, "<path d=\"{path}\" fill=\"{fill}\" fill-opacity=\"{opacity:.2}\"/>");
    }

    /// The whole drawing. `id` makes the names of its parts its own within a page.
    pub(super) fn finish(self, id: &str, [width, height]: [f64; 2], title: &str, description: &str) -> String {
        let (id, title, description) = (Escaped(id), Escaped(title), Escaped(description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" fill=\"currentColor\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
             <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-desc\">{description}</desc>\n{}</svg>\n",
            self.body
        )
    }
}

/// Text as it stands in XML, with control characters, which XML cannot hold, and marks of text direction made visible.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        escape_for_terminal(self.0).chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_dots_no_two_are_on_one_pixel() {
        let drawn = |n: usize| {
            let mut svg = Svg::new();
            (0..n).for_each(|i| svg.unit_dot(i, [(i % 100) as f64 + 0.2, 1.0], 2.0, COLORS[i % 2], 1.0, "a"));
            svg.finish("a", [10.0, 10.0], "t", "d").matches("<circle").count()
        };
        assert_eq!((drawn(ALL_DRAWN), drawn(10 * ALL_DRAWN)), (ALL_DRAWN, ALL_DRAWN));
        let mut svg = Svg::new();
        (0..3 * ALL_DRAWN).for_each(|i| svg.unit_dot(i, [i as f64, 1.0], 2.0, COLORS[0], 1.0, "a"));
        assert_eq!(svg.finish("a", [10.0, 10.0], "t", "d").matches("<circle").count(), 3 * ALL_DRAWN);
    }

    #[test]
    fn names_cannot_leave_their_text() {
        let attack = "</text><script>alert('x')</script>\"&\u{1b}\u{0}\u{202e}";
        let mut svg = Svg::new();
        svg.text([0.0, 0.0], Anchor::End, attack);
        svg.rect([0.0, 0.0], [1.0, 1.0], COLORS[0], 1.0, attack);
        let text = svg.finish("a", [10.0, 10.0], attack, attack);
        assert!(!text.contains("<script") && !text.contains(['\u{1b}', '\u{0}', '\u{202e}']), "{text}");
        assert_eq!(text.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;").count(), 4);
    }
}
