//! Partial correlation: how far two quantities go together once what others say of them is taken away.

/// The share of a quantity's own size below which what is left of it counts as rounding.
const ROUNDING: f64 = 1e-9;

/// Pearson's correlation of what is left of `x` and `y` after the least-squares fit by `controls` and a constant. A control
/// that does not vary, or that follows from the ones before it, takes nothing away. None where `controls` leave nothing of `x`
/// or of `y`, or for fewer than three values more than there are controls.
///
/// ```
/// use compexp_trust::stats::partial;
///
/// let [x, y, z] = [[1.0, 2.0, 3.0, 4.0, 6.0], [2.0, 1.0, 4.0, 3.0, 6.0], [1.0, 1.0, 2.0, 2.0, 3.0]];
/// let r = partial(&x, &y, &[&z]).unwrap();
/// assert!((r + 13.0 / 15.0).abs() < 1e-12);
/// assert_eq!(partial(&x, &x, &[&x]), None);
/// ```
pub fn partial(x: &[f64], y: &[f64], controls: &[&[f64]]) -> Option<f64> {
    if x.len() < 3 + controls.len() {
        return None;
    }
    let mut directions: Vec<Vec<f64>> = Vec::with_capacity(controls.len());
    for control in controls {
        directions.extend(remainder(control, &directions));
    }
    let (x, y) = (remainder(x, &directions)?, remainder(y, &directions)?);
    Some(dot(&x, &y).clamp(-1.0, 1.0))
}

/// What is left of values without their mean and without `directions`, which are of length 1 and at right angles; itself of
/// length 1. None where nothing is left.
fn remainder(values: &[f64], directions: &[Vec<f64>]) -> Option<Vec<f64>> {
    // Asked of the values: deviations from a rounded mean need not be 0.
    if values.iter().all(|v| *v == values[0]) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mut left: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let whole = dot(&left, &left).sqrt();
    // Twice: what the first time leaves by rounding may be as large as what is left.
    for direction in directions.iter().chain(directions) {
        let along = dot(&left, direction);
        left.iter_mut().zip(direction).for_each(|(v, d)| *v -= along * d);
    }
    let length = dot(&left, &left).sqrt();
    (length > ROUNDING * whole).then(|| {
        left.iter_mut().for_each(|v| *v /= length);
        left
    })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `make_golden.py` beside the file got from statsmodels and scipy.
    #[derive(serde::Deserialize)]
    struct Golden {
        name: String,
        x: Vec<f64>,
        y: Vec<f64>,
        controls: Vec<Vec<f64>>,
        r: f64,
    }

    #[test]
    fn coefficients_are_those_of_statsmodels_residuals() {
        let text = include_str!("../../../../tests/golden/statistics/partial.json");
        let cases: Vec<Golden> = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 6);
        for case in cases {
            let controls: Vec<&[f64]> = case.controls.iter().map(Vec::as_slice).collect();
            let found = partial(&case.x, &case.y, &controls).unwrap();
            assert!((found - case.r).abs() < 1e-10, "{}: {found} {}", case.name, case.r);
        }
    }

    #[test]
    fn controls_that_say_nothing_new_take_nothing_away() {
        let x = [1.0, 5.0, 2.0, 8.0, 3.0, 9.5];
        let y = [2.0, 1.0, 4.0, 3.0, 7.0, 5.0];
        let z = [0.1, 0.7, 0.2, 0.9, 0.9, 0.3];
        let twice: Vec<f64> = z.iter().map(|z| 2.0 * z - 1.0).collect();
        let (plain, once) = (partial(&x, &y, &[]).unwrap(), partial(&x, &y, &[&z]).unwrap());
        assert!((plain - once).abs() > 0.01);
        let expected = crate::stats::pearson(&x.into_iter().zip(y).collect::<Vec<_>>()).unwrap().r;
        assert!((plain - expected).abs() < 1e-12);
        assert!((partial(&x, &y, &[&[0.1; 6]]).unwrap() - plain).abs() < 1e-12);
        assert!((partial(&x, &y, &[&z, &twice]).unwrap() - once).abs() < 1e-12);
    }

    #[test]
    fn where_nothing_is_left_there_is_no_coefficient() {
        let (x, y) = ([1.0, 2.0, 4.0, 3.0], [1.0, 0.0, 2.0, 5.0]);
        assert_eq!((partial(&x, &y, &[&x]), partial(&x, &y, &[&y]), partial(&[0.1; 4], &y, &[])), (None, None, None));
        assert_eq!(
            partial(&x, &y, &[&[1.0, 0.0, 0.0, 0.0], &[0.0, 1.0, 0.0, 0.0]]),
            None,
            "two controls need five values"
        );
    }
}
