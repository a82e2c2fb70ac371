//! The rules on the look of code that rustfmt leaves open: `imports`, `derive-order` and `module-file`.

use super::finding::{LintFinding, LintRule};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Block, File, Item, ItemMod, ItemUse, Stmt, UseTree, Visibility,
    spanned::Spanned,
    visit::{self, Visit},
};

/// Traits that are derived in this order, before all others.
const DERIVES: [&str; 9] = ["Clone", "Copy", "Debug", "Default", "PartialEq", "Eq", "PartialOrd", "Ord", "Hash"];

/// Private imports: one `use` per root crate and scope, all in one block.
pub(super) fn imports(path: &str, file: &File) -> Vec<LintFinding> {
    let mut scopes = Scopes { path, findings: Vec::new() };
    scopes.items(file.items.iter());
    scopes.visit_file(file);
    scopes.findings
}

struct Scopes<'a> {
    path: &'a str,
    findings: Vec<LintFinding>,
}

impl Scopes<'_> {
    fn items<'ast>(&mut self, items: impl Iterator<Item = &'ast Item>) {
        let mut roots = BTreeMap::new();
        // The last line of the `use` before, if nothing else came since.
        let mut previous = None;
        let mut is_closed = false;
        for item in items {
            let Some(import) = private_use(item) else {
                is_closed |= !roots.is_empty() && !matches!(item, Item::Use(_) | Item::Macro(_));
                previous = None;
                continue;
            };
            let (first, last) = (import.span().start().line, import.span().end().line);
            let key = (conditions(import), root(&import.tree));
            if previous.is_some_and(|line| first > line + 1) {
                self.report(first, "a blank line between private imports");
            } else if is_closed {
                self.report(first, "a private import after other items");
            }
            if let Some(other) = roots.insert(key.clone(), first) {
                self.report(first, &format!("`{}` is imported from twice, also in line {other}: merge them", key.1));
            }
            previous = Some(last);
        }
    }

    fn report(&mut self, line: usize, text: &str) {
        self.findings.push(LintFinding::new(self.path, line, LintRule::Imports, text));
    }
}

impl<'ast> Visit<'ast> for Scopes<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if let Some((_, items)) = &module.content {
            self.items(items.iter());
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.items(block.stmts.iter().filter_map(|stmt| match stmt {
            Stmt::Item(item) => Some(item),
            _ => None,
        }));
        visit::visit_block(self, block);
    }
}

fn private_use(item: &Item) -> Option<&ItemUse> {
    match item {
        Item::Use(import) if matches!(import.vis, Visibility::Inherited) => Some(import),
        _ => None,
    }
}

/// The conditions under which an import is there: imports under different ones cannot be merged.
fn conditions(import: &ItemUse) -> String {
    import
        .attrs
        .iter()
        .filter_map(|attribute| attribute.meta.require_list().ok())
        .map(|list| list.tokens.to_string())
        .collect()
}

fn root(tree: &UseTree) -> String {
    match tree {
        UseTree::Path(path) => path.ident.to_string(),
        UseTree::Name(name) => name.ident.to_string(),
        UseTree::Rename(rename) => rename.ident.to_string(),
        UseTree::Glob(_) => "*".to_owned(),
        UseTree::Group(_) => "{}".to_owned(),
    }
}

/// Every `derive` in `tokens`, macros included: the known traits first and in order.
pub(super) fn derive_order(path: &str, tokens: TokenStream) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    derives(path, tokens, &mut findings);
    findings
}

fn derives(path: &str, tokens: TokenStream, findings: &mut Vec<LintFinding>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "derive" => {
                if let Some(TokenTree::Group(list)) = tokens.peek()
                    && list.delimiter() == Delimiter::Parenthesis
                {
                    let traits = traits(list.stream());
                    let sorted = in_order(&traits);
                    if sorted != traits {
                        let text = format!("expected derive({})", sorted.join(", "));
                        let line = ident.span().start().line;
                        findings.push(LintFinding::new(path, line, LintRule::DeriveOrder, text));
                    }
                }
            }
            TokenTree::Group(group) => derives(path, group.stream(), findings),
            _ => {}
        }
    }
}

/// `Clone, serde::Serialize` as words.
fn traits(list: TokenStream) -> Vec<String> {
    let text: String = list.into_iter().map(|token| token.to_string()).collect();
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn in_order(traits: &[String]) -> Vec<String> {
    let place = |name: &String| {
        let last = name.rsplit(':').next().unwrap_or(name);
        let is_path = name.contains(':') && !name.starts_with("std::");
        DERIVES.iter().position(|known| *known == last && !is_path).unwrap_or(DERIVES.len())
    };
    let mut sorted = traits.to_vec();
    sorted.sort_by_key(place);
    sorted
}

/// Files `a.rs` beside a folder `a` with Rust files.
pub(super) fn module_files<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Vec<LintFinding> {
    let folders: BTreeSet<&str> =
        paths.clone().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at])).collect();
    paths
        .filter_map(|path| {
            let folder = path.strip_suffix(".rs").filter(|folder| folders.contains(folder))?;
            Some(LintFinding::new(path, 1, LintRule::ModuleFile, format!("belongs into {folder}/mod.rs")))
        })
        .collect()
}

/// The attributes and items of a file as tokens, for [`derive_order`].
pub(super) fn tokens(source: &str) -> TokenStream {
    source.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import_lines(source: &str) -> Vec<usize> {
        let file = syn::parse_file(source).expect("valid Rust");
        imports("a.rs", &file).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn one_import_per_root_and_scope() {
        assert_eq!(import_lines("use std::fmt;\nuse std::io;\n"), [2]);
        assert_eq!(import_lines("mod a {\n use super::*;\n use super::b;\n}"), [3]);
        assert_eq!(import_lines("fn f() {\n use std::fmt;\n use std::io;\n}"), [3]);
        assert_eq!(import_lines("use std::{fmt, io};\nuse crate::a;\nmod b { use std::fs; }"), [0; 0]);
        assert_eq!(import_lines("use std::fmt;\n#[cfg(unix)]\nuse std::io;\n"), [0; 0], "cannot be merged");
        assert_eq!(import_lines("use std::fmt;\npub use std::io;\n"), [0; 0], "not private");
    }

    #[test]
    fn imports_are_one_block() {
        assert_eq!(import_lines("use crate::a;\n\nuse std::fmt;\n"), [3]);
        assert_eq!(import_lines("use crate::a;\nfn f() {}\nuse std::fmt;\n"), [3]);
        assert_eq!(import_lines("use crate::{\n a,\n b,\n};\nuse std::fmt;\n"), [0; 0]);
        assert_eq!(import_lines("mod a;\n\nuse std::fmt;\n\npub use a::B;\n"), [0; 0]);
    }

    #[test]
    fn derives_have_one_order() {
        let found = |source: &str| -> Vec<String> {
            derive_order("a.rs", tokens(source)).iter().map(|finding| finding.text.clone()).collect()
        };
        assert_eq!(found("#[derive(Debug, Clone)]\nstruct A;"), ["expected derive(Clone, Debug)"]);
        assert_eq!(found("#[derive(Parser, Debug)]\nstruct A;"), ["expected derive(Debug, Parser)"]);
        assert_eq!(found("m! { #[derive(Eq, PartialEq)] struct A; }"), ["expected derive(PartialEq, Eq)"]);
        let good = "#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, b::C, A)]\nstruct A;";
        assert_eq!(found(good), [""; 0]);
    }

    #[test]
    fn a_module_with_children_is_a_folder() {
        let paths = ["src/a.rs", "src/a/b.rs", "src/c/mod.rs", "src/c/d.rs", "src/lib.rs"];
        let found: Vec<String> = module_files(paths.into_iter()).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["src/a.rs:1: module-file: belongs into src/a/mod.rs"]);
    }
}
