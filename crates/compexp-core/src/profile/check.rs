//! Whether activations or masks belong to a probe set.

use crate::activation::MaskSource;
use crate::error::{Error, Result};
use crate::partition::PositionMap;
use crate::probe::Grid;

pub(super) fn check_masks(source: &dyn MaskSource, units: &[usize], map: &PositionMap) -> Result<()> {
    check_examples("masks", source.n_examples(), map)?;
    check_units(units.iter().copied(), source.n_units())?;
    if source.grid() != map.grid() {
        let show = |g: Grid| format!("{} x {}", g.height, g.width);
        return Err(Error::mismatch(
            "grid of the masks",
            show(source.grid()),
            format!("{}, as the annotations have", show(map.grid())),
        ));
    }
    Ok(())
}

pub(super) fn check_examples(what: &str, found: usize, map: &PositionMap) -> Result<()> {
    if found != map.n_examples() {
        return Err(Error::mismatch(
            format!("examples in the {what}"),
            found,
            format!("{}, as the probe set has: one row for each example, in its order", map.n_examples()),
        ));
    }
    Ok(())
}

pub(super) fn check_units(units: impl IntoIterator<Item = usize>, n_units: usize) -> Result<()> {
    match units.into_iter().find(|u| *u >= n_units) {
        Some(unit) => Err(Error::mismatch("unit", unit, format!("0 to {}", n_units.saturating_sub(1)))),
        None => Ok(()),
    }
}
