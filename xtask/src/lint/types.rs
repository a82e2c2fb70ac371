//! The rule `type-name`: one word, one meaning. A type name is declared once in the code that is no test.

use super::{
    finding::{LintFinding, LintRule},
    test_code::TestLines,
};
use std::collections::BTreeMap;
use syn::{
    File, ItemEnum, ItemStruct, ItemTrait, ItemType, ItemUnion,
    visit::{self, Visit},
};

/// Where each type name is declared.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeNames(BTreeMap<String, Vec<(String, usize)>>);

impl TypeNames {
    /// Takes the names that `file` declares outside of tests.
    pub(super) fn add(&mut self, path: &str, file: &File, tests: &TestLines) {
        Declarations { path, tests, names: self }.visit_file(file);
    }

    /// One finding for each declaration of a name that has others.
    pub(super) fn findings(&self) -> Vec<LintFinding> {
        let mut findings = Vec::new();
        for (name, places) in self.0.iter().filter(|(_, places)| places.len() > 1) {
            for (index, (path, line)) in places.iter().enumerate() {
                let (other, at) = &places[usize::from(index == 0)];
                let text = format!("`{name}` is declared {} times, also in {other}:{at}", places.len());
                findings.push(LintFinding::new(path, *line, LintRule::TypeName, text));
            }
        }
        findings
    }
}

struct Declarations<'a> {
    path: &'a str,
    tests: &'a TestLines,
    names: &'a mut TypeNames,
}

impl Declarations<'_> {
    fn declare(&mut self, ident: &syn::Ident) {
        let line = ident.span().start().line;
        if !self.tests.contains(line) {
            self.names.0.entry(ident.to_string()).or_default().push((self.path.to_owned(), line));
        }
    }
}

impl<'ast> Visit<'ast> for Declarations<'_> {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.declare(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.declare(&item.ident);
    }

    fn visit_item_union(&mut self, item: &'ast ItemUnion) {
        self.declare(&item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.declare(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.declare(&item.ident);
        visit::visit_item_trait(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let mut names = TypeNames::default();
        for (path, source) in files {
            let file = syn::parse_file(source).expect("valid Rust");
            names.add(path, &file, &TestLines::of(&file));
        }
        names.findings().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_kind_of_type_counts_and_each_place_is_named() {
        let second = "mod b {\n fn f() { type Place = u8; }\n}";
        for kind in ["struct Place;", "enum Place {}", "union Place { a: u8 }", "trait Place {}", "type Place = u8;"] {
            assert_eq!(
                found(&[("a.rs", kind), ("b.rs", second)]),
                [
                    "a.rs:1: type-name: `Place` is declared 2 times, also in b.rs:2",
                    "b.rs:2: type-name: `Place` is declared 2 times, also in a.rs:1",
                ],
                "of `{kind}`"
            );
        }
    }

    #[test]
    fn associated_types_and_tests_do_not_count() {
        let associated = "trait A { type Item; }\nimpl Iterator for B { type Item = u8; }\nstruct Item;";
        assert_eq!(found(&[("a.rs", associated)]), [""; 0]);
        let test = "#[cfg(test)]\nmod tests { struct Item; }";
        assert_eq!(found(&[("a.rs", "struct Item;"), ("b.rs", test)]), [""; 0]);
    }
}
