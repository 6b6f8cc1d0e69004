//! Files and folders of all forms against the arrays that NumPy wrote of the same values, and those that are refused.

use std::path::PathBuf;

use compexp_tests::data;
use compexp_tests::files::{Scratch, npy, npz, safetensors};
use compexp_tests::torch::{archive, legacy, tensor, text};

use super::*;

const FLOATS: [Dtype; 4] = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];

fn open_floats(spec: impl AsRef<Path>) -> Result<Array> {
    open(spec.as_ref(), &FLOATS, "f32, f16, bf16 or f64")
}

fn values(array: &Array) -> Vec<u32> {
    let mut all = vec![0.0; array.elements()];
    array.read_f32(0, &mut all).unwrap();
    all.into_iter().map(f32::to_bits).collect()
}

fn with_name(path: &Path, name: &str) -> PathBuf {
    format!("{}#{name}", path.display()).into()
}

#[test]
fn files_of_torch_save_hold_the_values_that_numpy_wrote() {
    let Some(folder) = data("tensors/acts.npy").and_then(|path| path.parent().map(Path::to_owned)) else { return };
    for (file, truth) in [
        ("acts.pt", "acts.npy"),
        ("acts_dict.pt#layer4", "acts.npy"),
        ("acts_list.pt", "acts.npy"),
        ("acts_view.pt", "acts.npy"),
        ("acts_shared.pt#layer4", "acts.npy"),
        ("acts_requires_grad.pt", "acts.npy"),
        ("acts_cuda_tag.pt", "acts.npy"),
        ("acts_bf16.pt", "acts_bf16.npy"),
        ("acts.npz#layer4", "acts.npy"),
        ("acts_stored.npz#layer4.npy", "acts.npy"),
        ("acts_sharded/acts.safetensors.index.json#layer4", "acts.npy"),
        ("acts_sharded#layer4", "acts.npy"),
        ("batches", "acts.npy"),
    ] {
        let truth = open_floats(folder.join(truth)).unwrap();
        let found = open_floats(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(found.shape(), truth.shape(), "{file}");
        assert!(values(&found) == values(&truth), "{file}");
    }
    let e = open_floats(folder.join("acts_dict.pt#layer5")).unwrap_err().to_string();
    assert!(e.contains("acts_dict.pt`") && e.contains("found `layer5`, expected one of `layer4`, `avgpool`"), "{e}");
    let e = open_floats(folder.join("acts_dict.pt")).unwrap_err().to_string();
    assert!(e.contains("tensors: found 2, expected a single tensor, or the name of one after `#`: `layer4`"), "{e}");
    let e = open_floats(with_name(&folder.join("acts.pt"), "layer4")).unwrap_err().to_string();
    assert!(e.contains("expected no name: the file holds a tensor of shape [200, 12, 7, 7]"), "{e}");
    let e = open(&folder.join("acts.pt"), &[Dtype::Bool], "bool").unwrap_err().to_string();
    assert!(e.contains("found f32, expected bool"), "{e}");
}

#[test]
fn truncated_files_and_files_with_code_are_refused() {
    let scratch = Scratch::new();
    let code = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.";
    for bytes in [&code[..], b"PK\x03\x04", b"\x80", b"PK"] {
        let e = open_floats(scratch.write("bad.pt", bytes)).unwrap_err().to_string();
        assert!(e.contains("bad.pt`: ") && e.contains("expected "), "{e}");
    }
    let e = open_floats(scratch.write("code.pt", code)).unwrap_err().to_string();
    assert!(e.contains("`posix.system`") && e.contains("nothing was executed"), "{e}");
    let Some(whole) = data("tensors/acts.pt") else { return };
    let whole = std::fs::read(whole).unwrap();
    for len in [10, 1000, whole.len() / 2, whole.len() - 1] {
        assert!(open_floats(scratch.write("short.pt", &whole[..len])).is_err(), "{len}");
    }
}

/// The pickle of one object.
fn pickle(parts: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x02", &parts.concat()[..], b"."].concat()
}

fn storage(values: std::ops::Range<u16>) -> Vec<u8> {
    values.flat_map(|v| f32::from(v).to_le_bytes()).collect()
}

#[test]
fn batches_of_a_list_are_joined_in_both_formats_of_pytorch() {
    let scratch = Scratch::new();
    // 2 examples of 3 units, none, and 3 that are every other row of a storage of two dimensions.
    let batches = [
        tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1]),
        tensor("FloatStorage", "0", 6, 0, &[0, 3], &[3, 1]),
        tensor("FloatStorage", "1", 18, 3, &[3, 3], &[6, 1]),
    ];
    let list = pickle(&[b"](", &batches.concat(), b"e"]);
    let (first, second) = (storage(0..6), storage(100..118));
    let zip = archive(&[("a/data.pkl", &list), ("a/data/0", &first), ("a/data/1", &second)]);
    let old = legacy(&list, &[("0", 6, &first), ("1", 18, &second)]);
    let expected: Vec<f32> = (0..6).chain([103, 104, 105, 109, 110, 111, 115, 116, 117]).map(|v| v as f32).collect();
    for (name, bytes) in [("new.pt", zip), ("old.pt", old)] {
        let array = open_floats(scratch.write(name, &bytes)).unwrap();
        assert_eq!(array.shape(), [5, 3], "{name}");
        // Blocks of any length cross the borders of batches.
        for len in [1, 2, 4, 7, 15] {
            let mut found = vec![0.0; 15];
            for first in (0..15).step_by(len) {
                array.read_f32(first, &mut found[first..15.min(first + len)]).unwrap();
            }
            assert_eq!(found, expected, "{name} in blocks of {len}");
        }
        assert!(array.read_f32(10, &mut [0.0; 6]).is_err());
        assert_eq!(array.element(7).unwrap().1, "104");
    }
}

#[test]
fn views_of_any_strides_hold_what_indexing_finds() {
    let scratch = Scratch::new();
    let bytes = storage(0..120);
    for (offset, size, stride) in [
        (0, vec![4, 5, 6], vec![30, 6, 1]),
        (7, vec![3, 2, 4], vec![30, 12, 1]), // a slice of each axis
        (0, vec![4, 6, 5], vec![30, 1, 6]),  // the inner axes exchanged
        (0, vec![5, 4, 6], vec![6, 30, 1]),  // rows along the first axis do not lie one after the other
        (3, vec![6, 4], vec![1, 30]),
        (2, vec![2, 3, 4], vec![0, 0, 0]), // one element, repeated
        (2, vec![1, 3], vec![0, 2]),
        (0, vec![9], vec![13]),
    ] {
        let object = pickle(&[&tensor("FloatStorage", "0", 120, offset, &size, &stride)]);
        let file = archive(&[("a/data.pkl", &object), ("a/data/0", &bytes)]);
        let array = open_floats(scratch.write("view.pt", &file)).unwrap();
        let n: i64 = size.iter().product();
        let element = |mut flat: i64| {
            let mut at = offset;
            for (size, stride) in size.iter().zip(&stride).rev() {
                at += flat % size * stride;
                flat /= size;
            }
            at as f32
        };
        let expected: Vec<f32> = (0..n).map(element).collect();
        for len in [1, 5, n as usize] {
            let mut found = vec![0.0; n as usize];
            for (i, part) in found.chunks_mut(len).enumerate() {
                array.read_f32(i * len, part).unwrap();
            }
            assert_eq!(found, expected, "{size:?} {stride:?} from {offset} in blocks of {len}");
        }
    }
}

#[test]
fn batches_that_do_not_fit_together_are_refused() {
    let scratch = Scratch::new();
    let f32 = |size: &[i64]| tensor("FloatStorage", "0", 8, 0, size, &vec![0; size.len()]);
    let f64 = tensor("DoubleStorage", "1", 4, 0, &[2, 3], &[0, 0]);
    for (batches, part) in [
        (vec![], "found an empty list"),
        (
            vec![f32(&[2, 3]), f32(&[2, 4])],
            "shape of batch 1: found [2, 4], expected [3] after the first axis, as batch 0 has",
        ),
        (vec![f32(&[2, 3]), f32(&[2, 3, 1])], "shape of batch 1"),
        (vec![f32(&[]), f32(&[])], "shape of batch 0: found []"),
        (vec![f32(&[2, 3]), f64], "dtype of batch 1: found f64, expected f32"),
        (vec![f32(&[2, 3]), text("no")], "content of batch 1: found a string, expected a tensor"),
    ] {
        let list = pickle(&[b"](", &batches.concat(), b"e"]);
        let file = archive(&[("a/data.pkl", &list), ("a/data/0", &[0; 32]), ("a/data/1", &[0; 32])]);
        let e = open_floats(scratch.write("a.pt", &file)).unwrap_err().to_string();
        assert!(e.contains(part) && e.contains("a.pt"), "{e}");
    }
}

/// An .npy file of f32 values that count up from `first`.
fn counting(first: usize, shape: &[usize]) -> Vec<u8> {
    let n: usize = shape.iter().product();
    npy("<f4", false, shape, &(first..first + n).flat_map(|v| (v as f32).to_le_bytes()).collect::<Vec<_>>())
}

fn refusal(spec: impl AsRef<Path>) -> String {
    open_floats(spec).unwrap_err().to_string()
}

#[test]
fn arrays_of_an_npz_are_read_by_name_stored_or_compressed() {
    let scratch = Scratch::new();
    let fortran = npy(">f4", true, &[2, 3], &[0f32, 3.0, 1.0, 4.0, 2.0, 5.0].map(f32::to_be_bytes).concat());
    for compressed in [false, true] {
        let path = scratch.write("a.npz", &npz(&[("acts", &counting(7, &[4, 3])), ("f", &fortran)], compressed));
        for (name, shape, first) in [("acts", [4, 3], 7.0), ("acts.npy", [4, 3], 7.0), ("f", [2, 3], 0.0)] {
            let array = open_floats(with_name(&path, name)).unwrap();
            let mut found = vec![0.0; array.elements() - 1];
            array.read_f32(1, &mut found).unwrap();
            let expected: Vec<f32> = (1..=found.len()).map(|i| i as f32 + first).collect();
            assert_eq!((array.shape(), found), (&shape[..], expected), "{name}, compressed: {compressed}");
        }
        let e = refusal(&path);
        assert!(
            e.contains("arrays: found 2, expected a single array, or the name of one after `#`: `acts`, `f`"),
            "{e}"
        );
        let e = refusal(with_name(&path, "layer4"));
        assert!(e.contains("array name: found `layer4`, expected one of `acts`, `f`"), "{e}");
        let whole = std::fs::read(&path).unwrap();
        for len in [4, 100, whole.len() / 2, whole.len() - 1] {
            let e = refusal(with_name(&scratch.write("short.npz", &whole[..len]), "acts"));
            assert!(e.contains("short.npz"), "{e}");
        }
        // Each byte of the entry and its header counts.
        let mut damaged = whole.clone();
        damaged[120] ^= 1;
        let e = refusal(with_name(&scratch.write("damaged.npz", &damaged), "acts"));
        assert!(e.contains("damaged.npz"), "{e}");
        let single = scratch.write("one.npz", &npz(&[("only", &counting(0, &[2, 2]))], compressed));
        assert_eq!(open_floats(single).unwrap().shape(), [2, 2]);
    }
    let object = npy("|O", false, &[1, 1], &[0; 8]);
    let e = refusal(scratch.write("object.npz", &npz(&[("o", &object)], true)));
    assert!(e.contains("found Python objects"), "{e}");
    let e = refusal(scratch.write("text.npz", &npz(&[("t", b"no array")], true)));
    assert!(e.contains("first bytes of the array: found `no arr`"), "{e}");
    let short = counting(0, &[2, 2]);
    let e = refusal(scratch.write("cut.npz", &npz(&[("c", &short[..short.len() - 1])], false)));
    assert!(e.contains("the file is cut off"), "{e}");
}

/// Writes files into a folder of this name, and gives its path.
fn folder_of(scratch: &Scratch, name: &str, files: &[(&str, Vec<u8>)]) -> PathBuf {
    std::fs::create_dir(scratch.path(name)).unwrap();
    for (file, bytes) in files {
        scratch.write(&format!("{name}/{file}"), bytes);
    }
    scratch.path(name)
}

#[test]
fn batches_of_a_folder_follow_each_other_in_natural_order() {
    let scratch = Scratch::new();
    // 100 files: more than are held open. File i holds i % 3 examples.
    let mut first = 0;
    let file = |i: usize| {
        let bytes = counting(first, &[i % 3, 2]);
        first += i % 3 * 2;
        (format!("batch_{i}.npy"), bytes)
    };
    let files: Vec<(String, Vec<u8>)> = (1..=100).map(file).collect();
    let mut named: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (&**name, bytes.clone())).collect();
    named.extend([("names.txt", b"a".to_vec()), (".hidden.npy", b"x".to_vec())]);
    let folder = folder_of(&scratch, "many#a", &named);
    let array = open_floats(&folder).unwrap();
    assert_eq!((array.shape(), array.files().len()), (&[100, 2][..], 100));
    let mut found = vec![0.0; 200];
    array.read_f32(0, &mut found).unwrap();
    assert_eq!(found, (0..200).map(|v| v as f32).collect::<Vec<_>>());
    let mut part = vec![0.0; 7];
    array.read_f32(93, &mut part).unwrap();
    assert_eq!(part, found[93..100]);
    std::fs::write(folder.join("batch_2.npy"), b"changed").unwrap();
    let e = array.read_f32(0, &mut found).unwrap_err().to_string();
    assert!(e.contains("batch_2.npy") && e.contains("the file changed"), "{e}");

    for (a, b) in [("batch_2", "batch_10"), ("b9", "b10"), ("a1b2", "a1b11"), ("x09", "x10"), ("2", "10"), ("a", "b")] {
        assert_eq!((natural_order(a, b), natural_order(b, a)), (Ordering::Less, Ordering::Greater), "{a} {b}");
    }
    assert_eq!(natural_order("x01", "x1"), Ordering::Less);
    assert_eq!(natural_order("x1", "x1"), Ordering::Equal);
}

#[test]
fn a_folder_holds_batches_of_every_kind_by_name() {
    let scratch = Scratch::new();
    let bytes = |first: u8| (first..first + 4).flat_map(|v| f32::from(v).to_le_bytes()).collect::<Vec<_>>();
    let st = |first| safetensors(&[("a", "F32", &[2, 2], &bytes(first)), ("b", "F32", &[1, 4], &bytes(90))]);
    let pt = |first: u16| {
        let object = pickle(&[b"}(", &text("a"), &tensor("FloatStorage", "0", 4, 0, &[2, 2], &[2, 1]), b"u"]);
        archive(&[("a/data.pkl", &object), ("a/data/0", &storage(first..first + 4))])
    };
    let zip = |first| npz(&[("a", &counting(first, &[2, 2])), ("b", &counting(90, &[1]))], true);
    for (name, files) in [
        ("safetensors", [("p2.safetensors", st(0)), ("p10.safetensors", st(4))]),
        ("pt", [("p2.pt", pt(0)), ("p10.pt", pt(4))]),
        ("npz", [("p2.npz", zip(0)), ("p10.npz", zip(4))]),
    ] {
        let folder = folder_of(&scratch, name, &files);
        let array = open_floats(with_name(&folder, "a")).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(array.shape(), [4, 2], "{name}");
        let mut found = vec![0.0; 8];
        array.read_f32(0, &mut found).unwrap();
        assert_eq!(found, [0., 1., 2., 3., 4., 5., 6., 7.], "{name}");
        let e = refusal(with_name(&folder, "c"));
        assert!(e.contains("p2.") && e.contains("found `c`, expected one of `a`"), "{e}");
    }
}

#[test]
fn folders_that_are_no_array_are_refused() {
    let scratch = Scratch::new();
    let whole = || counting(0, &[2, 3]);
    let cut = || whole()[..whole().len() - 5].to_vec();
    for (name, files, parts) in [
        ("empty", vec![], &["empty`: arrays: found none, expected a file of a batch at least: .npy, .npz"][..]),
        ("texts", vec![("a.txt", whole())], &["arrays: found none"]),
        (
            "kinds",
            vec![("a.npy", whole()), ("b.pt", whole())],
            &["found `a.npy` and `b.pt`, expected files of one kind"],
        ),
        (
            "units",
            vec![("a1.npy", whole()), ("a2.npy", counting(0, &[2, 4]))],
            &["a2.npy`: shape: found [2, 4], expected [3] after the first axis, as `a1.npy` has"],
        ),
        (
            "types",
            vec![("a1.npy", whole()), ("a2.npy", npy("<f8", false, &[1, 3], &[0; 24]))],
            &["a2.npy`: dtype: found f64, expected f32, as `a1.npy` has"],
        ),
        ("cut", vec![("a1.npy", whole()), ("a2.npy", cut()), ("a3.npy", whole())], &["a2.npy`: length:", "cut off"]),
        (
            "indices",
            vec![("a.safetensors.index.json", b"{}".to_vec()), ("b.safetensors.index.json", b"{}".to_vec())],
            &["indices of shards: found `a.safetensors.index.json`, `b.safetensors.index.json`"],
        ),
    ] {
        let e = refusal(folder_of(&scratch, name, &files));
        assert!(parts.iter().all(|part| e.contains(part)), "{name}: {e}");
    }
    let e = refusal(with_name(&folder_of(&scratch, "named", &[("a.npy", whole())]), "layer4"));
    assert!(e.contains("an .npy file holds a single array"), "{e}");
}

#[test]
fn an_index_leads_to_its_shards_and_nowhere_else() {
    let scratch = Scratch::new();
    let shard = safetensors(&[("a", "F32", &[1, 1], &7f32.to_le_bytes()), ("b", "F32", &[2], &[0; 8])]);
    let index = |map: &str| format!("{{\n  \"metadata\": {{}},\n  \"weight_map\": {map}\n}}").into_bytes();
    let map = r#"{"a": "s1.safetensors", "b": "s1.safetensors", "gone": "s2.safetensors", "out": "../x.safetensors"}"#;
    let name = "model.safetensors.index.json";
    let folder = folder_of(&scratch, "model", &[("s1.safetensors", shard), (name, index(map))]);
    for spec in [with_name(&folder, "a"), with_name(&folder.join(name), "a")] {
        let array = open_floats(spec).unwrap();
        assert_eq!((array.files().len(), values(&array)), (2, vec![7f32.to_bits()]));
    }
    for (tensor, part) in [
        ("c", "tensor name: found `c`, expected one of `a`, `b`, `gone`, `out`"),
        ("gone", "file of tensor `gone`: found no file `s2.safetensors`, expected all shards beside the index"),
        ("out", "file of tensor `out`: found `../x.safetensors`, expected the name of a file"),
    ] {
        let e = refusal(with_name(&folder, tensor));
        assert!(e.contains(part) && e.contains(name), "{e}");
    }
    assert!(refusal(&folder).contains("tensors: found 4, expected a single tensor"));
    for bad in [index("3"), b"{\"weight_map\"".to_vec(), b"{}".to_vec()] {
        let e = refusal(with_name(&scratch.write("bad.json", &bad), "a"));
        assert!(e.contains("bad.json") && e.contains("weight_map"), "{e}");
    }
}
