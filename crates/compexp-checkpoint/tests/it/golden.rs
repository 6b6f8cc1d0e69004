//! Checkpoints that PyTorch wrote, against what it had in memory when it did.

use compexp_checkpoint::{Dtype, Tensor, Value, read, state_dict};
use safetensors::SafeTensors;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/numeric").join(name)
}

/// Compares a value with its description, tensors with the bytes of the safetensors file; counts the tensors.
fn check(found: &Value, expected: &Json, tensors: &SafeTensors, at: &str) -> usize {
    if let Some(entries) = expected.get("dict") {
        let (found, entries) = (found.as_dict().expect(at), entries.as_array().unwrap());
        assert_eq!(found.len(), entries.len(), "{at}");
        let pairs = found.iter().zip(entries);
        return pairs
            .map(|((key, value), entry)| {
                let at = format!("{at}/{}", entry[0]);
                check(key, &entry[0], tensors, &at) + check(value, &entry[1], tensors, &at)
            })
            .sum();
    }
    for (kind, is_list) in [("list", true), ("tuple", false), ("Size", false)] {
        if let Some(items) = expected.get(kind) {
            assert_eq!(matches!(found, Value::List(_)), is_list, "{at}: list or tuple");
            let (found, items) = (found.as_list().expect(at), items.as_array().unwrap());
            assert_eq!(found.len(), items.len(), "{at}");
            return found.iter().zip(items).map(|(value, item)| check(value, item, tensors, at)).sum();
        }
    }
    if let Some(name) = expected.get("tensor") {
        let tensor = found.as_tensor().expect(at);
        let view = tensors.tensor(name.as_str().unwrap()).unwrap();
        let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
        assert_eq!(tensor.dtype.torch_name(), expected["dtype"].as_str().unwrap(), "{at}");
        assert_eq!(tensor.shape, shape, "{at}");
        assert_eq!(tensor.data, view.data(), "{at}: bytes");
        assert_eq!(tensor.n_elements(), shape.iter().product::<usize>(), "{at}");
        return 1;
    }
    let expected = match expected {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::Str(text.clone()),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::BigInt(value.to_string()),
            (None, None) => Value::Float(number.as_f64().unwrap()),
        },
        other => panic!("{at}: no rule for {other}"),
    };
    assert_eq!(found, &expected, "{at}");
    0
}

fn check_file(name: &str, n_tensors: usize) {
    let value = read(&golden(&format!("{name}.pth"))).unwrap();
    let expected: Json =
        serde_json::from_slice(&std::fs::read(golden(&format!("{name}.expected.json"))).unwrap()).unwrap();
    let bytes = std::fs::read(golden(&format!("{name}.expected.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(check(&value, &expected, &tensors, name), n_tensors);
    assert_eq!(tensors.len(), n_tensors, "the expected file holds no tensor that was not compared");
}

#[test]
fn every_value_of_the_legacy_file_is_read_exactly() {
    check_file("legacy_mixed", 18);
}

#[test]
fn every_value_of_the_zip_file_is_read_exactly() {
    check_file("zip_nested", 6);
}

#[test]
fn safetensors_files_are_read_exactly() {
    for name in ["legacy_mixed.expected.safetensors", "zip_nested.expected.safetensors", "pil_resize.safetensors"] {
        let value = read(&golden(name)).unwrap();
        let bytes = std::fs::read(golden(name)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        for (key, view) in tensors.iter() {
            let tensor = value.get(key).and_then(Value::as_tensor).expect(key);
            assert_eq!((&tensor.shape[..], &tensor.data[..]), (view.shape(), view.data()), "{key}");
        }
        assert_eq!(state_dict(value).unwrap().tensors.len(), tensors.len());
    }
    let metadata = read(&golden("pil_resize.safetensors")).unwrap();
    assert!(metadata.get("__metadata__").unwrap().get("pillow").is_some());
}

#[test]
fn the_state_dict_of_the_legacy_file_loses_its_prefix() {
    let state = state_dict(read(&golden("legacy_mixed.pth")).unwrap()).unwrap();
    assert_eq!(state.tensors.len(), 17);
    assert_eq!(state.skipped, [""; 0]);
    assert_eq!(state.require("scalar", &[]).unwrap().to_f32(), [2.5]);
    assert_eq!(state.get("bn.num_batches_tracked").unwrap().to_i64(), Some(vec![17]));
    assert_eq!(state.get("i16").unwrap().to_f32(), [-300.0, 300.0]);
    let empty = Tensor { dtype: Dtype::F32, shape: vec![0, 3], data: vec![] };
    assert_eq!(state.get("empty"), Some(&empty));
}
