//! The dialects of pickle that checkpoints of the last ten years are written in.

use crate::write::{archive, int, legacy, problem, read_bytes, tensor, text};
use compexp_checkpoint::{Dtype, Tensor, Value, state_dict};

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn str(text: &str) -> Value {
    Value::Str(text.into())
}

#[test]
fn protocol_0_is_read() {
    let object = [
        &b"(dp0\nS'epoch'\np1\nI3\nsS'lr'\np2\nF0.5\nsVcaf\\u00e9\np3\n(lp4\nL-5L\naI01\naI00\naNas"[..],
        b"S'args'\np5\n(g1\nI2\ntp6\nsS'metadata'\nccollections\nOrderedDict\np7\n((lp8\n(lp9\nS'k'\naI9\naatp10\nRp11\ns.",
    ]
    .concat();
    let bytes = [&b"L119547037146038801333356L\n.I1001\n.(dp0\nS'little_endian'\np1\nI01\ns."[..], &object, b"(lp0\n."]
        .concat();
    let expected = Value::Dict(vec![
        (str("epoch"), Value::Int(3)),
        (str("lr"), Value::Float(0.5)),
        (str("café"), Value::List(vec![Value::Int(-5), Value::Bool(true), Value::Bool(false), Value::None])),
        (str("args"), Value::Tuple(vec![str("epoch"), Value::Int(2)])),
        (str("metadata"), Value::Dict(vec![(str("k"), Value::Int(9))])),
    ]);
    assert_eq!(read_bytes(&bytes).unwrap(), expected);
}

/// As the Places365 checkpoints are: byte strings, `_rebuild_tensor`, an `OrderedDict` of a list of lists with
/// attributes, GPU storages with a sixth field, the best accuracy as a tensor.
#[test]
fn python_2_files_are_read() {
    let tensor = |key: &str, n: u8, view: &[u8], size: u8| {
        let id = [b"(U\x07storagectorch.cuda\nFloatStorage\nU\x01", key.as_bytes(), b"U\x06cuda:0K", &[n], view, b"tQ"];
        [b"ctorch._utils\n_rebuild_tensor\n(", &id.concat()[..], b"K\0(K", &[size], b"t(K\x01ttR"].concat()
    };
    let view = [&b"(U\x05a:1:2"[..], b"K\x01K\x02t"].concat();
    let object = [
        &b"\x80\x02}q\x01(U\nstate_dictccollections\nOrderedDict\n](]("[..],
        b"U\x08module.wq\x02",
        &tensor("a", 3, b"N", 3),
        b"e](U\x08module.v",
        &tensor("a", 3, &view, 2),
        b"ee\x85R}U\x09_metadataccollections\nOrderedDict\n]\x85RsbU\nbest_prec1",
        &tensor("b", 1, b"N", 1),
        b"U\x05bytesU\x02\xff\xfeu.",
    ]
    .concat();
    let bytes = legacy(&object, &[("a", 3, &f32s(&[1.0, 2.0, 3.0])), ("b", 1, &f32s(&[36.5]))]);
    let checkpoint = read_bytes(&bytes).unwrap();
    assert_eq!(checkpoint.get("best_prec1").and_then(Value::as_float), Some(36.5));
    assert_eq!(checkpoint.get("bytes"), Some(&Value::Bytes(vec![0xff, 0xfe])));
    let state = state_dict(checkpoint).unwrap();
    assert_eq!(state.get("w").unwrap().to_f32(), [1.0, 2.0, 3.0]);
    assert_eq!(state.get("v").unwrap().to_f32(), [2.0, 3.0]);
}

/// The first six as NumPy 2 pickles them in protocols 2, 0, 3, 4, 2, 2; the last two by hand, as Python 2 would.
#[test]
fn numpy_scalars_are_numbers() {
    let check = |object: &[u8], expected: Value| {
        assert_eq!(read_bytes(&legacy(object, &[])).unwrap(), expected);
    };
    check(b"\x80\x02cnumpy._core.multiarray\nscalar\nq\x00cnumpy\ndtype\nq\x01X\x02\x00\x00\x00f8q\x02\x89\x88\x87q\x03Rq\x04(K\x03X\x01\x00\x00\x00<q\x05NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x06bc_codecs\nencode\nq\x07X\x0d\x00\x00\x00\xc3\x8d\xc3\x8c\xc3\x8c\xc3\x8c\xc3\x8clB@q\x08X\x06\x00\x00\x00latin1q\x09\x86q\nRq\x0b\x86q\x0cRq\x0d.", Value::Float(36.85));
    check(b"cnumpy._core.multiarray\nscalar\np0\n(cnumpy\ndtype\np1\n(Vf8\np2\nI00\nI01\ntp3\nRp4\n(I3\nV<\np5\nNNNI-1\nI-1\nI0\ntp6\nbc_codecs\nencode\np7\n(V\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000)@\np8\nVlatin1\np9\ntp10\nRp11\ntp12\nRp13\n.", Value::Float(12.5));
    check(b"\x80\x03cnumpy._core.multiarray\nscalar\nq\x00cnumpy\ndtype\nq\x01X\x02\x00\x00\x00f8q\x02\x89\x88\x87q\x03Rq\x04(K\x03X\x01\x00\x00\x00<q\x05NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x06bC\x08\x00\x00\x00\x00\x00\x00)@q\x07\x86q\x08Rq\x09.", Value::Float(12.5));
    check(b"\x80\x04\x95j\x00\x00\x00\x00\x00\x00\x00\x8c\x16numpy._core.multiarray\x94\x8c\x06scalar\x94\x93\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02i8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bC\x08\xfd\xff\xff\xff\xff\xff\xff\xff\x94\x86\x94R\x94.", Value::Int(-3));
    check(b"\x80\x02cnumpy._core.multiarray\nscalar\nq\x00cnumpy\ndtype\nq\x01X\x02\x00\x00\x00f4q\x02\x89\x88\x87q\x03Rq\x04(K\x03X\x01\x00\x00\x00<q\x05NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x06bc_codecs\nencode\nq\x07X\x05\x00\x00\x00\x00\x00\xc3\x80?q\x08X\x06\x00\x00\x00latin1q\x09\x86q\nRq\x0b\x86q\x0cRq\x0d.", Value::Float(1.5));
    check(b"\x80\x02cnumpy._core.multiarray\nscalar\nq\x00cnumpy\ndtype\nq\x01X\x02\x00\x00\x00b1q\x02\x89\x88\x87q\x03Rq\x04(K\x03X\x01\x00\x00\x00|q\x05NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x06bc_codecs\nencode\nq\x07X\x01\x00\x00\x00\x01q\x08X\x06\x00\x00\x00latin1q\x09\x86q\nRq\x0b\x86q\x0cRq\x0d.", Value::Bool(true));
    let big = b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f4K\0K\x01\x87R(K\x03U\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbU\x04\x3f\xc0\0\0\x86R.";
    check(big, Value::Float(1.5));
    let unsigned = b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02u8K\0K\x01\x87RU\x08\xff\xff\xff\xff\xff\xff\xff\xff\x86R.";
    check(unsigned, Value::BigInt(u64::MAX.to_string()));
}

#[test]
fn protocol_4_frames_and_memoised_globals_are_read() {
    let object = [
        &b"\x80\x04\x95\x40\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94"[..],
        b"\x8c\x01b\x94h\x01\x8d\x01\0\0\0\0\0\0\0cC\x02\xff\0u.",
    ]
    .concat();
    let expected = Value::Dict(vec![
        (str("a"), Value::Dict(vec![])),
        (str("b"), str("a")),
        (str("c"), Value::Bytes(vec![0xff, 0])),
    ]);
    assert_eq!(read_bytes(&legacy(&object, &[])).unwrap(), expected);
    assert_eq!(read_bytes(&archive(&[("any name/data.pkl", &object)])).unwrap(), expected);
}

#[test]
fn untyped_storages_take_the_element_type_of_the_tensor() {
    let id =
        [&b"("[..], &text("storage"), b"ctorch.storage\nUntypedStorage\n", &text("0"), &text("cpu"), &int(6), b"tQ"];
    let object = [
        &b"\x80\x02ctorch._utils\n_rebuild_tensor_v3\n("[..],
        &id.concat(),
        b"K\x01K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rctorch\nint16\ntR.",
    ]
    .concat();
    let found = read_bytes(&archive(&[("m/data.pkl", &object), ("m/data/0", &[9, 9, 1, 0, 2, 0])])).unwrap();
    assert_eq!(found, Value::Tensor(Tensor { dtype: Dtype::I16, shape: vec![2], data: vec![1, 0, 2, 0] }));
}

#[test]
fn bare_storages_element_types_and_sizes_are_plain_values() {
    let object = [
        &b"\x80\x02("[..],
        &[&b"("[..], &text("storage"), b"ctorch\nByteStorage\n", &text("0"), &text("cpu"), &int(2), b"tQ"].concat(),
        b"ctorch\nbfloat16\nctorch\nSize\nK\x02K\x03\x86\x85Rt.",
    ]
    .concat();
    let found = read_bytes(&legacy(&object, &[("0", 2, &[7, 8])])).unwrap();
    let storage = Value::Tensor(Tensor { dtype: Dtype::U8, shape: vec![2], data: vec![7, 8] });
    let size = Value::Tuple(vec![Value::Int(2), Value::Int(3)]);
    assert_eq!(found, Value::Tuple(vec![storage, str("torch.bfloat16"), size]));
}

#[test]
fn a_tensor_shared_by_memo_is_read_twice() {
    let object = [&b"\x80\x02]("[..], &tensor("FloatStorage", "0", 2, 0, &[2], &[1]), b"q\x05h\x05h\x05e."].concat();
    let found = read_bytes(&legacy(&object, &[("0", 2, &f32s(&[1.0, 2.0]))])).unwrap();
    let items = found.as_list().unwrap();
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|item| item.as_tensor().unwrap().to_f32() == [1.0, 2.0]));
}

#[test]
fn a_tensor_in_protocol_0_is_refused_with_a_reason() {
    let message = problem(&legacy(b"P('storage',)\n.", &[]));
    assert!(message.contains("protocol 0"), "{message}");
}
