//! What a reset is in user space: typed, decoded, without I/O. Imports nothing of the project but `rstmon-common`.

pub(crate) mod decode;
pub(crate) mod evidence;
pub(crate) mod owner;
#[cfg(test)]
mod properties;
pub(crate) mod reason;
pub(crate) mod reset;
pub(crate) mod text;

pub(crate) use decode::Clock;
pub(crate) use evidence::{Bits, Evidence};
pub(crate) use owner::{Owner, Provenance};
pub(crate) use reason::{Reason, Reasons};
pub(crate) use reset::{Direction, Family, Reset, Role, SocketKind, State};
