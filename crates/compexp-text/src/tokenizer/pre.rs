//! The rules as a pre-tokenizer of the `tokenizers` crate, for pipelines made from its parts.

use tokenizers::normalizer::Range;
use tokenizers::{PreTokenizedString, PreTokenizer};

use super::Tokenizer;

/// Splits text into the tokens of [`Tokenizer::tokenize`]: spaCy's, so white space beyond single blanks is one, too.
/// The rules distinguish capitals from small letters, so convert words to lower case after the split, not before.
impl PreTokenizer for Tokenizer {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        text.split(|_, text| {
            let tokens = self.ranges(text.get())?;
            Ok(tokens.into_iter().filter_map(|token| text.slice(Range::Normalized(token))).collect::<Vec<_>>())
        })
    }
}

#[cfg(test)]
mod tests {
    use tokenizers::models::wordlevel::WordLevel;
    use tokenizers::{
        DecoderWrapper, NormalizerWrapper, OffsetReferential, OffsetType, PostProcessorWrapper, TokenizerImpl,
    };

    use super::super::tests::{ODD, sentences, tokenizer};
    use super::*;

    fn split(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
        let mut split = PreTokenizedString::from(text);
        tokenizer.pre_tokenize(&mut split).unwrap();
        let splits = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
        for (token, (start, end), _) in &splits {
            assert_eq!(*token, &text[*start..*end], "{text:?}");
        }
        splits.into_iter().map(|(token, ..)| token.to_owned()).collect()
    }

    #[test]
    fn the_pre_tokenizer_gives_the_tokens_of_the_plain_function() {
        let Some(tokenizer) = tokenizer() else { return };
        for (text, expected) in ODD {
            assert_eq!(split(&tokenizer, text), *expected);
        }
        for sentence in sentences() {
            let found = split(&tokenizer, &sentence.text);
            assert_eq!(found, sentence.tokens);
            assert_eq!(found, tokenizer.tokenize(&sentence.text).unwrap());
        }
    }

    #[test]
    fn a_pipeline_of_the_pre_tokenizer_and_a_word_table_gives_numbers_and_offsets() {
        let Some(rules) = tokenizer() else { return };
        let words = ["UNK", "Do", "n't", "run", "."];
        let model = WordLevel::builder()
            .vocab(words.iter().map(|word| (*word).to_owned()).zip(0..).collect())
            .unk_token("UNK".into())
            .build()
            .unwrap();
        let mut pipeline: TokenizerImpl<_, NormalizerWrapper, Tokenizer, PostProcessorWrapper, DecoderWrapper> =
            TokenizerImpl::new(model);
        pipeline.with_pre_tokenizer(Some(rules));
        let encoded = pipeline.encode("Don't run fast.", false).unwrap();
        assert_eq!(encoded.get_ids(), [1, 2, 3, 0, 4]);
        assert_eq!(encoded.get_offsets(), [(0, 2), (2, 5), (6, 9), (10, 14), (14, 15)]);
    }
}
