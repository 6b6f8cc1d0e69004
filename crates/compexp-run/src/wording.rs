//! Numbers and durations as people read them.

use std::time::Duration;

/// A whole number with commas between thousands.
pub fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

/// So many of something: `1 unit`, `1,024 units`.
pub fn many(n: usize, what: &str) -> String {
    format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A duration in at most two units: `0.3 s`, `1 min 1 s`, `1 h 2 min`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{:.1} s", d.as_secs_f64()),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart_and_one_is_singular() {
        let counts = [0_u64, 999, 1000, 24_576, 1_000_000].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "24,576", "1,000,000"]);
        assert_eq!([0, 1, 1024].map(|n| many(n, "unit")), ["0 units", "1 unit", "1,024 units"]);
    }

    #[test]
    fn durations_have_two_units() {
        let of = |s: f64| duration(Duration::from_secs_f64(s));
        assert_eq!([of(0.26), of(59.0), of(61.0), of(3_725.0)], ["0.3 s", "59.0 s", "1 min 1 s", "1 h 2 min"]);
    }
}
