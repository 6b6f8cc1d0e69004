//! The two hashes that spaCy's models depend on: strings to 64 bits, and 64 bits to rows of embedding tables.

/// MurmurHash64A (Austin Appleby): spaCy's hash of a string is this one of its UTF-8 bytes with seed 1.
pub(crate) fn murmur64a(key: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut h = seed ^ (key.len() as u64).wrapping_mul(M);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 47;
        h = (h ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        h = (h ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    h ^= h >> 47;
    h = h.wrapping_mul(M);
    h ^ (h >> 47)
}

/// MurmurHash3 for x64, 128 bits, of one 64-bit value: the four numbers that choose the rows of a hash embedding.
pub(crate) fn murmur128(value: u64, seed: u32) -> [u32; 4] {
    // The tail of the published algorithm for a key of 8 bytes: there is no block of 16, and the second half is empty.
    let mut a = value.wrapping_mul(0x87c3_7b91_1142_53d5).rotate_left(31).wrapping_mul(0x4cf5_ad43_2745_937f);
    a ^= u64::from(seed) ^ 8;
    let mut b = u64::from(seed) ^ 8;
    a = a.wrapping_add(b);
    b = b.wrapping_add(a);
    a = mix(a);
    b = mix(b);
    a = a.wrapping_add(b);
    b = b.wrapping_add(a);
    [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32]
}

fn mix(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hash_as_spacy_documents_them() {
        // spaCy's documentation ("Vocab, hashes and lexemes"): "coffee" has this hash.
        assert_eq!(murmur64a(b"coffee", 1), 3_197_928_453_018_144_401);
        // Part-of-speech names in the lemmatizer's tables.
        assert_eq!(murmur64a(b"noun", 1), 16_833_663_260_455_505_849);
        assert_eq!(murmur64a(b"adj", 1), 12_401_032_943_472_870_168);
        assert_eq!(murmur64a(b"a longer string than sixteen", 1), 13_817_872_212_056_268_241);
    }

    #[test]
    fn values_hash_as_murmurhash3_with_the_same_seed_does() {
        // Computed with the `murmurhash` package, on which spaCy's own tables are built.
        assert_eq!(murmur128(0, 0), [3_428_303_819, 685_728_695, 3_303_603_794, 4_065_689_084]);
        assert_eq!(murmur128(1, 0), [4_211_459_146, 4_457_399, 3_547_175_942, 1_032_506_804]);
        assert_eq!(murmur128(12_345_678_901_234, 0), [3_352_554_791, 373_908_416, 1_128_393_731, 267_846_410]);
        assert_eq!(murmur128(12_345_678_901_234, 8), [2_258_603_382, 3_149_057_658, 3_387_905_073, 2_576_102_839]);
    }
}
