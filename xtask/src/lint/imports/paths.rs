//! Every path that a module names, with its line.

use super::super::test_code::{self, TestLines};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMod, ItemUse, Macro, Meta, Path, UseTree, VisRestricted,
    spanned::Spanned,
    visit::{self, Visit},
};

/// A path as it is written, without generic arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathUse {
    /// Counted from 1.
    pub(super) line: usize,
    /// Names, `crate`, `self` and `super`.
    pub(super) names: Vec<String>,
    /// It is part of a `use`.
    pub(super) is_import: bool,
    /// It is in code that is compiled for tests only.
    pub(super) is_test: bool,
}

/// The paths in `items`, not those in the modules among them.
pub(super) fn of(items: &[Item], tests: &TestLines) -> Vec<PathUse> {
    let mut collector = Collector { lines: tests.clone(), paths: Vec::new() };
    for item in items {
        collector.lines.add(item);
    }
    for item in items {
        collector.visit_item(item);
    }
    collector.paths
}

struct Collector {
    lines: TestLines,
    paths: Vec<PathUse>,
}

impl Collector {
    fn push(&mut self, line: usize, names: Vec<String>, is_import: bool) {
        let is_test = self.lines.contains(line);
        self.paths.push(PathUse { line, names, is_import, is_test });
    }

    fn leaves(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.leaves(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.leaves(tree, prefix)),
            UseTree::Glob(star) => self.push(star.span().start().line, prefix.clone(), true),
            UseTree::Name(syn::UseName { ident }) | UseTree::Rename(syn::UseRename { ident, .. }) => {
                let mut names = prefix.clone();
                if ident != "self" || names.is_empty() {
                    names.push(ident.to_string());
                }
                self.push(ident.span().start().line, names, true);
            }
        }
    }

    /// Paths in the input of a macro or an attribute: names joined by `::`, and texts that are such a path.
    fn tokens(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let line = first.span().start().line;
                    let mut names = vec![first.to_string()];
                    while is_separator(&tokens[at..]) {
                        match tokens.get(at + 2) {
                            Some(TokenTree::Ident(next)) => names.push(next.to_string()),
                            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                                self.grouped(&names, group.stream());
                                names.clear();
                            }
                            _ => break,
                        }
                        at += 3;
                    }
                    if names.len() > 1 {
                        self.push(line, names, false);
                    }
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let inner = text.trim_matches('"');
                    let is_path = ["crate::", "super::", "self::"].iter().any(|root| inner.starts_with(root));
                    if is_path && inner.chars().all(|c| c == ':' || c == '_' || c.is_alphanumeric()) {
                        let names = inner.split("::").map(str::to_owned).collect();
                        self.push(literal.span().start().line, names, false);
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// `{a::B, c}` after `names::`.
    fn grouped(&mut self, names: &[String], stream: TokenStream) {
        let use_tree = stream.into_iter();
        let braced: TokenStream =
            TokenTree::Group(proc_macro2::Group::new(Delimiter::Brace, use_tree.collect())).into();
        if let Ok(tree) = syn::parse2::<UseTree>(braced) {
            self.leaves(&tree, &mut names.to_vec());
        }
    }
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    tokens.get(..2).is_some_and(|pair| pair.iter().all(is_colon))
}

impl<'ast> Visit<'ast> for Collector {
    // A module within is one of its own.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    // `pub(in crate::a)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        self.leaves(&import.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.leading_colon.is_none() {
            self.push(path.span().start().line, names, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            _ if attribute.path().is_ident("doc") || test_code::is_test_only(attribute) => {}
            Meta::List(list) => self.tokens(list.tokens.clone()),
            _ => visit::visit_attribute(self, attribute),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        let file = syn::parse_file(source).expect("valid Rust");
        of(&file.items, &TestLines::default())
            .iter()
            .map(|path| format!("{} {}", path.line, path.names.join("::")))
            .collect()
    }

    #[track_caller]
    fn assert_names(source: &str, expected: &str) {
        let found = found(source);
        assert!(found.iter().any(|path| path == expected), "expected `{expected}` in {found:?} of `{source}`");
    }

    #[test]
    fn imports_are_split_into_their_leaves() {
        let source = "use crate::{\n a::{self, B as C},\n d::*,\n};\npub use super::e;";
        assert_eq!(found(source), ["2 crate::a", "2 crate::a::B", "3 crate::d", "5 super::e"]);
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        for source in [
            "fn f() { crate::a::b(); }",
            "fn f(x: crate::a::b) {}",
            "fn f(x: &Vec<crate::a::b>) {}",
            "impl crate::a::b for C {}",
            "fn f() { match x { crate::a::b => {} } }",
            "fn f() { use crate::a::b; }",
            "fn f() { crate::a::b!(x); }",
            "fn f() { println!(\"{}\", crate::a::b); }",
            "m! { struct A { x: [crate::a::b; 2] } }",
            "macro_rules! m { () => { $crate::a::b() } }",
            "m! { use crate::a::{b, c}; }",
            "#[derive(crate::a::b)] struct A;",
            "struct A { #[arg(value_parser = crate::a::b)] x: u8 }",
            "struct A { #[serde(with = \"crate::a::b\")] x: u8 }",
        ] {
            assert_names(source, "1 crate::a::b");
        }
    }

    #[test]
    fn visibility_and_prose_import_nothing() {
        assert_eq!(found("/// See `crate::a::b`.\npub(in crate::a) struct A;\npub(super) struct B;"), [""; 0]);
        assert_eq!(found("mod tests { use super::*; }"), [""; 0], "a module of its own");
    }

    #[test]
    fn test_code_is_marked() {
        let file = syn::parse_file("use crate::a;\n#[cfg(test)]\nuse crate::b;\n").expect("valid Rust");
        let found: Vec<bool> = of(&file.items, &TestLines::default()).iter().map(|path| path.is_test).collect();
        assert_eq!(found, [false, true]);
        assert!(of(&file.items, &TestLines::all()).iter().all(|path| path.is_test));
    }
}
