//! Bands of areas, in each of which a bound on the MCC is linear.
//!
//! With n positions in the universe, u in the unit, f in a formula and i in both, the MCC exceeds b just where
//!
//! ```text
//! i > (f u + b sqrt(u (n - u)) sqrt(f (n - f))) / n
//! ```
//!
//! For one f the MCC grows with i, and for one i it falls with f. So a formula that exceeds b has an area in a range that b
//! decides: between that of a formula that lies within the unit, and that of one that holds it. In f, the right side is
//! concave. Within a band of areas it lies above its chord, which is linear: with `s` for the chord's slope and `a` for its
//! height at f = 0, a formula of the band that exceeds b has `i - s f > a`. In hits i and other positions o = f - i this is a
//! condition on a worth as the one for IoU (see [`super::best`]): `i - beta o > a / (1 - s)` with `beta = s / (1 - s)`.
//!
//! The range is divided into bands in which the chord is at most a little lower. The search runs once for each band. What
//! it finds elsewhere counts too; what it rules out is of the band alone.

use super::worth::Cut;
use crate::score::{Counts, Metric};

/// The areas of a band, or their distances to the universe, differ by this factor at most. The chord is then at most 1.5% lower
/// than the root. A greater factor makes fewer bands and looser bounds: the search bench takes 1.7 times as long with 4.
const FACTOR: f64 = 2.0;

/// The formulas whose area is in a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band {
    /// The greatest area.
    most: f64,
    /// The chord of `sqrt(f (n - f))`: its height at 0, and its slope.
    height: f64,
    slope: f64,
}

impl Band {
    /// Every area: nothing is ruled out.
    pub(super) const ANY: Self = Self { most: f64::INFINITY, height: 0.0, slope: 0.0 };

    /// The bands that hold every formula whose MCC is above that of `best` and above 0.
    pub(super) fn all(best: Counts) -> Vec<Self> {
        let (n, u) = (best.universe as f64, best.unit as f64);
        let least = fewest_hits(best).max(1.0);
        let squared = Metric::Mcc.of(best).max(0.0).powi(2);
        // What is left of the universe by a formula that holds the unit.
        let rest = (squared * n * (n - u) / (u + squared * (n - u))).max(1.0);
        let half = n / 2.0;
        let mut bands = Vec::new();
        let lower = edges(least, half.min(n - rest));
        bands.extend(lower.windows(2).map(|edge| Self::new(n, edge[0], edge[1])));
        let upper = edges(rest, half.min(n - least));
        bands.extend(upper.windows(2).rev().map(|edge| Self::new(n, n - edge[1], n - edge[0])));
        bands
    }

    fn new(n: f64, least: f64, most: f64) -> Self {
        let root = |f: f64| (f * (n - f)).max(0.0).sqrt();
        let slope = if most > least { (root(most) - root(least)) / (most - least) } else { 0.0 };
        // Room for the rounding of both.
        let room = 1e-12 * (root(least) + slope.abs() * most);
        let height = root(least).min(root(most) + slope.abs() * (most - least)) - slope * least - room;
        Self { most, height, slope }
    }

    /// A beta that is never above those of [`Band::cut`] for a formula as good as `best`, or better.
    pub(super) fn least_beta(self, best: Counts) -> f64 {
        let mcc = if self.slope < 0.0 { 1.0 } else { Metric::Mcc.of(best).max(0.0) };
        let share = self.share(best, mcc).clamp(0.0, 1.0 - 1e-9);
        // Room for rounding.
        share / (1.0 - share) * (1.0 - 1e-9)
    }

    /// The slope `s`.
    fn share(self, Counts { universe, unit, .. }: Counts, mcc: f64) -> f64 {
        unit as f64 / universe as f64 + mcc * deviation(universe, unit) * self.slope
    }

    /// What a formula of the band needs for an MCC above that of `best` and above 0.
    pub(super) fn cut(self, best: Counts) -> Cut {
        let mcc = Metric::Mcc.of(best).max(0.0);
        let (mut share, mut height) = (self.share(best, mcc), mcc * deviation(best.universe, best.unit) * self.height);
        if share >= 1.0 {
            // More hits than positions.
            return Cut { beta: 1.0, needed: f64::INFINITY, rounding: 0.0 };
        }
        if share < 0.0 {
            // No formula of the band is larger.
            (share, height) = (0.0, height + share * self.most);
        }
        let beta = share / (1.0 - share);
        let rounding = 1e-14 * (1.0 + beta).powi(2) * best.universe as f64;
        Cut { beta, needed: height / (1.0 - share) - rounding, rounding }
    }
}

/// The hits of a formula without other positions that has the MCC of `best`; none that is better has fewer.
pub(super) fn fewest_hits(best: Counts) -> f64 {
    let (n, u) = (best.universe as f64, best.unit as f64);
    let squared = Metric::Mcc.of(best).max(0.0).powi(2);
    if u == n { 0.0 } else { squared * u * n / (n - u + squared * u) * (1.0 - 1e-12) }
}

/// The standard deviation of the unit's mask.
fn deviation(universe: u64, unit: u64) -> f64 {
    (unit as f64 * (universe - unit) as f64).sqrt() / universe as f64
}

/// The edges of bands from `least` to `most`, each at most [`FACTOR`] times the one before; none if `most` is less.
fn edges(least: f64, most: f64) -> Vec<f64> {
    if most < least {
        return Vec::new();
    }
    let n = ((most / least).ln() / FACTOR.ln()).ceil().max(1.0);
    let factor = (most / least).powf(1.0 / n);
    (0..=n as usize).map(|i| if i as f64 == n { most } else { least * factor.powi(i as i32) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every formula of a small universe that exceeds another passes the cut of the band that holds its area.
    #[test]
    fn what_is_better_passes_the_cut_of_its_band() {
        let mut passed = 0;
        for n in [12u64, 31, 60] {
            for unit in (1..n).step_by(3) {
                let all = || (1..n).flat_map(move |f| (0..=f.min(unit)).map(move |both| (f, both)));
                let counts = |(formula, both): (u64, u64)| Counts { universe: n, formula, unit, both };
                let possible = |c: &Counts| c.union() <= n;
                for best in all().map(counts).filter(possible).step_by(7) {
                    let bands = Band::all(best);
                    for better in all().map(counts).filter(possible) {
                        let is_better = Metric::Mcc.compare(better, best).is_gt() && Metric::Mcc.of(better) > 0.0;
                        let worth = |cut: &Cut| {
                            better.both as f64 - cut.beta * (better.formula - better.both) as f64 >= cut.needed
                        };
                        let cuts: Vec<Cut> = bands.iter().map(|band| band.cut(best)).collect();
                        assert!(!is_better || cuts.iter().any(worth), "{better:?} and {best:?}");
                        assert!(!is_better || better.both as f64 >= fewest_hits(best), "{better:?} and {best:?}");
                        passed += usize::from(is_better);
                    }
                    for band in &bands {
                        let cut = band.cut(best);
                        assert!(band.least_beta(best) <= cut.beta && cut.beta.is_finite(), "{band:?}, {best:?}");
                    }
                }
            }
        }
        assert!(passed > 100_000, "{passed}");
    }

    #[test]
    fn a_cut_is_little_below_what_is_needed() {
        let best = Counts { universe: 1_000_000, formula: 9_000, unit: 5_000, both: 2_000 };
        let bands = Band::all(best);
        assert!(bands.len() < 14, "{}", bands.len());
        for formula in (1_000..30_000).step_by(500) {
            let needed = (0..=formula.min(5_000))
                .find(|both| Metric::Mcc.compare(Counts { formula, both: *both, ..best }, best).is_gt());
            let passes = |both: u64| {
                bands
                    .iter()
                    .filter(|band| formula as f64 <= band.most)
                    .map(|band| band.cut(best))
                    .any(|cut| both as f64 - cut.beta * (formula - both) as f64 >= cut.needed)
            };
            if let Some(needed) = needed {
                let first = (0..=needed).find(|both| passes(*both)).unwrap();
                assert!(first as f64 >= 0.97 * needed as f64, "{formula}: {first} and {needed}");
            }
        }
    }
}
