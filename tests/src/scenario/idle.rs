//! Resets of idle connections.

use crate::{
    connection::Connection,
    scene::{Expected, ExpectedNumber, Scene, Watch},
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, LATER},
};
use anyhow::Result;

/// How long the connection of [`reset_after_idle`] is idle, in milliseconds: tests set the idle threshold below it.
pub(crate) const SILENCE_MS: u64 = 1500;

/// A lower bound of the idle time, less what the steps around it take.
fn least_silence_ms() -> u64 {
    SILENCE_MS - 50 * u64::from(wait::slowness())
}

/// Length of the write that ends the idle time.
const HELLO: u64 = 10;

/// The peer's host becomes unreachable; our keep-alive gives up.
///
/// # Errors
/// When a step fails.
pub(crate) fn keepalive_timeout(stage: &Stage) -> Result<Scene> {
    let (server_watch, client_watch) = (Watch::on(stage.server())?, Watch::on(stage.client())?);
    let mut pair = Connection::open(stage)?;
    // No packet leaves (no route back), none is accepted (the reverse path filter drops it).
    let filter = Sysctl::set(stage.client(), "ipv4/conf/all/rp_filter", "1")?;
    stage.client().tool(&format!("ip route add blackhole {}", pair.server_address.ip()))?;
    pair.server.ask("set c keepalive 1 1 1")?;
    wait::until_true("the keep-alive to give up", LATER, || Ok(server_watch.growth()?.get("TCPAbortOnTimeout") > 0))?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_keepalive_timeout", "established")
            .because("idle_timeout", "certain")
            .with("silent_ms", ExpectedNumber::AtLeast(least_silence_ms())),
    ])
    .grew(server_watch, &[("OutRsts", 1), ("TCPAbortOnTimeout", 1), ("EstabResets", 1)])
    .grew(client_watch, &[("OutRsts", 0), ("EstabResets", 0)])
    .saw(libc::ETIMEDOUT, pair.server.refused("recv c 1")?)
    .keep((pair, filter)))
}

/// The peer's host forgets the connection, as after a failover (in repair mode a close sends nothing). After a long
/// idle time we write and get a reset.
///
/// # Errors
/// When a step fails.
pub(crate) fn reset_after_idle(stage: &Stage) -> Result<Scene> {
    let watches = [Watch::on(stage.server())?, Watch::on(stage.client())?];
    let mut pair = Connection::open(stage)?;
    pair.client_writes(HELLO)?;
    pair.server_writes(HELLO)?;
    for end in [&mut pair.server, &mut pair.client] {
        end.ask(&format!("recv c {HELLO}"))?;
    }
    pair.server.ask("close l")?;
    pair.server.ask("set c repair 1")?;
    pair.server.ask("close c")?;
    // The idle time is read from the kernel instead of being slept.
    wait::until_true("silence", LATER, || {
        let look = pair.client.ask("look c")?;
        let silent = look.get::<u64>("last_received_ms")?.min(look.get("last_sent_ms")?);
        Ok(silent >= SILENCE_MS)
    })?;
    pair.client.ask(&format!("send c {HELLO}"))?;
    let errno = pair.client.refused("recv c 1")?;
    let forgotten = Expected { state: None, ..Expected::sent(&pair.server_end(), "no_socket", "") };
    let [server, client] = watches;
    Ok(Scene::new(vec![
        forgotten
            .because("unknown_connection", "certain")
            .with("closed_ms_ago", ExpectedNumber::AtLeast(least_silence_ms())),
        Expected::received(&pair.client_end(), "established")
            .because("peer_reset_idle", "likely")
            .with("silent_ms", ExpectedNumber::AtLeast(least_silence_ms()))
            .with("unacked_bytes", ExpectedNumber::Exactly(HELLO)),
    ])
    // Repair mode takes the socket from ESTABLISHED to CLOSE, which is counted as a reset although none was sent.
    .grew(server, &[("OutRsts", 1), ("EstabResets", 1)])
    .grew(client, &[("OutRsts", 0), ("EstabResets", 1)])
    .saw(libc::ECONNRESET, errno)
    .keep(pair))
}
