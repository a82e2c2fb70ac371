//! The scenarios: each provokes a known set of resets and describes what must be seen of them.
//!
//! A scenario is a function from a [`Stage`] to a [`Scene`]. Its reasons are those of Linux 6.12 and later, its
//! counters those of the namespace it plays in, and its causes those of rstmon's catalogue.

pub mod abort;
pub mod close;
pub mod death;
mod echo;
mod exits;
pub mod idle;
pub mod late;
pub mod memory;
mod multipath;
pub mod open;
mod phase;
mod pool;
mod programs;
pub mod queue;
mod stray;
pub mod talk;
mod unread;
pub mod victim;
mod waiting;
pub mod web;

use crate::{
    scene::Scene,
    skip,
    stage::{Family, Stage},
};
use anyhow::Result;
use exits::Ending;
use phase::Phase;
use pool::Reuse;
use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use talk::{FAREWELL, LATE, Side};
use unread::Unread;

/// How many scenarios run at a time: most of them wait most of the time.
const AT_ONCE: usize = 4;

/// Environment variable: a part of the names of the scenarios to play, instead of all.
pub const ONLY: &str = "RSTMON_SCENARIO";

/// Those of `scenarios` that are asked for and whose programs are installed; records the others as skipped.
#[must_use]
pub fn chosen(scenarios: &'static [Scenario]) -> Vec<&'static Scenario> {
    let only = env::var(ONLY).unwrap_or_default();
    let asked = scenarios.iter().filter(|scenario| scenario.name.contains(&only));
    asked.filter(|scenario| skip::unless_installed(scenario.name, &[&["ip"], scenario.tools].concat())).collect()
}

/// Checks scenarios, [`AT_ONCE`] at a time; returns what failed.
///
/// # Panics
/// When a check panics.
pub fn failures(scenarios: &[&Scenario], check: impl Fn(&Scenario) -> Result<()> + Sync) -> Vec<String> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = check(scenario) {
                crate::lock(&failed).push(format!("{}: {error:#}", scenario.name));
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner().unwrap_or_default()
}

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

const fn with_iptables(name: &'static str, play: fn(&Stage) -> Result<Scene>) -> Scenario {
    Scenario { name, ground: Ground::LoopbackV4, tools: &["iptables"], play }
}

const fn with(name: &'static str, tools: &'static [&'static str], play: fn(&Stage) -> Result<Scene>) -> Scenario {
    Scenario { name, ground: Ground::LoopbackV4, tools, play }
}

/// A scene with other causes and severities, one for each of its resets.
fn rejudged(mut scene: Scene, verdicts: &[(&'static str, &'static str)]) -> Scene {
    let judged = std::mem::take(&mut scene.resets).into_iter().zip(verdicts);
    scene.resets = judged.map(|(reset, (cause, severity))| reset.judged(cause, severity)).collect();
    scene
}

/// The scenarios about verdicts: role, phase, means and loss of each, with [`talk::THRESHOLDS`].
pub const VERDICTS: &[Scenario] = &[
    // A client gives up on an answer.
    scenario("opener_closes_after_waiting", Ground::Loopback, |stage| {
        waiting::opener_closes(stage, true, LATE, ("gave_up_waiting", "notice"))
    }),
    scenario("opener_closes_after_waiting_for_a_small_answer", Ground::Loopback, |stage| {
        waiting::opener_closes(stage, true, 20, ("gave_up_waiting", "notice"))
    }),
    scenario("opener_closes_at_once", Ground::Loopback, |stage| {
        waiting::opener_closes(stage, false, LATE, ("gave_up_waiting", "notice"))
    }),
    scenario("opener_closes_at_once_on_a_small_answer", Ground::Loopback, |stage| {
        waiting::opener_closes(stage, false, 20, ("late_goodbye", "benign"))
    }),
    scenario("opener_aborts_after_waiting", Ground::Loopback, waiting::opener_aborts),
    scenario("no_answer_for_long", Ground::Loopback, waiting::no_answer),
    // A server gives up on a request.
    scenario("acceptor_closes_on_nothing", Ground::Loopback, |stage| {
        waiting::acceptor_closes(stage, waiting::Request::Nothing)
    }),
    scenario("acceptor_closes_on_a_part", Ground::Loopback, |stage| {
        waiting::acceptor_closes(stage, waiting::Request::Part)
    }),
    scenario("acceptor_rejects_a_part", Ground::Loopback, |stage| {
        waiting::acceptor_closes(stage, waiting::Request::Rejected)
    }),
    scenario("acceptor_closes_a_stream", Ground::Loopback, |stage| {
        waiting::acceptor_closes(stage, waiting::Request::Stream)
    }),
    // A server closes what its client keeps.
    scenario("race", Ground::Loopback, |stage| pool::reuse(stage, IDLE_REUSE, ("keepalive_race", "harmful"))),
    scenario("race_between_namespaces", Ground::JoinedV4, |stage| {
        pool::reuse(stage, IDLE_REUSE, ("keepalive_race", "harmful"))
    }),
    scenario("race_of_a_small_segment", Ground::Loopback, |stage| {
        pool::reuse(stage, Reuse { bytes: 40, ..IDLE_REUSE }, ("keepalive_race", "harmful"))
    }),
    scenario("race_behind_a_last_word", Ground::Loopback, |stage| {
        pool::reuse(stage, Reuse { last_word: true, ..IDLE_REUSE }, ("keepalive_race", "harmful"))
    }),
    scenario("farewell_behind_a_last_word", Ground::Loopback, |stage| {
        pool::reuse(stage, Reuse { last_word: true, bytes: FAREWELL, ..IDLE_REUSE }, ("late_goodbye", "benign"))
    }),
    scenario("race_of_a_split_request", Ground::Loopback, pool::split_request),
    scenario("stale", Ground::Loopback, |stage| {
        pool::reuse(stage, Reuse { stale: true, ..IDLE_REUSE }, ("stale_connection", "harmful"))
    }),
    scenario("stale_small_segment", Ground::Loopback, |stage| {
        pool::reuse(stage, Reuse { stale: true, bytes: 40, ..IDLE_REUSE }, ("stale_connection", "notice"))
    }),
    scenario("stale_behind_a_last_word", Ground::Loopback, |stage| {
        pool::reuse(stage, Reuse { stale: true, last_word: true, ..IDLE_REUSE }, ("stale_connection", "harmful"))
    }),
    scenario("no_race_right_after_an_answer", Ground::Loopback, |stage| {
        pool::reuse(stage, Reuse { idle: false, ..IDLE_REUSE }, ("write_after_close", "notice"))
    }),
    scenario("answer_never_left", Ground::Loopback, pool::answer_never_left),
    scenario("fin_without_time_wait", Ground::LoopbackV4, pool::fin_without_time_wait),
    scenario("farewell_of_the_opener", Ground::Loopback, |stage| waiting::farewell(stage, Side::Opener)),
    scenario("farewell_of_the_acceptor", Ground::Loopback, |stage| waiting::farewell(stage, Side::Acceptor)),
    scenario("subscriber_left", Ground::Loopback, waiting::subscriber_left),
    // A process ends.
    scenario("killed_then_reused", Ground::Loopback, |stage| {
        exits::written_to_later(stage, Side::Acceptor, exits::KILLED, "harmful")
    }),
    scenario("exited_then_reused", Ground::Loopback, |stage| {
        exits::written_to_later(stage, Side::Acceptor, Ending::Exit(0), "harmful")
    }),
    scenario("opener_terminated_then_answered", Ground::Loopback, |stage| {
        exits::written_to_later(stage, Side::Opener, exits::TERMINATED, "notice")
    }),
    scenario("opener_exited_then_answered", Ground::Loopback, |stage| {
        exits::written_to_later(stage, Side::Opener, Ending::Exit(0), "notice")
    }),
    scenario("opener_failed_then_answered", Ground::Loopback, |stage| {
        exits::written_to_later(stage, Side::Opener, Ending::Exit(1), "harmful")
    }),
    scenario("farewell_to_the_exited", Ground::Loopback, exits::farewell_to_the_exited),
    scenario("terminated_with_unread_request", Ground::Loopback, |stage| {
        exits::with_unread_data(stage, Side::Acceptor, exits::TERMINATED, "harmful")
    }),
    scenario("faulted_with_unread_request", Ground::Loopback, |stage| {
        exits::with_unread_data(stage, Side::Acceptor, exits::FAULTED, "harmful")
    }),
    scenario("terminated_with_unread_answer", Ground::Loopback, |stage| {
        exits::with_unread_data(stage, Side::Opener, exits::TERMINATED, "notice")
    }),
    scenario("exited_with_unread_answer", Ground::Loopback, |stage| {
        exits::with_unread_data(stage, Side::Opener, Ending::Exit(0), "notice")
    }),
    scenario("killed_with_unread_answer", Ground::Loopback, |stage| {
        exits::with_unread_data(stage, Side::Opener, exits::KILLED, "harmful")
    }),
    scenario("killed_with_clients_in_the_queue", Ground::Loopback, exits::accept_queue),
    // A deliberate abort.
    aborts("opener_aborts_fresh", |stage| {
        phase::abort(stage, Side::Opener, Phase::Fresh, ("linger_abort", "benign"), ("peer_reset", "benign"))
    }),
    aborts("opener_aborts_with_unread_banner", |stage| {
        phase::abort(stage, Side::Opener, Phase::FreshWithBanner, ("linger_abort", "benign"), ("peer_reset", "benign"))
    }),
    aborts("opener_aborts_request", |stage| {
        phase::abort(stage, Side::Opener, Phase::Request, ("linger_abort", "notice"), ("peer_aborted", "notice"))
    }),
    aborts("opener_aborts_answered", |stage| {
        phase::abort(stage, Side::Opener, Phase::Answer, ("linger_abort", "benign"), ("peer_reset", "notice"))
    }),
    aborts("opener_aborts_unread_answer", |stage| {
        phase::abort(stage, Side::Opener, Phase::AnswerUnread, ("linger_abort", "benign"), ("peer_reset", "notice"))
    }),
    aborts("opener_aborts_idle", |stage| {
        phase::abort(stage, Side::Opener, Phase::Idle, ("idle_abort", "notice"), ("peer_reset", "notice"))
    }),
    aborts("opener_aborts_silent", |stage| {
        phase::abort(stage, Side::Opener, Phase::Silent, ("idle_abort", "notice"), ("peer_reset_idle", "harmful"))
    }),
    aborts("opener_aborts_silent_behind_fin", |stage| {
        let received = ("peer_reset_idle", "harmful");
        phase::abort(stage, Side::Opener, Phase::SilentThenFin, ("idle_abort", "notice"), received)
    }),
    aborts("acceptor_aborts_fresh", |stage| {
        phase::abort(stage, Side::Acceptor, Phase::Fresh, ("linger_abort", "benign"), ("peer_reset", "benign"))
    }),
    aborts("acceptor_aborts_request", |stage| {
        phase::abort(stage, Side::Acceptor, Phase::Request, ("linger_abort", "notice"), ("request_reset", "harmful"))
    }),
    aborts("acceptor_aborts_unread_request", |stage| {
        let received = ("request_reset", "harmful");
        phase::abort(stage, Side::Acceptor, Phase::RequestUnread, ("linger_abort", "notice"), received)
    }),
    aborts("acceptor_aborts_answered", |stage| {
        phase::abort(stage, Side::Acceptor, Phase::Answer, ("linger_abort", "notice"), ("peer_reset", "notice"))
    }),
    aborts("acceptor_aborts_idle", |stage| {
        phase::abort(stage, Side::Acceptor, Phase::Idle, ("idle_abort", "notice"), ("peer_reset", "notice"))
    }),
    aborts("acceptor_aborts_silent", |stage| {
        phase::abort(stage, Side::Acceptor, Phase::Silent, ("idle_abort", "notice"), ("peer_reset_idle", "harmful"))
    }),
    aborts("acceptor_aborts_silent_behind_fin", |stage| {
        let received = ("peer_reset_idle", "harmful");
        phase::abort(stage, Side::Acceptor, Phase::SilentThenFin, ("idle_abort", "notice"), received)
    }),
    scenario("half_closed_request_aborted", Ground::Loopback, |stage| phase::half_closed(stage, false)),
    scenario("half_closed_after_the_answer", Ground::Loopback, |stage| phase::half_closed(stage, true)),
    scenario("half_closed_opener_aborts", Ground::Loopback, |stage| phase::half_closed_opener_aborts(stage, false)),
    scenario("half_closed_opener_aborts_in_flight", Ground::Loopback, |stage| {
        phase::half_closed_opener_aborts(stage, true)
    }),
    // A close over unread data.
    scenario("unread_request", Ground::Loopback, |stage| unread::closed(stage, Unread::Request)),
    scenario("unread_request_of_one_who_left", Ground::Loopback, |stage| {
        unread::closed(stage, Unread::RequestOfOneWhoLeft)
    }),
    scenario("unread_leftovers_of_one_who_left", Ground::Loopback, |stage| {
        unread::closed(stage, Unread::LeftoversOfOneWhoLeft)
    }),
    scenario("unread_early_answer", Ground::Loopback, |stage| unread::closed(stage, Unread::RequestAnsweredEarly)),
    scenario("unread_banner", Ground::Loopback, |stage| unread::closed(stage, Unread::Banner)),
    scenario("unread_answer", Ground::Loopback, |stage| unread::closed(stage, Unread::Answer)),
    scenario("unread_long_answer", Ground::Loopback, |stage| unread::closed(stage, Unread::LongAnswer)),
    scenario("unread_answer_of_one_who_left", Ground::Loopback, |stage| {
        unread::closed(stage, Unread::AnswerOfOneWhoLeft)
    }),
    scenario("closing_with_unsent_answer", Ground::Loopback, unread::closing_with_unsent_answer),
    scenario("closing_with_unsent_request", Ground::Loopback, unread::closing_with_unsent_request),
    // More segments of a connection that has ended.
    scenario("overtaken_payload", Ground::LoopbackV4, echo::overtaken_payload),
    scenario("overtaken_payload_with_timestamps", Ground::LoopbackV4, echo::overtaken_payload_with_timestamps),
    scenario("acceptor_writes_on", Ground::LoopbackV4, |stage| {
        echo::peer_writes_on(stage, Side::Opener, echo::WITHOUT_TIMESTAMPS_MS)
    }),
    scenario("opener_writes_on", Ground::LoopbackV4, |stage| {
        echo::peer_writes_on(stage, Side::Acceptor, echo::WITHOUT_TIMESTAMPS_MS)
    }),
    scenario("acceptor_writes_on_with_timestamps", Ground::LoopbackV4, |stage| {
        echo::peer_writes_on(stage, Side::Opener, echo::WITH_TIMESTAMPS_MS)
    }),
    scenario("opener_writes_on_with_timestamps", Ground::LoopbackV4, |stage| {
        echo::peer_writes_on(stage, Side::Acceptor, echo::WITH_TIMESTAMPS_MS)
    }),
    scenario("forgotten_while_quiet", Ground::Loopback, echo::forgotten),
    // Handshakes.
    scenario("refused_on_another_address", Ground::LoopbackV4, open::refused_on_another_address),
    scenario("port_reuse_at_time_wait", Ground::Loopback, open::port_reuse_at_time_wait),
    scenario("port_reuse_at_fin_wait2", Ground::LoopbackV4, open::port_reuse_at_fin_wait2),
    scenario("port_scan", Ground::LoopbackV4, stray::port_scan),
    scenario("untranslated", Ground::LoopbackV4, stray::untranslated),
    scenario("listener_destroyed", Ground::LoopbackV4, queue::listener_destroyed),
    scenario("overflow_over", Ground::LoopbackV4, queue::overflow_over),
    scenario("mptcp_fastclose_of_a_banner", Ground::LoopbackV4, |stage| {
        Ok(rejudged(multipath::fastclose(stage)?, &[("closed_with_unread_data", "benign"), ("mptcp", "benign")]))
    }),
    scenario("mptcp_abort_of_a_banner", Ground::LoopbackV4, |stage| {
        Ok(rejudged(multipath::aborted(stage)?, &[("linger_abort", "benign"), ("mptcp", "benign")]))
    }),
    // Programs.
    with_nginx("nginx_race", |stage| {
        Ok(rejudged(web::keepalive_race(stage)?, &[("keepalive_race", "harmful"), ("wrote_to_closed_peer", "harmful")]))
    }),
    with_nginx("nginx_header_timeout", |stage| programs::header_timeout(stage, false)),
    with_nginx("nginx_header_timeout_by_reset", |stage| programs::header_timeout(stage, true)),
    with_nginx("nginx_rejects_an_upload", programs::rejected_upload),
    with_nginx("nginx_lingering_close", programs::lingering_close),
    with_nginx("nginx_read_timeout", programs::read_timeout),
];

/// More of them, with programs of others and a packet filter.
pub const PROGRAMS: &[Scenario] = &[
    with_iptables("abandoned_connect", waiting::abandoned_connect),
    with_iptables("echo_of_an_abort", |stage| echo::after_our_reset(stage, echo::End::Abort)),
    with_iptables("echo_of_unread_data", |stage| echo::after_our_reset(stage, echo::End::Unread)),
    with_iptables("echo_of_a_kill", |stage| echo::after_our_reset(stage, echo::End::Killed)),
    with_iptables("after_user_timeout", echo::after_user_timeout),
    with_iptables("rejected_connect", stray::rejected_connect),
    with_iptables("banned", stray::banned),
    with_iptables("translated", stray::translated),
    with("nginx_tls_idle_close", &["nginx", "openssl"], programs::tls_idle_close),
    with("curl_gives_up", &["curl"], programs::curl_gives_up),
    with("python_gives_up", &["python3"], programs::python_gives_up),
    with("haproxy_check", &["haproxy"], programs::haproxy_check),
    with("haproxy_idle", &["haproxy"], programs::haproxy_idle),
    with("haproxy_gives_up", &["haproxy"], programs::haproxy_gives_up),
];

/// A request to a connection that was closed for being idle.
const IDLE_REUSE: Reuse = Reuse { idle: true, last_word: false, stale: false, bytes: LATE };

const fn aborts(name: &'static str, play: fn(&Stage) -> Result<Scene>) -> Scenario {
    scenario(name, Ground::Loopback, play)
}

/// The scenarios of single causes.
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
