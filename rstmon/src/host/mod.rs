//! The host besides BPF: the kernel's counters, its listening sockets, and this process's terminal and descriptors.

pub(crate) mod counters;
pub(crate) mod descriptors;
pub(crate) mod listeners;
pub(crate) mod terminal;
