//! Which lines of a file are test code.

use std::ops::RangeInclusive;
use syn::{
    Attribute, File, ImplItemFn, Item, Meta,
    spanned::Spanned,
    visit::{self, Visit},
};

/// The lines of items that are compiled for tests only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TestLines(Vec<RangeInclusive<usize>>);

impl TestLines {
    pub(super) fn of(file: &File) -> Self {
        if file.attrs.iter().any(is_test_only) {
            return Self::all();
        }
        let mut lines = Self::default();
        lines.visit_file(file);
        lines
    }

    /// Of a file that is test code by its place.
    pub(super) fn all() -> Self {
        Self(vec![1..=usize::MAX])
    }

    /// Adds the lines of test code in `item`.
    pub(super) fn add(&mut self, item: &Item) {
        self.visit_item(item);
    }

    pub(super) fn contains(&self, line: usize) -> bool {
        self.0.iter().any(|range| range.contains(&line))
    }

    fn push(&mut self, item: &impl Spanned) {
        let span = item.span();
        self.0.push(span.start().line..=span.end().line);
    }
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_test_only) {
            self.push(item);
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.attrs.iter().any(is_test_only) {
            self.push(item);
        } else {
            visit::visit_impl_item_fn(self, item);
        }
    }
}

/// Whether `attribute` leaves what it stands on to tests: `#[test]`, or `#[cfg(...)]` with `test` outside of `not`.
pub(super) fn is_test_only(attribute: &Attribute) -> bool {
    let name = attribute.path().segments.last().map(|segment| segment.ident.to_string());
    match (&attribute.meta, name.as_deref()) {
        (Meta::Path(_) | Meta::List(_), Some("test")) => true,
        (Meta::List(list), Some("cfg")) => names_test(list.tokens.clone()),
        _ => false,
    }
}

fn names_test(tokens: proc_macro2::TokenStream) -> bool {
    let mut negated = false;
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => {
            negated = ident == "not";
            ident == "test"
        }
        proc_macro2::TokenTree::Group(group) => !negated && names_test(group.stream()),
        _ => false,
    })
}

/// The attributes of an item of any kind.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<RangeInclusive<usize>> {
        TestLines::of(&syn::parse_file(source).expect("valid Rust")).0
    }

    #[test]
    fn modules_functions_and_methods_of_tests() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\n#[test]\nfn c() {}\nimpl D {\n #[cfg(test)]\n fn e() {}\n}";
        assert_eq!(found(source), [2..=5, 6..=7, 9..=10]);
    }

    #[test]
    fn cfg_is_understood_as_far_as_it_names_tests() {
        for (cfg, expected) in [
            ("test", true),
            ("all(test, unix)", true),
            ("any(test, feature = \"fuzzing\")", true),
            ("not(test)", false),
            ("all(unix, not(test))", false),
            ("feature = \"test\"", false),
        ] {
            assert_eq!(!found(&format!("#[cfg({cfg})]\nmod a {{}}")).is_empty(), expected, "of `{cfg}`");
        }
    }

    #[test]
    fn a_whole_file_can_be_test_code() {
        let lines = TestLines::of(&syn::parse_file("#![cfg(test)]\nfn a() {}").expect("valid Rust"));
        assert!(lines.contains(2));
    }
}
