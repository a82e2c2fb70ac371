//! The rules on what imports what: `order` and `circle`.
//!
//! | file | concern |
//! |---|---|
//! | `tree` | the modules of a crate, their items and re-exports |
//! | `paths` | every path that a module names: imports, expressions, types, attributes, the insides of macros |
//! | `resolve` | the module in which the last name of a path is declared, re-exports followed |
//! | `order` | the rooms of `rstmon`, which import one way |
//! | `circle` | files that import each other |
//!
//! What macros generate and what is reached by methods alone is not seen.

mod circle;
mod order;
mod paths;
mod resolve;
mod tree;

pub(super) use self::tree::{CrateTree, ParsedFiles};

use super::finding::LintFinding;
use std::collections::BTreeSet;

/// The library whose rooms have an order.
const ROOMS_ROOT: &str = "rstmon/src/lib.rs";

/// The crates of `files`.
pub(super) fn crates(files: &ParsedFiles) -> Vec<CrateTree> {
    files.keys().filter(|path| is_root(path)).map(|root| CrateTree::build(files, root)).collect()
}

/// The findings of both rules in all crates.
pub(super) fn findings(crates: &[CrateTree]) -> Vec<LintFinding> {
    let order = crates.iter().filter(|tree| tree.root() == Some(ROOMS_ROOT)).flat_map(order::findings);
    order.chain(crates.iter().flat_map(circle::findings)).collect()
}

/// The files that are modules compiled for tests only.
pub(super) fn test_files(crates: &[CrateTree]) -> BTreeSet<&str> {
    crates.iter().flat_map(CrateTree::test_files).collect()
}

/// Whether cargo takes `path` for the root of a library, a program or an integration test.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [.., "src", "lib.rs" | "main.rs"]
            | [.., "src", "bin", _]
            | [.., "src", "bin", _, "main.rs"]
            | [_, "tests", _]
            | [_, "tests", _, "main.rs"]
    )
}

#[cfg(test)]
mod tests {
    use super::{super::files::LintFiles, *};
    use crate::workspace::Workspace;

    #[test]
    fn roots_are_what_cargo_finds() {
        for path in [
            "a/src/lib.rs",
            "a/src/main.rs",
            "a/src/bin/b.rs",
            "a/src/bin/b/main.rs",
            "a/tests/b.rs",
            "a/tests/b/main.rs",
        ] {
            assert!(is_root(path), "{path}");
        }
        for path in ["a/src/b.rs", "a/src/b/mod.rs", "a/src/bin/b/c.rs", "a/tests/b/c.rs", "a/src/tests/b.rs"] {
            assert!(!is_root(path), "{path}");
        }
    }

    /// The order of the rooms on the sources as they are.
    #[test]
    fn rooms_import_one_way() {
        let root = Workspace::discover().expect("cargo metadata").root;
        let files = LintFiles::read(&root).expect("the sources");
        let (parsed, _) = files.parse();
        let found: Vec<String> =
            order::findings(&CrateTree::build(&parsed, ROOMS_ROOT)).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "expected no import of a later room, found:\n{}", found.join("\n"));
    }
}
