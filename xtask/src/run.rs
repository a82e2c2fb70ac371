//! `cargo xtask run`: builds rstmon, then replaces this process with it.

use crate::{elevate::Privilege, lookup, process, workspace::Workspace};
use anyhow::{Context as _, bail};
use std::{convert::Infallible, ffi::OsString, os::unix::process::CommandExt};

/// Builds rstmon and replaces this process with it, so that rstmon gets the signals and its exit code is the task's.
pub(crate) fn run(workspace: &Workspace, args: Vec<OsString>) -> anyhow::Result<Infallible> {
    // Checked first, before a long build: without it the result cannot be run.
    let privilege = Privilege::detect()?;
    if lookup::find("cc").is_none() {
        bail!("Rust needs a C linker (`cc`) and there is none: `apt-get install gcc libc6-dev`");
    }
    process::run(workspace.cargo().args(["build", "--release", "--locked", "--package", "rstmon"]))?;

    let binary = workspace.release_binary();
    let mut command = privilege.command(&binary);
    command.args(or_top(args));
    // Set by cargo for `cargo run`; rstmon does not need it.
    command.env_remove("LD_LIBRARY_PATH");
    let error = command.exec();
    Err(error).with_context(|| format!("cannot execute `{}`", process::describe(&command)))
}

/// The default command line: the view of this host, which needs no daemon.
fn or_top(args: Vec<OsString>) -> Vec<OsString> {
    if args.is_empty() { vec!["top".into(), "--standalone".into()] } else { args }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_of_this_host_is_the_default() {
        assert_eq!(or_top(vec![]), ["top", "--standalone"]);
    }

    #[test]
    fn arguments_are_passed_on_untouched() {
        assert_eq!(or_top(vec!["why".into(), "--json".into()]), ["why", "--json"]);
    }
}
