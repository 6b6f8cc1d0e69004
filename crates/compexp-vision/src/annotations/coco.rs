//! COCO's instances: one JSON file with polygons and runs.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use compexp_core::concept::Concept;
use compexp_core::probe::Annotation;
use compexp_files::{excerpt, read_json_of};
use serde::Deserialize;

use super::{
    Layers, Options, PictureSource, Pictures, Stated, chosen, concept, image_folder, polygon, probe_set, rle,
    stays_below,
};
use crate::error::{Error, Result};
use crate::image::check_size;

mod segmentation;

use segmentation::{Counts, Segmentation};

/// What a file looks like, for errors.
const FORM: &str = r#"COCO's instances: `{"images": [{"id", "file_name", "width", "height"}, ...], "annotations": [{"image_id", "category_id", "segmentation"}, ...], "categories": [{"id", "name"}, ...]}`"#;

#[derive(Deserialize)]
struct File {
    images: Vec<Picture>,
    annotations: Vec<Object>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    id: Option<i64>,
    image_id: i64,
    category_id: i64,
    segmentation: Segmentation,
}

/// An entry of `images`.
#[derive(Deserialize)]
pub(super) struct Picture {
    pub(super) id: i64,
    pub(super) file_name: String,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// An entry of `categories`.
#[derive(Deserialize)]
pub(super) struct Category {
    pub(super) id: i64,
    name: String,
    #[serde(default)]
    supercategory: Option<String>,
    #[serde(default)]
    isthing: Option<u8>,
}

/// The second family of concepts.
pub(super) const SUPERCATEGORY: &str = "supercategory";

/// The concepts of the categories of a file.
pub(super) struct Families {
    pub(super) concepts: Vec<Concept>,
    /// For each id of a category its concept and that of its supercategory, [`Annotation::NONE`] where it is not wanted.
    pub(super) of_category: HashMap<i64, [u32; 2]>,
}

impl Families {
    /// Those of `categories`, in the order of the file, with ids from 1; supercategories follow in the order in which they
    /// are first met. A supercategory with the name of a category gets `-super` behind it.
    pub(super) fn new(
        path: &Path,
        categories: &[Category],
        wanted: &[String],
        family: impl Fn(&Category) -> &'static str,
    ) -> Result<Self> {
        let is_wanted = |family: &str| wanted.iter().any(|w| w == family);
        let mut this = Self { concepts: Vec::new(), of_category: HashMap::new() };
        let mut supers: Vec<&str> = Vec::new();
        for (category, id) in categories.iter().zip(1..) {
            let family = family(category);
            let mut own = [Annotation::NONE; 2];
            if is_wanted(family) {
                this.concepts.push(concept(id, &category.name, family));
                own[0] = id;
            }
            if let Some(name) =
                category.supercategory.as_deref().filter(|name| !name.is_empty() && is_wanted(SUPERCATEGORY))
            {
                let at = supers.iter().position(|s| *s == name).unwrap_or_else(|| {
                    supers.push(name);
                    supers.len() - 1
                });
                own[1] = (categories.len() + 1 + at) as u32;
            }
            if this.of_category.insert(category.id, own).is_some() {
                return Err(Error::format(path, "categories", format!("id {} twice", category.id), "each id once"));
            }
        }
        for (name, id) in supers.iter().zip(categories.len() as u32 + 1..) {
            let taken = categories.iter().any(|category| category.name == *name);
            let name = if taken { format!("{name}-super") } else { (*name).to_owned() };
            this.concepts.push(concept(id, &name, SUPERCATEGORY));
        }
        Ok(this)
    }

    /// The concepts of a category's id. `whose` names what has the category.
    ///
    /// # Errors
    /// `Error::Format` if the file lists no such category.
    pub(super) fn find(&self, path: &Path, id: i64, whose: impl FnOnce() -> String) -> Result<[u32; 2]> {
        let found = || format!("category_id {id}");
        let unknown = || Error::format(path, whose(), found(), "an id that `categories` lists");
        self.of_category.get(&id).copied().ok_or_else(unknown)
    }
}

/// Whether a category is of things or of stuff, as panoptic files say.
pub(super) fn thing_or_stuff(category: &Category) -> &'static str {
    if category.isthing == Some(0) { "stuff" } else { "thing" }
}

/// The place of each picture by its id.
///
/// # Errors
/// `Error::Format` if an id is there twice, a size is out of range, or a name leads out of the folder of pictures.
pub(super) fn by_id(path: &Path, images: &[Picture]) -> Result<HashMap<i64, usize>> {
    let mut places = HashMap::with_capacity(images.len());
    for (at, Picture { id, file_name, height, width }) in images.iter().enumerate() {
        if places.insert(*id, at).is_some() {
            return Err(Error::format(path, "images", format!("id {id} twice"), "each id once"));
        }
        check_size(path, *width, *height)?;
        if !stays_below(file_name) {
            let expected = "a path below the folder of pictures, without `..`";
            return Err(Error::format(path, format!("file_name of image {id}"), excerpt(file_name), expected));
        }
    }
    Ok(places)
}

/// Opens a file of COCO's instances. `images` is the folder of the pictures; without it, it is the folder `images` beside the
/// file, if there is one. Crowd regions count like other annotations.
///
/// # Errors
/// [`compexp_files::Error::Io`] if a file or folder cannot be read; [`compexp_files::Error::Format`] if the file is not
/// COCO's instances, an id is unknown or there twice, a coordinate is out of range, or runs do not cover the picture.
pub fn coco(file: &Path, images: Option<&Path>, options: &Options) -> Result<Pictures> {
    let categories = chosen(options.categories.as_deref(), &["object", SUPERCATEGORY], 1)?;
    let image_root = image_folder(images, file)?;
    let File { images, annotations, categories: listed } = read_json_of(file, FORM)?;
    let families = Families::new(file, &listed, &categories, |_| "object")?;
    let places = by_id(file, &images)?;
    let mut objects: Vec<Vec<([u32; 2], Shape)>> = images.iter().map(|_| Vec::new()).collect();
    for (nth, object) in annotations.into_iter().enumerate() {
        let whose = || match object.id {
            Some(id) => format!("annotation of id {id}"),
            None => format!("annotation {nth} (from 0)"),
        };
        let wrong = |found: String, expected: String| Error::format(file, whose(), found, expected);
        let concepts = families.find(file, object.category_id, whose)?;
        let Some(&at) = places.get(&object.image_id) else {
            return Err(wrong(format!("image_id {}", object.image_id), "an id that `images` lists".into()));
        };
        let Picture { height, width, .. } = images[at];
        let shape =
            Shape::new(object.segmentation, height, width).map_err(|(found, expected)| wrong(found, expected))?;
        objects[at].push((concepts, shape));
    }
    let names: Vec<String> = images.iter().map(|image| image.file_name.clone()).collect();
    let sizes: Vec<(usize, usize)> = images.iter().map(|image| (image.height, image.width)).collect();
    let source = Instances { sizes: sizes.clone(), objects };
    let found = image_root.is_some();
    let set = probe_set(file, families.concepts, names.into_iter(), found, source, options)?;
    let files = vec![("instances".to_owned(), file.to_owned())];
    Ok(Pictures { set, image_root, categories: Some(categories), files, stated: Stated::Sizes(sizes), left_out: 0 })
}

/// The shape of an object, which is right for its picture.
enum Shape {
    Polygons(Vec<Vec<f64>>),
    Runs(Vec<u32>),
}

impl Shape {
    /// Checks a segmentation of a picture.
    ///
    /// # Errors
    /// What was found, and what was expected.
    fn new(segmentation: Segmentation, height: usize, width: usize) -> Result<Self, (String, String)> {
        let shape = match segmentation {
            Segmentation::Polygons(parts) => {
                let first = parts.first().map_or(0, Vec::len);
                if first < 6 {
                    let expected = "polygons, the first of at least three points `[x, y, x, y, x, y]`";
                    return Err((format!("a segmentation that begins with {first} numbers"), expected.into()));
                }
                if let Some(odd) = parts.iter().find(|part| !part.len().is_multiple_of(2)) {
                    return Err((format!("a polygon of {} numbers", odd.len()), "two for each point".into()));
                }
                Self::Polygons(parts)
            }
            Segmentation::Runs { counts, size } => {
                if size != [height, width] {
                    let found = format!("runs of size {size:?}");
                    return Err((found, format!("[{height}, {width}], the height and width of the picture")));
                }
                Self::Runs(match counts {
                    Counts::Numbers(counts) => counts,
                    Counts::Text(text) => rle::parse_counts(&text)
                        .map_err(|found| (found, "runs in COCO's text form, such as `PPYo0`".to_owned()))?,
                })
            }
        };
        // Looked at now and not only when the mask is needed, so that a bad file is refused at once.
        if let Self::Runs(counts) = &shape {
            let (total, expected) = (counts.iter().map(|c| u64::from(*c)).sum::<u64>(), height * width);
            if total != expected as u64 {
                let expected = format!("{expected}, the pixels of {height} x {width}");
                return Err((format!("runs of {total} pixels"), expected));
            }
        }
        Ok(shape)
    }
}

/// The objects of all pictures.
struct Instances {
    /// Height and width.
    sizes: Vec<(usize, usize)>,
    /// Picture by picture.
    objects: Vec<Vec<([u32; 2], Shape)>>,
}

impl PictureSource for Instances {
    fn n_pictures(&self) -> usize {
        self.sizes.len()
    }

    fn read(&self, picture: usize, into: &mut Layers<'_>) -> Result<()> {
        let (height, width) = self.sizes[picture];
        into.picture(height, width)?;
        let mut shapes: BTreeMap<u32, Vec<&Shape>> = BTreeMap::new();
        for (concepts, shape) in &self.objects[picture] {
            for concept in concepts.iter().filter(|concept| **concept != Annotation::NONE) {
                shapes.entry(*concept).or_default().push(shape);
            }
        }
        let mut mask = vec![false; height * width]; // column by column
        let mut toggles = Vec::new();
        for (concept, shapes) in shapes {
            mask.fill(false);
            for shape in shapes {
                match shape {
                    Shape::Polygons(parts) => {
                        for part in parts {
                            polygon::fill(part, height, &mut mask, &mut toggles).map_err(|bad| {
                                Error::mismatch(
                                    "coordinate of a polygon",
                                    bad,
                                    "a number within the range of a picture",
                                )
                            })?;
                        }
                    }
                    Shape::Runs(counts) => rle::fill(counts, &mut mask)
                        .map_err(|total| Error::mismatch("pixels of runs", total, height * width))?,
                }
            }
            into.add(|row, column| if mask[column * height + row] { concept } else { Annotation::NONE });
        }
        Ok(())
    }
}
