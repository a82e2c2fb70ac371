//! The tools that compile the kernel half. rustup's stable has no `core` for `bpfel-unknown-none`; Debian ships a
//! rustc with a prebuilt one, installed beside rustup. The version of every tool is recorded with the object.

use crate::{
    lookup,
    process::{self, CommandError},
    workspace::Workspace,
};
use serde::{Deserialize, Serialize};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The target of the kernel half.
pub(crate) const TARGET: &str = "bpfel-unknown-none";
/// The exact version of bpf-linker: point releases have changed, and broken, the BTF it writes.
pub(crate) const LINKER_VERSION: &str = "0.13.0";

/// What is wrong with the toolchain of the kernel half.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolchainError {
    #[error("no {what} ({}): run `cargo xtask setup`", .looked.display())]
    Missing { what: &'static str, looked: PathBuf },
    #[error("bpf-linker is at version `{found}`, wanted {LINKER_VERSION}: run `cargo xtask setup`")]
    LinkerVersion { found: String },
    #[error("no LLVM version in the output of `{} -vV`", .rustc.display())]
    NoLlvm { rustc: PathBuf },
    #[error("`cargo -vV` does not name its host")]
    NoHost,
    #[error(transparent)]
    Process(#[from] CommandError),
}

/// Sysroot of the kernel half's rustc: `RSTMON_BPF_TOOLCHAIN`, or `/usr`, where Debian installs it.
pub(crate) fn sysroot() -> PathBuf {
    env::var_os("RSTMON_BPF_TOOLCHAIN").map_or_else(|| PathBuf::from("/usr"), PathBuf::from)
}

/// Cargo's home: installed programs and downloaded sources.
pub(crate) fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"), PathBuf::from)
}

/// Where LLVM `major` is installed: `LLVM_PREFIX`, or Debian's `/usr/lib/llvm-N`.
pub(crate) fn llvm_prefix(major: u32) -> PathBuf {
    env::var_os("LLVM_PREFIX").map_or_else(|| PathBuf::from(format!("/usr/lib/llvm-{major}")), PathBuf::from)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rustc {
    /// The whole of `rustc -vV`.
    pub(crate) verbose: String,
    /// Major version of the LLVM that rustc is built with.
    pub(crate) llvm: u32,
}

impl Rustc {
    /// Runs `rustc -vV` and reads the answer.
    pub(crate) fn ask(rustc: &Path) -> Result<Self, ToolchainError> {
        let verbose = process::output(isolated(rustc).arg("-vV"))?;
        let llvm =
            field(&verbose, "LLVM version").and_then(|version| version.split('.').next()).and_then(|n| n.parse().ok());
        let llvm = llvm.ok_or_else(|| ToolchainError::NoLlvm { rustc: rustc.to_owned() })?;
        Ok(Self { verbose, llvm })
    }
}

/// The value of `name: value` in the output of `rustc -vV`.
pub(crate) fn field<'a>(verbose: &'a str, name: &str) -> Option<&'a str> {
    verbose.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The target triple that `workspace`'s cargo builds for by default.
pub(crate) fn host(workspace: &Workspace) -> Result<String, ToolchainError> {
    let verbose = process::output(workspace.cargo().arg("-vV"))?;
    field(&verbose, "host").map(str::to_owned).ok_or(ToolchainError::NoHost)
}

/// A command for `program` without the environment variables with which rustup and `cargo run` select a toolchain.
pub(crate) fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    for variable in ["LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"] {
        command.env_remove(variable);
    }
    command
}

/// The versions of every tool that determines the object's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Versions {
    /// `rustc -vV`, line by line: its LLVM generates the bitcode.
    pub(crate) rustc: Vec<String>,
    /// `cargo -V`: it names the crates' symbols.
    pub(crate) cargo: String,
    /// `bpf-linker --version`: it optimises and writes the BTF.
    pub(crate) bpf_linker: String,
    /// `llvm-strip --version`: it writes the file.
    pub(crate) llvm: String,
}

impl Versions {
    /// The tools that differ, each as `tool: recorded -> here`.
    pub(crate) fn differences(&self, here: &Self) -> Vec<String> {
        let Self { rustc, cargo, bpf_linker, llvm } = self;
        let only_in = |a: &[String], b: &[String]| {
            let lines: Vec<&str> = a.iter().filter(|line| !b.contains(line)).map(String::as_str).collect();
            lines.join(", ")
        };
        let pairs = [
            ("rustc", only_in(rustc, &here.rustc), only_in(&here.rustc, rustc)),
            ("cargo", cargo.clone(), here.cargo.clone()),
            ("bpf-linker", bpf_linker.clone(), here.bpf_linker.clone()),
            ("LLVM", llvm.clone(), here.llvm.clone()),
        ];
        pairs
            .into_iter()
            .filter(|(_, recorded, here)| recorded != here)
            .map(|(tool, recorded, here)| format!("{tool}: {recorded} -> {here}"))
            .collect()
    }
}

#[derive(Debug)]
pub(crate) struct Toolchain {
    /// Root of the installation that `rustc` and `cargo` are from.
    pub(crate) sysroot: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The cargo of the same installation, so that the developer's own version does not affect the bytes.
    pub(crate) cargo: PathBuf,
    pub(crate) linker: PathBuf,
    pub(crate) strip: PathBuf,
    pub(crate) versions: Versions,
}

impl Toolchain {
    /// Finds the tools and runs each for its version.
    pub(crate) fn find() -> Result<Self, ToolchainError> {
        let sysroot = sysroot();
        let rustc = executable("rustc for the kernel half", sysroot.join("bin/rustc"))?;
        let cargo = executable("cargo for the kernel half", sysroot.join("bin/cargo"))?;
        let core = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        if !core.is_dir() {
            return Err(ToolchainError::Missing { what: "prebuilt core for BPF", looked: core });
        }
        let about = Rustc::ask(&rustc)?;
        let linker = find_linker()
            .ok_or_else(|| ToolchainError::Missing { what: "bpf-linker", looked: cargo_home().join("bin") })?;
        let strip = executable("llvm-strip", llvm_prefix(about.llvm).join("bin/llvm-strip"))?;
        let versions = Versions {
            rustc: about.verbose.lines().map(str::to_owned).collect(),
            cargo: first_line(&process::output(isolated(&cargo).arg("-V"))?),
            bpf_linker: linker_version(&linker)?,
            llvm: llvm_version(&process::output(isolated(&strip).arg("--version"))?),
        };
        if !is_wanted_linker(&versions.bpf_linker) {
            return Err(ToolchainError::LinkerVersion { found: versions.bpf_linker });
        }
        Ok(Self { sysroot, rustc, cargo, linker, strip, versions })
    }
}

fn executable(what: &'static str, path: PathBuf) -> Result<PathBuf, ToolchainError> {
    if lookup::is_executable(&path) { Ok(path) } else { Err(ToolchainError::Missing { what, looked: path }) }
}

/// bpf-linker, from where `cargo install` puts it or else from `PATH`.
pub(crate) fn find_linker() -> Option<PathBuf> {
    let installed = cargo_home().join("bin/bpf-linker");
    if lookup::is_executable(&installed) { Some(installed) } else { lookup::find("bpf-linker") }
}

pub(crate) fn linker_version(linker: &Path) -> Result<String, CommandError> {
    Ok(first_line(&process::output(isolated(linker).arg("--version"))?))
}

/// Whether `version`, the output of `bpf-linker --version`, is the wanted one.
pub(crate) fn is_wanted_linker(version: &str) -> bool {
    version.split_whitespace().nth(1) == Some(LINKER_VERSION)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// The line with the version in `llvm-strip --version`; its first line only names what it is compatible with.
fn llvm_version(text: &str) -> String {
    let line = text.lines().find(|line| line.contains("LLVM version")).unwrap_or(text);
    first_line(line.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBOSE: &str = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                           release: 1.96.0\nLLVM version: 22.1.8\n";

    fn versions() -> Versions {
        Versions {
            rustc: VERBOSE.lines().map(str::to_owned).collect(),
            cargo: "cargo 1.96.0".into(),
            bpf_linker: "bpf-linker 0.13.0".into(),
            llvm: "Debian LLVM version 22.1.8".into(),
        }
    }

    #[test]
    fn fields_of_verbose_version() {
        assert_eq!(field(VERBOSE, "LLVM version"), Some("22.1.8"));
        assert_eq!(field(VERBOSE, "host"), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(field(VERBOSE, "commit-hash"), None);
    }

    #[test]
    fn same_versions_do_not_differ() {
        assert_eq!(versions().differences(&versions()), [""; 0]);
    }

    #[test]
    fn a_difference_names_the_tool_and_both_versions() {
        let here = Versions { bpf_linker: "bpf-linker 0.14.0".into(), ..versions() };
        assert_eq!(versions().differences(&here), ["bpf-linker: bpf-linker 0.13.0 -> bpf-linker 0.14.0"]);
    }

    #[test]
    fn of_rustc_only_the_lines_that_differ_are_named() {
        let mut here = versions();
        here.rustc[4] = "LLVM version: 23.1.0".into();
        assert_eq!(versions().differences(&here), ["rustc: LLVM version: 22.1.8 -> LLVM version: 23.1.0"]);
    }

    #[test]
    fn the_linker_is_pinned_exactly() {
        assert!(is_wanted_linker("bpf-linker 0.13.0"));
        assert!(!is_wanted_linker("bpf-linker 0.13.1"));
        assert!(!is_wanted_linker(""));
    }

    #[test]
    fn the_version_of_llvm_tools_is_not_in_the_first_line() {
        let text = "llvm-strip, compatible with GNU strip\nDebian LLVM version 22.1.8\n  Optimized build.\n";
        assert_eq!(llvm_version(text), "Debian LLVM version 22.1.8");
    }
}
