//! Why the probe cannot work, with the fix for each error.

use super::btf::{BtfError, KernelBtfError};
use std::io;
#[cfg(feature = "test-switches")]
use std::path::PathBuf;

/// How to get the needed capabilities. The file must not be for all users: it loads programs into the kernel, and shows
/// the connections of all users.
pub(crate) const ADVICE: &str = "run as root, or as a member of one group: f=$(command -v rstmon); \
                                 chgrp rstmon $f; chmod 0750 $f; setcap cap_bpf,cap_perfmon+ep $f";

/// An error that keeps the probe from working.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProbeError {
    /// The kernel has no BTF, or it cannot be read.
    #[error("this kernel has no usable BTF: {0}; rstmon needs Linux 5.15 or newer built with CONFIG_DEBUG_INFO_BTF=y")]
    Btf(#[from] KernelBtfError),
    /// The kernel's BTF does not parse.
    #[error("the kernel's BTF is corrupt: {0}; run `rstmon doctor` and report it")]
    CorruptBtf(#[from] BtfError),
    /// The kernel is older than the oldest that rstmon supports.
    #[error("Linux {release} is too old: rstmon needs 5.15 or newer (RHEL 9's 5.14 too)")]
    OldKernel {
        /// Release, as `uname -r` prints it.
        release: String,
    },
    /// Fields that rstmon cannot work without.
    #[error("this kernel's BTF lacks {fields}, which rstmon cannot do without; run `rstmon doctor` and report it")]
    MissingFields {
        /// Comma-separated list of `struct.member`.
        fields: String,
    },
    /// The process may not use BPF.
    #[error("not allowed to load BPF programs (missing {missing}); {}", ADVICE)]
    Capability {
        /// The capabilities that the process lacks.
        missing: String,
    },
    /// The process has the capabilities, and the kernel refuses all the same.
    #[error("the kernel refuses BPF to this process although it has the capabilities: {}", refusal(*in_user_namespace))]
    Refused {
        /// Whether the process is in another user namespace than the host's.
        in_user_namespace: bool,
    },
    /// The BPF object of a test switch cannot be read.
    #[cfg(feature = "test-switches")]
    #[error("cannot read the BPF object {}: {source}; check --bpf-object or leave it out", path.display())]
    ReadObject {
        /// Path of the object.
        path: PathBuf,
        /// The error of reading it.
        source: io::Error,
    },
    /// A test switch in a process with more privileges than the user who started it.
    #[cfg(feature = "test-switches")]
    #[error("this process has more privileges than the user who started it (AT_SECURE), and refuses --bpf-object")]
    PrivilegedTestSwitch,
    /// The BPF object does not parse or lacks parts.
    #[error("the BPF object is corrupt or of another version: {reason}; reinstall rstmon")]
    Object {
        /// What is wrong with the object.
        reason: String,
    },
    /// A map or program could not be created.
    #[error("the kernel refused rstmon's BPF maps: {reason}; `rstmon doctor` shows what it allows")]
    Load {
        /// The kernel's error.
        reason: String,
    },
    /// A required hook could not be attached.
    #[error("cannot attach {hook}: {reason}; without it {hides} stay hidden; `rstmon doctor` shows all hooks")]
    RequiredHook {
        /// Name of the hook.
        hook: &'static str,
        /// Why it is not attached.
        reason: String,
        /// What stays hidden without it.
        hides: &'static str,
    },
    /// A map operation failed.
    #[error("reading the map {map} failed: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// The error of aya.
        source: aya::maps::MapError,
    },
    /// A batch read failed.
    #[error("reading the counts failed: {source}")]
    ReadCounts {
        /// The kernel's error.
        source: io::Error,
    },
    /// The number of CPUs is unknown.
    #[error("cannot read the number of CPUs from {file}: {source}")]
    Cpus {
        /// Path of the file.
        file: &'static str,
        /// The error of reading it.
        source: io::Error,
    },
    /// The reader's thread could not be started.
    #[error("cannot start the event reader: {source}")]
    Reader {
        /// The kernel's error.
        source: io::Error,
    },
}

impl ProbeError {
    /// Whether this host cannot be monitored at all (exit code 3), rather than this run having failed.
    #[must_use]
    pub(crate) fn is_host(&self) -> bool {
        matches!(
            self,
            Self::Btf(_)
                | Self::CorruptBtf(_)
                | Self::OldKernel { .. }
                | Self::MissingFields { .. }
                | Self::Capability { .. }
                | Self::Refused { .. }
                | Self::RequiredHook { .. }
        )
    }

    pub(super) fn map(map: &'static str) -> impl Fn(aya::maps::MapError) -> Self {
        move |source| Self::Map { map, source }
    }
}

fn refusal(in_user_namespace: bool) -> &'static str {
    if in_user_namespace {
        "they hold in its user namespace only; run rstmon in the host's (a container: with userns mode host)"
    } else {
        "a seccomp filter or a security module forbids it; allow bpf(2)"
    }
}
