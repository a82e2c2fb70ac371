//! The rule `order`: the rooms of `rstmon` import one way.

use super::{
    super::finding::{LintFinding, LintRule},
    tree::CrateTree,
};

/// The top-level modules of `rstmon`: each may import those before it and itself.
const ROOMS: [&str; 19] = [
    "sync",
    "model",
    "host",
    "probe",
    "attribute",
    "explain",
    "event",
    "metrics",
    "sink",
    "monitor",
    "config",
    "sandbox",
    "serve",
    "query",
    "logs",
    "report",
    "ship",
    "command",
    "fuzzing",
];

/// Every path that leads into a later room, tests included, and rooms that the list does not have. The crate's root is
/// free to name all rooms.
pub(super) fn findings(tree: &CrateTree) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    for (index, module) in tree.modules.iter().enumerate() {
        let Some(own) = module.path.first() else { continue };
        let Some(place) = place(own) else {
            if let (1, Some(parent)) = (module.path.len(), module.parent) {
                let text = format!("the room `{own}` has no place in the order of xtask/src/lint/imports/order.rs");
                let file = &tree.modules[parent].file;
                findings.push(LintFinding::new(file, module.declared_at, LintRule::Order, text));
            }
            continue;
        };
        for path in module.paths.iter().filter(|path| path.is_import && is_root(tree, index, &path.names)) {
            let text =
                format!("`use {}`: stands for every room; import the rooms by their names", path.names.join("::"));
            findings.push(LintFinding::new(&module.file, path.line, LintRule::Order, text));
        }
        for path in &module.paths {
            let Some(room) = room(tree, index, &path.names) else { continue };
            if place_after(&room, place) {
                let kind = if path.is_import { "use " } else { "" };
                let text = format!("`{kind}{}`: {own} comes before {room} in the order", path.names.join("::"));
                findings.push(LintFinding::new(&module.file, path.line, LintRule::Order, text));
            }
        }
    }
    findings
}

/// Whether an import names the crate's root, under another name or with `*`: paths that begin there look like those of
/// another crate, or like names of this module.
fn is_root(tree: &CrateTree, from: usize, names: &[String]) -> bool {
    let names = names.strip_suffix(&["*".to_owned()]).unwrap_or(names);
    let names = names.strip_suffix(&["self".to_owned()]).filter(|names| !names.is_empty()).unwrap_or(names);
    tree.absolute(from, names).is_some_and(|absolute| absolute.is_empty())
}

/// The room into which a path that begins with `crate`, `self` or `super` leads. Other paths begin with a name that
/// such a path has imported.
fn room(tree: &CrateTree, from: usize, names: &[String]) -> Option<String> {
    let absolute = tree.absolute(from, names)?;
    let first = absolute.first()?;
    if tree.modules[0].children.contains_key(first) {
        return Some(first.clone());
    }
    // Re-exported by the crate's root.
    tree.modules[tree.resolve(from, names)?].path.first().cloned()
}

fn place(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

fn place_after(room: &str, place_of_importer: usize) -> bool {
    place(room).is_some_and(|place| place > place_of_importer)
}

#[cfg(test)]
mod tests {
    use super::{super::tree::parsed, *};

    /// What is found where the room `event` has the file `event/a.rs` with this text.
    fn found(text: &str) -> Vec<String> {
        let files = parsed(&[
            ("lib.rs", "pub mod model;\npub mod event;\npub mod serve;\npub mod metrics;\npub use serve::Server;"),
            ("model.rs", ""),
            ("event/mod.rs", "mod a;"),
            ("event/a.rs", text),
            ("serve.rs", "use crate::{event, metrics::Fold, model};\nfn f() { crate::event::g(); super::model::h(); }"),
            ("metrics.rs", "pub struct Fold;"),
        ]);
        findings(&CrateTree::build(&files, "lib.rs")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn imports_of_earlier_rooms_and_of_the_own_are_fine() {
        assert_eq!(found("use crate::{event::b, model::C};\nuse super::d;\nuse std::fmt;"), [""; 0]);
    }

    #[test]
    fn an_import_that_is_turned_round_is_named() {
        assert_eq!(
            found("use crate::model;\nuse crate::serve::hub::Hub;"),
            ["event/a.rs:2: order: `use crate::serve::hub::Hub`: event comes before serve in the order"]
        );
        for text in [
            "use super::super::serve;",
            "pub(crate) use crate::serve::A;",
            "fn f() { crate::serve::g(); }",
            "fn f() -> Option<crate::metrics::Fold> { None }",
            "m! { crate::serve::A }",
            "#[cfg(test)]\nmod tests { use crate::serve::A; }",
            "#[cfg(test)]\nmod tests { use super::super::super::serve::A; }",
            "use crate::Server;",
            "use crate as root;",
            "use crate::{self as root};",
            "use super::super as root;",
            "use crate::*;",
            "use super::super::*;",
        ] {
            assert_eq!(found(text).len(), 1, "of `{text}`: found {:?}", found(text));
        }
    }

    #[test]
    fn a_room_without_a_place_is_named() {
        let files =
            parsed(&[("lib.rs", "mod model;\nmod attic;"), ("model.rs", ""), ("attic.rs", "use crate::model;")]);
        let found: Vec<String> =
            findings(&CrateTree::build(&files, "lib.rs")).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["lib.rs:2: order: the room `attic` has no place in the order of xtask/src/lint/imports/order.rs"]
        );
    }
}
