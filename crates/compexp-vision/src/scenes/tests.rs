//! Painted folders: the same for a seed, and read back as they were painted.

use std::collections::BTreeMap;
use std::path::Path;

use compexp_core::probe::Annotation;

use super::canvas::{Brush, Canvas, GRID, ink};
use super::labels::*;
use super::*;
use crate::broden;
use crate::image::Image;

fn write(paint: &Paint, dir: &Path, threads: usize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| paint.write(dir, &|_| ())).unwrap();
}

/// Every file below `dir` by its path.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                all.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    all
}

#[test]
fn a_folder_is_the_same_for_a_seed_on_any_number_of_threads_and_over_an_earlier_one() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paint = Paint { images: 30, seed: 5, split: Split::Val };
    write(&paint, one.path(), 1);
    write(&Paint { images: 40, seed: 6, split: Split::Train }, two.path(), 3);
    assert_ne!(files(one.path()), files(two.path()));
    write(&paint, two.path(), 3);
    assert_eq!(files(one.path()), files(two.path()));
}

#[test]
fn seeds_splits_and_numbers_have_their_own_scenes() {
    let of = |seed, split, number| Paint { images: 1, seed, split }.scene(number).rgb;
    let first = of(0, Split::Val, 0);
    assert_eq!(first, of(0, Split::Val, 0));
    for other in [of(1, Split::Val, 0), of(0, Split::Train, 0), of(0, Split::Val, 12)] {
        assert_ne!(first, other);
    }
}

#[test]
fn the_loader_reads_what_was_painted() {
    let dir = tempfile::tempdir().unwrap();
    let paint = Paint { images: 3 * SCENES.len(), seed: 2, split: Split::Train };
    write(&paint, dir.path(), 2);
    let broden = broden::load(dir.path(), &Default::default()).unwrap();
    assert_eq!((broden.left_out(), broden.grid().height, broden.grid().width), (0, GRID, GRID));
    let category = |name: &str| {
        let label = broden.labels().as_slice().iter().find(|l| l.name == name).unwrap();
        (label.category.clone(), label.frequency)
    };
    assert_eq!(category("blue-c").0, "color");
    assert_eq!(category("beach-s"), ("scene".into(), Some(3.0)));
    let images = broden.images().to_vec();
    let root = broden.image_root().to_owned();
    let set = broden.into_probe_set();
    let mut annotation = Annotation::default();
    for (number, image) in images.iter().enumerate() {
        let scene = paint.scene(number);
        assert_eq!(image.scene_name.as_deref(), Some(&*format!("{}-s", SCENES[scene.class])), "{number}");
        assert_eq!(image.split, "train");
        let pixels = Image::read(&root.join(&image.name)).unwrap();
        assert_eq!((pixels.height, pixels.width, &pixels.rgb), (112, 112, &scene.rgb), "{number}");
        set.source.annotate(number, &mut annotation).unwrap();
        let has = |position: usize, label: u8| {
            annotation.layers.iter().skip(position).step_by(GRID * GRID).any(|l| *l == u32::from(label))
        };
        for position in 0..GRID * GRID {
            for layer in &scene.labels {
                assert!(layer[position] == 0 || has(position, layer[position]), "{number} {position}");
            }
        }
        let painted = scene.labels.iter().flatten().filter(|label| **label != 0).count();
        let read = annotation.layers.iter().filter(|label| **label != Annotation::NONE).count();
        assert_eq!(painted, read, "{number}");
    }
}

#[test]
fn every_position_has_an_object_and_a_colour_and_parts_lie_in_objects() {
    let paint = Paint { images: 48, ..Paint::default() };
    let mut seen = [false; 256];
    for number in 0..paint.images {
        let scene = paint.scene(number);
        let [objects, parts, textures, colors] = &scene.labels;
        for position in 0..GRID * GRID {
            let (object, color) = (objects[position], colors[position]);
            assert!((SKY..=PLANT).contains(&object), "object {object} in {number}");
            assert!((BLACK..=YELLOW).contains(&color), "colour {color} in {number}");
            assert!(textures[position] == 0 || (STRIPED..=ZIGZAGGED).contains(&textures[position]));
            for label in [object, color, parts[position], textures[position]] {
                seen[usize::from(label)] = true;
            }
        }
    }
    // In 48 scenes nearly everything occurs.
    let missing: Vec<&str> =
        LABELS.iter().filter(|(n, name)| !seen[usize::from(*n)] && !name.ends_with("-s")).map(|(_, n)| *n).collect();
    assert!(missing.len() < 12, "{missing:?}");
}

#[test]
fn what_is_nearer_hides_what_is_behind_and_masks_are_exact() {
    let mut random = Random::new(0, Purpose::ProbeScene, 0);
    let mut canvas = Canvas::new();
    let (sky, wall) = (Brush::new(SKY, ink(BLUE, &mut random)), Brush::new(WALL, ink(RED, &mut random)));
    canvas.rectangle([0.0, 0.0, 112.0, 112.0], &sky);
    canvas.rectangle([20.0, 40.0, 60.0, 80.0], &wall);
    canvas.ellipse((40.0, 60.0), (10.0, 5.0), &wall.part(DOOR, ink(GREEN, &mut random)));
    let [objects, parts, textures, colors] = canvas.labels();
    for position in 0..GRID * GRID {
        let (x, y) = (2.0 * (position % GRID) as f32 + 1.25, 2.0 * (position / GRID) as f32 + 1.25);
        let in_wall = (20.0..60.0).contains(&x) && (40.0..80.0).contains(&y);
        let in_door = ((x - 40.0) / 10.0).powi(2) + ((y - 60.0) / 5.0).powi(2) < 1.0;
        assert_eq!(objects[position], if in_wall { WALL } else { SKY }, "{x} {y}");
        assert_eq!(parts[position], if in_door { DOOR } else { 0 }, "{x} {y}");
        let color = if in_door {
            GREEN
        } else if in_wall {
            RED
        } else {
            BLUE
        };
        assert_eq!((colors[position], textures[position]), (color, 0), "{x} {y}");
    }
    canvas.glow((40.0, 60.0), (30.0, 30.0), 0.5);
    assert_eq!(canvas.labels(), [objects, parts, textures, colors]);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.csv"), "mine").unwrap();
    let error = Paint::default().write(dir.path(), &|_| ()).unwrap_err().to_string();
    assert!(error.contains("no `scenes.json` among them"), "{error}");
    assert_eq!(files(dir.path()).len(), 1);
    for images in [0, MAX_IMAGES + 1] {
        let error = Paint { images, ..Paint::default() }.write(&dir.path().join("new"), &|_| ()).unwrap_err();
        assert!(error.to_string().starts_with("scenes to paint: found "), "{error}");
    }
}
