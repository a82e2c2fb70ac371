//! HTTP connections: accepting, limits, deadlines, answers.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod crowd;
pub(crate) mod guard;
pub(crate) mod inherit;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod nss;
pub(crate) mod respond;
pub(crate) mod shutdown;
pub(crate) mod work;

pub(crate) use inherit::Inherited;
pub(crate) use limits::Limits;
pub(crate) use listen::{ListenAddress, ListenError};
pub(crate) use shutdown::stop_signal;
