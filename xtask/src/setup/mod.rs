//! `cargo xtask setup`: installs what the tests and the build of the kernel half need, and only what is missing.

mod linker;
mod packages;

use self::packages::DebianPackage;
use crate::{
    elevate::Privilege,
    lookup, process, say,
    toolchain::{self, Rustc},
    workspace::Workspace,
};
use anyhow::{Context as _, bail};
use std::{env, path::Path, process::Command};

/// Installs everything that `cargo xtask test` needs. Does nothing when all of it is installed.
pub(crate) fn setup(workspace: &Workspace) -> anyhow::Result<()> {
    if lookup::find("apt-get").is_none() || lookup::find("dpkg-query").is_none() {
        bail!("{}", packages::by_hand());
    }
    let mut lists_are_fresh = false;
    // In two rounds: the LLVM version is known only once rustc is installed.
    install(&packages::base(), &mut lists_are_fresh)?;
    let rustc = Rustc::ask(&toolchain::sysroot().join("bin/rustc"))?;
    install(&packages::llvm(rustc.llvm), &mut lists_are_fresh)?;
    linker::ensure(workspace, rustc.llvm)?;
    rustup_components(workspace)
}

/// Installs the packages that every virtual machine needs.
pub(crate) fn ensure_virtual_machines() -> anyhow::Result<()> {
    ensure(&packages::VIRTUAL_MACHINES)
}

/// Installs the missing ones of `wanted` (package, reason). Does nothing without apt-get: the task that needs a program
/// reports it.
pub(crate) fn ensure(wanted: &[(&str, &'static str)]) -> anyhow::Result<()> {
    if lookup::find("apt-get").is_none() || lookup::find("dpkg-query").is_none() || wanted.is_empty() {
        return Ok(());
    }
    let wanted: Vec<DebianPackage> =
        wanted.iter().map(|&(name, why)| DebianPackage { name: name.to_owned(), why }).collect();
    install(&wanted, &mut false)
}

/// Installs Rust's standard library for the target `triple`, if it is missing.
pub(crate) fn ensure_target(workspace: &Workspace, triple: &str) -> anyhow::Result<()> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", triple]).current_dir(&workspace.root);
    if Path::new(process::output(&mut rustc)?.trim()).is_dir() {
        return Ok(());
    }
    if lookup::find("rustup").is_none() {
        bail!("Rust's library for {triple} is missing: install it from the source of your Rust installation");
    }
    say::line(format_args!("setup: installing Rust's library for {triple} (programs for virtual machines)"));
    Ok(process::run(Command::new("rustup").args(["target", "add", triple]).current_dir(&workspace.root))?)
}

fn install(wanted: &[DebianPackage], lists_are_fresh: &mut bool) -> anyhow::Result<()> {
    let missing = packages::missing(wanted, &installed(wanted)?);
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        say::line(format_args!("setup: installing {} ({})", package.name, package.why));
    }
    if !*lists_are_fresh {
        apt_get(&["update"])?;
        *lists_are_fresh = true;
    }
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(missing.iter().map(|package| package.name.as_str()));
    apt_get(&args).context("if a package is unknown here: it is in Debian 12 and later with their security updates")
}

/// The output of dpkg-query. It fails if it does not know one of the packages, and still answers for the others.
fn installed(packages: &[DebianPackage]) -> anyhow::Result<String> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", packages::FORMAT])
        .args(packages.iter().map(|package| &package.name))
        .output()
        .context("cannot start dpkg-query")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn apt_get(args: &[&str]) -> anyhow::Result<()> {
    let mut command = Privilege::detect()?.command("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "-o=Dpkg::Use-Pty=0"]).args(args);
    Ok(process::run(&mut command)?)
}

/// Installs rustfmt and clippy, which rustup's minimal profile lacks.
fn rustup_components(workspace: &Workspace) -> anyhow::Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if process::output(workspace.cargo().args([subcommand, "--version"])).is_ok() {
            continue;
        }
        if lookup::find("rustup").is_none() {
            bail!("`cargo {subcommand}` is missing: install {component} from the source of your Rust installation");
        }
        say::line(format_args!("setup: installing {component} (cargo xtask test runs `cargo {subcommand}`)"));
        process::run(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}
