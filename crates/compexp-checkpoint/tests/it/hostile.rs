//! Damaged and hostile files: an error, quickly, never a panic.

use crate::golden::golden;
use crate::write::{archive, int, legacy, problem, read_bytes, tensor, text};
use compexp_checkpoint::{Error, Value};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// The message holds every one of the given parts.
fn check(bytes: &[u8], parts: &[&str]) {
    let start = Instant::now();
    let message = problem(bytes);
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{message} took {:?}", start.elapsed());
}

/// A legacy file of one pickle without storages.
fn pickled(object: &[u8]) -> Vec<u8> {
    legacy(&[b"\x80\x02", object, b"."].concat(), &[])
}

/// A legacy file of one tensor over a storage of 4 floats.
fn one_tensor(offset: i64, size: &[i64], stride: &[i64]) -> Vec<u8> {
    let object = [b"\x80\x02", &tensor("FloatStorage", "k", 4, offset, size, stride)[..], b"."].concat();
    legacy(&object, &[("k", 4, &[0; 16])])
}

#[test]
fn files_cut_off_anywhere_are_refused() {
    for name in ["legacy_mixed.pth", "zip_nested.pth", "zip_nested.expected.safetensors"] {
        let whole = std::fs::read(golden(name)).unwrap();
        assert!(read_bytes(&whole).is_ok(), "{name}");
        for n in 0..whole.len() {
            assert!(read_bytes(&whole[..n]).is_err(), "{name} cut to {n} of {} bytes", whole.len());
        }
    }
}

#[test]
fn other_kinds_of_files_are_told_apart() {
    check(b"", &["an empty file"]);
    check(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", &["Git LFS pointer", "git lfs pull"]);
    check(b"\n<!DOCTYPE html><html>", &["a web page", "download"]);
    check(b"\x1f\x8b\x08\0", &["gzip"]);
    check(b"\x93NUMPY\x01\0", &["NumPy"]);
    check(b"hello", &["unknown format"]);
    let mut tar = vec![0; 1024];
    tar[..8].copy_from_slice(b"weights\0");
    tar[257..262].copy_from_slice(b"ustar");
    check(&tar, &["a tar archive", "unpack"]);
    check(b"\x80\x02}q\0.", &["without PyTorch's magic number", "torch.save"]);
    check(&archive(&[("arr_0.npy", b"x")]), &["data.pkl"]);
    let script = archive(&[("m/data.pkl", b"\x80\x02N."), ("m/constants.pkl", b"\x80\x02).")]);
    check(&script, &["TorchScript"]);
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing.pth"), folder.path().to_path_buf()] {
        let error = compexp_checkpoint::read(&path).unwrap_err();
        assert!(matches!(error.problem(), Error::Io(_)), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn unknown_globals_are_refused_by_name() {
    check(&pickled(b"cos\nsystem\nX\x02\0\0\0ls\x85R"), &["`os.system`", "nothing was executed"]);
    check(&pickled(b"c__builtin__\neval\n"), &["`__builtin__.eval`"]);
    check(&pickled(b"\x8c\x05posix\x8c\x06system\x93"), &["`posix.system`"]);
    check(&pickled(b"ctorch.storage\n_load_from_bytes\n"), &["`torch.storage._load_from_bytes`"]);
    check(&pickled(b"cnumpy\nfloat32\n"), &["`numpy.float32`"]);
    check(&pickled(b"ctorch\nComplexFloatStorage\n"), &["`torch.ComplexFloatStorage`", "element type"]);
    check(&pickled(b"(ios\nsystem\n"), &["0x69", "class"]);
    check(&pickled(b"ctorch\nSize\n"), &["`torch.Size` itself"]);
    check(&pickled(b"\x8f"), &["0x8f", "sets"]);
}

#[test]
fn malformed_pickles_are_refused_with_their_place() {
    check(&pickled(b""), &["malformed pickle at byte", "stack is empty"]);
    check(&pickled(b"h\x05"), &["memo 5"]);
    check(&pickled(b"t"), &["MARK"]);
    check(&pickled(b"}(Nu"), &["key without a value"]);
    check(&pickled(b"NNa"), &["expected a list"]);
    check(&pickled(b"N)R"), &["known global"]);
    check(&pickled(b"ccollections\nOrderedDict\nK\x01\x85R"), &["list of pairs"]);
    check(&pickled(b"ccollections\nOrderedDict\n]K\x01a\x85R"), &["list of pairs"]);
    check(&pickled(b"]}b"), &["takes no state"]);
    check(&pickled(b"X\xff\xff\xff\x7fab"), &["ends early", "2147483647 bytes"]);
    check(&pickled(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab"), &["ends early"]);
    check(&pickled(b"X\x01\0\0\0\xff"), &["UTF-8"]);
    check(&pickled(b"\x8b\xff\xff\0\0"), &["ends early"]);
    check(&pickled(&[b"\x8b\0\x10\0\0", &[1; 4096][..]].concat()), &["bytes of an integer"]);
    check(&pickled(&[b"L", "9".repeat(4096).as_bytes(), b"L\n"].concat()), &["320 digits"]);
    check(&pickled(b"\x80\x09N"), &["protocol 9"]);
    check(&pickled(b"}K\x01Ns(K\x01Nu"), &["key Int(1) twice"]);
    check(&pickled(b"}]Ns"), &["a list of 0 items as a key"]);
    check(&pickled(b"(X\x06\0\0\0modulectorch\nSize\nN\x87tQ"), &["expected a storage"]);
}

#[test]
fn structures_that_hold_themselves_are_refused() {
    check(&pickled(b"]q\0h\0a"), &["holds itself"]);
    check(&pickled(b"]q\0h\0\x85a"), &["`0/0` holds itself"]);
    check(&pickled(b"}q\0X\x01\0\0\0kh\0s"), &["`k` holds itself"]);
}

#[test]
fn deep_nesting_is_refused() {
    check(&pickled(&[&b"]".repeat(1_000_000)[..], &b"a".repeat(999_999)].concat()), &["depth of nesting"]);
    let nested = |n: usize| pickled(&[&b"N"[..], &b"\x85".repeat(n)].concat());
    assert!(read_bytes(&nested(128)).is_ok());
    check(&nested(129), &["depth of nesting", "128"]);
}

#[test]
fn repetition_by_memo_is_refused() {
    // 60 lists, each holding the one before twice.
    let mut laughs = b"]q\0K\x01a".to_vec();
    for i in 1..60u8 {
        laughs.extend([b']', b'q', i, b'(', b'h', i - 1, b'h', i - 1, b'e']);
    }
    check(&pickled(&laughs), &["values in the checkpoint"]);
    // One text of 1 MB, 100,000 times: 100 GB.
    let long = text(&"x".repeat(1_000_000));
    check(&pickled(&[b"(", &long[..], b"q\0", &b"h\0".repeat(100_000), b"t"].concat()), &["bytes of text"]);
    // One list of 10,000 pairs, made a dict 10,000 times.
    let pairs = [&b"](NN\x86q\0"[..], &b"h\0".repeat(10_000), b"eq\x01ccollections\nOrderedDict\nq\x02"].concat();
    let dicts = [&b"("[..], &pairs, &b"h\x02h\x01\x85R".repeat(10_000), b"t"].concat();
    check(&pickled(&dicts), &["copies made by the pickle"]);
    // More instructions than any checkpoint has.
    check(&pickled(&b"N0".repeat(10_000_000)), &["instructions"]);
}

#[test]
fn tensors_must_lie_in_their_storage() {
    assert!(read_bytes(&one_tensor(0, &[2, 2], &[2, 1])).is_ok());
    assert!(read_bytes(&one_tensor(3, &[1, 1], &[99, 99])).is_ok());
    check(&one_tensor(1, &[2, 2], &[2, 1]), &["beyond the storage's 4 elements"]);
    check(&one_tensor(0, &[3], &[2]), &["beyond the storage's 4 elements"]);
    check(&one_tensor(4, &[], &[]), &["beyond"]);
    check(&one_tensor(i64::MAX, &[2], &[i64::MAX]), &["beyond"]);
    check(&one_tensor(0, &[3], &[i64::MAX]), &["beyond"]);
    check(&one_tensor(-1, &[1], &[1]), &["offset of a tensor"]);
    check(&one_tensor(0, &[-1], &[1]), &["size of a tensor"]);
    check(&one_tensor(0, &[1], &[-1]), &["stride of a tensor"]);
    check(&one_tensor(0, &[2, 2], &[1]), &["2 sizes and 1 strides"]);
    check(&one_tensor(0, &[1; 65], &[1; 65]), &["at most 64"]);
}

#[test]
fn tensors_far_larger_than_their_storages_are_refused() {
    check(&one_tensor(0, &[1 << 40], &[0]), &["bytes of all tensors"]);
    check(&one_tensor(0, &[1 << 32, 1 << 32], &[0, 0]), &["no memory can hold"]);
    check(&one_tensor(0, &[1 << 40, 0, 1 << 40], &[0, 0, 0]), &["no memory can hold"]);
    assert!(read_bytes(&one_tensor(0, &[3, 4], &[0, 1])).is_ok(), "an expanded tensor is fine");
    // Many views of one storage.
    let view = tensor("FloatStorage", "k", 4096, 0, &[4096], &[1]);
    let object = [&b"\x80\x02("[..], &view, b"q\0", &b"h\0".repeat(100), b"t."].concat();
    check(&legacy(&object, &[("k", 4096, &[0; 4 * 4096])]), &["bytes of all tensors"]);
}

#[test]
fn storages_must_be_what_the_pickle_says() {
    let object = [b"\x80\x02", &tensor("FloatStorage", "k", 4, 0, &[4], &[1])[..], b"."].concat();
    check(&legacy(&object, &[]), &["storage `k`", "not found"]);
    check(&legacy(&object, &[("k", 3, &[0; 12])]), &["found 12 bytes, expected 4 elements of torch.float32"]);
    check(&legacy(&object, &[("k", -1, &[])]), &["size of -1 elements"]);
    check(&legacy(&object, &[("k", i64::MAX, &[])]), &["elements"]);
    check(&legacy(&object, &[("k", 1 << 60, &[0; 16])]), &["ends early"]);
    check(&legacy(&object, &[("k", 4, &[0; 16]), ("k", 4, &[0; 16])]), &["found twice"]);
    check(&legacy(&object, &[("other", 4, &[0; 16])]), &["`other`", "element type"]);
    let both = [&b"\x80\x02("[..], &object[2..object.len() - 1], &tensor("IntStorage", "k", 4, 0, &[4], &[1]), b"t."];
    check(&legacy(&both.concat(), &[("k", 4, &[0; 16])]), &["found both torch.float32 and torch.int32"]);
}

#[test]
fn views_must_lie_in_their_storage() {
    let view = |offset: i64, n: i64| {
        let part = [&b"("[..], &text("v"), &int(offset), &int(n), b"t"].concat();
        let id =
            [&b"("[..], &text("storage"), b"ctorch\nByteStorage\n", &text("k"), &text("cpu"), &int(4), &part, b"tQ"];
        legacy(&[b"\x80\x02", &id.concat()[..], b"."].concat(), &[("k", 4, &[1, 2, 3, 4])])
    };
    assert_eq!(read_bytes(&view(1, 3)).unwrap().as_tensor().unwrap().data, [2, 3, 4]);
    check(&view(2, 3), &["view of 3 elements from 2", "at most 4"]);
    check(&view(i64::MAX, i64::MAX), &["view of"]);
}

#[test]
fn big_endian_files_are_refused() {
    let zip = archive(&[("m/data.pkl", b"\x80\x02N."), ("m/byteorder", b"big")]);
    check(&zip, &["big-endian", "little-endian"]);
    let mut old = pickled(b"N");
    let flag = old.windows(2).position(|pair| pair == b"\x88s").unwrap();
    old[flag] = 0x89;
    check(&old, &["big-endian"]);
}

/// Overwrites the field at `at` of the central directory's header of entry `name`.
fn patch(archive: &mut [u8], name: &str, at: usize, bytes: &[u8]) {
    let named = |i: usize| archive[i..].starts_with(b"PK\x01\x02") && archive[i + 46..].starts_with(name.as_bytes());
    let header = (0..archive.len()).find(|&i| named(i)).unwrap();
    archive[header + at..][..bytes.len()].copy_from_slice(bytes);
}

#[test]
fn archives_that_lie_about_their_entries_are_refused() {
    let object = [b"\x80\x02", &tensor("ByteStorage", "0", 4, 0, &[4], &[1])[..], b"."].concat();
    let good = archive(&[("m/data.pkl", &object), ("m/data/0", &[1, 2, 3, 4]), ("m/data/1", &[5, 6, 7, 8])]);
    assert_eq!(read_bytes(&good).unwrap().as_tensor().unwrap().data, [1, 2, 3, 4]);
    let patched = |name: &str, at: usize, bytes: &[u8]| {
        let mut archive = good.clone();
        patch(&mut archive, name, at, bytes);
        archive
    };
    // Offsets in the header: method 10, compressed size 20, size 24.
    check(&patched("m/data/0", 10, &[8, 0]), &["`m/data/0` compressed"]);
    check(&patched("m/data.pkl", 10, &[12, 0]), &["`m/data.pkl` compressed"]);
    check(&patched("m/data/0", 24, &[0, 0, 0, 0x7f]), &["`m/data/0` compressed"]);
    let huge = [0, 0, 0, 0x7f, 0, 0, 0, 0x7f];
    check(&patched("m/data/1", 20, &huge), &["ends early"]);
    check(&patched("m/data.pkl", 20, &huge), &["ends early"]);
    // Two entries that are the same 3/4 of the file.
    let object = [&object[..], &[b'.'; 2000]].concat();
    let mut overlapping = archive(&[("m/data/0", b"x"), ("m/data.pkl", &object), ("m/data/1", b"x")]);
    let n = (overlapping.len() as u32 * 3 / 4).to_le_bytes();
    for name in ["m/data/0", "m/data/1"] {
        patch(&mut overlapping, name, 20, &[n, n].concat());
        patch(&mut overlapping, name, 42, &[0; 4]);
    }
    check(&overlapping, &["bytes of all storages"]);
    let two = archive(&[("a/data.pkl", b"\x80\x02N."), ("b/data.pkl", b"\x80\x02N.")]);
    check(&two, &["`a/data.pkl`", "`b/data.pkl`"]);
}

#[test]
fn safetensors_headers_that_lie_are_refused() {
    let file = |header: &str, data: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    assert!(read_bytes(&file(&one("F32", "[2]", "[0,8]"), &[0; 8])).is_ok());
    check(&file(&one("F32", "[2]", "[0,8]"), &[0; 7]), &["ends early"]);
    check(&file(&one("F32", "[2]", "[0,8]"), &[0; 9]), &["found 9 bytes of tensors, expected 8"]);
    check(&file(&one("F32", "[3]", "[0,8]"), &[0; 8]), &["safetensors header"]);
    check(&file(&one("F32", "[2]", "[8,0]"), &[0; 8]), &["safetensors header"]);
    check(&file(&one("F32", "[4611686018427387904,4]", "[0,0]"), &[]), &["safetensors header"]);
    check(&file(&one("F32", "[0,4611686018427387904,4]", "[0,0]"), &[]), &["no memory can hold"]);
    check(&file(&one("F8_E4M3", "[2]", "[0,2]"), &[0; 2]), &["`F8_E4M3`"]);
    check(&[&90_000_000u64.to_le_bytes()[..], b"{}"].concat(), &["ends early"]);
}

#[test]
fn the_skipped_attributes_of_an_ordered_dict_are_no_content() {
    let object = b"ccollections\nOrderedDict\n)R}X\x09\0\0\0_metadataNsb";
    assert_eq!(read_bytes(&pickled(object)).unwrap(), Value::Dict(vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_never_panic(which in 0..3usize, flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6)) {
        let name = ["legacy_mixed.pth", "zip_nested.pth", "zip_nested.expected.safetensors"][which];
        let mut bytes = std::fs::read(golden(name)).unwrap();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn random_instructions_never_panic(program in prop::collection::vec(instruction(), 0..60)) {
        let _ = read_bytes(&pickled(&program.concat()));
    }
}

/// Instructions that fit together often enough to get far.
fn instruction() -> impl Strategy<Value = Vec<u8>> {
    let plain: Vec<_> =
        b"().0122NRQabdelstu]}\x81\x85\x86\x87\x88\x89\x93\x94".iter().map(|&byte| vec![byte]).collect();
    let globals: Vec<&[u8]> = vec![
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch\nFloatStorage\n",
        b"ctorch\nSize\n",
        b"cnumpy\ndtype\n",
        b"cnumpy.core.multiarray\nscalar\n",
        b"c_codecs\nencode\n",
        b"U\x02f8",
        b"U\x07storage",
        b"U\x06latin1",
    ];
    prop_oneof![
        4 => prop::sample::select(plain),
        1 => prop::sample::select(globals).prop_map(<[u8]>::to_vec),
        2 => (prop::sample::select(b"Kqh".to_vec()), 0u8..6).prop_map(|(op, n)| vec![op, n]),
        1 => any::<i64>().prop_map(int),
    ]
}

#[test]
fn a_flipped_bit_of_any_entry_is_noticed() {
    let pickle = [b"\x80\x02", &tensor("FloatStorage", "0", 3, 0, &[3], &[1])[..], b"."].concat();
    let values = [1.0f32, -2.5, 1e-3].map(f32::to_le_bytes).concat();
    let whole = archive(&[("root/data.pkl", &pickle), ("root/byteorder", b"little"), ("root/data/0", &values)]);
    assert_eq!(read_bytes(&whole).unwrap().as_tensor().unwrap().to_f32(), [1.0, -2.5, 1e-3]);
    let find = |part: &[u8]| whole.windows(part.len()).position(|bytes| bytes == part).unwrap();
    // The last bytes of a value: the tensor would be read with another number.
    for (at, entry) in [(find(&values) + 5, "root/data/0"), (find(b"little") + 1, "root/byteorder")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let problem = problem(&bytes);
        assert!(problem.contains(&format!("`{entry}` does not have its checksum")), "{problem}");
    }
    // Checksums that were left out are 0, in both headers of the entry.
    let checksum = u32::from_le_bytes(whole[find(&values) - "root/data/0".len() - 16..][..4].try_into().unwrap());
    let mut bytes = whole.clone();
    bytes[find(&values) + 5] ^= 1;
    let found: Vec<_> = (0..bytes.len() - 3).filter(|&at| bytes[at..at + 4] == checksum.to_le_bytes()).collect();
    assert_eq!(found.len(), 2, "{checksum:x}");
    for at in found {
        bytes[at..at + 4].fill(0);
    }
    assert_ne!(read_bytes(&bytes).unwrap().as_tensor().unwrap().to_f32(), [1.0, -2.5, 1e-3]);
}
