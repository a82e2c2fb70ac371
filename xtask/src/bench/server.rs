//! A real server and its clients, in the namespace: nginx, with a configuration and directory of its own, and wrk.

use super::{child::Running, namespace::Namespace, scratch::Scratch, traffic::pin};
use crate::{lookup, process, workspace};
use anyhow::Context as _;
use rustix::process::Signal;
use std::{
    fs,
    net::TcpStream,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
    time::Duration,
};

const ADDRESS: &str = "127.0.0.1:8081";
/// Connections that are kept open and used again and again.
const CONNECTIONS: u32 = 32;

/// One worker on the first CPU; the system's nginx is left alone.
const CONFIGURATION: &str = "daemon off;
worker_processes 1;
worker_cpu_affinity auto;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    server {
        listen 127.0.0.1:8081;
        location / { return 200 \"0123456789abcdef\"; }
    }
}
";

/// A running nginx; gone when dropped.
#[derive(Debug)]
pub(super) struct Nginx {
    running: Running,
    namespace: Namespace,
}

impl Nginx {
    /// Starts it and waits until it answers.
    pub(super) fn start(namespace: &Namespace) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        // The worker is not root and has to get through.
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).context("cannot open the directory")?;
        workspace::write(&scratch.path().join("nginx.conf"), CONFIGURATION)?;
        let mut command = Command::new(lookup::find("nginx").context("nginx is not installed")?);
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(scratch.path());
        namespace.enter_with(&mut command);
        let mut running = Running::start(&mut command, scratch)?;
        running.until("serving", |_| namespace.run(|| Ok(TcpStream::connect(ADDRESS).is_ok())))?;
        Ok(Self { running, namespace: namespace.clone() })
    }

    /// Requests a second that clients on the last CPU get answered over connections that stay open.
    pub(super) fn requests_per_second(&self, time: Duration, cpu: usize) -> anyhow::Result<f64> {
        let mut wrk = Command::new(lookup::find("wrk").context("wrk is not installed")?);
        wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}", whole_seconds(time))]);
        wrk.arg(format!("http://{ADDRESS}/"));
        self.namespace.enter_with(&mut wrk);
        // SAFETY: between fork and exec it asks for the affinity and sets it; the list that it makes of it is short and
        // this program has one thread just now.
        unsafe { wrk.pre_exec(move || pin(cpu).map_err(std::io::Error::other)) };
        let said = process::output(&mut wrk)?;
        requests(&said).with_context(|| format!("wrk has no account of itself:\n{said}"))
    }

    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.running.end(Signal::TERM).map(drop)
    }
}

/// wrk knows whole seconds only.
pub(super) fn whole_seconds(time: Duration) -> f64 {
    time.as_secs_f64().round().max(1.0)
}

/// What wrk says it got; nothing if it met errors.
fn requests(said: &str) -> Option<f64> {
    let clean = !said.contains("Socket errors") && !said.contains("Non-2xx");
    let line = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    line?.trim().parse().ok().filter(|_| clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_without_errors_count() {
        let said = "  100 requests in 1.00s\nRequests/sec:  12345.67\nTransfer/sec: 1MB\n";
        assert_eq!(requests(said), Some(12345.67));
        assert_eq!(requests(&format!("  Socket errors: connect 0, read 1\n{said}")), None);
    }
}
