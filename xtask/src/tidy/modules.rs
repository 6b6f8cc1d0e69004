//! Which file of a crate uses which: the rules on circles and on the flow of core.
//!
//! A file uses another where its code, tests aside, names an item of it: in an import or in a path, by `crate`, `self`,
//! `super` or the name of a child module. Who imports a name that a module only hands on uses the file in which the item
//! is defined; so a root may offer what its modules hold. `mod child;` alone is no use; an import of a module itself is.
//!
//! The rule: between the modules of one parent, each taken with all that is below it, uses run in one direction. So no
//! circle leads through two files of which neither is above the other. One kind is accepted: a child may use items of a
//! module above it, which may use the child, as a module and its children are one thing cut into several files.
//!
//! A reading of the text does not see everything: methods of a type that the file never names, macros, and `super` in an
//! inline module that is no test.

use std::collections::{BTreeMap, BTreeSet};

use super::circles;
use super::finding::Finding;
use super::house::CORE;
use super::lexer;
use super::rust::RustFile;

/// How often an imported name may lead to another.
const DEPTH: usize = 32;

/// The files of a crate and the uses between them.
pub(crate) struct Modules<'a> {
    /// The folder of the crate with `/src/` at its end.
    folder: &'a str,
    files: Vec<Module<'a>>,
    uses: Vec<Use>,
}

struct Module<'a> {
    file: &'a RustFile<'a>,
    /// From the root of the crate, which has no segment.
    path: Vec<&'a str>,
    parent: Option<usize>,
    /// Modules in files of their own.
    children: BTreeMap<&'a str, usize>,
    items: BTreeSet<&'a str>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
}

struct Use {
    from: usize,
    to: usize,
    line: usize,
    /// As written.
    path: String,
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// An item of this module.
    Item(usize),
}

/// The crates among `files`; those outside a folder `src` and those that only tests declare are in none.
pub(crate) fn crates<'a>(files: &'a [RustFile<'a>]) -> Vec<Modules<'a>> {
    let mut by_folder: BTreeMap<&str, BTreeMap<Vec<&str>, &RustFile<'_>>> = BTreeMap::new();
    for file in files {
        let Some((folder, path)) = file.path.split_once("/src/").map(|(f, p)| (&file.path[..f.len() + 5], p)) else {
            continue;
        };
        let mut path: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
        // The root of a program beside a library knows it like any other crate.
        let shadowed = path == ["main"] && files.iter().any(|f| f.path.strip_prefix(folder) == Some("lib.rs"));
        if matches!(path[..], [.., "mod"] | ["lib" | "main"]) {
            path.pop();
        }
        if !shadowed {
            by_folder.entry(folder).or_default().insert(path, file);
        }
    }
    by_folder.into_iter().filter_map(|(folder, files)| Modules::new(folder, &files)).collect()
}

impl<'a> Modules<'a> {
    fn new(folder: &'a str, by_path: &BTreeMap<Vec<&'a str>, &'a RustFile<'a>>) -> Option<Self> {
        let mut modules = Self { folder, files: Vec::new(), uses: Vec::new() };
        modules.add(by_path, Vec::new(), None)?;
        for from in 0..modules.files.len() {
            for path in lexer::paths(&modules.files[from].file.shipped) {
                let to = match modules.resolve(from, &path.segments, DEPTH) {
                    Some(Target::Module(to) | Target::Item(to)) if to != from => to,
                    _ => continue,
                };
                modules.uses.push(Use { from, to, line: path.line, path: path.segments.join("::") });
            }
        }
        Some(modules)
    }

    /// Adds the module at `path` and all below it.
    fn add(
        &mut self,
        by_path: &BTreeMap<Vec<&'a str>, &'a RustFile<'a>>,
        path: Vec<&'a str>,
        parent: Option<usize>,
    ) -> Option<usize> {
        let file = *by_path.get(&path)?;
        let at = self.files.len();
        let (mut imports, mut globs) = (BTreeMap::new(), Vec::new());
        for path in lexer::paths(&file.shipped).into_iter().filter(|path| path.import) {
            match path.name {
                Some(name) => _ = imports.insert(name, path.segments),
                None => globs.push(path.segments),
            }
        }
        let (children, items) = (BTreeMap::new(), BTreeSet::new());
        self.files.push(Module { file, path: path.clone(), parent, children, items, imports, globs });
        for (kind, name) in lexer::items(&file.shipped) {
            let child = match kind {
                "mod" => self.add(by_path, [&path[..], &[name]].concat(), Some(at)),
                _ => None,
            };
            match child {
                Some(child) => _ = self.files[at].children.insert(name, child),
                None => _ = self.files[at].items.insert(name),
            }
        }
        Some(at)
    }

    /// What `path`, written in the file `from`, leads to within this crate.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (0, &path[1..]),
            "self" => (from, &path[1..]),
            "super" => (self.files[from].parent?, &path[1..]),
            // A name in scope, or another crate.
            first => match self.look_up(from, first, depth)? {
                Target::Module(module) => (module, &path[1..]),
                item => return Some(item),
            },
        };
        while let Some((name, after)) = rest.split_first() {
            match name.as_str() {
                "super" => at = self.files[at].parent?,
                "self" | "*" => {}
                // A name that is not seen, such as one that a macro makes, is taken for an item of the module.
                name => match self.look_up(at, name, depth) {
                    Some(Target::Module(module)) => at = module,
                    Some(item) => return Some(item),
                    None if self.files[at].imports.contains_key(name) => return None,
                    None => return Some(Target::Item(at)),
                },
            }
            rest = after;
        }
        Some(Target::Module(at))
    }

    /// What `name` is in a module.
    fn look_up(&self, module: usize, name: &str, depth: usize) -> Option<Target> {
        let Module { children, items, imports, globs, .. } = &self.files[module];
        if let Some(child) = children.get(name) {
            return Some(Target::Module(*child));
        }
        if items.contains(name) {
            return Some(Target::Item(module));
        }
        if let Some(path) = imports.get(name) {
            // `use name::name;` of another crate leads nowhere here.
            return if path[0] == name { None } else { self.resolve(module, path, depth) };
        }
        let depth = depth.checked_sub(1)?;
        globs.iter().find_map(|path| match self.resolve(module, path, depth)? {
            Target::Module(other) if other != module => self.look_up(other, name, depth),
            _ => None,
        })
    }

    /// One finding for each group of modules of one parent, each with all below it, that use each other in a circle.
    pub(crate) fn circles(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for parent in 0..self.files.len() {
            let between = |used: &Use| Some((self.child_with(parent, used.from)?, self.child_with(parent, used.to)?));
            let edges: Vec<_> = self.uses.iter().filter_map(between).filter(|(from, to)| from != to).collect();
            for (circle, size) in circles::circles(self.files.len(), &edges) {
                let steps = circle.iter().zip(circle.iter().cycle().skip(1));
                let steps = steps.filter_map(|(&a, &b)| self.uses.iter().find(|used| between(used) == Some((a, b))));
                let steps: Vec<&Use> = steps.collect();
                let Some(first) = steps.first() else { continue };
                let shown = steps.iter().map(|step| format!("{}:{} `{}`", self.name(step.from), step.line, step.path));
                let shown = shown.collect::<Vec<_>>().join(", ");
                let found = format!("a circle in {size} modules that use each other: {shown}");
                let file = self.files[first.from].file.path;
                findings.push(Finding::new(file, first.line, "circles", found, "imports in one direction"));
            }
        }
        findings
    }

    /// The child of `parent` that is the module or holds it.
    fn child_with(&self, parent: usize, module: usize) -> Option<usize> {
        let above = self.files[module].parent?;
        if above == parent { Some(module) } else { self.child_with(parent, above) }
    }

    /// In core, modules use those to their left in `order`, and each has its place there.
    pub(crate) fn flow(&self, order: &[&str]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.folder != format!("crates/{CORE}/src/") {
            return findings;
        }
        let place = |module: usize| order.iter().position(|name| Some(name) == self.files[module].path.first());
        for (at, module) in self.files.iter().enumerate() {
            if let [room] = module.path[..]
                && place(at).is_none()
            {
                let expected = "a module that has its place in `FLOW` of xtask/src/tidy/house.rs";
                findings.push(Finding::new(module.file.path, 1, "flow", format!("module `{room}`"), expected));
            }
        }
        for used in &self.uses {
            if let (Some(from), Some(to)) = (place(used.from), place(used.to))
                && to > from
            {
                let found = format!("`{}` in module `{}`", used.path, order[from]);
                let expected = format!("only modules at or left of `{}`: {}", order[from], order[..=from].join(", "));
                findings.push(Finding::new(self.files[used.from].file.path, used.line, "flow", found, expected));
            }
        }
        findings
    }

    /// The path of a file within `src`.
    fn name(&self, module: usize) -> &str {
        let path = self.files[module].file.path;
        path.strip_prefix(self.folder).unwrap_or(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    /// The findings of a rule in a crate of these files.
    fn findings(files: &[(&str, &str)], rule: fn(&Modules<'_>) -> Vec<Finding>) -> Vec<String> {
        let sources: Vec<_> =
            files.iter().map(|(path, text)| source(&format!("crates/compexp-core/src/{path}"), text)).collect();
        let files: Vec<_> = sources.iter().filter_map(RustFile::new).collect();
        crates(&files).iter().flat_map(rule).map(|finding| finding.to_string()).collect()
    }

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        findings(files, |modules| modules.circles())
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        for (a, b) in [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use super::b::B;", "fn f() -> crate::a::A {}"),
            ("use crate::{b::{B, C}, c};", "use super::a;"),
            ("use crate::b; fn f() { b::g() }", "use crate::a::*;"),
        ] {
            let a = format!("{a} struct A;");
            let found = circles_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", &a), ("b.rs", b)]);
            assert_eq!(found.len(), 1, "{a} {b}: {found:?}");
        }
        let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "\nuse crate::b::B;"), ("b/mod.rs", "use super::a::A;")];
        assert_eq!(
            circles_of(&files),
            ["crates/compexp-core/src/a.rs:2: circles: found a circle in 2 modules that use each other: \
              a.rs:2 `crate::b::B`, b/mod.rs:1 `super::a::A`, expected imports in one direction"]
        );
    }

    #[test]
    fn a_module_counts_with_all_below_it() {
        let root = ("lib.rs", "mod a; mod b;");
        // No two of these files use each other, but the modules do.
        let files = [
            root,
            ("a.rs", "mod c; use crate::b::B;"),
            ("a/c.rs", "pub struct C;"),
            ("b.rs", "use crate::a::c::C; pub struct B;"),
        ];
        let found = circles_of(&files);
        assert!(found.len() == 1 && found[0].contains("a.rs:1 `crate::b::B`, b.rs:1 `crate::a::c::C`"), "{found:?}");
        // Within a parent of their own, and only there.
        let files = [
            ("lib.rs", "mod p;"),
            ("p/mod.rs", "mod a; mod b;"),
            ("p/a.rs", "use super::b::f;"),
            ("p/b.rs", "use super::a;"),
        ];
        assert_eq!(circles_of(&files).len(), 1);
    }

    #[test]
    fn a_child_may_use_items_of_modules_above_it() {
        let root = ("lib.rs", "mod a; pub use a::A; pub struct R;");
        let parent = ("a.rs", "mod b; pub use b::B; pub struct A;");
        for child in ["use super::A;", "use crate::a::A;", "use super::*;", "use crate::{A, R};"] {
            assert_eq!(circles_of(&[root, parent, ("a/b.rs", child)]), [""; 0], "{child}");
        }
    }

    #[test]
    fn an_import_from_a_root_that_offers_it_is_one_of_the_module_that_holds_it() {
        let root = ("lib.rs", "mod error; mod a; mod b; pub use error::{Error, Result}; pub use a::A; pub use b::*;");
        let error = ("error.rs", "pub enum Error {} pub type Result<T> = T;");
        let a = ("a.rs", "use crate::{Error, Result}; pub struct A;");
        assert_eq!(circles_of(&[root, error, a, ("b.rs", "use crate::A; pub struct B;")]).len(), 0);
        // Through the root, by name and by `*`.
        let a = ("a.rs", "use crate::B; pub struct A;");
        let found = circles_of(&[root, error, a, ("b.rs", "use crate::A; pub struct B;")]);
        assert!(found.len() == 1 && found[0].contains("in 2 modules"), "{found:?}");
    }

    #[test]
    fn tests_other_crates_and_comments_are_free() {
        let root = ("lib.rs", "mod a; mod b; #[cfg(test)] mod oracle;");
        for a in [
            "#[cfg(test)] mod tests { use crate::b::B; }",
            "#[cfg(test)] use crate::b::B;",
            "//! See [`crate::b::B`].",
            "use other::b::B; use b::B;",
            "fn f() { \"crate::b::B\" }",
        ] {
            let oracle = ("oracle.rs", "use crate::b::B;");
            assert_eq!(circles_of(&[root, ("a.rs", a), ("b.rs", "use crate::a::A;"), oracle]).len(), 0, "{a}");
        }
    }

    #[test]
    fn a_program_beside_a_library_is_not_its_root() {
        let files = [("lib.rs", "mod a;"), ("main.rs", "mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "")];
        assert_eq!(circles_of(&files).len(), 0);
        let files = [("main.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")];
        assert_eq!(circles_of(&files).len(), 1);
    }

    const ORDER: &[&str] = &["error", "concept", "probe", "formula", "search", "explanation"];

    fn flow_of(path: &str, text: &str) -> Vec<String> {
        let mods: String = ORDER.iter().filter(|room| **room != "formula").map(|room| format!("mod {room};")).collect();
        let root = format!("{mods} mod formula; mod misc; pub use explanation::{{Explanation, Outcome}};");
        let mut files =
            vec![("lib.rs", root.as_str()), ("formula.rs", "mod text; mod logic;"), ("formula/logic.rs", "")];
        let formula =
            [("error.rs", ""), ("concept.rs", ""), ("search.rs", ""), ("explanation.rs", ""), ("probe.rs", "")];
        files.extend(formula.into_iter().filter(|(other, _)| *other != path));
        files.push((path, text));
        findings(&files, |modules| modules.flow(ORDER))
    }

    #[test]
    fn an_import_against_the_flow_is_found_however_it_is_written() {
        for text in [
            "use crate::search::beam;",
            "use crate::{concept::ConceptId, search::{beam, exact}};",
            "fn f() -> crate::search::Outcome {}",
            "use super::super::search;",
            "use crate::Explanation;",
            "use crate::{Result, Outcome};",
        ] {
            assert!(!flow_of("formula/text.rs", text).is_empty(), "nothing found in {text}");
        }
        assert_eq!(
            flow_of("probe.rs", "//! P.\n\nuse crate::search::Maps;\n"),
            ["crates/compexp-core/src/probe.rs:3: flow: found `crate::search::Maps` in module `probe`, \
              expected only modules at or left of `probe`: error, concept, probe"]
        );
    }

    #[test]
    fn imports_along_the_flow_and_in_tests_are_free() {
        for text in [
            "use crate::concept::ConceptId;",
            "use super::logic; use super::super::formula::Tree; use crate::formula;",
            "use crate::{Error, Result};",
            "//! Searched by [`crate::search`].",
            "#[cfg(test)] mod tests { use crate::search::beam; }",
            "use other::search::beam;",
        ] {
            assert_eq!(flow_of("formula/text.rs", text), [""; 0], "in {text}");
        }
    }

    #[test]
    fn a_module_without_a_place_in_the_flow_is_found() {
        let found = flow_of("misc/mod.rs", "//! Odds.\n");
        assert!(found.len() == 1 && found[0].contains("found module `misc`"), "{found:?}");
    }
}
