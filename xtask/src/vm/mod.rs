//! `cargo xtask vm`: tests inside of virtual machines, which have what this machine lacks: systemd as init, other
//! kernels. Their processor is emulated: `/dev/kvm` is not needed, and not used.
//!
//! `archive`, `kernels`, `image` and `guest` make the ingredients and keep them in `cache`; `qemu` runs a machine.

mod archive;
mod cache;
mod guest;
mod image;
mod kernels;
mod qemu;
mod service;

use std::path::PathBuf;

use clap::Subcommand;

use crate::{setup, workspace::Workspace};

/// What virtual machines need of Debian, and for what.
pub(crate) const PACKAGES: [(&str, &str); 4] = [
    ("qemu-system-x86", "virtual machines"),
    ("mmdebstrap", "virtual machines: a Debian system"),
    ("kmod", "virtual machines: a kernel's modules"),
    ("e2fsprogs", "virtual machines: file systems"),
];

/// What to test.
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
pub(crate) fn vm(workspace: &Workspace, what: &Vm) -> anyhow::Result<()> {
    setup::ensure(&PACKAGES)?;
    match what {
        Vm::Service { deb } => service::test(workspace, deb.as_deref()),
    }
}
