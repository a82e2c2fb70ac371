//! The modules of a crate, as `mod` declarations make them out of files.

use super::{
    super::test_code::{self, TestLines},
    paths::{self, PathUse},
};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Expr, File, Ident, Item, ItemMod, Lit, Meta, UseTree};

/// The Rust files of a workspace, by path.
pub(in crate::lint) type ParsedFiles = BTreeMap<String, File>;

/// One module. An inline module has the file of the module around it.
#[derive(Debug, Default)]
pub(super) struct CrateModule {
    /// Names from the crate's root, which has none.
    pub(super) path: Vec<String>,
    pub(super) file: String,
    pub(super) parent: Option<usize>,
    /// It is compiled for tests only.
    pub(super) is_test: bool,
    /// The line of its declaration, in the parent's file.
    pub(super) declared_at: usize,
    pub(super) children: BTreeMap<String, usize>,
    /// Names declared here, other than modules.
    pub(super) items: BTreeSet<String>,
    /// Names brought in by `use`, with the path that they stand for.
    pub(super) aliases: BTreeMap<String, Vec<String>>,
    /// Paths of `use path::*`.
    pub(super) globs: Vec<Vec<String>>,
    /// Every path that is named here.
    pub(super) paths: Vec<PathUse>,
}

/// All modules of a crate; the first is its root.
#[derive(Debug, Default)]
pub(in crate::lint) struct CrateTree {
    pub(super) modules: Vec<CrateModule>,
}

/// Where a module's source is, and where its children's files are.
struct ModuleFolder<'a> {
    file: &'a str,
    folder: String,
    is_test: bool,
}

impl CrateTree {
    /// Follows the `mod` declarations from the file `root`. Modules without a file are left out.
    pub(super) fn build(files: &ParsedFiles, root: &str) -> Self {
        let mut tree = Self::default();
        let folder = folder_of(root);
        if let Some(source) = files.get(root) {
            tree.modules.push(CrateModule { file: root.to_owned(), ..CrateModule::default() });
            tree.fill(files, 0, &source.items, &ModuleFolder { file: root, folder: folder.to_owned(), is_test: false });
        }
        tree
    }

    /// The file that the crate begins with.
    pub(super) fn root(&self) -> Option<&str> {
        self.modules.first().map(|module| module.file.as_str())
    }

    /// The files whose outermost module is compiled for tests only.
    pub(super) fn test_files(&self) -> impl Iterator<Item = &str> {
        let parent_file = |module: &CrateModule| module.parent.map(|parent| self.modules[parent].file.as_str());
        self.modules
            .iter()
            .filter(move |module| module.is_test && parent_file(module) != Some(module.file.as_str()))
            .map(|module| module.file.as_str())
    }

    fn fill(&mut self, files: &ParsedFiles, module: usize, items: &[Item], place: &ModuleFolder<'_>) {
        for item in items {
            match item {
                Item::Mod(child) => self.child(files, module, child, place),
                Item::Use(import) => self.import(module, &import.tree, &mut Vec::new()),
                _ => self.modules[module].items.extend(name(item).map(ToString::to_string)),
            }
        }
        let tests = if place.is_test { TestLines::all() } else { TestLines::default() };
        self.modules[module].paths = paths::of(items, &tests);
    }

    fn child(&mut self, files: &ParsedFiles, parent: usize, child: &ItemMod, place: &ModuleFolder<'_>) {
        let name = child.ident.to_string();
        let is_test = place.is_test || child.attrs.iter().any(test_code::is_test_only);
        let folder = in_folder(&place.folder, &name);
        let candidates = match path_attribute(child) {
            Some(path) => vec![in_folder(folder_of(place.file), &path)],
            None => vec![format!("{folder}.rs"), format!("{folder}/mod.rs")],
        };
        let (file, items) = match &child.content {
            Some((_, items)) => (place.file, items),
            None => match candidates.iter().find_map(|path| files.get_key_value(path)) {
                Some((path, source)) => (path.as_str(), &source.items),
                None => return,
            },
        };
        let index = self.modules.len();
        let mut path = self.modules[parent].path.clone();
        path.push(name.clone());
        let declared_at = child.ident.span().start().line;
        let module = CrateModule {
            path,
            file: file.to_owned(),
            parent: Some(parent),
            is_test,
            declared_at,
            ..CrateModule::default()
        };
        self.modules.push(module);
        self.modules[parent].children.insert(name, index);
        self.fill(files, index, items, &ModuleFolder { file, folder, is_test });
    }

    fn import(&mut self, module: usize, tree: &UseTree, prefix: &mut Vec<String>) {
        let module_of = &mut self.modules[module];
        let mut alias = |name: &Ident, last: &Ident| {
            let mut path = prefix.clone();
            let name = if last == "self" { path.last().cloned().unwrap_or_default() } else { name.to_string() };
            if last != "self" {
                path.push(last.to_string());
            }
            module_of.aliases.insert(name, path);
        };
        match tree {
            UseTree::Name(leaf) => alias(&leaf.ident, &leaf.ident),
            UseTree::Rename(leaf) => alias(&leaf.rename, &leaf.ident),
            UseTree::Glob(_) => module_of.globs.push(prefix.clone()),
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(module, &path.tree, prefix);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(module, tree, prefix);
                }
            }
        }
    }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn in_folder(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The file that `#[path = "..."]` names.
fn path_attribute(module: &ItemMod) -> Option<String> {
    module.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(path) => Some(path.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

fn name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// Made-up sources: path and text of each file.
#[cfg(test)]
pub(super) fn parsed(files: &[(&str, &str)]) -> ParsedFiles {
    files.iter().map(|(path, text)| ((*path).to_owned(), syn::parse_file(text).expect("valid Rust"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_where_rust_looks_for_them() {
        let files = parsed(&[
            ("c/src/lib.rs", "mod a;\nmod b;\n#[path = \"elsewhere.rs\"]\nmod e;\nmod missing;"),
            ("c/src/a.rs", "mod inner { mod deep; }"),
            ("c/src/a/inner/deep.rs", ""),
            ("c/src/b/mod.rs", "mod c;"),
            ("c/src/b/c.rs", ""),
            ("c/src/elsewhere.rs", ""),
        ]);
        let tree = CrateTree::build(&files, "c/src/lib.rs");
        let found: Vec<(String, &str)> =
            tree.modules.iter().map(|module| (module.path.join("::"), module.file.as_str())).collect();
        let expected = [
            ("", "c/src/lib.rs"),
            ("a", "c/src/a.rs"),
            ("a::inner", "c/src/a.rs"),
            ("a::inner::deep", "c/src/a/inner/deep.rs"),
            ("b", "c/src/b/mod.rs"),
            ("b::c", "c/src/b/c.rs"),
            ("e", "c/src/elsewhere.rs"),
        ];
        assert_eq!(found, expected.map(|(path, file)| (path.to_owned(), file)));
    }

    #[test]
    fn files_of_test_modules_are_known() {
        let files = parsed(&[
            ("lib.rs", "mod a;\n#[cfg(test)]\nmod testing;"),
            ("a.rs", "#[cfg(test)]\nmod tests {}"),
            ("testing/mod.rs", "mod deep;"),
            ("testing/deep.rs", ""),
        ]);
        let tree = CrateTree::build(&files, "lib.rs");
        assert_eq!(tree.test_files().collect::<Vec<_>>(), ["testing/mod.rs", "testing/deep.rs"]);
    }

    #[test]
    fn imports_give_names() {
        let files =
            parsed(&[("lib.rs", "use a::{self, b::C, d::E as F};\nuse g::*;\nstruct H;\nmacro_rules! i { () => {} }")]);
        let tree = CrateTree::build(&files, "lib.rs");
        let root = &tree.modules[0];
        let aliases: Vec<(&str, String)> =
            root.aliases.iter().map(|(name, path)| (name.as_str(), path.join("::"))).collect();
        assert_eq!(
            aliases,
            [("C", "a::b::C"), ("F", "a::d::E"), ("a", "a")].map(|(name, path)| (name, path.to_owned()))
        );
        assert_eq!(root.globs, [["g"]]);
        assert_eq!(root.items.iter().collect::<Vec<_>>(), ["H", "i"]);
    }
}
