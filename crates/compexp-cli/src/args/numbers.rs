//! Parsers of numbers within bounds. Arguments of one kind share a parser, so they refuse the same values.

use std::ops::{Bound, RangeBounds};
use std::str::FromStr;

use clap::builder::RangedU64ValueParser;
use compexp_core::probe::Grid;

/// A whole number from `least` to `most`.
pub(super) fn whole(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

/// The same for a number that is one of several forms of an argument.
pub(super) fn whole_number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let value = text.trim().parse().map_err(|_| "not a whole number".to_owned())?;
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("{value} is not in {least}..={most}")) }
}

/// A number of repetitions or things: 1 or more.
pub(super) fn at_least_1() -> RangedU64ValueParser<usize> {
    whole(1, u64::MAX)
}

/// Passes over the examples of a training.
pub(super) fn epochs() -> RangedU64ValueParser<usize> {
    whole(1, 1 << 20)
}

/// Images that run through a network at once.
pub(super) fn image_batch() -> RangedU64ValueParser<usize> {
    whole(1, 4096)
}

/// The floating-point numbers that arguments are parsed to.
pub(super) trait Real: FromStr + PartialOrd + Copy + Send + Sync + 'static {
    const ZERO: Self;
    const HALF: Self;
    const ONE: Self;
    /// The smallest number above 0 with full precision (not subnormal).
    const LEAST: Self;
    const INFINITY: Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const HALF: Self = 0.5;
    const ONE: Self = 1.0;
    const LEAST: Self = Self::MIN_POSITIVE;
    const INFINITY: Self = Self::INFINITY;
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const HALF: Self = 0.5;
    const ONE: Self = 1.0;
    const LEAST: Self = Self::MIN_POSITIVE;
    const INFINITY: Self = Self::INFINITY;
}

/// A number within `range`; `expected` describes the range in an error message. NaN is in no range.
fn within<T: Real>(text: &str, range: impl RangeBounds<T>, expected: &str) -> Result<T, String> {
    let value: T = text.trim().parse().map_err(|_| "not a number".to_owned())?;
    if range.contains(&value) { Ok(value) } else { Err(format!("expected {expected}")) }
}

/// A share above 0 and below 1.
pub(super) fn part<T: Real>(text: &str) -> Result<T, String> {
    within(text, (Bound::Excluded(T::ZERO), Bound::Excluded(T::ONE)), "a share between 0 and 1")
}

/// A share from 0 to less than 1.
pub(super) fn share_below_1<T: Real>(text: &str) -> Result<T, String> {
    within(text, T::ZERO..T::ONE, "a share from 0 to less than 1")
}

/// A share from 0 to less than a half, so that two sides can both have it.
pub(super) fn share_below_half<T: Real>(text: &str) -> Result<T, String> {
    within(text, T::ZERO..T::HALF, "a share from 0 to less than a half")
}

/// A factor for a score: above 0, up to 1.
pub(super) fn factor<T: Real>(text: &str) -> Result<T, String> {
    let range = (Bound::Excluded(T::ZERO), Bound::Included(T::ONE));
    within(text, range, "a factor above 0 and up to 1 (1 = none)")
}

/// A number from 0 to 1.
pub(super) fn from_0_to_1<T: Real>(text: &str) -> Result<T, String> {
    within(text, T::ZERO..=T::ONE, "a number from 0 to 1")
}

/// An intersection over union.
pub(super) fn iou<T: Real>(text: &str) -> Result<T, String> {
    within(text, T::ZERO..=T::ONE, "an IoU from 0 to 1")
}

/// A finite number above 0.
pub(super) fn above_0<T: Real>(text: &str) -> Result<T, String> {
    within(text, T::LEAST..T::INFINITY, "a number above 0")
}

/// A finite number of 0 or more.
pub(super) fn at_least_0<T: Real>(text: &str) -> Result<T, String> {
    within(text, T::ZERO..T::INFINITY, "a number of 0 or more")
}

/// A time.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    within(text, f64::LEAST..f64::INFINITY, "seconds above 0")
}

/// Rows and columns of a map: `7x7`.
pub(super) fn grid(text: &str) -> Result<Grid, String> {
    let expected = "expected rows and columns, as 7x7";
    let (height, width) = text.split_once(['x', 'X']).ok_or(expected)?;
    let side = |text: &str| whole_number(text, 1, 1 << 16).map_err(|_| expected.to_owned());
    Ok(Grid { height: side(height)?, width: side(width)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of `texts` that a parser takes.
    fn taken(parser: fn(&str) -> Result<f64, String>) -> Vec<&'static str> {
        let texts =
            ["-inf", "-1", "-0.1", "0", "1e-310", "0.25", "0.5", "0.75", "1", "1.5", "1e6", "inf", "nan", "x", ""];
        texts.into_iter().filter(|text| parser(text).is_ok()).collect()
    }

    #[test]
    fn numbers_outside_their_ranges_are_refused() {
        let inside = ["0.25", "0.5", "0.75"];
        assert_eq!(taken(part), [&["1e-310"], &inside[..]].concat());
        assert_eq!(taken(share_below_1), [&["0", "1e-310"], &inside[..]].concat());
        assert_eq!(taken(share_below_half), ["0", "1e-310", "0.25"]);
        assert_eq!(taken(factor), [&["1e-310"], &inside[..], &["1"]].concat());
        for parser in [from_0_to_1, iou] {
            assert_eq!(taken(parser), [&["0", "1e-310"], &inside[..], &["1"]].concat());
        }
        for parser in [above_0, seconds] {
            assert_eq!(taken(parser), [&inside[..], &["1", "1.5", "1e6"]].concat());
        }
        assert_eq!(taken(at_least_0), [&["0", "1e-310"], &inside[..], &["1", "1.5", "1e6"]].concat());
    }

    #[test]
    fn a_number_is_of_the_type_that_its_setting_has() {
        assert_eq!((above_0::<f32>("0.1"), above_0::<f64>(" 0.1 ")), (Ok(0.1_f32), Ok(0.1_f64)));
        assert!(above_0::<f32>("1e-40").is_err() && above_0::<f64>("1e-40").is_ok(), "its own least number");
        assert!(above_0::<f32>("1e39").is_err() && above_0::<f64>("1e39").is_ok(), "its own infinity");
    }

    #[test]
    fn a_map_has_rows_and_columns() {
        assert_eq!(grid("7x14"), Ok(Grid { height: 7, width: 14 }));
        for text in ["", "7", "0x7", "7x-1", "7x7x7", "axb"] {
            assert_eq!(grid(text).unwrap_err(), "expected rows and columns, as 7x7", "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_expected() {
        assert_eq!(part::<f64>("2").unwrap_err(), "expected a share between 0 and 1");
        assert_eq!(part::<f64>("two").unwrap_err(), "not a number");
    }
}
