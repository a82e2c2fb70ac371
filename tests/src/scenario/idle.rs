//! Connections that fall silent.

use crate::{
    connection::Connection,
    scene::{Expected, Number, Scene, Watch},
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, LATER},
};
use anyhow::Result;

/// How long [`reset_after_idle`] stays silent, in milliseconds: tests set the idle threshold below it.
pub const SILENCE_MS: u64 = 1500;

/// What of it is left at the least where the steps around it take their time.
fn least_silence_ms() -> u64 {
    SILENCE_MS - 50 * u64::from(wait::slowness())
}

/// Bytes of the write that breaks the silence.
const HELLO: u64 = 10;

/// The peer's host falls silent without a word; our keep-alive gives up on it.
///
/// # Errors
/// When a step fails.
pub fn keepalive_timeout(stage: &Stage) -> Result<Scene> {
    let (server_watch, client_watch) = (Watch::on(stage.server())?, Watch::on(stage.client())?);
    let mut pair = Connection::open(stage)?;
    // Nothing gets out (no route back), nothing gets in (its source is not where the route points).
    let filter = Sysctl::set(stage.client(), "ipv4/conf/all/rp_filter", "1")?;
    stage.client().tool(&format!("ip route add blackhole {}", pair.server_address.ip()))?;
    pair.server.ask("set c keepalive 1 1 1")?;
    wait::until_true("the keep-alive to give up", LATER, || Ok(server_watch.growth()?.get("TCPAbortOnTimeout") > 0))?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_keepalive_timeout", "established")
            .because("idle_timeout", "certain")
            .with("silent_ms", Number::AtLeast(least_silence_ms())),
    ])
    .grew(server_watch, &[("OutRsts", 1), ("TCPAbortOnTimeout", 1), ("EstabResets", 1)])
    .grew(client_watch, &[("OutRsts", 0), ("EstabResets", 0)])
    .saw(libc::ETIMEDOUT, pair.server.refused("recv c 1")?)
    .keep((pair, filter)))
}

/// The peer's host forgets the connection (in repair mode a close sends nothing), as after a failover; after a long
/// silence we write, and are told.
///
/// # Errors
/// When a step fails.
pub fn reset_after_idle(stage: &Stage) -> Result<Scene> {
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
    // Silence is what this is about; how much of it there has been, the kernel says.
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
        forgotten.because("write_after_close", "likely").with("closed_ms_ago", Number::AtLeast(least_silence_ms())),
        Expected::received(&pair.client_end(), "established")
            .because("peer_reset_idle", "likely")
            .with("silent_ms", Number::AtLeast(least_silence_ms()))
            .with("unacked_bytes", Number::Exactly(HELLO)),
    ])
    // Repair mode takes the socket from ESTABLISHED to CLOSE, which counts as a reset though none was sent.
    .grew(server, &[("OutRsts", 1), ("EstabResets", 1)])
    .grew(client, &[("OutRsts", 0), ("EstabResets", 1)])
    .saw(libc::ECONNRESET, errno)
    .keep(pair))
}
