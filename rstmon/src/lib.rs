//! rstmon: the user half of the monitor of TCP resets. The binary is a call of [`run`].
//!
//! Each module is a room of the pipeline, and imports run one way: a room may use those above it in the list below,
//! never those beneath it (docs/architecture.md; `cargo xtask lint` checks it).

mod sync;

mod model;

mod host;

mod probe;

mod attribute;

mod explain;

mod event;

mod metrics;

mod sink;

mod monitor;

mod config;

mod sandbox;

mod serve;

mod query;

mod command;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub use command::run;
