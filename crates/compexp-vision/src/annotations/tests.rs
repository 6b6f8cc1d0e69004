//! Annotations that are broken, each in its own way.

use std::path::PathBuf;

use compexp_core::probe::Grid;
use compexp_tests::files::Scratch;
use serde_json::{Value, json};

use super::*;
use crate::image::tests::{exif, tagged_png};

const GRID: Grid = Grid { height: 2, width: 3 };

fn options() -> Options {
    Options { mask_size: GRID, framing: Framing::default(), categories: None }
}

/// Instances on a picture of 2 x 3 pixels with this segmentation.
fn instances(segmentation: &Value) -> Value {
    json!({
        "images": [{ "id": 7, "file_name": "a.jpg", "height": 2, "width": 3 }],
        "annotations": [{ "id": 5, "image_id": 7, "category_id": 1, "segmentation": segmentation }],
        "categories": [{ "id": 1, "name": "dog" }, { "id": 2, "name": "cat", "supercategory": null }],
    })
}

fn open_instances(value: &Value) -> Result<Pictures> {
    let scratch = Scratch::new();
    coco(&scratch.write("instances.json", value.to_string().as_bytes()), None, &options())
}

fn annotation(pictures: &Pictures, example: usize) -> Annotation {
    let mut annotation = Annotation::default();
    pictures.set.source.annotate(example, &mut annotation).unwrap();
    annotation
}

fn fails<T>(result: Result<T>, message: &str) {
    let e = result.err().unwrap_or_else(|| panic!("accepted, and not: {message}")).to_string();
    assert!(e.contains(message), "{e}\nhas not: {message}");
}

/// The error where the annotation of the first picture is read.
fn fails_later(pictures: Result<Pictures>, message: &str) {
    let e = pictures.unwrap().set.source.annotate(0, &mut Annotation::default()).unwrap_err().to_string();
    assert!(e.contains(message), "{e}\nhas not: {message}");
}

/// Writes a PNG of these pixels.
fn write_png(path: &Path, size: [u32; 2], color: png::ColorType, depth: png::BitDepth, pixels: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), size[1], size[0]);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette([9; 768].to_vec());
    }
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

#[test]
fn polygons_are_clipped_to_the_picture() {
    let all = open_instances(&instances(&json!([[-50, -50, 50, -50, 50, 50, -50, 50]]))).unwrap();
    assert_eq!(annotation(&all, 0).layers, [1; 6]);
    let outside = open_instances(&instances(&json!([[10, 10, 20, 10, 20, 20]]))).unwrap();
    assert_eq!(annotation(&outside, 0), Annotation::default());
    assert_eq!(outside.set.vocabulary.concepts().len(), 2, "a category without annotation is a concept");
    assert!(outside.image_root.is_none() && outside.set.examples[0].image.is_empty(), "no folder of pictures");
}

#[test]
fn segmentations_that_mean_nothing_are_refused() {
    for (segmentation, message) in [
        (json!([]), "annotation of id 5: found a segmentation that begins with 0 numbers"),
        (json!([[1, 1, 2, 2]]), "begins with 4 numbers, expected polygons, the first of at least three points"),
        (json!([[1, 1, 2, 2, 1, 2, 1]]), "found a polygon of 7 numbers, expected two for each point"),
        (json!([1, 1, 2, 2]), "expected a sequence"),
        (json!("PPYo0"), "expected a list of polygons, or runs"),
        (json!({ "counts": [2, 1], "size": [2, 3] }), "found runs of 3 pixels, expected 6, the pixels of 2 x 3"),
        (json!({ "counts": [2, 3, 2], "size": [2, 3] }), "found runs of 7 pixels"),
        (json!({ "counts": [2, 4], "size": [3, 2] }), "found runs of size [3, 2], expected [2, 3], the height and"),
        (json!({ "counts": [2, -4], "size": [2, 3] }), "invalid value: integer `-4`"),
        (json!({ "counts": "24", "size": [2, 3] }), "found runs of 6 pixels"),
        (json!({ "counts": "2", "size": [2, 3] }), "found runs of 2 pixels, expected 6"),
        (json!({ "counts": "2 4", "size": [2, 3] }), "found character 2 of the runs is no part of a length"),
        (json!({ "size": [2, 3] }), "missing field `counts`"),
    ] {
        let opened = open_instances(&instances(&segmentation));
        match message {
            "found runs of 6 pixels" => assert_eq!(annotation(&opened.unwrap(), 0).layers[..2], [u32::MAX, 1]),
            _ => fails(opened, message),
        }
    }
    let far = open_instances(&instances(&json!([[0, 0, 1e9, 0, 5, 5]])));
    fails_later(far, "coordinate of a polygon");
    // What is no number in JSON cannot become one.
    let scratch = Scratch::new();
    let text = instances(&json!([[1, 1, 2, 2, 1, 2]])).to_string().replace("[[1,", "[[NaN,");
    fails(coco(&scratch.write("a.json", text.as_bytes()), None, &options()), "found `NaN`, expected a number");
    let text = instances(&json!([])).to_string();
    let cut = scratch.write("a.json", &text.as_bytes()[..text.len() / 2]);
    fails(coco(&cut, None, &options()), "found the end of the text, expected more: is it cut off?");
    fails(coco(&scratch.path("none.json"), None, &options()), "none.json");
}

#[test]
fn ids_and_names_must_be_known_and_unique() {
    let good = instances(&json!([[0, 0, 3, 0, 3, 2]]));
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        open_instances(&changed)
    };
    fails(with("/annotations/0/category_id", json!(3)), "annotation of id 5: found category_id 3, expected an id that");
    fails(
        with("/annotations/0/image_id", json!(8)),
        "annotation of id 5: found image_id 8, expected an id that `images`",
    );
    fails(with("/categories/1/id", json!(1)), "categories: found id 1 twice");
    fails(with("/categories/1/name", json!("dog")), "two concepts share name `dog`");
    fails(with("/images/0/height", json!(0)), "image size: found 3 x 0");
    fails(with("/images/0/height", json!(1_000_000)), "image size");
    for name in ["../a.jpg", "/a.jpg", "", "b/../../a.jpg"] {
        fails(with("/images/0/file_name", json!(name)), "file_name of image 7: found");
    }
    fails(with("/images", json!([])), "found image_id 7");
    let mut none = good.clone();
    none["images"] = json!([]);
    none["annotations"] = json!([]);
    fails(open_instances(&none), "pictures: found none, expected at least one");
    let two = json!([{ "id": 7, "file_name": "a", "height": 2, "width": 3 }, { "id": 7, "file_name": "b", "height": 2, "width": 3 }]);
    fails(with("/images", two), "images: found id 7 twice");
    let scratch = Scratch::new();
    let file = scratch.write("a.json", good.to_string().as_bytes());
    let unknown = Options { mask_size: GRID, framing: Framing::default(), categories: Some(vec!["part".into()]) };
    fails(coco(&file, None, &unknown), "categories: found `part`, expected some of object, supercategory");
    fails(coco(&file, Some(&scratch.path("none")), &options()), "none");
    fails(coco(&file, Some(&file), &options()), "expected a folder");
    let e = coco(&file, None, &options()).unwrap().set.source.annotate(1, &mut Annotation::default()).unwrap_err();
    assert!(matches!(e, compexp_core::Error::Mismatch { .. }), "{e}");
}

/// A folder with a panoptic file of one picture of 1 x 2 pixels, whose segments are 258 and `second`.
fn panoptic_folder(second: u32) -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let [low, high, top, _] = second.to_le_bytes();
    write_png(
        &scratch.path("seg/a.png"),
        [1, 2],
        png::ColorType::Rgb,
        png::BitDepth::Eight,
        &[2, 1, 0, low, high, top],
    );
    let file = json!({
        "images": [{ "id": 7, "file_name": "a.jpg", "height": 1, "width": 2 }],
        "annotations": [{
            "image_id": 7, "file_name": "a.png",
            "segments_info": [{ "id": 258, "category_id": 4 }, { "id": 65536, "category_id": 9 }],
        }],
        "categories": [{ "id": 4, "name": "dog", "isthing": 1 }, { "id": 9, "name": "sky", "isthing": 0 }],
    });
    let path = scratch.write("seg.json", file.to_string().as_bytes());
    (scratch, path)
}

#[test]
fn panoptic_colours_must_be_segments() {
    let open = |path: &Path| {
        panoptic(
            path,
            None,
            &Options { mask_size: Grid { height: 1, width: 2 }, framing: Framing::default(), categories: None },
        )
    };
    let (_scratch, path) = panoptic_folder(65536);
    assert_eq!(annotation(&open(&path).unwrap(), 0).layers, [1, 2]);
    let (_scratch, path) = panoptic_folder(0);
    assert_eq!(annotation(&open(&path).unwrap(), 0).layers, [1, Annotation::NONE]);
    let (scratch, path) = panoptic_folder(65537);
    fails_later(open(&path), "a.png`: row 0, column 1 (from 0): found segment 65537, expected a segment that");
    let png = scratch.path("seg/a.png");
    write_png(&png, [2, 1], png::ColorType::Rgb, png::BitDepth::Eight, &[0; 6]);
    fails_later(open(&path), "a.png`: size: found 2 x 1 (height x width), expected 1 x 2, the size of the picture");
    write_png(&png, [1, 2], png::ColorType::Grayscale, png::BitDepth::Eight, &[0; 2]);
    fails_later(open(&path), "colour type: found Grayscale of 8 bits, expected RGB");
    let whole = std::fs::read(&png).unwrap();
    std::fs::write(&png, &whole[..whole.len() - 20]).unwrap();
    fails_later(open(&path), "a.png`");
    std::fs::remove_file(&png).unwrap();
    fails_later(open(&path), "no such file or folder; the panoptic file names it");
}

#[test]
fn panoptic_files_must_have_one_annotation_for_each_picture() {
    let (scratch, path) = panoptic_folder(0);
    let good: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        panoptic(&scratch.write("seg.json", changed.to_string().as_bytes()), None, &options())
    };
    fails(with(&|v| v["annotations"] = json!([])), "annotations: found no annotation of image 7");
    fails(with(&|v| v["annotations"] = json!([v["annotations"][0], v["annotations"][0]])), "found a second annotation");
    fails(with(&|v| v["annotations"][0]["image_id"] = json!(1)), "found image_id 1");
    fails(with(&|v| v["annotations"][0]["file_name"] = json!("../a.png")), "found `../a.png`");
    let segment = |field: &'static str, value: u32| {
        move |v: &mut Value| v["annotations"][0]["segments_info"][1][field] = json!(value)
    };
    fails(with(&segment("id", 258)), "found segment 258 twice");
    fails(with(&segment("category_id", 5)), "segment 65536 of image 7: found category_id 5");
}

/// A folder of masks with one PNG of 1 x 2 pixels.
fn masks(names: &str, color: png::ColorType, depth: png::BitDepth, pixels: &[u8]) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("names.txt", names.as_bytes());
    write_png(&scratch.path("masks/sub/a.png"), [1, 2], color, depth, pixels);
    scratch
}

fn open_masks(scratch: &Scratch, images: bool) -> Result<Pictures> {
    let options = Options { mask_size: Grid { height: 1, width: 2 }, framing: Framing::default(), categories: None };
    let images = images.then(|| scratch.path("images"));
    mask_dir(&scratch.path("masks"), &scratch.path("names.txt"), images.as_deref(), &options)
}

#[test]
fn class_indices_are_read_at_every_depth() {
    use png::{BitDepth::*, ColorType::*};
    for (color, depth, pixels) in [
        (Indexed, Eight, &[2, 0][..]),
        (Grayscale, Eight, &[2, 0]),
        (Indexed, Four, &[0x20]),
        (Grayscale, Two, &[0b1000_0000]),
    ] {
        let scratch = masks("road\r\n\r\ncar\r\n\r\n", color, depth, pixels);
        let opened = open_masks(&scratch, false).unwrap();
        assert_eq!(annotation(&opened, 0).layers, [3, 1], "{color:?} {depth:?}");
        assert_eq!(opened.set.examples[0].name, "sub/a.png");
        assert_eq!(opened.set.vocabulary.concepts().len(), 2, "an empty line names no class");
    }
    let scratch = masks("road\n\ncar", Grayscale, Eight, &[1, 255]);
    assert_eq!(annotation(&open_masks(&scratch, false).unwrap(), 0).layers, [0; 0], "no name, and void");
    let scratch = masks("road\n\ncar", Grayscale, Eight, &[3, 255]);
    fails_later(open_masks(&scratch, false), "column 0 (from 0): found class 3, expected a class below 3");
    for (color, depth, pixels) in [(Rgb, Eight, &[0; 6][..]), (Grayscale, Sixteen, &[0; 4])] {
        fails_later(open_masks(&masks("a", color, depth, pixels), false), "expected palette or grey of at most 8 bits");
    }
}

#[test]
fn masks_follow_the_pictures_to_their_frame() {
    use png::{BitDepth::Eight, ColorType::Grayscale};
    let scratch = Scratch::new();
    let names: Vec<String> = (0..32).map(|class| format!("class {class}")).collect();
    scratch.write("names.txt", names.join("\n").as_bytes());
    // Each pixel of 4 x 8 has a class of its own: row * 8 + column.
    write_png(&scratch.path("masks/a.png"), [4, 8], Grayscale, Eight, &(0..32).collect::<Vec<u8>>());
    let open = |resize, crop| {
        let options =
            Options { mask_size: Grid { height: 2, width: 2 }, framing: Framing { resize, crop }, categories: None };
        mask_dir(&scratch.path("masks"), &scratch.path("names.txt"), None, &options)
    };
    // Half the size is 2 x 4, of which the middle 2 x 2 are kept: rows 0 to 3 and columns 2 to 5 of the picture.
    let ids = [(1, 3), (1, 5), (3, 3), (3, 5)].map(|(row, column)| row * 8 + column + 1);
    assert_eq!(annotation(&open(Some(2), Some(2)).unwrap(), 0).layers, ids);
    let ids = [(1, 2), (1, 6), (3, 2), (3, 6)].map(|(row, column)| row * 8 + column + 1);
    assert_eq!(annotation(&open(Some(2), None).unwrap(), 0).layers, ids, "the whole picture");
    fails_later(open(None, Some(5)), "image size: found 4 x 8 (height x width), expected at least 5 a side");
    fails_later(open(None, Some(5)), "give --resize");
}

#[test]
fn masks_need_names_and_pictures_of_their_size() {
    use png::{BitDepth::Eight, ColorType::Grayscale};
    let scratch = masks("road", Grayscale, Eight, &[0, 255]);
    fails(open_masks(&scratch, true), "images");
    write_png(&scratch.path("images/sub/b.png"), [1, 2], Grayscale, Eight, &[0; 2]);
    fails(open_masks(&scratch, true), "a.png`: picture: found none, expected a picture `sub/a`.jpg or .png");
    write_png(&scratch.path("images/sub/a.png"), [1, 2], Grayscale, Eight, &[0; 2]);
    let opened = open_masks(&scratch, true).unwrap();
    assert_eq!((opened.left_out, annotation(&opened, 0).layers), (1, vec![1, Annotation::NONE]));
    write_png(&scratch.path("images/sub/a.png"), [2, 2], Grayscale, Eight, &[0; 4]);
    fails_later(open_masks(&scratch, true), "masks/sub/a.png`: size: found 1 x 2 (height x width), expected 2 x 2, as");
    write_png(&scratch.path("images/sub/a.PNG"), [2, 2], Grayscale, Eight, &[0; 4]);
    fails(open_masks(&scratch, true), "pictures: found `sub/a.PNG` and `sub/a.png`");
    scratch.write("names.txt", b"road\nroad");
    fails(open_masks(&scratch, false), "names.txt`: names: found two concepts share name `road`");
    scratch.write("names.txt", b"\n \n");
    fails(open_masks(&scratch, false), "names: found none");
    scratch.write("names.txt", "x\n".repeat(256).as_bytes());
    fails(open_masks(&scratch, false), "found 256 lines, expected at most 255");
    std::fs::remove_dir_all(scratch.path("masks/sub")).unwrap();
    scratch.write("names.txt", b"road");
    fails(open_masks(&scratch, false), "masks: found no PNG");
}

#[test]
fn a_photograph_is_turned_to_the_size_of_its_mask() {
    use png::{BitDepth::Eight, ColorType::Grayscale};
    let scratch = masks("road", Grayscale, Eight, &[0, 255]);
    let photograph = |size: (usize, usize), orientation: u16| {
        let png = tagged_png(size, &vec![0; 3 * size.0 * size.1], exif(orientation, true));
        scratch.write("images/sub/a.png", &png);
        let opened = open_masks(&scratch, true).unwrap();
        let annotated = opened.set.source.annotate(0, &mut Annotation::default()).is_ok();
        let found = opened.stated.photographs([scratch.path("images/sub/a.png")].into_iter());
        assert_eq!(found.is_ok(), annotated);
        found.map(|photographs| photographs[0].upright).map_err(|e| e.to_string())
    };
    std::fs::create_dir_all(scratch.path("images/sub")).unwrap();
    assert_eq!(photograph((1, 2), 1), Ok(false));
    assert_eq!(photograph((1, 2), 6), Ok(false), "the mask is of the stored pixels");
    assert_eq!(photograph((2, 1), 6), Ok(true), "the mask is of the upright ones");
    let e = photograph((2, 1), 3).unwrap_err();
    assert!(e.contains("size: found 2 x 1 (height x width), expected 1 x 2, as its annotation states"), "{e}");
}

#[test]
fn the_names_of_cityscapes_are_paired() {
    use png::{BitDepth::Eight, ColorType::Grayscale};
    let scratch = masks("road", Grayscale, Eight, &[0, 255]);
    std::fs::remove_file(scratch.path("masks/sub/a.png")).unwrap();
    for (name, value) in
        [("gtFine_labelTrainIds", 0), ("gtFine_labelIds", 7), ("gtFine_instanceIds", 9), ("gtFine_color", 8)]
    {
        write_png(&scratch.path(&format!("masks/aachen/a_1_{name}.png")), [1, 2], Grayscale, Eight, &[value; 2]);
    }
    write_png(&scratch.path("images/aachen/a_1_leftImg8bit.png"), [1, 2], Grayscale, Eight, &[0; 2]);
    let opened = open_masks(&scratch, true).unwrap();
    assert_eq!(opened.set.examples[0].image, "aachen/a_1_leftImg8bit.png");
    assert_eq!((opened.set.examples.len(), annotation(&opened, 0).layers), (1, vec![1, 1]));
}

#[test]
fn broken_pictures_of_ade20k_are_refused() {
    use png::{BitDepth::Eight, ColorType::Rgb};
    let scratch = Scratch::new();
    let options = Options { mask_size: Grid { height: 1, width: 2 }, framing: Framing::default(), categories: None };
    let open = || ade20k(scratch.dir(), &options);
    fails(open(), "pictures: found none");
    scratch.write("a.jpg", b"not looked at");
    fails(open(), "a.json");
    let json = |imsize: Value, name_ndx: u32| {
        let object = json!([{ "name": "caf\u{e9}", "name_ndx": name_ndx, "parts": { "hasparts": 3, "part_level": 0 } }, { "name": "caf\u{e9}", "name_ndx": 300 }]);
        json!({ "annotation": { "imsize": imsize, "object": object } }).to_string()
    };
    scratch.write("a.json", json(json!([1, 2, 3]), 257).as_bytes());
    fails_later(open(), "no such file or folder; a picture of ADE20K has it");
    write_png(&scratch.path("a_seg.png"), [1, 2], Rgb, Eight, &[19, 1, 5, 0, 0, 0]);
    write_png(&scratch.path("a_parts_1.png"), [1, 2], Rgb, Eight, &[0, 0, 0, 10, 44, 1]);
    let opened = open().unwrap();
    assert_eq!(annotation(&opened, 0).layers, [257, Annotation::NONE, Annotation::NONE, 300]);
    let names: Vec<_> = opened.set.vocabulary.concepts().iter().map(|c| c.name.clone()).collect();
    assert_eq!(names, ["caf\u{e9}", "caf\u{e9} 300"]);
    // As the release has them.
    let latin: Vec<u8> = json(json!([1, 2, 3]), 257).chars().map(|c| c as u8).collect();
    scratch.write("a.json", &latin);
    assert_eq!(open().unwrap().set.vocabulary.concepts()[0].name, "caf\u{e9}");
    write_png(&scratch.path("a_parts_1.png"), [1, 1], Rgb, Eight, &[0; 3]);
    fails_later(open(), "a_parts_1.png`: size: found 1 x 1 (height x width), expected 1 x 2, as `imsize`");
    scratch.write("a.json", json(json!([1]), 257).as_bytes());
    fails(open(), "imsize: found [1]");
    scratch.write("a.json", json(json!([1, 2, 3]), 0).as_bytes());
    fails(open(), "name_ndx: found 0 of `caf\u{e9}`");
    scratch.write("a.json", b"{\"annotation\": {\"imsize\": [1, 2");
    fails(open(), "is it cut off?");
}
