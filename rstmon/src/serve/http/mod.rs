//! HTTP connections: listening, limits, deadlines, admission, and the answers that several routes share.
//!
//! Contract: nothing here knows which routes a connection serves, so that the exporter and the Unix socket are bounded
//! by the same code. Every bound is a field of [`ConnectionLimits`].

pub(crate) mod admission;
pub(crate) mod blocking;
pub(crate) mod connection;
mod deadline;
pub(crate) mod inherit;
mod limits;
pub(crate) mod listen;
mod nss;
pub(crate) mod respond;
pub(crate) mod shutdown;
pub(crate) mod state;

pub(crate) use inherit::Inherited;
pub(crate) use limits::ConnectionLimits;
pub(crate) use listen::{ListenAddress, ListenError};
pub(crate) use shutdown::stop_signal;
