//! What is read of the host besides BPF: the kernel's counters, its listeners, and this process's terminal.

pub(crate) mod counters;
pub(crate) mod listeners;
pub(crate) mod terminal;
