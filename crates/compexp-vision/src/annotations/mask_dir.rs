//! Folders of PNGs whose pixels are class numbers, with a file of names, as of Pascal VOC and Cityscapes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use compexp_core::probe::Annotation;
use compexp_files::excerpt;

use super::tree::files_below;
use super::{Layers, Options, PictureSource, Pictures, Stated, concept, image_folder, probe_set};
use crate::broden::read_limited;
use crate::error::{Error, Result};
use crate::image::{ENDINGS, Header, check_size};
use crate::png_file;

/// The value of pixels that have no class.
const VOID: u8 = 255;
/// Largest file of names that is read, in bytes.
const MAX_NAMES: u64 = 1 << 20;
/// What Cityscapes puts behind the name that a picture and its masks share.
const OF_PICTURE: &str = "_leftImg8bit";
/// Likewise of masks; the first that occurs is taken, so that other PNGs of the same picture are no masks.
const OF_MASK: [&str; 4] =
    ["_gtFine_labelTrainIds", "_gtFine_labelIds", "_gtCoarse_labelTrainIds", "_gtCoarse_labelIds"];

/// Opens the masks below the folder `dir`: PNGs of palette or grey pixels whose value is the number of a class, 255 for none.
/// `names` has the name of a class on each line, from class 0; a class with an empty line is no concept. The concept of class
/// c has the id c + 1.
///
/// `images` is the folder of the pictures. A picture belongs to the mask with the same path but for its ending (or with the
/// endings that Cityscapes has), and pictures without a mask are left out. Without the folder, examples are called by their
/// masks.
///
/// # Errors
/// [`compexp_files::Error::Io`] if a file or folder cannot be read; [`compexp_files::Error::Format`] if there is no mask, a name
/// is there twice, or a mask has no picture or several. A PNG of another pixel type or size than its picture, or with a class
/// that has no name, is an error when the annotation is read.
pub fn mask_dir(dir: &Path, names: &Path, images: Option<&Path>, options: &Options) -> Result<Pictures> {
    let classes = read_names(names)?;
    let concepts = classes.iter().zip(1..).filter(|(name, _)| !name.is_empty());
    let concepts = concepts.map(|(name, id)| concept(id, name, "object")).collect();
    let masks = masks_below(dir)?;
    let image_root = match images {
        Some(images) => image_folder(Some(images), dir)?,
        None => None,
    };
    let (pictures, left_out) = match &image_root {
        Some(root) => pair(&masks, root)?,
        None => (masks.iter().map(|mask| (mask.name.clone(), None)).collect(), 0),
    };
    let files = std::iter::once(("names".to_owned(), names.to_owned()));
    let files = files.chain(masks.iter().map(|mask| (mask.name.clone(), mask.path.clone()))).collect();
    let (shown, paths): (Vec<String>, Vec<Option<PathBuf>>) = pictures.into_iter().unzip();
    let stated = Stated::Masks(masks.iter().map(|mask| mask.path.clone()).collect());
    let source = Masks { classes, masks: masks.into_iter().map(|mask| mask.path).zip(paths).collect() };
    let set = probe_set(dir, concepts, shown.into_iter(), image_root.is_some(), source, options)
        .map_err(|e| in_file(e, names))?;
    Ok(Pictures { set, image_root, categories: None, files, stated, left_out })
}

/// The error about concepts, which are in the file of names and not in the folder of masks.
fn in_file(error: Error, names: &Path) -> Error {
    match error {
        Error::File(compexp_files::Error::Format { field, found, expected, .. }) if field == "concepts" => {
            Error::format(names, "names", found, expected)
        }
        other => other,
    }
}

/// The names of the classes from 0.
fn read_names(path: &Path) -> Result<Vec<String>> {
    let text = read_limited(path, "it names the classes, one a line", MAX_NAMES)?;
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if names.len() > usize::from(VOID) {
        let found = format!("{} lines", names.len());
        return Err(Error::format(path, "names", found, format!("at most {VOID}, since the value {VOID} is no class")));
    }
    if names.iter().all(String::is_empty) {
        return Err(Error::format(path, "names", "none", "the name of a class on each line"));
    }
    Ok(names)
}

/// A mask below the folder.
struct Mask {
    /// Its path relative to the folder.
    name: String,
    /// The same without ending.
    key: String,
    path: PathBuf,
}

/// The masks below `dir`, in the order of their names without ending.
fn masks_below(dir: &Path) -> Result<Vec<Mask>> {
    let all = files_below(dir, &|name| has_ending(name, &["png"]))?;
    let ending = OF_MASK.into_iter().find(|ending| all.iter().any(|(name, _)| stem(name).ends_with(ending)));
    let mask = |(name, path): (String, PathBuf)| {
        let key = stem(&name).strip_suffix(ending.unwrap_or_default())?.to_owned();
        Some(Mask { name, key, path })
    };
    let mut masks: Vec<Mask> = all.into_iter().filter_map(mask).collect();
    if masks.is_empty() {
        return Err(Error::format(dir, "masks", "no PNG", "PNGs whose pixels are the numbers of classes"));
    }
    masks.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(masks)
}

/// For each mask the name and path of its picture, and how many pictures have no mask.
#[allow(clippy::type_complexity, reason = "two lists in one")]
fn pair(masks: &[Mask], root: &Path) -> Result<(Vec<(String, Option<PathBuf>)>, usize)> {
    let all = files_below(root, &|name| has_ending(name, &ENDINGS))?;
    let n = all.len();
    let mut by_key: HashMap<String, (String, PathBuf)> = HashMap::with_capacity(n);
    for (name, path) in all {
        let key = stem(&name);
        let key = key.strip_suffix(OF_PICTURE).unwrap_or(key).to_owned();
        if let Some((other, _)) = by_key.insert(key, (name.clone(), path)) {
            let found = format!("{} and {}", excerpt(&other), excerpt(&name));
            return Err(Error::format(root, "pictures", found, "one picture of a name"));
        }
    }
    let mut pictures = Vec::with_capacity(masks.len());
    for mask in masks {
        let Some((name, path)) = by_key.remove(&mask.key) else {
            let expected =
                format!("a picture {}.jpg or .png, or of another format, in `{}`", excerpt(&mask.key), root.display());
            return Err(Error::format(&mask.path, "picture", "none", expected));
        };
        pictures.push((name, Some(path)));
    }
    Ok((pictures, by_key.len()))
}

/// A name without what follows the last dot.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| endings.iter().any(|e| ending.eq_ignore_ascii_case(e)))
}

struct Masks {
    /// The names of classes from 0, empty for a class that is no concept.
    classes: Vec<String>,
    /// The PNG and the picture of each example.
    masks: Vec<(PathBuf, Option<PathBuf>)>,
}

impl PictureSource for Masks {
    fn n_pictures(&self) -> usize {
        self.masks.len()
    }

    fn read(&self, picture: usize, into: &mut Layers<'_>) -> Result<()> {
        let (png, photograph) = &self.masks[picture];
        let pixels = png_file::read_indices(png, "the folder had it", |height, width| {
            check_size(png, width, height)?;
            let Some(photograph) = photograph else { return Ok(()) };
            let says = format!("as `{}`", photograph.display());
            let header = Header::read(photograph)?;
            match header.upright() == (height, width) {
                true => Ok(()),
                false => png_file::same_size(png, (height, width), header.stored(), &says),
            }
        })?;
        let mut concepts = [Annotation::NONE; 256];
        for (concept, id) in
            concepts.iter_mut().zip(1..).zip(&self.classes).filter(|(_, n)| !n.is_empty()).map(|(c, _)| c)
        {
            *concept = id;
        }
        let named = self.classes.len();
        if let Some(at) = pixels.bytes.iter().position(|class| usize::from(*class) >= named && *class != VOID) {
            let field = format!("row {}, column {} (from 0)", at / pixels.width, at % pixels.width);
            let expected = format!("a class below {named}, as many as have names, or {VOID} for none");
            return Err(Error::format(png, field, format!("class {}", pixels.bytes[at]), expected));
        }
        into.picture(pixels.height, pixels.width)?;
        into.add(|row, column| concepts[usize::from(pixels.bytes[row * pixels.width + column])]);
        Ok(())
    }
}
