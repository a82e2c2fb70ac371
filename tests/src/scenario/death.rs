//! Processes that end with received data unread, so that the kernel closes their sockets.

use super::abort::UNREAD;
use crate::{
    connection::Connection,
    scene::{Expected, ExpectedNumber, Scene, Watch},
    stage::Stage,
};
use anyhow::Result;

/// The process is killed by SIGKILL, as by the OOM killer or a supervisor.
///
/// # Errors
/// When a step fails.
pub fn killed_with_unread_data(stage: &Stage) -> Result<Scene> {
    ended(stage, |pair| pair.server.kill())
}

/// The process exits by itself.
///
/// # Errors
/// When a step fails.
pub fn exited_with_unread_data(stage: &Stage) -> Result<Scene> {
    ended(stage, |pair| pair.server.exit(3))
}

fn ended(stage: &Stage, end: fn(&mut Connection) -> Result<()>) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.client_writes(UNREAD)?;
    let dying = pair.server_end();
    end(&mut pair)?;
    Ok(Scene::new(vec![
        Expected::sent(&dying, "tcp_abort_on_close", "established")
            .because("process_exit", "certain")
            .with("unread_bytes", ExpectedNumber::Exactly(UNREAD)),
        Expected::received(&pair.client_end(), "established").because("request_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnClose", 1), ("EstabResets", 2)])
    .saw(libc::ECONNRESET, pair.client.refused("recv c 1")?)
    .keep(pair))
}
