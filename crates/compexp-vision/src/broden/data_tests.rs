//! Real folders, found by `COMPEXP_DATA`: the loader's counts against the folder's own tables.

use std::collections::{BTreeMap, HashMap, HashSet};

use compexp_core::probe::{Annotation, ProbeSet};
use compexp_tests::data;

use super::index::{Categories, Index};
use super::table::Table;
use super::*;
use crate::classes::{SceneClasses, SceneNames};

fn mini() -> Option<Broden> {
    Some(load(&data("miniplaces-broden-mini")?, &BrodenOptions::default()).unwrap())
}

/// For each concept, the number of examples that have it, and of their positions.
fn counts(set: &ProbeSet) -> BTreeMap<u32, (u64, u64)> {
    let positions = set.source.grid().positions();
    let (mut counts, mut into) = (BTreeMap::<u32, (u64, u64)>::new(), Annotation::default());
    for example in 0..set.examples.len() {
        into.clear();
        set.source.annotate(example, &mut into).unwrap();
        let mut of_example = HashMap::<u32, HashSet<usize>>::new();
        for (at, label) in into.layers.iter().enumerate().filter(|(_, l)| **l != Annotation::NONE) {
            of_example.entry(*label).or_default().insert(at % positions);
        }
        for label in &into.scalars {
            of_example.entry(*label).or_default().extend(0..positions);
        }
        for (label, at) in of_example {
            let (examples, covered) = counts.entry(label).or_default();
            *examples += 1;
            *covered += at.len() as u64;
        }
    }
    counts
}

#[test]
fn counts_agree_with_the_frequency_and_coverage_that_label_csv_states() {
    let Some(broden) = mini() else { return };
    let labels = broden.labels().clone();
    assert_eq!((broden.images().len(), broden.left_out(), labels.as_slice().len()), (120, 0, 162));
    assert_eq!(broden.categories(), ["object", "part", "scene", "texture", "color"]);
    let set = broden.into_probe_set();
    let positions = set.source.grid().positions() as f64;
    let counts = counts(&set);
    assert_eq!(counts.len(), 162);
    for label in labels.as_slice() {
        let (examples, covered) = counts[&label.number];
        assert_eq!(Some(examples as f64), label.frequency, "{}", label.name);
        let coverage = label.coverage.unwrap();
        assert!((covered as f64 / positions - coverage).abs() < 1e-6, "{}: {covered}, {coverage}", label.name);
        assert_eq!(label.categories, [(label.category.clone(), examples)], "{}", label.name);
    }
}

#[test]
fn every_scene_of_the_small_set_is_a_class_and_matches_its_file_name() {
    let (Some(broden), Some(list)) = (mini(), data("places/categories.txt")) else { return };
    let classes = SceneClasses::read(&list).unwrap();
    assert_eq!(classes.names().len(), 100);
    for image in broden.images() {
        let scene = image.scene_name.as_deref().unwrap();
        let class = &classes.names()[classes.target(scene).unwrap_or_else(|| panic!("{scene} is no class"))];
        // The photograph's name states its scene: `train_swimming_pool_outdoor_00000001.jpg`.
        let letters = |s: &str| s.chars().filter(char::is_ascii_alphabetic).collect::<String>();
        let stem = image.name.trim_start_matches("miniplaces/train_").trim_end_matches(".jpg");
        assert_eq!(letters(&class[3..]), letters(stem), "{scene}");
    }
}

#[test]
fn the_index_of_ade20k_agrees_with_its_scene_names() {
    let (Some(file), Some(scenes)) = (data("broden-index/index_ade20k.csv"), data("broden-index/ade20k_scenes.json"))
    else {
        return;
    };
    // The index comes without label.csv: every number may be a label here.
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (1..2000).map(|n| format!("{n},label {n}\n")).collect();
    std::fs::write(dir.path().join("label.csv"), format!("number,name\n{rows}")).unwrap();
    std::fs::write(dir.path().join("category.csv"), "name\ncolor\nobject\npart\nscene\n").unwrap();
    let table = Table::read(&file, "").unwrap();
    let categories = Categories::resolve(&table, None).unwrap();
    let labels = Labels::read(dir.path(), &categories.considered).unwrap();
    let index = Index::read(&table, &categories, &labels).unwrap();

    assert_eq!((index.images.len(), index.left_out), (22_210, 0));
    assert_eq!(index.grid, Grid { height: 112, width: 112 });
    assert_eq!(index.images.iter().filter(|i| i.split == "train").count(), 15_716);
    assert!(index.images.iter().all(|i| (i.height, i.width) == (224, 224)));
    let pngs: usize = index.cells.iter().map(|c| c.masks.len()).sum();
    assert_eq!(pngs, 2 * 22_210 + 7_307 + 2 * 4_079 + 3 * 174, "a colour and an object file each, and the parts");

    let scenes = SceneNames::read(&scenes).unwrap();
    assert_eq!(scenes.len(), 19_733);
    let (mut names, mut numbers) = (HashMap::new(), HashMap::new());
    let (mut labelled, mut named) = (0, 0);
    for image in &index.images {
        let name = scenes.get(&image.name);
        named += usize::from(name.is_some());
        let Some(scene) = image.scene else { continue };
        let name = name.unwrap_or_else(|| panic!("{} has a scene label and no name", image.name));
        assert_eq!(*names.entry(scene).or_insert(name), name, "one name a label");
        assert_eq!(*numbers.entry(name).or_insert(scene), scene, "one label a name");
        labelled += 1;
    }
    assert_eq!((named, labelled, names.len()), (19_733, 19_733 - 1_987, 468));
}

#[test]
fn the_class_list_of_places365_meets_the_scene_names_of_ade20k() {
    let (Some(list), Some(scenes)) =
        (data("broden-index/categories_places365.txt"), data("broden-index/ade20k_scenes.json"))
    else {
        return;
    };
    let classes = SceneClasses::read(&list).unwrap();
    assert_eq!((classes.names().len(), classes.target("apartment_building-outdoor-s")), (365, Some(8)));
    let scenes: HashMap<String, String> = serde_json::from_slice(&std::fs::read(scenes).unwrap()).unwrap();
    let targets: Vec<_> = scenes.values().filter_map(|s| classes.target(s)).collect();
    assert_eq!(targets.len(), 15_070, "images whose scene is a class");
    let met: HashSet<_> = targets.into_iter().collect();
    let unmet: Vec<_> = (0..365).filter(|c| !met.contains(c)).map(|c| &*classes.names()[c]).collect();
    assert_eq!(unmet, ["/c/car_interior", "/s/soccer_field", "/t/temple/asia", "/w/waterfall"]);
}
