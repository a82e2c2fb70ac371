//! Since when a port has listeners, from the kernel half's table.

use aya::maps::{HashMap, MapData};
use rstmon_common::{ListenedPort, Tuple};
use std::time::Duration;

/// A [`Tuple`] that aya may hand to the kernel.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct KeyPod(Tuple);
// SAFETY: Tuple is plain integers without padding (it derives zerocopy's IntoBytes).
unsafe impl aya::Pod for KeyPod {}

/// [`ListenedPort`] that aya may copy out of the kernel.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct PortPod(ListenedPort);
// SAFETY: ListenedPort is plain integers without padding (it derives zerocopy's FromBytes and IntoBytes).
unsafe impl aya::Pod for PortPod {}

pub(crate) struct ListenerTimes(pub(super) HashMap<MapData, KeyPod, PortPod>);

impl ListenerTimes {
    /// Time since boot when the first of the present listeners on a port of a network namespace began to listen, zero
    /// if that was before rstmon started; `None` where none is known.
    pub(crate) fn since(&self, netns: u32, local_port: u16) -> Option<Duration> {
        let key = KeyPod(Tuple { netns, local_port, ..Tuple::default() });
        Some(Duration::from_nanos(self.0.get(&key, 0).ok()?.0.since_ns))
    }
}
