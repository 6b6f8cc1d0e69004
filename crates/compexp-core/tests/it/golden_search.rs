//! The generated probe set with the reference's own search results, and the oracle held against them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use serde_json::Value;

use crate::oracle::{Bits, Settings, Space, Status, Unit};

/// A little-endian array of unsigned integers, widened.
pub(crate) struct Npy {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<u16>,
}

/// The path of a file in the golden folder.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/search").join(name)
}

/// Reads a gzipped `.npy` file of dtype `<u2`, `|u1` or `|b1`.
pub(crate) fn read_npy(name: &str) -> Npy {
    let mut bytes = Vec::new();
    let file = fs::File::open(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{name}: version 1.0");
    let (header, data) = bytes[10..].split_at(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])));
    let header = std::str::from_utf8(header).unwrap();
    assert!(header.contains("'fortran_order': False"), "{name}: {header}");
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let shape: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let data: Vec<u16> = if header.contains("'<u2'") {
        data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    } else {
        assert!(header.contains("'|b1'") || header.contains("'|u1'"), "{name}: {header}");
        data.iter().map(|byte| u16::from(*byte)).collect()
    };
    assert_eq!(data.len(), shape.iter().product::<usize>(), "{name}: {shape:?}");
    Npy { shape, data }
}

/// The reference's results: one value a unit.
pub(crate) fn expected() -> Vec<Value> {
    let json: Value = serde_json::from_slice(&fs::read(path("expected_n3_b5.json")).unwrap()).unwrap();
    json["units"].as_array().unwrap().clone()
}

/// The units' masks, one entry a position.
pub(crate) fn units() -> Vec<Vec<bool>> {
    let units = read_npy("units.npy.gz");
    let positions: usize = units.shape[1..].iter().product();
    units.data.chunks_exact(positions).map(|unit| unit.iter().map(|on| *on != 0).collect()).collect()
}

/// The dense masks of all concepts, by id.
pub(crate) fn space() -> Space {
    let (layers, scalars) = (read_npy("layers.npy.gz"), read_npy("scalars.npy.gz"));
    let [examples, n_layers, h, w] = layers.shape[..] else { panic!("layers: {:?}", layers.shape) };
    let pixels = h * w;
    let mut masks: BTreeMap<u32, Bits> = BTreeMap::new();
    let mut mark = |id: u16, position: usize| {
        if id != 0 {
            masks.entry(u32::from(id)).or_insert_with(|| Bits::empty(examples * pixels)).set(position);
        }
    };
    for (index, id) in layers.data.iter().enumerate() {
        mark(*id, index / (n_layers * pixels) * pixels + index % pixels);
    }
    for (index, id) in scalars.data.iter().enumerate() {
        let example = index / scalars.shape[1];
        (example * pixels..(example + 1) * pixels).for_each(|position| mark(*id, position));
    }
    Space::from_masks(masks, &BTreeMap::new())
}

fn beam(value: &Value) -> Vec<(String, u64)> {
    let entry = |entry: &Value| (entry[0].as_str().unwrap().to_owned(), entry[1].as_f64().unwrap().to_bits());
    value.as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn oracle_repeats_the_reference_to_the_bit() {
    let space = space();
    assert_eq!(space.concepts.len(), 615);
    let settings = Settings { length: 3, beam: 5, ..Settings::default() };
    let (units, expected) = (units(), expected());
    assert_eq!((units.len(), expected.len()), (8, 8));
    for (unit, expected) in units.iter().zip(expected) {
        let name = format!("unit {}", expected["unit"]);
        let found = space.vision_compat(&Unit::from_bools(unit), &settings);
        assert_eq!(found.status, Status::Explained, "{name}");
        assert_eq!(found.formula, expected["best"], "{name}");
        assert_eq!(found.score.to_bits(), expected["iou"].as_f64().unwrap().to_bits(), "{name}");
        assert_eq!(found.intersection, expected["inter"], "{name}");
        assert_eq!(found.union, expected["union"], "{name}");
        assert_eq!(found.unit_area, expected["hits"], "{name}");
        assert_eq!(found.primitive.0, expected["best_noncomp"], "{name}");
        assert_eq!(found.primitive.1.to_bits(), expected["iou_noncomp"].as_f64().unwrap().to_bits(), "{name}");
        for (step, (found, expected)) in found.beams.iter().zip(expected["beams"].as_array().unwrap()).enumerate() {
            let found: Vec<(String, u64)> = found.iter().map(|(f, score)| (f.clone(), score.to_bits())).collect();
            assert_eq!(found, beam(expected), "{name}, step {step}");
        }
        assert_eq!(found.beams.len(), 3, "{name}");
    }
}

#[test]
fn default_search_finds_the_same_overlap_without_copies() {
    let (space, units, expected) = (space(), units(), expected());
    let settings = Settings { length: 3, beam: 5, ..Settings::default() };
    for index in [0, 6] {
        let found = space.default_beam(&Unit::from_bools(&units[index]), &settings);
        assert_eq!(
            (&found.intersection, &found.union),
            (&counted(&expected[index], "inter"), &counted(&expected[index], "union"))
        );
        let primitives: Vec<&str> = found.beams[0].iter().map(|(formula, _)| formula.as_str()).collect();
        // 944 and 1094 label the same positions.
        let known = [["944", "2", "791", "820"], ["153", "572", "501", "771"]];
        assert_eq!(primitives[..4], known[usize::from(index == 6)]);
    }
}

fn counted(expected: &Value, field: &str) -> u64 {
    expected[field].as_u64().unwrap()
}
