//! Numbers and their words, as sentences have them.

/// A whole number with commas between thousands.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

/// So many of something: `1 unit`, `1,024 units`.
pub(crate) fn many(n: usize, what: &str) -> String {
    format!("{} {what}{}", count(n as u64), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart_and_one_is_singular() {
        let counts = [0, 999, 1000, 24_576, 1_000_000].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "24,576", "1,000,000"]);
        assert_eq!([0, 1, 1024].map(|n| many(n, "unit")), ["0 units", "1 unit", "1,024 units"]);
    }
}
