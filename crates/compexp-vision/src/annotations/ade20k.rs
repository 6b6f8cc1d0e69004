//! The whole ADE20K, as released in January 2021: a picture with a PNG of objects, PNGs of parts, and a JSON file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compexp_core::probe::Annotation;
use compexp_files::{Place, parse_json, read_bytes};
use rayon::prelude::*;
use serde::Deserialize;

use super::tree::files_below;
use super::{Layers, Options, PictureSource, Pictures, Stated, chosen, concept, probe_set};
use crate::error::{Error, Result};
use crate::image::check_size;
use crate::png_file;

/// What the file of a picture looks like, for errors.
const FORM: &str = r#"`{"annotation": {"imsize": [rows, columns, 3], "object": [{"name", "name_ndx", "parts": {"part_level"}}, ...]}}`"#;
/// Largest JSON file that is read, in bytes.
const MAX_JSON: u64 = 64 << 20;
/// How many levels of parts a picture may have.
const MAX_LEVELS: usize = 16;

#[derive(Deserialize)]
struct File {
    annotation: About,
}

#[derive(Deserialize)]
struct About {
    imsize: Vec<usize>,
    #[serde(default)]
    object: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    name_ndx: u32,
    #[serde(default)]
    parts: Parts,
}

#[derive(Default, Deserialize)]
struct Parts {
    #[serde(default)]
    part_level: u32,
}

/// A PNG of objects or parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `(height, width)`: the number of the class, 0 for none.
    pub classes: Vec<u32>,
    /// `(height, width)`: the number of the object or part, unique in the file; 0 for none.
    pub instances: Vec<u8>,
}

impl Level {
    /// Reads `<stem>_seg.png` or `<stem>_parts_<n>.png`: class = floor(R / 10) * 256 + G, instance = B.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] for a missing file; [`compexp_files::Error::Format`] for a file that is no whole PNG of RGB.
    pub fn read(path: &Path) -> Result<Self> {
        let pixels = png_file::read_colours(path, "a picture of ADE20K has it", |h, w| check_size(path, w, h))?;
        let each = || pixels.bytes.chunks_exact(pixels.channels);
        Ok(Self {
            height: pixels.height,
            width: pixels.width,
            classes: each().map(|p| u32::from(p[0] / 10) << 8 | u32::from(p[1])).collect(),
            instances: each().map(|p| p[2]).collect(),
        })
    }
}

/// Opens the folder of the whole ADE20K (`ADE20K_2021_17_01`), or a folder in it. Pictures are all JPEG files below it, each
/// with `<stem>_seg.png` and `<stem>.json` beside it, and with `<stem>_parts_1.png`, `_parts_2.png`, ... where it has parts.
///
/// A class is one concept, whose id is its number, wherever it is an object or a part. It is called as in the first JSON file
/// that names it, with its number behind it where another class is called so. Its category is `object` if any of the objects
/// is of it.
///
/// # Errors
/// [`compexp_files::Error::Io`] if a file or folder cannot be read; [`compexp_files::Error::Format`] if there is no picture, or a
/// JSON file is of another form. A PNG that is no RGB or of another size than the picture is an error when the annotation is
/// read.
pub fn ade20k(dir: &Path, options: &Options) -> Result<Pictures> {
    let categories = chosen(options.categories.as_deref(), &["object", "part"], 2)?;
    let wanted = |category: &str| categories.iter().any(|c| c == category);
    let (objects, parts) = (wanted("object"), wanted("part"));
    let photographs = files_below(dir, &|name| name.ends_with(".jpg"))?;
    let pictures: Vec<Result<Picture>> =
        photographs.par_iter().map(|(name, path)| Picture::open(name, path, objects, parts)).collect();
    let mut files = Vec::new();
    let mut classes: BTreeMap<u32, Class> = BTreeMap::new();
    let mut sources = Vec::with_capacity(pictures.len());
    for (picture, (name, path)) in pictures.into_iter().zip(&photographs) {
        let Picture { size, levels, classes: its } = picture?;
        let stem = name.trim_end_matches(".jpg");
        files.push((format!("{stem}.json"), path.with_extension("json")));
        files.extend(levels.iter().map(|level| (format!("{stem} {}", files_name(level)), level.clone())));
        for Class { number, name, is_object } in its {
            let class = classes.entry(number).or_insert(Class { number, name, is_object });
            class.is_object |= is_object;
        }
        sources.push((size, levels));
    }
    let mut taken = std::collections::HashSet::new();
    let mut concepts = Vec::with_capacity(classes.len());
    for Class { number, name, is_object } in classes.into_values() {
        let name = if taken.contains(&name) { format!("{name} {number}") } else { name };
        concepts.push(concept(number, &name, if is_object && objects { "object" } else { "part" }));
        taken.insert(name);
    }
    let names = photographs.into_iter().map(|(name, _)| name);
    let stated = Stated::Sizes(sources.iter().map(|(size, _)| *size).collect());
    let set = probe_set(dir, concepts, names, true, Levels(sources), options)?;
    Ok(Pictures { set, image_root: Some(dir.to_owned()), categories: Some(categories), files, stated, left_out: 0 })
}

/// The name of a level's file.
fn files_name(level: &Path) -> String {
    level.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A class, as a picture names it.
struct Class {
    number: u32,
    name: String,
    is_object: bool,
}

/// What is known of a picture before its PNGs are read.
struct Picture {
    /// Height and width.
    size: (usize, usize),
    levels: Vec<PathBuf>,
    classes: Vec<Class>,
}

impl Picture {
    fn open(name: &str, path: &Path, objects: bool, parts: bool) -> Result<Self> {
        let json = path.with_extension("json");
        let bytes = read_bytes(&json, MAX_JSON)?;
        // The release has names in Latin-1.
        let text = String::from_utf8(bytes).unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect());
        let About { imsize, object } = parse_json::<File>(&json, None, &text, FORM)?.annotation;
        let &[height, width, ..] = &imsize[..] else {
            return Err(Error::format(&json, "imsize", format!("{imsize:?}"), "[rows, columns, 3]"));
        };
        check_size(&json, width, height)?;
        let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".jpg");
        let mut levels = Vec::new();
        if objects {
            levels.push(path.with_file_name(format!("{stem}_seg.png")));
        }
        for level in 1..=if parts { MAX_LEVELS } else { 0 } {
            let level = path.with_file_name(format!("{stem}_parts_{level}.png"));
            if Place::behind(&level)? == Place::Nothing {
                break;
            }
            levels.push(level);
        }
        let is_wanted = |o: &Object| if o.parts.part_level == 0 { objects } else { parts };
        if let Some(none) = object.iter().find(|o| o.name_ndx == 0 || o.name_ndx == Annotation::NONE) {
            let found = format!("{} of `{}`", none.name_ndx, none.name);
            return Err(Error::format(&json, "name_ndx", found, "the number of a class, from 1"));
        }
        let class = |o: Object| Class { number: o.name_ndx, name: o.name, is_object: o.parts.part_level == 0 };
        let classes = object.into_iter().filter(is_wanted).map(class).collect();
        Ok(Self { size: (height, width), levels, classes })
    }
}

/// The size and the PNGs of each picture.
struct Levels(Vec<((usize, usize), Vec<PathBuf>)>);

impl PictureSource for Levels {
    fn n_pictures(&self) -> usize {
        self.0.len()
    }

    fn read(&self, picture: usize, into: &mut Layers<'_>) -> Result<()> {
        let ((height, width), levels) = &self.0[picture];
        into.picture(*height, *width)?;
        for path in levels {
            let level = Level::read(path)?;
            png_file::same_size(path, (level.height, level.width), (*height, *width), "as `imsize` of the JSON file")?;
            into.add(|row, column| match level.classes[row * width + column] {
                0 => Annotation::NONE,
                class => class,
            });
        }
        Ok(())
    }
}
