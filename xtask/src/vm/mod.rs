//! `cargo xtask vm`: tests inside of virtual machines, which have what this machine lacks: other kernels (`matrix`),
//! systemd as init (`service`). Their processor is emulated: `/dev/kvm` is not needed, and not used.
//!
//! `archive`, `kernels`, `image` and `guest` make the ingredients and keep them in `cache`; `qemu` runs a machine.

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

/// What virtual machines need of Debian, and for what.
pub(crate) const PACKAGES: [(&str, &str); 6] = [
    ("qemu-system-x86", "virtual machines"),
    ("mmdebstrap", "virtual machines: a Debian system"),
    ("kmod", "virtual machines: a kernel's modules"),
    ("e2fsprogs", "virtual machines: file systems"),
    ("cpio", "virtual machines: file systems in memory"),
    ("xz-utils", "virtual machines: a kernel's modules"),
];

/// Flags of `cargo xtask vm`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<Vm>,
    /// Kernels by version (5.10, 6.1, 6.1-bare, 6.12, newest), or paths of images; these five if there are none. For
    /// aarch64, which is cross-compiled: 6.12-arm64, newest-arm64.
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Only tests whose name (`FILE::TEST`) has this in it.
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<String>,
    /// Every test that has to do with the kernel, not only the core that CI runs.
    #[arg(long)]
    full: bool,
    /// Write what each kernel shows, and how many tests have held it to be true, into docs/kernels.md.
    #[arg(long, conflicts_with_all = ["kernels", "only"])]
    write_docs: bool,
}

/// What to test instead.
#[derive(Debug, Subcommand)]
pub(crate) enum Vm {
    /// rstmon as a service: the .deb on a Debian system, from installation to purge.
    Service {
        /// The package to test, instead of one made from this checkout.
        #[arg(long)]
        deb: Option<PathBuf>,
    },
}

/// Tests what is asked for.
pub(crate) fn vm(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { what, kernels, only, full, write_docs } = arguments;
    match what {
        Some(Vm::Service { deb }) => service(workspace, deb.as_deref()),
        None if *write_docs => {
            setup::ensure(&PACKAGES)?;
            matrix::document(workspace, *full)
        }
        None => matrix(workspace, kernels, only, *full),
    }
}

/// Tests rstmon as a service: `deb`, or a package made now.
pub(crate) fn service(workspace: &Workspace, deb: Option<&Path>) -> anyhow::Result<()> {
    setup::ensure(&PACKAGES)?;
    service::test(workspace, deb)
}

/// Runs the end-to-end suite on kernels, or on all of the matrix.
pub(crate) fn matrix(workspace: &Workspace, kernels: &[String], only: &[String], full: bool) -> anyhow::Result<()> {
    setup::ensure(&PACKAGES)?;
    matrix::test(workspace, kernels, only, full)
}
