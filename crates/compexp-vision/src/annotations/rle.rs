//! Runs: masks as the lengths of runs of 0 and 1 in turn, column by column, as COCO writes them.

/// The lengths of runs in COCO's text form: five bits a character, the sixth says that more follow, and from the fourth
/// length on the difference from the length two before.
///
/// # Errors
/// What was found that is no such text.
pub(super) fn parse_counts(text: &str) -> Result<Vec<u32>, String> {
    let mut counts: Vec<u32> = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((at, first)) = bytes.next() {
        let (mut byte, mut value, mut shift) = (first, 0_i64, 0);
        loop {
            let bits = byte.checked_sub(48).filter(|bits| *bits < 64 && shift < 60);
            let bits = bits.ok_or_else(|| format!("character {} of the runs is no part of a length", at + 1))?;
            value |= i64::from(bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 == 0 {
                if bits & 0x10 != 0 {
                    value |= -1 << shift;
                }
                break;
            }
            byte = bytes.next().ok_or("runs that end within a length")?.1;
        }
        // The first length has nothing before it, and the next two are written as they are.
        if counts.len() > 2 {
            value += i64::from(counts[counts.len() - 2]);
        }
        let value = u32::try_from(value).map_err(|_| format!("a run of length {value}"))?;
        counts.push(value);
    }
    Ok(counts)
}

/// Adds runs to a mask, column by column.
///
/// # Errors
/// The sum of the lengths, if it is not the number of pixels.
pub(super) fn fill(counts: &[u32], mask: &mut [bool]) -> Result<(), u64> {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if total != mask.len() as u64 {
        return Err(total);
    }
    let (mut at, mut inside) = (0, false);
    for &count in counts {
        let end = at + count as usize;
        if inside {
            mask[at..end].fill(true);
        }
        (at, inside) = (end, !inside);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text form, written independently of [`parse_counts`].
    fn write(counts: &[u32]) -> String {
        let mut text = String::new();
        for (i, &count) in counts.iter().enumerate() {
            let mut x = i64::from(count) - if i > 2 { i64::from(counts[i - 2]) } else { 0 };
            loop {
                let bits = (x & 0x1f) as u8;
                x >>= 5;
                let more = if bits & 0x10 != 0 { x != -1 } else { x != 0 };
                text.push(char::from(48 + bits + if more { 0x20 } else { 0 }));
                if !more {
                    break;
                }
            }
        }
        text
    }

    #[test]
    fn counts_read_what_was_written() {
        let cases: [&[u32]; 5] =
            [&[], &[0, 6144], &[5, 1, 100_000, 3, 2, 99_999, 0, 0, 7], &[u32::MAX, 0, u32::MAX], &[31, 32, 33, 15, 16]];
        for counts in cases {
            assert_eq!(parse_counts(&write(counts)).unwrap(), counts);
        }
        // The beginning of a text that pycocotools wrote.
        assert_eq!(parse_counts("l37m02N").unwrap()[..2], [124, 7]);
    }

    #[test]
    fn what_is_no_text_of_runs_is_refused() {
        assert_eq!(parse_counts("5 5").unwrap_err(), "character 2 of the runs is no part of a length");
        assert_eq!(parse_counts("é").unwrap_err(), "character 1 of the runs is no part of a length");
        assert_eq!(parse_counts("5P").unwrap_err(), "runs that end within a length");
        assert_eq!(parse_counts("O").unwrap_err(), "a run of length -1");
        assert!(parse_counts(&"o".repeat(40)).is_err(), "a length beyond 64 bits");
    }

    #[test]
    fn runs_must_cover_the_mask() {
        let mut mask = [false, true, false, false];
        fill(&[2, 1, 1], &mut mask).unwrap();
        assert_eq!(mask, [false, true, true, false], "what was there stays");
        assert_eq!(fill(&[2, 1], &mut mask).unwrap_err(), 3);
        assert_eq!(fill(&[u32::MAX, u32::MAX], &mut mask).unwrap_err(), 2 * u64::from(u32::MAX));
    }
}
