//! A painted probe set as a folder in Broden's format.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use compexp_files::{
    FolderLock, claim_folder, entries, is_there, make_folder, read_json, remove_tree, write_bytes, write_json,
    write_unsynced,
};
use png::{BitDepth, ColorType, Compression, Encoder};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{GRID, LAYERS, SIDE};
use super::labels::{CATEGORIES, FIRST_SCENE, LABELS, SCENES};
use super::{Paint, Scene};
use crate::error::{Error, Result};

/// The file that distinguishes a painted folder from others.
const RECORD: &str = "scenes.json";
/// The folder of the images, below `images`.
const FOLDER: &str = "scenes";
/// The number of scenes that are painted before their rows are added to the tables.
const ROUND: usize = 64;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    paint: Paint,
}

/// How often a label occurs in a category.
#[derive(Clone, Copy, Default)]
struct Tally {
    images: usize,
    /// Positions that have the label; for a scene, all of them.
    positions: usize,
}

/// [`Paint::write`].
pub(super) fn write(paint: &Paint, dir: &Path, progress: &(dyn Fn(usize) + Sync)) -> Result<()> {
    let _lock = prepare(dir)?;
    let images = dir.join("images").join(FOLDER);
    make_folder(&images)?;
    let mut index = String::from("image,split,ih,iw,sh,sw,color,object,part,scene,texture\n");
    let mut list = String::new();
    let mut tallies = vec![[Tally::default(); CATEGORIES.len()]; LABELS.len() + 1];
    let done = AtomicUsize::new(0);
    let all: Vec<usize> = (0..paint.images).collect();
    for round in all.chunks(ROUND) {
        let painted: Vec<Result<Scene>> = round
            .par_iter()
            .map(|&number| {
                let scene = paint.scene(number);
                write_scene(&images, number, &scene)?;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                Ok(scene)
            })
            .collect();
        for (&number, scene) in round.iter().zip(painted) {
            let scene = scene?;
            let split = paint.split.name();
            let cell = |layer: &str| {
                let at = LAYERS.iter().position(|l| *l == layer).unwrap_or(0);
                let any = scene.labels[at].iter().any(|&label| label != 0);
                if any { format!("{FOLDER}/{}", mask_name(number, layer)) } else { String::new() }
            };
            let (color, object, part, texture) = (cell("color"), cell("object"), cell("part"), cell("texture"));
            let label = FIRST_SCENE + scene.class as u8;
            let name = image_name(number);
            index += &format!(
                "{FOLDER}/{name},{split},{SIDE},{SIDE},{GRID},{GRID},{color},{object},{part},{label},{texture}\n"
            );
            list += &format!("images/{FOLDER}/{name} {}\n", scene.class);
            count(&scene, &mut tallies);
        }
    }
    tables(dir, &tallies, paint.images)?;
    let classes: String = SCENES.iter().enumerate().map(|(class, name)| format!("{name} {class}\n")).collect();
    text(&dir.join("classes.txt"), &classes)?;
    text(&dir.join("list.txt"), &list)?;
    // The index is written last, so a folder with an index is complete.
    text(&dir.join("index.csv"), &index)?;
    Ok(write_json(&dir.join(RECORD), &Record { version: 1, paint: paint.clone() })?)
}

/// Empties a folder that an earlier painting wrote; any other must be empty. Other processes are kept away while the answer
/// lives.
fn prepare(dir: &Path) -> Result<FolderLock> {
    // A painting that was killed at its first file left only a partial file.
    let lock = claim_folder(dir)?;
    let record = dir.join(RECORD);
    if entries(dir)?.is_empty() {
        write_json(&record, &Record { version: 1, paint: Paint::default() })?;
        return Ok(lock);
    }
    if !is_there(&record)? {
        let found = "files, and no `scenes.json` among them";
        return Err(Error::format(
            dir,
            "folder",
            found,
            "no files, or those of an earlier painting; give another folder",
        ));
    }
    read_json::<Record>(&record)?;
    for name in ["index.csv", "images"] {
        remove_tree(&dir.join(name))?;
    }
    Ok(lock)
}

fn image_name(number: usize) -> String {
    format!("{number:06}.png")
}

fn mask_name(number: usize, layer: &str) -> String {
    format!("{number:06}_{layer}.png")
}

fn write_scene(images: &Path, number: usize, scene: &Scene) -> Result<()> {
    png(&images.join(image_name(number)), SIDE, &scene.rgb)?;
    for (layer, labels) in LAYERS.iter().zip(&scene.labels) {
        if labels.iter().any(|&label| label != 0) {
            let pixels: Vec<u8> = labels.iter().flat_map(|&label| [label, 0, 0]).collect();
            png(&images.join(mask_name(number, layer)), GRID, &pixels)?;
        }
    }
    Ok(())
}

/// An RGB image of `side x side`.
fn png(path: &Path, side: usize, pixels: &[u8]) -> Result<()> {
    let fail = |error: png::EncodingError| Error::io("write", path)(std::io::Error::other(error));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side as u32, side as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(fail)?;
    writer.write_image_data(pixels).map_err(fail)?;
    writer.finish().map_err(fail)?;
    Ok(write_unsynced(path, &bytes)?)
}

fn count(scene: &Scene, tallies: &mut [[Tally; CATEGORIES.len()]]) {
    let category = |name: &str| CATEGORIES.iter().position(|c| *c == name).unwrap_or(0);
    for (layer, labels) in LAYERS.iter().zip(&scene.labels) {
        let mut positions = [0; 256];
        labels.iter().for_each(|&label| positions[usize::from(label)] += 1);
        for (label, tally) in tallies.iter_mut().enumerate().skip(1) {
            let tally = &mut tally[category(layer)];
            tally.images += usize::from(positions[label] > 0);
            tally.positions += positions[label];
        }
    }
    let tally = &mut tallies[usize::from(FIRST_SCENE) + scene.class][category("scene")];
    tally.images += 1;
    tally.positions += GRID * GRID;
}

/// `label.csv`, `category.csv` and a `c_<category>.csv` each.
fn tables(dir: &Path, tallies: &[[Tally; CATEGORIES.len()]], images: usize) -> Result<()> {
    let coverage = |tally: Tally| tally.positions as f64 / (GRID * GRID) as f64;
    let mut labels = String::from("number,name,category,frequency,coverage,syns\n");
    for (number, name) in LABELS {
        let of = tallies[usize::from(*number)];
        let there: Vec<(&str, Tally)> = CATEGORIES.into_iter().zip(of).filter(|(_, t)| t.images > 0).collect();
        let categories: Vec<String> = there.iter().map(|(name, t)| format!("{name}({})", t.images)).collect();
        let frequency: usize = there.iter().map(|(_, t)| t.images).sum();
        let covered: f64 = there.iter().map(|(_, t)| coverage(*t)).sum();
        labels += &format!("{number},{name},{},{frequency},{covered:.6},\n", categories.join(";"));
    }
    text(&dir.join("label.csv"), &labels)?;
    let mut categories = String::from("name,first,last,count,frequency\n");
    for (at, category) in CATEGORIES.iter().enumerate() {
        let mut there: Vec<(u8, &str, Tally)> = LABELS
            .iter()
            .map(|(n, name)| (*n, *name, tallies[usize::from(*n)][at]))
            .filter(|l| l.2.images > 0)
            .collect();
        let (Some(first), Some(last)) = (there.first().map(|l| l.0), there.last().map(|l| l.0)) else { continue };
        categories += &format!("{category},{first},{last},{},{images}\n", there.len());
        there.sort_by_key(|(number, _, tally)| (std::cmp::Reverse(tally.images), *number));
        let mut rows = String::from("code,number,name,frequency,coverage\n");
        for (code, (number, name, tally)) in there.into_iter().enumerate() {
            rows += &format!("{},{number},{name},{},{:.6}\n", code + 1, tally.images, coverage(tally));
        }
        text(&dir.join(format!("c_{category}.csv")), &rows)?;
    }
    text(&dir.join("category.csv"), &categories)
}

fn text(path: &Path, text: &str) -> Result<()> {
    Ok(write_bytes(path, text.as_bytes())?)
}
