//! A peer that resets, met by a socket in each state in which the kernel reports it.

use crate::{
    actor::TcpState,
    connection::Connection,
    scene::{Expected, Scene, Watch},
    stage::Stage,
};
use anyhow::Result;

/// What the client's reset finds at the server.
struct Meeting {
    state: &'static str,
    /// Reason and state of the client's reset.
    sent: (&'static str, &'static str),
    sent_because: &'static str,
    received_because: (&'static str, &'static str),
    established_resets: u64,
}

/// The victim is connected and idle.
///
/// # Errors
/// When a step fails.
pub fn established(stage: &Stage) -> Result<Scene> {
    meet(
        stage,
        |_| Ok(()),
        &Meeting {
            state: "established",
            sent: ("tcp_state", "established"),
            sent_because: "linger_abort",
            received_because: ("peer_reset", "likely"),
            established_resets: 2,
        },
    )
}

/// The peer had half-closed, the victim has not answered.
///
/// # Errors
/// When a step fails.
pub fn close_wait(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.client.ask("shutdown c")?;
        pair.client.await_state("c", TcpState::FinWait2)?;
        pair.server.await_state("c", TcpState::CloseWait)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "close_wait",
            sent: ("tcp_state", "fin_wait2"),
            sent_because: "linger_abort",
            received_because: ("peer_reset", "likely"),
            established_resets: 1,
        },
    )
}

/// The victim has shut down, but the peer has no room for what comes before the FIN.
///
/// # Errors
/// When a step fails.
pub fn fin_wait1(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.server.ask("fill c")?;
        pair.server.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::FinWait1)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "fin_wait1",
            sent: ("tcp_abort_on_close", "established"),
            sent_because: "closed_with_unread_data",
            received_because: ("reset_while_closing", "certain"),
            established_resets: 1,
        },
    )
}

/// The victim has shut down and the peer knows it.
///
/// # Errors
/// When a step fails.
pub fn fin_wait2(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.server.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::FinWait2)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "fin_wait2",
            sent: ("tcp_state", "close_wait"),
            sent_because: "linger_abort",
            received_because: ("reset_while_closing", "certain"),
            established_resets: 1,
        },
    )
}

/// Both have shut down, and the victim's FIN is still waiting for room.
///
/// # Errors
/// When a step fails.
pub fn closing(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.server.ask("fill c")?;
        pair.server.ask("shutdown c")?;
        pair.client.ask("shutdown c")?;
        pair.client.await_state("c", TcpState::FinWait2)?;
        pair.server.await_state("c", TcpState::Closing)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "closing",
            sent: ("tcp_abort_on_close", "fin_wait2"),
            sent_because: "closed_with_unread_data",
            received_because: ("reset_while_closing", "certain"),
            established_resets: 0,
        },
    )
}

/// The peer shut down first, the victim second, with data still to deliver.
///
/// # Errors
/// When a step fails.
pub fn last_ack(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.client.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::CloseWait)?;
        pair.server.ask("fill c")?;
        pair.server.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::LastAck)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "last_ack",
            sent: ("tcp_abort_on_close", "fin_wait2"),
            sent_because: "closed_with_unread_data",
            received_because: ("reset_while_closing", "certain"),
            established_resets: 0,
        },
    )
}

fn meet(stage: &Stage, before: fn(&mut Connection) -> Result<()>, meeting: &Meeting) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    before(&mut pair)?;
    pair.client.ask("set c linger 0")?;
    pair.client.ask("close c")?;
    let (reason, from) = meeting.sent;
    let (cause, confidence) = meeting.received_because;
    Ok(Scene::new(vec![
        Expected::sent(&pair.client_end(), reason, from).because(meeting.sent_because, "certain"),
        Expected::received(&pair.server_end(), meeting.state).because(cause, confidence),
    ])
    .grew(watch, &[("OutRsts", 1), ("EstabResets", meeting.established_resets)])
    .keep(pair))
}
