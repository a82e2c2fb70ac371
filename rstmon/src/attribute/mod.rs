//! From what the kernel half recorded about a reset's owner to names that an operator knows.
//!
//! Contract: a cgroup id becomes a [`Placement`] (systemd unit and container); a [`ProcessRef`] (process id and start
//! time) helps to find a cgroup that is not known yet. Nothing here depends on eBPF or on resets. Processes and
//! administrators of containers choose the names that come out: they are cut and made printable ([`text`]), but prove
//! nothing. A process that may create cgroups below its own can choose the unit that it appears in.
//!
//! All calls block on procfs and cgroupfs, which do no disk I/O. Answers are cached, so a call costs a hash look-up
//! except for a cgroup that is seen for the first time.

mod cgroupfs;
pub(crate) mod container;
mod membership;
mod memory;
mod mountinfo;
mod oom_kills;
mod parse;
mod process;
mod resolver;
mod text;
mod unit;
mod walk;

pub(crate) use cgroupfs::{Controller, Mounts};
pub(crate) use memory::memory_limit;
pub(crate) use oom_kills::OomKills;
pub(crate) use parse::Placement;
pub(crate) use process::{ProcessRef, Procfs};
pub(crate) use resolver::{Resolver, ResolverLimits};
