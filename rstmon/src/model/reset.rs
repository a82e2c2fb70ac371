//! One reset, decoded.

use super::{
    Bits, Evidence, Owner, Reason, Wire,
    closed::{Direction, Family, Role, SocketKind, State},
};
use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

/// One RST that the kernel sent or accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reset {
    /// Wall-clock time of the reset.
    pub(crate) time: SystemTime,
    pub(crate) direction: Direction,
    pub(crate) reason: Reason,
    /// State before the reset; `None` without a socket.
    pub(crate) state: Option<State>,
    pub(crate) socket: SocketKind,
    pub(crate) family: Option<Family>,
    /// Address and port on this host.
    pub(crate) local: SocketAddr,
    /// Address and port of the peer.
    pub(crate) remote: SocketAddr,
    /// The port that names the service.
    pub(crate) service_port: Option<u16>,
    pub(crate) role: Option<Role>,
    /// Inode of the network namespace.
    pub(crate) netns: Option<u32>,
    /// Uid of the socket.
    pub(crate) uid: Option<u32>,
    /// The process that the socket belonged to, if known.
    pub(crate) owner: Option<Owner>,
    /// Cgroup of the owner, or of the socket where no owner is known, as `rstmon_common::CountKey::cgroup`.
    pub(crate) cgroup: u64,
    /// The facts that decide the cause.
    pub(crate) bits: Bits,
    /// The numbers behind the facts.
    pub(crate) evidence: Evidence,
    /// The numbers on the wire; `None` where the kernel half could not read them.
    pub(crate) wire: Option<Wire>,
    /// Time since boot of the reset; unlike `time`, it never steps and so orders resets exactly.
    pub(crate) boot_time: Duration,
}
