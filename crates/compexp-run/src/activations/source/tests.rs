//! Files of `torch.save` against the arrays that NumPy wrote of the same values, and files that are refused.

use std::path::PathBuf;

use compexp_checkpoint::Dtype as Torch;
use compexp_tests::data;
use compexp_tests::files::Scratch;

use super::*;

const FLOATS: [Dtype; 4] = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];

fn open_floats(spec: impl AsRef<Path>) -> Result<TensorFile> {
    open(spec.as_ref(), &FLOATS, "f32, f16, bf16 or f64")
}

fn values(tensor: &TensorFile) -> Vec<u32> {
    let mut all = vec![0.0; tensor.elements()];
    tensor.read_f32(0, &mut all).unwrap();
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
    ] {
        let truth = TensorFile::open(folder.join(truth)).unwrap();
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
fn truncated_files_files_with_code_and_npz_are_refused() {
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
    let e = open_floats(data("tensors/acts.npz").unwrap()).unwrap_err().to_string();
    assert!(e.contains("numpy.save"), "{e}");
}

#[test]
fn batches_are_joined_only_where_they_fit_together() {
    let tensor = |dtype: Torch, shape: &[usize]| {
        let bytes = vec![0; shape.iter().product::<usize>() * dtype.size()];
        Value::Tensor(Tensor::new(dtype, shape.to_vec(), bytes).unwrap())
    };
    let f32 = |shape: &[usize]| tensor(Torch::F32, shape);
    let error = |field: &str, found: String, expected: String| {
        compexp_files::Error::format(Path::new("a.pt"), field, found, expected)
    };
    let all = joined(Value::List(vec![f32(&[2, 3]), f32(&[0, 3]), f32(&[1, 3])]), &error).unwrap();
    assert_eq!((all.shape, all.data.len()), (vec![3, 3], 36));
    for (batches, part) in [
        (vec![], "found an empty list"),
        (vec![f32(&[2, 3]), f32(&[2, 4])], "shape of batch 1: found [2, 4], expected [3] after the first axis"),
        (vec![f32(&[2, 3]), f32(&[2, 3, 1])], "shape of batch 1"),
        (vec![f32(&[])], "shape of batch 0: found []"),
        (vec![f32(&[2, 3]), tensor(Torch::F64, &[2, 3])], "dtype of batch 1: found torch.float64"),
        (vec![f32(&[2, 3]), Value::Int(1)], "content of batch 1: found an integer, expected a tensor"),
    ] {
        let e = joined(Value::List(batches), &error).unwrap_err().to_string();
        assert!(e.contains(part) && e.contains("a.pt"), "{e}");
    }
}
