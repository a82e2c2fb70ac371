//! Where the last name of a path is declared.

use super::tree::CrateTree;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Module(usize),
    /// An item, by the module that declares it.
    Item(usize),
}

/// Re-exports of re-exports are followed this far.
const DEPTH: usize = 16;

impl CrateTree {
    /// The module in which `names`, written in the module `from`, is declared: the module itself if the path names one.
    /// `None` if it belongs to another crate or to the scope of a function.
    pub(super) fn resolve(&self, from: usize, names: &[String]) -> Option<usize> {
        match self.named(from, names, DEPTH)? {
            Named::Module(module) | Named::Item(module) => Some(module),
        }
    }

    /// `names` from the crate's root, if the path begins with `crate`, `self` or `super`.
    pub(super) fn absolute(&self, from: usize, names: &[String]) -> Option<Vec<String>> {
        let (module, rest) = self.start(from, names)?;
        let mut path = self.modules[module].path.clone();
        path.extend(rest.iter().cloned());
        Some(path)
    }

    /// The module that the leading `crate`, `self` and `super` stand for, and the names after them.
    fn start<'a>(&self, from: usize, names: &'a [String]) -> Option<(usize, &'a [String])> {
        let (first, mut rest) = names.split_first()?;
        let mut module = match first.as_str() {
            "crate" => 0,
            "self" => from,
            "super" => self.modules[from].parent?,
            _ => return None,
        };
        while let Some(("super", after)) = rest.split_first().map(|(name, after)| (name.as_str(), after)) {
            (module, rest) = (self.modules[module].parent?, after);
        }
        Some((module, rest))
    }

    fn named(&self, from: usize, names: &[String], depth: usize) -> Option<Named> {
        let depth = depth.checked_sub(1)?;
        let (mut current, rest) = if let Some(start) = self.start(from, names) {
            start
        } else {
            let (first, rest) = names.split_first()?;
            match self.lookup(from, first, depth)? {
                Named::Module(module) => (module, rest),
                item @ Named::Item(_) => return Some(item),
            }
        };
        for name in rest {
            match self.lookup(current, name, depth) {
                Some(Named::Module(module)) => current = module,
                // What follows are variants, constants or methods; a name that is not found is made by a macro.
                Some(item @ Named::Item(_)) => return Some(item),
                None => return Some(Named::Item(current)),
            }
        }
        Some(Named::Module(current))
    }

    /// `name` in the scope of `module`.
    fn lookup(&self, module: usize, name: &str, depth: usize) -> Option<Named> {
        let scope = &self.modules[module];
        if let Some(child) = scope.children.get(name) {
            return Some(Named::Module(*child));
        }
        if scope.items.contains(name) {
            return Some(Named::Item(module));
        }
        if let Some(path) = scope.aliases.get(name) {
            // `use a;` of another crate stands for itself.
            return if path.as_slice() == [name] { None } else { self.named(module, path, depth) };
        }
        let depth = depth.checked_sub(1)?;
        scope.globs.iter().find_map(|path| match self.named(module, path, depth)? {
            Named::Module(target) if target != module => self.lookup(target, name, depth),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tree::parsed, *};

    fn tree() -> CrateTree {
        let files = parsed(&[
            ("lib.rs", "pub mod a;\npub mod b;\npub use a::deep::Deep;"),
            (
                "a/mod.rs",
                "pub mod deep;\npub mod other;\npub use self::deep::*;\npub use other::Thing as Renamed;\nuse std::fmt;\nstruct Own;",
            ),
            ("a/deep.rs", "pub struct Deep;\npub enum Kind { One }\nuse super::*;"),
            ("a/other.rs", "pub use super::deep::Deep;\npub struct Thing;\nmod tests { use super::*; }"),
            ("b.rs", "use crate::a;\nuse crate::a::Kind;\nuse loops::X;\npub use self::loops::X as Y;"),
        ]);
        CrateTree::build(&files, "lib.rs")
    }

    fn module(tree: &CrateTree, path: &str) -> usize {
        let is_it = |candidate: &super::super::tree::CrateModule| candidate.path.join("::") == path;
        tree.modules.iter().position(is_it).expect("a module of that name")
    }

    #[track_caller]
    fn assert_resolves(from: &str, path: &str, expected: Option<&str>) {
        let tree = tree();
        let names: Vec<String> = path.split("::").map(str::to_owned).collect();
        let found = tree.resolve(module(&tree, from), &names).map(|index| tree.modules[index].path.join("::"));
        assert_eq!(found.as_deref(), expected, "of `{path}` in `{from}`");
    }

    #[test]
    fn a_path_leads_to_the_module_that_declares_its_last_name() {
        assert_resolves("b", "crate::a::deep::Deep", Some("a::deep"));
        assert_resolves("b", "crate::a::deep", Some("a::deep"));
        assert_resolves("b", "crate::a::Own", Some("a"));
        assert_resolves("a::other", "super::deep::Deep", Some("a::deep"));
        assert_resolves("a::other::tests", "super::super::Own", Some("a"));
        assert_resolves("a::deep", "self::Kind::One", Some("a::deep"));
    }

    #[test]
    fn re_exports_are_followed() {
        assert_resolves("b", "crate::a::Deep", Some("a::deep"));
        assert_resolves("b", "crate::a::Renamed", Some("a::other"));
        assert_resolves("b", "crate::a::other::Deep", Some("a::deep"));
        assert_resolves("b", "crate::Deep", Some("a::deep"));
    }

    #[test]
    fn imported_names_are_followed() {
        assert_resolves("b", "a::other::Thing", Some("a::other"));
        assert_resolves("b", "Kind::One", Some("a::deep"));
        assert_resolves("a::other::tests", "Thing", Some("a::other"));
        assert_resolves("a::deep", "Renamed", Some("a::other"));
    }

    #[test]
    fn other_crates_and_unknown_names_lead_nowhere() {
        assert_resolves("a", "fmt::Display", None);
        assert_resolves("a", "std::fmt", None);
        assert_resolves("a", "some_variable", None);
        assert_resolves("b", "X", None);
        assert_resolves("b", "crate::a::made_by_a_macro", Some("a"));
    }
}
