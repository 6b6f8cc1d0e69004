//! spaCy's English tokenisation, from the rules in a model folder.
//!
//! A text is cut at white space; from each piece prefixes and suffixes are taken until none is left or a special case
//! (`don't`, `a.m.`, `:)`) is; what remains is a special case, an address, or cut at its infixes. At last, special cases
//! that the affixes tore apart are put together again.

mod rules;

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;

use crate::error::Result;
use rules::Rules;

/// A piece without white space of more bytes stays whole: no word is that long, and the time that its affixes would take
/// grows with its square.
const MAX_PIECE: usize = 4096;

/// Texts whose pieces are cut by one thread, each distinct one once.
const GROUP: usize = 512;

/// A tokenizer with the rules of a model.
pub struct Tokenizer {
    rules: Rules,
    /// Special cases as affixes alone would cut them, by their first token: the other tokens.
    torn: HashMap<String, Vec<Vec<String>>>,
}

/// A token of a text: its bytes, and whether a blank follows that belongs to no token.
#[derive(Clone, Copy, Debug)]
struct Token {
    start: usize,
    end: usize,
    blank: bool,
}

/// The lengths of the tokens of pieces that were cut before.
type Cut<'t> = HashMap<&'t str, Vec<usize>>;

impl Tokenizer {
    /// Reads the file `tokenizer` of a model folder.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Format`] where the file is damaged or a rule is no regular expression.
    pub fn load(folder: &Path) -> Result<Self> {
        let rules = Rules::load(&folder.join("tokenizer"))?;
        let mut torn: HashMap<String, Vec<Vec<String>>> = HashMap::new();
        for special in rules.special.keys() {
            // Special cases that no affix can tear apart need no putting together.
            let whole = rules.prefix(special).is_none() && rules.suffix(special).is_none();
            if whole && rules.infixes(special).is_empty() && !special.contains(' ') {
                continue;
            }
            let mut tokens = cut(&rules, special, false, &mut Cut::new())
                .into_iter()
                .map(|token| special[token.start..token.end].to_owned());
            if let Some(first) = tokens.next() {
                torn.entry(first).or_default().push(tokens.collect());
            }
        }
        Ok(Self { rules, torn })
    }

    /// The tokens of a text. All of it is in them but the single blanks between words; other white space is a token.
    pub fn tokenize<'t>(&self, text: &'t str) -> Vec<&'t str> {
        self.with_cut(text, &mut Cut::new())
    }

    /// The tokens of many texts, in parallel.
    pub fn tokenize_all<'t, S: AsRef<str> + Sync>(&self, texts: &'t [S]) -> Vec<Vec<&'t str>> {
        let group = |texts: &'t [S]| {
            let mut known = Cut::new();
            texts.iter().map(|text| self.with_cut(text.as_ref(), &mut known)).collect::<Vec<_>>()
        };
        let groups: Vec<_> = texts.par_chunks(GROUP).map(group).collect();
        groups.into_iter().flatten().collect()
    }

    fn with_cut<'t>(&self, text: &'t str, known: &mut Cut<'t>) -> Vec<&'t str> {
        let tokens = cut(&self.rules, text, true, known);
        self.mend(text, tokens).into_iter().map(|token| &text[token.start..token.end]).collect()
    }

    /// Replaces runs of tokens that are a torn special case by its own tokens, longest first.
    fn mend(&self, text: &str, tokens: Vec<Token>) -> Vec<Token> {
        let word = |token: &Token| &text[token.start..token.end];
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
                mended.push(tokens[at]);
                at += 1;
                continue;
            };
            let (start, last) = (tokens[at].start, tokens[end - 1]);
            // Tokens with white space between them may spell something else than the special case.
            match self.rules.special.get(&text[start..last.end]) {
                Some(lengths) => push(&mut mended, start, lengths, last.blank),
                None => mended.extend_from_slice(&tokens[at..end]),
            }
            at = end;
        }
        mended
    }
}

fn push(tokens: &mut Vec<Token>, mut start: usize, lengths: &[usize], blank: bool) {
    for length in lengths {
        tokens.push(Token { start, end: start + length, blank: false });
        start += length;
    }
    if let Some(last) = tokens.last_mut() {
        last.blank = blank;
    }
}

/// Python's `str.isspace`, which also holds four separators of records.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Cuts a text at white space, and the pieces at their affixes.
fn cut<'t>(rules: &Rules, text: &'t str, special: bool, known: &mut Cut<'t>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut piece = |start: usize, end: usize, blank: bool| {
        if start < end {
            let text = &text[start..end];
            let lengths = known.entry(text).or_insert_with(|| lengths(rules, text, special));
            push(&mut tokens, start, lengths, blank);
        } else if blank && let Some(last) = tokens.last_mut() {
            last.blank = true;
        }
    };
    let mut start = 0;
    let mut in_space = text.starts_with(is_space);
    for (at, c) in text.char_indices() {
        if is_space(c) != in_space {
            piece(start, at, c == ' ');
            // The blank after a word belongs to no token.
            start = if c == ' ' { at + 1 } else { at };
            in_space = !in_space;
        }
    }
    piece(start, text.len(), false);
    tokens
}

/// The lengths of the tokens of a piece without white space, or of nothing else.
fn lengths(rules: &Rules, text: &str, special: bool) -> Vec<usize> {
    let special_case = |text: &str| rules.special.get(text).filter(|_| special);
    if let Some(lengths) = special_case(text) {
        return lengths.clone();
    }
    if text.len() > MAX_PIECE {
        return vec![text.len()];
    }
    let (mut lengths, mut suffixes) = (Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() && special_case(rest).is_none() {
        let prefix = rules.prefix(rest).unwrap_or(0);
        let without_prefix = &rest[prefix..];
        if prefix > 0 && !without_prefix.is_empty() && special_case(without_prefix).is_some() {
            lengths.push(prefix);
            rest = without_prefix;
            break;
        }
        let suffix = rules.suffix(without_prefix).unwrap_or(0);
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
        None if rules.is_address(rest) => lengths.push(rest.len()),
        None => {
            let mut start = 0;
            // An infix at the very beginning is none.
            for (first, end) in rules.infixes(rest).into_iter().filter(|&(first, _)| first > 0) {
                lengths.extend((first > start).then(|| first - start));
                lengths.extend((end > first).then(|| end - first));
                start = end;
            }
            lengths.extend((start < rest.len()).then(|| rest.len() - start));
        }
    }
    lengths.extend(suffixes.into_iter().rev());
    lengths
}

#[cfg(test)]
mod tests;
