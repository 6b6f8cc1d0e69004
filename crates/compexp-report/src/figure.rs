//! Figures: a drawing with the numbers it is made of.

/// A drawing, and its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// A name fit for files and for fragments of addresses: `iou_by_length`.
    pub id: String,
    /// What it shows, in a few words.
    pub title: String,
    /// One sentence for a reader who meets it first.
    pub caption: String,
    /// An `<svg>` element that stands alone and inside a page: no background, ink in `currentColor`, with a `<title>` and a
    /// `<desc>`. Names in it are escaped.
    pub svg: String,
    /// The same numbers as comma-separated values under a header.
    pub csv: String,
}
