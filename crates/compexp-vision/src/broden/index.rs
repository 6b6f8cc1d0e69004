//! The index of a Broden folder: one row an image, one column a category.

use compexp_core::concept::ConceptId;
use compexp_core::probe::Grid;
use compexp_files::excerpt;

use super::labels::{Labels, MAX_LABEL};
use super::table::{Row, Table};
use crate::error::{Error, Result};

/// The categories that the reference uses, and that decide which images are in the probe set.
pub const DEFAULT_CATEGORIES: [&str; 5] = ["object", "part", "scene", "texture", "color"];

/// Columns that are not categories.
const META: [&str; 6] = ["image", "split", "ih", "iw", "sh", "sw"];
/// The largest side of a photograph; Broden's have 227.
const MAX_SIDE: u32 = 32_768;
/// The greatest side of a mask; Broden's have 113.
const MAX_MASK_SIDE: u32 = 4_096;
/// The greatest number of positions that the layers of one image may have; Broden's largest has about 10 x 113 x 113.
const MAX_POSITIONS: u64 = 1 << 27;

/// An image of the probe set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The path below the folder's `images`, which is also the example's name.
    pub name: String,
    /// `train` or `val`, as the index says.
    pub split: String,
    /// Rows of the photograph.
    pub height: u32,
    /// Columns of the photograph.
    pub width: u32,
    /// The first label of the `scene` column, for any selection of categories; none if it is 0 or empty.
    pub scene: Option<ConceptId>,
    /// That label's name, its suffix `-s` included: `abbey-s`.
    pub scene_name: Option<String>,
}

/// What an image is annotated with, in the wanted categories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cells {
    /// PNG files below `images`, in the order of columns and within them of cells.
    pub(super) masks: Vec<Box<str>>,
    /// Labels of the whole image.
    pub(super) scalars: Vec<u32>,
}

/// The categories of a run, by their columns.
#[derive(Clone, Debug)]
pub(super) struct Categories {
    /// The default and the asked ones: these columns are read.
    pub(super) considered: Vec<String>,
    /// The ones whose concepts the probe set has.
    pub(super) wanted: Vec<String>,
}

/// The images that are annotated, with their annotations.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) grid: Grid,
    pub(super) images: Vec<Image>,
    /// Image by image.
    pub(super) cells: Vec<Cells>,
    /// The number of images without annotation in any of [`DEFAULT_CATEGORIES`].
    pub(super) left_out: usize,
}

impl Categories {
    /// Finds the columns of the `asked` categories, by default of those of [`DEFAULT_CATEGORIES`] that there are.
    pub(super) fn resolve(table: &Table, asked: Option<&[String]>) -> Result<Self> {
        let there = |c: &str| table.has(c) && !META.contains(&c);
        let defaults = || DEFAULT_CATEGORIES.iter().filter(|c| there(c)).map(|c| c.to_string());
        let mut considered: Vec<String> = defaults().collect();
        let mut wanted: Vec<String> = Vec::new();
        for category in asked.unwrap_or(&considered) {
            if !there(category) {
                let expected = format!("a column for the category {}", excerpt(category));
                return Err(Error::format(table.path(), "header", table.columns_found(), expected));
            }
            if !wanted.contains(category) {
                wanted.push(category.clone());
            }
        }
        if wanted.is_empty() {
            let expected = format!("a column for a category: {}", DEFAULT_CATEGORIES.join(", "));
            return Err(match asked {
                Some(_) => Error::mismatch("categories asked for", "none", "at least one"),
                None => Error::format(table.path(), "header", table.columns_found(), expected),
            });
        }
        considered.extend(wanted.iter().filter(|c| !defaults().any(|d| d == **c)).cloned());
        Ok(Self { considered, wanted })
    }
}

impl Index {
    /// Reads the rows of `table`.
    pub(super) fn read(table: &Table, categories: &Categories, labels: &Labels) -> Result<Self> {
        let [image, split, ih, iw, sh, sw] = META.map(|c| table.column(c));
        let (image, split, ih, iw, sh, sw) = (image?, split?, ih?, iw?, sh?, sw?);
        let columns = categories.considered.iter().map(|c| {
            let default = DEFAULT_CATEGORIES.contains(&c.as_str());
            Ok((table.column(c)?, default, categories.wanted.contains(c)))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let scene = table.find("scene")?;

        let mut index = Self { grid: Grid::SINGLE, images: Vec::new(), cells: Vec::new(), left_out: 0 };
        let mut first = None;
        let mut found = Cells::default();
        table.each_row(|row| {
            let (height, width) = (row.number(sh, 1..=MAX_MASK_SIDE)?, row.number(sw, 1..=MAX_MASK_SIDE)?);
            let (set_height, set_width, line) = *first.get_or_insert((height, width, row.line()));
            for (at, found, expected) in [(sh, height, set_height), (sw, width, set_width)] {
                if found != expected {
                    let expected = format!("{expected}, as in line {line}: all masks of a probe set are of one size");
                    return Err(row.error(at, found.to_string(), expected));
                }
            }
            let mut annotated = false;
            let mut wanted = Cells::default();
            for (at, default, is_wanted) in &columns {
                read_cell(row, *at, labels, &mut found)?;
                annotated |= *default && !(found.masks.is_empty() && found.scalars.is_empty());
                if *is_wanted {
                    wanted.masks.append(&mut found.masks);
                    wanted.scalars.append(&mut found.scalars);
                }
            }
            wanted.scalars.sort_unstable();
            wanted.scalars.dedup();
            if wanted.masks.len() as u64 * u64::from(height) * u64::from(width) > MAX_POSITIONS {
                let found = format!("{} label PNGs of {height} x {width}", wanted.masks.len());
                return Err(row.error(image, found, format!("at most {MAX_POSITIONS} positions an image")));
            }
            if !annotated {
                index.left_out += 1;
                return Ok(());
            }
            let name = row.text(image);
            check_path(row, image, name)?;
            let mut info = Image {
                name: name.to_owned(),
                split: row.text(split).to_owned(),
                height: row.number(ih, 1..=MAX_SIDE)?,
                width: row.number(iw, 1..=MAX_SIDE)?,
                scene: None,
                scene_name: None,
            };
            if let Some(at) = scene {
                read_cell(row, at, labels, &mut found)?;
                info.scene = found.scalars.first().map(|l| ConceptId(*l));
                info.scene_name = info.scene.and_then(|l| labels.get(l.0)).map(|l| l.name.clone());
            }
            index.images.push(info);
            index.cells.push(wanted);
            Ok(())
        })?;
        let Some((height, width, _)) = first.filter(|_| !index.images.is_empty()) else {
            let found = format!("{} images, none of them annotated", index.left_out);
            return Err(Error::format(table.path(), "rows", found, "at least one image with an annotation"));
        };
        index.grid = Grid { height: height as usize, width: width as usize };
        Ok(index)
    }
}

/// Reads the `;`-list of PNG names and label numbers in a category's field into the emptied `into`.
fn read_cell(row: &Row<'_>, at: usize, labels: &Labels, into: &mut Cells) -> Result<()> {
    into.masks.clear();
    into.scalars.clear();
    for part in row.text(at).split(';').map(str::trim).filter(|p| !p.is_empty()) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            match part.parse() {
                Ok(0) => {}
                Ok(label) if labels.contains(label) => into.scalars.push(label),
                _ => {
                    let expected = format!("a number that label.csv lists (at most {MAX_LABEL}), or 0");
                    return Err(row.error(at, format!("label {}", excerpt(part)), expected));
                }
            }
        } else if part.len() > 4 && part.as_bytes()[part.len() - 4..].eq_ignore_ascii_case(b".png") {
            check_path(row, at, part)?;
            into.masks.push(part.into());
        } else {
            let expected = "label numbers and names of .png files, separated by `;`";
            return Err(row.error(at, excerpt(part), expected));
        }
    }
    Ok(())
}

/// Refuses paths that lead out of the folder on any system.
fn check_path(row: &Row<'_>, at: usize, path: &str) -> Result<()> {
    let drive = path.as_bytes().get(1) == Some(&b':');
    let up = path.split('/').any(|c| c == "..");
    if path.is_empty() || drive || up || path.starts_with('/') || path.contains(['\\', '\0']) {
        let expected = "a path below the folder `images`, with `/` between its parts and without `..`";
        return Err(row.error(at, excerpt(path), expected));
    }
    Ok(())
}
