//! `cargo xtask`: the development tasks of rstmon, one file or folder each.
//!
//! Messages of the tasks go to standard error; standard output belongs to the programs that they run.

mod bench;
mod bpf;
mod dist;
mod elevate;
mod fuzz;
mod lint;
mod lookup;
mod picture;
mod process;
mod run;
mod say;
mod setup;
mod stress;
mod target;
mod test;
mod toolchain;
mod vm;
mod workspace;

use crate::workspace::Workspace;
use clap::{Parser, Subcommand};
use std::{ffi::OsString, process::ExitCode};

/// Development tasks of rstmon.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct TaskCli {
    #[command(subcommand)]
    task: DevTask,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask run                     the live view of this host's resets (rstmon top)
  cargo xtask run -- why --since 10m  any other rstmon command line
  cargo xtask test                    everything that CI runs
  cargo xtask bpf                     rebuild the kernel half after changing it";

#[derive(Debug, Subcommand)]
enum DevTask {
    /// Build rstmon in release mode and run it as root (through sudo if needed).
    ///
    /// Needs only stable Rust and a C linker: the repository holds the compiled kernel half.
    #[command(after_help = "\
Examples:
  cargo xtask run                      rstmon top --standalone
  cargo xtask run -- tail process=java
  cargo xtask run -- tail --json port=8080")]
    Run {
        /// rstmon's command line; `top --standalone` if empty.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Install the Debian packages that the tests and the build of the kernel half need.
    ///
    /// Returns quickly if all of them are installed.
    Setup,
    /// Build the kernel half into rstmon/bpf/rstmon.bpf.o, or check the committed object.
    #[command(after_help = "\
Examples:
  cargo xtask bpf           rebuilds it, after a change to rstmon-ebpf or rstmon-common
  cargo xtask bpf --check   checks that the committed object matches the sources
  cargo xtask bpf --debug   builds an object that logs, in target/bpf; leaves the committed one alone

Environment:
  RSTMON_BPF_TOOLCHAIN   sysroot of a rustc that has a prebuilt core for bpfel-unknown-none (default /usr)
  LLVM_PREFIX            where that rustc's major version of LLVM is installed (default /usr/lib/llvm-N)")]
    Bpf {
        /// Write nothing: fail if the committed object is stale, altered, or not what the sources compile to.
        #[arg(long, conflicts_with = "debug")]
        check: bool,
        /// Build with the feature `debug` (log lines from the kernel half) into the target directory.
        #[arg(long)]
        debug: bool,
    },
    /// Run everything that CI runs, in order, and stop at the first failure.
    #[command(after_help = "\
Examples:
  cargo xtask test              installs missing packages, then tests
  cargo xtask test --no-setup   installs nothing

With CI=true a skipped end-to-end test is a failure; otherwise it is only reported.")]
    Test {
        /// Do not install missing packages first.
        #[arg(long)]
        no_setup: bool,
    },
    /// Measure what rstmon costs on this kernel, beside bpftrace, perf and tcpdump, which are installed. As root.
    #[command(after_help = "\
Examples:
  cargo xtask bench                          the report; takes ten minutes, the machine should be idle otherwise
  cargo xtask bench --write-docs             writes the report to docs/performance.md
  cargo xtask bench --json >figures.json     one JSON document; --from figures.json makes the report from it
  cargo xtask bench --only flood,hooks       some of it
  cargo xtask bench --quick                  only see that everything works

Traffic is in network namespaces of its own. An interruption leaves nothing behind.")]
    Bench(bench::BenchOptions),
    /// Build the release into target/dist: static binary, .deb, .rpm, sources, checksums.
    #[command(after_help = "\
Examples:
  cargo xtask dist             builds this commit; the working tree has to be clean
  cargo xtask dist --check     also tests the packages, as root or through sudo; about a minute more
  cargo xtask dist --deb-only  target/dist/rstmon_VERSION_amd64.deb, allows uncommitted changes

The same commit gives the same bytes: files carry the commit's time, or SOURCE_DATE_EPOCH.")]
    Dist(dist::DistArguments),
    /// Fuzz every parser of files, kernel data and client input; installs cargo-fuzz if it is missing.
    #[command(after_help = "\
Examples:
  cargo xtask fuzz                          every target for a minute, then a table
  cargo xtask fuzz btf http --seconds 600   two targets for longer
  cargo xtask fuzz --keep                   add the inputs found to fuzz/corpus
  cargo xtask fuzz btf --input FILE         run one input again

Fails when a target crashed; the input is kept in fuzz/artifacts.")]
    Fuzz(fuzz::FuzzArguments),
    /// Check what of the rules on language and layout (CONTRIBUTING.md) a machine can check; a step of `test`.
    #[command(after_help = "\
Examples:
  cargo xtask lint                       everything
  cargo xtask lint rstmon/src/serve      what is found below a path; all files are read all the same
  cargo xtask lint --rule stand-in docs  one rule

Exceptions, each with its reason, are in xtask/src/lint/exceptions.toml.")]
    Lint(lint::LintArguments),
    /// Run load and faults against rstmon on this kernel and check that no reset was lost or invented. As root.
    #[command(after_help = "\
Examples:
  cargo xtask stress                         the short form, a minute and a half; CI runs it
  cargo xtask stress --full                  a hundred kills, millions of resets, ten minutes of soak
  cargo xtask stress --only soak --duration 3600
  cargo xtask stress --seed 7                repeats the load of an earlier run
  cargo xtask stress --json                  one JSON document

Ends with a table of resets provoked and counted, events lost, faults injected, memory and descriptors. Any difference
and any growth is a failure. Nothing else on the machine should provoke resets meanwhile. Interrupted (SIGINT, SIGTERM,
SIGHUP), it cleans up and ends with 128 plus the signal's number.")]
    Stress(stress::StressArguments),
    /// Redraw the README's picture of `rstmon top`, after a change to the view; needs tmux.
    Picture,
    /// Test in virtual machines, under QEMU with an emulated processor: needs neither KVM nor this machine's kernel.
    #[command(after_help = "\
Examples:
  cargo xtask vm                          the core of the end-to-end suite on all of Debian's kernels
  cargo xtask vm 6.1 /boot/vmlinuz-6.8.0  on some of them, or on an image given by path
  cargo xtask vm 6.12 --only owners::     some of the tests
  cargo xtask vm 6.12-arm64               on aarch64: installs a cross-compiler and compiles everything for it
  cargo xtask vm --write-docs             writes the result into docs/kernels.md
  cargo xtask vm --full                   runs the whole suite, not only the core that CI runs
  cargo xtask vm service                  a .deb of this checkout on Debian with systemd
  cargo xtask vm service --deb FILE.deb   another .deb

Debian's kernels and system are fetched from the mirror that apt is configured for and kept in ~/.cache/rstmon-vm.")]
    Vm(vm::VmArguments),
}

fn main() -> ExitCode {
    match perform(TaskCli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::line(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(task: DevTask) -> anyhow::Result<()> {
    let workspace = Workspace::discover()?;
    match task {
        DevTask::Run { args } => match run::run(&workspace, args)? {},
        DevTask::Setup => setup::setup(&workspace)?,
        DevTask::Bpf { check: true, .. } => drop(bpf::check(&workspace)?),
        DevTask::Bpf { debug: true, .. } => bpf::build_debug(&workspace)?,
        DevTask::Bpf { .. } => bpf::build(&workspace)?,
        DevTask::Test { no_setup } => test::test(&workspace, !no_setup)?,
        DevTask::Bench(arguments) => match bench::bench(&workspace, &arguments)? {},
        DevTask::Dist(arguments) => dist::dist(&workspace, &arguments)?,
        DevTask::Fuzz(arguments) => fuzz::fuzz(&workspace, &arguments)?,
        DevTask::Lint(arguments) => lint::lint(&workspace, &arguments)?,
        DevTask::Stress(arguments) => match stress::stress(&workspace, &arguments)? {},
        DevTask::Picture => picture::draw(&workspace)?,
        DevTask::Vm(arguments) => vm::vm(&workspace, &arguments)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        TaskCli::command().debug_assert();
    }

    #[test]
    fn run_passes_everything_after_the_dashes_on() {
        let cli = TaskCli::try_parse_from(["cargo xtask", "run", "--", "tail", "--json", "port=80"]).expect("valid");
        let DevTask::Run { args } = cli.task else { panic!("expected run, found {:?}", cli.task) };
        assert_eq!(args, ["tail", "--json", "port=80"]);
    }

    #[test]
    fn a_check_never_builds_the_debug_object() {
        let found = TaskCli::try_parse_from(["cargo xtask", "bpf", "--check", "--debug"]);
        assert!(found.is_err(), "expected a usage error, found {found:?}");
    }
}
