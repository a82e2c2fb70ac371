//! Tools of the system, and its state.

use crate::ServiceGuest;
use anyhow::{Context as _, Result, ensure};
use std::process::{Command, Output};

/// Runs a tool to its end, successful or not.
pub(crate) fn tool(words: &[&str]) -> Result<Output> {
    let (name, arguments) = words.split_first().context("no tool named")?;
    let mut command = Command::new(name);
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command.output().with_context(|| format!("starting {name}"))
}

/// Runs a tool to its successful end and returns what it printed.
pub(crate) fn done(words: &[&str]) -> Result<String> {
    let output = tool(words)?;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{}: {}\n{out}{err}", words.join(" "), output.status);
    Ok(out)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Ids of the loaded BPF programs of rstmon's type (tracing); systemd itself loads other types.
pub(crate) fn tracing_programs() -> Result<Vec<u64>> {
    let programs: serde_json::Value = serde_json::from_str(&done(&["bpftool", "--json", "prog", "show"])?)?;
    let programs = programs.as_array().context("bpftool prints no list")?;
    Ok(programs.iter().filter(|one| one["type"] == "tracing").filter_map(|one| one["id"].as_u64()).collect())
}

/// The system has booted with systemd, and no unit has failed.
pub(crate) fn runs(_: &mut ServiceGuest) -> Result<()> {
    // It fails when a unit has failed.
    let state = done(&["systemctl", "is-system-running", "--wait"]).or_else(|error| {
        let failed = tool(&["systemctl", "--failed", "--no-legend"])?;
        Err(error.context(text(&failed.stdout)))
    })?;
    ensure!(state.trim() == "running", "systemctl is-system-running: {state}");
    let init = std::fs::read_to_string("/proc/1/comm").context("/proc/1/comm")?;
    ensure!(init.trim() == "systemd", "process 1 is {init}");
    Ok(())
}
