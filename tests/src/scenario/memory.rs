//! The kernel gives up a closed connection because it keeps too many of them.

use crate::{
    actor::TcpState,
    connection::{Connection, dial},
    netns::Place,
    scene::{End, Expected, Scene, Watch},
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, SOON},
};
use anyhow::Result;

/// `tcp_max_orphans` is 0 and there is an orphan already. The kernel counts orphans ten times a second only, so a few
/// connections may be closed in peace before one is given up.
///
/// # Errors
/// When a step fails.
pub fn orphan_limit(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    // Longer than TIME_WAIT lasts, so that the orphan stays a full socket.
    pair.server.ask("set c linger2 120")?;
    pair.server.ask("close c")?;
    pair.client.await_state("c", TcpState::CloseWait)?;

    let limit = Sysctl::set(&Place::Host, "ipv4/tcp_max_orphans", "0")?;
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
    // The acknowledgement of the FIN may cross the reset: it then meets the listener, without a handshake. What comes
    // after it on the same way has arrived, so it has.
    pair.client.await_state("next", TcpState::Close)?;
    dial(stage, &mut pair.client, None, "after", service)?;
    pair.server.ask("accept l after")?;
    let echoes = watch.growth()?.get("OutRsts").saturating_sub(1);
    let sent = Expected::sent(&server_end, "tcp_abort_on_memory", "").because("memory_pressure", "certain");
    Ok(Scene::new(vec![
        // FIN_WAIT1 or FIN_WAIT2: the acknowledgement of the FIN races with the rest of the close.
        Expected { state: None, ..sent },
        Expected::received(&client_end, "close_wait").because("peer_reset", "likely"),
    ])
    .with_echoes(echoes)
    .grew(watch, &[("OutRsts", 1 + echoes), ("TCPAbortOnMemory", 1), ("EstabResets", 1)])
    .keep(pair))
}
