//! Compiles the kernel half so that the same sources and tools give the same bytes in every checkout: the profile is
//! fixed here (the workspace's is for the user half), every path is remapped, and the tools are called by name.

use super::digest;
use crate::{
    process,
    toolchain::{self, TARGET, Toolchain},
    workspace::{self, Workspace},
};
use anyhow::Context as _;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// Crates that use unstable features; rustc allows those in the named crates only.
const UNSTABLE: &str = "aya_ebpf,rstmon_ebpf";

/// rustc's flags, apart from paths.
pub(super) const FLAGS: [&str; 7] = [
    "-Clinker=bpf-linker",
    "-Clink-arg=--btf",
    // Otherwise LLVM turns every memset and memmove into a call of a loop over bytes, which is slower than a helper.
    "-Clink-arg=--disable-expand-memcpy-in-order",
    "-Cdebuginfo=2",
    "-Cpanic=abort",
    // ISA v3: atomic instructions that return a value, 32-bit jumps. Needs Linux 5.12.
    "-Ctarget-cpu=v3",
    // Fixed, because it would default to the host's. It only affects arguments of kprobes, of which there are none.
    "--cfg=bpf_target_arch=\"x86_64\"",
];

/// The release profile, independent of Cargo.toml. bpf-linker does the link-time optimisation.
pub(super) const PROFILE: [(&str, &str); 9] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "2"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "false"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "false"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "false"),
];

/// The build of the kernel half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// The committed object.
    Release,
    /// With log lines from the kernel half.
    Debug,
}

impl Variant {
    /// File name of the object in the target directory.
    fn file_name(self) -> &'static str {
        match self {
            Self::Release => "rstmon.bpf.o",
            Self::Debug => "rstmon-debug.bpf.o",
        }
    }
}

/// Builds and strips the kernel half; returns the path of the object in the target directory.
pub(super) fn compile(workspace: &Workspace, toolchain: &Toolchain, variant: Variant) -> anyhow::Result<PathBuf> {
    let target = workspace.target.join("bpf");
    let registries = registries(workspace, toolchain)?;
    // Cargo notices a change of rustc but not of bpf-linker or its LLVM, so it must always link again.
    let mut clean = cargo(workspace, toolchain);
    clean.args([
        "clean",
        "--quiet",
        "--locked",
        "--release",
        "--package=rstmon-ebpf",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    process::run(clean.arg(&target))?;

    let mut command = cargo(workspace, toolchain);
    command
        // --locked: two versions of cargo use this Cargo.lock, and neither may change it here.
        .args(["build", "--release", "--locked", "--package=rstmon-ebpf", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .args((variant == Variant::Debug).then_some("--features=debug"))
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&workspace.root, &registries, &toolchain.sysroot))
        .env("RUSTC_BOOTSTRAP", UNSTABLE)
        .envs(PROFILE);
    process::run(&mut command).context("the kernel half does not compile")?;

    let linked = target.join(TARGET).join("release/rstmon-ebpf");
    let object = target.join(variant.file_name());
    // Removes DWARF and keeps .BTF, which the kernel needs.
    process::run(Command::new(&toolchain.strip).arg("--strip-debug").arg("-o").arg(&object).arg(&linked))?;
    let content = workspace::read(&object)?;
    let private = registries.iter().map(PathBuf::as_path).chain([workspace.root.as_path()]);
    digest::without_paths(&content, private)?;
    Ok(object)
}

/// The cargo of the kernel half's toolchain, with its own rustc and with bpf-linker in `PATH`: a path in the flags
/// would differ between home directories, and cargo hashes the flags into symbol names.
fn cargo(workspace: &Workspace, toolchain: &Toolchain) -> Command {
    let mut command = toolchain::isolated(&toolchain.cargo);
    command.current_dir(&workspace.root).env("RUSTC", &toolchain.rustc).env("PATH", path_with(&toolchain.linker));
    command
}

fn path_with(linker: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = linker.parent().map(Path::to_owned).into_iter().chain(env::split_paths(&path));
    env::join_paths(dirs).unwrap_or(path)
}

#[derive(Deserialize)]
struct PackagesMetadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    source: Option<String>,
    manifest_path: PathBuf,
}

/// The directories of unpacked crates. Their names depend on the registry, and a mirror has another name.
fn registries(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut command = cargo(workspace, toolchain);
    command.args(["metadata", "--locked", "--format-version=1", "--filter-platform", TARGET]);
    let json = process::output(&mut command)?;
    registries_in(&json).context("cannot read the output of cargo metadata")
}

fn registries_in(json: &str) -> serde_json::Result<BTreeSet<PathBuf>> {
    let metadata: PackagesMetadata = serde_json::from_str(json)?;
    let foreign = metadata.packages.into_iter().filter(|package| package.source.is_some());
    Ok(foreign.filter_map(|package| Some(package.manifest_path.parent()?.parent()?.to_owned())).collect())
}

/// The flags with the remapped paths, in cargo's encoding, which allows spaces. Of several matching remaps rustc uses
/// the last: crates may be vendored inside the workspace.
fn rustflags(root: &Path, registries: &BTreeSet<PathBuf>, sysroot: &Path) -> OsString {
    const SEPARATOR: &str = "\u{1f}";
    let library = sysroot.join("lib/rustlib/src/rust");
    let remaps = [(root, "/rstmon"), (library.as_path(), "/rust")]
        .into_iter()
        .chain(registries.iter().map(|registry| (registry.as_path(), "/crates")));
    let mut flags = OsString::from(FLAGS.join(SEPARATOR));
    for (from, to) in remaps {
        flags.push(SEPARATOR);
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_workspace_are_no_registry() {
        let json = r#"{"packages": [
            {"source": null, "manifest_path": "/w/rstmon-ebpf/Cargo.toml"},
            {"source": "registry+x", "manifest_path": "/home/a b/registry/src/x-1/aya-ebpf-0.2.1/Cargo.toml"},
            {"source": "registry+x", "manifest_path": "/home/a b/registry/src/x-1/zerocopy-0.8.63/Cargo.toml"}]}"#;
        let expected = BTreeSet::from([PathBuf::from("/home/a b/registry/src/x-1")]);
        assert_eq!(registries_in(json).expect("valid"), expected);
    }

    #[test]
    fn vendored_crates_win_over_the_workspace_they_are_in() {
        let flags = rustflags(Path::new("/w x"), &BTreeSet::from(["/w x/vendor".into()]), Path::new("/usr"));
        let flags = flags.into_string().expect("text");
        let flags: Vec<&str> = flags.split('\u{1f}').skip(FLAGS.len()).collect();
        let expected = ["/w x=/rstmon", "/usr/lib/rustlib/src/rust=/rust", "/w x/vendor=/crates"];
        assert_eq!(flags, expected.map(|remap| format!("--remap-path-prefix={remap}")));
    }
}
