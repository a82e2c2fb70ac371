//! The host besides BPF: the kernel's counters, its listening sockets, files named by users, and this process's
//! terminal and descriptors.

pub(crate) mod boot_clock;
pub(crate) mod counters;
pub(crate) mod descriptors;
pub(crate) mod listeners;
pub(crate) mod log_output;
pub(crate) mod regular_file;
pub(crate) mod sockets;
pub(crate) mod terminal;
