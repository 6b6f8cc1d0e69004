//! The rules of a tokenizer: regular expressions in Python's notation, and special cases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fancy_regex::Regex;

use crate::error::{Error, Result};
use crate::lines::excerpt;
use crate::msgpack::{Packed, Value};

/// The attribute ORTH, under which a special case has the text of its tokens.
const ORTH: usize = 65;

pub(super) struct Rules {
    /// The file of the rules, for messages.
    path: PathBuf,
    prefix: Regex,
    suffix: Regex,
    infix: Regex,
    address: Option<Regex>,
    /// Texts that are special cases, with the lengths of their tokens.
    pub(super) special: HashMap<String, Vec<usize>>,
}

impl Rules {
    pub(super) fn load(path: &Path) -> Result<Self> {
        let packed = Packed::open(path)?;
        let value = packed.value()?;
        let regex = |name: &str| {
            let text = value.get(name).and_then(Value::text);
            let text = text.ok_or_else(|| packed.missing(name, "a regular expression"))?;
            let expected = "a regular expression in Python's notation";
            Regex::new(&translate(text)).map_err(|e| packed.error(name, excerpt(&e.to_string()), expected))
        };
        if value.get("token_match").is_some_and(|value| *value != Value::Nil) {
            return Err(packed.error("token_match", "a rule", "nothing: such tokenizers are not supported"));
        }
        let mut special = HashMap::new();
        let cases = value.get("exceptions").and_then(Value::map);
        for (text, tokens) in cases.ok_or_else(|| packed.missing("exceptions", "a map of special cases"))? {
            let text = text.text().ok_or_else(|| packed.missing("exceptions", "texts as special cases"))?;
            let field = || format!("exception {}", excerpt(text));
            let tokens = tokens.list().and_then(|tokens| tokens.iter().map(orth).collect::<Option<Vec<_>>>());
            let tokens = tokens.ok_or_else(|| packed.missing(field(), "a list of tokens with their texts"))?;
            if text.is_empty() || tokens.concat() != text {
                return Err(packed.error(field(), excerpt(&tokens.concat()), "tokens that spell it"));
            }
            special.insert(text.to_owned(), tokens.into_iter().map(str::len).collect());
        }
        let address = value.get("url_match").is_some_and(|value| *value != Value::Nil);
        Ok(Self {
            path: path.to_owned(),
            prefix: regex("prefix_search")?,
            suffix: regex("suffix_search")?,
            infix: regex("infix_finditer")?,
            address: address.then(|| regex("url_match")).transpose()?,
            special,
        })
    }

    /// The length of the text's prefix; no rule matches nothing.
    pub(super) fn prefix(&self, text: &str) -> Result<Option<usize>> {
        self.length("prefix_search", &self.prefix, text)
    }

    /// The length of the text's suffix.
    pub(super) fn suffix(&self, text: &str) -> Result<Option<usize>> {
        self.length("suffix_search", &self.suffix, text)
    }

    /// The infixes, from left to right.
    pub(super) fn infixes(&self, text: &str) -> Result<Vec<(usize, usize)>> {
        let place =
            |found: fancy_regex::Result<fancy_regex::Match<'_>>| found.map(|found| (found.start(), found.end()));
        let all: fancy_regex::Result<_> = self.infix.find_iter(text).map(place).collect();
        all.map_err(|e| gave_up(&self.path, "infix_finditer", text, &e))
    }

    /// Whether the text is the address of a page.
    pub(super) fn is_address(&self, text: &str) -> Result<bool> {
        let found = self.address.as_ref().map_or(Ok(false), |regex| regex.is_match(text));
        found.map_err(|e| gave_up(&self.path, "url_match", text, &e))
    }

    fn length(&self, rule: &str, regex: &Regex, text: &str) -> Result<Option<usize>> {
        let found = regex.find(text).map_err(|e| gave_up(&self.path, rule, text, &e))?;
        Ok(found.map(|found| found.end() - found.start()).filter(|&length| length > 0))
    }
}

/// The error of a regular expression that failed on a text. It is not known whether it matches, so the work stops.
pub(crate) fn gave_up(path: &Path, rule: &str, text: &str, error: &fancy_regex::Error) -> Error {
    let found = format!("a search in {} that gave up: {error}", excerpt(text));
    Error::format(path, rule, found, "a regular expression that ends soon: leave the text out, or use another model")
}

fn orth<'a>(token: &Value<'a>) -> Option<&'a str> {
    token.map()?.iter().find(|(key, _)| key.size() == Some(ORTH)).and_then(|(_, text)| text.text())
}

/// Converts Python's notation to that of this regular expression engine, in which numeric characters are written
/// differently.
fn translate(pattern: &str) -> String {
    let pattern = pattern.strip_prefix("(?u)").unwrap_or(pattern);
    let mut out = String::with_capacity(pattern.len() + 64);
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let digits = match escape.as_bytes().first() {
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        match escape.get(1..1 + digits).filter(|hex| digits > 0 && hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(hex) => {
                out.push_str(&format!("\\x{{{hex}}}"));
                rest = &escape[1 + digits..];
            }
            None => {
                let next = escape.chars().next();
                out.push('\\');
                // Some characters that Python may escape must not be escaped here.
                match next {
                    Some(c) if matches!(c, '\'' | '"' | '!' | '<' | '>' | ',' | ':' | ';' | '=' | '%' | '@') => {
                        out.pop();
                        out.push(c);
                    }
                    Some(c) => out.push(c),
                    None => {}
                }
                rest = &escape[next.map_or(0, char::len_utf8)..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_by_number_are_translated() {
        assert_eq!(translate(r"(?u)^[\u00A6-\U0001F1E6]\.\'\\u"), r"^[\x{00A6}-\x{0001F1E6}]\.'\\u");
        assert_eq!(translate(r"\u00"), r"\u00");
        assert_eq!(translate("a\\"), "a\\");
    }

    #[test]
    fn a_rule_that_gives_up_is_an_error() {
        // The look-behind needs the backtracking engine, which takes exponential time here.
        let regex = || Regex::new("^(a|a|aa)+(?<!b)$").unwrap();
        let rules = Rules {
            path: PathBuf::from("tokenizer"),
            prefix: regex(),
            suffix: regex(),
            infix: regex(),
            address: Some(regex()),
            special: HashMap::new(),
        };
        assert_eq!(rules.prefix("aaa").unwrap(), Some(3));
        assert!(rules.is_address("aaa").unwrap());
        let long = "a".repeat(200) + "c";
        for (rule, result) in [
            ("prefix_search", rules.prefix(&long).map(|_| ())),
            ("suffix_search", rules.suffix(&long).map(|_| ())),
            ("infix_finditer", rules.infixes(&long).map(|_| ())),
            ("url_match", rules.is_address(&long).map(|_| ())),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(&format!("`tokenizer`: {rule}: found a search in `aaaa")), "{error}");
            assert!(error.contains("that gave up"), "{error}");
        }
    }
}
