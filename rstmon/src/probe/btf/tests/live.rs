//! The running kernel. Skipped where it shows no BTF.
