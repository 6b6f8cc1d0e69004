//! Outlines: sets of positions as the path data of an SVG, in units of one position.

use std::fmt::Write;

use compexp_core::probe::Grid;

/// How the masks of a unit and of its formula divide an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// The unit fires, the formula is false.
    Unit,
    /// The formula is true, the unit does not fire.
    Formula,
    /// Both.
    Both,
}

/// The outline of a region of two packed masks (the unit's, then the formula's), each of whole bytes; empty where the region
/// is. Filled by either rule it covers exactly the region's positions.
pub(super) fn outline(masks: &[u8], grid: Grid, region: Region) -> String {
    let bytes = grid.positions().div_ceil(8);
    let bit = |at: usize, p: usize| masks.get(at + p / 8).is_some_and(|byte| byte >> (p % 8) & 1 == 1);
    let inside = |p: usize| match (bit(0, p), bit(bytes, p)) {
        (true, false) => region == Region::Unit,
        (false, true) => region == Region::Formula,
        (true, true) => region == Region::Both,
        (false, false) => false,
    };
    trace(&(0..grid.positions()).map(inside).collect::<Vec<_>>(), grid)
}

const RIGHT: u8 = 0;
const DOWN: u8 = 1;
const LEFT: u8 = 2;
const UP: u8 = 3;

/// Every border between inside and outside is walked once, with the inside on the right.
fn trace(mask: &[bool], Grid { height, width }: Grid) -> String {
    let corners = width + 1;
    // For each corner the directions in which a border leaves it, as bits.
    let mut leaving = vec![0_u8; corners * (height + 1)];
    for y in 0..height {
        for x in 0..width {
            if !mask[y * width + x] {
                continue;
            }
            let corner = y * corners + x;
            if y == 0 || !mask[(y - 1) * width + x] {
                leaving[corner] |= 1 << RIGHT;
            }
            if x + 1 == width || !mask[y * width + x + 1] {
                leaving[corner + 1] |= 1 << DOWN;
            }
            if y + 1 == height || !mask[(y + 1) * width + x] {
                leaving[corner + corners + 1] |= 1 << LEFT;
            }
            if x == 0 || !mask[y * width + x - 1] {
                leaving[corner + corners] |= 1 << UP;
            }
        }
    }
    let mut path = String::new();
    for start in 0..leaving.len() {
        while leaving[start] != 0 {
            let _ = write!(path, "M{} {}", start % corners, start / corners);
            let (mut at, mut heading) = (start, leaving[start].trailing_zeros() as u8);
            let mut steps = 0_i64;
            loop {
                leaving[at] &= !(1 << heading);
                at = match heading {
                    RIGHT => at + 1,
                    DOWN => at + corners,
                    LEFT => at - 1,
                    _ => at - corners,
                };
                steps += 1;
                // A right turn first, so that positions that touch at a corner only are not cut across.
                let turn = [(heading + 1) % 4, heading, (heading + 3) % 4];
                let next = turn.into_iter().find(|d| leaving[at] >> d & 1 == 1);
                if next == Some(heading) {
                    continue;
                }
                let (letter, sign) = match heading {
                    RIGHT => ('h', 1),
                    DOWN => ('v', 1),
                    LEFT => ('h', -1),
                    _ => ('v', -1),
                };
                match next {
                    Some(next) => {
                        let _ = write!(path, "{letter}{}", sign * steps);
                        (heading, steps) = (next, 0);
                    }
                    // Back at the start: the last side closes itself.
                    None => break path.push('z'),
                }
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use compexp_core::exemplar::pack;
    use proptest::prelude::*;

    use super::*;

    /// The positions that a path covers: left of a position's centre an odd number of vertical sides.
    fn filled(path: &str, grid: Grid) -> Vec<bool> {
        let mut crossings = vec![0; grid.positions()];
        for part in path.split('M').filter(|p| !p.is_empty()) {
            let body = part.strip_suffix('z').expect("every loop is closed");
            let split = body.find(['h', 'v']).unwrap();
            let (x, y) = body[..split].split_once(' ').unwrap();
            let start: (i64, i64) = (x.parse().unwrap(), y.parse().unwrap());
            let mut corners = vec![start];
            let mut rest = &body[split..];
            while !rest.is_empty() {
                let end = rest[1..].find(['h', 'v']).map_or(rest.len(), |i| i + 1);
                let by: i64 = rest[1..end].parse().unwrap();
                let (x, y) = *corners.last().unwrap();
                corners.push(if rest.starts_with('h') { (x + by, y) } else { (x, y + by) });
                rest = &rest[end..];
            }
            corners.push(start);
            for side in corners.windows(2).filter(|s| s[0].0 == s[1].0) {
                for y in side[0].1.min(side[1].1)..side[0].1.max(side[1].1) {
                    (side[0].0..grid.width as i64).for_each(|x| crossings[y as usize * grid.width + x as usize] += 1);
                }
            }
        }
        crossings.into_iter().map(|c| c % 2 == 1).collect()
    }

    #[test]
    fn a_block_is_one_loop_of_four_sides() {
        let grid = Grid { height: 3, width: 4 };
        let mask: Vec<bool> = (0..12).map(|p| p / 4 >= 1 && p % 4 >= 2).collect();
        assert_eq!(trace(&mask, grid), "M2 1h2v2h-2z");
        assert_eq!(trace(&[false; 12], grid), "");
    }

    proptest! {
        #[test]
        fn outlines_cover_exactly_their_regions(height in 1_usize..9, width in 1_usize..9, bits: [u64; 2]) {
            let grid = Grid { height, width };
            let n = grid.positions();
            let mask = |m: usize| (0..n).map(|p| bits[m] >> p & 1 == 1).collect::<Vec<bool>>();
            let (unit, formula) = (mask(0), mask(1));
            let masks = [pack(&unit), pack(&formula)].concat();
            for region in [Region::Unit, Region::Formula, Region::Both] {
                let expected: Vec<bool> = (0..n).map(|p| (unit[p], formula[p]) == match region {
                    Region::Unit => (true, false),
                    Region::Formula => (false, true),
                    Region::Both => (true, true),
                }).collect();
                prop_assert_eq!(filled(&outline(&masks, grid, region), grid), expected);
            }
        }
    }
}
