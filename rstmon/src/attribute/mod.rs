//! From what the kernel half recorded about a reset's owner to names that an operator knows.
//!
//! Contract: a cgroup id becomes a [`Placement`] (systemd unit and container), a process id with its start time becomes
//! [`ProcessDir`] (leader's comm, executable). Nothing here knows eBPF or resets. Every name that comes out is text that
//! somebody else chose: it has been cut and made printable ([`text`]), but must never be taken for a statement of trust.
//! A process that may create cgroups below its own may choose the unit that it appears in.
//!
//! All calls block on procfs and cgroupfs, which do no disk I/O. Answers are cached, so a call costs a hash look-up except
//! for a cgroup that is seen for the first time.

pub(crate) mod cgroupfs;
pub(crate) mod container;
pub(crate) mod membership;
pub(crate) mod mountinfo;
pub(crate) mod parse;
pub(crate) mod process;
pub(crate) mod resolver;
pub(crate) mod text;
pub(crate) mod unit;
pub(crate) mod walk;

pub(crate) use cgroupfs::{Controller, Hierarchy, Mounts};
pub(crate) use container::{ContainerId, Runtime};
pub(crate) use parse::Placement;
pub(crate) use process::{ProcessDir, ProcessError, ProcessRef, Procfs};
pub(crate) use resolver::{CGROUP_V1_FLAG, Limits, Resolver, Stats};
