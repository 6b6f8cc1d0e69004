//! What a language model makes of the words of sentences: the tokens that stand for them, and the values of its layers there.

use crate::align::{ModelTokenizer, Tokens};
use crate::conllu::Sentence;
use crate::encoder::{Encoder, Tap};
use crate::error::Result;

/// A sentence as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordTokens {
    /// Its tokens.
    pub tokens: Tokens,
    /// The first token of each word, whose values are the word's; none for words behind a cut.
    pub first: Vec<Option<usize>>,
}

impl WordTokens {
    /// The tokens of a sentence, cut to `positions` where it has more.
    ///
    /// # Errors
    /// Those of [`ModelTokenizer::tokens`], [`Sentence::spans`] and [`Tokens::align`].
    pub fn of(sentence: &Sentence, tokenizer: &ModelTokenizer, positions: Option<usize>) -> Result<Self> {
        let mut tokens = tokenizer.tokens(&sentence.written())?;
        if let Some(positions) = positions {
            tokens.cut(positions);
        }
        let alignment = tokens.align(&sentence.spans()?)?;
        let first = (0..alignment.words()).map(|word| alignment.tokens(word).first().copied()).collect();
        Ok(Self { tokens, first })
    }

    /// The words that have a token.
    pub fn words(&self) -> usize {
        self.first.iter().flatten().count()
    }
}

/// The values of layers at the words of sentences that have a token, in order: for each tap `(words, width)`, row-major.
///
/// # Errors
/// Those of [`Encoder::run`].
pub fn word_values(encoder: &Encoder, sentences: &[WordTokens], taps: &[Tap]) -> Result<Vec<Vec<f32>>> {
    let ids: Vec<&[u32]> = sentences.iter().map(|sentence| &sentence.tokens.ids[..]).collect();
    let mut values = vec![Vec::new(); taps.len()];
    for (sentence, layers) in sentences.iter().zip(encoder.run(&ids, taps)?) {
        for (values, layer) in values.iter_mut().zip(&layers) {
            sentence.first.iter().flatten().for_each(|token| values.extend(layer.row(*token)));
        }
    }
    Ok(values)
}
