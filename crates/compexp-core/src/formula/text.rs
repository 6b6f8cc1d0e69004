//! Formulas as text. The parser reads what the printer writes, for any names of concepts (if no name is the number of
//! an unlisted id).
//!
//! Printed: `(A OR B)`, `(A AND B)`, `(NOT A)`, `(NEIGHBORS A)`, `(PREV A)`, fully parenthesised. Read: the same, and formulas
//! with fewer parentheses, in which NOT and NEIGHBORS bind more tightly than AND, and AND more tightly than OR. Connectives may be
//! in lower case, unless a concept has that name.
//! A name stands in double quotes if it is empty, is a connective, or holds white space, a parenthesis, a double quote, a
//! control character or a mark of text direction; the escapes are `\"`, `\\` and `\u{..}`.
//!
//! A *concept of context* is a concept about another place: `(PREV A)` is true where A is at the position before. Its name is
//! [`in_context`], an operator and a name: `PREV`, `NEXT`, `HEAD`, `CHILD`, or `BEFORE-3` (at one of the 3 positions before).

use std::fmt::{self, Write};

use super::tree::{Atom, Formula};
use crate::concept::{Concept, ConceptId, Vocabulary};
use crate::error::{Error, Result};

/// How deeply a formula's text may nest; far beyond any formula a search makes.
const MAX_DEPTH: usize = 200;

/// The most words and parentheses of a formula's text: trees are walked by recursion, and a chain of any length nests.
const MAX_TOKENS: usize = 5000;

const CONNECTIVES: [&str; 4] = ["AND", "OR", "NOT", "NEIGHBORS"];

/// Prints a formula with the names of a vocabulary.
pub struct DisplayFormula<'a> {
    formula: &'a Formula,
    vocabulary: &'a Vocabulary,
}

impl Formula {
    /// The formula's text, with the names of `vocabulary`.
    pub fn display<'a>(&'a self, vocabulary: &'a Vocabulary) -> DisplayFormula<'a> {
        DisplayFormula { formula: self, vocabulary }
    }

    /// Reads a formula over the concepts of `vocabulary`.
    ///
    /// # Errors
    /// [`Error::Formula`] if the text is not a formula, or names a concept that the vocabulary lacks.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self> {
        let tokens = tokens(text)?;
        let mut parser = Parser { text, tokens: &tokens, next: 0, vocabulary };
        let formula = parser.or(0)?;
        match parser.peek() {
            Token::End => Ok(formula),
            _ => Err(parser.error("AND, OR or the end")),
        }
    }

    /// Reads a formula whose concepts are not known: they get ids from 0 in the order of the text.
    ///
    /// # Errors
    /// [`Error::Formula`] if the text is not a formula.
    pub fn read(text: &str) -> Result<(Self, Vocabulary)> {
        let mut concepts: Vec<Concept> = Vec::new();
        for (_, token) in tokens(text)? {
            let (Token::Word(name) | Token::Quoted(name)) = &token else { continue };
            let bare = matches!(token, Token::Word(_));
            let known = concepts.iter().any(|c| c.name == *name);
            let connective = bare && CONNECTIVES.contains(&name.as_str());
            if !known && !connective {
                let (id, name) = (ConceptId(concepts.len() as u32), name.clone());
                concepts.push(Concept { id, name, category: String::new() });
            }
        }
        let vocabulary = Vocabulary::new(concepts)?;
        Ok((Self::parse(text, &vocabulary)?, vocabulary))
    }
}

impl fmt::Display for DisplayFormula<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |formula| DisplayFormula { formula, vocabulary: self.vocabulary };
        match self.formula {
            Formula::Atom(Atom { neighbors: false, concept }) => write_name(f, &self.vocabulary.name(*concept)),
            Formula::Atom(Atom { neighbors: true, concept }) => {
                f.write_str("(NEIGHBORS ")?;
                write_name(f, &self.vocabulary.name(*concept))?;
                f.write_char(')')
            }
            Formula::Not(a) => write!(f, "(NOT {})", part(a)),
            Formula::And(a, b) => write!(f, "({} AND {})", part(a), part(b)),
            Formula::Or(a, b) => write!(f, "({} OR {})", part(a), part(b)),
        }
    }
}

/// The names of concepts in a formula's text, from left to right; no vocabulary is needed.
///
/// # Errors
/// [`Error::Formula`] if a quoted name is not closed or has a wrong escape. The rest of the text is not checked.
pub fn names_in(text: &str) -> Result<Vec<String>> {
    let name = |(_, token)| match token {
        Token::Word(name) if !CONNECTIVES.contains(&name.as_str()) => Some(name),
        Token::Quoted(name) => Some(name),
        _ => None,
    };
    Ok(tokens(text)?.into_iter().filter_map(name).collect())
}

/// The operators of concepts of context that have no number.
const CONTEXTS: [&str; 4] = ["PREV", "NEXT", "HEAD", "CHILD"];

/// The operator of the other concepts of context, before its number.
const BEFORE: &str = "BEFORE-";

fn is_context(word: &str) -> bool {
    let number = || word.strip_prefix(BEFORE).filter(|n| !n.starts_with('0') && n.len() <= 3);
    CONTEXTS.contains(&word) || number().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The name of a concept of context: `operator` is `PREV`, `NEXT`, `HEAD`, `CHILD` or `BEFORE-` with a number from 1 to 999.
pub fn in_context(operator: &str, name: &str) -> String {
    format!("{operator} {name}")
}

/// The operator of a concept of context and the name that it is about; none for other concepts.
pub fn context_of(name: &str) -> Option<(&str, &str)> {
    name.split_once(' ').filter(|(operator, _)| is_context(operator))
}

/// Writes a concept's name as it stands in a formula: bare, in double quotes if it needs them, or of a concept of context its
/// operator and the name in parentheses.
///
/// # Errors
/// An error of `out` is passed on.
pub fn write_name(out: &mut impl Write, name: &str) -> fmt::Result {
    if let Some((operator, name)) = context_of(name) {
        write!(out, "({operator} ")?;
        // A file may hold a name of any depth.
        if context_of(name).is_some() {
            write_quoted(out, name)?
        } else {
            write_name(out, name)?
        }
        return out.write_char(')');
    }
    let bare = !name.is_empty()
        && !CONNECTIVES.contains(&name)
        && !name.chars().any(|c| c.is_whitespace() || is_control(c) || matches!(c, '(' | ')' | '"'));
    if bare { out.write_str(name) } else { write_quoted(out, name) }
}

fn write_quoted(out: &mut impl Write, name: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in name.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            ' ' => out.write_char(' ')?,
            c if is_control(c) || c.is_whitespace() => write!(out, "\\u{{{:x}}}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

/// The text with control characters and marks of text direction written as `\u{..}`, so that a name from a file cannot
/// control a terminal.
pub fn escape_for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_control(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and the marks that turn the direction of the text after them.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Word(String),
    Quoted(String),
    End,
}

/// The tokens of a text, each with its place in characters.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let chars: Vec<char> = text.chars().collect();
    let error = |at: usize, found: &str, expected: &str| Error::Formula {
        text: text.into(),
        at,
        found: found.into(),
        expected: expected.into(),
    };
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        let token = match chars[i] {
            c if c.is_whitespace() => {
                i += 1;
                continue;
            }
            '(' => Token::Open,
            ')' => Token::Close,
            '"' => {
                let mut name = String::new();
                loop {
                    i += 1;
                    match chars.get(i) {
                        None => return Err(error(start, "an opening quote", "a closing quote after it")),
                        Some('"') => break,
                        Some('\\') => {
                            i += 1;
                            match chars.get(i) {
                                Some(c @ ('"' | '\\')) => name.push(*c),
                                Some('u') => {
                                    let digits: String =
                                        chars[i + 1..].iter().skip(1).take_while(|c| **c != '}').collect();
                                    let closed = chars.get(i + 1) == Some(&'{')
                                        && chars.get(i + 2 + digits.chars().count()) == Some(&'}');
                                    let value = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                                    let Some(c) = value.filter(|_| closed) else {
                                        return Err(error(
                                            i - 1,
                                            "an escape that is no character",
                                            "`\\u{..}` with a hexadecimal number",
                                        ));
                                    };
                                    name.push(c);
                                    i += 2 + digits.chars().count();
                                }
                                _ => return Err(error(i - 1, "an unknown escape", "`\\\"`, `\\\\` or `\\u{..}`")),
                            }
                        }
                        Some(c) => name.push(*c),
                    }
                }
                Token::Quoted(name)
            }
            _ => {
                while i + 1 < chars.len() && !chars[i + 1].is_whitespace() && !matches!(chars[i + 1], '(' | ')' | '"') {
                    i += 1;
                }
                Token::Word(chars[start..=i].iter().collect())
            }
        };
        tokens.push((start, token));
        i += 1;
    }
    tokens.push((chars.len(), Token::End));
    Ok(with_contexts(tokens))
}

/// Puts the operator of a concept of context and the name after it together as one name. An operator that no name follows is
/// a name itself.
fn with_contexts(tokens: Vec<(usize, Token)>) -> Vec<(usize, Token)> {
    // From the last to the first token, so that what follows an operator is read before it.
    let mut reversed: Vec<(usize, Token)> = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.into_iter().rev() {
        let joined = match (&token, reversed.last()) {
            (Token::Word(operator), Some((_, Token::Quoted(name) | Token::Word(name)))) if is_context(operator) => {
                let bare = matches!(reversed.last(), Some((_, Token::Word(_))));
                (!bare || !CONNECTIVES.contains(&name.as_str())).then(|| in_context(operator, name))
            }
            _ => None,
        };
        match joined {
            Some(name) => {
                reversed.pop();
                reversed.push((at, Token::Quoted(name)));
            }
            None => reversed.push((at, token)),
        }
    }
    reversed.reverse();
    reversed
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [(usize, Token)],
    next: usize,
    vocabulary: &'a Vocabulary,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn error(&self, expected: &str) -> Error {
        let (at, token) = &self.tokens[self.next];
        let found = match token {
            Token::Open => "`(`".into(),
            Token::Close => "`)`".into(),
            Token::Word(w) | Token::Quoted(w) => format!("`{}`", escape_for_terminal(w)),
            Token::End => "the end".into(),
        };
        Error::Formula { text: escape_for_terminal(self.text), at: *at, found, expected: expected.into() }
    }

    /// Takes the next token if it is the bare word `word`, or the same in lower case, unless a concept has that name.
    fn takes(&mut self, word: &str) -> bool {
        let lower = |w: &String| *w == word.to_ascii_lowercase() && self.vocabulary.find(w).is_none();
        let found = matches!(self.peek(), Token::Word(w) if w == word || lower(w));
        self.next += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Result<Formula> {
        let mut formula = self.and(depth)?;
        while self.takes("OR") {
            formula = formula.or(self.and(depth)?);
        }
        Ok(formula)
    }

    fn and(&mut self, depth: usize) -> Result<Formula> {
        let mut formula = self.factor(depth)?;
        while self.takes("AND") {
            formula = formula.and(self.factor(depth)?);
        }
        Ok(formula)
    }

    fn factor(&mut self, depth: usize) -> Result<Formula> {
        if depth > MAX_DEPTH {
            return Err(self.error("a formula that nests less deeply (200 at most)"));
        }
        if self.takes("NOT") {
            return Ok(self.factor(depth + 1)?.not());
        }
        if self.takes("NEIGHBORS") {
            let Formula::Atom(Atom { neighbors: false, concept }) = self.factor(depth + 1)? else {
                self.next -= 1;
                return Err(self.error("one concept after NEIGHBORS"));
            };
            return Ok(Formula::Atom(Atom::neighbors(concept)));
        }
        match self.peek().clone() {
            Token::Open => {
                self.next += 1;
                let formula = self.or(depth + 1)?;
                if *self.peek() != Token::Close {
                    return Err(self.error("AND, OR or `)`"));
                }
                self.next += 1;
                Ok(formula)
            }
            Token::Quoted(name) => self.concept(&name),
            Token::Word(name) if !CONNECTIVES.contains(&name.as_str()) => self.concept(&name),
            _ => Err(self.error("a concept, NOT, NEIGHBORS or `(`")),
        }
    }

    fn concept(&mut self, name: &str) -> Result<Formula> {
        if self.next >= MAX_TOKENS {
            let start: String = self.text.chars().take(60).chain("...".chars()).collect();
            let expected = format!("at most {MAX_TOKENS} words and parentheses");
            let at = self.tokens[self.next].0;
            return Err(Error::Formula { text: escape_for_terminal(&start), at, found: "more".into(), expected });
        }
        let id = self.vocabulary.find(name).ok_or_else(|| {
            let expected = "the name of a concept of this probe set (a name with blanks stands in double quotes)";
            self.error(&format!("{expected}{}", did_you_mean(name, self.vocabulary)))
        })?;
        self.next += 1;
        Ok(Formula::concept(id))
    }
}

/// The most names that are suggested.
const SUGGESTED: usize = 3;

/// The names of a vocabulary that are nearest to `name`, as the end of a message; nothing if none is near.
fn did_you_mean(name: &str, vocabulary: &Vocabulary) -> String {
    let wanted: Vec<char> = name.to_lowercase().chars().take(60).collect();
    let start: String = wanted.iter().collect();
    let near = |name: &str| {
        let other: Vec<char> = name.to_lowercase().chars().take(60).collect();
        // `hall` for `hall-s`.
        if wanted.len() > 2 && name.to_lowercase().starts_with(&start) {
            return Some(1);
        }
        let most = wanted.len() / 3;
        (wanted.len().abs_diff(other.len()) <= most).then(|| distance(&wanted, &other)).filter(|found| *found <= most)
    };
    let mut all: Vec<(usize, &str)> =
        vocabulary.concepts().iter().filter_map(|c| Some((near(&c.name)?, c.name.as_str()))).collect();
    all.sort_unstable();
    let mut text = String::new();
    for (i, (_, name)) in all.iter().take(SUGGESTED).enumerate() {
        text += if i == 0 { "; did you mean `" } else { "`, `" };
        let _ = write_name(&mut text, name);
    }
    if text.is_empty() { text } else { text + "`?" }
}

/// The edit distance: how many characters must be put in, taken out or replaced.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::any_formula;
    use super::*;

    fn vocabulary(names: &[&str]) -> Vocabulary {
        let concept =
            |(i, n): (usize, &&str)| Concept { id: ConceptId(i as u32), name: (*n).into(), category: "".into() };
        Vocabulary::new(names.iter().enumerate().map(concept).collect()).unwrap()
    }

    #[test]
    fn fewer_parentheses_are_read_by_precedence() {
        let v = vocabulary(&["a", "b", "night table"]);
        for (text, printed) in [
            ("a", "a"),
            ("a OR b AND NOT \"night table\"", "(a OR (b AND (NOT \"night table\")))"),
            ("NOT NEIGHBORS a AND b", "((NOT (NEIGHBORS a)) AND b)"),
            ("((a) OR (b OR a))", "(a OR (b OR a))"),
        ] {
            assert_eq!(Formula::parse(text, &v).unwrap().display(&v).to_string(), printed);
        }
    }

    #[test]
    fn connectives_in_lower_case_are_read_unless_a_concept_has_the_name() {
        let v = vocabulary(&["a", "b"]);
        let read = |text, v: &Vocabulary| Formula::parse(text, v).map(|f| f.display(v).to_string());
        assert_eq!(read("a and not b or neighbors a", &v).unwrap(), "((a AND (NOT b)) OR (NEIGHBORS a))");
        let v = vocabulary(&["a", "and"]);
        assert_eq!(read("a AND and", &v).unwrap(), "(a AND and)");
        assert!(read("a and a", &v).is_err());
    }

    #[test]
    fn the_nearest_names_are_suggested() {
        let v = vocabulary(&["sky", "hall-s", "night table", "nightstand", "7"]);
        let message = |text| Formula::parse(text, &v).unwrap_err().to_string();
        for (text, hint) in [
            ("Sky", "did you mean `sky`?"),
            ("hall AND sky", "did you mean `hall-s`?"),
            ("nigth-table", "did you mean `\"night table\"`?"),
            ("night", "did you mean `\"night table\"`, `nightstand`?"),
        ] {
            assert!(message(text).ends_with(hint), "{}", message(text));
        }
        assert!(!message("water").contains("did you mean"), "{}", message("water"));
    }

    #[test]
    fn errors_say_where_and_what() {
        let v = vocabulary(&["a", "b"]);
        let deep = "(".repeat(100_000);
        for (text, at, found) in [
            ("", 0, "the end"),
            ("a b", 2, "`b`"),
            ("a AND", 5, "the end"),
            ("(a OR b", 7, "the end"),
            ("a AND water", 6, "`water`"),
            ("NEIGHBORS (a OR b)", 17, "`)`"),
            ("\"a", 0, "an opening quote"),
            ("\"\\u{110000}\"", 1, "an escape that is no character"),
            (&deep, 201, "`(`"),
        ] {
            match Formula::parse(text, &v) {
                Err(Error::Formula { at: a, found: f, .. }) => assert_eq!((a, f.as_str()), (at, found), "in `{text}`"),
                other => panic!("`{text}` gave {other:?}"),
            }
        }
    }

    #[test]
    fn concepts_of_context_are_an_operator_and_a_name() {
        let v = vocabulary(&["det", "PREV det", "BEFORE-3 night table", "noun"]);
        let text = "((PREV det) AND (noun OR (BEFORE-3 \"night table\")))";
        let formula = Formula::parse(text, &v).unwrap();
        assert_eq!((formula.length(), formula.display(&v).to_string()), (3, text.to_owned()));
        assert_eq!(Formula::parse("PREV det AND (noun OR BEFORE-3 \"night table\")", &v).unwrap(), formula);
        assert_eq!(names_in(text).unwrap(), ["PREV det", "noun", "BEFORE-3 night table"]);
        assert_eq!(context_of("PREV det"), Some(("PREV", "det")));
        assert_eq!([context_of("det"), context_of("PREV"), context_of("BEFORE-0 a")], [None; 3]);
        let e = Formula::parse("(PREV nuon)", &v).unwrap_err().to_string();
        assert!(e.contains("`PREV nuon`"), "{e}");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(escape_for_terminal("a\u{1b}[31mb\u{202e}"), "a\\u{1b}[31mb\\u{202e}");
        let v = vocabulary(&["a\u{1b}[31m"]);
        assert_eq!(Formula::concept(ConceptId(0)).display(&v).to_string(), "\"a\\u{1b}[31m\"");
    }

    #[test]
    fn names_are_found_without_a_vocabulary() {
        let found = names_in("((a OR \"night table\") AND (NOT (NEIGHBORS \"AND\"))) OR a").unwrap();
        assert_eq!(found, ["a", "night table", "AND", "a"]);
        assert!(matches!(names_in("a AND \"b"), Err(Error::Formula { at: 6, .. })));
    }

    #[test]
    fn a_chain_too_long_for_recursion_is_refused() {
        let v = vocabulary(&["a"]);
        let chain = |n: usize| format!("a{}", " AND a".repeat(n - 1));
        assert_eq!(Formula::parse(&chain(2500), &v).unwrap().length(), 2500);
        let e = Formula::parse(&chain(1_000_000), &v).unwrap_err().to_string();
        assert!(e.contains("at most 5000 words and parentheses") && e.len() < 300, "{e}");
    }

    proptest! {
        #[test]
        fn parse_reads_what_print_writes(f in any_formula(), names in proptest::collection::hash_set(any::<String>(), 6)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let v = vocabulary(&names);
            let text = f.display(&v).to_string();
            let (read, own) = Formula::read(&text).unwrap();
            prop_assert_eq!(read.display(&own).to_string(), text.as_str());
            prop_assert_eq!(Formula::parse(&text, &v).unwrap(), f, "{}", text);
        }

        #[test]
        fn awkward_names_are_read_back(f in any_formula()) {
            for names in [
                ["AND", "", "a (b)", "NEIGHBORS", "\\\"\u{0}\u{a0}", "plain-c:d.2"],
                ["PREV", "PREV PREV", "BEFORE-3 a (b)", "PREV NEXT HEAD x", "PREV  AND", "PREV "],
                ["BEFORE-0 a", "BEFORE-", "BEFORE-12", "BEFORE-12 AND", "CHILD NEIGHBORS", "prev a"],
            ] {
                let v = vocabulary(&names);
                let text = f.display(&v).to_string();
                prop_assert_eq!(Formula::parse(&text, &v).unwrap(), f.clone(), "{}", text);
            }
        }

        #[test]
        fn the_parser_never_panics(text in "[ab()\" \\\\ANDORT{}u0-9]*") {
            let _ = Formula::parse(&text, &vocabulary(&["a", "b"]));
            let _ = Formula::read(&text);
        }
    }
}
