//! `cargo xtask vm`: tests in virtual machines, which provide what the host lacks: other kernels (`matrix`) and systemd
//! as init (`service`). The processor is emulated: `/dev/kvm` is neither needed nor used.
//!
//! `archive`, `kernels`, `image` and `guest` make the inputs and keep them in `cache`; `qemu` runs a machine.

mod architecture;
mod archive;
mod cache;
mod guest;
mod image;
mod kernels;
mod matrix;
mod qemu;
mod service;

use crate::{setup, workspace::Workspace};
use clap::Subcommand;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct VmArguments {
    #[command(subcommand)]
    what: Option<Vm>,
    /// Kernels by version (5.10, 6.1, 6.1-bare, 6.12, newest) or by path of an image; all five versions if none is
    /// given. For aarch64, which is cross-compiled: 6.12-arm64, newest-arm64.
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Run only the tests whose name (`FILE::TEST`) contains this.
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<String>,
    /// Run every test that depends on the kernel, not only the core that CI runs.
    #[arg(long)]
    full: bool,
    /// Write what each kernel shows, and how many tests confirmed it, into docs/kernels.md.
    #[arg(long, conflicts_with_all = ["kernels", "only"])]
    write_docs: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vm {
    /// Test rstmon as a service: the .deb on a Debian system, from installation to purge.
    Service {
        /// The package to test, instead of one made from this checkout.
        #[arg(long)]
        deb: Option<PathBuf>,
    },
}

pub(crate) fn vm(workspace: &Workspace, arguments: &VmArguments) -> anyhow::Result<()> {
    let VmArguments { what, kernels, only, full, write_docs } = arguments;
    match what {
        Some(Vm::Service { deb }) => service(workspace, deb.as_deref()),
        None if *write_docs => {
            setup::ensure_virtual_machines()?;
            matrix::document(workspace, *full)
        }
        None => matrix(workspace, kernels, only, *full),
    }
}

/// Tests rstmon as a service, from the package `deb` or one made of this checkout.
pub(crate) fn service(workspace: &Workspace, deb: Option<&Path>) -> anyhow::Result<()> {
    setup::ensure_virtual_machines()?;
    service::test(workspace, deb)
}

/// Runs the end-to-end suite on `kernels`, or on the whole matrix if there are none.
pub(crate) fn matrix(workspace: &Workspace, kernels: &[String], only: &[String], full: bool) -> anyhow::Result<()> {
    setup::ensure_virtual_machines()?;
    matrix::test(workspace, kernels, only, full)
}
