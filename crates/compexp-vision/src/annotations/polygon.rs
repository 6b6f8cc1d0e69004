//! Polygons: which pixels are inside, by the rule of pycocotools.
//!
//! Coordinates are rounded to fifths of a pixel. Each side is walked in steps of its longer axis. Where the walk crosses the
//! middle of a column of pixels, it toggles the mask from there on, in column-major order. So a pixel is inside if its centre
//! is, by the even-odd rule.

/// The greatest coordinate, in pixels; beyond it pycocotools overflows.
const MOST: f64 = 1e8;

/// Fine places a pixel.
const FINE: i64 = 5;

/// Adds the polygon of the corners `x, y, x, y, ...` to a mask of `height` rows, column by column. `toggles` is scratch memory.
///
/// # Errors
/// The coordinate that is not finite or too far from the picture.
pub(super) fn fill(corners: &[f64], height: usize, mask: &mut [bool], toggles: &mut Vec<bool>) -> Result<(), f64> {
    if let Some(&bad) = corners.iter().find(|c| !(-MOST..=MOST).contains(*c)) {
        return Err(bad);
    }
    let width = mask.len().checked_div(height).unwrap_or_default();
    toggles.clear();
    toggles.resize(mask.len() + 1, false);
    // The cast cuts off towards zero, as in C.
    let fine: Vec<[i64; 2]> =
        corners.chunks_exact(2).map(|c| [c[0], c[1]].map(|c| (FINE as f64 * c + 0.5) as i64)).collect();
    for (at, from) in fine.iter().enumerate() {
        let to = fine[(at + 1) % fine.len()];
        crossings(*from, to, width, |column, y| {
            let y = ((y as f64 + 0.5) / FINE as f64 - 0.5).clamp(0.0, height as f64).ceil();
            // A row beyond the last one is the first of the next column.
            toggles[column * height + y as usize] ^= true;
        });
    }
    let mut inside = false;
    for (pixel, toggle) in mask.iter_mut().zip(&*toggles) {
        inside ^= toggle;
        *pixel |= inside;
    }
    Ok(())
}

/// Calls `cross` with each column of pixels whose middle the side crosses, and with the fine row where it does.
fn crossings([x0, y0]: [i64; 2], [x1, y1]: [i64; 2], width: usize, mut cross: impl FnMut(usize, i64)) {
    let (dx, dy) = ((x1 - x0).abs(), (y1 - y0).abs());
    let flat = dx >= dy;
    let turned = if flat { x0 > x1 } else { y0 > y1 };
    let ([x0, y0], [x1, y1]) = if turned { ([x1, y1], [x0, y0]) } else { ([x0, y0], [x1, y1]) };
    if dx == 0 {
        return;
    }
    let slope = if flat { (y1 - y0) as f64 / dx as f64 } else { (x1 - x0) as f64 / dy as f64 };
    let other = |start: i64, step: i64| (start as f64 + slope * step as f64 + 0.5) as i64;
    // The middle of a column is crossed between the fine columns 5 k + 2 and 5 k + 3.
    let (left, right) = (x0.min(x1), x0.max(x1));
    let first = (left - 2 + FINE - 1).div_euclid(FINE).max(0);
    let end = (right - 3).div_euclid(FINE).min(width as i64 - 1);
    for column in first..=end {
        let x = FINE * column + 2;
        let y = if flat {
            let step = x - x0;
            other(y0, step).min(other(y0, step + 1))
        } else {
            // Columns change in one direction along the side, so that the place can be found by halving.
            let passed = |step: i64| if slope > 0.0 { other(x0, step) > x } else { other(x0, step) <= x };
            let (mut before, mut after) = (0, dy);
            while before + 1 < after {
                let middle = before + (after - before) / 2;
                if passed(middle) { after = middle } else { before = middle }
            }
            y0 + before
        };
        cross(column as usize, y);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule step by step, one point of the walk after another.
    fn walked(corners: &[f64], height: usize, width: usize) -> Vec<bool> {
        let trunc = |v: f64| v as i64;
        let n = corners.len() / 2;
        let point = |i: usize| [0, 1].map(|axis| trunc(5.0 * corners[2 * (i % n) + axis] + 0.5));
        let mut walk = vec![];
        for i in 0..n {
            let ([mut x0, mut y0], [mut x1, mut y1]) = (point(i), point(i + 1));
            let (dx, dy) = ((x1 - x0).abs(), (y1 - y0).abs());
            if dx == 0 && dy == 0 {
                walk.push([x0, y0]);
                continue;
            }
            let turn = (dx >= dy && x0 > x1) || (dx < dy && y0 > y1);
            if turn {
                ([x0, y0], [x1, y1]) = ([x1, y1], [x0, y0]);
            }
            let slope = if dx >= dy { (y1 - y0) as f64 / dx as f64 } else { (x1 - x0) as f64 / dy as f64 };
            let side = (0..=dx.max(dy)).map(|t| match dx >= dy {
                true => [t + x0, trunc(y0 as f64 + slope * t as f64 + 0.5)],
                false => [trunc(x0 as f64 + slope * t as f64 + 0.5), t + y0],
            });
            let mut side: Vec<_> = side.collect();
            if turn {
                side.reverse();
            }
            walk.extend(side);
        }
        let mut toggles = vec![false; height * width + 1];
        for pair in walk.windows(2) {
            let ([before, row_before], [x, row]) = (pair[0], pair[1]);
            if x == before {
                continue;
            }
            let column = ((if x < before { x } else { x - 1 }) as f64 + 0.5) / 5.0 - 0.5;
            if column != column.floor() || column < 0.0 || column > width as f64 - 1.0 {
                continue;
            }
            let y = ((row.min(row_before) as f64 + 0.5) / 5.0 - 0.5).clamp(0.0, height as f64).ceil();
            toggles[column as usize * height + y as usize] ^= true;
        }
        let mut inside = false;
        let pixel = |toggle: &bool| {
            inside ^= toggle;
            inside
        };
        toggles[..height * width].iter().map(pixel).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn columns_are_found_without_walking(
            corners in prop::collection::vec(
                prop_oneof![-20.0..60.0_f64, (-10..50_i32).prop_map(|v| f64::from(v) / 2.0), Just(-0.1), Just(0.5)],
                0..24,
            ),
            height in 1..30_usize,
            width in 1..30_usize,
        ) {
            let corners = &corners[..corners.len() / 2 * 2];
            let mut mask = vec![false; height * width];
            fill(corners, height, &mut mask, &mut vec![]).unwrap();
            prop_assert_eq!(mask, walked(corners, height, width));
        }
    }

    #[test]
    fn far_corners_cost_nothing_and_impossible_ones_are_refused() {
        let mut mask = vec![false; 12];
        fill(&[-9e7, -9e7, 9e7, -9e7, 9e7, 9e7, -9e7, 9e7], 3, &mut mask, &mut vec![]).unwrap();
        assert_eq!(mask, [true; 12]);
        for bad in [f64::NAN, f64::INFINITY, -1e300] {
            let e = fill(&[0.0, 0.0, bad, 5.0, 5.0, 5.0], 3, &mut mask, &mut vec![]).unwrap_err();
            assert!(e.is_nan() == bad.is_nan() && (bad.is_nan() || e == bad));
        }
    }
}
