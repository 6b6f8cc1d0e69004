//! Sparse files of every form against the same values, and broken ones.

use compexp_tests::data;
use compexp_tests::files::{Scratch, npy, npz, safetensors};
use proptest::prelude::*;

use super::*;

/// Entries as bytes: positions, units, values.
type Triples = (Vec<u32>, Vec<u32>, Vec<f32>);

fn bytes<T: Copy, const N: usize>(values: &[T], each: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| each(*value)).collect()
}

fn triples(shape: [i64; 2], (rows, units, values): &Triples) -> Vec<u8> {
    let n = values.len();
    safetensors(&[
        ("positions", "U32", &[n], &bytes(rows, u32::to_le_bytes)),
        ("units", "U32", &[n], &bytes(units, u32::to_le_bytes)),
        ("values", "F32", &[n], &bytes(values, f32::to_le_bytes)),
        ("shape", "I64", &[2], &bytes(&shape, i64::to_le_bytes)),
    ])
}

/// A matrix as scipy saves it: `lines` are its rows (csr) or columns (csc), each with the other coordinates and values.
fn scipy(format: &str, shape: [i64; 2], lines: &[Vec<(u32, f32)>]) -> Vec<u8> {
    let all: Vec<(u32, f32)> = lines.iter().flatten().copied().collect();
    let mut starts = vec![0i32];
    lines.iter().for_each(|line| starts.push(starts[starts.len() - 1] + line.len() as i32));
    let (indices, values): (Vec<i32>, Vec<f32>) = all.iter().map(|(at, value)| (*at as i32, *value)).unzip();
    let n = values.len();
    npz(
        &[
            ("indices", &npy("<i4", false, &[n], &bytes(&indices, i32::to_le_bytes))),
            ("indptr", &npy("<i4", false, &[starts.len()], &bytes(&starts, i32::to_le_bytes))),
            ("format", &npy("|S3", false, &[], format.as_bytes())),
            ("shape", &npy("<i8", false, &[2], &bytes(&shape, i64::to_le_bytes))),
            ("data", &npy("<f4", false, &[n], &bytes(&values, f32::to_le_bytes))),
        ],
        true,
    )
}

/// A split of delphi: entries of context, position, unit minus the first.
fn split(entries: &[([u16; 3], f32)], contexts: usize, length: usize) -> Vec<u8> {
    let n = entries.len();
    let places: Vec<u16> = entries.iter().flat_map(|(place, _)| *place).collect();
    let values: Vec<f32> = entries.iter().map(|(_, value)| *value).collect();
    safetensors(&[
        ("locations", "U16", &[n, 3], &bytes(&places, u16::to_le_bytes)),
        ("activations", "F32", &[n], &bytes(&values, f32::to_le_bytes)),
        ("tokens", "I32", &[contexts, length], &bytes(&vec![7; contexts * length], i32::to_le_bytes)),
    ])
}

/// All values of a source, by position and unit.
fn dense(source: &SparseFile) -> Vec<Vec<f32>> {
    let mut found = vec![vec![0.0; source.n_units()]; source.n_examples()];
    for number in 0..source.blocks().len() {
        let block = source.read(number).unwrap();
        for unit in block.units() {
            let (places, values) = block.of(unit);
            places.iter().zip(values).for_each(|(at, value)| found[*at as usize][unit] = *value);
        }
    }
    found
}

fn open(path: &Path) -> SparseFile {
    SparseFile::open(path).unwrap().unwrap()
}

proptest! {
    #[test]
    fn every_form_holds_the_same_values(
        values in proptest::collection::vec(prop_oneof![3 => Just(0i8), 1 => -3..4i8], 4 * 3 * 5), rows in proptest::collection::vec(0u32..12, 1..9),
    ) {
        let expected: Vec<Vec<f32>> = values.chunks(5).map(|row| row.iter().map(|v| f32::from(*v) / 2.0).collect()).collect();
        let entries = || expected.iter().enumerate().flat_map(|(row, values)| {
            values.iter().enumerate().filter(|(_, v)| **v != 0.0).map(move |(unit, v)| (row, unit, *v))
        });
        let scratch = Scratch::new();
        let mut given: Triples = Default::default();
        // In no order.
        entries().collect::<Vec<_>>().iter().rev().for_each(|(row, unit, value)| {
            given.0.push(*row as u32);
            given.1.push(*unit as u32);
            given.2.push(*value);
        });
        let by_row: Vec<Vec<(u32, f32)>> = (0..12).map(|r| entries().filter(|e| e.0 == r).map(|e| (e.1 as u32, e.2)).collect()).collect();
        let by_unit: Vec<Vec<(u32, f32)>> = (0..5).map(|u| entries().filter(|e| e.1 == u).map(|e| (e.0 as u32, e.2)).collect()).collect();
        std::fs::create_dir(scratch.path("cache")).unwrap();
        std::fs::create_dir(scratch.path("cache/layer")).unwrap();
        for (name, units) in [("0_1", 0..2usize), ("2_4", 2..5)] {
            let place = |(row, unit, v): (usize, usize, f32)| ([(row / 3) as u16, (row % 3) as u16, (unit - units.start) as u16], v);
            let of_split: Vec<_> = entries().filter(|e| units.contains(&e.1)).map(place).collect();
            scratch.write(&format!("cache/layer/{name}.safetensors"), &split(&of_split, 4, 3));
        }
        let paths = [
            scratch.write("a.safetensors", &triples([12, 5], &given)),
            scratch.write("a.npz", &scipy("csr", [12, 5], &by_row)),
            scratch.write("b.npz", &scipy("csc", [12, 5], &by_unit)),
            scratch.path("cache"),
            scratch.path("cache/layer"),
        ];
        for path in &paths {
            let source = open(path);
            prop_assert_eq!((source.n_rows(), source.n_units()), (12, 5));
            prop_assert_eq!(&dense(&source), &expected);
            let chosen: Vec<Vec<f32>> = rows.iter().map(|row| expected[*row as usize].clone()).collect();
            prop_assert_eq!(dense(&source.of_rows(&rows).unwrap()), chosen);
        }
    }
}

#[test]
fn broken_sparse_files_are_refused() {
    let scratch = Scratch::new();
    let good: Triples = (vec![0, 1], vec![0, 1], vec![1.0, 2.0]);
    let message = |path: PathBuf| match SparseFile::open(&path) {
        Err(e) => e.to_string(),
        Ok(found) => match found.map(|f| (0..f.blocks().len()).try_for_each(|b| f.read(b).map(|_| ()))) {
            Some(Err(e)) => e.to_string(),
            other => panic!("{other:?} is not refused"),
        },
    };
    let shape = [2, 2];
    for (bytes, expected) in [
        (triples([1, 2], &good), "found position 1 and unit 1, expected below 1 and 2"),
        (triples([2, 1], &good), "found position 1 and unit 1"),
        (triples([2, -2], &good), "shape"),
        (triples(shape, &(vec![1, 1], vec![0, 0], vec![1.0, 2.0])), "values of unit 0 at position 1"),
    ] {
        let found = message(scratch.write("a.safetensors", &bytes));
        assert!(found.contains(expected), "{found}");
    }
    for (bytes, expected) in [
        (scipy("coo", shape, &[vec![], vec![]]), "csr or csc"),
        (scipy("csr", [3, 2], &[vec![], vec![]]), "indptr"),
        (scipy("csr", shape, &[vec![(2, 1.0)], vec![]]), "below 2 and 2"),
    ] {
        let found = message(scratch.write("a.npz", &bytes));
        assert!(found.contains(expected), "{found}");
    }
    let cache = |name: &str, files: &[(&str, Vec<u8>)]| {
        std::fs::create_dir(scratch.path(name)).unwrap();
        files.iter().for_each(|(file, bytes)| drop(scratch.write(&format!("{name}/{file}"), bytes)));
        message(scratch.path(name))
    };
    let empty = || split(&[], 2, 3);
    for (name, files, expected) in [
        (
            "gap",
            vec![("0_1.safetensors", empty()), ("3_4.safetensors", empty())],
            "3_4.safetensors, which leaves a gap",
        ),
        (
            "overlap",
            vec![("0_2.safetensors", empty()), ("2_4.safetensors", empty())],
            "2_4.safetensors, which overlaps",
        ),
        ("late", vec![("1_2.safetensors", empty())], "begins with unit 0"),
        (
            "beyond",
            vec![("0_1.safetensors", split(&[([2, 0, 0], 1.0)], 2, 3))],
            "location 0: found [2, 0, 0], expected below [2, 3, 2]",
        ),
        ("unit", vec![("0_1.safetensors", split(&[([0, 0, 2], 1.0)], 2, 3))], "location 0: found [0, 0, 2]"),
        (
            "sizes",
            vec![("0_1.safetensors", empty()), ("2_4.safetensors", split(&[], 3, 3))],
            "[2, 3], as in the split before",
        ),
    ] {
        let found = cache(name, &files);
        assert!(found.contains(expected), "{found}");
    }
    let e = open(&scratch.write("a.safetensors", &triples(shape, &good))).of_rows(&[0, 2]).unwrap_err().to_string();
    assert!(e.contains("found 2, expected less than 2"), "{e}");
    // Other files are not sparse.
    for (name, bytes) in
        [("b.npy", npy("<f4", false, &[1], &[0; 4])), ("c.safetensors", safetensors(&[("x", "F32", &[1], &[0; 4])]))]
    {
        assert!(SparseFile::open(&scratch.write(name, &bytes)).unwrap().is_none(), "{name}");
    }
}

#[test]
fn the_cache_of_the_data_folder_has_the_entries_that_it_states() {
    let Some(path) = data("latents/cache") else { return };
    let source = open(&path);
    assert_eq!((source.n_units(), source.n_rows()), (768, 544 * 64));
    let mut counts = Vec::new();
    let mut of_row = vec![0; source.n_rows()];
    for number in 0..source.blocks().len() {
        let block = source.read(number).unwrap();
        counts.extend(block.units().map(|unit| block.of(unit).0.len()));
        block.positions.iter().for_each(|at| of_row[*at as usize] += 1);
    }
    let (tokens, length) = source.tokens().unwrap().unwrap();
    assert_eq!((counts.iter().sum::<usize>(), length), (167_840, 64));
    assert!(of_row.iter().zip(&tokens).all(|(n, token)| *n == if *token == 0 { 0 } else { 16 }));
    counts.sort_unstable();
    assert_eq!((counts[0], counts[383], counts[767]), (10, 124, 2996));
}

#[test]
fn rows_are_positions_of_maps_where_a_grid_is_given() {
    let scratch = Scratch::new();
    // Row 7 is position 1 of example 1.
    let lines = vec![
        vec![(1, 0.5)],
        vec![],
        vec![],
        vec![],
        vec![],
        vec![],
        vec![],
        vec![(0, 2.0)],
        vec![],
        vec![(1, 3.0)],
        vec![],
        vec![],
    ];
    let path = scratch.write("a.npz", &scipy("csr", [12, 2], &lines));
    let open = || SparseFile::open(&path).unwrap().unwrap();
    let grid = Grid { height: 2, width: 3 };
    let file = open().on_grid(grid).unwrap();
    assert_eq!((file.n_examples(), file.n_rows(), file.grid()), (2, 12, grid));
    let entries = file.read(0).unwrap();
    assert_eq!((entries.of(0), entries.of(1)), ((&[7][..], &[2.0][..]), (&[0, 9][..], &[0.5, 3.0][..])));
    for (height, width) in [(5, 1), (4, 4), (0, 1)] {
        let e = open().on_grid(Grid { height, width }).unwrap_err().to_string();
        assert!(e.contains("found 12, expected a multiple of"), "{e}");
    }
    let rows = open().on_grid(grid).unwrap().of_rows(&[7, 0]).unwrap();
    assert_eq!((rows.n_examples(), rows.grid()), (2, Grid::SINGLE));
}
