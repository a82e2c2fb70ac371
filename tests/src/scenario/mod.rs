//! The scenarios: each provokes a known set of resets and describes what must be seen of them.
//!
//! A scenario is a function from a [`Stage`] to a [`Scene`]. Its reasons are those of Linux 6.12 and later, its
//! counters those of the namespace it plays in, and its causes those of rstmon's catalogue.

pub mod abort;
pub mod close;
pub mod death;
pub mod idle;
pub mod late;
pub mod memory;
mod multipath;
pub mod open;
pub mod queue;
mod stray;
pub mod victim;
pub mod web;

use crate::{
    scene::Scene,
    stage::{Family, Stage},
};
use anyhow::Result;

/// The kind of [`Stage`] that a scenario needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// One namespace of its own; either IP version.
    Loopback,
    /// One namespace of its own, IPv4 only.
    LoopbackV4,
    /// Two joined namespaces, IPv4 only.
    JoinedV4,
    /// One namespace of its own while no other test runs: it sets a sysctl that is not per namespace.
    Undisturbed,
}

impl Ground {
    /// Sets up the stage for IPv4.
    ///
    /// # Errors
    /// When namespaces cannot be made.
    pub fn stage(self) -> Result<Stage> {
        match self {
            Self::Loopback | Self::LoopbackV4 => Stage::loopback(Family::V4),
            Self::JoinedV4 => Stage::joined(Family::V4),
            Self::Undisturbed => Stage::undisturbed(Family::V4),
        }
    }
}

/// A scenario with its requirements.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name in messages.
    pub name: &'static str,
    /// The kind of stage that it needs.
    pub ground: Ground,
    /// Programs it needs besides iproute2.
    pub tools: &'static [&'static str],
    /// The function that plays it.
    pub play: fn(&Stage) -> Result<Scene>,
}

const fn scenario(name: &'static str, ground: Ground, play: fn(&Stage) -> Result<Scene>) -> Scenario {
    Scenario { name, ground, tools: &[], play }
}

const fn with_nginx(name: &'static str, play: fn(&Stage) -> Result<Scene>) -> Scenario {
    Scenario { name, ground: Ground::LoopbackV4, tools: &["nginx"], play }
}

/// All scenarios of this library.
pub const ALL: &[Scenario] = &[
    scenario("refused", Ground::Loopback, open::refused),
    scenario("linger_zero", Ground::Loopback, abort::linger_zero),
    scenario("linger_zero_with_unread_data", Ground::Loopback, abort::linger_zero_with_unread_data),
    scenario("linger2_negative", Ground::Loopback, abort::linger2_negative),
    scenario("linger2_negative_at_once", Ground::Loopback, abort::linger2_negative_at_once),
    scenario("disconnect", Ground::Loopback, abort::disconnect),
    scenario("disconnect_with_unsent_data", Ground::Loopback, abort::disconnect_with_unsent_data),
    scenario("destroyed", Ground::LoopbackV4, abort::destroyed),
    scenario("close_with_unread_data", Ground::Loopback, close::with_unread_data),
    scenario("close_with_unread_data_while_peer_writes", Ground::Loopback, close::with_unread_data_while_peer_writes),
    scenario("killed_with_unread_data", Ground::Loopback, death::killed_with_unread_data),
    scenario("exited_with_unread_data", Ground::Loopback, death::exited_with_unread_data),
    scenario("listener_closed", Ground::Loopback, queue::listener_closed),
    scenario("listener_died", Ground::Loopback, queue::listener_died),
    scenario("overflow_with_abort", Ground::LoopbackV4, queue::overflow_with_abort),
    scenario("overflow_without_abort", Ground::LoopbackV4, queue::overflow_without_abort),
    scenario("write_after_close_in_fin_wait1", Ground::Loopback, late::in_fin_wait1),
    scenario("write_after_close_in_fin_wait2", Ground::LoopbackV4, late::in_fin_wait2),
    scenario("write_after_close_in_time_wait", Ground::Loopback, late::in_time_wait),
    scenario("write_after_close_and_exit", Ground::Loopback, late::after_exit),
    scenario("write_after_forgotten_close", Ground::LoopbackV4, late::after_the_kernel_forgot),
    scenario("write_after_forgotten_close_to_listener", Ground::LoopbackV4, late::after_the_kernel_forgot_but_listens),
    scenario("keepalive_timeout", Ground::JoinedV4, idle::keepalive_timeout),
    scenario("reset_after_idle", Ground::JoinedV4, idle::reset_after_idle),
    scenario("stray_segment", Ground::LoopbackV4, stray::unknown_connection),
    scenario("stray_segment_to_listener", Ground::LoopbackV4, stray::ack_to_listener),
    scenario("bad_syn", Ground::LoopbackV4, stray::bad_syn),
    scenario("victim_established", Ground::Loopback, victim::established),
    scenario("victim_close_wait", Ground::Loopback, victim::close_wait),
    scenario("victim_fin_wait1", Ground::Loopback, victim::fin_wait1),
    scenario("victim_fin_wait2", Ground::Loopback, victim::fin_wait2),
    scenario("victim_closing", Ground::Loopback, victim::closing),
    scenario("victim_last_ack", Ground::Loopback, victim::last_ack),
    scenario("mptcp_fastclose", Ground::LoopbackV4, multipath::fastclose),
    scenario("orphan_limit", Ground::Undisturbed, memory::orphan_limit),
    with_nginx("client_cancels_response", web::client_cancels_response),
    with_nginx("keepalive_race", web::keepalive_race),
    with_nginx("backend_aborts_behind_proxy", web::backend_aborts_behind_proxy),
];
