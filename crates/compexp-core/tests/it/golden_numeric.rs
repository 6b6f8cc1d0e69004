//! Resizing and quantiles against the numbers of Pillow and NumPy, which `tests/golden/numeric` holds with their script.

use compexp_core::probe::Grid;
use compexp_core::resize::Resizer;
use compexp_core::threshold::{ThresholdRule, thresholds};
use ndarray::ArrayView4;

fn golden(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/numeric");
    std::fs::read(format!("{folder}/{name}.safetensors")).unwrap()
}

fn grid(height: usize, width: usize) -> Grid {
    Grid { height, width }
}

#[test]
fn golden_maps_of_pillow() {
    let bytes = golden("pil_resize");
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (input, output) in [
        ("in_4x4", "out_4x4_to_64x64"),
        ("in_7x7", "out_7x7_to_112x112"),
        ("in_3x5", "out_3x5_to_h10_w20"),
        ("in_64x64", "out_64x64_to_24x24"),
    ] {
        let (i, o) = (file.tensor(input).unwrap(), file.tensor(output).unwrap());
        let (from, to) = (grid(i.shape()[1], i.shape()[2]), grid(o.shape()[1], o.shape()[2]));
        let maps: Vec<f32> = bytemuck::allocation::pod_collect_to_vec(i.data());
        let expected: Vec<f32> = bytemuck::allocation::pod_collect_to_vec(o.data());
        let resizer = Resizer::new(from, to);
        let mut found = vec![0.0; to.positions()];
        for (n, (map, expected)) in maps.chunks(from.positions()).zip(expected.chunks(to.positions())).enumerate() {
            resizer.resize(map, &mut found);
            let differing = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            assert_eq!(differing, 0, "{output}, map {n}");
        }
    }
}

#[test]
fn golden_quantiles_of_numpy() {
    let bytes = golden("numpy_quantile");
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let matrix: Vec<f32> = bytemuck::allocation::pod_collect_to_vec(file.tensor("matrix").unwrap().data());
    let view = ArrayView4::from_shape((2000, 24, 1, 1), &matrix).unwrap();
    let all = ArrayView4::from_shape((matrix.len(), 1, 1, 1), &matrix).unwrap();
    let f32s = |name| -> Vec<f32> { bytemuck::allocation::pod_collect_to_vec(file.tensor(name).unwrap().data()) };
    let f64s = |name| -> Vec<f64> { bytemuck::allocation::pod_collect_to_vec(file.tensor(name).unwrap().data()) };
    let found = |rule| thresholds(&view, rule, &|_| ()).unwrap();
    for (name, top) in [("q995_axis0", 0.005), ("q99_axis0", 0.01), ("median_axis0", 0.5)] {
        let expected: Vec<f64> = f32s(name).into_iter().map(f64::from).collect();
        assert_eq!(found(ThresholdRule::TopQuantileF32(top)), expected, "{name}");
    }
    assert_eq!(found(ThresholdRule::TopQuantile(0.005)), f64s("q995_axis0_f64input"));
    assert_eq!(thresholds(&all, ThresholdRule::TopQuantileF32(0.005), &|_| ()).unwrap()[0] as f32, f32s("q995_all")[0]);
}
