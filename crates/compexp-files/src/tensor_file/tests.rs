//! Arrays of every type and order, and broken ones.

use std::fs::{File, OpenOptions};

use compexp_tests::files::{Scratch, npy, npy_with_header, safetensors};

use super::*;

/// 300,000 elements: more than a block of any type.
const SHAPE: [usize; 3] = [30, 100, 100];

fn counted() -> impl Iterator<Item = u32> {
    0..SHAPE.iter().product::<usize>() as u32
}

fn open(descr: &str, shape: &[usize], data: Vec<u8>) -> (Scratch, Result<TensorFile>) {
    let scratch = Scratch::new();
    let tensor = TensorFile::open(scratch.write("a.npy", &npy(descr, false, shape, &data)));
    (scratch, tensor)
}

#[test]
fn floats_of_all_widths_and_orders_are_converted() {
    let value = |i: u32| (i % 1000) as f32 * 0.25 - 100.0;
    let bytes: [(&str, Vec<u8>); 6] = [
        ("<f4", counted().flat_map(|i| value(i).to_le_bytes()).collect()),
        (">f4", counted().flat_map(|i| value(i).to_be_bytes()).collect()),
        ("<f8", counted().flat_map(|i| f64::from(value(i)).to_le_bytes()).collect()),
        (">f8", counted().flat_map(|i| f64::from(value(i)).to_be_bytes()).collect()),
        ("<f2", counted().flat_map(|i| f16::from_f32(value(i)).to_le_bytes()).collect()),
        (">f2", counted().flat_map(|i| f16::from_f32(value(i)).to_be_bytes()).collect()),
    ];
    for (descr, bytes) in bytes {
        let (_scratch, tensor) = open(descr, &SHAPE, bytes);
        let tensor = tensor.unwrap();
        let mut out = vec![0.0; 200_001];
        tensor.read_f32(99_999, &mut out).unwrap();
        let wrong = out.iter().zip(99_999..).find(|(o, i)| **o != value(*i));
        assert_eq!(wrong, None, "{descr}");
    }
}

#[test]
fn conversions_round_as_ieee_asks() {
    let doubles = [1.0 + 2f64.powi(-24) + 2f64.powi(-50), 1e300, -0.0, f64::NAN, 1e-46];
    let (_scratch, tensor) = open("<f8", &[5], doubles.iter().flat_map(|v| v.to_le_bytes()).collect());
    let mut out = [9.0; 5];
    tensor.unwrap().read_f32(0, &mut out).unwrap();
    assert_eq!(out[..3], [1.0 + f32::EPSILON, f32::INFINITY, 0.0]);
    assert!(out[2].is_sign_negative() && out[3].is_nan() && out[4] == 0.0);

    // bfloat16: 1.0, -2.0, infinity, the smallest subnormal.
    let data = [0x3f80_u16, 0xc000, 0x7f80, 0x0001].iter().flat_map(|v| v.to_le_bytes()).collect();
    let (_scratch, tensor) = open("<V2", &[4], data);
    let mut out = [9.0; 4];
    tensor.unwrap().read_f32(0, &mut out).unwrap();
    assert_eq!(out, [1.0, -2.0, f32::INFINITY, f32::from_bits(0x0001_0000)]);

    // Half precision: 1.0, the largest, the smallest subnormal.
    let data = [0x3c00_u16, 0x7bff, 0x0001].iter().flat_map(|v| v.to_le_bytes()).collect();
    let (_scratch, tensor) = open("<f2", &[3], data);
    let mut out = [9.0; 3];
    tensor.unwrap().read_f32(0, &mut out).unwrap();
    assert_eq!(out, [1.0, 65504.0, 2f32.powi(-24)]);
}

#[test]
fn integers_and_booleans_are_read() {
    for (descr, bytes) in [
        ("|u1", counted().map(|i| i as u8 % 200).collect::<Vec<_>>()),
        ("<u2", counted().flat_map(|i| u16::from(i as u8 % 200).to_le_bytes()).collect()),
        (">u4", counted().flat_map(|i| u32::from(i as u8 % 200).to_be_bytes()).collect()),
    ] {
        let (_scratch, tensor) = open(descr, &SHAPE, bytes);
        let mut out = vec![0; 300_000];
        tensor.unwrap().read_u32(0, &mut out).unwrap();
        assert!(out.iter().zip(0_u32..).all(|(o, i)| *o == u32::from(i as u8 % 200)), "{descr}");
    }
    for (descr, bytes) in [
        ("|i1", vec![0xff, 0x80, 3]),
        ("<i2", vec![0xff, 0xff, 0x80, 0xff, 3, 0]),
        (">i4", vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 3]),
    ] {
        let (_scratch, tensor) = open(descr, &[3], bytes);
        let mut out = [0; 3];
        tensor.unwrap().read_i32(0, &mut out).unwrap();
        assert_eq!(out, [-1, -128, 3], "{descr}");
    }
    let (_scratch, tensor) = open("|b1", &[4], vec![0, 1, 2, 255]);
    let mut out = [false; 3];
    tensor.unwrap().read_bool(1, &mut out).unwrap();
    assert_eq!(out, [true; 3], "whatever is not 0 is true");
}

#[test]
fn fortran_order_reads_as_c_order() {
    let scratch = Scratch::new();
    for (descr, size) in [("|u1", 1), ("<u2", 2), (">u4", 4)] {
        for shape in [vec![6], vec![1, 5, 1], vec![2, 3, 4], vec![40, 30, 25]] {
            let n: usize = shape.iter().product();
            let element = |i: usize| -> Vec<u8> {
                let v = (i % 251) as u32;
                if descr.starts_with('>') { v.to_be_bytes().to_vec() } else { v.to_le_bytes()[..size].to_vec() }
            };
            // The element at row-major index c, looked up by its coordinates, first axis fastest.
            let mut data = vec![];
            for f in 0..n {
                let (mut rest, mut c) = (f, 0);
                let coords: Vec<usize> = shape.iter().map(|d| (rest % d, rest /= d).0).collect();
                for (x, d) in coords.iter().zip(&shape) {
                    c = c * d + x;
                }
                data.extend(element(c));
            }
            let path = scratch.write("f.npy", &npy(descr, true, &shape, &data));
            let tensor = TensorFile::open(path).unwrap();
            let mut out = vec![0; n - 1];
            tensor.read_u32(1, &mut out).unwrap();
            let expected: Vec<u32> = (1..n).map(|i| (i % 251) as u32).collect();
            assert_eq!(out, expected, "{descr} {shape:?}");
        }
    }
}

#[test]
fn a_tensor_of_several_is_found_by_its_name() {
    let scratch = Scratch::new();
    let ones: Vec<u8> = [1.0_f32; 6].iter().flat_map(|v| v.to_le_bytes()).collect();
    let twos: Vec<u8> = [0x4000_u16; 4].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes =
        safetensors(&[("layer4", "F32", &[2, 3], &ones), ("a#b", "BF16", &[4], &twos), ("e", "F8_E4M3", &[1], &[0])]);
    let path = scratch.write("acts.safetensors", &bytes);
    let spec = |name: &str| format!("{}#{name}", path.display());

    let tensor = TensorFile::open(spec("layer4")).unwrap();
    let mut out = [0.0; 6];
    tensor.read_f32(0, &mut out).unwrap();
    assert_eq!((tensor.shape(), tensor.dtype(), out), (&[2, 3][..], Dtype::F32, [1.0; 6]));

    let tensor = TensorFile::open(spec("a#b")).unwrap();
    let mut out = [0.0; 2];
    tensor.read_f32(2, &mut out).unwrap();
    assert_eq!((tensor.shape(), tensor.dtype(), out), (&[4][..], Dtype::Bf16, [2.0; 2]));

    for (spec, message) in [
        (
            path.display().to_string(),
            "tensors: found 3, expected a single tensor, or the name of one after `#`: `a#b`, `e`, `layer4`",
        ),
        (spec("layer5"), "tensor name: found `layer5`, expected one of `a#b`, `e`, `layer4`"),
        (spec("e"), "dtype of tensor `e`: found F8_E4M3"),
    ] {
        let e = TensorFile::open(&spec).unwrap_err().to_string();
        assert!(e.contains(message), "{e}");
    }
    let e = TensorFile::open(spec("layer4")).unwrap().read_u32(0, &mut [0]).unwrap_err().to_string();
    assert!(e.contains("dtype of tensor `layer4`: found f32, expected u8, u16 or u32"), "{e}");

    // A path that exists wins over a name.
    let one = safetensors(&[("only", "F32", &[6], &ones)]);
    let odd = scratch.write("acts.safetensors#layer4", &one);
    assert_eq!(TensorFile::open(&odd).unwrap().shape(), [6], "a single tensor needs no name");
    assert_eq!(TensorFile::open(format!("{}#only", odd.display())).unwrap().shape(), [6]);
    let npy = scratch.write("a.npy", &npy("<f4", false, &[6], &ones));
    let e = TensorFile::open(format!("{}#x", npy.display())).unwrap_err().to_string();
    assert!(e.contains("an .npy file holds a single array"), "{e}");
}

#[test]
fn broken_safetensors_headers_are_refused() {
    let scratch = Scratch::new();
    let good = safetensors(&[("t", "F32", &[2], &[0; 8])]);
    let raw =
        |json: &str, data: usize| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &vec![0; data]].concat();
    let entry = |shape: &str, offsets: &str| {
        format!("{{\"t\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}")
    };
    for (bytes, field) in [
        (good[..good.len() - 1].to_vec(), "length: found"),
        ([&good[..], &[0]].concat(), "length: found"),
        ([&u64::MAX.to_le_bytes()[..], b"{}"].concat(), "header length: found 18446744073709551615"),
        ([&3_u64.to_le_bytes()[..], b"{}"].concat(), "header length: found 3 bytes, expected at most 2"),
        (raw("{", 0), "header: found"),
        (raw("{}", 0), "tensors: found 0"),
        (raw(&"{\"a\":".repeat(100_000), 0), "header: found"),
        (raw(&entry("[2]", "[0,4]"), 4), "header: found"),
        (raw(&entry("[2]", "[8,16]"), 16), "header: found"),
        (raw(&entry("[4611686018427387904,4]", "[0,0]"), 0), "header: found"),
        (raw(&entry("[2,-1]", "[0,8]"), 8), "header: found"),
        (raw(&entry("[2]", "[0,8]").replace("F32", "F33"), 8), "header: found"),
    ] {
        let e = TensorFile::open(scratch.write("a.safetensors", &bytes)).unwrap_err().to_string();
        assert!(e.contains(field), "{e}");
    }
}

#[test]
fn lengths_and_shapes_that_disagree_are_refused() {
    for (shape, bytes) in [
        (vec![2, 3], 23),
        (vec![2, 3], 25),
        (vec![0, 3], 4),
        (vec![usize::MAX / 2, 3], 24),
        (vec![1 << 62, 0, 1 << 62], 0),
        (vec![1 << 61, 1], 24),
    ] {
        let (_scratch, tensor) = open("<f4", &shape, vec![0; bytes]);
        let e = tensor.unwrap_err();
        assert!(matches!(&e, Error::Format { field, .. } if field == "length" || field == "shape"), "{e}");
    }
}

#[test]
fn what_is_no_array_file_is_refused() {
    let scratch = Scratch::new();
    for (bytes, found) in [
        (&b""[..], "an empty file"),
        (b"PK\x03\x04 and so on", "a zip archive"),
        (b"hello, world", "`hello, wo`"),
        (b"\x93NUM", "`\\x93NUM`"),
    ] {
        let e = TensorFile::open(scratch.write("a", bytes)).unwrap_err().to_string();
        assert!(e.contains(&format!("first bytes: found {found}")), "{e}");
    }
    let folder = TensorFile::open(scratch.path("")).unwrap_err();
    assert!(matches!(&folder, Error::Io { op: "open", .. }), "{folder}");
    for missing in ["missing.npy", "missing.safetensors#t", "#"] {
        let e = TensorFile::open(scratch.path(missing)).unwrap_err();
        assert!(matches!(&e, Error::Io { op: "open", .. }), "{e}");
    }
    #[cfg(unix)]
    {
        let e = TensorFile::open("/dev/zero").unwrap_err();
        assert!(matches!(&e, Error::Io { op: "open", .. }), "{e}");
    }
}

#[test]
fn the_wrong_type_is_named_with_the_file_and_a_hint() {
    let (scratch, tensor) = open("<i8", &[1], vec![0; 8]);
    let tensor = tensor.unwrap();
    let path = scratch.path("a.npy").display().to_string();
    let fails = [
        (tensor.read_f32(0, &mut [0.0]), "f32, f16, bf16 or f64"),
        (tensor.read_u32(0, &mut [0]), "u8, u16 or u32"),
        (tensor.read_i32(0, &mut [0]), "i8, i16 or i32"),
        (tensor.read_bool(0, &mut [false]), "bool or u8"),
    ];
    for (result, expected) in fails {
        let e = result.unwrap_err().to_string();
        assert_eq!(
            e,
            format!("`{path}`: dtype: found i64, expected {expected}: convert the array with `.astype(...)`")
        );
    }
}

#[test]
fn reads_beyond_the_end_are_refused() {
    let (_scratch, tensor) = open("<f4", &[3], vec![0; 12]);
    let tensor = tensor.unwrap();
    tensor.read_f32(3, &mut []).unwrap();
    for (first, len) in [(3, 1), (0, 4), (usize::MAX, 2)] {
        let e = tensor.read_f32(first, &mut vec![0.0; len]).unwrap_err();
        assert!(matches!(e, Error::Mismatch { .. }), "{e}");
    }
}

#[test]
fn files_that_change_while_they_are_read_are_refused() {
    let bytes = npy("<f4", false, &[50_000], &vec![0; 200_000]);
    let changes: [fn(&File); 3] = [
        |f| f.set_len(1000).unwrap(),
        |f| f.set_len(1 << 20).unwrap(),
        |f| f.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9)).unwrap(),
    ];
    for change in changes {
        let scratch = Scratch::new();
        let path = scratch.write("a.npy", &bytes);
        let tensor = TensorFile::open(&path).unwrap();
        tensor.read_f32(49_990, &mut [0.0; 10]).unwrap();
        change(&OpenOptions::new().write(true).open(&path).unwrap());
        let e = tensor.read_f32(49_990, &mut [0.0; 10]).unwrap_err();
        assert!(matches!(&e, Error::Format { .. }) && e.to_string().contains("changed while"), "{e}");
    }
    let scratch = Scratch::new();
    let path = scratch.write("a.npy", &bytes);
    let tensor = TensorFile::open(&path).unwrap();
    std::fs::rename(scratch.write("b.npy", b"new"), &path).unwrap();
    tensor.read_f32(0, &mut [0.0; 10]).expect("a file that is replaced stays open");
}

#[test]
fn version_two_headers_place_the_data_after_them() {
    let scratch = Scratch::new();
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}";
    let path = scratch.write("a.npy", &npy_with_header(2, text, &2.5_f32.to_le_bytes()));
    let mut out = [0.0];
    TensorFile::open(path).unwrap().read_f32(0, &mut out).unwrap();
    assert_eq!(out, [2.5]);
}
proptest::proptest! {
    #[test]
    fn damaged_files_are_errors_or_arrays_and_never_panics(
        kind in 0..3,
        cut in 0..400_usize,
        changes in proptest::collection::vec((0..200_usize, 0..=255_u8), 0..4),
    ) {
        let data: Vec<u8> = (0..96).collect();
        let mut bytes = match kind {
            0 => npy("<f4", false, &[2, 3, 4], &data),
            1 => npy(">f8", true, &[3, 4], &data),
            _ => safetensors(&[("t", "F32", &[2, 3, 4], &data)]),
        };
        for (at, byte) in changes {
            if let Some(b) = bytes.get_mut(at) {
                *b = byte;
            }
        }
        bytes.truncate(cut);
        let scratch = Scratch::new();
        if let Ok(tensor) = TensorFile::open(scratch.write("a", &bytes)) {
            let elements = tensor.elements();
            assert!(elements * tensor.dtype().size() <= bytes.len());
            let _ = tensor.read_f32(0, &mut vec![0.0; elements]);
            let _ = tensor.read_u32(0, &mut vec![0; elements]);
            let _ = tensor.read_i32(0, &mut vec![0; elements]);
            let _ = tensor.read_bool(0, &mut vec![false; elements]);
        }
    }
}
