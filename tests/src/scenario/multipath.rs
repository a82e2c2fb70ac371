//! Resets of Multipath TCP.

use super::abort::UNREAD;
use crate::{
    connection::{Connection, Recipe},
    scene::{Expected, Scene, Watch},
    stage::Stage,
};
use anyhow::{Result, ensure};

/// An MPTCP socket is closed with data unread, which triggers MPTCP's fast close.
///
/// # Errors
/// When a step fails or the connection does not use MPTCP.
pub(crate) fn fastclose(stage: &Stage) -> Result<Scene> {
    closed(stage, None)
}

/// The same with `SO_LINGER` of 0 seconds.
///
/// # Errors
/// As above.
pub(crate) fn aborted(stage: &Stage) -> Result<Scene> {
    closed(stage, Some("set c linger 0"))
}

fn closed(stage: &Stage, before: Option<&str>) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::make(stage, Recipe { kind: Some("mptcp"), ..Recipe::default() })?;
    let negotiated = crate::kernel::mptcp(stage.server(), "MPCapableSYNRX")?;
    ensure!(negotiated > 0, "the kernel fell back to TCP");
    pair.server_writes(UNREAD)?;
    if let Some(before) = before {
        pair.client.ask(before)?;
    }
    pair.client.ask("close c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.client_end(), "tcp_abort_on_close", "established")
            .because("closed_with_unread_data", "likely")
            // The subflow has nothing unread: only the reason shows it.
            .without_reason("mptcp", "likely"),
        Expected::received(&pair.server_end(), "established").because("mptcp", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1)])
    .saw(libc::ECONNRESET, pair.server.refused("recv c 1")?)
    .keep(pair))
}
