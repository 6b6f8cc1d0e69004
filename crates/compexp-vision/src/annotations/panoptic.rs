//! COCO's panoptic segmentation: a JSON file, and a PNG of segments for each picture.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use compexp_core::probe::Annotation;
use compexp_files::{excerpt, read_json_of};
use serde::Deserialize;

use super::coco::{Category, Families, Picture, SUPERCATEGORY, by_id, thing_or_stuff};
use super::{Layers, Options, PictureSource, Pictures, Stated, chosen, image_folder, probe_set, stays_below};
use crate::error::{Error, Result};
use crate::png_file;

/// What a file looks like, for errors.
const FORM: &str = r#"COCO's panoptic segments: `{"images": [{"id", "file_name", "width", "height"}, ...], "annotations": [{"image_id", "file_name", "segments_info": [{"id", "category_id"}, ...]}, ...], "categories": [{"id", "name", "isthing"}, ...]}`"#;

#[derive(Deserialize)]
struct File {
    images: Vec<Picture>,
    annotations: Vec<Segmented>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Segmented {
    image_id: i64,
    file_name: String,
    segments_info: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    id: u32,
    category_id: i64,
}

/// Opens a file of COCO's panoptic segmentation. The PNGs are in the folder beside it that has its name without `.json`.
/// `images` is as for [`coco`](super::coco).
///
/// # Errors
/// As for [`coco`](super::coco); also `Error::Format` if a picture has not one annotation. A PNG that is missing, of another
/// size than the picture, or with a colour that no segment has is an error when the annotation is read.
pub fn panoptic(file: &Path, images: Option<&Path>, options: &Options) -> Result<Pictures> {
    let categories = chosen(options.categories.as_deref(), &["thing", "stuff", SUPERCATEGORY], 2)?;
    let image_root = image_folder(images, file)?;
    let File { images, annotations, categories: listed } = read_json_of(file, FORM)?;
    let families = Families::new(file, &listed, &categories, thing_or_stuff)?;
    let places = by_id(file, &images)?;
    let folder = file.with_extension("");
    let mut pictures: Vec<Option<Segments>> = images.iter().map(|_| None).collect();
    for Segmented { image_id, file_name, segments_info } in annotations {
        let whose = || format!("annotation of image {image_id}");
        let wrong = |found: String, expected: &str| Error::format(file, whose(), found, expected);
        let Some(&at) = places.get(&image_id) else {
            return Err(wrong(format!("image_id {image_id}"), "an id that `images` lists"));
        };
        if !stays_below(&file_name) {
            return Err(wrong(excerpt(&file_name), "the name of a PNG, without `..`"));
        }
        let mut of_segment = HashMap::with_capacity(segments_info.len());
        for Segment { id, category_id } in segments_info {
            let concepts = families.find(file, category_id, || format!("segment {id} of image {image_id}"))?;
            if of_segment.insert(id, concepts).is_some() {
                return Err(wrong(format!("segment {id} twice"), "each segment once"));
            }
        }
        let size = (images[at].height, images[at].width);
        let segments = Segments { png: folder.join(&file_name), name: file_name, size, of_segment };
        if pictures[at].replace(segments).is_some() {
            return Err(wrong("a second annotation".into(), "one for each image"));
        }
    }
    if let Some(at) = pictures.iter().position(Option::is_none) {
        let found = format!("no annotation of image {}", images[at].id);
        return Err(Error::format(file, "annotations", found, "one for each image"));
    }
    let source = Panoptic {
        pictures: pictures.into_iter().flatten().collect(),
        supers: categories.contains(&SUPERCATEGORY.to_owned()),
    };
    let mut files = vec![("panoptic".to_owned(), file.to_owned())];
    files.extend(source.pictures.iter().map(|picture| (picture.name.clone(), picture.png.clone())));
    let stated = Stated::Sizes(images.iter().map(|image| (image.height, image.width)).collect());
    let names = images.into_iter().map(|image| image.file_name);
    let set = probe_set(file, families.concepts, names, image_root.is_some(), source, options)?;
    Ok(Pictures { set, image_root, categories: Some(categories), files, stated, left_out: 0 })
}

/// The segments of a picture.
struct Segments {
    name: String,
    png: PathBuf,
    /// Height and width.
    size: (usize, usize),
    /// The concepts of each segment.
    of_segment: HashMap<u32, [u32; 2]>,
}

struct Panoptic {
    pictures: Vec<Segments>,
    supers: bool,
}

impl PictureSource for Panoptic {
    fn n_pictures(&self) -> usize {
        self.pictures.len()
    }

    fn read(&self, picture: usize, into: &mut Layers<'_>) -> Result<()> {
        let Segments { png, size: (height, width), of_segment, .. } = &self.pictures[picture];
        let pixels = png_file::read_colours(png, "the panoptic file names it", |h, w| {
            png_file::same_size(png, (h, w), (*height, *width), "the size of the picture")
        })?;
        let mut concepts = Vec::with_capacity(height * width); // (height, width)
        let (mut last, mut its) = (0, [Annotation::NONE; 2]);
        for (at, pixel) in pixels.bytes.chunks_exact(pixels.channels).enumerate() {
            let segment = u32::from(pixel[0]) | u32::from(pixel[1]) << 8 | u32::from(pixel[2]) << 16;
            if segment != last {
                last = segment;
                its = match of_segment.get(&segment) {
                    Some(concepts) => *concepts,
                    None if segment == 0 => [Annotation::NONE; 2],
                    None => {
                        let field = format!("row {}, column {} (from 0)", at / width, at % width);
                        let expected = "a segment that `segments_info` lists, or 0";
                        return Err(Error::format(png, field, format!("segment {segment}"), expected));
                    }
                };
            }
            concepts.push(its);
        }
        into.picture(*height, *width)?;
        for family in [0, 1].into_iter().take(1 + usize::from(self.supers)) {
            into.add(|row, column| concepts[row * width + column][family]);
        }
        Ok(())
    }
}
