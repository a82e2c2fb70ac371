//! The locked versions of all dependencies of the kernel half, from Cargo.lock.

use std::collections::BTreeSet;

/// One `[[package]]` of Cargo.lock.
#[derive(Debug, Default)]
struct LockedPackage<'a> {
    name: &'a str,
    version: &'a str,
    /// `None` for packages of the workspace.
    checksum: Option<&'a str>,
    /// `name`, or `name version` where several versions are locked.
    dependencies: Vec<&'a str>,
}

/// The dependencies of `root`, direct and indirect, as sorted lines `name version checksum`. The packages of this
/// workspace are followed but not listed: their sources are hashed separately, and a new version of rstmon does not
/// require a new object.
pub(super) fn closure(lock: &str, root: &str) -> BTreeSet<String> {
    let packages = parse(lock);
    let mut seen = BTreeSet::new();
    let mut pending = vec![root];
    while let Some(wanted) = pending.pop() {
        let (name, version) = wanted.split_once(' ').map_or((wanted, None), |(name, version)| (name, Some(version)));
        let fits = |package: &&LockedPackage<'_>| package.name == name && version.is_none_or(|v| package.version == v);
        for package in packages.iter().filter(fits) {
            if seen.insert((package.name, package.version, package.checksum)) {
                pending.extend(&package.dependencies);
            }
        }
    }
    seen.into_iter()
        .filter_map(|(name, version, checksum)| checksum.map(|checksum| format!("{name} {version} {checksum}")))
        .collect()
}

/// Parses the subset of TOML that cargo writes.
fn parse(lock: &str) -> Vec<LockedPackage<'_>> {
    let mut packages: Vec<LockedPackage<'_>> = Vec::new();
    for line in lock.lines() {
        let line = line.trim();
        if line == "[[package]]" {
            packages.push(LockedPackage::default());
        }
        let Some(package) = packages.last_mut() else { continue };
        match line.split_once(" = ") {
            Some(("name", value)) => package.name = unquoted(value),
            Some(("version", value)) => package.version = unquoted(value),
            Some(("checksum", value)) => package.checksum = Some(unquoted(value)),
            None if line.starts_with('"') => package.dependencies.push(unquoted(line)),
            Some(_) | None => {}
        }
    }
    packages
}

fn unquoted(value: &str) -> &str {
    value.trim_end_matches(',').trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "aya-ebpf"
version = "0.2.1"
source = "registry+https://example.org/index"
checksum = "aa"
dependencies = [
 "syn 2.0.1",
]

[[package]]
name = "rstmon-common"
version = "0.1.0"
dependencies = [
 "zerocopy",
]

[[package]]
name = "rstmon-ebpf"
version = "0.1.0"
dependencies = [
 "aya-ebpf",
 "rstmon-common",
]

[[package]]
name = "syn"
version = "2.0.1"
checksum = "b2"

[[package]]
name = "syn"
version = "3.0.0"
checksum = "b3"

[[package]]
name = "tokio"
version = "1.0.0"
checksum = "cc"

[[package]]
name = "zerocopy"
version = "0.8.63"
checksum = "dd"
"#;

    #[test]
    fn only_what_the_kernel_half_depends_on() {
        let expected = ["aya-ebpf 0.2.1 aa", "syn 2.0.1 b2", "zerocopy 0.8.63 dd"].map(str::to_owned);
        assert_eq!(closure(LOCK, "rstmon-ebpf"), BTreeSet::from(expected));
    }

    #[test]
    fn a_new_version_of_the_workspace_changes_nothing() {
        let released = LOCK.replace("\"0.1.0\"", "\"0.2.0\"");
        assert_eq!(closure(&released, "rstmon-ebpf"), closure(LOCK, "rstmon-ebpf"));
    }

    #[test]
    fn this_very_lock_file_has_aya() {
        let lock = include_str!("../../../Cargo.lock");
        let found = closure(lock, "rstmon-ebpf");
        assert!(found.iter().any(|line| line.starts_with("aya-ebpf 0.")), "found {found:?}");
        assert!(!found.iter().any(|line| line.starts_with("tokio ")), "found {found:?}");
    }
}
