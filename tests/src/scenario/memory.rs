//! The kernel aborts a closed connection because it has too many orphans.

use crate::{
    actor::TcpState,
    connection::{Connection, dial},
    netns::NetworkPlace,
    scene::{End, Expected, Scene, Watch},
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, SOON},
};
use anyhow::Result;

/// `tcp_max_orphans` is 0 and there already is an orphan. The kernel counts orphans only ten times a second, so several
/// connections may be closed normally before one is aborted.
///
/// # Errors
/// When a step fails.
pub(crate) fn orphan_limit(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    // Longer than TIME_WAIT, so that the orphan stays a full socket.
    pair.server.ask("set c linger2 120")?;
    pair.server.ask("close c")?;
    pair.client.await_state("c", TcpState::CloseWait)?;

    let limit = Sysctl::set(&NetworkPlace::Host, "ipv4/tcp_max_orphans", "0")?;
    let service = pair.server_address;
    let (server_end, client_end) = wait::until("an orphan to be given up", SOON, || {
        let local = dial(stage, &mut pair.client, None, "next", service)?;
        pair.server.ask("accept l next")?;
        pair.server.ask("set next linger2 120")?;
        pair.server.ask("close next")?;
        let given_up = watch.growth()?.get("TCPAbortOnMemory") > 0;
        let ends = (End { remote: local, ..pair.server_end() }, End { local, ..pair.client_end() });
        Ok(given_up.then_some(ends))
    })?;
    drop(limit);
    // The acknowledgement of the FIN may cross the reset: it then reaches the listener without a handshake. It arrives
    // before the later segments of the same direction, which have arrived here.
    pair.client.await_state("next", TcpState::Close)?;
    dial(stage, &mut pair.client, None, "after", service)?;
    pair.server.ask("accept l after")?;
    let answered = watch.growth()?.get("OutRsts").saturating_sub(1);
    let sent = Expected::sent(&server_end, "tcp_abort_on_memory", "").because("memory_pressure", "certain");
    Ok(Scene::new(vec![
        // FIN_WAIT1 or FIN_WAIT2: the acknowledgement of the FIN races with the rest of the close.
        Expected { state: None, ..sent },
        Expected::received(&client_end, "close_wait").because("peer_reset", "likely"),
    ])
    .with_answered_stray_segments(answered)
    .grew(watch, &[("OutRsts", 1 + answered), ("TCPAbortOnMemory", 1), ("EstabResets", 1)])
    .keep(pair))
}
