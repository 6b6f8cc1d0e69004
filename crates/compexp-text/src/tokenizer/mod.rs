//! spaCy's English tokenisation, from the rules in a model folder.
//!
//! A text is cut at white space. From each piece prefixes and suffixes are removed until there are none, or until a
//! special case (`don't`, `a.m.`, `:)`) remains. The rest is a special case, an address, or is cut at its infixes. At
//! the end, special cases that the affixes split are joined again.

mod pre;
pub(crate) mod rules;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use crate::error::Result;
use crate::model_folder::expect_model;
use rules::Rules;

/// A longer piece without white space is not split: no word is that long, and the time for its affixes would grow with
/// the square of its length.
const MAX_PIECE: usize = 1024;

/// The number of texts that are cut together. Each distinct piece is cut once, because the regular expressions are slow
/// and words repeat.
const BATCH: usize = 1 << 16;

/// A tokenizer with the rules of a model.
pub struct Tokenizer {
    rules: Rules,
    /// Special cases as affixes alone would cut them, by their first token: the other tokens.
    torn: HashMap<String, Vec<Vec<String>>>,
}

/// A token of a text: its bytes.
type Token = Range<usize>;

impl Tokenizer {
    /// Reads the file `tokenizer` of a model folder.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] if the file is damaged, or if a rule is not a
    /// regular expression.
    pub fn load(folder: &Path) -> Result<Self> {
        expect_model(folder)?;
        let rules = Rules::load(&folder.join("tokenizer"))?;
        let mut torn: HashMap<String, Vec<Vec<String>>> = HashMap::new();
        for special in rules.special.keys() {
            // Special cases that no affix can split need not be joined again.
            let whole = rules.prefix(special)?.is_none() && rules.suffix(special)?.is_none();
            if whole && rules.infixes(special)?.is_empty() && !special.contains(' ') {
                continue;
            }
            let mut tokens = Vec::new();
            for piece in pieces(special) {
                let start = piece.start;
                push(&mut tokens, start, &lengths(&rules, &special[piece], false)?);
            }
            let mut tokens = tokens.into_iter().map(|token| special[token].to_owned());
            if let Some(first) = tokens.next() {
                torn.entry(first).or_default().push(tokens.collect());
            }
        }
        Ok(Self { rules, torn })
    }

    /// The tokens of a text. They contain everything except the single blanks between words; other white space is a
    /// token.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if a regular expression of the model fails on the text.
    pub fn tokenize<'t>(&self, text: &'t str) -> Result<Vec<&'t str>> {
        Ok(self.ranges(text)?.into_iter().map(|token| &text[token]).collect())
    }

    /// The places of the tokens of a text.
    fn ranges(&self, text: &str) -> Result<Vec<Token>> {
        self.assemble(text, |piece| lengths(&self.rules, piece, true).map(Cow::Owned))
    }

    /// The tokens of many texts, in parallel.
    ///
    /// # Errors
    /// The errors of [`Self::tokenize`].
    pub fn tokenize_all<'t, S: AsRef<str> + Sync>(&self, texts: &'t [S]) -> Result<Vec<Vec<&'t str>>> {
        let mut all = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let mut places: HashMap<&str, usize> = HashMap::new();
            let mut distinct = Vec::new();
            for text in batch.iter().map(AsRef::as_ref) {
                for piece in pieces(text) {
                    places.entry(&text[piece.clone()]).or_insert_with(|| {
                        distinct.push(&text[piece]);
                        distinct.len() - 1
                    });
                }
            }
            let cut: Vec<Vec<usize>> =
                distinct.par_iter().map(|piece| lengths(&self.rules, piece, true)).collect::<Result<_>>()?;
            let tokens = |text: &'t S| {
                let text = text.as_ref();
                let tokens = self.assemble(text, |piece| Ok(Cow::Borrowed(&cut[places[piece]])))?;
                Ok(tokens.into_iter().map(|token| &text[token]).collect())
            };
            all.extend(batch.par_iter().map(tokens).collect::<Result<Vec<_>>>()?);
        }
        Ok(all)
    }

    /// The places of the tokens of a text, with the lengths of the tokens of its pieces.
    fn assemble<'c>(&self, text: &str, lengths: impl Fn(&str) -> Result<Cow<'c, [usize]>>) -> Result<Vec<Token>> {
        let mut tokens = Vec::new();
        for piece in pieces(text) {
            push(&mut tokens, piece.start, &lengths(&text[piece.clone()])?);
        }
        Ok(self.mend(text, tokens))
    }

    /// Replaces runs of tokens that are a split special case by the tokens of the special case, longest first.
    fn mend(&self, text: &str, tokens: Vec<Token>) -> Vec<Token> {
        let word = |token: &Token| &text[token.clone()];
        let mut runs = Vec::new();
        for (first, token) in tokens.iter().enumerate() {
            for rest in self.torn.get(word(token)).into_iter().flatten() {
                let end = first + 1 + rest.len();
                let fits = tokens.get(first + 1..end);
                if fits.is_some_and(|tokens| tokens.iter().map(word).eq(rest.iter().map(String::as_str))) {
                    runs.push((first, end));
                }
            }
        }
        if runs.is_empty() {
            return tokens;
        }
        runs.sort_unstable_by_key(|&(first, end)| (std::cmp::Reverse(end - first), first));
        let mut seen = vec![false; tokens.len()];
        let mut chosen = HashMap::new();
        for (first, end) in runs {
            if !seen[first] && !seen[end - 1] {
                chosen.insert(first, end);
            }
            seen[first..end].fill(true);
        }
        let mut mended = Vec::with_capacity(tokens.len());
        let mut at = 0;
        while at < tokens.len() {
            let Some(&end) = chosen.get(&at) else {
                mended.push(tokens[at].clone());
                at += 1;
                continue;
            };
            let run = tokens[at].start..tokens[end - 1].end;
            // Tokens with white space between them may spell something else than the special case.
            match self.rules.special.get(&text[run.clone()]) {
                Some(lengths) => push(&mut mended, run.start, lengths),
                None => mended.extend_from_slice(&tokens[at..end]),
            }
            at = end;
        }
        mended
    }
}

fn push(tokens: &mut Vec<Token>, mut start: usize, lengths: &[usize]) {
    for length in lengths {
        tokens.push(start..start + length);
        start += length;
    }
}

/// Python's `str.isspace`, which also holds four separators of records.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The pieces of a text: runs of white space and of anything else in turn, without the single blank that begins a run.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut in_space = text.starts_with(is_space);
    for (at, c) in text.char_indices() {
        if is_space(c) != in_space {
            pieces.push(start..at);
            start = if c == ' ' { at + 1 } else { at };
            in_space = !in_space;
        }
    }
    pieces.push(start..text.len());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The lengths of the tokens of a piece without white space, or of nothing else.
fn lengths(rules: &Rules, text: &str, special: bool) -> Result<Vec<usize>> {
    let special_case = |text: &str| rules.special.get(text).filter(|_| special);
    if let Some(lengths) = special_case(text) {
        return Ok(lengths.clone());
    }
    if text.len() > MAX_PIECE {
        return Ok(vec![text.len()]);
    }
    let (mut lengths, mut suffixes) = (Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() && special_case(rest).is_none() {
        let prefix = rules.prefix(rest)?.unwrap_or(0);
        let without_prefix = &rest[prefix..];
        if prefix > 0 && !without_prefix.is_empty() && special_case(without_prefix).is_some() {
            lengths.push(prefix);
            rest = without_prefix;
            break;
        }
        let suffix = rules.suffix(without_prefix)?.unwrap_or(0);
        let without_suffix = &rest[..rest.len() - suffix];
        if suffix > 0 && !without_suffix.is_empty() && special_case(without_suffix).is_some() {
            suffixes.push(suffix);
            rest = without_suffix;
            break;
        }
        if prefix == 0 && suffix == 0 {
            break;
        }
        lengths.extend((prefix > 0).then_some(prefix));
        suffixes.extend((suffix > 0).then_some(suffix));
        rest = &rest[prefix..rest.len() - suffix];
    }
    match special_case(rest) {
        _ if rest.is_empty() => {}
        Some(middle) => lengths.extend(middle),
        None if rules.is_address(rest)? => lengths.push(rest.len()),
        None => {
            let mut start = 0;
            // An infix at the start of a piece does not count.
            for (first, end) in rules.infixes(rest)?.into_iter().filter(|&(first, _)| first > 0) {
                lengths.extend((first > start).then(|| first - start));
                lengths.extend((end > first).then(|| end - first));
                start = end;
            }
            lengths.extend((start < rest.len()).then(|| rest.len() - start));
        }
    }
    lengths.extend(suffixes.into_iter().rev());
    Ok(lengths)
}

#[cfg(test)]
mod tests;
