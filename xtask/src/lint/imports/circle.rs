//! The rule `circle`: no two files import each other, directly or through others, and no two top-level modules do by
//! any of their files. A module and those below it may: they are one thing in several files. Test code is left out: a
//! test may use what is built on the file that it is in.

use super::{
    super::finding::{LintFinding, LintRule},
    tree::CrateTree,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The first path by which a node of the graph uses another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GraphEdge {
    file: String,
    line: usize,
    path: String,
    is_import: bool,
}

/// Which files, or top-level modules, each of them uses.
type ImportGraph = BTreeMap<String, BTreeMap<String, GraphEdge>>;

/// For each import that is part of a circle, the shortest circle it is part of; each circle once.
pub(super) fn findings(tree: &CrateTree) -> Vec<LintFinding> {
    let file = |module: usize| Some(tree.modules[module].file.clone());
    let top = |module: usize| tree.modules[module].path.first().cloned();
    let mut findings = circles(&graph(tree, file), "files");
    findings.extend(circles(&graph(tree, top), "modules"));
    findings
}

fn circles(graph: &ImportGraph, nodes: &str) -> Vec<LintFinding> {
    let mut circles = BTreeSet::new();
    for (from, targets) in graph {
        for to in targets.keys() {
            circles.extend(shortest(graph, to, from).map(turned_to_first));
        }
    }
    circles.iter().map(|circle| describe(graph, circle, nodes)).collect()
}

/// The graph whose nodes are what `node` says of a module: imports between the two ends of a node, and between a module
/// and those below it, are left out.
fn graph(tree: &CrateTree, node: impl Fn(usize) -> Option<String>) -> ImportGraph {
    let mut graph = ImportGraph::new();
    for (index, module) in tree.modules.iter().enumerate() {
        for path in module.paths.iter().filter(|path| !path.is_test) {
            let Some(target) = tree.resolve(index, &path.names) else { continue };
            let (Some(from), Some(to)) = (node(index), node(target)) else { continue };
            if from == to || tree.is_family(tree.file_module(index), tree.file_module(target)) {
                continue;
            }
            let (file, line) = (module.file.clone(), path.line);
            let edge = GraphEdge { file, line, path: path.names.join("::"), is_import: path.is_import };
            let known = graph.entry(from).or_default().entry(to).or_insert_with(|| edge.clone());
            if edge.is_import && !known.is_import {
                *known = edge;
            }
        }
    }
    graph
}

impl CrateTree {
    /// The outermost module of the file that `module` is in.
    fn file_module(&self, module: usize) -> usize {
        let file = &self.modules[module].file;
        let mut outermost = module;
        while let Some(parent) = self.modules[outermost].parent.filter(|parent| self.modules[*parent].file == *file) {
            outermost = parent;
        }
        outermost
    }

    /// Whether one of the two modules is the other, or below it.
    fn is_family(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.modules[one].path, &self.modules[other].path);
        one.starts_with(other) || other.starts_with(one)
    }
}

/// The shortest way from one node to another, both included.
fn shortest<'a>(graph: &'a ImportGraph, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
    let mut came_from = BTreeMap::from([(from, from)]);
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            let mut way = vec![to];
            while let Some(node) = way.last().filter(|node| **node != from) {
                way.push(came_from[node]);
            }
            way.reverse();
            return Some(way);
        }
        for next in graph.get(node).into_iter().flat_map(BTreeMap::keys) {
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, node);
                queue.push_back(next);
            }
        }
    }
    None
}

/// The same circle, beginning with the node that sorts first.
fn turned_to_first(mut circle: Vec<&str>) -> Vec<&str> {
    let first = circle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(index, _)| index);
    circle.rotate_left(first);
    circle
}

fn describe(graph: &ImportGraph, circle: &[&str], nodes: &str) -> LintFinding {
    let edges: Vec<&GraphEdge> =
        circle.iter().zip(circle.iter().cycle().skip(1)).map(|(from, to)| &graph[*from][*to]).collect();
    let steps: Vec<String> = edges
        .iter()
        .map(|GraphEdge { file, line, path, is_import }| {
            let kind = if *is_import { "use " } else { "" };
            format!("{file}:{line} `{kind}{path}`")
        })
        .collect();
    let text = format!("{} {nodes} import each other: {}", circle.len(), steps.join(", "));
    LintFinding::new(&edges[0].file, edges[0].line, LintRule::Circle, text)
}

#[cfg(test)]
mod tests {
    use super::{super::tree::parsed, *};

    /// The circles of files, or of modules.
    fn circles_of(nodes: &str, files: &[(&str, &str)]) -> Vec<String> {
        let found = findings(&CrateTree::build(&parsed(files), "lib.rs"));
        found.iter().map(ToString::to_string).filter(|text| text.contains(&format!("{nodes} import"))).collect()
    }

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        circles_of("files", files)
    }

    #[test]
    fn imports_one_way_are_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "use crate::{b, c};"),
            ("b.rs", "use crate::c;"),
            ("c.rs", ""),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn a_circle_names_its_files_and_imports() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "\nuse crate::b::B;"),
            ("b.rs", "fn f() { super::c::g() }"),
            ("c.rs", "use crate::a;"),
        ];
        let expected = "a.rs:2: circle: 3 files import each other: a.rs:2 `use crate::b::B`, b.rs:1 `super::c::g`, \
                        c.rs:1 `use crate::a`";
        assert_eq!(found(&files), [expected]);
    }

    #[test]
    fn a_re_export_hides_no_circle() {
        let files = [
            ("lib.rs", "mod room;"),
            ("room/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::*;"),
            ("room/a.rs", "use super::B;\npub struct A;"),
            ("room/b.rs", "use crate::room::A;\npub struct B;"),
        ];
        let found = found(&files);
        assert_eq!(found.len(), 1, "found {found:?}");
        assert!(found[0].contains("room/a.rs:1 `use super::B`, room/b.rs:1 `use crate::room::A`"), "found {found:?}");
    }

    #[test]
    fn parent_and_child_are_one_thing() {
        let files = [
            ("lib.rs", "mod room;\npub struct Root;"),
            ("room/mod.rs", "mod a;\nuse a::A;\npub struct Shared;\nfn f() { a::g() }"),
            ("room/a.rs", "use super::Shared;\nuse crate::Root;\npub struct A;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn a_circle_may_go_through_a_child_of_another_module() {
        let files = [
            ("lib.rs", "mod room;\nmod other;"),
            ("room/mod.rs", "mod a;\npub struct Shared;"),
            ("room/a.rs", "use crate::other::Other;"),
            ("other.rs", "use crate::room::a;\npub struct Other;"),
        ];
        assert_eq!(found(&files).len(), 1, "found {:?}", found(&files));
    }

    #[test]
    fn top_level_modules_import_one_way_whichever_files_do_it() {
        let files = [
            ("lib.rs", "mod a;\nmod b;"),
            ("a/mod.rs", "mod c;\nmod d;"),
            ("a/c.rs", "use crate::b::B;"),
            ("a/d.rs", "pub struct D;"),
            ("b.rs", "use crate::a::d::D;\npub struct B;"),
        ];
        assert_eq!(found(&files), [""; 0]);
        let expected =
            "a/c.rs:1: circle: 2 modules import each other: a/c.rs:1 `use crate::b::B`, b.rs:1 `use crate::a::d::D`";
        assert_eq!(circles_of("modules", &files), [expected]);
    }

    #[test]
    fn tests_may_use_what_is_built_on_their_file() {
        let files = [
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "#[cfg(test)]\nmod tests { use crate::b::B; }"),
            ("b.rs", "use crate::a;\npub struct B;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }
}
