//! The pairs of literals whose worths together reach the needed worth.

/// A literal's contribution to the worth of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) column: usize,
    /// The worth that it adds if it does not overlap with the chain's other literal beside the anchor.
    pub(super) adds: f64,
    /// The most that their overlap gives back.
    pub(super) overlap: f64,
}

/// Calls `found` with the pairs of a literal of `xs` and another of `ys` whose parts, with the overlap that both can give
/// back, reach `need`.
///
/// The overlap is bounded by the smaller of the two, so that taking every x with its own overlap misses nothing.
pub(super) fn reaching(need: f64, xs: Vec<Part>, ys: Vec<Part>, mut found: impl FnMut(usize, usize)) {
    for_each(need, xs, ys, |x, y| {
        if x != y {
            found(x, y);
        }
    });
}

/// The same for two literals of one list, each pair once.
pub(super) fn reaching_unordered(need: f64, parts: Vec<Part>, mut found: impl FnMut(usize, usize)) {
    for_each(need, parts.clone(), parts, |x, y| {
        if x < y {
            found(x, y);
        }
    });
}

/// Pairs are passed on one by one, because they may not fit into memory.
fn for_each(need: f64, mut xs: Vec<Part>, mut ys: Vec<Part>, mut found: impl FnMut(usize, usize)) {
    for _ in 0..2 {
        keep(need, &mut xs, &ys);
        keep(need, &mut ys, &xs);
    }
    xs.sort_by(|a, b| b.adds.total_cmp(&a.adds));
    ys.sort_by(|a, b| b.adds.total_cmp(&a.adds));
    for x in &xs {
        for y in ys.iter().take_while(|y| x.adds + y.adds + x.overlap >= need) {
            if x.adds + y.adds + y.overlap.min(x.overlap) >= need {
                found(x.column, y.column);
            }
        }
    }
}

/// Keeps the literals that reach `need` with the best of the others.
fn keep(need: f64, xs: &mut Vec<Part>, others: &[Part]) {
    let adds = others.iter().map(|o| o.adds).fold(f64::NEG_INFINITY, f64::max);
    let overlap = others.iter().map(|o| o.overlap).fold(0.0, f64::max);
    xs.retain(|x| x.adds + adds + x.overlap.min(overlap) >= need);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let values = proptest::collection::vec((-9i32..9, 0i32..6), 0..12);
        values.prop_map(|values| {
            let part = |(column, (adds, overlap)): (usize, (i32, i32))| Part {
                column,
                adds: f64::from(adds),
                overlap: f64::from(overlap),
            };
            values.into_iter().enumerate().map(part).collect()
        })
    }

    /// All pairs that reach `need`, by trying each.
    fn slow(need: f64, xs: &[Part], ys: &[Part], wanted: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for x in xs {
            let reaches = |y: &&Part| x.adds + y.adds + x.overlap.min(y.overlap) >= need && wanted(x.column, y.column);
            pairs.extend(ys.iter().filter(reaches).map(|y| (x.column, y.column)));
        }
        pairs.sort_unstable();
        pairs
    }

    proptest! {
        #[test]
        fn every_pair_that_reaches_is_found_once(xs in parts(), ys in parts(), need in -5i32..20) {
            let need = f64::from(need);
            let mut found = Vec::new();
            reaching(need, xs.clone(), ys.clone(), |x, y| found.push((x, y)));
            found.sort_unstable();
            prop_assert_eq!(found, slow(need, &xs, &ys, |x, y| x != y));
            let mut found = Vec::new();
            reaching_unordered(need, xs.clone(), |x, y| found.push((x, y)));
            found.sort_unstable();
            prop_assert_eq!(found, slow(need, &xs, &xs, |x, y| x < y));
        }
    }
}
