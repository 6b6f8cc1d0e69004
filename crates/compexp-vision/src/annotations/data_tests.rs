//! The masks of painted pictures, equal to those of pycocotools and Pillow pixel by pixel. Needs the data folder.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use compexp_core::concept::ConceptId;
use compexp_core::probe::Grid;
use compexp_tests::data;
use serde::Deserialize;

use super::*;

/// An array of an .npz.
struct Array {
    shape: Vec<usize>,
    /// Whether it is stored column by column.
    fortran: bool,
    bytes: Vec<u8>,
}

/// Reads an .npz that numpy compressed.
fn npz(path: &Path) -> HashMap<String, Array> {
    let file = std::fs::read(path).unwrap();
    let (mut at, mut arrays) = (0, HashMap::new());
    while file[at..].starts_with(b"PK\x03\x04") {
        let number = |from: usize| usize::from(u16::from_le_bytes([file[at + from], file[at + from + 1]]));
        let (name, begin) = (number(26), at + 30 + number(26) + number(28));
        let name = String::from_utf8(file[at + 30..at + 30 + name].to_vec()).unwrap();
        let mut inflated = flate2::bufread::DeflateDecoder::new(&file[begin..]);
        let mut npy = vec![];
        inflated.read_to_end(&mut npy).unwrap();
        at = begin + inflated.total_in() as usize;
        let header = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
        let text = String::from_utf8_lossy(&npy[10..header]).into_owned();
        let shape = text.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
        let shape = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let fortran = text.contains("'fortran_order': True");
        arrays
            .insert(name.trim_end_matches(".npy").to_owned(), Array { shape, fortran, bytes: npy[header..].to_vec() });
    }
    arrays
}

impl Array {
    fn ints(&self) -> Vec<i64> {
        let n: usize = self.shape.iter().product();
        let each = self.bytes.chunks_exact(self.bytes.len() / n);
        each.map(|b| {
            if b.len() == 4 {
                i32::from_le_bytes(b.try_into().unwrap()).into()
            } else {
                i64::from_le_bytes(b.try_into().unwrap())
            }
        })
        .collect()
    }

    /// The entry at `at` of an array of one byte an entry, stored row by row.
    fn bit(&self, at: [usize; 4]) -> bool {
        self.bytes[at.iter().zip(&self.shape).fold(0, |sum, (at, n)| sum * n + at)] != 0
    }
}

/// The positions of a picture, with each concept in turn, at the size of the picture.
fn masks(pictures: &Pictures, picture: usize, concepts: &[u32]) -> Vec<Vec<bool>> {
    let grid = pictures.set.source.grid();
    let mut annotation = Annotation::default();
    pictures.set.source.annotate(picture, &mut annotation).unwrap();
    assert!(annotation.scalars.is_empty());
    let mask = |concept: &u32| {
        let has = |at| annotation.layers.iter().skip(at).step_by(grid.positions()).any(|id| id == concept);
        (0..grid.positions()).map(has).collect()
    };
    concepts.iter().map(mask).collect()
}

/// Compares the masks of every picture and concept at the picture's own size. `place` gives the picture's place in the
/// expected arrays.
fn compare(
    expected: &HashMap<String, Array>,
    keys: &[&str],
    concepts: &[u32],
    place: impl Fn(&str) -> usize,
    open: impl Fn(Grid) -> Pictures,
) {
    let sizes = expected["sizes"].ints();
    let mut seen = 0;
    let n = sizes.len() / 2;
    let mut sides: Vec<_> = sizes.chunks_exact(2).map(|s| [s[0] as usize, s[1] as usize]).collect();
    sides.sort_unstable();
    sides.dedup();
    for [height, width] in sides {
        let pictures = open(Grid { height, width });
        assert_eq!(pictures.set.examples.len(), n);
        for picture in 0..n {
            let at = place(&pictures.set.examples[picture].name);
            if sizes[2 * at..2 * at + 2] != [height as i64, width as i64] {
                continue;
            }
            seen += 1;
            for (c, mask) in masks(&pictures, picture, concepts).iter().enumerate() {
                for (p, found) in mask.iter().enumerate() {
                    let bit = |key: &&str| expected[*key].bit([at, c, p / width, p % width]);
                    let expected = keys.iter().any(bit);
                    assert_eq!(
                        *found, expected,
                        "{keys:?}: picture {at}, concept {c}, position {p} of {height} x {width}"
                    );
                }
            }
        }
    }
    assert_eq!(seen, n);
}

fn options(mask_size: Grid) -> Options {
    Options { mask_size, framing: Framing::default(), categories: None }
}

/// The ids and file names of the images, and the ids of the categories of a file.
fn listed(file: &Path) -> (Vec<(i64, String)>, Vec<i64>) {
    #[derive(Deserialize)]
    struct Entry {
        id: i64,
        #[serde(default)]
        file_name: String,
    }
    #[derive(Deserialize)]
    struct File {
        images: Vec<Entry>,
        categories: Vec<Entry>,
    }
    let file: File = compexp_files::read_json(file).unwrap();
    (file.images.into_iter().map(|i| (i.id, i.file_name)).collect(), file.categories.iter().map(|c| c.id).collect())
}

#[test]
fn instances_are_those_of_pycocotools() {
    let Some(file) = data("coco/instances.json") else { return };
    let expected = npz(&file.with_file_name("expected.npz"));
    let (images, categories) = listed(&file);
    assert_eq!(expected["image_ids"].ints(), images.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    assert_eq!(expected["category_ids"].ints(), categories);
    let concepts: Vec<u32> = (1..=categories.len() as u32).collect();
    let place = |name: &str| images.iter().position(|(_, file)| file == name).unwrap();
    compare(&expected, &["instances"], &concepts, place, |grid| coco(&file, None, &options(grid)).unwrap());

    let pictures = coco(&file, None, &options(MASK_SIZE)).unwrap();
    let names: Vec<_> = pictures.set.examples.iter().map(|e| e.name.clone()).collect();
    assert_eq!(names, images.into_iter().map(|(_, name)| name).collect::<Vec<_>>(), "in the order of the file");
    assert!(names.iter().all(|name| pictures.image_root.as_ref().unwrap().join(name).is_file()));
    let zebra = pictures.set.vocabulary.find("zebra").unwrap();
    assert_eq!(
        (pictures.set.vocabulary.category(zebra), zebra),
        ("object", ConceptId(4)),
        "a category without annotation"
    );
}

#[test]
fn supercategories_are_the_unions_of_their_categories() {
    let Some(file) = data("coco/instances.json") else { return };
    let grid = Grid { height: 64, width: 96 };
    let categories = Some(vec!["supercategory".to_owned(), "object".to_owned()]);
    let pictures = coco(&file, None, &Options { mask_size: grid, framing: Framing::default(), categories }).unwrap();
    let id = |name: &str| pictures.set.vocabulary.find(name).unwrap().0;
    assert_eq!(pictures.set.vocabulary.category(ConceptId(id("animal"))), "supercategory");
    let asked = ["dog", "zebra", "cat", "animal"].map(id);
    let mut seen = 0;
    for picture in 0..pictures.set.examples.len() {
        let found = masks(&pictures, picture, &asked);
        for (((dog, zebra), cat), animal) in found[0].iter().zip(&found[1]).zip(&found[2]).zip(&found[3]) {
            assert_eq!(*animal, *dog || *zebra || *cat);
            seen += usize::from(*animal);
        }
    }
    assert!(seen > 1000, "{seen}");
    let only = Some(vec!["supercategory".to_owned()]);
    let pictures =
        coco(&file, None, &Options { mask_size: grid, framing: Framing::default(), categories: only }).unwrap();
    assert_eq!(pictures.set.vocabulary.find("dog"), None);
    let one = masks(&pictures, 0, &[id("animal"), id("dog")]);
    assert!(one[0].contains(&true) && !one[1].contains(&true));
}

#[test]
fn the_edge_polygons_are_those_of_pycocotools() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        height: usize,
        width: usize,
        segmentation: serde_json::Value,
    }
    #[derive(Deserialize)]
    struct Cases {
        polygons: Vec<Case>,
    }
    let Some(file) = data("coco/edge_polygons.json") else { return };
    let expected = npz(&file.with_file_name("edge_expected.npz"));
    let scratch = compexp_tests::files::Scratch::new();
    let Cases { polygons } = compexp_files::read_json(&file).unwrap();
    let mut compared = 0;
    for Case { name, height, width, segmentation } in polygons {
        let text = serde_json::json!({
            "images": [{ "id": 1, "file_name": "a.jpg", "height": height, "width": width }],
            "annotations": [{ "image_id": 1, "category_id": 1, "segmentation": segmentation }],
            "categories": [{ "id": 1, "name": "it" }],
        });
        let path = scratch.write("instances.json", text.to_string().as_bytes());
        let opened = coco(&path, None, &options(Grid { height, width }));
        let Some(expected) = expected.get(&name) else {
            assert_eq!(name, "two_points");
            let e = opened.err().unwrap().to_string();
            assert!(e.contains("begins with 4 numbers") && e.contains("at least three points"), "{e}");
            continue;
        };
        let place = |p: usize| if expected.fortran { p % width * height + p / width } else { p };
        for (p, found) in masks(&opened.unwrap(), 0, &[1]).remove(0).into_iter().enumerate() {
            assert_eq!(found, expected.bytes[place(p)] != 0, "{name}, position {p}");
        }
        compared += 1;
    }
    assert_eq!(compared, expected.len());
}

#[test]
fn panoptic_masks_are_those_of_the_pngs() {
    let Some(file) = data("coco/panoptic.json") else { return };
    let expected = npz(&file.with_file_name("expected.npz"));
    let (images, categories) = listed(&file);
    assert_eq!(expected["panoptic_category_ids"].ints(), categories);
    let concepts: Vec<u32> = (1..=categories.len() as u32).collect();
    let place = |name: &str| images.iter().position(|(_, file)| file == name).unwrap();
    compare(&expected, &["panoptic"], &concepts, place, |grid| panoptic(&file, None, &options(grid)).unwrap());

    let pictures = panoptic(&file, None, &options(MASK_SIZE)).unwrap();
    let of = |name: &str| pictures.set.vocabulary.category(pictures.set.vocabulary.find(name).unwrap()).to_owned();
    assert_eq!((of("dog"), of("river")), ("thing".into(), "stuff".into()));
    assert_eq!(pictures.files.len(), 1 + images.len());
    let all = Some(["thing", "stuff", "supercategory"].map(String::from).to_vec());
    let pictures =
        panoptic(&file, None, &Options { mask_size: MASK_SIZE, framing: Framing::default(), categories: all }).unwrap();
    let find = |name: &str| pictures.set.vocabulary.find(name).unwrap().0;
    let [sky, group, river, water] = ["sky", "sky-super", "river", "water"].map(find);
    for picture in 0..images.len() {
        let found = masks(&pictures, picture, &[sky, group, river, water]);
        assert!(found[0] == found[1] && found[2] == found[3]);
    }
}

#[test]
fn class_index_pngs_are_read_by_their_indices() {
    let Some(dir) = data("voc") else { return };
    let expected = npz(&dir.join("expected.npz"));
    let open = |grid| mask_dir(&dir.join("masks"), &dir.join("names.txt"), Some(&dir.join("images")), &options(grid));
    let pictures = open(MASK_SIZE).unwrap();
    let names: Vec<String> = pictures.set.examples.iter().map(|e| e.name.clone()).collect();
    assert!(names.is_sorted() && names.len() == 12 && pictures.left_out == 0);
    let place = |name: &str| names.iter().position(|n| n == name).unwrap();
    compare(&expected, &["masks"], &[1, 2, 3, 4, 5, 6, 7, 8], place, |grid| open(grid).unwrap());
    let background = pictures.set.vocabulary.find("background").unwrap();
    assert_eq!(background, ConceptId(1), "class 0 is a concept");

    // Without the pictures the masks are the same, and examples are called by them.
    let alone = mask_dir(&dir.join("masks"), &dir.join("names.txt"), None, &options(MASK_SIZE)).unwrap();
    assert_eq!(alone.set.examples[0].name, "000000000004.png");
    assert_eq!(masks(&alone, 3, &[1, 2, 7]), masks(&pictures, 3, &[1, 2, 7]));
}

#[test]
fn ade20k_has_classes_in_red_and_green_and_instances_in_blue() {
    let Some(dir) = data("ade20k-full/ADE20K_2021_17_01") else { return };
    let expected = npz(&dir.with_file_name("expected.npz"));
    let classes: Vec<u32> = expected["classes"].ints().into_iter().map(|c| c as u32).collect();
    // The pictures of the index, which has another order than the paths.
    let index = ["ADE_train_00000007", "ADE_train_00000121", "ADE_val_00000003"];
    let open = |grid, category: &str| {
        let categories = Some(vec![category.to_owned()]);
        ade20k(&dir, &Options { mask_size: grid, framing: Framing::default(), categories }).unwrap()
    };
    let place = |name: &str| index.iter().position(|stem| name.contains(stem)).unwrap();
    compare(&expected, &["objects"], &classes, place, |grid| open(grid, "object"));
    compare(&expected, &["parts_1", "parts_2"], &classes, place, |grid| open(grid, "part"));
    let all = |grid| ade20k(&dir, &options(grid)).unwrap();
    compare(&expected, &["objects", "parts_1", "parts_2"], &classes, place, all);

    let pictures = all(MASK_SIZE);
    let names = std::fs::read_to_string(dir.with_file_name("class_names.txt")).unwrap();
    for (number, name) in names.lines().map(|line| line.split_once('\t').unwrap()) {
        assert_eq!(pictures.set.vocabulary.name(ConceptId(number.parse().unwrap())), name);
    }
    assert_eq!(pictures.set.vocabulary.category(ConceptId(3100)), "object", "a window is an object in one picture");
    assert!(pictures.set.examples.iter().all(|e| dir.join(&e.image).is_file()));

    for (suffix, key) in
        [("seg", "object_instances"), ("parts_1", "parts_1_instances"), ("parts_2", "parts_2_instances")]
    {
        let instances = expected[key].ints();
        for (at, stem) in index.iter().enumerate() {
            let image = pictures.set.examples.iter().find(|e| e.name.contains(stem)).unwrap();
            let path = dir.join(image.image.replace(".jpg", &format!("_{suffix}.png")));
            if !path.is_file() {
                continue;
            }
            let level = Level::read(&path).unwrap();
            for (p, found) in level.instances.iter().enumerate() {
                let at = (at * 80 + p / level.width) * 108 + p % level.width;
                assert_eq!(i64::from(*found), instances[at], "{key} of {stem}, pixel {p}");
            }
        }
    }
}
