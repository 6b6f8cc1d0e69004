//! The keys of concepts in words: `pre:tag:nn` is "premise: noun (NN)".

use crate::in_words::penn_tag;

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
        ("tag", tag) => Some(match penn_tag(tag) {
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
