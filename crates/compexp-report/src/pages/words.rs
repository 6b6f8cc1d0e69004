//! The keys of concepts in words: `pre:tag:nn` is "premise: noun (NN)".

/// What a key says in words; none for a name that is words already.
pub(crate) fn in_words(name: &str) -> Option<String> {
    if let Some(least) = name.strip_prefix("oth:overlap:overlap") {
        return Some(format!("word overlap above {least}%"));
    }
    let (side, rest) = match name.split_once(':')? {
        ("pre", rest) => ("premise", rest),
        ("hyp", rest) => ("hypothesis", rest),
        _ => return None,
    };
    match rest.split_once(':')? {
        ("tok", word) => Some(format!("{side}: {word}")),
        ("tag", tag) => Some(match part_of_speech(tag) {
            Some(words) => format!("{side}: {words} ({})", tag.to_uppercase()),
            None => format!("{side}: tag {tag}"),
        }),
        _ => None,
    }
}

/// A name as pages show it.
pub(crate) fn shown(name: &str) -> String {
    in_words(name).unwrap_or_else(|| name.to_owned())
}

/// The tags of the Penn Treebank.
fn part_of_speech(tag: &str) -> Option<&'static str> {
    Some(match tag.to_lowercase().as_str() {
        "cc" => "coordinating conjunction",
        "cd" => "number",
        "dt" => "determiner",
        "ex" => "existential \"there\"",
        "fw" => "foreign word",
        "in" => "preposition or subordinating conjunction",
        "jj" => "adjective",
        "jjr" => "comparative adjective",
        "jjs" => "superlative adjective",
        "md" => "modal verb",
        "nn" => "noun",
        "nns" => "plural noun",
        "nnp" => "proper noun",
        "nnps" => "plural proper noun",
        "pdt" => "predeterminer",
        "pos" => "possessive ending",
        "prp" => "pronoun",
        "prp$" => "possessive pronoun",
        "rb" => "adverb",
        "rbr" => "comparative adverb",
        "rbs" => "superlative adverb",
        "rp" => "particle",
        "sym" => "symbol",
        "to" => "\"to\"",
        "uh" => "interjection",
        "vb" => "verb, base form",
        "vbd" => "verb, past tense",
        "vbg" => "verb, -ing form",
        "vbn" => "verb, past participle",
        "vbp" => "verb, present tense",
        "vbz" => "verb, third person singular",
        "wdt" => "wh-determiner",
        "wp" => "wh-pronoun",
        "wp$" => "possessive wh-pronoun",
        "wrb" => "wh-adverb",
        "." => "end of sentence",
        "," => "comma",
        ":" => "colon or dash",
        "``" | "''" => "quotation mark",
        "hyph" => "hyphen",
        "$" => "currency sign",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_sentence_pairs_are_words_and_other_names_stay() {
        assert_eq!(shown("pre:tag:nn"), "premise: noun (NN)");
        assert_eq!(shown("hyp:tok:nobody"), "hypothesis: nobody");
        assert_eq!(shown("hyp:tag:xyz"), "hypothesis: tag xyz");
        assert_eq!(shown("pre:tag::"), "premise: colon or dash (:)");
        assert_eq!(shown("oth:overlap:overlap50"), "word overlap above 50%");
        for name in ["grey-c", "pre", "pre:", "night table", "a:b:c", "", "hyp:other:x"] {
            assert_eq!(in_words(name), None, "{name}");
        }
    }
}
