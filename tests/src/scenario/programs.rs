//! Verdicts about servers, proxies and clients that others wrote.
use super::talk::{ANSWER, FAREWELL, LATE, Side, Talk};
use crate::{scene::Scene, stage::Stage};
use anyhow::{Result, bail};

pub(crate) fn header_timeout(_: &Stage, _: bool) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn rejected_body(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn lingering_close(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn read_timeout(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn tls_idle_close(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn curl_gives_up(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn python_gives_up(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn haproxy_check(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn haproxy_idle(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
pub(crate) fn haproxy_gives_up(_: &Stage) -> Result<Scene> {
    bail!("todo")
}
