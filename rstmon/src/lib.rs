//! rstmon: who reset which TCP connection, why, and what to do about it.
//!
//! The modules form a pipeline, imports run in one direction only (docs/architecture.md):
//! `probe` -> `model` -> `attribute` -> `explain` -> `metrics` -> `serve` -> `command`. Beside it stands `sandbox`, which
//! imports none of them.

pub mod attribute;
pub mod command;
pub mod explain;
pub mod metrics;
pub mod model;
pub mod probe;
pub mod sandbox;
pub mod serve;
