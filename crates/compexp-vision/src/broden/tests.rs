//! Small generated folders: what is read of good ones, and how bad ones are refused.

use std::path::Path;

use compexp_core::concept::ConceptId;
use compexp_core::probe::{Annotation, Grid};
use png::{BitDepth, ColorType};
use tempfile::TempDir;

use super::*;
use crate::error::Error;

const INDEX: &str = "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture
x/a.jpg,train,8,6,2,3,x/a_color.png,x/a_object_1.png;x/a_object_2.png,x/a_part.png,,40,
x/b.jpg,val,8,6,2,3,x/b_color.png,300;x/b_object.png,,x/b_material.png,0,
x/c.jpg,val,8,6,2,3,,,,x/c_material.png,,
x/d.jpg,val,8,6,2,3,,,7,,41;40,
";
const LABEL: &str = "number,name,category,frequency,coverage,syns
1,red-c,color(2),2,1.5,
2,\"night table, low\",object(1);part(1),2,0.2,\"bedside;stand\"
7,door,part(2);object(1),2,1e-05,
300,sky,object(2),2,,
40,abbey-s,scene(2),2,2.000000,
41,stage-indoor-s,scene(1),1,1,
9,wood,material(2),2,1,
";
const CATEGORY: &str = "name,first,last,count,frequency
color,1,1,1,2
object,2,300,3,3
part,2,7,2,2
scene,40,41,2,2
material,9,9,1,2
";

/// A folder that lies where nobody else looks, and goes with the value.
struct Folder(TempDir);

impl Folder {
    /// A good folder of four images, the third of which has no annotation but a material.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(folder.path().join("images/x")).unwrap();
        folder.write("index.csv", INDEX).write("label.csv", LABEL).write("category.csv", CATEGORY);
        folder.write(
            "c_object.csv",
            "code,number,name,frequency,coverage\n1,300,sky,2,1.2\n2,2,night table,1,0.1\n3,7,door,1,0.5\n",
        );
        folder.write("c_part.csv", "code,number,name,frequency,coverage\n1,2,night table,1,1e-1\n2,7,door,1,0.25\n");
        folder.png("x/a_color.png", &[1, 1, 0, 0, 0, 1]);
        folder.png("x/a_object_1.png", &[300, 300, 300, 2, 2, 2]);
        folder.png("x/a_object_2.png", &[0, 0, 7, 7, 0, 300]);
        folder.png("x/a_part.png", &[2, 0, 0, 0, 0, 0]);
        folder.png("x/b_color.png", &[0, 1, 0, 1, 0, 1]);
        folder.png("x/b_object.png", &[0, 0, 0, 0, 0, 300]);
        folder.png("x/b_material.png", &[9; 6]);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn remove(&self, name: &str) -> &Self {
        std::fs::remove_file(self.path().join(name)).unwrap();
        self
    }

    /// Writes labels of 2 x 3 pixels as RGB, the blue channel full of what must not matter.
    fn png(&self, name: &str, labels: &[u32; 6]) -> &Self {
        let rgb: Vec<u8> = labels.iter().flat_map(|l| [*l as u8, (l >> 8) as u8, 255]).collect();
        self.raw_png(name, (3, 2), ColorType::Rgb, BitDepth::Eight, &rgb)
    }

    fn raw_png(&self, name: &str, size: (u32, u32), color: ColorType, depth: BitDepth, data: &[u8]) -> &Self {
        self.write(&format!("images/{name}"), encode(size, color, depth, data))
    }

    fn load(&self) -> Result<Broden> {
        load(self.path(), &BrodenOptions::default())
    }

    fn load_set(&self) -> ProbeSet {
        self.load().unwrap().into_probe_set()
    }

    fn load_categories(&self, categories: &[&str]) -> Result<Broden> {
        let categories = Some(categories.iter().map(|c| c.to_string()).collect());
        load(self.path(), &BrodenOptions { categories, ..BrodenOptions::default() })
    }
}

fn encode(size: (u32, u32), color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![0; 9]);
    }
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

fn annotation(set: &ProbeSet, example: usize) -> Annotation {
    let mut into = Annotation { layers: vec![99], scalars: vec![99] };
    set.source.annotate(example, &mut into).unwrap();
    into
}

/// The concepts that any example has.
fn present(broden: Broden) -> Vec<u32> {
    let set = broden.into_probe_set();
    let mut all = Vec::new();
    for example in 0..set.examples.len() {
        let Annotation { layers, scalars } = annotation(&set, example);
        all.extend(layers.into_iter().chain(scalars).filter(|l| *l != Annotation::NONE));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The error of a failed load.
fn refusal(result: Result<Broden>) -> Error {
    match result {
        Ok(_) => panic!("this folder must be refused"),
        Err(e) => e,
    }
}

/// Checks that an error names `file` and `field`, and that what it found holds `found`.
fn check_format(error: &Error, file: &str, field: &str, found: &str) {
    match error {
        Error::File(compexp_files::Error::Format { path, field: f, found: what, .. }) => {
            assert!(path.ends_with(file), "{error}: not about {file}");
            assert_eq!(f, field, "{error}");
            assert!(what.contains(found), "{error}: not {found}");
        }
        other => panic!("not a format error: {other}"),
    }
}

/// The error of this crate inside the one that core reports for an example.
fn annotation_error(folder: &Folder, example: usize) -> Error {
    let set = folder.load().unwrap().into_probe_set();
    match set.source.annotate(example, &mut Annotation::default()) {
        Err(compexp_core::Error::Annotation { example: at, source }) => {
            assert_eq!(at, example);
            *source.downcast().unwrap()
        }
        other => panic!("not an annotation error: {other:?}"),
    }
}

#[test]
fn masks_show_what_is_cut_out_of_the_photograph() {
    let folder = Folder::new();
    let whole = annotation(&folder.load_set(), 0);
    let with = |crop| {
        let options = BrodenOptions { framing: Framing { resize: None, crop: Some(crop) }, ..BrodenOptions::default() };
        load(folder.path(), &options).unwrap().into_probe_set()
    };
    // The photograph has 8 x 6 pixels and the masks 2 x 3: the middle 2 x 2 pixels lie in the middle column of the masks.
    let cut = annotation(&with(2), 0);
    let expected: Vec<u32> = whole.layers.chunks_exact(3).flat_map(|row| [row[1]; 3]).collect();
    assert_eq!((cut.layers, cut.scalars), (expected, whole.scalars));
    let e = with(7).source.annotate(0, &mut Annotation::default()).unwrap_err().to_string();
    assert!(e.contains("image size: found 8 x 6 (height x width), expected at least 7 a side"), "{e}");
}

#[test]
fn layers_scalars_and_facts_of_each_image_are_read() {
    let folder = Folder::new();
    let broden = folder.load().unwrap();
    assert_eq!(broden.grid(), Grid { height: 2, width: 3 });
    assert_eq!((broden.images().len(), broden.left_out()), (3, 1));
    let [a, b, d] = broden.images() else { panic!() };
    assert_eq!((a.name.as_str(), a.split.as_str(), a.height, a.width), ("x/a.jpg", "train", 8, 6));
    assert_eq!((a.scene, a.scene_name.as_deref()), (Some(ConceptId(40)), Some("abbey-s")));
    assert_eq!((b.scene, b.scene_name.as_deref()), (None, None), "scene 0 is none");
    assert_eq!(d.scene_name.as_deref(), Some("stage-indoor-s"), "the first of two");
    assert_eq!(broden.image_root(), folder.path().join("images"));

    let set = broden.into_probe_set();
    let names: Vec<_> = set.examples.iter().map(|e| (&*e.name, &*e.image, &*e.group)).collect();
    assert_eq!(names, [("x/a.jpg", "x/a.jpg", ""), ("x/b.jpg", "x/b.jpg", ""), ("x/d.jpg", "x/d.jpg", "")]);
    assert_eq!(set.vocabulary.name(ConceptId(2)), "night table, low");
    let a = annotation(&set, 0);
    let mut layers: Vec<_> = a.layers.chunks(6).collect();
    layers.sort_unstable();
    const N: u32 = Annotation::NONE;
    let mut wanted = [[300, 300, 300, 2, 2, 2], [N, N, 7, 7, N, 300], [2, N, N, N, N, N], [1, 1, N, N, N, 1]];
    wanted.sort_unstable();
    assert_eq!(layers, wanted);
    assert_eq!(a.scalars, [40]);
    let d = annotation(&set, 2);
    assert_eq!((d.layers.len(), d.scalars), (0, vec![7, 40, 41]));
    assert!(set.source.annotate(3, &mut Annotation::default()).is_err());
}

#[test]
fn a_concept_may_be_of_pixels_and_of_the_image_at_once() {
    let folder = Folder::new();
    let set = folder.load_set();
    let b = annotation(&set, 1);
    assert_eq!(b.scalars, [300]);
    assert!(b.layers.contains(&300));
}

#[test]
fn categories_choose_concepts_and_never_images() {
    let folder = Folder::new();
    let names = |b: &Broden| b.images().to_vec();
    let all = folder.load().unwrap();
    let wanted_images = names(&all);
    assert_eq!(present(all), [1, 2, 7, 40, 41, 300]);
    let cases: [(&[&str], &[u32]); 6] = [
        (&["part"], &[2, 7]),
        (&["object"], &[2, 7, 300]),
        (&["scene"], &[40, 41]),
        (&["texture"], &[]),
        (&["part", "color", "part"], &[1, 2, 7]),
        (&["object", "material"], &[2, 7, 9, 300]),
    ];
    for (categories, concepts) in cases {
        let broden = folder.load_categories(categories).unwrap();
        assert_eq!(names(&broden), wanted_images, "{categories:?}");
        assert_eq!(present(broden), concepts, "{categories:?}");
    }
    check_format(&refusal(folder.load_categories(&["shape"])), "index.csv", "header", "columns image, split");
    check_format(&refusal(folder.load_categories(&["split"])), "index.csv", "header", "columns image, split");
    assert!(matches!(refusal(folder.load_categories(&[])), Error::Core(compexp_core::Error::Mismatch { .. })));
}

#[test]
fn the_primary_category_covers_most_and_the_later_wins_a_tie() {
    let folder = Folder::new();
    let category = |folder: &Folder, number| folder.load().unwrap().labels().get(number).unwrap().category.clone();
    assert_eq!(category(&folder, 7), "object", "0.5 against 0.25");
    assert_eq!(category(&folder, 2), "part", "0.1 against 1e-1: part comes later in category.csv");
    assert_eq!(category(&folder, 40), "scene", "no c_scene.csv: by the label's own field");
    assert_eq!(category(&folder, 9), "material", "none of the default categories has it");
    folder.write("category.csv", "name\npart\nmaterial\nscene\nobject\ncolor\n");
    assert_eq!(category(&folder, 2), "object", "now object comes later");
    folder.write("c_object.csv", "code,number,name,frequency,coverage\n");
    assert_eq!(category(&folder, 2), "part", "a file without rows: coverage 0");
    folder.remove("c_object.csv").remove("c_part.csv");
    assert_eq!(category(&folder, 7), "object", "coverage nowhere: the later");
    let concept = folder.load_set().vocabulary.get(ConceptId(7)).unwrap().clone();
    assert_eq!((concept.name.as_str(), concept.category.as_str()), ("door", "object"));
}

#[test]
fn numbers_of_label_csv_are_kept() {
    let broden = Folder::new().load().unwrap();
    let label = broden.labels().get(7).unwrap();
    assert_eq!((label.frequency, label.coverage), (Some(2.0), Some(1e-5)));
    assert_eq!(label.categories, [("part".to_owned(), 2), ("object".to_owned(), 1)]);
    assert_eq!(broden.labels().get(300).unwrap().coverage, None);
    assert_eq!(broden.labels().as_slice().len(), 7);
    assert!(!broden.labels().contains(0) && !broden.labels().contains(65_536));
}

#[test]
fn a_row_for_label_0_is_ignored() {
    let folder = Folder::new();
    folder.write("label.csv", LABEL.replace("1,red-c", "0,-,,,,\n1,red-c"));
    assert!(folder.load().unwrap().labels().get(0).is_none());
}

#[test]
fn columns_go_by_name_and_files_may_have_dos_line_ends() {
    let folder = Folder::new();
    let plain = folder.load().unwrap().images().to_vec();
    let mut rows: Vec<Vec<&str>> = INDEX.lines().map(|l| l.split(',').collect()).collect();
    rows.iter_mut().for_each(|r| r.reverse());
    let text: Vec<_> = rows.iter().map(|r| r.join(",")).collect();
    folder.write("index.csv", format!("\u{feff}{}\r\n", text.join("\r\n")));
    folder.write("label.csv", LABEL.replace('\n', "\r\n"));
    assert_eq!(folder.load().unwrap().images(), plain);
    folder.write("index.csv", text.join("\r\n").replace("x/d.jpg", "../d.jpg"));
    check_format(&refusal(folder.load()), "index.csv", "line 5, column `image`", "../d.jpg");
}

#[test]
fn the_ade20k_index_is_preferred_and_another_can_be_named() {
    let folder = Folder::new();
    let one_row: String = INDEX.lines().take(2).flat_map(|l| [l, "\n"]).collect();
    folder.write("index_ade20k.csv", &one_row);
    assert_eq!(folder.load().unwrap().images().len(), 1);
    let by = |index: PathBuf| load(folder.path(), &BrodenOptions { index: Some(index), ..BrodenOptions::default() });
    assert_eq!(by("index.csv".into()).unwrap().images().len(), 3);
    assert_eq!(by(folder.path().join("index.csv")).unwrap().images().len(), 3);
    assert!(matches!(refusal(by("other.csv".into())), Error::File(compexp_files::Error::Io { .. })));
}

#[test]
fn fingerprint_files_are_all_that_is_read_each_once() {
    let folder = Folder::new();
    let list = |b: Broden| -> Vec<String> {
        let relative = |p: PathBuf| p.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
        b.fingerprint_files().into_iter().map(relative).collect()
    };
    let tables = ["index.csv", "category.csv", "label.csv", "c_object.csv", "c_part.csv"];
    let mut all = list(folder.load().unwrap());
    assert_eq!(all[..5], tables);
    all[5..].sort();
    let pngs = ["a_color", "a_object_1", "a_object_2", "a_part", "b_color", "b_object"];
    assert_eq!(all[5..], pngs.map(|p| format!("images/x/{p}.png")));
    let part = list(folder.load_categories(&["part"]).unwrap());
    assert_eq!(part[5..], ["images/x/a_part.png"]);
}

#[test]
fn missing_files_are_named_with_a_hint() {
    for file in ["index.csv", "label.csv", "category.csv"] {
        let folder = Folder::new();
        let error = refusal(folder.remove(file).load());
        let Error::File(compexp_files::Error::Io { path, .. }) = &error else { panic!("{error}") };
        assert!(path.ends_with(file) && error.to_string().contains("a Broden folder"), "{error}");
    }
    let folder = Folder::new();
    std::fs::remove_dir_all(folder.path().join("images")).unwrap();
    assert!(
        matches!(refusal(folder.load()), Error::File(compexp_files::Error::Io { path, .. }) if path.ends_with("images"))
    );
    let folder = Folder::new();
    let error = annotation_error(folder.remove("images/x/a_part.png"), 0);
    assert!(
        matches!(&error, Error::File(compexp_files::Error::Io { path, .. }) if path.ends_with("x/a_part.png")),
        "{error}"
    );
}

#[test]
fn bad_index_files_are_refused_by_line() {
    let cases = [
        ("image,split", "picture,split", "header", "columns picture, split"),
        ("ih,iw", "h,iw", "header", "columns image, split, h"),
        ("sh,sw", "sh,sh", "header", "two columns `sh`"),
        (",41;40,\n", ",41;40\n", "line 5", "11 fields"),
        (",41;40,\n", ",41;40,,\n", "line 5", "13 fields"),
        ("x/b.jpg,val,8,6,2,3", "x/b.jpg,val,8,6,2,4", "line 3, column `sw`", "4"),
        ("x/b.jpg,val,8,6,2,3", "x/b.jpg,val,8,6,3,3", "line 3, column `sh`", "3"),
        ("2,3,x/a", "0,3,x/a", "line 2, column `sh`", "`0`"),
        ("2,3,x/a", "2,99999999,x/a", "line 2, column `sw`", "`99999999`"),
        ("2,3,x/a", "-2,3,x/a", "line 2, column `sh`", "`-2`"),
        ("2,3,x/a", "2,2.5,x/a", "line 2, column `sw`", "`2.5`"),
        ("train,8", "train,800000", "line 2, column `ih`", "`800000`"),
        (",40,", ",99,", "line 2, column `scene`", "label `99`"),
        (",40,", ",99999999999999,", "line 2, column `scene`", "label `99999999999999`"),
        (",40,", ",-4,", "line 2, column `scene`", "`-4`"),
        (",40,", ",forty,", "line 2, column `scene`", "`forty`"),
        ("300;x/b", "301;x/b", "line 3, column `object`", "label `301`"),
        ("x/a.jpg", "", "line 2, column `image`", "``"),
        ("x/a.jpg", "/x/a.jpg", "line 2, column `image`", "`/x/a.jpg`"),
        ("x/a.jpg", "x/../../a.jpg", "line 2, column `image`", "`x/../../a.jpg`"),
        ("x/a.jpg", "C:/a.jpg", "line 2, column `image`", "`C:/a.jpg`"),
        ("x/a.jpg", "x\\a.jpg", "line 2, column `image`", "`x\\a.jpg`"),
        ("x/b_object.png", "../b_object.png", "line 3, column `object`", "`../b_object.png`"),
        ("x/b_object.png", "\\\\host\\b.png", "line 3, column `object`", "`\\\\host\\b.png`"),
        ("x/b_object.png", "x/b_object.bmp", "line 3, column `object`", "`x/b_object.bmp`"),
        ("x/c.jpg,val", "\"x/c.jpg,val", "line 4", "fields"),
        (",41;40,\n", ",41;40,\"\n\n", "line 5, column `texture`", "a line break"),
    ];
    for (good, bad, field, found) in cases {
        let folder = Folder::new();
        assert!(INDEX.contains(good), "{good}");
        let error = refusal(folder.write("index.csv", INDEX.replacen(good, bad, 1)).load());
        check_format(&error, "index.csv", field, found);
    }
}

#[test]
fn an_index_without_content_is_refused() {
    let folder = Folder::new();
    let header = INDEX.lines().next().unwrap();
    check_format(&refusal(folder.write("index.csv", "").load()), "index.csv", "header", "an empty file");
    check_format(&refusal(folder.write("index.csv", header).load()), "index.csv", "rows", "0 images");
    let none = format!("{header}\nx/a.jpg,train,8,6,2,3,0,,;0;,,,\n");
    check_format(&refusal(folder.write("index.csv", none).load()), "index.csv", "rows", "1 images");
    folder.write("index.csv", "image,split,ih,iw,sh,sw,material\n");
    check_format(&refusal(folder.load()), "index.csv", "header", "columns image");
    folder.write("index.csv", [INDEX.as_bytes(), b"\xff\xfe,,,,,,,,,,,\n"].concat());
    check_format(&refusal(folder.load()), "index.csv", "line 6", "an invalid byte at 0 (0xff)");
    folder.write("index.csv", [",".repeat(300), header.to_owned()].concat());
    check_format(&refusal(folder.load()), "index.csv", "header", "312 columns");
    let many = ["x/a.png;"; 500].concat();
    folder.write("index.csv", format!("{header}\nx/a.jpg,train,8,6,4096,4096,{many},,,,,\n"));
    check_format(&refusal(folder.load()), "index.csv", "line 2, column `image`", "500 label PNGs of 4096 x 4096");
}

#[test]
fn bad_label_files_are_refused_by_line() {
    let cases = [
        ("label.csv", "number,name", "code,name", "header", "columns code"),
        ("label.csv", "1,red-c", "x,red-c", "line 2, column `number`", "`x`"),
        ("label.csv", "1,red-c", "65536,red-c", "line 2, column `number`", "`65536`"),
        ("label.csv", "1,red-c", "1,", "line 2, column `name`", "empty"),
        ("label.csv", "7,door", "1,door", "line 4, column `number`", "1, as in line 2"),
        ("label.csv", "7,door", "7,red-c", "line 4, column `name`", "the name of label 1 too"),
        ("label.csv", "2,1.5", "2,nan", "line 2, column `coverage`", "`nan`"),
        ("label.csv", "2,1.5", "2,-1", "line 2, column `coverage`", "`-1`"),
        ("label.csv", "2,1.5", "many,1.5", "line 2, column `frequency`", "`many`"),
        ("label.csv", "color(2)", "color", "line 2, column `category`", "`color`"),
        ("label.csv", "color(2)", "color(2", "line 2, column `category`", "`color(2`"),
        ("label.csv", ",2,1.5,\n", "\n", "line 2", "3 fields"),
        ("category.csv", "name,", "title,", "header", "columns title"),
        ("category.csv", "part,", "object,", "line 4, column `name`", "`object` again"),
        ("category.csv", "part,", "../part,", "line 4, column `name`", "`../part`"),
        ("c_object.csv", "3,7,", "3,300,", "line 4, column `number`", "300 again"),
        ("c_object.csv", "1,0.5", "1,inf", "line 4, column `coverage`", "`inf`"),
        ("c_part.csv", "number", "nummer", "header", "columns code, nummer"),
    ];
    for (file, good, bad, field, found) in cases {
        let folder = Folder::new();
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains(good), "{file}: {good}");
        check_format(&refusal(folder.write(file, text.replacen(good, bad, 1)).load()), file, field, found);
    }
}

#[test]
fn bad_pngs_are_refused_when_they_are_read() {
    use BitDepth::{Eight, Sixteen};
    let (file, folder) = ("x/a_part.png", Folder::new());
    let cases = [
        ((2, 3), ColorType::Rgb, Eight, "size", "3 x 2 (height x width)"),
        ((6, 4), ColorType::Rgb, Eight, "size", "4 x 6 (height x width)"),
        ((3, 2), ColorType::Rgb, Sixteen, "colour type", "Rgb of 16 bits"),
        ((3, 2), ColorType::Grayscale, Eight, "colour type", "Grayscale of 8 bits"),
        ((3, 2), ColorType::GrayscaleAlpha, Eight, "colour type", "GrayscaleAlpha of 8 bits"),
        ((3, 2), ColorType::Indexed, Eight, "colour type", "Indexed of 8 bits"),
        ((3, 2), ColorType::Rgba, Sixteen, "colour type", "Rgba of 16 bits"),
    ];
    for (size, color, depth, field, found) in cases {
        let bytes = size.0 as usize * size.1 as usize * color.samples() * if depth == Sixteen { 2 } else { 1 };
        folder.raw_png(file, size, color, depth, &vec![0; bytes]);
        check_format(&annotation_error(&folder, 0), "a_part.png", field, found);
    }
    folder.png(file, &[0, 0, 0, 0, 8, 0]);
    check_format(&annotation_error(&folder, 0), "a_part.png", "row 1, column 1 (from 0)", "label 8");
    folder.png(file, &[0, 0, 65_535, 0, 8, 0]);
    check_format(&annotation_error(&folder, 0), "a_part.png", "row 0, column 2 (from 0)", "label 65535");
    for junk in [&b""[..], b"not a PNG at all, but some text that is longer than a header", b"\x89PNG\r\n\x1a\n"] {
        let error = annotation_error(folder.write(&format!("images/{file}"), junk), 0);
        check_format(&error, "a_part.png", "contents", "");
    }
}

#[test]
fn every_cut_and_every_flipped_byte_of_the_pixels_is_an_error() {
    let folder = Folder::new();
    let file = folder.path().join("images/x/a_part.png");
    let good = std::fs::read(&file).unwrap();
    let set = folder.load_set();
    let wanted = annotation(&set, 0);
    for end in 0..good.len() {
        std::fs::write(&file, &good[..end]).unwrap();
        assert!(set.source.annotate(0, &mut Annotation::default()).is_err(), "cut at {end} of {}", good.len());
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&file, &bad).unwrap();
        let mut found = Annotation::default();
        if set.source.annotate(0, &mut found).is_ok() {
            assert_eq!(found, wanted, "byte {at} changed, and labels with it");
        }
    }
}

#[test]
fn a_fourth_channel_is_not_looked_at() {
    let folder = Folder::new();
    let wanted = annotation(&folder.load_set(), 0);
    let rgba: Vec<u8> = [2u8, 0, 0, 0, 0, 0].iter().enumerate().flat_map(|(i, l)| [*l, 0, 7, i as u8 * 40]).collect();
    folder.raw_png("x/a_part.png", (3, 2), ColorType::Rgba, BitDepth::Eight, &rgba);
    assert_eq!(annotation(&folder.load_set(), 0), wanted);
}

#[test]
fn a_huge_header_is_refused_before_memory_is_taken() {
    let folder = Folder::new();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 0x7fff_ffff, 0x7fff_ffff);
    encoder.set_color(ColorType::Rgb);
    drop(encoder.write_header().unwrap());
    folder.write("images/x/a_part.png", &bytes);
    check_format(&annotation_error(&folder, 0), "a_part.png", "size", "2147483647 x 2147483647");
}
