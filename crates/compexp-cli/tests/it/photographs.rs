//! Photographs as they come: turned by their orientation tags, and of other formats.

use std::fs;
use std::path::Path;

use compexp_vision::image::Image;
use serde_json::json;

use crate::scenes::{TRAIN, paint};
use crate::{fails, json as read_json, ok, run};

/// The height and width of the upright pictures.
const SIZE: (usize, usize) = (64, 96);
const N: usize = 12;

/// An upright picture: noise, with a red and a blue part.
fn upright(number: usize) -> Image {
    let (height, width) = SIZE;
    let mut state = number as u32 + 1;
    let mut rgb = Vec::new();
    for at in 0..height * width {
        let (y, x) = (at / width, at % width);
        for channel in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let part = (x < 8 * (number % 4 + 1) && channel == 0) || (y > 32 && x > 60 && channel == 2);
            rgb.push((state >> 24) as u8 / 2 + if part { 120 } else { 0 });
        }
    }
    Image { height, width, rgb }
}

/// The pixels that a camera stores for an upright picture with an orientation of 5 to 8.
fn stored(picture: &Image, orientation: usize) -> Image {
    let (height, width) = (picture.width, picture.height);
    let mut rgb = Vec::new();
    for at in 0..height * width {
        let (row, column) = (at / width, at % width);
        let (bottom, right) = (height - 1, width - 1);
        let (y, x) = match orientation {
            5 => (column, row),
            6 => (column, bottom - row),
            7 => (right - column, bottom - row),
            _ => (right - column, row),
        };
        rgb.extend(&picture.rgb[3 * (y * picture.width + x)..][..3]);
    }
    Image { height, width, rgb }
}

/// The PNG with an orientation tag, which stands behind the header.
fn tagged(png: &[u8], orientation: usize) -> Vec<u8> {
    let mut chunk = b"eXIfII*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    chunk.extend([orientation as u8, 0, 0, 0, 0, 0, 0, 0]);
    let crc = chunk.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    });
    let (header, rest) = png.split_at(33);
    [header, &(chunk.len() as u32 - 4).to_be_bytes(), &chunk, &(!crc).to_be_bytes(), rest].concat()
}

/// A folder `name` with pictures, their annotations of height and width `size`, and a list of them with classes.
fn folder(dir: &Path, name: &str, size: (usize, usize), png: impl Fn(usize) -> Vec<u8>) {
    let dir = dir.join(name);
    fs::create_dir_all(dir.join("images")).unwrap();
    let (height, width) = size;
    let file = |i: usize| format!("{i}.png");
    for i in 0..N {
        fs::write(dir.join("images").join(file(i)), png(i)).unwrap();
    }
    let annotation = |i: usize, category: usize, [left, top, right, bottom]: [usize; 4]| {
        let corners = [left, top, right, top, right, bottom, left, bottom];
        json!({ "id": 2 * i + category, "image_id": i, "category_id": category, "segmentation": [corners] })
    };
    let instances = json!({
        "images": (0..N).map(|i| json!({ "id": i, "file_name": file(i), "height": height, "width": width })).collect::<Vec<_>>(),
        "annotations": (0..N)
            .flat_map(|i| [annotation(i, 0, [0, 0, 8 * (i % 4 + 1), height]), annotation(i, 1, [40, 33, width, height])])
            .collect::<Vec<_>>(),
        "categories": [{ "id": 0, "name": "red" }, { "id": 1, "name": "blue" }],
    });
    fs::write(dir.join("a.json"), instances.to_string()).unwrap();
    let list: Vec<String> = (0..N).map(|i| format!("images/{} {}\n", file(i), i % 2)).collect();
    fs::write(dir.join("list.txt"), list.concat()).unwrap();
}

fn same(dir: &Path, runs: [&str; 2], file: &str) {
    let [one, other] = runs.map(|run| fs::read(dir.join(run).join(file)).unwrap());
    assert!(one == other, "{file} of {} and of {} differ", runs[0], runs[1]);
}

/// The bytes of the pictures of a run's report, by their names.
fn pictures(dir: &Path, run: &str) -> Vec<(String, Vec<u8>)> {
    let said = ok(dir, &format!("report {run}"));
    let files = fs::read_dir(dir.join(run).join("report/images"))
        .unwrap_or_else(|e| panic!("{run}: {e}: {said}"))
        .map(|entry| entry.unwrap());
    let mut files: Vec<(String, Vec<u8>)> =
        files.map(|f| (f.file_name().into_string().unwrap(), fs::read(f.path()).unwrap())).collect();
    files.sort();
    assert!(files.len() > 3, "{} pictures", files.len());
    files
}

#[test]
fn a_photograph_is_turned_where_its_annotation_is() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (height, width) = SIZE;
    let turned = |i: usize| stored(&upright(i), 5 + i % 4).to_png().unwrap();
    folder(dir, "upright", SIZE, |i| upright(i).to_png().unwrap());
    folder(dir, "turned", SIZE, |i| tagged(&turned(i), 5 + i % 4));
    // Annotations of the pixels as they are stored.
    folder(dir, "plain", (width, height), turned);
    folder(dir, "tagged", (width, height), |i| tagged(&turned(i), 5 + i % 4));

    let train = "--widths 4,8 --blocks 1 --epochs 1 --batch 4";
    for name in ["upright", "turned"] {
        ok(dir, &format!("vision train {name}/list.txt {train} --out {name}/net"));
    }
    same(dir, ["upright", "turned"], "net/model.safetensors");
    let network = "--checkpoint upright/net/model.safetensors";
    let [one, other] =
        ["upright", "turned"].map(|name| ok(dir, &format!("vision eval {name}/list.txt {network} --json")));
    assert_eq!(one, other);

    let probe = |name: &str| {
        let done = run(
            dir,
            &format!(
                "vision probe --coco {name}/a.json {network} --layer layer2 --quantile 0.1 --beam 2 --out {name}/run"
            ),
        );
        assert_eq!(done.code, 0, "{}", done.err);
        assert_eq!(done.err.contains("12 of 12 are turned"), name == "turned", "{name}: {}", done.err);
    };
    ["upright", "turned", "plain", "tagged"].into_iter().for_each(probe);
    for pair in [["upright", "turned"], ["plain", "tagged"]] {
        same(dir, pair, "run/activations.npy");
        let units = |name: &str| read_json(&dir.join(name).join("run/explanations.json"))["units"].clone();
        assert_eq!(units(pair[0]), units(pair[1]), "{pair:?}");
        let [one, other] = pair.map(|name| pictures(dir, &format!("{name}/run")));
        assert!(one == other, "the reports of {} and of {} show other pictures", pair[0], pair[1]);
    }

    // Without its annotations a report cannot tell, and says so.
    fs::remove_file(dir.join("turned/a.json")).unwrap();
    let done = run(dir, "report turned/run --image-root turned/images");
    assert!(done.code == 0 && done.err.contains("do not tell whether it is turned"), "{}", done.err);
}

#[test]
fn a_photograph_that_fits_in_no_way_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (height, width) = SIZE;
    // Upside down: the stored size is not the one of the annotation, and neither is the turned one.
    folder(dir, "a", (width, height), |i| tagged(&upright(i).to_png().unwrap(), 3));
    let e = fails(dir, 1, "vision probe --coco a/a.json --checkpoint none.pth --out run");
    assert!(e.contains("0.png`: size: found 64 x 96 (height x width), expected 96 x 64, as its annotation"), "{e}");
}

#[test]
fn pixels_are_scaled_as_the_file_beside_the_network_says() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    paint(dir);
    ok(dir, &format!("{TRAIN} --out net"));
    let probe = "vision probe --broden probe --checkpoint net/model.safetensors --layer layer2 --beam 2";
    ok(dir, &format!("{probe} --out before"));
    let file = dir.join("net/preprocessor_config.json");
    // The scaling that `reference` has, as such a file has it.
    let mean = [124.6901, 118.6897, 109.5388].map(|mean: f64| mean / 255.0);
    let mut content =
        json!({ "image_mean": mean, "image_std": [0.224, 0.224, 0.224], "size": { "shortest_edge": 96 } });
    fs::write(&file, content.to_string()).unwrap();

    // The option wins, and the run is the one of before.
    let out = ok(dir, &format!("{probe} --preprocess reference --out before"));
    assert!(out.contains("up to date"), "{out}");
    let done = run(dir, &format!("{probe} --out run"));
    assert!(done.code == 0 && done.err.contains("scaled as `net/preprocessor_config.json` says"), "{}", done.err);
    assert!(done.err.contains("which only options do here: --resize 96"), "{}", done.err);
    assert!(done.out.contains("pixels: times 0.00392"), "{}", done.out);
    let inputs = |run: &str| read_json(&dir.join(run).join("config.json"))["config"]["inputs"].clone();
    let (before, after) = (inputs("before"), inputs("run"));
    assert_eq!((&before["preprocess"], before.get("scaling")), (&"reference".into(), None));
    assert_eq!((&after["preprocess"], &after["scaling"]["std"][0]), (&"file".into(), &0.224.into()));
    let close = |name: &str| {
        let numbers = |run: &str| fs::read(dir.join(run).join(name)).unwrap();
        let floats = |bytes: Vec<u8>| -> Vec<f32> {
            bytes[128..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
        };
        let (one, other) = (floats(numbers("before")), floats(numbers("run")));
        assert_eq!(one.len(), other.len());
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-3), "{name} differs");
    };
    close("activations.npy");
    let accuracy = |options: &str| {
        ok(dir, &format!("vision eval probe/list.txt --checkpoint net/model.safetensors --json {options}"))
    };
    assert_eq!(accuracy(""), accuracy("--preprocess reference"));

    // Edits scale pixels as the run did, wherever the file is now.
    fs::rename(&file, dir.join("elsewhere.json")).unwrap();
    let few = "--auto 1 --images 2 --segments 1 --grid 1 --sizes 0.1";
    let out = ok(dir, &format!("vision counterfactual run {few} --also net/model.safetensors"));
    assert!(
        out.contains("model.safetensors: success")
            && out.contains("of 2 images, it took 0 for the wanted class before the edit, and 2"),
        "{out}"
    );

    content["image_std"] = json!([0.2, 0.2]);
    fs::write(&file, content.to_string()).unwrap();
    let e = fails(dir, 1, &format!("{probe} --out other"));
    assert!(
        e.contains("net/preprocessor_config.json`: image_std: found `[0.2,0.2]`, expected a number above 0"),
        "{e}"
    );
    assert!(e.contains("give --preprocess"), "{e}");
    ok(dir, &format!("{probe} --preprocess imagenet --out other"));
}

#[test]
fn another_network_of_another_image_size_is_named_before_any_trial() {
    let Some(vit) = compexp_tests::data("networks/vit/model.onnx") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    paint(dir);
    // As many classes as the other network has.
    let list = fs::read_to_string(dir.join("learn/list.txt")).unwrap();
    let nine: Vec<String> =
        list.lines().enumerate().map(|(i, line)| format!("{} {}\n", line.rsplit_once(' ').unwrap().0, i % 9)).collect();
    fs::write(dir.join("learn/nine.txt"), nine.concat()).unwrap();
    ok(dir, "vision train learn/nine.txt --widths 8,16 --blocks 1 --epochs 1 --batch 16 --out net");
    ok(dir, "vision probe --broden probe --checkpoint net/model.safetensors --layer layer2 --beam 2 --out run");
    let e = fails(dir, 1, &format!("vision counterfactual run --also {}", vit.display()));
    assert!(
        e.contains("size of the images for another network, ") && e.contains("found 112 x 112, expected 64 x 64"),
        "{e}"
    );
}
