//! The small probe set in `data/example`: painted scenes with units planted in them, so that everything can be tried on a
//! fresh clone, and so that what a search ought to find is known.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_core::formula::{Atom, Formula};
use compexp_core::probe::Example;
use compexp_files::write_npy;
use compexp_run::{write_concepts, write_examples};

const EXAMPLES: usize = 60;
/// Positions a side of the annotations, and of the units' maps.
const SIDE: usize = 32;
const LOW: usize = 8;
const LAYERS: usize = 3;

const CONCEPTS: [(&str, &str); 15] = [
    ("sky", "object"),
    ("water", "object"),
    ("river", "object"),
    ("grass", "object"),
    ("tree", "object"),
    ("house", "object"),
    ("road", "object"),
    ("boat", "object"),
    ("window", "part"),
    ("blue-c", "color"),
    ("green-c", "color"),
    ("grey-c", "color"),
    ("lake-s", "scene"),
    ("forest-s", "scene"),
    ("street-s", "scene"),
];

/// The id of a concept: its place in the list, from 1.
fn id(name: &str) -> u8 {
    CONCEPTS.iter().position(|(n, _)| *n == name).map_or(0, |i| i as u8 + 1)
}

/// What the planted units fire on; the last never fires.
const PLANTED: [Option<&str>; 6] = [
    Some("(water OR river) AND NOT blue-c"),
    Some("tree"),
    Some("house AND NOT window"),
    Some("sky AND grey-c"),
    Some("boat OR window"),
    None,
];

/// Paints the scenes and writes them with the units' activations into `data/example`.
pub(crate) fn fixtures(root: &Path) -> Result<()> {
    write(&root.join("data/example"))
}

fn write(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    let mut random = Random(20_200_612);
    let concept = |(i, (name, category)): (usize, &(&str, &str))| Concept {
        id: ConceptId(i as u32 + 1),
        name: (*name).into(),
        category: (*category).into(),
    };
    let concepts: Vec<Concept> = CONCEPTS.iter().enumerate().map(concept).collect();
    let vocabulary = Vocabulary::new(concepts.clone())?;
    let parse = |text: Option<&str>| text.map(|text| Formula::parse(text, &vocabulary)).transpose();
    let planted = PLANTED.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let (mut layers, mut scalars, mut activations, mut examples) = (vec![], vec![], vec![], vec![]);
    for i in 0..EXAMPLES {
        let scene = ["lake-s", "forest-s", "street-s"][i % 3];
        let canvas = paint(scene, &mut random);
        for formula in &planted {
            activations.extend(observe(formula.as_ref(), &canvas, &mut random));
        }
        for layer in canvas {
            layers.extend(layer);
        }
        scalars.push(u16::from(id(scene)));
        examples.push(Example { name: format!("{scene}-{i:02}"), ..Example::default() });
    }
    write_concepts(dir, &concepts)?;
    write_examples(dir, &examples)?;
    write_npy(&dir.join("layers.npy"), &[EXAMPLES, LAYERS, SIDE, SIDE], &layers)?;
    write_npy(&dir.join("scalars.npy"), &[EXAMPLES, 1], &scalars)?;
    write_npy(&dir.join("activations.npy"), &[EXAMPLES, planted.len(), LOW, LOW], &activations)?;
    Ok(())
}

/// Objects, parts and colours, position by position; 0 = none.
type Canvas = [Vec<u8>; LAYERS];

fn paint(scene: &str, random: &mut Random) -> Canvas {
    let mut canvas: Canvas = std::array::from_fn(|_| vec![0; SIDE * SIDE]);
    let horizon = 8 + random.below(8);
    let sky = ["blue-c", "grey-c"][random.below(2)];
    canvas.fill("sky", sky, 0..SIDE, 0..horizon);
    canvas.fill("grass", "green-c", 0..SIDE, horizon..SIDE);
    match scene {
        "lake-s" => {
            let color = ["blue-c", "blue-c", "green-c", "grey-c"][random.below(4)];
            canvas.fill("water", color, 0..SIDE, horizon + 6..SIDE);
            if random.below(2) == 0 {
                let x = random.below(24);
                canvas.fill("boat", "grey-c", x..x + 8, horizon + 8..horizon + 12);
            }
        }
        "forest-s" => {
            let x = random.below(20);
            let color = ["blue-c", "green-c", "grey-c"][random.below(3)];
            canvas.fill("river", color, x..x + 10, horizon..SIDE);
            for _ in 0..3 {
                let (x, y) = (random.below(26), 2 + random.below(12));
                canvas.fill("tree", "green-c", x..x + 6, y..y + 14);
            }
        }
        _ => {
            canvas.fill("road", "grey-c", 0..SIDE, 26..SIDE);
            for left in [0, 12] {
                let (x, y) = (left + random.below(8), 4 + random.below(8));
                canvas.fill("house", ["", "grey-c"][random.below(2)], x..x + 11, y..26);
                canvas.part("window", x + 2..x + 6, y + 3..y + 8);
            }
        }
    }
    canvas
}

/// Painting on a canvas, over what is there.
trait Paint {
    fn fill(&mut self, object: &str, color: &str, x: std::ops::Range<usize>, y: std::ops::Range<usize>);
    fn part(&mut self, part: &str, x: std::ops::Range<usize>, y: std::ops::Range<usize>);
}

impl Paint for Canvas {
    fn fill(&mut self, object: &str, color: &str, x: std::ops::Range<usize>, y: std::ops::Range<usize>) {
        for y in y.start..y.end.min(SIDE) {
            for x in x.start..x.end.min(SIDE) {
                self[0][y * SIDE + x] = id(object);
                self[1][y * SIDE + x] = 0;
                self[2][y * SIDE + x] = id(color);
            }
        }
    }

    fn part(&mut self, part: &str, x: std::ops::Range<usize>, y: std::ops::Range<usize>) {
        for y in y.start..y.end.min(SIDE) {
            for x in x.start..x.end.min(SIDE) {
                self[1][y * SIDE + x] = id(part);
            }
        }
    }
}

/// A unit's low-resolution map: the share of each patch on which it fires, with noise.
fn observe(formula: Option<&Formula>, canvas: &Canvas, random: &mut Random) -> Vec<f32> {
    let patch = SIDE / LOW;
    let mut map = Vec::with_capacity(LOW * LOW);
    for i in 0..LOW * LOW {
        let positions = (0..patch * patch).map(|p| (i / LOW * patch + p / patch) * SIDE + i % LOW * patch + p % patch);
        let has = |p: usize, atom: Atom| canvas.iter().any(|layer| u32::from(layer[p]) == atom.concept.0);
        let hits = positions.filter(|p| formula.is_some_and(|formula| formula.holds(&|atom| has(*p, atom)))).count();
        let noise = random.below(1000) as f32 / 5000.0;
        map.push(if formula.is_none() { 0.0 } else { hits as f32 / (patch * patch) as f32 + noise });
    }
    map
}

/// A linear congruential generator: the same scenes on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_example_is_what_the_painter_paints() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example");
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["activations.npy", "examples.csv", "layers.npy", "probe.json", "scalars.npy"]);
        for name in names {
            let (fresh, kept) = (fs::read(dir.path().join(&name)).unwrap(), fs::read(committed.join(&name)).unwrap());
            assert!(fresh == kept, "{name:?} differs: run `cargo xtask fixtures` and commit what it writes");
        }
    }
}
