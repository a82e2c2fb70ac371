//! A reset in user space: decoded and typed, without I/O. Imports nothing of the project but `rstmon-common`.

mod closed;
mod decode;
mod evidence;
pub(crate) mod nearest;
mod owner;
#[cfg(test)]
mod properties;
mod reason;
mod reset;
pub(crate) mod text;
mod wire;

pub(crate) use closed::{Direction, Ended, Family, Means, Phase, Role, SocketKind, State};
pub(crate) use decode::Clock;
#[cfg(test)]
pub(crate) use evidence::BIT_NAMES;
pub(crate) use evidence::{Bits, Evidence};
pub(crate) use owner::{Owner, Provenance};
pub(crate) use reason::{Reason, Reasons};
pub(crate) use reset::Reset;
#[cfg(test)]
pub(crate) use wire::{ReceivedWire, SentWire};
pub(crate) use wire::{Wire, WireKey};
