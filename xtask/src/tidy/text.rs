//! Rules on the text of any file.
//!
//! The patterns are put together from parts, so that these rules find nothing in this file.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::source::Source;

/// Roots that mean something on one machine only.
const MACHINE_ROOTS: [&str; 4] = ["work", "root", "home", "tmp"];

/// The folder beside a checkout, which only the scripts of `.ci` may look for.
const NEIGHBOUR: &str = concat!("..", "/shared");

/// Where packages come from is a matter of the tools' settings.
const REGISTRY_HOSTS: [&str; 4] =
    [concat!("crates", ".io"), concat!("pypi", ".org"), concat!("npm", "js"), concat!("deb", ".debian")];

/// No tab, and no blank at the end of a line, in Rust, Markdown and TOML.
pub(crate) fn blanks(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if ![".rs", ".md", ".toml"].iter().any(|ending| source.path.ends_with(ending)) {
        return findings;
    }
    // Not `lines`, which would hide a carriage return.
    for (index, line) in source.text.split('\n').enumerate() {
        if line.trim_end() != line {
            findings.push(Finding::new(&source.path, index + 1, "blanks", "a blank at the end", "none"));
        }
        if line.contains('\t') {
            findings.push(Finding::new(&source.path, index + 1, "blanks", "a tab", "spaces"));
        }
    }
    findings
}

/// No absolute path of somebody's machine.
pub(crate) fn machine_paths(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.path.starts_with(".ci/") {
        return findings;
    }
    for (index, line) in source.text.lines().enumerate() {
        let mut found: Vec<String> = MACHINE_ROOTS.iter().filter_map(|root| machine_path(line, root)).collect();
        found.extend(line.contains(NEIGHBOUR).then(|| NEIGHBOUR.to_owned()));
        for path in found {
            let expected = "a path relative to the workspace, or an environment variable";
            findings.push(Finding::new(&source.path, index + 1, "machine-paths", format!("`{path}`"), expected));
        }
    }
    findings
}

/// No host of a package registry outside the lock file.
pub(crate) fn registry_hosts(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.path == "Cargo.lock" {
        return findings;
    }
    for (index, line) in source.text.lines().enumerate() {
        for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
            let expected = "no host of a registry";
            findings.push(Finding::new(&source.path, index + 1, "registry-hosts", format!("`{host}`"), expected));
        }
    }
    findings
}

/// Relative links of Markdown files lead to one of the `paths` or to a folder that holds one.
pub(crate) fn dead_links(source: &Source, paths: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.path.ends_with(".md") {
        return findings;
    }
    let mut fenced = false;
    for (index, line) in source.text.lines().enumerate() {
        if ["```", "~~~"].iter().any(|fence| line.trim_start().starts_with(fence)) {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        for link in links(&outside_code_spans(line)) {
            let file = link.split(['#', '?']).next().unwrap_or_default();
            let elsewhere = link.contains("://") || link.starts_with("mailto:");
            if elsewhere || file.is_empty() || leads_somewhere(&source.path, file, paths) {
                continue;
            }
            let expected = "a link to a file of the workspace";
            findings.push(Finding::new(&source.path, index + 1, "links", format!("`{link}`"), expected));
        }
    }
    findings
}

/// The first absolute path in `line` that goes on below one of the roots where machines keep their own files.
fn machine_path(line: &str, root: &str) -> Option<String> {
    let pattern = format!("/{root}/");
    line.match_indices(&pattern).find_map(|(at, _)| {
        // `target/tmp/x` and `https://host/home/x` are no paths of a machine, `$(dirname x)/tmp/y` is none either.
        let relative = line[..at].ends_with(|before: char| before.is_alphanumeric() || "_-.})".contains(before));
        let below = &line[at + pattern.len()..];
        let goes_on = below.trim_start_matches('.').starts_with(|next: char| next.is_alphabetic());
        (!relative && goes_on).then(|| {
            let end = below.find(|end: char| end.is_whitespace() || "`'\"()<>,;".contains(end)).unwrap_or(below.len());
            format!("{pattern}{}", &below[..end])
        })
    })
}

/// `line` without what stands between backticks.
fn outside_code_spans(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Targets of `[text](target "title")`, `[name]: target`, `src="target"` and `href="target"`.
fn links(line: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
        for part in line.split(opening).skip(1) {
            targets.extend(part.split_once(closing).map(|(target, _)| target));
        }
    }
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        targets.push(target);
    }
    let bare = |target: &str| {
        let target = target.trim();
        match target.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            Some((inside, _)) => inside.to_owned(),
            None => target.split_whitespace().next().unwrap_or_default().to_owned(),
        }
    };
    targets.into_iter().map(bare).collect()
}

fn leads_somewhere(from: &str, link: &str, paths: &BTreeSet<&str>) -> bool {
    let mut parts: Vec<&str> = if link.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.is_empty() => return false,
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    let folder = format!("{path}/");
    path.is_empty()
        || paths.contains(path.as_str())
        || paths.range(folder.as_str()..).next().is_some_and(|next| next.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::super::finding::tests::lines;
    use super::super::source::tests::source;
    use super::*;

    #[test]
    fn blanks_at_the_end_and_tabs_are_found() {
        let text = "ok\nend \nwindows\r\n\ttab\n";
        assert_eq!(lines(&blanks(&source("a.md", text))), [2, 3, 4]);
        assert_eq!(blanks(&source("a.rs", "\tx\n"))[0].to_string(), "a.rs:1: blanks: found a tab, expected spaces");
        assert_eq!(blanks(&source("a.tsv", text)), []);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for root in MACHINE_ROOTS {
            let text = format!("first\nsee `/{root}/someone/x`, and\n");
            let found = machine_paths(&source("docs/a.md", &text));
            assert_eq!(lines(&found), [2], "{text}");
            assert!(found[0].found.contains(&format!("/{root}/someone/x`")), "{found:?}");
        }
        assert_eq!(machine_paths(&source("a.py", &format!("open('/{}/.cache')", "root"))).len(), 1);
        let neighbour = source("a.sh", &format!("ls {NEIGHBOUR}/data"));
        assert_eq!(machine_paths(&neighbour).len(), 1);
        assert_eq!(machine_paths(&source(".ci/run", &neighbour.text)), []);
    }

    #[test]
    fn relative_paths_and_bare_roots_are_free() {
        for text in ["target/tmp/x", "https://host/home/x", "`/tmp/`", "/workshop/x", "${DIR}/tmp/x", "../home/x"] {
            assert_eq!(machine_paths(&source("a.md", text)), [], "{text}");
        }
    }

    #[test]
    fn hosts_of_registries_are_found_outside_the_lock_file() {
        for host in REGISTRY_HOSTS {
            let text = format!("first\nfrom https://static.{host}/x\n");
            assert_eq!(lines(&registry_hosts(&source("README.md", &text))), [2], "{host}");
            assert_eq!(registry_hosts(&source("Cargo.lock", &text)), []);
        }
    }

    #[test]
    fn dead_links_are_found() {
        let paths = BTreeSet::from(["README.md", "docs/a.md", "docs/pictures/b.png"]);
        let text = "\
[up](../README.md), [here](a.md#part), [folder](pictures), [root](/docs/a.md \"title\")
[web](https://example.com/gone.md) [part](#part) `[code](gone.md)` [mail](mailto:a@b)
```
[fenced](gone.md)
```
[one](gone.md) ![two](pictures/c.png) [three](<a b.md>)
<img src=\"pictures/b.png\"> <a href=\"gone.html\">
[above](../../README.md)
[name]: gone.md
";
        let found = dead_links(&source("docs/a.md", text), &paths);
        let mut shown: Vec<String> =
            found.iter().map(|finding| format!("{} {}", finding.line, finding.found)).collect();
        shown.sort();
        let expected =
            ["6 `a b.md`", "6 `gone.md`", "6 `pictures/c.png`", "7 `gone.html`", "8 `../../README.md`", "9 `gone.md`"];
        assert_eq!(shown, expected);
        assert_eq!(dead_links(&source("docs/a.rs", text), &paths), []);
    }
}
