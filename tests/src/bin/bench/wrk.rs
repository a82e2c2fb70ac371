//! nginx under the load of wrk, both in one network namespace.

use crate::traffic::pin;
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    netns::NetworkPlace,
    nginx::{self, Nginx},
    skip,
};
use std::{net::SocketAddr, process::Command, time::Duration};

const PORT: u16 = 8081;
/// Connections that stay open.
const CONNECTIONS: u32 = 32;

/// Starts nginx with one worker, on the first CPU.
pub(crate) fn start_nginx(place: &NetworkPlace) -> Result<Nginx> {
    let setup = nginx::NginxSetup {
        workers: 1,
        main_directives: "worker_cpu_affinity auto;",
        server_directives: "keepalive_requests 1000000000; location / { return 200 \"0123456789abcdef\"; }",
        ..nginx::NginxSetup::default()
    };
    Nginx::start(place, SocketAddr::from(([127, 0, 0, 1], PORT)), setup)
}

/// Requests a second that wrk, on another CPU, gets answered over connections that stay open.
pub(crate) fn requests_per_second(place: &NetworkPlace, nginx: &Nginx, time: Duration, cpu: usize) -> Result<f64> {
    let mut wrk = Command::new(skip::find("wrk").context("wrk is not installed")?);
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}", whole_seconds(time))]);
    wrk.arg(format!("http://{}/", nginx.address()));
    // The child inherits namespace and affinity from the thread that starts it.
    let output = place.run(|| {
        pin(cpu)?;
        wrk.output().context("starting wrk")
    })??;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    requests(&text).with_context(|| format!("wrk met errors or printed no rate:\n{text}"))
}

/// wrk takes whole seconds only.
pub(crate) fn whole_seconds(time: Duration) -> f64 {
    time.as_secs_f64().round().max(1.0)
}

/// The rate that wrk prints; `None` if it met errors.
fn requests(text: &str) -> Option<f64> {
    let clean = !text.contains("Socket errors") && !text.contains("Non-2xx");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    line?.trim().parse().ok().filter(|_| clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_without_errors_count() {
        let text = "  100 requests in 1.00s\nRequests/sec:  12345.67\nTransfer/sec: 1MB\n";
        assert_eq!(requests(text), Some(12345.67));
        assert_eq!(requests(&format!("  Socket errors: connect 0, read 1\n{text}")), None);
    }
}
