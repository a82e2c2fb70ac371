//! Why the probe cannot work, each with its fix.

use super::btf::{BtfError, KernelBtfError};
use std::{io, path::PathBuf};

/// What keeps the probe from working.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No BTF.
    #[error("this kernel has no usable BTF: {0}; rstmon needs Linux 5.15 or newer built with CONFIG_DEBUG_INFO_BTF=y")]
    Btf(#[from] KernelBtfError),
    /// BTF that does not parse.
    #[error("the kernel's BTF is corrupt: {0}; run `rstmon doctor` and report it")]
    CorruptBtf(#[from] BtfError),
    /// Older than the floor.
    #[error("Linux {release} is too old: rstmon needs 5.15 or newer (RHEL 9's 5.14 too)")]
    OldKernel {
        /// What `uname -r` says.
        release: String,
    },
    /// Fields without which nothing works.
    #[error("this kernel's BTF lacks {fields}, which rstmon cannot do without; run `rstmon doctor` and report it")]
    MissingFields {
        /// Comma-separated `struct.member`.
        fields: String,
    },
    /// Not allowed to use BPF.
    #[error(
        "not allowed to load BPF programs (missing {missing}); run as root, or grant them: setcap cap_bpf,cap_perfmon+ep $(command -v rstmon)"
    )]
    Capability {
        /// The capabilities that the process lacks.
        missing: String,
    },
    /// The BPF object cannot be read.
    #[error("cannot read the BPF object {}: {source}; check --bpf-object or leave it out", path.display())]
    ReadObject {
        /// Which file.
        path: PathBuf,
        /// What reading said.
        source: io::Error,
    },
    /// The BPF object does not parse or lacks parts.
    #[error("the BPF object is corrupt or of another version: {reason}; reinstall rstmon, or leave --bpf-object out")]
    Object {
        /// What is wrong with it.
        reason: String,
    },
    /// A map or program could not be made.
    #[error("the kernel refused rstmon's BPF maps: {reason}; `rstmon doctor` shows what it allows")]
    Load {
        /// What the kernel said.
        reason: String,
    },
    /// A required hook is not there.
    #[error("cannot attach {hook}: {reason}; without it {hides} stay hidden; `rstmon doctor` shows all hooks")]
    RequiredHook {
        /// Which hook.
        hook: &'static str,
        /// Why.
        reason: String,
        /// What stays hidden.
        hides: &'static str,
    },
    /// A map operation failed.
    #[error("reading the map {map} failed: {source}")]
    Map {
        /// Which map.
        map: &'static str,
        /// What aya said.
        source: aya::maps::MapError,
    },
    /// A batch read failed.
    #[error("reading the counts failed: {source}")]
    ReadCounts {
        /// What the kernel said.
        source: io::Error,
    },
    /// The number of CPUs is unknown.
    #[error("cannot read the number of CPUs from {file}: {source}")]
    Cpus {
        /// Which file.
        file: &'static str,
        /// What reading said.
        source: io::Error,
    },
    /// The reader's thread could not be started.
    #[error("cannot start the event reader: {source}")]
    Reader {
        /// What the kernel said.
        source: io::Error,
    },
}

impl ProbeError {
    /// Whether this host cannot be monitored at all (exit code 3), rather than this run having failed.
    #[must_use]
    pub fn is_host(&self) -> bool {
        matches!(
            self,
            Self::Btf(_)
                | Self::CorruptBtf(_)
                | Self::OldKernel { .. }
                | Self::MissingFields { .. }
                | Self::Capability { .. }
                | Self::RequiredHook { .. }
        )
    }

    pub(super) fn map(map: &'static str) -> impl Fn(aya::maps::MapError) -> Self {
        move |source| Self::Map { map, source }
    }
}
