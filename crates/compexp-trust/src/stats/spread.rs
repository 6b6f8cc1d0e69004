//! Mean, quartiles and extremes.

use serde::Serialize;

/// How values are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many values there are.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub least: f64,
    /// A quarter is below it; between two values the quartiles are interpolated linearly.
    pub lower: f64,
    /// Half is below it.
    pub median: f64,
    /// Three quarters are below it.
    pub upper: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// The spread of `values`, none where there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len();
        let last = *values.last()?;
        let quantile = |q: f64| {
            let at = q * (n - 1) as f64;
            let below = values[at as usize];
            below + at.fract() * (values.get(at as usize + 1).unwrap_or(&last) - below)
        };
        Some(Self {
            n,
            mean: values.iter().sum::<f64>() / n as f64,
            least: values[0],
            lower: quantile(0.25),
            median: quantile(0.5),
            upper: quantile(0.75),
            most: last,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        let s = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((s.n, s.mean, s.least, s.lower, s.median, s.upper, s.most), (4, 2.5, 1.0, 1.75, 2.5, 3.25, 4.0));
        let s = Spread::of([0.5]).unwrap();
        assert_eq!((s.mean, s.least, s.lower, s.median, s.upper, s.most), (0.5, 0.5, 0.5, 0.5, 0.5, 0.5));
        assert_eq!(Spread::of([]), None);
    }
}
