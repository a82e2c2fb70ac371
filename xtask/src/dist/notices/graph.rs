//! The crates that are in the binary, by cargo's own account.

use crate::{dist::release::TARGET, process, workspace::Workspace};
use anyhow::Context as _;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// What the binary is made of: the program, and the kernel half that is embedded in it.
const ROOTS: [&str; 2] = ["rstmon", "rstmon-ebpf"];

/// One crate.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// An SPDX expression, or nothing.
    pub(super) license: Option<String>,
    /// Who wrote it, if it says so.
    #[serde(default)]
    pub(super) authors: Vec<String>,
    /// Where it is developed.
    pub(super) repository: Option<String>,
    /// Its Cargo.toml, beside which its licence files are.
    pub(super) manifest_path: PathBuf,
    /// Where it is from; the workspace's own crates have no source.
    pub(super) source: Option<String>,
    id: String,
}

/// The crates that are linked into the binary, sorted by name and version.
#[derive(Debug)]
pub(super) struct Graph {
    /// The workspace's own included.
    pub(super) packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
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
    /// None for an ordinary dependency: what builds or tests a crate is not in the binary.
    kind: Option<String>,
}

impl Graph {
    /// Asks cargo.
    pub(super) fn of(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut command = workspace.cargo();
        command.args(["metadata", "--locked", "--format-version=1", "--filter-platform", TARGET]);
        Self::parse(&process::output(&mut command)?)
    }

    fn parse(json: &str) -> anyhow::Result<Self> {
        let metadata: Metadata = serde_json::from_str(json).context("cannot read the output of cargo metadata")?;
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
        let mut packages: Vec<Package> =
            metadata.packages.into_iter().filter(|package| linked.contains(&package.id)).collect();
        packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(Self { packages })
    }

    /// Those that are somebody else's.
    pub(super) fn third_party(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_some())
    }
}

#[cfg(test)]
impl Package {
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
