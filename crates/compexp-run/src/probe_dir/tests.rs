//! Probe directories, whole and broken.

use compexp_core::probe::{Annotation, Example, Grid};
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
    let p = open_probe(scratch.dir()).unwrap().set;
    assert_eq!((p.variant, p.source.n_examples(), p.source.grid()), (Variant::Vision, 2, Grid { height: 1, width: 4 }));
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
    let p = open_probe(scratch.dir()).unwrap().set;
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
        let p = open_probe(scratch.dir()).unwrap().set;
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
    let p = open_probe(scratch.dir()).unwrap().set;
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
    for (bad, message) in [(3, "row 1: found 3, expected -1 for none, or a concept from 0 to 2"), (-2, "found -2")] {
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
    assert!(open_probe(scratch.dir()).unwrap().set.neighbors.is_empty());

    // Beside layers, 0 is no concept.
    std::fs::remove_file(scratch.path("features.npy")).unwrap();
    write_npy(&scratch.path("layers.npy"), &[1, 1, 1, 1], &[1_u8]).unwrap();
    write_npy(&scratch.path("neighbors.npy"), &[3, 1], &[-1, 2, -1]).unwrap();
    let expected = Neighbors::from([(ConceptId(1), vec![ConceptId(2)])]);
    assert_eq!(open_probe(scratch.dir()).unwrap().set.neighbors, expected);
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
            1 | 2 | 3 | 4 | 8 => {
                assert_eq!(open_probe(scratch.dir()).unwrap().files, [&[CONCEPTS], &chosen[..]].concat());
            }
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
        (&[("layers.npy", "|u1", &[2, 1, 1, 1], 2), ("scalars.npy", "<u2", &[1, 1], 2)], "expected 2 examples, as in"),
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
    let p = open_probe(scratch.dir()).unwrap().set;
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
    assert_eq!(open_probe(scratch.dir()).unwrap().set.vocabulary.name(ConceptId(1)), "1");

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
        Example { name, image, text, group, document: String::new() }
    };
    for (csv, expected) in [
        (
            "name,image,group\nfirst,a/b.jpg,g\n,\"c, d.jpg\",\n,,g\n",
            [example("first", "a/b.jpg", "", "g"), example("c, d.jpg", "c, d.jpg", "", ""), example("2", "", "", "g")],
        ),
        (
            "\u{feff}text , more,name\r\n\"a \"\"man\"\"\",1,x\r\ny,2,\r\n,3,z",
            [example("x", "", "a \"man\"", ""), example("1", "", "y", ""), example("z", "", "", "")],
        ),
    ] {
        scratch.write("examples.csv", csv.as_bytes());
        let examples = open_probe(scratch.dir()).unwrap().set.examples;
        assert_eq!(examples, expected);
        write_examples(scratch.dir(), &examples).unwrap();
        assert_eq!(open_probe(scratch.dir()).unwrap().set.examples, expected, "written and read back");
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
