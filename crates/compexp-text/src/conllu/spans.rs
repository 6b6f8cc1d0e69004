//! Where the words of a sentence stand in its text.

use std::ops::Range;

use super::Sentence;
use crate::error::{Error, Result};
use crate::lines::excerpt;

impl Sentence {
    /// The sentence as it was written: `text`, else its tokens with the spaces that they say.
    pub fn written(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let mut text = String::new();
        for (i, token) in self.surface.iter().enumerate() {
            text += &token.form;
            if token.space_after && i + 1 < self.surface.len() {
                text.push(' ');
            }
        }
        text
    }

    /// The characters (Unicode code points) of [`Sentence::written`] that each word stands for, counted from 0. The words of a
    /// multiword token have one span.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the tokens do not follow each other in the text.
    pub fn spans(&self) -> Result<Vec<Range<usize>>> {
        let text: Vec<char> = self.written().chars().collect();
        let mut at = 0;
        let mut spans = Vec::with_capacity(self.words.len());
        for token in &self.surface {
            while text.get(at).is_some_and(|c| c.is_whitespace()) {
                at += 1;
            }
            let form: Vec<char> = token.form.chars().collect();
            if text.get(at..at + form.len()) != Some(&form[..]) {
                let rest: String = text[at..].iter().collect();
                let what = format!("text of the sentence {} (line {})", excerpt(&self.id), self.line);
                return Err(Error::mismatch(what, excerpt(&rest), format!("the token {} next", excerpt(&token.form))));
            }
            spans.extend(token.words.clone().map(|_| at..at + form.len()));
            at += form.len();
        }
        Ok(spans)
    }
}
