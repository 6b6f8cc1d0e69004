//! Probe directories: a probe set as arrays, which any framework can write.
//!
//! | file | content |
//! |---|---|
//! | `probe.json` | `{"version": 1, "concepts": [{"id": 1, "name": "wall", "category": "object"}, ...]}`; an id that is not listed has its number as name |
//! | `layers.npy` | u8, u16 or u32 `[n, C, h, w]`, 0 = none: a position has concept l if any layer equals l |
//! | `scalars.npy` | u8, u16 or u32 `[n, S]`, 0 = none: concepts of the whole example |
//! | or `masks.npy` | bool or u8 `[L, n, h, w]`: the concept's id is its index |
//! | or `features.npy` | bool or u8 `[n, F]`: one position an example, the concept's id is its index |
//! | optional `neighbors.npy` | i32 `[F, k]`, -1 = none: NEIGHBORS(f) = f or any of these |
//! | optional `examples.csv` | columns `name`, `image` or `text`, `group`, each of which may be missing; a row an example |
//!
//! There MUST be `probe.json` and one of the arrays; `layers.npy` and `scalars.npy` MAY both be there, the others
//! exclude each other and these two. No dimension of them may be 0 (an empty probe set is a mistake). All arrays MUST
//! agree on the number of examples. A listed id MUST be one that the arrays can hold: 1 to `u32::MAX - 1` for layers and
//! scalars, less than L or F for masks and features. Other files are ignored.
//!
//! With masks or features `neighbors.npy` MUST have as many rows as there are concepts. With layers and scalars row `i`
//! is that of id `i`: row 0 is all -1, and ids in it MUST be less than the number of rows.
//!
//! Columns of `examples.csv` go by name, at least one of the four MUST be there, and others are ignored. A row without a
//! name is called by its image, else by its number from 0.

use std::path::Path;

use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_core::probe::{Annotation, AnnotationSource, Example, Grid, Neighbors, ProbeSet, Variant};
use compexp_files::AtomicFile;
use compexp_files::Dtype;
use compexp_files::SourceFile;
use compexp_files::TensorFile;
use compexp_files::{read_json, write_json};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The version of `probe.json` that is read and written.
const VERSION: u64 = 1;

/// Opens a probe directory. The annotation arrays stay on the disk, and are read example by example (one in column-major
/// order is read whole).
///
/// `features.npy` makes it a [`Variant::Nli`] probe set in which all features are declared, the others a [`Variant::Vision`]
/// one.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_core::Error::DuplicateConcept`]; [`compexp_files::Error::Format`] where a file is not as described in [this
/// module](self).
pub fn open_probe(dir: &Path) -> Result<ProbeSet> {
    let vocabulary = open_vocabulary(dir)?;
    let source = ProbeDir::open(dir)?;
    if let Some(concept) = vocabulary.concepts().iter().find(|c| !source.ids().contains(&c.id.0)) {
        let found = format!("{} (`{}`)", concept.id.0, concept.name);
        return Err(Error::format(&dir.join("probe.json"), "id of a concept", found, source.ids_hint()));
    }
    let neighbors = match open_array(dir, "neighbors.npy")? {
        Some(tensor) => read_neighbors(&tensor, &source)?,
        None => Neighbors::new(),
    };
    let examples = match dir.join("examples.csv") {
        path if exists(&path)? => read_examples(&path, source.n_examples)?,
        _ => number_examples(dir, source.n_examples)?,
    };
    let variant = if matches!(source.arrays, Arrays::Features(_)) { Variant::Nli } else { Variant::Vision };
    Ok(ProbeSet { vocabulary, examples, variant, neighbors, source: Box::new(source) })
}

/// Writes the `probe.json` of a probe directory; its arrays are written by [`compexp_files::write_npy`].
///
/// # Errors
/// [`compexp_files::Error::Io`]
pub fn write_concepts(dir: &Path, concepts: &[Concept]) -> Result<()> {
    #[derive(Serialize)]
    struct ProbeJson<'a> {
        version: u64,
        concepts: &'a [Concept],
    }
    Ok(write_json(&dir.join("probe.json"), &ProbeJson { version: VERSION, concepts })?)
}

/// Writes the `examples.csv` of a probe directory.
///
/// # Errors
/// [`compexp_files::Error::Io`]
pub fn write_examples(dir: &Path, examples: &[Example]) -> Result<()> {
    let path = dir.join("examples.csv");
    let fail = |e: csv::Error| Error::io("write", &path)(e.into());
    let mut file = AtomicFile::create(&path)?;
    let mut csv = csv::Writer::from_writer(&mut file);
    csv.write_record(["name", "image", "text", "group"]).map_err(fail)?;
    for e in examples {
        csv.write_record([&e.name, &e.image, &e.text, &e.group]).map_err(fail)?;
    }
    csv.flush().map_err(Error::io("write", &path))?;
    drop(csv);
    Ok(file.commit()?)
}

/// The annotation arrays of a probe directory.
struct ProbeDir {
    arrays: Arrays,
    n_examples: usize,
    grid: Grid,
}

enum Arrays {
    /// `layers.npy` and `scalars.npy`, at least one of them.
    Ids {
        layers: Option<TensorFile>,
        scalars: Option<TensorFile>,
    },
    Masks(TensorFile),
    Features(TensorFile),
}

impl ProbeDir {
    fn open(dir: &Path) -> Result<Self> {
        const IDS: (&[Dtype], &str) = (&[Dtype::U8, Dtype::U16, Dtype::U32], "u8, u16 or u32");
        const BITS: (&[Dtype], &str) = (&[Dtype::Bool, Dtype::U8], "bool or u8");
        let open = |name: &str, (dtypes, expected): (&[Dtype], &str), shape: &str| -> Result<Option<TensorFile>> {
            let tensor = open_array(dir, name)?;
            if let Some(tensor) = &tensor {
                tensor.expect_dtype(dtypes, expected)?;
                expect_shape(tensor, shape)?;
            }
            Ok(tensor)
        };
        let all = ["layers.npy", "scalars.npy", "masks.npy", "features.npy"];
        let mut found = vec![];
        for name in all {
            if exists(&dir.join(name))? {
                found.push(name);
            }
        }
        if found.is_empty() || (found.len() > 1 && found != all[..2]) {
            let found = if found.is_empty() { "none".into() } else { found.join(" and ") };
            let expected = "layers.npy or scalars.npy or both, or masks.npy, or features.npy: move the others away";
            return Err(Error::format(dir, "annotation arrays", found, expected));
        }
        match found[0] {
            "masks.npy" => {
                let shape = "[concepts, examples, height, width]";
                let masks = open("masks.npy", BITS, shape)?.ok_or_else(|| vanished(dir))?;
                let &[_, n_examples, height, width] = masks.shape() else { return Err(vanished(dir)) };
                Ok(Self { arrays: Arrays::Masks(masks), n_examples, grid: Grid { height, width } })
            }
            "features.npy" => {
                let features = open("features.npy", BITS, "[examples, features]")?.ok_or_else(|| vanished(dir))?;
                let n_examples = features.shape()[0];
                Ok(Self { arrays: Arrays::Features(features), n_examples, grid: Grid::SINGLE })
            }
            _ => {
                let layers = open("layers.npy", IDS, "[examples, layers, height, width]")?;
                let scalars = open("scalars.npy", IDS, "[examples, scalars]")?;
                let first = layers.as_ref().or(scalars.as_ref()).ok_or_else(|| vanished(dir))?;
                let n_examples = first.shape()[0];
                if let Some(scalars) = scalars.as_ref().filter(|s| s.shape()[0] != n_examples) {
                    let expected = format!("{n_examples} examples, as in layers.npy");
                    return Err(scalars.error("shape", format!("{:?}", scalars.shape()), expected).into());
                }
                let grid = match first.shape() {
                    &[_, _, height, width] => Grid { height, width },
                    _ => Grid::SINGLE,
                };
                Ok(Self { arrays: Arrays::Ids { layers, scalars }, n_examples, grid })
            }
        }
    }

    /// The ids that concepts can have.
    fn ids(&self) -> std::ops::Range<u32> {
        match &self.arrays {
            Arrays::Ids { .. } => 1..Annotation::NONE,
            Arrays::Masks(t) => 0..t.shape()[0] as u32,
            Arrays::Features(t) => 0..t.shape()[1] as u32,
        }
    }

    fn ids_hint(&self) -> String {
        match &self.arrays {
            Arrays::Ids { .. } => {
                format!("1 to {}: 0 means none in layers.npy and scalars.npy", Annotation::NONE - 1)
            }
            Arrays::Masks(_) => format!("less than {}: ids are the indices in masks.npy, from 0", self.ids().end),
            Arrays::Features(_) => format!("less than {}: ids are the columns of features.npy, from 0", self.ids().end),
        }
    }

    /// Appends the ids of `example` in an array in which 0 is none.
    fn read_ids(&self, tensor: &TensorFile, example: usize, into: &mut Vec<u32>) -> Result<()> {
        let len = tensor.elements() / self.n_examples;
        into.resize(len, 0);
        tensor.read_u32(example * len, into)?;
        if into.contains(&Annotation::NONE) {
            let found = format!("concept id {}", Annotation::NONE);
            return Err(tensor.error(&format!("example {example}"), found, self.ids_hint()).into());
        }
        Ok(())
    }
}

impl AnnotationSource for ProbeDir {
    fn n_examples(&self) -> usize {
        self.n_examples
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        if example >= self.n_examples {
            let expected = format!("less than {}", self.n_examples);
            return Err(compexp_core::Error::mismatch("example of the probe set", example, expected));
        }
        into.clear();
        match &self.arrays {
            Arrays::Ids { layers, scalars } => {
                if let Some(layers) = layers {
                    self.read_ids(layers, example, &mut into.layers)?;
                    for id in into.layers.iter_mut().filter(|id| **id == 0) {
                        *id = Annotation::NONE;
                    }
                }
                if let Some(scalars) = scalars {
                    self.read_ids(scalars, example, &mut into.scalars)?;
                    into.scalars.retain(|id| *id != 0);
                }
            }
            Arrays::Masks(masks) => {
                let positions = self.grid.positions();
                let mut mask = vec![false; positions]; // (height, width)
                for id in self.ids() {
                    let start = (id as usize * self.n_examples + example) * positions;
                    masks.read_bool(start, &mut mask).map_err(Error::from)?;
                    if mask.contains(&true) {
                        into.layers.extend(mask.iter().map(|&m| if m { id } else { Annotation::NONE }));
                    }
                }
            }
            Arrays::Features(features) => {
                let mut row = vec![false; features.shape()[1]];
                features.read_bool(example * row.len(), &mut row).map_err(Error::from)?;
                into.scalars.extend(self.ids().zip(&row).filter(|(_, has)| **has).map(|(id, _)| id));
            }
        }
        Ok(())
    }

    fn declared(&self) -> Vec<ConceptId> {
        match self.arrays {
            Arrays::Features(_) => self.ids().map(ConceptId).collect(),
            _ => vec![],
        }
    }
}

fn open_vocabulary(dir: &Path) -> Result<Vocabulary> {
    #[derive(Deserialize)]
    struct Version {
        version: Option<serde_json::Value>,
    }
    #[derive(Deserialize)]
    struct ProbeJson {
        #[serde(default)]
        concepts: Vec<Concept>,
    }
    let path = dir.join("probe.json");
    if std::fs::metadata(dir).map_err(Error::io("open", dir))?.is_dir() && !exists(&path)? {
        let expected = "a file with `{\"version\": 1, \"concepts\": [{\"id\": 1, \"name\": \"wall\"}, ...]}`";
        return Err(Error::format(dir, "probe.json", "no such file", expected));
    }
    // Looked at first: another version may call its concepts differently.
    let version = read_json::<Version>(&path)?.version;
    if version.as_ref().and_then(serde_json::Value::as_u64) != Some(VERSION) {
        let found = version.map_or("none".into(), |v| v.to_string());
        return Err(Error::format(&path, "version", found, VERSION.to_string()));
    }
    Ok(Vocabulary::new(read_json::<ProbeJson>(&path)?.concepts)?)
}

/// The array of this name in `dir`, if there is one.
fn open_array(dir: &Path, name: &str) -> Result<Option<TensorFile>> {
    let path = dir.join(name);
    if exists(&path)? { TensorFile::open(path).map(Some).map_err(Error::from) } else { Ok(None) }
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(Error::io("open", path))
}

/// The error where a file that was there a moment ago is not, or is another.
fn vanished(dir: &Path) -> Error {
    Error::format(dir, "annotation arrays", "files that come and go", "a folder that nobody writes to")
}

/// Checks that an array has the dimensions that `shape` names, none of them 0, and concepts that can be numbered.
fn expect_shape(tensor: &TensorFile, shape: &str) -> Result<()> {
    let dims = shape.split(',').count();
    let numbered = tensor.shape().iter().take(2).all(|d| *d < Annotation::NONE as usize);
    if tensor.shape().len() == dims && tensor.elements() > 0 && numbered {
        return Ok(());
    }
    let expected = format!("{shape}, each at least 1 and the first two below {}", Annotation::NONE);
    Err(tensor.error("shape", format!("{:?}", tensor.shape()), expected).into())
}

fn read_neighbors(tensor: &TensorFile, source: &ProbeDir) -> Result<Neighbors> {
    tensor.expect_dtype(&[Dtype::I32], "i32")?;
    let &[rows, k] = tensor.shape() else {
        return Err(tensor.error("shape", format!("{:?}", tensor.shape()), "[concepts, neighbours]").into());
    };
    let mut ids = source.ids();
    if matches!(source.arrays, Arrays::Ids { .. }) {
        // The arrays do not say how many concepts there are; this one does, with a row for 0 too.
        ids.end = ids.end.min(u32::try_from(rows).unwrap_or(u32::MAX)).max(ids.start);
    } else if rows != ids.len() {
        let expected = format!("{} rows, one a concept", ids.len());
        return Err(tensor.error("shape", format!("{:?}", tensor.shape()), expected).into());
    }
    let mut neighbors = Neighbors::new();
    let mut row = vec![0; k];
    for id in (0..rows as u64).take_while(|_| k > 0) {
        tensor.read_i32(id as usize * k, &mut row)?;
        let mut of = vec![];
        for &value in row.iter().filter(|v| **v != -1) {
            let concept = u32::try_from(value).ok().filter(|v| ids.contains(v) && u64::from(ids.start) <= id);
            let Some(concept) = concept else {
                let expected = format!("-1 for none, or a concept from {} to {}", ids.start, i64::from(ids.end) - 1);
                return Err(tensor.error(&format!("row {id}"), value.to_string(), expected).into());
            };
            if u64::from(concept) != id && !of.contains(&ConceptId(concept)) {
                of.push(ConceptId(concept));
            }
        }
        if !of.is_empty() {
            neighbors.insert(ConceptId(id as u32), of);
        }
    }
    Ok(neighbors)
}

/// The examples of a folder without `examples.csv`.
fn number_examples(dir: &Path, n: usize) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    let too_many = |_| Error::format(dir, "examples", n.to_string(), "as many as fit in memory");
    examples.try_reserve_exact(n).map_err(too_many)?;
    examples.extend((0..n).map(|i| Example { name: i.to_string(), ..Example::default() }));
    Ok(examples)
}

pub(crate) fn read_examples(path: &Path, n: usize) -> Result<Vec<Example>> {
    let text = SourceFile::open(path)?.read_text()?;
    let fail = |e: csv::Error| {
        let field = e.position().map_or("content".into(), |p| format!("line {}", p.line()));
        Error::format(path, field, e.to_string(), "a CSV file in UTF-8 with as many columns in every row")
    };
    let mut csv = csv::Reader::from_reader(&text[..]);
    let header = csv.headers().map_err(fail)?.clone();
    let column = |name: &str| header.iter().position(|h| h.trim() == name);
    let columns = ["name", "image", "text", "group"].map(column);
    if columns == [None; 4] {
        let found = header.iter().map(|h| format!("`{h}`")).collect::<Vec<_>>().join(", ");
        return Err(Error::format(
            path,
            "columns",
            found,
            "some of `name`, `image`, `text` and `group` in the first line",
        ));
    }
    let rows = |found: String| Err(Error::format(path, "rows", found, format!("{n}, as many as there are examples")));
    let mut examples = vec![];
    for record in csv.records() {
        let record = record.map_err(fail)?;
        if examples.len() == n {
            return rows(format!("more than {n}"));
        }
        let [name, image, text, group] = columns.map(|c| c.and_then(|c| record.get(c)).unwrap_or_default().to_owned());
        let number = examples.len().to_string();
        let name = [name, image.clone(), number].into_iter().find(|n| !n.is_empty()).unwrap_or_default();
        examples.push(Example { name, image, text, group });
    }
    if examples.len() < n { rows(examples.len().to_string()) } else { Ok(examples) }
}

#[cfg(test)]
mod tests {
    use compexp_files::write_npy;
    use compexp_tests::files::{Scratch, npy};

    use super::*;

    const NONE: u32 = Annotation::NONE;

    fn concept(id: u32, name: &str) -> Concept {
        Concept { id: ConceptId(id), name: name.into(), category: "object".into() }
    }

    /// A folder with `probe.json` of these concepts.
    fn probe(concepts: &[Concept]) -> Scratch {
        let scratch = Scratch::new();
        write_concepts(scratch.dir(), concepts).unwrap();
        scratch
    }

    fn annotations(probe: &ProbeSet) -> Vec<Annotation> {
        let one = |example| {
            let mut a = Annotation { layers: vec![9], scalars: vec![9] };
            probe.source.annotate(example, &mut a).unwrap();
            a
        };
        (0..probe.source.n_examples()).map(one).collect()
    }

    fn fails(scratch: &Scratch, message: &str) {
        let e = open_probe(scratch.dir()).err().unwrap_or_else(|| panic!("accepted, and not: {message}")).to_string();
        assert!(e.contains(message), "{e}\nhas not: {message}");
    }

    #[test]
    fn layers_and_scalars_are_read_together() {
        let scratch = probe(&[concept(300, "wall"), concept(1, "bed")]);
        let layers = [1_u16, 0, 300, 2, /**/ 0, 0, 1, 1, /**/ 0, 0, 0, 0, /**/ 7, 7, 7, 7];
        write_npy(&scratch.path("layers.npy"), &[2, 2, 1, 4], &layers).unwrap();
        write_npy(&scratch.path("scalars.npy"), &[2, 2], &[0_u32, 5, 1, NONE - 1]).unwrap();
        let p = open_probe(scratch.dir()).unwrap();
        assert_eq!(
            (p.variant, p.source.n_examples(), p.source.grid()),
            (Variant::Vision, 2, Grid { height: 1, width: 4 })
        );
        let expected = [
            Annotation { layers: vec![1, NONE, 300, 2, NONE, NONE, 1, 1], scalars: vec![5] },
            Annotation { layers: vec![NONE, NONE, NONE, NONE, 7, 7, 7, 7], scalars: vec![1, NONE - 1] },
        ];
        assert_eq!(annotations(&p), expected);
        assert_eq!((p.vocabulary.name(ConceptId(300)), p.vocabulary.name(ConceptId(2))), ("wall".into(), "2".into()));
        assert_eq!(p.examples.iter().map(|e| &e.name[..]).collect::<Vec<_>>(), ["0", "1"]);
        assert!(p.source.declared().is_empty() && p.neighbors.is_empty());
        let e = p.source.annotate(2, &mut Annotation::default()).unwrap_err();
        assert!(matches!(e, compexp_core::Error::Mismatch { .. }), "{e}");

        std::fs::remove_file(scratch.path("layers.npy")).unwrap();
        let p = open_probe(scratch.dir()).unwrap();
        assert_eq!(p.source.grid(), Grid::SINGLE, "images annotated as a whole");
        assert_eq!(annotations(&p)[0], Annotation { layers: vec![], scalars: vec![5] });
    }

    #[test]
    fn masks_give_a_layer_for_every_concept_of_the_example() {
        let scratch = probe(&[concept(0, "zero"), concept(2, "two")]);
        let mut masks = [0_u8; 3 * 2 * 4]; // (3 concepts, 2 examples, 2, 2)
        masks[1] = 1; // concept 0, example 0, position 1
        masks[4 + 2] = 255; // concept 0, example 1, position 2
        masks[2 * 8 + 4 + 2] = 1; // concept 2, example 1, position 2
        masks[2 * 8 + 4 + 3] = 1; // concept 2, example 1, position 3
        for descr in ["|u1", "|b1"] {
            scratch.write("masks.npy", &npy(descr, false, &[3, 2, 2, 2], &masks));
            let p = open_probe(scratch.dir()).unwrap();
            let grid = Grid { height: 2, width: 2 };
            assert_eq!((p.variant, p.source.n_examples(), p.source.grid()), (Variant::Vision, 2, grid));
            let expected = [
                Annotation { layers: vec![NONE, 0, NONE, NONE], scalars: vec![] },
                Annotation { layers: vec![NONE, NONE, 0, NONE, NONE, NONE, 2, 2], scalars: vec![] },
            ];
            assert_eq!(annotations(&p), expected);
            assert!(p.source.declared().is_empty());
        }
    }

    #[test]
    fn features_are_scalars_with_neighbors() {
        let scratch = probe(&[concept(0, "tok:a"), concept(1, "tok:b")]);
        let features = [true, false, true, /**/ false, false, false];
        write_npy(&scratch.path("features.npy"), &[2, 3], &features).unwrap();
        let neighbors = [-1, -1, -1, /**/ 0, 2, 0, /**/ -1, 2, 1];
        write_npy(&scratch.path("neighbors.npy"), &[3, 3], &neighbors).unwrap();
        let p = open_probe(scratch.dir()).unwrap();
        assert_eq!((p.variant, p.source.n_examples(), p.source.grid()), (Variant::Nli, 2, Grid::SINGLE));
        let expected = [Annotation { layers: vec![], scalars: vec![0, 2] }, Annotation::default()];
        assert_eq!(annotations(&p), expected);
        assert_eq!(p.source.declared(), [0, 1, 2].map(ConceptId), "also those that no example has");
        let of = |ids: &[u32]| ids.iter().map(|i| ConceptId(*i)).collect::<Vec<_>>();
        let expected = Neighbors::from([(ConceptId(1), of(&[0, 2])), (ConceptId(2), of(&[1]))]);
        assert_eq!(p.neighbors, expected, "none, itself and repetitions are left out");
    }

    #[test]
    fn neighbors_out_of_range_are_refused() {
        let scratch = probe(&[]);
        write_npy(&scratch.path("features.npy"), &[2, 3], &[0_u8; 6]).unwrap();
        for (bad, message) in [(3, "row 1: found 3, expected -1 for none, or a concept from 0 to 2"), (-2, "found -2")]
        {
            write_npy(&scratch.path("neighbors.npy"), &[3, 1], &[-1, bad, -1]).unwrap();
            fails(&scratch, message);
        }
        write_npy(&scratch.path("neighbors.npy"), &[2, 1], &[-1, -1]).unwrap();
        fails(&scratch, "shape: found [2, 1], expected 3 rows");
        write_npy(&scratch.path("neighbors.npy"), &[3], &[-1, -1, -1]).unwrap();
        fails(&scratch, "shape: found [3], expected [concepts, neighbours]");
        write_npy(&scratch.path("neighbors.npy"), &[3, 1], &[0.0_f32; 3]).unwrap();
        fails(&scratch, "dtype: found f32, expected i32");
        write_npy::<i32>(&scratch.path("neighbors.npy"), &[3, 0], &[]).unwrap();
        assert!(open_probe(scratch.dir()).unwrap().neighbors.is_empty());

        // Beside layers, 0 is no concept.
        std::fs::remove_file(scratch.path("features.npy")).unwrap();
        write_npy(&scratch.path("layers.npy"), &[1, 1, 1, 1], &[1_u8]).unwrap();
        write_npy(&scratch.path("neighbors.npy"), &[3, 1], &[-1, 2, -1]).unwrap();
        let expected = Neighbors::from([(ConceptId(1), vec![ConceptId(2)])]);
        assert_eq!(open_probe(scratch.dir()).unwrap().neighbors, expected);
        for bad in [[-1, 0, -1], [1, -1, -1], [-1, 3, -1]] {
            write_npy(&scratch.path("neighbors.npy"), &[3, 1], &bad).unwrap();
            fails(&scratch, "a concept from 1 to 2");
        }
    }

    #[test]
    fn arrays_that_exclude_each_other_are_refused() {
        let all = ["layers.npy", "scalars.npy", "masks.npy", "features.npy"];
        for choice in 0..16_u32 {
            let chosen: Vec<_> = (0..4).filter(|i| choice >> i & 1 == 1).map(|i| all[i]).collect();
            let scratch = probe(&[]);
            for name in &chosen {
                let shape = if ["layers.npy", "masks.npy"].contains(name) { &[1, 1, 1, 1][..] } else { &[1, 1] };
                write_npy(&scratch.path(name), shape, &[1_u8]).unwrap();
            }
            scratch.write("units.npy", b"other files are ignored");
            match choice {
                1 | 2 | 3 | 4 | 8 => drop(open_probe(scratch.dir()).unwrap()),
                0 => fails(&scratch, "annotation arrays: found none, expected layers.npy or"),
                _ => fails(&scratch, &format!("annotation arrays: found {}, expected", chosen.join(" and "))),
            }
        }
    }

    #[test]
    fn broken_arrays_are_refused() {
        type Files<'a> = &'a [(&'a str, &'a str, &'a [usize], usize)];
        let cases: [(Files, &str); 14] = [
            (&[("layers.npy", "<i4", &[1, 1, 1, 1], 4)], "layers.npy`: dtype: found i32, expected u8, u16 or u32"),
            (&[("layers.npy", "<f4", &[1, 1, 1, 1], 4)], "dtype: found f32"),
            (&[("layers.npy", "|u1", &[1, 1, 1], 1)], "shape: found [1, 1, 1], expected [examples, layers, height"),
            (&[("layers.npy", "|u1", &[0, 1, 1, 1], 0)], "shape: found [0, 1, 1, 1]"),
            (&[("layers.npy", "|u1", &[1, 0, 1, 1], 0)], "shape: found [1, 0, 1, 1]"),
            (&[("layers.npy", "|u1", &[1 << 40, 0, 112, 112], 0)], "shape"),
            (&[("layers.npy", "|u1", &[2, 1, 1, 1], 1)], "length: found"),
            (
                &[("layers.npy", "|u1", &[2, 1, 1, 1], 2), ("scalars.npy", "<u2", &[1, 1], 2)],
                "expected 2 examples, as in",
            ),
            (&[("scalars.npy", "<u2", &[2, 1, 1], 4)], "expected [examples, scalars]"),
            (&[("masks.npy", "<u2", &[1, 1, 1, 1], 2)], "dtype: found u16, expected bool or u8"),
            (&[("masks.npy", "|b1", &[1, 1], 1)], "expected [concepts, examples, height, width]"),
            (&[("masks.npy", "|b1", &[1, 0, 1, 1], 0)], "shape: found [1, 0, 1, 1]"),
            (&[("features.npy", "|b1", &[2, 0], 0)], "shape: found [2, 0]"),
            (&[("features.npy", "<f4", &[2, 1], 8)], "dtype: found f32, expected bool or u8"),
        ];
        for (files, message) in cases {
            let scratch = probe(&[]);
            for (name, descr, shape, bytes) in files {
                scratch.write(name, &npy(descr, false, shape, &vec![0; *bytes]));
            }
            fails(&scratch, message);
        }
        let scratch = probe(&[]);
        write_npy(&scratch.path("layers.npy"), &[2, 1, 1, 1], &[1, NONE]).unwrap();
        let p = open_probe(scratch.dir()).unwrap();
        p.source.annotate(0, &mut Annotation::default()).unwrap();
        let e = p.source.annotate(1, &mut Annotation::default()).unwrap_err().to_string();
        assert!(e.contains("example 1: found concept id 4294967295"), "{e}");
    }

    #[test]
    fn broken_vocabularies_are_refused() {
        let scratch = Scratch::new();
        assert!(matches!(
            open_probe(&scratch.path("missing")).err(),
            Some(Error::File(compexp_files::Error::Io { op: "open", .. }))
        ));
        assert!(matches!(
            open_probe(&scratch.write("file", b"")).err(),
            Some(Error::File(compexp_files::Error::Io { .. }))
        ));
        fails(&scratch, "probe.json: found no such file, expected a file with `{\"version\": 1");
        write_npy(&scratch.path("layers.npy"), &[1, 1, 1, 1], &[1_u8]).unwrap();
        for (text, message) in [
            ("{", "line 1, column 1"),
            ("{}", "version: found none, expected 1"),
            ("{\"version\": 2, \"concepts\": {}}", "version: found 2, expected 1"),
            ("{\"version\": \"1\"}", "version: found \"1\", expected 1"),
            ("{\"version\": 1, \"concepts\": [{\"id\": -1, \"name\": \"a\"}]}", "invalid value: integer `-1`"),
            ("{\"version\": 1, \"concepts\": [{\"id\": 4294967296, \"name\": \"a\"}]}", "invalid value"),
            ("{\"version\": 1, \"concepts\": [{\"id\": 1}]}", "missing field `name`"),
            (
                "{\"version\": 1, \"concepts\": [{\"id\": 0, \"name\": \"a\"}]}",
                "id of a concept: found 0 (`a`), expected 1 to",
            ),
            ("{\"version\": 1, \"concepts\": [{\"id\": 4294967295, \"name\": \"a\"}]}", "expected 1 to 4294967294"),
            (
                "{\"version\": 1, \"concepts\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 1, \"name\": \"b\"}]}",
                "two concepts share id 1: a and b",
            ),
            (
                "{\"version\": 1, \"concepts\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 2, \"name\": \"a\"}]}",
                "two concepts share name `a`",
            ),
        ] {
            scratch.write("probe.json", text.as_bytes());
            fails(&scratch, message);
        }
        scratch.write("probe.json", b"{\"version\": 1}");
        assert_eq!(open_probe(scratch.dir()).unwrap().vocabulary.name(ConceptId(1)), "1");

        // Numbered from 1, where columns are numbered from 0.
        let scratch = probe(&[concept(1, "a"), concept(2, "b")]);
        write_npy(&scratch.path("features.npy"), &[1, 2], &[1_u8; 2]).unwrap();
        fails(&scratch, "found 2 (`b`), expected less than 2: ids are the columns of features.npy, from 0");
    }

    #[test]
    fn examples_have_names_images_texts_and_groups() {
        let scratch = probe(&[]);
        write_npy(&scratch.path("features.npy"), &[3, 1], &[1_u8; 3]).unwrap();
        let example = |name: &str, image: &str, text: &str, group: &str| {
            let [name, image, text, group] = [name, image, text, group].map(str::to_owned);
            Example { name, image, text, group }
        };
        for (csv, expected) in [
            (
                "name,image,group\nfirst,a/b.jpg,g\n,\"c, d.jpg\",\n,,g\n",
                [
                    example("first", "a/b.jpg", "", "g"),
                    example("c, d.jpg", "c, d.jpg", "", ""),
                    example("2", "", "", "g"),
                ],
            ),
            (
                "\u{feff}text , more,name\r\n\"a \"\"man\"\"\",1,x\r\ny,2,\r\n,3,z",
                [example("x", "", "a \"man\"", ""), example("1", "", "y", ""), example("z", "", "", "")],
            ),
        ] {
            scratch.write("examples.csv", csv.as_bytes());
            let examples = open_probe(scratch.dir()).unwrap().examples;
            assert_eq!(examples, expected);
            write_examples(scratch.dir(), &examples).unwrap();
            assert_eq!(open_probe(scratch.dir()).unwrap().examples, expected, "written and read back");
        }
        for (csv, message) in [
            (&b"name\na\nb\n"[..], "rows: found 2, expected 3"),
            (b"name\na\nb\nc\nd\n", "rows: found more than 3, expected 3"),
            (b"", "columns: found "),
            (b"a.jpg\nb.jpg\nc.jpg\nd.jpg\n", "columns: found `a.jpg`, expected some of `name`"),
            (b"name,group\na,g\nb\nc,g\n", "line 3"),
            (b"name\na\n\xff\nc\n", "line 3"),
        ] {
            scratch.write("examples.csv", csv);
            fails(&scratch, message);
        }
    }
}
