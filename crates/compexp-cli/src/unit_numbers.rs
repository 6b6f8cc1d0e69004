//! The numbers of the selected units.

use crate::args::search::Units;
use crate::failure::Failure;

/// The selected units of a layer with `n` units; each once, ascending.
///
/// # Errors
/// A [`Failure`] if the layer has no such unit.
pub(crate) fn units(asked: Option<&Units>, n: usize) -> Result<Vec<usize>, Failure> {
    let Some(Units(ranges)) = asked else { return Ok((0..n).collect()) };
    if let Some(range) = ranges.iter().find(|r| *r.end() >= n) {
        let message = format!("--units: found {}, expected units below {n}, which is what the layer has", range.end());
        return Err(Failure::usage(message));
    }
    let mut units: Vec<usize> = ranges.iter().cloned().flatten().collect();
    units.sort_unstable();
    units.dedup();
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_sorted_once_and_within_the_layer() {
        let units_of = |text: &str, n| units(Some(&text.parse().unwrap()), n);
        let found = units_of("7,0-2,1", 8).unwrap();
        assert_eq!(found, [0, 1, 2, 7]);
        assert_eq!(units(None, 3).unwrap(), [0, 1, 2]);
        for bad in ["8", "0-8", "0-18446744073709551615"] {
            assert!(units_of(bad, 8).unwrap_err().to_string().contains("units below 8"), "{bad}");
        }
    }
}
