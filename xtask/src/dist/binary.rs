//! The static binary of the packages: one file runs on every distribution.
//!
//! glibc is linked in (`+crt-static`), because rustup's musl target would be another download. rstmon's two uses of
//! glibc that do not work when it is linked statically are replaced in rstmon itself (`serve/nss.rs`,
//! `serve/group.rs`).

use super::release::{Release, TARGET};
use crate::{
    process, toolchain,
    workspace::{self, FileError, Workspace},
};
use anyhow::{Context as _, bail};
use object::{Object as _, read::elf::FileHeader as _};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The separator of flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";

/// The path of the static binary.
pub(super) fn path(workspace: &Workspace) -> PathBuf {
    workspace.target.join(TARGET).join("release/rstmon")
}

/// Builds the static binary and returns its path.
pub(super) fn build(workspace: &Workspace, release: &Release) -> anyhow::Result<PathBuf> {
    // First, because the compiler's flags name the directories of the sources.
    process::run(workspace.cargo().args(["fetch", "--quiet", "--locked", "--target", TARGET]))?;
    let flags = flags(workspace, &toolchain::cargo_home())?;
    process::run(
        workspace
            .cargo()
            .args(["build", "--release", "--locked", "--package", "rstmon", "--target", TARGET])
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
            .env("CARGO_INCREMENTAL", "0")
            .env("SOURCE_DATE_EPOCH", release.epoch.to_string()),
    )?;
    let binary = path(workspace);
    let content = workspace::read(&binary)?;
    verify(&content, &[&workspace.root, &workspace.target, &toolchain::cargo_home()])
        .with_context(|| format!("{} must not be shipped", binary.display()))?;
    Ok(binary)
}

/// Flags for a static binary, and for names of source files, which panics print, that do not depend on the checkout.
fn flags(workspace: &Workspace, cargo_home: &Path) -> Result<OsString, FileError> {
    let mut flags = OsString::from("-Ctarget-feature=+crt-static");
    let mut remap = |from: &Path, to: &str| {
        flags.push(SEPARATOR);
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    remap(&workspace.root, "rstmon");
    remap(&workspace.target, "target");
    remap(cargo_home, "cargo");
    // The last match wins. The name of a registry's directory depends on the URL from which cargo fetches crates.
    for registry in subdirectories(&cargo_home.join("registry/src"))? {
        remap(&registry, "crates");
    }
    Ok(flags)
}

fn subdirectories(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(FileError::on("list", dir))? {
        let path = entry.map_err(FileError::on("list", dir))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Fails if `elf` is not static, or contains one of the `private` paths.
fn verify(elf: &[u8], private: &[&Path]) -> anyhow::Result<()> {
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(elf).context("no ELF file")?;
    let endian = file.endian();
    let headers = file.elf_header().program_headers(endian, elf).context("no program headers")?;
    let interpreted = headers.iter().any(|header| header.p_type.get(endian) == object::elf::PT_INTERP);
    let imports = file.imports().context("unreadable imports")?;
    if interpreted || !imports.is_empty() {
        bail!("not statically linked: it has an interpreter or imports ({} symbols)", imports.len());
    }
    for path in private {
        let text = path.as_os_str().as_encoded_bytes();
        if elf.windows(text.len()).any(|window| window == text) {
            bail!("it contains {}, a path of this machine", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_refused() {
        let me = fs::read("/proc/self/exe").expect("this program");
        let error = verify(&me, &[]).expect_err("cargo's tests are linked dynamically").to_string();
        assert!(error.contains("not statically linked"), "found `{error}`");
    }

    #[test]
    fn something_else_than_elf_is_refused() {
        assert!(verify(b"#!/bin/sh\n", &[]).is_err());
    }

    #[test]
    fn flags_map_the_sources_and_every_registry() {
        let home = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(home.path().join("registry/src/some.index-0123")).expect("mkdir");
        let workspace = Workspace { root: "/src".into(), target: "/src/target".into() };
        let flags = flags(&workspace, home.path()).expect("flags").into_string().expect("UTF-8");
        let flags: Vec<&str> = flags.split(SEPARATOR).collect();
        assert_eq!(flags[..2], ["-Ctarget-feature=+crt-static", "--remap-path-prefix=/src=rstmon"]);
        let registry = format!("--remap-path-prefix={}/registry/src/some.index-0123=crates", home.path().display());
        assert_eq!(flags.last(), Some(&registry.as_str()));
    }
}
