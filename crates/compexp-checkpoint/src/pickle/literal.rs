//! Numbers and strings in the notation of the pickle protocols.

/// Longest integer, in bytes: a checkpoint's magic number has 10, and printing in decimal takes quadratic time.
pub(crate) const MAX_INT_BYTES: usize = 128;
/// Longest integer in decimal digits.
const MAX_DIGITS: usize = 320;

/// An integer of any size up to the limit.
#[derive(Debug, PartialEq)]
pub(crate) enum Integer {
    Small(i64),
    /// In decimal.
    Big(String),
}

/// A little-endian two's complement integer of at most [`MAX_INT_BYTES`].
pub(crate) fn binary_integer(bytes: &[u8]) -> Integer {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    if bytes.len() <= 8 || (bytes[8..].iter().all(|&b| b == fill) && (bytes[7] & 0x80 != 0) == negative) {
        let mut eight = [fill; 8];
        let n = bytes.len().min(8);
        eight[..n].copy_from_slice(&bytes[..n]);
        return Integer::Small(i64::from_le_bytes(eight));
    }
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, over);
        }
    }
    // Digits of base 10^9, least significant first.
    let mut digits: Vec<u32> = vec![0];
    for &byte in magnitude.iter().rev() {
        let mut carry = u64::from(byte);
        for digit in &mut digits {
            let x = u64::from(*digit) * 256 + carry;
            *digit = (x % 1_000_000_000) as u32;
            carry = x / 1_000_000_000;
        }
        if carry > 0 {
            digits.push(carry as u32);
        }
    }
    let mut text = String::from(if negative { "-" } else { "" });
    for (i, digit) in digits.iter().rev().enumerate() {
        text += &if i == 0 { format!("{digit}") } else { format!("{digit:09}") };
    }
    Integer::Big(text)
}

/// A decimal integer, with Python 2's `L` at its end or without.
pub(crate) fn decimal_integer(line: &[u8]) -> Option<Integer> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let text = text.strip_suffix('L').unwrap_or(text);
    if let Ok(small) = text.parse() {
        return Some(Integer::Small(small));
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let digits = digits.trim_start_matches('0');
    let plain = !digits.is_empty() && digits.len() <= MAX_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| Integer::Big(format!("{sign}{digits}")))
}

/// A Python string literal with its quotes and escapes, as protocol 0 has it.
pub(crate) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii();
    let quote = *line.first()?;
    if line.len() < 2 || line.last() != Some(&quote) || !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let mut rest = line[1..line.len() - 1].iter().copied();
    let mut out = Vec::with_capacity(rest.len());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'x' => (hex(rest.next()?)? * 16 + hex(rest.next()?)?) as u8,
            other @ (b'\\' | b'\'' | b'"') => other,
            _ => return None,
        });
    }
    Some(out)
}

/// Python's `raw-unicode-escape`: `\uXXXX` and `\UXXXXXXXX`, every other byte a code point.
pub(crate) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        let n_digits = match (first, tail.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                out.push(char::from(*first));
                rest = tail;
                continue;
            }
        };
        let digits = tail.get(1..1 + n_digits)?;
        let code = digits.iter().try_fold(0u32, |code, &d| Some((code << 4) | hex(d)?))?;
        out.push(char::from_u32(code)?);
        rest = &tail[1 + n_digits..];
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u32> {
    char::from(digit).to_digit(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_integers_are_exact_at_every_size() {
        let small = |bytes: &[u8], expected| assert_eq!(binary_integer(bytes), Integer::Small(expected), "{bytes:?}");
        small(&[], 0);
        small(&[0xff], -1);
        small(&[0xff, 0x00], 255);
        small(&i64::MAX.to_le_bytes(), i64::MAX);
        small(&i64::MIN.to_le_bytes(), i64::MIN);
        small(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff], i64::MIN);
        let big = |bytes: &[u8], expected: &str| {
            assert_eq!(binary_integer(bytes), Integer::Big(expected.into()), "{bytes:?}");
        };
        big(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0], "9223372036854775808");
        big(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xfe], "-27670116110564327424");
        big(&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19], "119547037146038801333356");
        // i128 gives the same digits in an independent way.
        for x in [i128::MIN, i128::MAX, -(1 << 64), 10i128.pow(27), -10i128.pow(36) - 1, i128::from(i64::MAX) + 1] {
            big(&x.to_le_bytes(), &x.to_string());
        }
    }

    #[test]
    fn decimal_integers_are_read_with_and_without_the_long_suffix() {
        assert_eq!(decimal_integer(b"17"), Some(Integer::Small(17)));
        assert_eq!(decimal_integer(b"-17L"), Some(Integer::Small(-17)));
        let magic = "119547037146038801333356";
        assert_eq!(decimal_integer(format!("{magic}L").as_bytes()), Some(Integer::Big(magic.into())));
        for bad in ["", "-", "L", "1x", "--1", &"9".repeat(MAX_DIGITS + 1)] {
            assert_eq!(decimal_integer(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn string_literals_lose_quotes_and_escapes() {
        assert_eq!(quoted(br"'a\'b\\\n\x00\xff'").unwrap(), b"a'b\\\n\x00\xff");
        assert_eq!(quoted(b"\"it's\"").unwrap(), b"it's");
        for bad in [&b""[..], b"'", b"abc", b"'a\"", br"'\x0'", br"'\"] {
            assert_eq!(quoted(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn raw_unicode_keeps_latin_1_and_reads_escapes() {
        assert_eq!(raw_unicode(b"caf\xe9 \\u732b \\U0001f600 \\n").unwrap(), "café 猫 😀 \\n");
        for bad in [&b"\\u12"[..], b"\\ud800", b"\\uzzzz", b"\\U00110000"] {
            assert_eq!(raw_unicode(bad), None, "{bad:?}");
        }
    }
}
