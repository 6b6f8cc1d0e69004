//! The checkpoints of the data folder, where it is present (`COMPEXP_DATA`).

use compexp_checkpoint::{StateDict, Value, read, state_dict};
use compexp_tests::data;

/// Compares shape, sum, sum of squares and last element with what Python's own `pickle` and NumPy give for the file.
fn check(state: &StateDict, name: &str, shape: &[usize], (sum, squares): (f64, f64), last: f64) {
    let values = state.require(name, shape).unwrap().to_f32();
    let close = |found: f64, expected: f64| {
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            "{name}: found {found}, expected {expected}"
        );
    };
    close(values.iter().map(|&x| f64::from(x)).sum(), sum);
    close(values.iter().map(|&x| f64::from(x) * f64::from(x)).sum(), squares);
    assert_eq!(values.last().map(|&x| f64::from(x)), Some(last), "{name}");
}

#[test]
fn the_legacy_resnet_is_read() {
    let Some(path) = data("places/resnet18_miniplaces.pth.tar") else { return };
    let checkpoint = read(&path).unwrap();
    assert_eq!(checkpoint.get("epoch"), Some(&Value::Int(5)));
    assert_eq!(checkpoint.get("arch").and_then(Value::as_str), Some("resnet18"));
    let best = checkpoint.get("best_prec1").and_then(Value::as_float).unwrap();
    assert!((best - 36.85).abs() < 0.01, "{best}");
    let state = state_dict(checkpoint).unwrap();
    assert_eq!(state.tensors.len(), 122);
    check(&state, "conv1.weight", &[64, 3, 7, 7], (-12.935973867835855, 102.13404550227848), -0.027339963242411613);
    let moments = (-3033.656557680053, 38.48809156528232);
    check(&state, "layer4.1.conv2.weight", &[512, 512, 3, 3], moments, 0.0006713905604556203);
    check(&state, "bn1.running_var", &[64], (209.98338732123375, 1011.1188607205013), 5.308135032653809);
    check(&state, "fc.bias", &[100], (-0.050425054505467415, 1.3478299649283763), 0.12086287885904312);
}

#[test]
fn the_zipped_classifier_is_read() {
    let Some(path) = data("snli/bowman.pth") else { return };
    let checkpoint = read(&path).unwrap();
    let (stoi, itos) = (checkpoint.get("stoi").unwrap(), checkpoint.get("itos").unwrap());
    assert_eq!(stoi.get("UNK"), Some(&Value::Int(0)));
    assert_eq!(stoi.get("PAD"), Some(&Value::Int(1)));
    assert_eq!(stoi.as_dict().unwrap().len(), 11_987);
    let swapped: Vec<_> = stoi.as_dict().unwrap().iter().map(|(k, v)| (v.clone(), k.clone())).collect();
    assert_eq!(itos.as_dict().unwrap(), swapped);
    let state = state_dict(checkpoint).unwrap();
    assert_eq!(state.tensors.len(), 14);
    check(&state, "encoder.emb.weight", &[11987, 300], (-2080.918635634557, 3600898.47302349), -1.2869242429733276);
    let moments = (151.22122349537062, 1968.06942298915);
    check(&state, "encoder.rnn.weight_hh_l0", &[2048, 512], moments, 0.11972944438457489);
    check(&state, "mlp.3.bias", &[3], (-0.02391755348071456, 0.0011729812069230978), -0.03171354532241821);
    check(&state, "bn.num_batches_tracked", &[], (1410.0, 1988100.0), 1410.0);
}
