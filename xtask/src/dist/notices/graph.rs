//! The crates in the binary, according to cargo metadata.

use crate::{dist::release::TARGET, process, workspace::Workspace};
use anyhow::Context as _;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// The packages whose dependencies are in the binary: the program, and the kernel half that is embedded in it.
const ROOTS: [&str; 2] = ["rstmon", "rstmon-ebpf"];

#[derive(Clone, Debug, Deserialize)]
pub(super) struct CratePackage {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression, if the manifest has one.
    pub(super) license: Option<String>,
    /// Empty if the manifest names none.
    #[serde(default)]
    pub(super) authors: Vec<String>,
    /// URL of the repository.
    pub(super) repository: Option<String>,
    /// Path of its Cargo.toml, beside which its licence files are.
    pub(super) manifest_path: PathBuf,
    /// The registry it is from; `None` for crates of the workspace.
    pub(super) source: Option<String>,
    id: String,
}

/// The crates that are linked into the binary, sorted by name and version.
#[derive(Debug)]
pub(super) struct Graph {
    /// Includes the crates of the workspace.
    pub(super) packages: Vec<CratePackage>,
}

#[derive(Deserialize)]
struct DependencyMetadata {
    packages: Vec<CratePackage>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    /// `None` for a normal dependency. Build and development dependencies are not in the binary.
    kind: Option<String>,
}

impl Graph {
    pub(super) fn of(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut command = workspace.cargo();
        command.args(["metadata", "--locked", "--format-version=1", "--filter-platform", TARGET]);
        Self::parse(&process::output(&mut command)?)
    }

    fn parse(json: &str) -> anyhow::Result<Self> {
        let metadata: DependencyMetadata =
            serde_json::from_str(json).context("cannot read the output of cargo metadata")?;
        let ours = metadata.packages.iter().filter(|package| package.source.is_none());
        let mut open: Vec<&str> =
            ours.filter(|package| ROOTS.contains(&package.name.as_str())).map(|package| package.id.as_str()).collect();
        let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut linked = BTreeSet::new();
        while let Some(id) = open.pop() {
            if linked.insert(id.to_owned()) {
                let node = nodes.get(id).with_context(|| format!("cargo metadata does not resolve {id}"))?;
                let linked = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|edge| edge.kind.is_none()));
                open.extend(linked.map(|dep| dep.pkg.as_str()));
            }
        }
        let mut packages: Vec<CratePackage> =
            metadata.packages.into_iter().filter(|package| linked.contains(&package.id)).collect();
        packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(Self { packages })
    }

    /// The crates from outside the workspace.
    pub(super) fn third_party(&self) -> impl Iterator<Item = &CratePackage> {
        self.packages.iter().filter(|package| package.source.is_some())
    }
}

#[cfg(test)]
impl CratePackage {
    pub(super) fn sample(name: &str, license: Option<&str>) -> Self {
        Self {
            name: name.into(),
            version: "1.0.0".into(),
            license: license.map(Into::into),
            authors: vec!["Someone".into()],
            repository: None,
            manifest_path: "/nonexistent/Cargo.toml".into(),
            source: Some("registry".into()),
            id: name.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_or_tests_is_not_in_the_binary() {
        let package = |name: &str, source: &str| {
            format!(
                r#"{{"name": "{name}", "version": "1.0.0", "license": "MIT", "repository": null, "id": "{name}",
                    "source": {source}, "manifest_path": "/x/Cargo.toml"}}"#
            )
        };
        let packages =
            [package("rstmon", "null"), package("linked", "\"r\""), package("deep", "\"r\""), package("tool", "\"r\"")];
        let json = format!(
            r#"{{"packages": [{}], "resolve": {{"nodes": [
                {{"id": "rstmon", "deps": [{{"pkg": "linked", "dep_kinds": [{{"kind": "dev"}}, {{"kind": null}}]}},
                                           {{"pkg": "tool", "dep_kinds": [{{"kind": "build"}}]}}]}},
                {{"id": "linked", "deps": [{{"pkg": "deep", "dep_kinds": [{{"kind": null}}]}}]}},
                {{"id": "deep", "deps": []}}, {{"id": "tool", "deps": []}}]}}}}"#,
            packages.join(",")
        );
        let graph = Graph::parse(&json).expect("graph");
        let names: Vec<&str> = graph.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["deep", "linked", "rstmon"]);
        assert_eq!(graph.third_party().count(), 2);
    }
}
