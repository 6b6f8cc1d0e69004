//! As much of Rust's syntax as the rules need: which text is code, which code is a test, which paths it names.

use std::ops::Range;

/// `text` with comments and the insides of literals turned into blanks, so that a search in it finds code only. Bytes
/// keep their places, lines their numbers.
pub(crate) fn code(text: &str) -> String {
    let ranges: Vec<_> = scan(text).into_iter().map(|(range, _)| range).collect();
    blank(text, &ranges)
}

/// The insides of string literals in `text`, as they are written.
pub(crate) fn strings(text: &str) -> Vec<Range<usize>> {
    scan(text).into_iter().filter(|(_, kind)| *kind == Kind::String).map(|(range, _)| range).collect()
}

#[derive(PartialEq)]
enum Kind {
    Comment,
    String,
    Character,
}

/// The comments and the insides of literals in `text`.
fn scan(text: &str) -> Vec<(Range<usize>, Kind)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        // The bytes of the closing delimiter must not open another literal.
        let (inside, closing, kind) = if rest.starts_with(b"//") {
            (at..at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()), 0, Kind::Comment)
        } else if rest.starts_with(b"/*") {
            (at..at + block_comment(rest), 0, Kind::Comment)
        } else if rest[0] == b'"' {
            (at + 1..at + 1 + string(&rest[1..]), 1, Kind::String)
        } else if rest[0] == b'\'' {
            let length = character(&text[at + 1..]);
            (at + 1..at + 1 + length, usize::from(length > 0), Kind::Character)
        } else if is_word(rest[0]) {
            let word = rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len());
            at += word;
            match raw_string(&rest[..word], &rest[word..]) {
                Some(raw) => (at + raw.start..at + raw.end, 1, Kind::String),
                None => continue,
            }
        } else {
            at += 1;
            continue;
        };
        at = inside.end + closing;
        found.push((inside, kind));
    }
    found
}

/// `text` with the given byte ranges turned into blanks, their line breaks kept.
pub(crate) fn blank(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        for byte in &mut bytes[range.clone()] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What makes an item one of tests, alone or with more conditions.
const TEST: [&str; 2] = ["#[cfg(test)]", "#[cfg(all(test,"];

/// The items under [`TEST`] in `code` (see [`code`]), from the attribute to the closing brace or semicolon.
pub(crate) fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    let mut starts: Vec<usize> =
        TEST.iter().flat_map(|test| code.match_indices(test)).map(|(start, _)| start).collect();
    starts.sort_unstable();
    for start in starts {
        if items.last().is_some_and(|item| item.contains(&start)) {
            continue;
        }
        let from = start + code[start..].find(']').map_or(0, |end| end + 1);
        let mut depth = 0_usize;
        let mut end = code.len();
        for (offset, byte) in code.bytes().enumerate().skip(from) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' if depth == 0 => {
                    end = offset;
                    break;
                }
                b')' | b']' => depth -= 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        end = offset + 1;
                        break;
                    }
                }
                b';' if depth == 0 => {
                    end = offset + 1;
                    break;
                }
                _ => {}
            }
        }
        items.push(start..end);
    }
    items
}

/// A path of at least two segments, as written: `crate::concept::ConceptId`. Groups of `use` are spread out.
#[derive(Debug, PartialEq)]
pub(crate) struct CodePath {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// The name that a `use` gives to what the path leads to; none elsewhere, and none for `*`.
    pub(crate) name: Option<String>,
    /// Whether it is a path of `use`.
    pub(crate) import: bool,
}

/// All paths in `code` (see [`code`]), in imports and elsewhere.
pub(crate) fn paths(code: &str) -> Vec<CodePath> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_word(tokens[at].text.as_bytes()[0]) {
            let import = at > 0 && tokens[at - 1].text == "use";
            at = path_tree(&tokens, at, &[], import, &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// The names of the items in `code` (see [`code`]) outside all braces: functions, types, traits, constants, modules.
pub(crate) fn items(code: &str) -> Vec<(&str, &str)> {
    let tokens = tokens(code);
    let mut items = Vec::new();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        let next = |offset: usize| tokens.get(at + offset).map_or("", |token: &Token<'_>| token.text);
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "fn" | "struct" | "enum" | "trait" | "type" | "union" | "const" | "static" if depth == 0 => {
                items.push(("item", next(1)));
            }
            // A module in this file or in its own.
            "mod" if depth == 0 => items.push((if next(2) == ";" { "mod" } else { "item" }, next(1))),
            _ => {}
        }
    }
    items
}

/// The number of the line, from 1, that holds the byte `at`.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Bytes of a comment that opens with `/*`; comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Bytes up to the closing `"`.
fn string(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// Bytes between the `'` of a character literal; 0 for a lifetime, which has no closing `'`.
fn character(rest: &str) -> usize {
    if let Some(escape) = rest.strip_prefix('\\') {
        // The escaped character itself may be a `'`.
        return escape.get(1..).and_then(|rest| rest.find('\'')).map_or(0, |end| end + 2);
    }
    let first = rest.chars().next().map_or(0, char::len_utf8);
    if rest[first..].starts_with('\'') { first } else { 0 }
}

/// The inside of a raw string, counted from the end of its prefix `word`, if this is one.
fn raw_string(word: &[u8], rest: &[u8]) -> Option<Range<usize>> {
    let hashes = rest.iter().take_while(|&&byte| byte == b'#').count();
    if !matches!(word, b"r" | b"br" | b"cr") || rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let start = hashes + 1;
    let closing = format!("\"{}", "#".repeat(hashes));
    let inside = rest[start..].windows(closing.len()).position(|window| window == closing.as_bytes());
    Some(start..inside.map_or(rest.len(), |inside| start + inside))
}

struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// Words, `::`, and single bytes of anything else.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let length = match bytes[at] {
            byte if is_word(byte) => bytes[at..].iter().take_while(|&&byte| is_word(byte)).count(),
            b':' if bytes[at..].starts_with(b"::") => 2,
            _ => 1,
        };
        if !bytes[at].is_ascii_whitespace() {
            tokens.push(Token { line, text: &code[at..at + length] });
        }
        line += usize::from(bytes[at] == b'\n');
        at += length;
    }
    tokens
}

/// Reads the path that starts with the word at `at`, and returns the place after it.
fn path_tree(tokens: &[Token<'_>], mut at: usize, prefix: &[String], import: bool, paths: &mut Vec<CodePath>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token: &Token<'_>| token.text);
    let line = tokens[at].line;
    let mut segments = prefix.to_vec();
    loop {
        segments.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        match text(at + 1) {
            "{" => {
                at += 2;
                while !matches!(text(at), "}" | "") {
                    let next = text(at).as_bytes()[0];
                    // `x as y`: the new name is no path.
                    at = if text(at) == "as" {
                        at + 2
                    } else if is_word(next) || next == b'*' {
                        path_tree(tokens, at, &segments, import, paths)
                    } else {
                        at + 1
                    };
                }
                return at + 1;
            }
            next if next == "*" || next.bytes().next().is_some_and(is_word) => at += 1,
            _ => break,
        }
    }
    if segments.len() > 1 {
        let last = if segments.ends_with(&["self".to_owned()]) { segments.len() - 2 } else { segments.len() - 1 };
        let name = if text(at) == "as" { text(at + 1) } else { &segments[last] };
        let name = (import && name != "*").then(|| name.to_owned());
        paths.push(CodePath { line, segments, name, import });
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<String> {
        paths(&code(text)).into_iter().map(|path| format!("{}:{}", path.line, path.segments.join("::"))).collect()
    }

    #[track_caller]
    fn check_code(text: &str, expected: &str) {
        assert_eq!(code(text), expected, "code of {text}");
    }

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        check_code("a // b::c\nd", "a        \nd");
        check_code("/* x /* y */ z */ d", "                  d");
        check_code(r#"f("a\"b", c)"#, r#"f("    ", c)"#);
        check_code(r###"f(r#"a"b"#, c)"###, r###"f(r#"   "#, c)"###);
        check_code("f('\"', b'\\'', 'x')", "f(' ', b'  ', ' ')");
        check_code("fn f<'a>(x: &'a str, y: 'static) {}", "fn f<'a>(x: &'a str, y: 'static) {}");
        check_code("r#type \"x\"", "r#type \" \"");
        check_code("\"\" \"a\"", "\"\" \" \"");
        check_code("\"open\nstill", "\"    \n     ");
        check_code("'\\u{41}' \"x\"", "'      ' \" \"");
        check_code("\"é\" 'é' x", "\"  \" '  ' x");
    }

    #[test]
    fn paths_of_nested_imports_are_spread_out() {
        let text = "use crate::{\n    concept::{self, ConceptId as Id},\n    probe::*,\n};\nfn f(x: std::fs::File) {}";
        let expected =
            ["2:crate::concept::self", "2:crate::concept::ConceptId", "3:crate::probe::*", "5:std::fs::File"];
        assert_eq!(spelled(text), expected);
    }

    #[test]
    fn imports_give_names() {
        let text = "pub use a::{self, b as c, d::*}; use e::f as g; let x = h::i as u32; use super::j;";
        let named = |path: CodePath| format!("{}={}", path.segments.join("::"), path.name.unwrap_or("-".into()));
        let found: Vec<String> = paths(&code(text)).into_iter().map(named).collect();
        assert_eq!(found, ["a::self=a", "a::b=c", "a::d::*=-", "e::f=g", "h::i=-", "super::j=j"]);
    }

    #[test]
    fn strings_are_told_from_comments_and_characters() {
        let text = "f(\"a\", r#\"b\"#, 'c', b\"d\") // \"e\"";
        let found: Vec<&str> = strings(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["a", "b", "d"]);
    }

    #[test]
    fn items_outside_braces_are_named() {
        let text = "pub mod a;\nmod b { fn inner() {} }\npub(crate) struct C { d: u8 }\nimpl C { fn e() {} }\nconst F: u8 = 1;";
        assert_eq!(items(text), [("mod", "a"), ("item", "b"), ("item", "C"), ("item", "F")]);
    }

    #[test]
    fn paths_in_expressions_end_where_generics_or_calls_begin() {
        let text = "let a = Vec::<u8>::new(); let b = crate::score::iou(x, y); <T as io::Read>::read(z)";
        assert_eq!(spelled(text), ["1:crate::score::iou", "1:io::Read"]);
    }

    #[test]
    fn a_test_item_ends_with_its_brace_or_semicolon() {
        let text =
            "#[cfg(all(test, unix))]\nmod oracle;\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let code = code(text);
        let items: Vec<&str> = test_items(&code).into_iter().map(|item| &text[item]).collect();
        assert_eq!(items, ["#[cfg(all(test, unix))]\nmod oracle;", "#[cfg(test)]\nmod tests {\n    fn b() {}\n}"]);
        assert_eq!(line_of(text, text.find("fn a").unwrap()), 3);
    }
}
